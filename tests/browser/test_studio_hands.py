"""Hands on the data studio: a million rows by keyboard, bars and rows without a mouse, and going back to where one was."""

from __future__ import annotations

import io
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

from browser import kit
from browser.kit import LiveHub
from browser.test_accessibility import serious
from browser.workshop import commit, create

MILLION = 1_000_000
LONG = "/datasets/lila/long/viewer"
TIDES = "/datasets/lila/tides/viewer"


@pytest.fixture(scope="module")
def tables(workshop: LiveHub) -> LiveHub:
    """A table of a million rows, and one of every kind of column."""
    words = [f"word {number}" for number in range(97)]
    long = pa.table({
        "id": pa.array(range(MILLION), pa.int64()),
        "word": pa.DictionaryArray.from_arrays(pa.array([at % 97 for at in range(MILLION)], pa.int32()), words).cast(pa.string()),
    })  # fmt: skip
    out = io.BytesIO()
    pq.write_table(long, out, use_dictionary=["word"], column_encoding={"id": "DELTA_BINARY_PACKED"})
    lines = [
        {"port": f"port {at}", "depth": at / 2, "boats": at, "is_open": at % 2 == 0, "tags": ["a", "b"]}
        for at in range(20)
    ]
    lines[3]["port"] = "two\nlines"
    tides = "".join(json.dumps(each) + "\n" for each in lines).encode()
    with workshop.client("lila") as lila:
        create(lila, "long", kind="dataset")
        commit(lila, "/api/datasets/lila/long", {"train.parquet": out.getvalue()})
        create(lila, "tides", kind="dataset")
        commit(lila, "/api/datasets/lila/tides", {"train.jsonl": tides})
    return workshop


def _word(page: Page, row: int) -> None:
    """Check a row of the long table by what must be in it."""
    expect(page.locator(f"#cell-{row}-0")).to_have_text(re.compile(rf"^{row:,}$|^{row}$"))
    expect(page.locator(f"#cell-{row}-1")).to_have_text(f"word {row % 97}")


# The head is 104 pixels high, and stays.
_LIES_WITHIN = """
(id) => {
  const cell = document.getElementById(id)?.getBoundingClientRect();
  const grid = document.querySelector(".grid").getBoundingClientRect();
  return cell && cell.top >= grid.top + 104 && cell.bottom <= grid.bottom + 1;
}
"""


def test_a_million_rows_are_walked_by_keyboard(chromium: Browser, tables: LiveHub) -> None:
    with kit.visit(chromium, tables) as visitor:
        page = visitor.go(LONG)
        expect(page.locator("[data-count]")).to_have_text("1,000,000 rows")
        grid = page.get_by_role("grid")
        expect(grid).to_have_attribute("aria-rowcount", str(MILLION + 1))
        grid.focus()

        def chosen() -> int:
            named = grid.get_attribute("aria-activedescendant")
            assert named is not None
            return int(named.split("-")[1])

        page.keyboard.press("Control+End")
        _word(page, MILLION - 1)
        assert chosen() == MILLION - 1
        page.keyboard.press("PageUp")
        above = chosen()
        assert MILLION - 60 < above < MILLION - 2
        _word(page, above)
        page.keyboard.press("PageDown")
        assert chosen() == MILLION - 1
        _word(page, MILLION - 1)
        page.keyboard.press("ArrowDown")
        assert chosen() == MILLION - 1
        page.keyboard.press("Home")
        expect(grid).to_have_attribute("aria-activedescendant", f"cell-{MILLION - 1}-0")
        page.keyboard.press("End")
        expect(grid).to_have_attribute("aria-activedescendant", f"cell-{MILLION - 1}-1")
        page.keyboard.press("Control+Home")
        _word(page, 0)
        for _ in range(3):
            page.keyboard.press("PageDown")
        _word(page, chosen())
        # The row that is chosen lies whole within the table, under the head.
        page.wait_for_function(_LIES_WITHIN, arg=f"cell-{chosen()}-0")
        # The squeezed scrollbar leads to every part.
        grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
        _word(page, MILLION - 1)
        assert visitor.watch.take() == []


def test_bars_are_conditions_without_a_mouse(chromium: Browser, tables: LiveHub) -> None:
    with kit.visit(chromium, tables) as visitor:
        page = visitor.go(TIDES)
        bars = page.get_by_role("group", name="Distribution of boats")
        expect(bars.get_by_role("button").first).to_be_visible(timeout=60_000)
        title = page.get_by_role("columnheader", name=re.compile("^boats")).get_by_role(
            "button", name="boats", exact=True
        )
        title.focus()
        page.keyboard.press("Tab")
        first = bars.get_by_role("button").first
        expect(first).to_be_focused()
        expect(first).to_have_attribute("aria-label", re.compile(r"^0 – \d+: \d+$"))
        page.keyboard.press("End")
        expect(bars.get_by_role("button").last).to_be_focused()
        page.keyboard.press("ArrowLeft")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        expect(page).to_have_url(re.compile("where=%22boats%22"))
        expect(page.locator("[data-count]")).to_have_text(re.compile(r"^\d rows found$"))
        expect(page.locator("#cell-0-2")).to_have_text("18")
        assert visitor.watch.take() == []


def test_slash_searches_the_table(chromium: Browser, tables: LiveHub) -> None:
    with kit.visit(chromium, tables) as visitor:
        page = visitor.go(TIDES)
        page.keyboard.press("/")
        expect(page.get_by_role("searchbox", name="Search in this split")).to_be_focused()
        page.keyboard.type("port 7")
        page.keyboard.press("Enter")
        expect(page.locator("#cell-0-0")).to_have_text("port 7")
        visitor.go("/lila")
        page.keyboard.press("/")
        expect(page.get_by_role("combobox", name="Search models")).to_be_focused()


def test_a_row_is_added_in_a_form_of_its_own(chromium: Browser, tables: LiveHub) -> None:
    with kit.visit(chromium, tables, "omar") as visitor:
        page = visitor.go(f"{TIDES}?view=edit")
        page.locator("[data-panel=edit][data-ready]").wait_for()
        asked: list[str] = []
        page.on("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        page.get_by_role("button", name="Add a row").click()
        form = page.get_by_role("dialog", name="Add a row")
        expect(form.get_by_label("port")).to_be_focused()
        form.get_by_label("port").fill("Narvik")
        form.get_by_label("depth").fill("deep")
        form.get_by_label("boats").fill("12")
        form.get_by_label("is_open").select_option("true")
        form.get_by_label("tags").fill('["north"]')
        form.get_by_role("button", name="Add the row").click()
        expect(form).to_be_visible()
        expect(form.get_by_label("depth")).to_be_focused()
        assert form.get_by_label("depth").evaluate("field => field.validationMessage") == (
            "This is not a value of type float64."
        )
        assert serious(page) == []
        # Closed by mistake: what was typed is still there.
        page.keyboard.press("Escape")
        expect(form).to_be_hidden()
        page.get_by_role("button", name="Add a row").click()
        expect(form.get_by_label("port")).to_have_value("Narvik")
        form.get_by_label("depth").fill("7.5")
        form.get_by_label("depth").press("Enter")
        expect(form).to_be_hidden()
        changes = page.locator("[data-changes]")
        expect(changes).to_contain_text(
            '{"port":"Narvik","depth":7.5,"boats":12,"is_open":true,"tags":["north"]}'
        )
        # Looking into a cell of two lines changes nothing.
        page.locator("#cell-3-0").dblclick()
        editor = page.locator("#cell-3-0 textarea")
        expect(editor).to_have_value("two\nlines")
        editor.press("Enter")
        expect(changes.locator("li")).to_have_count(1)
        page.reload()
        expect(changes.locator("li")).to_have_count(1)
        page.get_by_role("button", name="Propose or commit").click()
        page.locator("[data-panel=edit] a[href*='/discussions/']").click()
        page.wait_for_url("**/datasets/lila/tides/discussions/*")
        assert asked == []
        assert visitor.watch.take() == []


def test_a_table_that_moved_on_takes_the_change_as_a_pull_request(chromium: Browser, tables: LiveHub) -> None:
    api = "/api/datasets/lila/moving"
    with tables.client("lila") as lila, kit.visit(chromium, tables, "lila") as visitor:
        create(lila, "moving", kind="dataset")
        commit(lila, api, {"train.csv": b"n,word\n1,a\n2,b\n"})
        page = visitor.go("/datasets/lila/moving/viewer?view=edit")
        page.locator("[data-panel=edit][data-ready]").wait_for()
        page.locator("#cell-1-1").dblclick()
        page.locator("#cell-1-1 textarea").fill("mine")
        page.locator("#cell-1-1 textarea").press("Enter")
        page.get_by_label("As a pull request").uncheck()
        commit(lila, api, {"train.csv": b"n,word\n0,z\n1,a\n2,b\n"})
        page.get_by_role("button", name="Propose or commit").click()
        told = page.locator("[data-panel=edit] [role=alert]")
        expect(told).to_contain_text("The branch was updated")
        expect(told).to_contain_text("Your changes are kept here")
        expect(page.locator("[data-changes] li")).to_have_count(1)
        expect(page.get_by_label("As a pull request")).to_be_checked()
        page.get_by_role("button", name="Propose or commit").click()
        expect(page.locator("[data-panel=edit] a[href*='/discussions/1']")).to_be_visible()
        assert (
            lila.get("/datasets/lila/moving/resolve/refs%2Fpr%2F1/train.csv").text == "n,word\n1,a\n2,mine\n"
        )
        assert lila.get("/datasets/lila/moving/resolve/main/train.csv").text == "n,word\n0,z\n1,a\n2,b\n"


def test_going_back_shows_what_the_address_says(chromium: Browser, tables: LiveHub) -> None:
    api = "/api/datasets/lila/history"
    with tables.client("lila") as lila:
        create(lila, "history", kind="dataset")
        before = commit(lila, api, {"train.csv": b"n,word\n1,a\n2,b\n"})
        commit(lila, api, {"train.csv": b"n,word\n1,a\n2,c\n3,d\n"})
    with kit.visit(chromium, tables) as visitor:
        page = visitor.go("/datasets/lila/history/viewer")
        page.get_by_role("button", name="Compare", exact=True).first.click()
        panel = page.locator("[data-panel=diff][data-ready]")
        told, result = panel.locator("[data-told]"), panel.locator("[data-result]")
        go = panel.get_by_role("button", name="Compare")
        panel.get_by_label("From").fill(before)
        go.click()
        expect(told).to_contain_text("2 added, 1 removed, 0 changed")
        panel.get_by_label("Rows are named by").select_option("n")
        go.click()
        expect(told).to_contain_text("1 added, 0 removed, 1 changed")
        keyed = page.url
        assert f"base={before}" in keyed
        assert "key=n" in keyed
        panel.get_by_label("From").fill("main")
        go.click()
        expect(told).to_have_text("Both revisions have the same rows.")
        page.go_back()
        expect(told).to_contain_text("1 added, 0 removed, 1 changed")
        expect(panel.get_by_label("From")).to_have_value(before)
        expect(panel.get_by_label("Rows are named by")).to_have_value("n")
        page.reload()
        expect(told).to_contain_text("1 added, 0 removed, 1 changed")
        expect(panel.get_by_label("Rows are named by")).to_have_value("n")
        # Another revision on the right is another table.
        panel.get_by_label("to", exact=True).fill(before)
        go.click()
        expect(page.locator("[data-count]")).to_have_text("2 rows")
        expect(told).to_have_text("Both revisions have the same rows.")
        page.go_back()
        expect(page.locator("[data-count]")).to_have_text("3 rows")
        expect(told).to_contain_text("1 added, 0 removed, 1 changed")
        assert page.url == keyed
        page.go_back()
        expect(panel.get_by_label("Rows are named by")).to_have_value("")
        page.go_back()
        expect(result).to_be_hidden()
        assert visitor.watch.take() == []


def test_conditions_columns_and_rows_come_back_too(chromium: Browser, tables: LiveHub) -> None:
    with kit.visit(chromium, tables) as visitor:
        page = visitor.go(TIDES)
        count = page.locator("[data-count]")
        page.get_by_label("Condition", exact=True).fill('"boats" > 9')
        page.get_by_label("Condition", exact=True).press("Enter")
        expect(count).to_have_text("10 rows found")
        page.locator(".grid-title .name", has_text="depth").click()
        page.locator(".grid-title .name", has_text="depth").click()
        expect(page.locator("#cell-0-2")).to_have_text("19")
        page.get_by_role("button", name="Columns", exact=True).click()
        page.get_by_label("is_open", exact=True).uncheck()
        page.get_by_role("grid").focus()
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Enter")
        detail = page.locator("[data-detail]")
        expect(detail).to_contain_text("port 18")
        full = page.url
        page.reload()
        expect(detail).to_contain_text("port 18")
        expect(page.locator(".grid-title .name")).to_have_count(4)
        expect(count).to_have_text("10 rows found")
        page.go_back()
        page.go_back()
        expect(count).to_have_text("10 rows found")
        expect(page.locator("#cell-0-2")).to_have_text("10")
        expect(page.locator(".grid-title .name")).to_have_count(5)
        expect(detail).to_be_hidden()
        page.go_back()
        expect(count).to_have_text("20 rows")
        expect(page.get_by_label("Condition", exact=True)).to_have_value("")
        for _ in range(3):
            page.go_forward()
        expect(page).to_have_url(full)
        expect(detail).to_contain_text("port 18")
        expect(page.locator(".grid-title .name")).to_have_count(4)
        expect(page.locator("[data-panel=choose]")).to_be_visible()
        assert visitor.watch.take() == []

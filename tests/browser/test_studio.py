"""The data studio in a real browser: a long table is walked, narrowed, asked in SQL, edited, and found again by its address."""

from __future__ import annotations

import base64
import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, Route, expect

from browser import kit
from browser.kit import PASSWORD, LiveHub
from openhood.testing import server

ROWS = 100_000
TABLE = "/datasets/lila/boats/viewer"


def line(number: int) -> str:
    return f"{number},boat {number},{('sail', 'motor', 'oar')[number % 3]},{number % 97}"


@pytest.fixture(scope="module")
def harbour() -> Iterator[LiveHub]:
    """A hub where lila has a dataset of one long table, and omar an account."""
    with tempfile.TemporaryDirectory(prefix="openhood-studio-") as directory:
        data_dir, facts = Path(directory, "data"), Path(directory, "hub.json")
        people = [{"name": name, "password": PASSWORD} for name in ("lila", "omar")]
        facts.write_text(json.dumps({"users": people}))
        done = server.run_cli(data_dir, "provision", str(facts))
        assert done.returncode == 0, done.stderr
        with kit.running(data_dir, dict.fromkeys(("lila", "omar"), PASSWORD)) as live:
            with live.client("lila") as lila:
                made = lila.post("/api/repos/create", json={"name": "boats", "type": "dataset"})
                assert made.status_code == 200, made.text
                text = "id,name,kind,length\n" + "".join(f"{line(number)}\n" for number in range(ROWS))
                head = {"key": "header", "value": {"summary": "All boats"}}
                file = {"path": "train.csv", "encoding": "base64", "content": _base64(text)}
                body = "".join(json.dumps(each) + "\n" for each in (head, {"key": "file", "value": file}))
                sent = lila.post(
                    "/api/datasets/lila/boats/commit/main",
                    content=body,
                    headers={"Content-Type": "application/x-ndjson"},
                )
                assert sent.status_code == 200, sent.text
                # The whole table is there, so that no count is that of a part.
                whole = {"config": "default", "split": "train", "where": '"id" = 99999'}
                assert lila.get("/api/datasets/lila/boats/viewer/filter", params=whole).status_code == 200
            yield live


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def _cell(page: Page, row: int, column: int) -> Locator:
    return page.locator(f"#cell-{row}-{column}")


def test_a_long_table_is_walked(chromium: Browser, harbour: LiveHub) -> None:
    with kit.visit(chromium, harbour) as visitor:
        page = visitor.go(TABLE)
        expect(page.locator("[data-count]")).to_have_text("100,000 rows")
        expect(_cell(page, 0, 1)).to_have_text("boat 0")
        grid = page.get_by_role("grid")
        grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight / 2; }")
        middle = page.locator(".grid-row").first.get_by_role("rowheader")
        expect(middle).to_have_text(re.compile(r"^(49,9|50,0)\d\d$"))
        grid.focus()
        page.keyboard.press("Control+End")
        expect(_cell(page, ROWS - 1, 1)).to_have_text("boat 99999")
        assert page.locator(".grid-row").count() < 60, "only what can be seen is in the page"
        page.keyboard.press("Enter")
        expect(page.locator("[data-detail]")).to_contain_text("boat 99999")
        expect(page).to_have_url(re.compile(r"row=99999"))
        page.reload()
        expect(page.locator("[data-detail]")).to_contain_text("boat 99999")
        box = page.locator("[data-detail]").bounding_box()
        assert box is not None
        assert box["y"] == 0, "nothing of the page looks out above the panel"
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        for button, copied in (
            ("Copy the cell: name", "boat 99999"),
            ("Copy the cell: length", str(99999 % 97)),
        ):
            page.get_by_role("button", name=button).click()
            page.wait_for_function(
                "text => navigator.clipboard.readText().then(read => read === text)", arg=copied
            )
        assert visitor.watch.take() == []


def test_rows_are_narrowed_and_the_address_says_how(chromium: Browser, harbour: LiveHub) -> None:
    with kit.visit(chromium, harbour) as visitor:
        page = visitor.go(TABLE)
        count = page.locator("[data-count]")
        page.locator(".grid-title", has_text="kind").locator("rect").first.click(timeout=60_000)
        expect(count).to_have_text(re.compile(r"^33,33\d rows found$"))
        page.get_by_role("button", name="Filter", exact=True).click()
        page.get_by_label("Column", exact=True).select_option("length")
        page.get_by_label("Operator").select_option(">=")
        page.get_by_label("Value").fill("a few")
        page.locator("[data-apply]").click()
        expect(page.locator("[data-mistake]")).to_have_text("This is not a value of type int64.")
        page.get_by_label("Value").fill("96")
        page.locator("[data-apply]").click()
        expect(count).to_have_text(re.compile(r"^34\d rows found$"))
        found = count.inner_text()
        page.locator(".grid-title .name", has_text="id").click()
        page.locator(".grid-title .name", has_text="id").click()
        expect(page).to_have_url(re.compile("orderby=%22id%22\\+DESC"))
        page.get_by_role("button", name="Columns", exact=True).click()
        page.get_by_label("name", exact=True).uncheck()
        expect(page.locator(".grid-title .name")).to_have_count(3)
        first = _cell(page, 0, 0)
        expect(first).to_have_text(re.compile(r"^99\d{3}$"))
        highest = first.inner_text()
        page.reload()
        expect(page.locator(".grid-title .name")).to_have_count(3)
        expect(count).to_contain_text(found.removesuffix(" found"))
        expect(_cell(page, 0, 0)).to_have_text(highest)
        page.get_by_role("searchbox", name="Search in this split").fill("boat 4711")
        page.keyboard.press("Enter")
        expect(_cell(page, 0, 0)).to_have_text("4711")
        assert visitor.watch.take() == []


def test_a_statement_is_run_and_kept(chromium: Browser, harbour: LiveHub) -> None:
    with kit.visit(chromium, harbour) as visitor:
        page = visitor.go(f"{TABLE}?view=sql")
        editor = page.locator("[data-panel=sql] textarea")
        editor.fill(
            "SELECT kind, count(*) AS boats FROM train GROUP BY kind ORDER BY boats DESC, kind LIMIT 1"
        )
        editor.press("Control+Enter")
        result = page.locator("[data-panel=sql] table")
        expect(result).to_contain_text("sail", timeout=60_000)
        expect(result).to_contain_text("33334")
        expect(page).to_have_url(re.compile("sql=SELECT"))
        editor.fill("SELECT * FROM read_csv('/etc/passwd')")
        editor.press("Control+Enter")
        expect(page.locator("[data-panel=sql] [role=alert]")).to_contain_text("read_csv")


def test_what_is_being_typed_outlives_what_arrives_regression(chromium: Browser, harbour: LiveHub) -> None:
    with kit.visit(chromium, harbour, "omar") as visitor:
        held: list[Route] = []
        page = visitor.page
        page.route("**/statistics?*", lambda route: held.append(route))
        with page.expect_request("**/statistics?*"):
            visitor.go(f"{TABLE}?view=edit")
        page.locator("[data-panel=edit][data-ready]").wait_for()
        _cell(page, 2, 1).dblclick()
        editor = page.locator(".grid-cell :is(input, textarea)")
        editor.fill("Alba")
        expect(page.locator(".grid-title rect")).to_have_count(0)
        for each in held:
            each.continue_()
        expect(page.locator(".grid-title rect").first).to_be_visible()
        editor.press_sequentially("tross")
        expect(editor).to_have_value("Albatross")
        editor.press("Escape")
        expect(_cell(page, 2, 1)).not_to_have_text("Albatross")


def test_a_cell_is_changed_by_a_pull_request_that_shows_its_rows(chromium: Browser, harbour: LiveHub) -> None:
    with kit.visit(chromium, harbour, "omar") as visitor:
        page = visitor.go(f"{TABLE}?view=edit")
        page.locator("[data-panel=edit][data-ready]").wait_for()
        _cell(page, 2, 1).dblclick()
        editor = page.locator(".grid-cell input, .grid-cell textarea")
        editor.fill("Albatross")
        editor.press("Enter")
        page.locator("[data-panel=edit]").get_by_role("button", name=re.compile("Propose|Commit")).click()
        page.locator("[data-panel=edit] a[href*='/discussions/']").click(timeout=60_000)
        expect(page).to_have_url(re.compile(r"/datasets/lila/boats/discussions/1"))
        visitor.go("/datasets/lila/boats/discussions/1/files")
        page.get_by_role("link", name="Rows that changed").click()
        told = page.locator("[data-panel=diff] [data-told]")
        expect(told).to_contain_text("0 added, 0 removed, 1 changed, 99,999 unchanged", timeout=60_000)
        expect(page.locator("[data-panel=diff] [data-result]")).to_contain_text("Albatross")

"""Writing by hand: a file that somebody else changed meanwhile, an answer with a picture in it, and the inbox after it."""

from __future__ import annotations

import io
import re

import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from browser import kit
from browser.kit import LiveHub
from browser.workshop import commit, create


@pytest.fixture(scope="module")
def desk(workshop: LiveHub) -> str:
    """A model with a discussion that omar began."""
    with workshop.client("lila") as lila, workshop.client("omar") as omar:
        create(lila, "poems")
        commit(lila, "/api/models/lila/poems", {"poem.txt": b"one\ntwo\n", "other.txt": b"other\n"})
        body = {"title": "A word is missing", "description": "Which one?"}
        assert omar.post("/api/models/lila/poems/discussions", json=body).status_code == 200
    return "/lila/poems"


def _commit(page: Page) -> None:
    page.get_by_role("button", name="Commit", exact=True).click()


def test_what_was_typed_survives_somebody_faster(chromium: Browser, workshop: LiveHub, desk: str) -> None:
    api = "/api/models/lila/poems"
    with workshop.client("lila") as lila, kit.visit(chromium, workshop, "lila") as visitor:
        page = visitor.go(f"{desk}/edit/main/poem.txt")
        text = page.get_by_label("Content")
        text.fill("one\ntwo\nthree\n")
        page.get_by_label("Message").fill("A third line")
        commit(lila, api, {"poem.txt": b"ONE\ntwo\n"}, message="Shout")
        _commit(page)
        notice = page.get_by_role("alert")
        expect(notice).to_contain_text("Somebody was faster: poem.txt was changed since you opened it.")
        expect(text).to_have_value("one\ntwo\nthree\n")
        expect(page.get_by_label("Message")).to_have_value("A third line")
        expect(page.get_by_label("As a pull request")).to_be_checked()
        with page.context.expect_page() as opened:
            notice.get_by_role("link", name="See what changed").click()
        expect(opened.value.locator(".changes")).to_contain_text("ONE")
        opened.value.close()
        # What is nowhere else is not left without a question.
        asked: list[str] = []
        page.once("dialog", lambda dialog: (asked.append(dialog.type), dialog.dismiss()))
        page.get_by_role("link", name="Cancel").click()
        expect(text).to_have_value("one\ntwo\nthree\n")
        assert asked == ["beforeunload"]
        _commit(page)
        page.wait_for_url(f"**{desk}/discussions/*")
        page.get_by_role("link", name="Files changed").click()
        changes = page.locator(".changes")
        expect(changes).to_contain_text("three")
        expect(changes).not_to_contain_text("ONE")
        assert lila.get(f"{desk}/resolve/main/poem.txt").text == "ONE\ntwo\n"
        # Both changes are in it once it is merged.
        number = page.url.split("/discussions/")[1].split("/")[0]
        assert lila.post(f"{api}/discussions/{number}/merge", json={}).status_code == 200
        assert lila.get(f"{desk}/resolve/main/poem.txt").text == "ONE\ntwo\nthree\n"


def test_somebody_at_another_file_is_not_in_the_way(chromium: Browser, workshop: LiveHub, desk: str) -> None:
    with workshop.client("lila") as lila, kit.visit(chromium, workshop, "lila") as visitor:
        page = visitor.go(f"{desk}/edit/main/other.txt")
        page.get_by_label("Content").fill("mine\n")
        commit(lila, "/api/models/lila/poems", {"third.txt": b"theirs\n"})
        _commit(page)
        page.wait_for_url(f"**{desk}/blob/main/other.txt")
        assert lila.get(f"{desk}/resolve/main/other.txt").text == "mine\n"
        assert lila.get(f"{desk}/resolve/main/third.txt").text == "theirs\n"
        assert visitor.watch.take() == []


def _png() -> str:
    out = io.BytesIO()
    Image.new("RGB", (8, 8), (20, 120, 90)).save(out, "PNG")
    return ",".join(str(byte) for byte in out.getvalue())


# A paste as the browser makes it of a picture in the clipboard.
_PASTE = """
([selector, bytes, name, type]) => {
  const data = new DataTransfer();
  data.items.add(new File([new Uint8Array(bytes.split(",").map(Number))], name, { type }));
  const event = new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true });
  document.querySelector(selector).dispatchEvent(event);
}
"""


def test_an_answer_with_a_picture_calls_somebody(chromium: Browser, workshop: LiveHub, desk: str) -> None:
    with kit.visit(chromium, workshop, "lila") as visitor:
        page = visitor.go(f"{desk}/discussions/1")
        area = page.get_by_label("Your answer")
        area.fill("Look, here: ")
        area.press("End")
        page.evaluate(_PASTE, ["#text", _png(), "shot [1].png", "image/png"])
        expect(area).to_have_value(
            re.compile(
                r"^Look, here: !\[shot  1 \.png\]\(\S+/uploads/\S+\)$|^Look, here: !\[[^\]]+\]\([^)]+\)$"
            )
        )
        area.press("End")
        area.press_sequentially(" @no")
        offered = page.locator(".people-found [role=option]")
        expect(offered).to_have_text([re.compile("noor")])
        page.keyboard.press("Tab")
        expect(area).to_have_value(re.compile(r" @noor $"))
        page.get_by_role("button", name="Preview").click()
        shown = page.locator(".shown-preview")
        expect(shown.locator("img")).to_be_visible()
        page.wait_for_function("document.querySelector('.shown-preview img').naturalWidth === 8")
        expect(shown.get_by_role("link", name="@noor")).to_be_visible()
        page.get_by_role("button", name="Write").click()
        expect(area).to_be_focused()
        # What is no picture is refused in words, and nothing of the text is lost.
        before = area.input_value()
        page.evaluate(_PASTE, ["#text", "1,2,3", "notes.zip", "application/zip"])
        expect(page.locator(".said")).to_contain_text("The file could not be attached:")
        expect(area).to_have_value(before)
        visitor.watch.take()  # a refusal is an error to the console
        area.press("Control+Enter")
        expect(page.locator(".timeline img[alt^=shot]")).to_be_visible()
        assert visitor.watch.take() == []


def test_the_inbox_is_read_and_unread_again(chromium: Browser, workshop: LiveHub, desk: str) -> None:
    with workshop.client("omar") as omar:
        body = {"comment": "And you, @noor?"}
        assert omar.post("/api/models/lila/poems/discussions/1/comment", json=body).status_code == 200
    with kit.visit(chromium, workshop, "noor") as visitor:
        line = visitor.page.locator("ul.notices > li", has_text="A word is missing")
        for _ in range(40):
            visitor.go("/inbox?show=mentions")
            if line.count():
                break
            visitor.page.wait_for_timeout(250)
        page = visitor.go("/inbox")
        header = page.locator("header .badge")
        unread = int(header.inner_text())
        expect(line.locator(".badge")).to_have_text("unread")
        line.get_by_role("checkbox").check()
        page.get_by_role("button", name="Mark ticked as read").click()
        expect(line).to_have_class("read")
        expect(header).to_have_count(0 if unread == 1 else 1)
        line.get_by_role("checkbox").check()
        page.get_by_role("button", name="As unread").click()
        expect(line).to_have_class("unread")
        expect(header).to_have_text(str(unread))
        page.get_by_role("button", name="Mark all as read").click()
        expect(page.locator("ul.notices > li.unread")).to_have_count(0)
        expect(header).to_have_count(0)
        page.get_by_role("link", name="Unread").click()
        expect(page.get_by_text("All read")).to_be_visible()
        # Whoever reads the discussion has read the line.
        visitor.go("/inbox")
        line.get_by_role("checkbox").check()
        page.get_by_role("button", name="As unread").click()
        line.get_by_role("link", name="A word is missing").click()
        expect(page.get_by_role("heading", name="A word is missing")).to_be_visible()
        visitor.go("/inbox")
        expect(line).to_have_class("read")
        assert visitor.watch.take() == []

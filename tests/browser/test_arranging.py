"""Arranging a collection: by dragging and by keyboard, with the order kept, and nothing moved by what was given up."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from browser import kit
from browser.kit import LiveHub
from browser.workshop import create

NAMES = ["lila/first", "lila/second", "lila/third", "lila/fourth"]


@pytest.fixture(scope="module")
def shelf(workshop: LiveHub) -> str:
    """The page of a collection of four models."""
    with workshop.client("lila") as lila:
        for name in NAMES:
            create(lila, name.partition("/")[2])
        made = lila.post(
            "/api/collections", json={"title": "Favourites", "namespace": "lila", "private": False}
        )
        assert made.status_code == 200, made.text
        slug = made.json()["slug"]
        for name in NAMES:
            added = lila.post(f"/api/collections/{slug}/items", json={"item": {"type": "model", "id": name}})
            assert added.status_code == 200, added.text
    return f"/collections/{slug}"


def _order(page: Page) -> list[str]:
    return page.locator("ol.items .title a").all_inner_texts()


def _keep(page: Page, order: list[str], address: str, workshop: LiveHub) -> None:
    """Check an order on the page, after a reload, and for everybody else."""
    links = page.locator("ol.items .title a")
    expect(links).to_have_text(order)
    page.reload()
    expect(links).to_have_text(order)
    with workshop.client() as anybody:
        found = anybody.get(f"/api{address}").json()["items"]
        assert [each["id"] for each in found] == order


def test_items_are_dragged(chromium: Browser, workshop: LiveHub, shelf: str) -> None:
    first, second, third, fourth = NAMES
    with kit.visit(chromium, workshop, "lila") as visitor:
        page = visitor.go(f"{shelf}?edit=1")
        items = page.locator("ol.arranged > li")
        items.nth(0).locator(".title svg").first.drag_to(items.nth(2), target_position={"x": 40, "y": 60})
        expect(page.locator(".said")).to_have_text("Moved")
        _keep(page, [second, third, first, fourth], shelf, workshop)
        items.nth(3).locator(".title svg").first.drag_to(items.nth(0), target_position={"x": 40, "y": 4})
        expect(page.locator(".said")).to_have_text("Moved")
        _keep(page, [fourth, second, third, first], shelf, workshop)
        # Let go outside of the list: everything stays.
        items.nth(0).locator(".title svg").first.hover()
        page.mouse.down()
        page.mouse.move(300, 400, steps=4)
        items.nth(3).hover()
        page.get_by_role("heading", level=1).hover()
        page.mouse.up()
        _keep(page, [fourth, second, third, first], shelf, workshop)
        assert visitor.watch.take() == []


def test_items_are_moved_by_keyboard_which_keeps_its_place(
    chromium: Browser, workshop: LiveHub, shelf: str
) -> None:
    with kit.visit(chromium, workshop, "lila") as visitor:
        page = visitor.go(f"{shelf}?edit=1")
        order = _order(page)
        page.evaluate("window.isSamePage = true")
        last = page.locator("ol.arranged > li", has_text=order[3])
        last.get_by_role("button", name="Move up").focus()
        for place in (2, 1, 0):
            page.keyboard.press("Enter")
            expect(page.locator("ol.items .title a").nth(place)).to_have_text(order[3])
            button = "Move up" if place else "Move down"
            expect(last.get_by_role("button", name=button)).to_be_focused()
        page.keyboard.press("Space")
        expect(page.locator("ol.items .title a").nth(1)).to_have_text(order[3])
        expect(last.get_by_role("button", name="Move down")).to_be_focused()
        assert page.evaluate("window.isSamePage")
        _keep(page, [order[0], order[3], order[1], order[2]], shelf, workshop)
        assert visitor.watch.take() == []

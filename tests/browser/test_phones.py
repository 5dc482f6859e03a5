"""Pages on a phone: what stands in a row of its own width, what is hidden until it is asked for, and what is whole.

That no page is wider than the phone is looked at with what axe says of it.
"""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from browser import kit
from browser.kit import LiveHub
from browser.pages import GATED, IMAGES, MODEL, TABLES

# Whether a place that the page is at stands inside the row it belongs to, by the row's label.
_SEEN = """() => Object.fromEntries([...document.querySelectorAll("nav:has([aria-current])")].map((nav) => {
  const row = nav.querySelector(".tabs") ?? nav;
  const [place, room] = [row.querySelector("[aria-current]"), row].map((each) => each.getBoundingClientRect());
  return [nav.getAttribute("aria-label"), place.left >= room.left - 1 && place.right <= room.right + 1];
}))"""
# How wide the fades at both ends of the first row are.
_FADES = """() => {
  const style = getComputedStyle(document.querySelector(".repo-head .tabs"));
  return [style.getPropertyValue("--fade-before"), style.getPropertyValue("--fade-after")];
}"""


def tags(page: Page) -> int:
    """How many tags of a repository can be seen."""
    return page.locator(".repo-head .chips a:visible").count()


@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize(
    ("who", "path", "label"),
    [
        ("ada", f"{MODEL}/settings", "Parts of this repository"),
        ("ada", f"{MODEL}/settings/publishers", "Repository settings"),
        ("ada", "/settings/appearance", "Settings"),
        ("ada", "/settings/tokens", "Settings"),
        ("ada", "/admin/audit", "Administration"),
        ("ada", "/organizations/fjord-labs/settings/audit-log", "Organization settings"),
        (None, f"{TABLES}/discussions", "Parts of this repository"),
    ],
)
def test_the_present_place_is_in_sight(
    chromium: Browser, hub: LiveHub, who: str | None, path: str, label: str, scripts: bool
) -> None:
    with kit.visit(chromium, hub, who, scripts=scripts, size=kit.NARROW) as visitor:
        page = visitor.go(path)
        assert page.evaluate(_SEEN)[label]
        assert page.evaluate("scrollY") == 0


def test_a_row_fades_where_it_goes_on_and_nowhere_else(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, "ada", size=kit.NARROW) as visitor:
        assert visitor.go(TABLES).evaluate(_FADES) == ["0px", "40px"]
        assert visitor.go(f"{TABLES}/settings").evaluate(_FADES) == ["40px", "0px"]
    with kit.visit(chromium, hub, "ada", size=kit.WIDE) as visitor:
        assert visitor.go(TABLES).evaluate(_FADES) == ["0px", "0px"]


def test_a_phone_shows_two_lines_of_tags_and_the_rest_on_demand(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, scripts=False, size=kit.NARROW) as visitor:
        page = visitor.go(MODEL)
        few = tags(page)
        more = page.locator(".more-chips > summary")
        assert more.inner_text().split() == ["9", "more"]
        box = page.locator(".repo-head .chips").bounding_box()
        assert box is not None
        assert box["height"] < 70
        more.click()
        assert tags(page) == few + 9
        more.click()
        assert tags(page) == few
        # All of these stand there at once on a desk.
        page = visitor.go(IMAGES)
        assert page.locator(".more-chips > summary").is_visible()
        page.set_viewport_size(kit.WIDE)  # type: ignore[arg-type]
        assert not page.locator(".more-chips > summary").is_visible()
        assert tags(page) == 9


@pytest.mark.parametrize(("who", "path"), [(None, TABLES), ("yuki", f"{GATED}/settings/access")])
def test_the_button_that_copies_stands_beside_the_name(
    chromium: Browser, hub: LiveHub, who: str | None, path: str
) -> None:
    with kit.visit(chromium, hub, who, size=kit.NARROW) as visitor:
        page = visitor.go(path)
        name = page.evaluate(
            "[...document.querySelector('.repo-line strong a').getClientRects()].at(-1).toJSON()"
        )
        button = page.locator(".repo-line .copy-name").bounding_box()
        assert button is not None
        assert button["x"] >= name["right"]
        assert name["top"] <= button["y"] + button["height"] / 2 <= name["bottom"]


@pytest.mark.parametrize("path", [IMAGES, TABLES])
@pytest.mark.parametrize("size", [kit.WIDE, kit.NARROW])
def test_first_rows_are_whole(chromium: Browser, hub: LiveHub, path: str, size: dict[str, int]) -> None:
    with kit.visit(chromium, hub, size=size) as visitor:
        page = visitor.go(path)
        page.locator(".rows-preview td").first.wait_for()
        room = page.locator(".rows-preview .scroll").bounding_box()
        assert room is not None
        boxes = [each.bounding_box() for each in page.locator(".rows-preview tr").all()]
        bottoms = [each["y"] + each["height"] - 1 for each in boxes if each is not None]
        assert room["y"] + room["height"] in bottoms


@pytest.mark.parametrize("path", ["/models", "/datasets", "/new", f"{MODEL}/upload/main", MODEL])
@pytest.mark.parametrize(("language", "width"), [("fr", 390), ("en", 320)])
def test_long_words_and_small_phones_make_no_page_wider(
    chromium: Browser, hub: LiveHub, path: str, language: str, width: int
) -> None:
    size = {"width": width, "height": 700}
    with kit.visit(chromium, hub, "ada", language=language, size=size) as visitor:
        assert visitor.go(path).evaluate("document.documentElement.scrollWidth") <= width


def test_blame_and_tensors_are_read_without_scrolling_sideways(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, size=kit.NARROW) as visitor:
        for path in (f"{MODEL}/blame/main/README.md", f"{MODEL}/blob/main/model.safetensors"):
            page = visitor.go(path)
            table = page.locator(".blame, .tensors").first
            assert table.evaluate(
                "each => each.parentElement.scrollWidth <= each.parentElement.clientWidth"
            ), path


def test_a_table_without_rows_says_so(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, size=kit.NARROW) as visitor:
        page = visitor.go(f"{TABLES}/viewer/default/train?where=%22tonnes%22%20%3C%200")
        page.locator(".grid").wait_for()
        words = page.get_by_text("No row is like this.")
        assert words.is_visible()
        page.get_by_role("textbox", name="Condition").fill('"tonnes" > 0')
        page.get_by_role("button", name="Show", exact=True).click()
        page.locator('.grid [role="gridcell"]').first.wait_for()
        assert not words.is_visible()

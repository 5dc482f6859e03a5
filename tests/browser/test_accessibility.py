"""Every kind of page in the hands of axe-core: nothing serious, in light and dark, on a screen and on a phone."""

from __future__ import annotations

from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Page

from browser import kit, pages
from browser.kit import LiveHub, Visitor
from browser.pages import Kind

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
_RUN = "(options) => axe.run(document, options)"
_CONTRAST = {"runOnly": {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}}


def serious(page: Page, options: dict[str, object] | None = None) -> list[str]:
    """Return what axe-core finds serious or critical in a page, each with the element it is about."""
    if not page.evaluate("typeof axe === 'object'"):
        page.evaluate(AXE)
    found = page.evaluate(_RUN, {"resultTypes": ["violations"], **(options or {})})
    return [
        f"{each['id']} ({each['impact']}): {node['target']} {node['html'][:200]} {node['failureSummary'][:300]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"][:5]
    ]


def look(visitor: Visitor, kind: Kind) -> list[str]:
    """Open a page and return what is wrong with it in every theme and width."""
    page = visitor.page
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(kit.WIDE)  # type: ignore[arg-type]
    status = visitor.answer(kind.path)
    if status != kind.status:
        return [f"answered {status}"]
    wrong = [f"light, wide: {each}" for each in serious(page)]
    page.emulate_media(color_scheme="dark")
    wrong += [f"dark, wide: {each}" for each in serious(page, _CONTRAST)]
    page.set_viewport_size(kit.NARROW)  # type: ignore[arg-type]
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    wrong += [f"dark, narrow: {each}" for each in serious(page)]
    width = page.evaluate("document.documentElement.scrollWidth")
    if width > kit.NARROW["width"]:
        wrong.append(f"narrow: the page is {width} px wide and must be scrolled sideways")
    return wrong


def test_nothing_serious_on_any_page(chromium: Browser, hub: LiveHub, kinds: tuple[Kind, ...]) -> None:
    wrong: dict[str, list[str]] = {}
    for who in dict.fromkeys(each.who for each in kinds):
        with kit.visit(chromium, hub, who) as visitor:
            for kind in kinds:
                if kind.who == who:
                    found = look(visitor, kind)
                    if found:
                        wrong[kind.name] = found
    assert not wrong, "\n".join(f"{name}: {each}" for name, every in wrong.items() for each in every)


def test_nothing_serious_on_a_fresh_hub(chromium: Browser, fresh: LiveHub) -> None:
    with kit.visit(chromium, fresh) as visitor:
        wrong = [each for kind in pages.fresh_kinds(fresh) for each in look(visitor, kind)]
    assert not wrong, "\n".join(wrong)


def test_what_opens_is_as_good_as_what_is_shown(chromium: Browser, hub: LiveHub) -> None:
    """Menus, dialogs and what scripts put into pages."""
    wrong = []
    with kit.visit(chromium, hub, "ada") as visitor:
        page = visitor.go("/fjord-labs/fjord-tiny-lm")
        page.locator("details.use > summary").click()
        wrong += serious(page)
        page.locator("details.use > summary").click()
        page.locator("details.menu > summary").first.click()
        wrong += serious(page)
        page.keyboard.press("Escape")
        page.keyboard.press("?")
        page.locator("#keys").wait_for()
        wrong += serious(page)
        page.locator("#keys button").click()
        page.locator("header.top input[type=search]").press_sequentially("fjord")
        page.locator("#suggestions [role=option]").first.wait_for()
        page.keyboard.press("ArrowDown")
        wrong += serious(page)
        visitor.go("/fjord-labs/fjord-tiny-lm/tree/main")
        page.keyboard.press("t")
        page.locator("dialog.finder [role=option]").first.wait_for()
        wrong += serious(page)
        visitor.go("/settings/tokens")
        page.get_by_label("May", exact=True).select_option("fineGrained")
        wrong += serious(page)
        visitor.go("/fjord-labs/fjord-tiny-lm/discussions/1")
        page.locator("#answer textarea").fill("Some **words**.")
        page.locator("#answer [data-preview-button]").click()
        page.locator("#answer .shown-preview strong").wait_for()
        wrong += serious(page)
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_theme_that_a_person_chose_wins(chromium: Browser, hub: LiveHub, theme: str) -> None:
    with kit.visit(chromium, hub, dark=theme == "light") as visitor:
        page = visitor.go("/")
        page.locator(f"[data-set-theme={theme}]").click()
        page = visitor.go("/models")
        assert page.evaluate("document.documentElement.dataset.theme") == theme
        assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == theme
        assert not serious(page, _CONTRAST)

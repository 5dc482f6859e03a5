"""Without a mouse: Tab reaches everything, what has the focus can be seen, and the keys do what they say."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page

from browser import kit
from browser.kit import LiveHub

PLACES = (
    ("/", "ada"),
    ("/models", None),
    ("/fjord-labs/fjord-tiny-lm", "ada"),
    ("/fjord-labs/fjord-tiny-lm/tree/main", "ada"),
    ("/fjord-labs/fjord-tiny-lm/blob/main/model.safetensors", None),
    ("/fjord-labs/fjord-tiny-lm/discussions/1", "ada"),
    ("/settings/tokens", "ada"),
    ("/login", None),
)

# Everything a pointer could use and that is seen; of radio buttons with one name, one has a place in the order.
_REACHABLE = """() => {
  const all = document.querySelectorAll(
    "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0'], audio[controls]");
  const groups = new Set();
  let number = 0;
  for (const each of all) {
    if (each.disabled || each.tabIndex < 0 || !each.checkVisibility({ visibilityProperty: true })) continue;
    if (each.type === "radio") {
      const group = `${each.form?.id}|${each.name}`;
      const chosen = each.form?.querySelector(`input[name="${each.name}"]:checked`);
      if (groups.has(group) || (chosen && chosen !== each)) continue;
      groups.add(group);
    }
    each.dataset.reach = String(number++);
  }
  return number;
}"""

_FOCUSED = """() => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const seen = (node) => {
    const style = getComputedStyle(node);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  };
  const box = here.getBoundingClientRect();
  const label = here.closest("label") ?? (here.id ? document.querySelector(`label[for="${here.id}"]`) : null);
  return {
    reach: here.dataset.reach ?? null,
    html: here.outerHTML.slice(0, 160),
    isSeen: seen(here) || seen(here.parentElement) || (label !== null && seen(label)),
    isInside: box.width > 0 && box.right > 0 && box.bottom > 0 && box.top < innerHeight && box.left < innerWidth,
  };
}"""


def walk(page: Page) -> tuple[set[str], list[str]]:
    """Press Tab from the top to the end; return what was reached, and what is wrong with the focus there."""
    number = page.evaluate(_REACHABLE)
    reached: set[str] = set()
    wrong = []
    last = None
    for _ in range(number + 30):
        page.keyboard.press("Tab")
        here = page.evaluate(_FOCUSED)
        if here is None:
            break
        if here["reach"] == last is not None:
            continue  # fields of dates have several places to be in
        last = here["reach"]
        if last in reached:
            break
        if here["reach"] is not None:
            reached.add(here["reach"])
        if not here["isSeen"]:
            wrong.append(f"the focus is not seen on {here['html']}")
        if not here["isInside"]:
            wrong.append(f"the focus is outside of what is shown: {here['html']}")
    missed = page.evaluate(
        """(reached) => [...document.querySelectorAll("[data-reach]")]
          .filter((each) => !reached.includes(each.dataset.reach) && each.checkVisibility())
          .map((each) => each.outerHTML.slice(0, 160))""",
        sorted(reached),
    )
    return reached, wrong + [f"Tab does not reach {each}" for each in missed]


@pytest.mark.parametrize(("path", "who"), PLACES)
def test_tab_reaches_everything_and_is_seen(
    chromium: Browser, hub: LiveHub, path: str, who: str | None
) -> None:
    with kit.visit(chromium, hub, who) as visitor:
        page = visitor.go(path)
        page.evaluate("document.activeElement.blur()")
        reached, wrong = walk(page)
        assert len(reached) >= 8
        assert not wrong, "\n".join(wrong)


def test_the_first_tab_leads_past_the_head(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub) as visitor:
        page = visitor.go("/models")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        assert page.evaluate("location.hash") == "#main"


def test_slash_seeks_and_question_mark_lists_the_keys(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub) as visitor:
        page = visitor.go("/models")
        page.keyboard.press("/")
        assert page.evaluate("document.activeElement.name") == "q"
        page.keyboard.type("garden")
        page.locator("#suggestions [role=option]", has_text="ada/garden-bird-vit").wait_for()
        page.keyboard.press("?")
        assert page.locator("header input[name=q]").input_value() == "garden?"
        page.keyboard.press("Backspace")
        page.locator("#suggestions [role=option]", has_text="ada/garden-bird-vit").wait_for()
        page.keyboard.press("ArrowDown")
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert "/ada/garden-bird" in page.url
        page.keyboard.press("?")
        assert page.locator("#keys").is_visible()
        page.keyboard.press("Escape")
        assert page.locator("#keys").is_hidden()


def test_arrows_walk_the_results(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub) as visitor:
        page = visitor.go("/models")
        first, second = page.locator("[data-walk] .title a").all()[:2]
        page.keyboard.press("f")
        page.keyboard.press("ArrowDown")
        assert first.evaluate("(each) => each === document.activeElement")
        page.keyboard.press("ArrowDown")
        assert second.evaluate("(each) => each === document.activeElement")
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ArrowUp")
        assert page.evaluate("document.activeElement.id") == "search"


def test_t_goes_to_a_file_y_to_the_permanent_link_and_l_to_a_line(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub) as visitor:
        page = visitor.go("/fjord-labs/fjord-tiny-lm/tree/main")
        page.keyboard.press("t")
        page.keyboard.type("conf json")
        # At once, while what is shown are still all files.
        with page.expect_navigation():
            page.keyboard.press("Enter")
        assert page.url.endswith("config.json")
        page.keyboard.press("y")
        page.wait_for_url("**/blob/*/**")
        assert len(page.url.split("/blob/")[1].split("/")[0]) == 40
        page.keyboard.press("l")
        page.keyboard.type("3")
        page.keyboard.press("Enter")
        page.wait_for_function("location.hash === '#L3'")
        assert page.locator("tr.marked").count() == 1


def test_the_editor_lets_the_focus_go_after_escape(chromium: Browser, hub: LiveHub) -> None:
    with kit.visit(chromium, hub, "ada") as visitor:
        page = visitor.go("/fjord-labs/fjord-tiny-lm/edit/main/config.json")
        area = page.locator("textarea.editor")
        area.focus()
        page.keyboard.press("Control+Home")
        page.keyboard.press("Tab")
        assert area.input_value().startswith("    ")
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "summary"

"""``make screenshots``: a picture of every kind of page, wide and narrow, light and dark, of a hub with the demonstration.

They go to ``screenshots/``, which git ignores. ``--readme`` writes the few of `SHOWN` to ``docs/images`` instead.
"""

from __future__ import annotations

import argparse
import base64
import tempfile
from pathlib import Path

from playwright.sync_api import Browser

from browser import kit, pages
from browser.kit import LiveHub, Visitor
from browser.pages import Kind

CHECKOUT = Path(__file__).resolve().parents[2]
MOST_HEIGHT = 6000
"""Pixels of the longest picture: the whole description of the API would fill a wall."""

SHOWN = {
    "model": ("model", False),
    "models": ("models-filtered", True),
    "tensors": ("tensors", False),
    "pull-request": ("pull-files", True),
    "dataset": ("blob-parquet", False),
    "discussion": ("pull-request", False),
}
"""What stands in the README: the name of the picture, the kind of page, and whether it is dark."""


def take_all(browser: Browser, hub: LiveHub, kinds: tuple[Kind, ...], folder: Path) -> int:
    """Take every kind of page in both widths and themes, and return how many pictures that made."""
    number = 0
    for who in dict.fromkeys(each.who for each in kinds):
        for dark in (False, True):
            with kit.visit(browser, hub, who, dark=dark) as visitor:
                for kind in kinds:
                    if kind.who == who:
                        number += _take(visitor, kind, folder, "dark" if dark else "light")
    return number


def _take(visitor: Visitor, kind: Kind, folder: Path, theme: str) -> int:
    page = visitor.page
    for size in (kit.WIDE, kit.NARROW):
        page.set_viewport_size(size)  # type: ignore[arg-type]
        visitor.go(kind.path, status=kind.status)
        page.wait_for_load_state("networkidle")
        height = min(MOST_HEIGHT, page.evaluate("document.documentElement.scrollHeight"))
        clip = {"x": 0, "y": 0, "width": size["width"], "height": max(height, size["height"])}
        path = folder / f"{kind.name}-{size['width']}-{theme}.png"
        page.screenshot(path=path, full_page=True, clip=clip)  # type: ignore[arg-type]
    return 2


def take_shown(browser: Browser, hub: LiveHub, kinds: tuple[Kind, ...], folder: Path) -> None:
    """Take the pictures of the README: what one sees without scrolling, as WebP."""
    by_name = {each.name: each for each in kinds}
    for name, (kind, dark) in SHOWN.items():
        chosen = by_name[kind]
        with kit.visit(browser, hub, chosen.who, dark=dark, size={"width": 1280, "height": 800}) as visitor:
            page = visitor.go(chosen.path)
            page.wait_for_load_state("networkidle")
            session = page.context.new_cdp_session(page)
            shot = session.send("Page.captureScreenshot", {"format": "webp", "quality": 90})
            (folder / f"{name}.webp").write_bytes(base64.b64decode(shot["data"]))


def main() -> None:
    """Start a hub, fill it, and take the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", action="store_true", help="write the pictures of the README only")
    parser.add_argument("--only", help="take the kinds of page whose name begins like this")
    asked = parser.parse_args()
    folder = CHECKOUT / ("docs/images" if asked.readme else "screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="openhood-screenshots-") as directory:
        passwords = kit.fill_demo(Path(directory))
        env = {"OPENHOOD_SIGN_UP": "open"}
        with kit.running(Path(directory), passwords, env=env) as hub, kit.started_browser() as browser:
            pages.dress(hub)
            kinds = pages.kinds(hub)
            if asked.readme:
                take_shown(browser, hub, kinds, folder)
                print(f"{len(SHOWN)} pictures in {folder}")
                return
            chosen = tuple(each for each in kinds if each.name.startswith(asked.only or ""))
            number = take_all(browser, hub, chosen, folder)
            with kit.running(Path(directory, "fresh"), {}) as fresh:
                number += take_all(browser, fresh, pages.fresh_kinds(fresh), folder)
            print(f"{number} pictures of {len(chosen)} kinds of page in {folder}")


if __name__ == "__main__":
    main()

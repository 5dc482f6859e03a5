"""``make screenshots``: a picture of every kind of page, wide and narrow, light and dark, of a hub with the demonstration.

They go to ``screenshots/``, which git ignores. ``--readme``, which is ``make pictures``, writes the few of `SHOWN` to
``docs/images`` instead.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser

from browser import kit, pages
from browser.kit import LiveHub, Visitor
from browser.pages import Kind

CHECKOUT = Path(__file__).resolve().parents[2]
MOST_HEIGHT = 6000
"""Pixels of the longest picture: the whole description of the API would fill a wall."""

MOST_BYTES = 150_000
"""Of a picture of the README: the page that shows them should be quick to load, too."""

GROUNDS = 6
"""How many colours of a picture are kept to the bit."""

SHOWN = (
    (Kind("model", pages.MODEL, "ada"), False),
    (Kind("browse", "/models?sort=downloads"), True),
    (Kind("studio", f"{pages.TABLES}/viewer", "ada"), False),
    (Kind("tensors", f"{pages.MODEL}/blob/main/model.safetensors"), True),
    (Kind("changes", f"{pages.MODEL}/discussions/3/files", "ada"), False),
    (Kind("pull-request", f"{pages.MODEL}/discussions/3", "ada"), True),
)
"""What stands in the README, of the demonstration as it is: the page, and whether it is dark."""


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


def take_shown(browser: Browser, hub: LiveHub, folder: Path) -> None:
    """Take the pictures of the README: what one sees without scrolling."""
    for kind, dark in SHOWN:
        with kit.visit(browser, hub, kind.who, dark=dark) as visitor:
            page = visitor.go(kind.path, status=kind.status)
            page.wait_for_load_state("networkidle")
            (folder / f"{kind.name}.png").write_bytes(_small(page.screenshot()))


def _small(picture: bytes) -> bytes:
    """Return a picture with as many colours as `MOST_BYTES` have room for. Pages have few, and rare ones matter."""
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in (256, 128, 64, 32):
        written = io.BytesIO()
        few = whole.quantize(colours, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        _mend_grounds(whole, few)
        few.save(written, "PNG", optimize=True)
        if written.tell() <= MOST_BYTES:
            return written.getvalue()
    raise ValueError(f"A picture takes {written.tell()} bytes with {colours} colours, too.")


def _mend_grounds(whole: Image.Image, few: Image.Image) -> None:
    """Give the colours of which most of a picture is back what they were: large grounds betray the smallest change."""
    palette = few.getpalette() or []
    counts = sorted(whole.getcolors(whole.width * whole.height) or (), reverse=True)
    seen, places = whole.tobytes(), few.tobytes()
    kept: set[int] = set()
    for _count, colour in counts[:GROUNDS]:
        wanted = bytes(colour)
        place = next(at for number, at in enumerate(places) if seen[3 * number : 3 * number + 3] == wanted)
        if place not in kept:
            kept.add(place)
            palette[3 * place : 3 * place + 3] = colour
    few.putpalette(palette)


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
            if asked.readme:
                take_shown(browser, hub, folder)
                print(f"{len(SHOWN)} pictures in {folder}")
                return
            pages.dress(hub)
            kinds = pages.kinds(hub)
            chosen = tuple(each for each in kinds if each.name.startswith(asked.only or ""))
            number = take_all(browser, hub, chosen, folder)
            with kit.running(Path(directory, "fresh"), {}) as fresh:
                number += take_all(browser, fresh, pages.fresh_kinds(fresh), folder)
            print(f"{number} pictures of {len(chosen)} kinds of page in {folder}")


if __name__ == "__main__":
    main()

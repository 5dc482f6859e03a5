"""The picture that other sites show beside a link to a page: a PNG of 1200 by 630, drawn from a few words.

What those words are, and who may see them, is decided by the doors. The letters are DejaVu's, cut down to Latin, Greek
and Cyrillic (``fonts/``), so that every machine draws the same; other scripts are left out.
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

VERSION = 1
"""Of the drawing: what was kept with another number is drawn again."""

WIDTH, HEIGHT = 1200, 630
_FONTS = Path(__file__).parent / "fonts"
_GROUND, _INK, _SOFT, _LINE, _ACCENT = "#faf8f4", "#1b2422", "#56615d", "#dcd7cb", "#0b6470"
_HUES = {"model": "#0b6470", "dataset": "#80560a", "space": "#7b3a68"}
_MARGIN = 80
_ROOM = WIDTH - 2 * _MARGIN
_TITLE_SIZES = (88, 76, 66, 58, 50)
_TEXT_SIZE, _SMALL_SIZE = 36, 30
_MAX_TITLE, _MAX_TEXT = 200, 300
# What the fonts were cut down to.
_COVERED = ((0x20, 0x7E), (0xA0, 0x24F), (0x300, 0x4FF), (0x1E00, 0x1EFF), (0x2010, 0x2027), (0x2030, 0x205E))


@dataclass(frozen=True, slots=True)
class Poster:
    """What a poster says. ``kind`` gives it its colour: model, dataset, space or anything else.

    ``above`` stands over the title in small letters, ``facts`` are a line at the foot, ``host`` names the hub.
    """

    kind: str
    above: str
    title: str
    text: str
    facts: tuple[str, ...]
    host: str


def draw(poster: Poster) -> bytes:
    """Return the picture as PNG. The same poster is always the same bytes."""
    # Only here: most commands of the hub draw nothing.
    from PIL import Image as images
    from PIL import ImageDraw as drawing

    image = images.new("RGB", (WIDTH, HEIGHT), _GROUND)
    pen = drawing.Draw(image)
    hue = _HUES.get(poster.kind, _ACCENT)
    pen.rectangle((0, 0, 20, HEIGHT), fill=hue)
    image.paste(_mark(hue), (_MARGIN, 66))
    pen.text((_MARGIN + 72, 74), legible(poster.above)[:80], font=_font(_SMALL_SIZE), fill=_SOFT)
    y = 164
    title, size = _fitting(legible(poster.title)[:_MAX_TITLE])
    for line in title:
        pen.text((_MARGIN, y), line, font=_font(size, bold=True), fill=_INK)
        y += round(size * 1.2)
    y += 16
    body = _font(_TEXT_SIZE)
    room = min(4, (HEIGHT - 130 - y) // 50)
    for line in _lines(legible(poster.text)[:_MAX_TEXT], body, room):
        pen.text((_MARGIN, y), line, font=body, fill=_SOFT)
        y += 50
    foot = HEIGHT - 92
    pen.line((_MARGIN, foot - 22, WIDTH - _MARGIN, foot - 22), fill=_LINE, width=2)
    small = _font(_SMALL_SIZE)
    host = legible(poster.host)[:60]
    room = _ROOM - 40 - round(small.getlength(host))
    pen.text((_MARGIN, foot), _joined(poster.facts, small, room), font=small, fill=_INK)
    pen.text((WIDTH - _MARGIN, foot), host, font=small, fill=_SOFT, anchor="ra")
    kept = io.BytesIO()
    image.save(kept, "PNG", compress_level=6)
    return kept.getvalue()


def legible(text: str) -> str:
    """Return a text in one line without what the fonts lack; nothing where that would be much of it."""
    line = " ".join(unicodedata.normalize("NFC", text).split())
    kept = "".join(letter for letter in line if _is_covered(ord(letter)))
    kept = " ".join(kept.split())
    return kept if len(kept) * 5 >= len(line) * 4 else ""


def _is_covered(code: int) -> bool:
    return any(low <= code <= high for low, high in _COVERED)


@cache
def _font(size: int, *, bold: bool = False) -> FreeTypeFont:
    from PIL import ImageFont

    name = "DejaVuSansCondensed-Bold.ttf" if bold else "DejaVuSansCondensed.ttf"
    # The simple layout: shaping would need a library that not every build of Pillow has.
    return ImageFont.truetype(_FONTS / name, size, layout_engine=ImageFont.Layout.BASIC)


@cache
def _mark(hue: str) -> Image:
    """Return the open hood, the lines of ``mark.svg``, 48 by 48; drawn larger, since lines are drawn without shades."""
    from PIL import Image as images
    from PIL import ImageDraw as drawing

    large = images.new("RGB", (192, 192), _GROUND)
    pen = drawing.Draw(large)
    for line in (((2, 13.5), (14, 13.5)), ((2.5, 9.5), (12.5, 3)), ((2.5, 9.5), (7.5, 9.5))):
        ends = [(12 * across, 12 * down) for across, down in line]
        pen.line(ends, fill=hue, width=24)
        for across, down in ends:
            pen.ellipse((across - 12, down - 12, across + 12, down + 12), fill=hue)
    return large.resize((48, 48), images.Resampling.LANCZOS)


def _joined(facts: Sequence[str], font: FreeTypeFont, room: int) -> str:
    """Return as many facts as stand in a line; the last ones are left out first."""
    kept = [fact for each in facts if (fact := legible(each))]
    while kept and font.getlength(line := "  ·  ".join(kept)) > room:
        kept.pop()
    return line if kept else ""


def _fitting(title: str) -> tuple[list[str], int]:
    """Return the title in at most two lines, and the largest size at which it fits."""
    for size in _TITLE_SIZES:
        lines = _lines(title, _font(size, bold=True), 3)
        if len(lines) <= 2:
            return lines, size
    return _lines(title, _font(_TITLE_SIZES[-1], bold=True), 2), _TITLE_SIZES[-1]


def _lines(text: str, font: FreeTypeFont, most: int) -> list[str]:
    """Break a text into at most so many lines; the last one ends with an ellipsis where more would follow."""
    lines: list[str] = []
    line = ""
    for piece in _pieces(text):
        if font.getlength((line + piece).rstrip()) <= _ROOM:
            line += piece
            continue
        if line:
            lines.append(line.rstrip())
        line = piece.lstrip()
        if len(lines) > most:
            break
    lines += [line.rstrip()] if line.strip() else []
    if len(lines) > most:
        lines = lines[:most]
        while lines and " " in lines[-1] and font.getlength(f"{lines[-1]} …") > _ROOM:
            lines[-1] = lines[-1].rpartition(" ")[0]
        if lines:
            lines[-1] += " …"
    return [_cut(each, font, _ROOM) for each in lines]


def _pieces(text: str) -> Sequence[str]:
    """Return what a line may be broken between: after spaces, and after the marks within names."""
    found, start = [], 0
    for at, letter in enumerate(text):
        if letter in " -/_":
            found.append(text[start : at + 1])
            start = at + 1
    return [*found, text[start:]]


def _cut(text: str, font: FreeTypeFont, room: int) -> str:
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip(" …") + "…"

"""How the content of one file is shown: which of the views fits it, and what that view needs, all within bounds.

Nothing here decides who may look; whoever calls has a `Seen` that says so. Runs in worker threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from markupsafe import Markup

from openhood.base.errors import EntryNotFound, HubError
from openhood.domain.repos import inspecting
from openhood.domain.repos.preupload import is_binary
from openhood.domain.repos.viewing import Seen, content_of, opened_file, read_start
from openhood.domain.reviews import previews
from openhood.domain.services import Services
from openhood.engines import markup
from openhood.engines.formats import notebooks, pickles, pictures, sheets
from openhood.engines.formats.card import split_card
from openhood.engines.painting import language_of, paint_lines
from openhood.http.pages.files.places import Place
from openhood.http.resolve import media_type

MAX_TEXT_BYTES = 1024 * 1024
MAX_LINES = 20_000
_BEGINNING_BYTES = 128 * 1024
_SNIFFED_BYTES = 8000
_FACT_BYTES = 500
_MARKDOWN = (".md", ".markdown", ".mdx")
_SHOWN_MEDIA = ("image", "audio", "video")


@dataclass(frozen=True, slots=True)
class View:
    """A view by name (``text``, ``markdown``, ``image``, …), its values, and whether the file is text as well."""

    kind: str
    values: Mapping[str, object] = field(default_factory=dict)
    is_text: bool = False
    has_code: bool = False
    """Whether the same file can also be seen as plain lines."""


def choose(sv: Services, seen: Seen, place: Place, *, wants_code: bool, wants_rows: bool) -> View:
    """Return the view of a file. What a file's own bytes make impossible is a view too, with the reason."""
    if seen.kind == "submodule":
        return View("submodule")
    if not seen.may_read:
        return View("gate")
    try:
        content_of(sv, seen)
        return _choose(sv, seen, place, wants_code=wants_code, wants_rows=wants_rows)
    except EntryNotFound:
        return View("gone")


def _choose(sv: Services, seen: Seen, place: Place, *, wants_code: bool, wants_rows: bool) -> View:
    path = seen.path.lower()
    if seen.kind == "link":
        return View(
            "link", {"target": read_start(sv, seen, limit_bytes=_SNIFFED_BYTES).decode("utf-8", "replace")}
        )
    media = media_type(path)
    top = media.partition("/")[0]
    if top in _SHOWN_MEDIA and not path.endswith((".tif", ".tiff")):
        head = read_start(sv, seen, limit_bytes=pictures.HEAD_BYTES) if top == "image" else b""
        return View(top, {"media_type": media, "size": pictures.size_of(head)})
    if media == "application/pdf":
        return View("pdf")
    form = inspecting.format_of(path)
    if form in ("safetensors", "gguf"):
        return View("tensors")
    if path.endswith(".parquet"):
        return _parquet(sv, seen, wants_rows=wants_rows)
    if pickles.is_pickle_name(path):
        found = _pickle(sv, seen)
        if found is not None:
            return found
    if is_binary(read_start(sv, seen, limit_bytes=_SNIFFED_BYTES)):
        return View("binary")
    if form == "index" and not wants_code:
        return View("tensors", is_text=True, has_code=True)
    return _text(sv, seen, place, wants_code=wants_code)


def _text(sv: Services, seen: Seen, place: Place, *, wants_code: bool) -> View:
    path = seen.path.lower()
    view: View | None = None
    has_code = True
    if sheets.is_sheet_name(path):
        view = None if wants_code else _sheet(sv, seen)
    elif path.endswith(_MARKDOWN) and seen.size_bytes <= MAX_TEXT_BYTES:
        view = None if wants_code else _markdown(sv, seen, place)
    elif path.endswith(".ipynb") and seen.size_bytes <= notebooks.MAX_NOTEBOOK_BYTES:
        view = None if wants_code else _notebook(sv, seen, place)
    else:
        has_code = inspecting.format_of(path) == "index"
    return view or _lines(sv, seen, has_code=has_code)


def _lines(sv: Services, seen: Seen, *, has_code: bool) -> View:
    is_whole = seen.size_bytes <= MAX_TEXT_BYTES
    language = language_of(seen.path)

    def make() -> tuple[str, int, bool]:
        data = read_start(sv, seen, limit_bytes=MAX_TEXT_BYTES if is_whole else _BEGINNING_BYTES)
        text = data.decode("utf-8", "replace")
        lines = paint_lines(text if is_whole else text.rpartition("\n")[0], language)
        rows = "\n".join(
            f'<tr id="L{number}"><td class="line" data-line="{number}"></td><td>{line}</td></tr>'
            for number, line in enumerate(lines[:MAX_LINES], 1)
        )
        return rows, len(lines), not is_whole or len(lines) > MAX_LINES

    key = ("painted lines", content_of(sv, seen).name, language)
    rows, count, is_cut = sv.facts.of(key, make, weigh=lambda made: _FACT_BYTES + len(made[0]))
    return View(
        "text",
        # Each line was escaped, or painted by what escapes.
        {"rows": Markup(rows), "lines": count, "is_cut": is_cut},  # noqa: S704
        is_text=True,
        has_code=has_code,
    )


def _markdown(sv: Services, seen: Seen, place: Place) -> View:
    folder = f"{place.folder}/" if place.folder else ""
    base, media = place.to("blob", folder), place.to("resolve", folder)
    base, media = (each if each.endswith("/") else each + "/" for each in (base, media))

    def make() -> tuple[str, str]:
        text = read_start(sv, seen, limit_bytes=MAX_TEXT_BYTES).decode("utf-8", "replace")
        card = split_card(text)
        rendered = markup.render(card.body, base=base, media_base=media, repo=place.web)
        return card.front or "", rendered

    key = ("rendered file", markup.VERSION, seen.oid, base)
    front, rendered = sv.facts.of(key, make, weigh=lambda made: _FACT_BYTES + len(made[0]) + len(made[1]))
    return View(
        "markdown",
        {"front": front, "rendered": Markup(rendered)},  # noqa: S704  (cleaned by the engine)
        is_text=True,
        has_code=True,
    )


@dataclass(frozen=True, slots=True)
class ShownCell:
    """A notebook's cell as the page has it: rendered Markdown, or painted code."""

    kind: str
    number: int | None
    html: Markup
    outputs: tuple[notebooks.Output, ...]


def _notebook(sv: Services, seen: Seen, place: Place) -> View:
    try:
        found = notebooks.read_notebook(read_start(sv, seen, limit_bytes=notebooks.MAX_NOTEBOOK_BYTES))
    except notebooks.BadNotebook as error:
        lines = _lines(sv, seen, has_code=False)
        return View("text", {**lines.values, "problem": error.message}, is_text=True)
    folder = f"{place.folder}/" if place.folder else ""
    media = place.to("resolve", folder)
    media = media if media.endswith("/") else media + "/"
    language = language_of(f"x.{found.language}") or (
        found.language if found.language in ("python", "julia", "r", "scala", "bash") else None
    )
    left = [MAX_TEXT_BYTES]
    cells = tuple(_cell(cell, language, media, left) for cell in found.cells)
    return View(
        "notebook",
        {"cells": cells, "left_out": found.left_out, "language": found.language},
        is_text=True,
        has_code=True,
    )


def _cell(cell: notebooks.Cell, language: str | None, media: str, left: list[int]) -> ShownCell:
    left[0] -= len(cell.source)
    source = cell.source if left[0] > 0 else ""
    if cell.kind == "markdown":
        html = markup.render(source, base=media, media_base=media)
    else:
        html = "\n".join(paint_lines(source, language if cell.kind == "code" else None))
    return ShownCell(cell.kind, cell.number, Markup(html), cell.outputs)  # noqa: S704  (cleaned or escaped)


def _sheet(sv: Services, seen: Seen) -> View | None:
    data = read_start(sv, seen, limit_bytes=sheets.MAX_SHEET_BYTES)
    sheet = sheets.read_head(data, is_whole=len(data) == seen.size_bytes, path=seen.path)
    return None if sheet is None else View("sheet", {"sheet": sheet}, is_text=True, has_code=True)


def _parquet(sv: Services, seen: Seen, *, wants_rows: bool) -> View:
    try:
        read = previews.parquet_head if wants_rows else previews.known_parquet_head
        return View("parquet", {"head": read(sv, seen), "problem": None})
    except HubError as error:
        if error.status >= 500:
            raise
        return View("parquet", {"head": None, "problem": error.message})


def _pickle(sv: Services, seen: Seen) -> View | None:
    def make() -> pickles.PickleScan | str:
        try:
            with opened_file(sv, seen) as (read, size_bytes):
                return pickles.scan(read, size_bytes=size_bytes)
        except pickles.BadPickle as error:
            return error.message

    key = ("pickle imports", content_of(sv, seen).name)
    found = sv.facts.of(key, make, weigh=_weigh_scan)
    if isinstance(found, str):
        # Many a `.bin` is no pickle; of the other endings it is worth telling.
        return (
            None if seen.path.lower().endswith(".bin") else View("pickle", {"scan": None, "problem": found})
        )
    return View("pickle", {"scan": found, "problem": None})


def _weigh_scan(found: pickles.PickleScan | str) -> int:
    return _FACT_BYTES if isinstance(found, str) else _FACT_BYTES + 200 * len(found.imports)


def editable_text(sv: Services, seen: Seen) -> str | None:
    """Return the text of a file that can be changed in a form, None for what is none or too large."""
    if seen.kind != "file" or seen.is_lfs or not seen.may_read or seen.size_bytes > MAX_TEXT_BYTES:
        return None
    data = read_start(sv, seen, limit_bytes=MAX_TEXT_BYTES)
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text

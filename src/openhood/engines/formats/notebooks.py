"""Notebooks cut into cells that can be shown: sources, printed text and pictures. HTML in outputs is left out.

Only format 4 and the ``worksheets`` of format 3 are understood; everything is bounded before it is kept.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from openhood.base.errors import Unprocessable
from openhood.engines.painting import plain_of

MAX_NOTEBOOK_BYTES = 8 * 1024 * 1024
_MAX_CELLS = 300
_MAX_OUTPUTS = 20
_MAX_TEXT_CHARS = 20_000
_MAX_PICTURE_BYTES = 1024 * 1024
_MAX_PICTURES_BYTES = 4 * 1024 * 1024
_STARTS = {"image/png": b"\x89PNG\r\n\x1a\n", "image/jpeg": b"\xff\xd8\xff"}


class BadNotebook(Unprocessable):
    """A file is no notebook, whatever its name says."""


@dataclass(frozen=True, slots=True)
class Output:
    """What a cell gave: ``text``, or a picture as a ``data:`` address that was checked; ``kind`` is text, error or picture."""

    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell: ``kind`` is markdown, code or raw."""

    kind: str
    source: str
    number: int | None
    outputs: tuple[Output, ...]


@dataclass(frozen=True, slots=True)
class Notebook:
    """The cells of a notebook and the language of its code; ``left_out`` counts cells that are not shown."""

    language: str
    cells: tuple[Cell, ...]
    left_out: int


def read_notebook(data: bytes) -> Notebook:
    """Return the cells of a notebook. Raises BadNotebook."""
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadNotebook(f"The notebook is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise BadNotebook("The notebook is not a JSON object.")
    cells = document.get("cells")
    if not isinstance(cells, list):
        sheets = document.get("worksheets")
        first = sheets[0] if isinstance(sheets, list) and sheets else None
        cells = first.get("cells") if isinstance(first, dict) else None
    if not isinstance(cells, list):
        raise BadNotebook("The notebook has no cells.")
    room = [_MAX_PICTURES_BYTES]
    shown = tuple(_cell(each, room) for each in cells[:_MAX_CELLS] if isinstance(each, dict))
    return Notebook(_language(document), shown, max(0, len(cells) - _MAX_CELLS))


def _language(document: Mapping[str, Any]) -> str:
    about = document.get("metadata")
    for part in ("language_info", "kernelspec"):
        said = about.get(part) if isinstance(about, dict) else None
        if isinstance(said, dict):
            name = said.get("name") if part == "language_info" else said.get("language")
            if isinstance(name, str):
                return name.lower()[:40]
    return "python"


def _cell(cell: Mapping[str, Any], room: list[int]) -> Cell:
    kind = cell.get("cell_type")
    kind = kind if kind in ("markdown", "code") else "raw"
    source = _text(cell.get("source", cell.get("input")))
    number = cell.get("execution_count", cell.get("prompt_number"))
    outputs = cell.get("outputs")
    made = _outputs(outputs, room) if kind == "code" and isinstance(outputs, list) else ()
    return Cell(
        kind, source, number if type(number) is int and 0 <= number < 1_000_000 else None, tuple(made)
    )


def _outputs(outputs: Sequence[object], room: list[int]) -> Iterator[Output]:
    for output in outputs[:_MAX_OUTPUTS]:
        if not isinstance(output, dict):
            continue
        kind = output.get("output_type")
        if kind == "stream":
            yield Output("text", plain_of(_text(output.get("text"))))
        elif kind in ("error", "pyerr"):
            trace = output.get("traceback")
            text = (
                "\n".join(each for each in trace[:200] if isinstance(each, str))
                if isinstance(trace, list)
                else ""
            )
            yield Output("error", plain_of(text)[:_MAX_TEXT_CHARS] or _text(output.get("evalue")))
        else:
            yield from _data(output, room)


def _data(output: Mapping[str, Any], room: list[int]) -> Iterator[Output]:
    data = output.get("data")
    data = data if isinstance(data, dict) else output  # format 3 has its data beside the rest
    for media_type, short in (("image/png", "png"), ("image/jpeg", "jpeg")):
        picture = _picture(data.get(media_type, data.get(short)), media_type, room)
        if picture is not None:
            yield Output("picture", picture)
            return
    text = _text(data.get("text/plain", data.get("text")))
    if text:
        yield Output("text", plain_of(text))


def _picture(value: object, media_type: str, room: list[int]) -> str | None:
    packed = "".join(_text(value, limit=2 * _MAX_PICTURE_BYTES).split())
    if not packed:
        return None
    try:
        picture = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return None
    if not picture.startswith(_STARTS[media_type]) or len(picture) > min(_MAX_PICTURE_BYTES, room[0]):
        return None
    room[0] -= len(picture)
    return f"data:{media_type};base64,{packed}"


def _text(value: object, *, limit: int = _MAX_TEXT_CHARS) -> str:
    if isinstance(value, list):
        value = "".join(each for each in value if isinstance(each, str))
    return value[:limit] if isinstance(value, str) else ""

"""A cell of a table for people who read it without scripts: what kind it is, and what to write."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

_MAX_CHARS = 400
MEDIA = {"Image": "image", "Audio": "audio", "Video": "video", "Pdf": "file"}


@dataclass(frozen=True, slots=True)
class Cell:
    """``kind``: none, number, text, label, json, image, audio, video or file; ``src`` of media."""

    kind: str
    text: str = ""
    src: str = ""
    is_cut: bool = False


def cell_of(value: Any, feature: Any) -> Cell:  # Any: JSON of any column
    """Return how a value of a column is written."""
    if value is None:
        return Cell("none", "null")
    kind = feature.get("_type") if isinstance(feature, dict) else None
    if kind in MEDIA:
        return _media(value, MEDIA[kind])
    if kind == "ClassLabel" and isinstance(value, int):
        names = feature.get("names") or []
        return Cell("label", str(names[value]) if 0 <= value < len(names) else str(value))
    if isinstance(value, bool):
        return Cell("label", "true" if value else "false")
    if isinstance(value, int | float):
        return Cell("number", repr(value))
    if isinstance(value, str):
        return Cell("text", value[:_MAX_CHARS], is_cut=len(value) > _MAX_CHARS)
    text = orjson.dumps(value).decode()
    return Cell("json", text[:_MAX_CHARS], is_cut=len(text) > _MAX_CHARS)


def type_of(feature: Any) -> str:  # Any: a feature of the library's form
    """Return a column's type, as short as it is in any language."""
    if isinstance(feature, list) and feature:
        return f"list[{type_of(feature[0])}]"
    if not isinstance(feature, dict):
        return "?"
    kind = feature.get("_type")
    if kind == "Value":
        return str(feature.get("dtype"))
    if kind == "ClassLabel":
        return f"label, {len(feature.get('names') or [])}"
    if kind in ("List", "LargeList", "Sequence"):
        return f"list[{type_of(feature.get('feature'))}]"
    return "struct" if kind is None else str(kind).lower()


def _media(value: Any, kind: str) -> Cell:
    first = value[0] if isinstance(value, list) and value else value
    src = str(first.get("src", "")) if isinstance(first, dict) else ""
    return Cell(kind, src.rpartition("/")[2].partition("?")[0], src)

"""The answer of ``/first-rows``: as many of the first rows as fit, and cells cut where even the fewest do not.

**Source**: ``libcommon/viewer_utils/rows.py`` and ``truncate_rows.py`` of the original, with its defaults.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from openhood.base.errors import TableTooLarge, TooManyColumns
from openhood.engines.tables.cells import dumps
from openhood.engines.tables.features import Feature, features_list, kind_of

MAX_ROWS = 100
MIN_ROWS = 10
MAX_COLUMNS = 1000
MAX_BYTES = 1_000_000
MIN_CELL_BYTES = 100
_URL_SHARE = 0.3
_BRACKETS_BYTES, _COMMA_BYTES = 2, 1
_KEPT_KINDS = ("Image", "Audio", "Video", "Pdf")
_TEXT, _NUMBER, _JSON = (
    {"dtype": "string", "_type": "Value"},
    {"dtype": "int64", "_type": "Value"},
    {"_type": "Json"},
)
_MESSAGES = {"feature": _JSON, "_type": "List"}
# What ``datasets`` makes of logs of agents; the two columns that say what a row is about are never cut.
_TRACES: Mapping[str, Feature] = {
    **dict.fromkeys(("harness", "session_id", "prompt", "sent_at", "file_path"), _TEXT),
    **dict.fromkeys(("messages", "tools"), _MESSAGES),
    **dict.fromkeys(("metadata", "trace"), _JSON),
    **dict.fromkeys(("num_user_messages", "num_tool_calls"), _NUMBER),
}
_TRACE_KEPT = frozenset(("prompt", "file_path"))


def check_columns(features: Mapping[str, Feature]) -> None:
    """Raise TooManyColumns where there are more than an answer of first rows shows."""
    if len(features) > MAX_COLUMNS:
        raise TooManyColumns(
            f"The number of columns ({len(features)}) exceeds the maximum supported number of columns ({MAX_COLUMNS}). "
            "This is a current limitation of the datasets viewer. You can reduce the number of columns if you want the "
            "viewer to work."
        )


def first_rows(
    features: Mapping[str, Feature],
    items: Sequence[dict[str, Any]],
    *,
    names: Mapping[str, str],
    is_all: bool,
) -> bytes:
    """Return the answer of ``/first-rows`` as JSON.

    Args: ``items`` are what `cells.render_rows` made of at most `MAX_ROWS` rows; they are changed. ``names`` are
    ``dataset``, ``config`` and ``split``; ``is_all`` says that the split has no other rows.
    Raises: TooManyColumns, TableTooLarge.
    """
    check_columns(features)
    answer = {**names, "features": features_list(features), "rows": [], "truncated": False}
    around = len(dumps(answer))
    if around > MAX_BYTES:
        raise TableTooLarge(
            f"The size of the content of the first rows ({around} B) exceeds the maximum supported size ({MAX_BYTES} B) "
            "even after truncation. Please report the issue."
        )
    kept, is_cut = _fitting(items, MAX_BYTES - around, features)
    rows = [orjson.Fragment(each) for each in kept]
    return dumps({**answer, "rows": rows, "truncated": not is_all or is_cut})


def _fitting(
    items: Sequence[dict[str, Any]], max_bytes: int, features: Mapping[str, Feature]
) -> tuple[list[bytes], bool]:
    """Return the rows that fit, as JSON, and whether some are left out."""
    made: list[bytes] = []
    size = _BRACKETS_BYTES
    for item in items[:MIN_ROWS]:
        made.append(dumps(item))
        size += len(made[-1]) + _COMMA_BYTES
    if size >= max_bytes:
        # The brackets and commas of the list itself: one less than there are rows.
        size -= _COMMA_BYTES if made else 0
        kept_columns = _kept_columns(features, items)
        for at in range(len(made) - 1, -1, -1):
            if size < max_bytes:
                break
            size -= len(made[at])
            made[at] = dumps(_cut(items[at], kept_columns))
            size += len(made[at])
        return made, len(made) < len(items)
    for item in items[MIN_ROWS:]:
        data = dumps(item)
        size += len(data) + _COMMA_BYTES
        if size >= max_bytes:
            break
        made.append(data)
    return made, len(made) < len(items)


def _cut(item: dict[str, Any], kept_columns: frozenset[str]) -> dict[str, Any]:
    """Replace the cells of a row that are long by the beginning of their JSON."""
    for name, cell in item["row"].items():
        if name in kept_columns:
            continue
        data = dumps(cell)
        if len(data) <= MIN_CELL_BYTES:
            continue
        stop = MIN_CELL_BYTES
        while stop > 0 and data[stop] & 0xC0 == 0x80:
            stop -= 1
        item["row"][name] = data[:stop].decode("utf-8", "ignore")
        item["truncated_cells"].append(name)
    return item


def _kept_columns(features: Mapping[str, Feature], items: Sequence[dict[str, Any]]) -> frozenset[str]:
    """Return the columns that are never cut: a cut link is none."""
    kept = {name for name, feature in features.items() if kind_of(feature) in _KEPT_KINDS}
    for name, feature in features.items():
        is_text = kind_of(feature) == "Value" and feature["dtype"] == "string"
        if (
            is_text
            and items
            and sum(map(_is_url, (item["row"][name] for item in items))) / len(items) > _URL_SHARE
        ):
            kept.add(name)
    if features == _TRACES:
        kept |= _TRACE_KEPT
    return frozenset(kept)


def _is_url(cell: object) -> bool:
    return isinstance(cell, str) and cell.startswith(("http://", "https://"))

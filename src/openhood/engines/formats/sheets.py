"""The first rows of a table in text: CSV with any common delimiter, and TSV. Comparing tables is `diffs`' business."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass

MAX_SHEET_BYTES = 512 * 1024
MAX_ROWS = 200
MAX_COLUMNS = 60
MAX_CELL_CHARS = 400


@dataclass(frozen=True, slots=True)
class Sheet:
    """The head of a table; ``is_cut``: there are more rows. ``column_count`` counts also columns that are left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    column_count: int
    is_cut: bool


def is_sheet_name(path: str) -> bool:
    """Tell whether files of this name are such tables."""
    return path.lower().endswith((".csv", ".tsv"))


def read_head(data: bytes, *, is_whole: bool, path: str) -> Sheet | None:
    """Return the head of a table, None where the text is none.

    *Args*: ``data`` are the first bytes of a file, ``is_whole`` tells whether they are all of it.
    """
    text = data.decode("utf-8-sig", "replace")
    if not is_whole:
        # The last line was cut, and so may be a quoted value that began before it.
        text = text.rpartition("\n")[0]
    first = text.partition("\n")[0]
    delimiter = (
        "\t"
        if path.lower().endswith(".tsv")
        else max(",;\t|", key=lambda each: (first.count(each), each == ","))
    )
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(text), delimiter=delimiter):
            if row:
                rows.append(row)
            if len(rows) > MAX_ROWS + 1:
                break
    except csv.Error:
        return None
    if not rows:
        return None
    columns = rows[0]
    width = min(len(columns), MAX_COLUMNS)
    shown = tuple(
        tuple(_clip(row[at]) if at < len(row) else "" for at in range(width))
        for row in rows[1 : MAX_ROWS + 1]
    )
    is_cut = not is_whole or len(rows) > MAX_ROWS + 1
    return Sheet(tuple(_clip(name) for name in columns[:width]), shown, len(columns), is_cut)


def _clip(text: str) -> str:
    return text if len(text) <= MAX_CELL_CHARS else text[: MAX_CELL_CHARS - 1] + "…"

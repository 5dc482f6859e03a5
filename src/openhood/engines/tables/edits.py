"""What a person changes in a split: cells, rows that are new and rows that go, and the file each of it is about."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from openhood.base.errors import InvalidParameter

MAX_CHANGES = 10_000
Value = Any  # a JSON value


@dataclass(slots=True)
class FileEdits:
    """The changes of one file, by the number of the row in it. ``added`` come after its last row."""

    cells: dict[int, dict[str, Value]] = field(default_factory=dict)
    deleted: set[int] = field(default_factory=set)
    added: list[Mapping[str, Value]] = field(default_factory=list)

    @property
    def is_empty(self) -> bool:
        """Whether the file stays as it is."""
        return not (self.cells or self.deleted or self.added)


def share_out(params: Mapping[str, Any], counts: Sequence[int]) -> list[FileEdits]:
    """Return what is to be changed in each file of a split, whose numbers of rows are ``counts``.

    Raises: InvalidParameter for a row that there is not.
    """
    files = [FileEdits() for _count in counts]
    for change in params["changes"]:
        at, row = _find(int(change["row_idx"]), counts)
        files[at].cells.setdefault(row, {})[change["column"]] = change["value"]
    for number in params["deleted"]:
        at, row = _find(int(number), counts)
        files[at].deleted.add(row)
    if params["added"]:
        if not files:
            raise InvalidParameter("This split has no file that rows could be added to.")
        files[-1].added = list(params["added"])
    return files


def _find(number: int, counts: Sequence[int]) -> tuple[int, int]:
    start = 0
    for at, count in enumerate(counts):
        if start <= number < start + count:
            return at, number - start
        start += count
    raise InvalidParameter(f"There is no row {number}: the split has {start} rows.")


def unknown_column(name: str, known: Sequence[str]) -> InvalidParameter:
    """Return the error for a column that the file does not have."""
    return InvalidParameter(f"There is no column '{name[:100]}'. There is: {', '.join(known[:30])}.")

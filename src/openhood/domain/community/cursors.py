"""Cursors of this noun's lists: the value a page ended with and the row's number, as text clients hand back unread.

A cursor names its order, so that one made for another list is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from openhood.base.errors import BadRequest

_CURSOR = re.compile(r"([A-Za-z]{1,20})\.(-?[0-9]{1,18})\.([0-9]{1,18})")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a page ended: the value that rows are ordered by, then the row's number."""

    value: int
    number: int

    @property
    def moment(self) -> datetime:
        """The value as a moment. Raises BadRequest where it is none."""
        try:
            return _EPOCH + self.value * _MS
        except OverflowError as error:
            raise _refusal() from error


def write(order: str, value: int | datetime, number: int) -> str:
    """Return the cursor of a place in an order."""
    if isinstance(value, datetime):
        value = (value - _EPOCH) // _MS
    return f"{order}.{value}.{number}"


def read(order: str, cursor: str | None) -> Place | None:
    """Return the place a cursor stands for. Raises BadRequest where it is none of this order."""
    if not cursor:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None or found[1] != order:
        raise _refusal()
    return Place(int(found[2]), int(found[3]))


def _refusal() -> BadRequest:
    return BadRequest(
        "The 'cursor' is not one of this list. Take it from the Link header of the page before."
    )

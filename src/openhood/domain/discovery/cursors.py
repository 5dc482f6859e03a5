"""Cursors of lists: where a page ended, as text that clients hand back unread."""

from __future__ import annotations

import base64
import binascii
from datetime import UTC, datetime, timedelta

import orjson

from openhood.base.errors import BadRequest
from openhood.domain.discovery.wanted import Order, Position

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_SMALL = ("likes", "trendingScore")
"""What is kept in 32 bits."""


def write(position: Position, order: Order) -> str:
    """Return the cursor of a position in an order."""
    value = position.value
    if isinstance(value, datetime):
        value = (value - _EPOCH) // _MS
    raw = orjson.dumps([order.sort, order.descending, value, str(position.number)])
    return base64.urlsafe_b64encode(raw).decode("ascii")


def read(cursor: str, order: Order) -> Position:
    """Return the position a cursor stands for. Raises BadRequest where it is none of this order."""
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        sort, descending, value, number = orjson.loads(raw)
        if [sort, descending] != [order.sort, order.descending]:
            raise ValueError("made for another order")
        if order.sort in ("lastModified", "createdAt"):
            value = _EPOCH + timedelta(milliseconds=_whole(value, bits=63))
        elif order.sort == "id":
            if not isinstance(value, str) or "\0" in value:
                raise ValueError("of another kind")
        else:
            value = _whole(value, bits=31 if order.sort in _SMALL else 63)
        return Position(value, int(number) % 2**63)
    except (ValueError, TypeError, OverflowError, UnicodeError, binascii.Error) as error:
        raise BadRequest(
            "The 'cursor' is not one of this list. Take it from the Link header of the page before."
        ) from error


def _whole(value: object, *, bits: int) -> int:
    # A number that its column cannot hold is an error of PostgreSQL; true and 1.0 are no numbers of ours.
    if not isinstance(value, int) or isinstance(value, bool) or not -(2**bits) <= value < 2**bits:
        raise ValueError("of another kind")
    return value

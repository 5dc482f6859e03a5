"""A tripwire: a call to the object store, git or the network inside a database unit is a bug.

Units mark themselves here; what moves bytes asks `outside_unit`. The check is a thread-local
read, so it stays on in production, where it is logged by the error it raises.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class UnitViolation(RuntimeError):
    """Code called something slow inside a database unit, or nested two units."""


class _Here(threading.local):
    depth = 0


_here = _Here()


@contextmanager
def unit() -> Iterator[None]:
    """Mark this thread as inside a database unit. Raises UnitViolation where one is open already."""
    if _here.depth:
        raise UnitViolation("Database units do not nest: pass the open tx instead.")
    _here.depth = 1
    try:
        yield
    finally:
        _here.depth = 0


def outside_unit(what: str) -> None:
    """Raise UnitViolation if this thread is inside a database unit; ``what`` names the slow call."""
    if _here.depth:
        raise UnitViolation(f"{what} must not be called inside a database unit.")

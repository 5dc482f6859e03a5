"""Moving repositories among what is searched when their popularity changed, so that the popular are found first.

What a place is, `catalog.texts` says.
"""

from __future__ import annotations

from collections.abc import Sequence

from openhood.domain.discovery import counting_rows
from openhood.domain.services import Services

_LOOKED_AT = 500
# The full-text indexes read each row's words again: one to three milliseconds each at a million repositories.
_MOVED_AT_ONCE = 20


def refile(sv: Services, numbers: Sequence[int]) -> int:
    """Move those of some repositories whose popularity changed step; returns how many. Opens units of its own."""
    moved = 0
    for start in range(0, len(numbers), _LOOKED_AT):
        with sv.db.read() as tx:
            found = counting_rows.find_misplaced(tx, numbers[start : start + _LOOKED_AT])
        for first in range(0, len(found), _MOVED_AT_ONCE):
            with sv.db.write() as tx:
                locked = counting_rows.lock_repos(tx, found[first : first + _MOVED_AT_ONCE])
                counting_rows.refile(tx, locked)
            moved += len(locked)
    return moved

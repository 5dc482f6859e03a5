"""Counting downloads: what was noted where files are read is added to the rows, by day and by repository.

What counts as a download is `repos.downloads`' business.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from openhood.domain.discovery import counting_rows, places
from openhood.domain.services import Services
from openhood.infra.tallies import WINDOW_S

FLUSH_EVERY_S = 30.0

KEPT_DAYS = 30
"""``downloads`` of a repository are those of so many days, today included; ``downloads_all_time`` are all."""

_DAY_S = 86_400
_VISITS_AT_ONCE = 500
_VISITS_KEPT_S = _DAY_S
_SWEPT_AT_ONCE = 5_000
_FOLDED_AT_ONCE = 200


def flush(sv: Services) -> int:
    """Add what this process noted to the rows; returns how many repositories changed.

    Opens one write unit, more only after a flood. What could not be written is kept for the next time, and is not
    counted twice if it was written after all.
    """
    visits, dropped = sv.downloads.drain()
    if dropped:
        structlog.get_logger("downloads").warning("downloads.dropped", count=dropped)
    changed: set[int] = set()
    for start in range(0, len(visits), _VISITS_AT_ONCE):
        try:
            with sv.db.write() as tx:
                changed |= counting_rows.count_visits(tx, visits[start : start + _VISITS_AT_ONCE])
        except BaseException:
            sv.downloads.put_back(visits[start:])
            raise
    return len(changed)


def roll_downloads(sv: Services, _payload: Mapping[str, object]) -> None:
    """Take the days that are over from the downloads of the last days, and forget who came (a job).

    Only repositories with such a day are touched, in units of few; after a time without jobs all is made up for.
    """
    now_s = sv.clock.now().timestamp()
    before = int(now_s // _DAY_S) - KEPT_DAYS + 1
    while True:
        with sv.db.read() as tx:
            outdated = counting_rows.find_outdated(tx, before=before, limit=_FOLDED_AT_ONCE)
        if not outdated:
            break
        with sv.db.write() as tx:
            folded = counting_rows.fold_days(tx, outdated, before=before)
        places.refile(sv, folded)
    window = int((now_s - _VISITS_KEPT_S) // WINDOW_S)
    swept = _SWEPT_AT_ONCE
    while swept == _SWEPT_AT_ONCE:
        with sv.db.write() as tx:
            swept = counting_rows.delete_visits(tx, before=window, limit=_SWEPT_AT_ONCE)

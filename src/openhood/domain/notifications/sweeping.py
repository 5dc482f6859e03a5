"""Forgetting what lay in inboxes for long, read or not."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from openhood.domain.notifications import rows
from openhood.domain.services import Services

KEPT_FOR = timedelta(days=365)
_AT_ONCE = 2000


def sweep_notices(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: remove the lines of all inboxes in which nothing happened for a year. Walks them by number."""
    before = sv.clock.now() - KEPT_FOR
    after: int | None = 0
    while after is not None:
        with sv.db.read() as tx:
            old, after = rows.list_old(tx, before=before, after=after, limit=_AT_ONCE)
        if old:
            with sv.db.write() as tx:
                rows.delete_old(tx, old, before=before)

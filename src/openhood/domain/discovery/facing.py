"""What stands beside the card of a repository and is its own: downloads by day, and the names of its files.

What others have to do with it is in `lineage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.catalog import files as kept_files
from openhood.domain.discovery import counting_rows
from openhood.domain.discovery.downloads import KEPT_DAYS
from openhood.domain.repos import lookup
from openhood.domain.services import Services

_EPOCH = date(1970, 1, 1)
_DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Day:
    """How many downloads a day saw, in UTC."""

    on: date
    count: int


@dataclass(frozen=True, slots=True)
class Facing:
    """``days`` are the last ones, the oldest first, without gaps; ``paths`` all files of main, None for very many."""

    days: tuple[Day, ...]
    paths: Sequence[str] | None


def see_facing(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> Facing:
    """Return what stands beside a repository's card. Opens a read unit. Raises: what `lookup.find` raises."""
    today = int(sv.clock.now().timestamp() // _DAY_S)
    first = today - KEPT_DAYS + 1
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        counts = counting_rows.list_days(tx, repo.id, since=first)
        kept = kept_files.read(tx, [repo.id]).get(repo.id)
    days = tuple(Day(_EPOCH + timedelta(days=day), counts.get(day, 0)) for day in range(first, today + 1))
    if repo.head_oid is None:
        return Facing(days, ())
    return Facing(days, None if kept is None or kept.commit != repo.head_oid else kept.paths)

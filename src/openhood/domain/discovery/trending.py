"""What is trending: a score of the last days' likes and downloads, made anew every hour.

The score of a repository, over the seven days up to today (age 0 is today, in UTC)::

    sum over days of  0.7 ** age * (10 * likes + sqrt(downloads)),  rounded

Someone who likes means it, while most downloads are programs that load the same model again: under the root a
hundred times the downloads weigh ten times as much, and a like weighs as much as a hundred downloads on a day of
their own. What happened two days ago counts half.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.discovery import counting_rows, list_rows, places
from openhood.domain.discovery.counting_rows import Activity
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.repos.listing import RepoInfo
from openhood.domain.services import Services

DAYS = 7
DECAY = 0.7
A_LIKE = 10

MAX_LISTED = 20
"""So many are listed at most. **Source**: the Hub's OpenAPI, ``/api/trending``."""

_BATCH = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ORDER = Order("trendingScore", descending=True)


@dataclass(frozen=True, slots=True)
class Trending:
    """A repository that is trending, and whether the viewer likes it."""

    info: RepoInfo
    is_liked: bool


def score_of(activity: Activity, *, today: int) -> int:
    """Return the score that follows from what happened by ``today``, a day's number."""
    total = 0.0
    for age in range(DAYS):
        day = today - age
        points = A_LIKE * activity.likes.get(day, 0) + math.sqrt(activity.downloads.get(day, 0))
        total += DECAY**age * points
    return round(total)


def refresh_trending(sv: Services, _payload: Mapping[str, object]) -> None:
    """Bring scores up to now, and the popular to where search finds them first (a job).

    Only repositories are looked at that were liked or downloaded of late, or have a score; units are short.
    """
    today = (sv.clock.now() - _EPOCH).days
    since_day = today - DAYS + 1
    since = _EPOCH + timedelta(days=since_day)
    with sv.db.read() as tx:
        active = counting_rows.list_active(tx, since_day=since_day, since=since)
    for start in range(0, len(active), _BATCH):
        part = active[start : start + _BATCH]
        with sv.db.read() as tx:
            found = counting_rows.read_activity(tx, part, since_day=since_day, since=since)
        scores = {number: score_of(each, today=today) for number, each in found.items()}
        changed = {number: score for number, score in scores.items() if score != found[number].score}
        if changed:
            with sv.db.write() as tx:
                counting_rows.write_scores(tx, changed)
        places.refile(sv, part)


def list_trending(
    sv: Services, viewer: Viewer, *, types: Sequence[RepoType], limit: int
) -> tuple[Trending, ...]:
    """Return what is trending of all that the viewer may know of, the most first. Opens a read unit.

    Args: ``limit``: so many of all types together.
    """
    found = []
    with sv.db.read() as tx:
        for kind in types:
            wanted = Wanted(types=(kind,))
            found += list_rows.list_repos(
                tx, viewer, wanted, _ORDER, after=None, limit=limit, with_card=False
            )
        found.sort(key=lambda each: (each.trending_score, each.repo.id), reverse=True)
        page = [each for each in found[:limit] if each.trending_score > 0]
        liked: set[int] = set()
        if viewer.user_id is not None:
            liked = counting_rows.find_liked(tx, viewer.user_id, [each.repo.id for each in page])
    return tuple(Trending(RepoInfo(each, each.repo.head_oid, None), each.repo.id in liked) for each in page)

"""Describing repositories anew from git and the store: the same rows as their commits once wrote.

For a database that an older release filled, and for whoever doubts what lists and search say. Works beside a
running hub: each repository is one short unit of its own, and one that changes meanwhile is its own commit's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import structlog

from openhood.base.errors import HubError
from openhood.base.names import MAIN
from openhood.domain.catalog import record
from openhood.domain.discovery import reindex_rows
from openhood.domain.repos import gitdb, publish, rows, weighing
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.jobs import queue

_JOB = "reindex_repos"
_PAGE = 100
_COUNTED_AT_ONCE = 200


@dataclass(frozen=True, slots=True)
class Failure:
    """A repository that could not be described, and why."""

    repo: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reindexed:
    """What `reindex` did: how many repositories it described, which it could not, how many tags it counted."""

    repo_count: int
    failures: tuple[Failure, ...]
    tag_count: int


def reindex(
    sv: Services, *, only: Repo | None = None, progress: Callable[[int], None] = lambda count: None
) -> Reindexed:
    """Describe every repository, or only one, anew; then count every tag anew unless only one was meant.

    Args: ``progress`` is told how many repositories are done.
    """
    if only is not None:
        failure = _describe(sv, only)
        return Reindexed(1, () if failure is None else (failure,), 0)
    done, failures, after = 0, [], 0
    while page := _page(sv, after):
        for repo in page:
            failure = _describe(sv, repo)
            if failure is not None:
                failures.append(failure)
            done += 1
        progress(done)
        after = page[-1].id
    return Reindexed(done, tuple(failures), recount(sv))


def reindex_repos(sv: Services, payload: Mapping[str, object]) -> None:
    """Describe all repositories anew, a page at a time, each by a job of its own (a job)."""
    page = _page(sv, int(str(payload.get("after", 0))))
    if not page:
        recount(sv)
        return
    for repo in page:
        failure = _describe(sv, repo)
        if failure is not None:
            structlog.get_logger("reindex").error("reindex.failed", repo=failure.repo, reason=failure.reason)
    with sv.db.write() as tx:
        now = sv.clock.now()
        queue.enqueue(tx, _JOB, {"after": page[-1].id}, now=now, dedup_key=f"{_JOB}:{page[-1].id}")


def recount(sv: Services) -> int:
    """Bring the inverted table of tags and all counts of tags and likes up to the rows; returns how many tags.

    Opens a unit for each few tags, so that commits get their turn.
    """
    place: tuple[int, int] | None = (0, 0)
    while place is not None:
        with sv.db.write() as tx:
            place = reindex_rows.drop_strays(tx, after=place)
    counted = after = 0
    while True:
        with sv.db.write() as tx:
            ids = reindex_rows.count_tags(tx, after=after, limit=_COUNTED_AT_ONCE)
        if not ids:
            break
        counted, after = counted + len(ids), ids[-1]
    with sv.db.write() as tx:
        reindex_rows.count_likes(tx)
    return counted


def _page(sv: Services, after: int) -> list[Repo]:
    with sv.db.read() as tx:
        return reindex_rows.list_repos(tx, after=after, limit=_PAGE)


def _describe(sv: Services, repo: Repo) -> Failure | None:
    with sv.db.read() as tx:
        main = rows.get_ref(tx, repo.id, MAIN)
    if main is None:
        return None
    try:
        objects = gitdb.open_objects(sv, repo, expect=main.commit_oid)
        tip = describe_tip(objects, main.commit_oid, repo.type)
        with sv.db.write() as tx:
            publish.lock_repo(tx, repo)
            now_main = rows.get_ref(tx, repo.id, MAIN)
            if now_main is None or now_main.commit_oid != main.commit_oid:
                return None
            record.record_tip(tx, repo.id, tip, head_oid=main.commit_oid, anew=True)
        weighing.weigh_now(sv, repo.id)
    except HubError as error:
        with sv.db.read() as tx:
            is_gone = rows.get_repo_by_number(tx, repo.id) is None
        return None if is_gone else Failure(f"{repo.type.value}:{repo.repo_id}", error.message)
    return None

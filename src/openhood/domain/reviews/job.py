"""The jobs of reviews: comparing one file, planning a pull request that got commits, and forgetting the old."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog

from openhood.base.errors import HubError, NotFound, RepoNotFound, Unavailable
from openhood.base.names import Oid, Sha256
from openhood.domain.access import SYSTEM
from openhood.domain.events import Event
from openhood.domain.repos import gitdb, pulls
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.contents import Content
from openhood.domain.repos.types import Repo
from openhood.domain.reviews import actions, rows
from openhood.domain.reviews.running import Comparer, Opened, Outcome
from openhood.domain.reviews.types import WAITING, Review
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.engines.git.store import ObjectDb
from openhood.infra.jobs import queue

KEPT_FOR = timedelta(days=60)
_TURN_S = 120.0
_SWEPT_AT_ONCE = 500
_FIRST_FILES = 50
_SHA256_CHARACTERS = 64


def review_change(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: compare what one review is about, and then what else waits in its repository. Payload: ``{"review": number}``.

    Raises where the store is away: it is tried again. Everything else that can go wrong is the review's outcome.
    """
    number = payload.get("review")
    if not isinstance(number, int):
        return
    with sv.db.read() as tx:
        review = rows.get(tx, number)
        repo = None if review is None else repo_rows.get_repo_by_number(tx, review.repo_id)
    if review is None or repo is None or review.state != WAITING:
        return
    end = time.monotonic() + _TURN_S
    # The repository may be deleted meanwhile.
    with suppress(RepoNotFound), Comparer(sv, repo) as comparer:
        while review is not None:
            _compare(sv, repo, review, comparer)
            if time.monotonic() > end:
                return  # Each of the others has a job of its own.
            with sv.db.read() as tx:
                review = rows.next_waiting(tx, repo.id)


def _compare(sv: Services, repo: Repo, review: Review, comparer: Comparer) -> None:
    try:
        old, new = _open(sv, repo, review.result or {})
        outcome = comparer.compare(review.key.format, old=old, new=new)
    except NotFound as error:
        outcome = Outcome(None, error.message)
    except (Unavailable, RepoNotFound):
        raise
    except HubError as error:
        structlog.get_logger("reviews").error(
            "review.bytes_missing", repo=str(repo.repo_id), error=error.message
        )
        outcome = Outcome(None, "Bytes of these files could not be read from the hub's storage.")
    with sv.db.write() as tx:
        rows.settle(tx, review.id, result=outcome.result, error=outcome.error, now=sv.clock.now())


def _open(sv: Services, repo: Repo, task: Mapping[str, object]) -> tuple[list[Opened], list[Opened]]:
    objects = gitdb.open_objects(sv, repo)
    old, new = (_files(task.get(side)) for side in ("old", "new"))
    stored = {Sha256(name) for _path, name, _size in (*old, *new) if len(name) == _SHA256_CHARACTERS}
    with sv.db.read() as tx:
        linked = storage_rows.find_linked(tx, repo.id, stored)

    def content(objects: ObjectDb, name: str) -> Content:
        if len(name) != _SHA256_CHARACTERS:
            return Content(Oid(name), objects.kind_and_size(Oid(name))[1], None)
        found = linked.get(Sha256(name))
        if found is None:
            raise NotFound("The content of this file was deleted from the hub, so it cannot be compared.")
        # The blob's id matters only where git holds the content.
        return Content(Oid(name), found.size_bytes, found)

    return (
        [Opened(path, content(objects, name)) for path, name, _size in old],
        [Opened(path, content(objects, name)) for path, name, _size in new],
    )


def _files(said: object) -> Sequence[tuple[str, str, int]]:
    files: Any = said  # Any: written by `actions.task_of`
    return [(str(path), str(name), int(size)) for path, name, size in files or ()]


def on_event(sv: Services, event: Event) -> None:
    """Listener: plan the review of a pull request that got commits. Opens a write unit."""
    if event.kind != "repo.content" or event.repo_id is None:
        return
    changed = event.facts.get("refs")
    if not isinstance(changed, list):
        return
    numbers = {
        pulls.number_of(each[0]) for each in changed if isinstance(each, list) and len(each) == 3 and each[2]
    }
    numbers.discard(None)
    if not numbers:
        return
    now = sv.clock.now()
    with sv.db.write() as tx:
        for number in sorted(filter(None, numbers)):
            queue.enqueue(
                tx,
                "review_pull",
                {"repo": event.repo_id, "number": number},
                now=now,
                dedup_key=f"review-pull:{event.repo_id}:{number}",
            )


def review_pull(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: begin to compare the first files of a pull request. Payload: ``{"repo": number, "number": number}``."""
    repo_id, number = payload.get("repo"), payload.get("number")
    if not isinstance(repo_id, int) or not isinstance(number, int):
        return
    with sv.db.read() as tx:
        repo = repo_rows.get_repo_by_number(tx, repo_id)
    if repo is None:
        return
    try:
        actions.review_pull(
            sv, SYSTEM, repo_type=repo.type, repo_id=repo.repo_id, number=number, cursor=0, limit=_FIRST_FILES
        )
    except HubError as error:
        if error.status >= 500:
            raise
        # Renamed, deleted or disabled meanwhile: whoever looks at it next begins it again.


def sweep_reviews(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: forget reviews that nobody looked at for long; they are made again when somebody does."""
    before = sv.clock.now() - KEPT_FOR
    swept = _SWEPT_AT_ONCE
    while swept == _SWEPT_AT_ONCE:
        with sv.db.write() as tx:
            swept = rows.delete_old(tx, before=before, limit=_SWEPT_AT_ONCE)

"""What a pull request, or the step from one revision to another, means for models and data.

Answers at once with what is known; what is not is left to jobs, one for each file or set of shards. Whoever may read
the files may read their review.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from openhood.base.errors import BadRequest
from openhood.base.names import Oid, RepoId, RepoType, Sha256
from openhood.domain.access import Need, Viewer
from openhood.domain.discussions import diffs
from openhood.domain.repos import comparing, lookup
from openhood.domain.repos.comparing import ChangedFile
from openhood.domain.repos.types import Repo
from openhood.domain.reviews import planning, rows
from openhood.domain.reviews.types import (
    DONE,
    FAILED,
    WAITING,
    ChangeReview,
    FileAt,
    FileReview,
    Review,
    ReviewKey,
    Unit,
)
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.engines.diffs.kinds import FORMATS, RULES_VERSION
from openhood.engines.diffs.parts import counted
from openhood.engines.git.objects import display_name
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

MAX_PAGE = 100
MAX_WAITING = 200
"""So many reviews of a repository wait at once; the next are begun when somebody asks again."""
_LOST_AFTER_S = 2 * 3600.0
_TOUCHED_AFTER_S = 24 * 3600.0
_SHA256_CHARACTERS = 64
_FILE_BYTES = 500


def review_pull(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    cursor: int,
    limit: int,
) -> ChangeReview:
    """Return what a pull request means, file by file from ``cursor`` on. Opens units of its own.

    Raises: what `lookup.find` raises; NotFound; Unavailable when git is too busy.
    """
    ends = diffs.find_ends(sv, viewer, repo_type=repo_type, repo_id=repo_id, number=number)
    if ends.head is None:
        return ChangeReview(ends.start, None, (), 0, is_cut=False)
    return review_between(sv, ends.repo, ends.start, ends.head, cursor=cursor, limit=limit)


def review_revisions(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, spec: str, cursor: int, limit: int
) -> ChangeReview:
    """Return what the step from one revision to another means: ``a..b``, or ``a...b`` since ``b`` left ``a``.

    Opens units of its own. Raises: BadRequest, what `lookup.locate` raises, Unavailable when git is too busy.
    """
    separator = "..." if "..." in spec else ".."
    first, found, second = spec.partition(separator)
    if not found or not first or not second:
        raise BadRequest("Compare two revisions as 'a..b' or 'a...b'.")
    old = lookup.locate(sv, viewer, repo_type, repo_id, revision=first, need=Need.READ)
    new = lookup.locate(sv, viewer, repo_type, repo_id, revision=second, need=Need.READ)
    base: Oid | None = old.commit
    if separator == "...":
        base = diffs.fork_of(sv, new.repo, old.commit, new.commit)
    return review_between(sv, new.repo, base, new.commit, cursor=cursor, limit=limit)


def review_between(
    sv: Services, repo: Repo, base: Oid | None, head: Oid, *, cursor: int, limit: int
) -> ChangeReview:
    """Return what lies between two commits of a repository that the caller may read. Opens units of its own."""
    files: Sequence[ChangedFile] = sv.facts.of(
        ("changed files", repo.id, base, head),
        partial(comparing.changed_between, sv, repo, base, head),
        weigh=lambda found: _FILE_BYTES * (len(found) + 1),
    )
    units = planning.plan(files)
    page = _with_missing(sv, repo, units[cursor : cursor + limit])
    known = _find_or_begin(sv, repo, page)
    after = cursor + limit
    return ChangeReview(
        base,
        head,
        tuple(_told(unit, known) for unit in page),
        len(units),
        is_cut=len(files) >= comparing.MAX_FILES,
        cursor=after if after < len(units) else None,
    )


def _with_missing(sv: Services, repo: Repo, units: Sequence[Unit]) -> list[Unit]:
    """Mark units of which content was deleted from the hub: what was found out about it is not shown any more."""
    stored = {
        Sha256(each.name)
        for unit in units
        for each in (*unit.old, *unit.new)
        if len(each.name) == _SHA256_CHARACTERS
    }
    if not stored:
        return list(units)
    with sv.db.read() as tx:
        linked = storage_rows.find_linked(tx, repo.id, stored)

    def is_there(file: FileAt) -> bool:
        return len(file.name) != _SHA256_CHARACTERS or file.name in linked

    return [
        unit if all(is_there(each) for each in (*unit.old, *unit.new)) else replace(unit, missing=True)
        for unit in units
    ]


def _find_or_begin(sv: Services, repo: Repo, units: Sequence[Unit]) -> dict[ReviewKey, Review]:
    """Return the reviews of units, and let those wait that are not known. Opens units of its own."""
    wanted = {planning.key_of(unit): unit for unit in units if unit.is_compared}
    if not wanted:
        return {}
    now = sv.clock.now()
    with sv.db.read() as tx:
        known = rows.find(tx, repo.id, wanted)
    missing = {key: unit for key, unit in wanted.items() if not _is_good(known.get(key))}
    lost = [each.id for each in known.values() if each.state == WAITING and _age_s(each, now) > _LOST_AFTER_S]
    seen = [
        each.id for each in known.values() if each.state != WAITING and _age_s(each, now) > _TOUCHED_AFTER_S
    ]
    if missing or lost or seen:
        with sv.db.write() as tx:
            room = max(0, MAX_WAITING - rows.count_waiting(tx, repo.id))
            for key, unit in list(missing.items())[:room]:
                number = rows.put_waiting(tx, repo.id, key, task_of(unit), version=RULES_VERSION, now=now)
                _enqueue(tx, number, now=now)
            for number in lost:
                _enqueue(tx, number, now=now)
            rows.touch(tx, [*lost, *seen], now=now)
    return {key: each for key, each in known.items() if key not in missing}


def _is_good(review: Review | None) -> bool:
    """Whether a review is what the rules of this release would find, or will be."""
    return review is not None and review.version == RULES_VERSION


def _age_s(review: Review, now: datetime) -> float:
    return (now - review.updated_at).total_seconds()


def _enqueue(tx: Tx, number: int, *, now: datetime) -> None:
    queue.enqueue(tx, "review_change", {"review": number}, now=now, dedup_key=f"review:{number}")


def task_of(unit: Unit) -> dict[str, object]:
    """Return what a job has to know of a unit: path, name and size of each file."""
    return {
        side: [[display_name(each.path), each.name, each.size_bytes] for each in files]
        for side, files in (("old", unit.old), ("new", unit.new))
    }


def _told(unit: Unit, known: Mapping[ReviewKey, Review]) -> FileReview:
    """Return what is known of a unit."""
    if unit.format is None:
        return FileReview(unit, "file", DONE, _plain_summary(unit))
    kind = FORMATS[unit.format].kind
    if unit.missing:
        error = "The content of this file was deleted from the hub, so it cannot be compared."
        return FileReview(unit, kind, FAILED, "content deleted", error=error)
    if not unit.is_compared:
        return FileReview(unit, kind, DONE, _same_summary(unit))
    review = known.get(planning.key_of(unit))
    if review is None or review.state == WAITING:
        return FileReview(unit, kind, WAITING, "being compared")
    if review.result is None:
        return FileReview(unit, kind, FAILED, "could not be compared", error=review.error)
    result = dict(review.result)
    summary = str(result.pop("summary", ""))
    said = str(result.pop("kind", kind))
    if unit.status in ("added", "deleted"):
        summary = f"{unit.status}: {summary}"
    return FileReview(unit, said, DONE, summary, details=result)


def _plain_summary(unit: Unit) -> str:
    if [each.name for each in unit.old] == [each.name for each in unit.new]:
        return _same_summary(unit)
    old, new = (sum(each.size_bytes for each in side) for side in (unit.old, unit.new))
    if unit.lines is not None:
        added, removed = unit.lines
        return f"{unit.status}: {counted(added, 'line')} added, {removed:,} removed"
    if unit.status == "modified":
        return f"modified: {old:,} → {new:,} bytes"
    return f"{unit.status}: {max(old, new) if unit.status != 'deleted' else old:,} bytes"


def _same_summary(unit: Unit) -> str:
    if unit.status == "renamed":
        return f"renamed from {display_name(unit.old_path or '')}, same content"
    return "same content, only the file's mode changed"

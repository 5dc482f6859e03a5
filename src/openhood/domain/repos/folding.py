"""Folding a repository's many small packs into few, so that clones and look-ups stay fast.

Runs beside commits and pushes: packs are immutable, and the rows change in one unit at the end.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import delete, select, update

from openhood.base.errors import CorruptObject, RepoNotFound
from openhood.domain.repos import gitdb, publish, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import fold_packs as run_fold
from openhood.engines.git.commands import heavy
from openhood.engines.git.packs import BuiltPack
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import packs
from openhood.infra.jobs import queue

_BACK_PRESSURE = 4
"""Commits fold inline at this many times ``git.fold_packs_at``: 2,000 packs make a clone twenty times slower."""


class _OutrunError(Exception):
    """Another replica folded or rewrote these packs first."""


@dataclass(frozen=True, slots=True)
class PackRow:
    """What choosing needs to know of a pack."""

    name: str
    size_bytes: int
    object_count: int


def fold_packs(sv: Services, payload: Mapping[str, object]) -> None:
    """Fold a repository's packs when it has enough of them (a job)."""
    with sv.db.read() as tx:
        repo = rows.get_repo_by_number(tx, int(str(payload["repo"])))
    if repo is not None:
        fold(sv, repo, at=sv.settings.git.fold_packs_at)


def relieve(sv: Services, repo: Repo) -> None:
    """Fold before a commit where the job did not keep up. Opens units of its own."""
    limit = _BACK_PRESSURE * sv.settings.git.fold_packs_at
    with sv.db.read() as tx:
        count = publish.count_packs(tx, repo.id)
    if count >= limit:
        fold(sv, repo, at=limit)


def fold(sv: Services, repo: Repo, *, at: int) -> bool:
    """Fold the smaller packs into one where there are ``at`` or more; tells whether it did.

    Killed at any moment it leaves a pack without a row, or the retired ones for the next run of
    `drop_retired_packs`. Opens units of its own. Raises: GitFailed, CorruptObject.
    """
    with sv.db.read() as tx:
        present = _list_packs(tx, repo.id)
        # Read after the packs, so that the local directory will hold all of them.
        fresh = rows.get_repo_by_number(tx, repo.id)
    chosen = choose(present)
    if fresh is None or len(present) < at or len(chosen) < 2:
        return False
    with publish.bench(sv) as directory:
        folded = _run(sv, fresh, chosen, directory)
        published = publish.put_pack(sv, fresh, folded)
        try:
            with sv.db.write() as tx:
                _replace(tx, sv, fresh, chosen, published, now=sv.clock.now())
        except (_OutrunError, RepoNotFound):
            publish.abandon(sv, fresh, [published])
            return False
        except BaseException:
            publish.abandon(sv, fresh, [published])
            raise
    return True


def choose(present: Iterable[PackRow]) -> list[PackRow]:
    """Return the packs to fold: the smallest, without those that outweigh all smaller ones twice. Pure.

    So every byte is folded a logarithmic number of times only, however many commits come.
    """
    ordered = sorted(present, key=lambda pack: (pack.size_bytes, pack.name))
    cut = 0
    below = 0
    for place, pack in enumerate(ordered):
        if pack.size_bytes < 2 * below:
            cut = place + 1
        below += pack.size_bytes
    return ordered[:cut]


def drop_retired_packs(sv: Services, payload: Mapping[str, object]) -> None:
    """Give up packs that were folded long enough ago for every reader to have noticed (a job)."""
    number = int(str(payload["repo"]))
    now = sv.clock.now()
    grace_s = sv.settings.git.retired_pack_grace_s
    oldest = now - timedelta(seconds=grace_s)
    retired = (packs.c.repo_id == number, packs.c.retired_at.is_not(None))
    with sv.db.write() as tx:
        gone = tx.execute(delete(packs).where(*retired, packs.c.retired_at <= oldest).returning(packs.c.name))
        for name in gone.scalars().all():
            publish.doom_pack(tx, number, name, delete_after=now)
        if tx.execute(select(packs.c.name).where(*retired).limit(1)).first() is not None:
            _queue_drop(tx, number, now=now, delay_s=grace_s)


def _run(sv: Services, repo: Repo, chosen: Sequence[PackRow], directory: Path) -> BuiltPack:
    objects_dir = gitdb.objects_dir(sv, repo)
    names = [pack.name for pack in chosen]
    with heavy(sv.settings.git.processes):
        folded = run_fold(objects_dir, names, directory / "pack", timeout_s=sv.settings.git.timeout_s)
    counts = [pack.object_count for pack in chosen]
    # The same object may lie in several packs, but none may get lost.
    if folded is None or not max(counts) <= folded.object_count <= sum(counts):
        found = 0 if folded is None else folded.object_count
        raise CorruptObject(f"Folding packs of {sum(counts)} objects gave {found}.", repo=repo.id)
    return folded


def _replace(
    tx: Tx,
    sv: Services,
    repo: Repo,
    chosen: Sequence[PackRow],
    folded: publish.PublishedPack,
    *,
    now: datetime,
) -> None:
    """Let the folded pack take the chosen ones' place, in the caller's unit; all or nothing."""
    publish.lock_repo(tx, repo)
    # Folding what one pack already holds may give that very pack again.
    names = [pack.name for pack in chosen if pack.name != folded.name]
    done = tx.execute(
        update(packs)
        .where(packs.c.repo_id == repo.id, packs.c.name.in_(names), packs.c.retired_at.is_(None))
        .values(retired_at=now)
    )
    if done.rowcount != len(names):
        raise _OutrunError
    publish.record_pack(tx, sv, repo, folded, now=now)
    _queue_drop(tx, repo.id, now=now, delay_s=sv.settings.git.retired_pack_grace_s)


def _queue_drop(tx: Tx, repo: int, *, now: datetime, delay_s: float) -> None:
    key = f"drop_retired_packs:{repo}"
    queue.enqueue(tx, "drop_retired_packs", {"repo": repo}, now=now, dedup_key=key, delay_s=delay_s)


def _list_packs(tx: Tx, repo: int) -> list[PackRow]:
    chosen = select(packs.c.name, packs.c.size_bytes, packs.c.object_count)
    found = tx.execute(chosen.where(packs.c.repo_id == repo, packs.c.retired_at.is_(None)))
    return [PackRow(row.name, row.size_bytes, row.object_count) for row in found]

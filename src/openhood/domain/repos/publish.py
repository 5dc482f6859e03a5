"""Making a built pack part of a repository: bytes into the store first, its row in the caller's unit after.

API commits, pushes and folding all publish here. What the packs hold, and which refs move with them,
is the callers' business.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Protocol

from sqlalchemy import Select, func, select

from openhood.base.errors import HubError, RepoNotFound
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.infra import keys
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import packs, repos
from openhood.infra.jobs import queue

# The same objects make the same pack under the same key: a retry may publish it again any moment, and
# must not meet its deletion. Recording it takes it off the sweeper's list.
_ABANDONED_GRACE = timedelta(hours=6)


class PackFiles(Protocol):
    """A pack and its index on this machine, as the git engine leaves them."""

    @property
    def name(self) -> str:
        """The pack's checksum, 40 hex characters."""

    @property
    def pack_path(self) -> Path:
        """The ``.pack`` file."""

    @property
    def idx_path(self) -> Path:
        """The ``.idx`` file."""

    @property
    def object_count(self) -> int:
        """How many objects the pack holds."""


@dataclass(frozen=True, slots=True)
class PublishedPack:
    """A pack whose bytes are durable in the store; it counts once `record_pack` gave it a row."""

    name: str
    size_bytes: int
    object_count: int


@contextmanager
def bench(sv: Services) -> Iterator[Path]:
    """Give a private object directory to build packs in: write them into its ``pack`` folder.

    It is removed when the block ends.
    """
    with gitdb.scratch(sv) as directory:
        (directory / "pack").mkdir()
        yield directory


def put_pack(sv: Services, repo: Repo, files: PackFiles) -> PublishedPack:
    """Store a built pack durably and put it into the local cache. Never inside a unit.

    Until `record_pack` nobody counts it; where that never comes, call `abandon`.
    """
    size_bytes = files.pack_path.stat().st_size
    sv.packs.publish(repo.id, files.name, pack=files.pack_path, index=files.idx_path)
    return PublishedPack(files.name, size_bytes, files.object_count)


def record_pack(tx: Tx, sv: Services, repo: Repo, pack: PublishedPack, *, now: datetime) -> int:
    """Make a stored pack part of the repository, in the caller's write unit, and queue folding when due.

    Call it before `refs.move`. Returns: the repository's new epoch, for `settle` after the unit.
    Raises: RepoNotFound where the repository is gone.
    """
    lock_repo(tx, repo)
    storage_rows.drop_doomed(tx, _keys(repo.id, pack.name))
    rows.insert_pack(
        tx, repo.id, name=pack.name, size_bytes=pack.size_bytes, object_count=pack.object_count, now=now
    )
    if count_packs(tx, repo.id) >= sv.settings.git.fold_packs_at:
        queue.enqueue(tx, "fold_packs", {"repo": repo.id}, now=now, dedup_key=f"fold_packs:{repo.id}")
    return rows.get_pack_epoch(tx, repo.id)


def settle(sv: Services, repo: Repo, published: Sequence[PublishedPack], *, epoch: int) -> None:
    """After the unit: spare the next reader here a look at the store. Leaving it out costs only time.

    Args: ``epoch`` is what the last `record_pack` of the unit returned.
    """
    names = [pack.name for pack in published]
    sv.packs.advance(repo.id, names, before=epoch - len(names), after=epoch)


def abandon(sv: Services, repo: Repo, published: Sequence[PublishedPack]) -> None:
    """Mark stored packs for deletion whose change never happened. Opens a write unit of its own.

    One that has a row is left alone: another replica may have published the very same pack.
    """
    if not published:
        return
    now = sv.clock.now()
    with sv.db.write() as tx:
        # Where the connection broke while the unit was being committed, its lock is still held until
        # the database knows the outcome: only then can be told whether the row is there.
        tx.execute(_locked(repo))
        for pack in published:
            known = select(packs.c.name).where(packs.c.repo_id == repo.id, packs.c.name == pack.name)
            if tx.execute(known).first() is None:
                doom_pack(tx, repo.id, pack.name, delete_after=now + _ABANDONED_GRACE)


class Landing:
    """Packs on their way into a repository: part of it when `unit` succeeds, abandoned otherwise.

    A context manager that lasts over several attempts at the unit.
    """

    def __init__(self, sv: Services, repo: Repo) -> None:
        self._sv = sv
        self._repo = repo
        self._published: list[PublishedPack] = []

    def put(self, files: PackFiles | None) -> None:
        """Store one more built pack (None: there was nothing to build). Never inside a unit."""
        if files is not None:
            self._published.append(put_pack(self._sv, self._repo, files))

    @contextmanager
    def unit(self) -> Iterator[Tx]:
        """Open a write unit that holds the repository's lock and records the packs put so far."""
        epoch = 0
        with self._sv.db.write() as tx:
            lock_repo(tx, self._repo)
            for pack in self._published:
                epoch = record_pack(tx, self._sv, self._repo, pack, now=self._sv.clock.now())
            yield tx
        if self._published:
            settle(self._sv, self._repo, self._published, epoch=epoch)
        self._published = []

    def __enter__(self) -> Landing:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # Without the database they stay behind, as after a crash; `fsck` finds such leftovers.
        with suppress(HubError):
            abandon(self._sv, self._repo, self._published)


def doom_pack(tx: Tx, repo: int, name: str, *, delete_after: datetime) -> None:
    """Hand a pack's keys to the sweeper, in the caller's unit: no row may name the pack any more."""
    storage_rows.doom(tx, _keys(repo, name), delete_after=delete_after)


def _keys(repo: int, name: str) -> tuple[str, str]:
    return keys.git_pack(repo, name), keys.git_index(repo, name)


def count_packs(tx: Tx, repo: int) -> int:
    """Return how many packs make up the repository now."""
    chosen = select(func.count()).select_from(packs)
    return tx.execute(chosen.where(packs.c.repo_id == repo, packs.c.retired_at.is_(None))).scalar_one()


def lock_repo(tx: Tx, repo: Repo) -> None:
    """Take the repository's row first, so that changes of one repository queue instead of deadlock.

    Raises: RepoNotFound where it is gone.
    """
    if tx.execute(_locked(repo)).first() is None:
        raise RepoNotFound(anonymous=False)


def _locked(repo: Repo) -> Select[tuple[int]]:
    # The weaker of PostgreSQL's locks for update: rows that merely refer to the repository (an
    # uploaded LFS object, say) may be inserted meanwhile.
    return select(repos.c.id).where(repos.c.id == repo.id).with_for_update(key_share=True)

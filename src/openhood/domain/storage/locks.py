"""git-lfs locks: one account's claim to be the only one changing a path of a repository.

Locks are advice that git-lfs honours before it pushes; the hub itself does not stop a push. Who may
lock was decided by the caller.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.exc import IntegrityError

from openhood.base.errors import Conflict, Forbidden, NotFound
from openhood.base.names import PathInRepo
from openhood.domain.services import Services
from openhood.domain.storage.types import Lock
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, lfs_locks
from openhood.infra.ids import new_hex_id

_COLUMNS = (
    lfs_locks.c.id,
    lfs_locks.c.hex_id,
    lfs_locks.c.path,
    lfs_locks.c.user_id,
    accounts.c.name,
    lfs_locks.c.locked_at,
)
_LOCKS = select(*_COLUMNS).join(accounts, accounts.c.id == lfs_locks.c.user_id)


class AlreadyLocked(Conflict):
    """The path is locked; ``lock`` is the lock in the way."""

    def __init__(self, lock: Lock) -> None:
        super().__init__(f"'{lock.path}' is locked by {lock.owner_name} already.")
        self.lock = lock


def list_locks(
    sv: Services, *, repo: int, path: str | None, lock_id: str | None, after: int, limit: int
) -> tuple[list[Lock], int | None]:
    """Return locks in the order they were made and where to go on (None: nowhere). Opens a read unit.

    *Args*: ``after`` is the number of the last lock of the page before, 0 for the first page.
    """
    chosen = _LOCKS.where(lfs_locks.c.repo_id == repo, lfs_locks.c.id > after)
    if path is not None:
        chosen = chosen.where(lfs_locks.c.path == path)
    if lock_id is not None:
        chosen = chosen.where(lfs_locks.c.hex_id == lock_id)
    with sv.db.read() as tx:
        found = [
            Lock(row.id, row.hex_id, row.path, row.user_id, row.name, row.locked_at)
            for row in tx.execute(chosen.order_by(lfs_locks.c.id).limit(limit + 1))
        ]
    page = found[:limit]
    return page, page[-1].number if len(found) > limit else None


def create_lock(sv: Services, *, repo: int, user: int, path: PathInRepo, ref: str | None) -> Lock:
    """Lock a path for an account. Opens its own units. Raises AlreadyLocked, also by oneself; NotFound."""
    now = sv.clock.now()
    try:
        with sv.db.write() as tx:
            found = _get(tx, repo, lfs_locks.c.path == path)
            if found is None:
                _insert(tx, repo=repo, user=user, path=path, ref=ref, now=now)
            made = _get(tx, repo, lfs_locks.c.path == path)
    except IntegrityError:
        # On PostgreSQL another unit locked the path meanwhile, or the repository is gone.
        with sv.db.read() as tx:
            found = made = _get(tx, repo, lfs_locks.c.path == path)
    if found is not None:
        raise AlreadyLocked(found)
    if made is None:
        raise NotFound("The repository was deleted meanwhile.")
    return made


def delete_lock(sv: Services, *, repo: int, user: int | None, lock_id: str, force: bool) -> Lock:
    """Remove a lock and return it. Opens a write unit.

    Raises: NotFound; Forbidden for somebody else's without ``force``.
    """
    with sv.db.write() as tx:
        found = _get(tx, repo, lfs_locks.c.hex_id == lock_id)
        if found is None:
            raise NotFound("There is no such lock in this repository.")
        if found.owner != user and not force:
            raise Forbidden(
                f"'{found.path}' is locked by {found.owner_name}. Use --force to remove somebody else's lock."
            )
        tx.execute(delete(lfs_locks).where(lfs_locks.c.id == found.number))
    return found


def _get(tx: Tx, repo: int, condition: object) -> Lock | None:
    row = tx.execute(_LOCKS.where(lfs_locks.c.repo_id == repo, condition)).first()  # type: ignore[arg-type]  # comparisons are typed as bool
    return None if row is None else Lock(row.id, row.hex_id, row.path, row.user_id, row.name, row.locked_at)


def _insert(tx: Tx, *, repo: int, user: int, path: str, ref: str | None, now: datetime) -> None:
    tx.execute(
        insert(lfs_locks).values(
            hex_id=new_hex_id(), repo_id=repo, path=path, ref=ref and ref[:260], user_id=user, locked_at=now
        )
    )

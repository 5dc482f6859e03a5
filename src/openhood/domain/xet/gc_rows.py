"""The queries of garbage collection and of the scrubber. Never commits.

A xorb is needed when a file is made of it. Where it matters, rows are locked before that is asked: on PostgreSQL a
statement sees what was committed before it began, so only what is read after the lock is certain.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, exists, func, select, text, update

from openhood.domain.storage.rows import batches
from openhood.domain.xet.rows import XORB_COLUMNS, xorb_of
from openhood.domain.xet.types import Xorb
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import (
    repo_lfs,
    xet_file_xorbs,
    xet_files,
    xet_shard_xorbs,
    xet_shards,
    xorbs,
)

# Word for word what the partial index says; with a parameter in it SQLite would not use that.
_IS_NOT_LIVE = text("xorbs.state != 'live'")


def _is_needed() -> Any:  # Any: SQLAlchemy's clause types
    return exists().where(xet_file_xorbs.c.xorb_id == xorbs.c.id)


def list_xorbs(tx: Tx, *, after: int, limit: int) -> list[Xorb]:
    """Return xorbs in whatever state, by id."""
    chosen = select(*XORB_COLUMNS).where(xorbs.c.id > after).order_by(xorbs.c.id).limit(limit)
    return [xorb_of(row) for row in tx.execute(chosen)]


def count_files(tx: Tx, ids: Collection[int]) -> dict[int, int]:
    """Return how many files need each of these xorbs, of files whose content some repository names."""
    found: dict[int, int] = {}
    for batch in batches(ids):
        chosen = (
            select(xet_file_xorbs.c.xorb_id, func.count())
            .join(xet_files, xet_files.c.id == xet_file_xorbs.c.file_id)
            .where(
                xet_file_xorbs.c.xorb_id.in_(batch),
                exists().where(repo_lfs.c.sha256 == xet_files.c.sha256),
            )
            .group_by(xet_file_xorbs.c.xorb_id)
        )
        found |= {row[0]: row[1] for row in tx.execute(chosen)}
    return found


# --- condemning -----------------------------------------------------------------------------


def list_condemnable(
    tx: Tx, *, lease_over_at: datetime | None, after: int, limit: int
) -> tuple[list[int], int | None]:
    """Return live xorbs that no file needs, among the next ``limit`` by id, and where to go on.

    Args: ``lease_over_at``: only those whose lease is over then; None: all.
    """
    last = _end_of_page(tx, after=after, limit=limit)
    if last is None:
        return [], None
    chosen = select(xorbs.c.id).where(
        xorbs.c.id > after, xorbs.c.id <= last, xorbs.c.state == "live", ~_is_needed()
    )
    if lease_over_at is not None:
        chosen = chosen.where(xorbs.c.lease_until < lease_over_at)
    return list(tx.execute(chosen.order_by(xorbs.c.id)).scalars()), last


def condemn_xorbs(tx: Tx, ids: Sequence[int], *, lease_over_at: datetime | None, now: datetime) -> list[Xorb]:
    """Condemn those of the xorbs that still are live and unneeded, and return them."""
    chosen = select(*XORB_COLUMNS).where(xorbs.c.id.in_(ids), xorbs.c.state == "live")
    if lease_over_at is not None:
        chosen = chosen.where(xorbs.c.lease_until < lease_over_at)
    locked = [xorb_of(row) for row in tx.execute(chosen.order_by(xorbs.c.id).with_for_update())]
    free = _unneeded(tx, locked)
    tx.execute(
        update(xorbs)
        .where(xorbs.c.id.in_([each.id for each in free]))
        .values(state="condemned", state_since=now)
    )
    return free


# --- deleting -------------------------------------------------------------------------------


def list_deletable(
    tx: Tx, *, since_before: datetime | None, lease_over_at: datetime | None, after: int, limit: int
) -> list[int]:
    """Return condemned and damaged xorbs that no file needs, by id.

    Args: ``since_before``, ``lease_over_at``: only those in that state since before the one moment, whose lease is
    over at the other; None: all.
    """
    chosen = select(xorbs.c.id).where(_IS_NOT_LIVE, xorbs.c.id > after, ~_is_needed())
    if since_before is not None:
        chosen = chosen.where(xorbs.c.state_since < since_before)
    if lease_over_at is not None:
        chosen = chosen.where(xorbs.c.lease_until < lease_over_at)
    return list(tx.execute(chosen.order_by(xorbs.c.id).limit(limit)).scalars())


def delete_xorbs(
    tx: Tx, ids: Sequence[int], *, since_before: datetime | None, lease_over_at: datetime | None
) -> list[Xorb]:
    """Delete the rows of those xorbs that `list_deletable` still would return, and return what they said.

    What was noted for dedup goes with them, and shards of which nothing is left.
    """
    chosen = select(*XORB_COLUMNS).where(xorbs.c.id.in_(ids), xorbs.c.state != "live")
    if since_before is not None:
        chosen = chosen.where(xorbs.c.state_since < since_before)
    if lease_over_at is not None:
        chosen = chosen.where(xorbs.c.lease_until < lease_over_at)
    locked = [xorb_of(row) for row in tx.execute(chosen.order_by(xorbs.c.id).with_for_update())]
    free = _unneeded(tx, locked)
    numbers = [each.id for each in free]
    came_with = select(xet_shard_xorbs.c.shard_id).where(xet_shard_xorbs.c.xorb_id.in_(numbers))
    shards = list(tx.execute(came_with.distinct()).scalars())
    tx.execute(delete(xorbs).where(xorbs.c.id.in_(numbers)))
    for batch in batches(shards):
        is_left = exists().where(xet_shard_xorbs.c.shard_id == xet_shards.c.id)
        tx.execute(delete(xet_shards).where(xet_shards.c.id.in_(batch), ~is_left))
    return free


def _unneeded(tx: Tx, locked: Sequence[Xorb]) -> list[Xorb]:
    """Return those of the locked xorbs that no file needs."""
    asked = select(xet_file_xorbs.c.xorb_id).where(xet_file_xorbs.c.xorb_id.in_([each.id for each in locked]))
    needed = set(tx.execute(asked.distinct()).scalars())
    return [each for each in locked if each.id not in needed]


def _end_of_page(tx: Tx, *, after: int, limit: int) -> int | None:
    page = select(xorbs.c.id).where(xorbs.c.id > after).order_by(xorbs.c.id).limit(limit)
    last: int | None = tx.execute(select(func.max(page.subquery().c.id))).scalar()
    return last


# --- verifying ------------------------------------------------------------------------------


def sum_live_bytes(tx: Tx) -> int:
    """Return what the live xorbs take, without their footers."""
    chosen = select(func.coalesce(func.sum(xorbs.c.stored_bytes), 0)).where(xorbs.c.state == "live")
    return int(tx.execute(chosen).scalar_one())


def list_unverified(tx: Tx, *, since: datetime, limit: int) -> list[Xorb]:
    """Return live xorbs that were not verified since a moment, those of longest ago first."""
    chosen = select(*XORB_COLUMNS).where(xorbs.c.state == "live", xorbs.c.verified_at < since)
    return [xorb_of(row) for row in tx.execute(chosen.order_by(xorbs.c.verified_at).limit(limit))]


def list_damaged(tx: Tx, *, after: int, limit: int) -> list[Xorb]:
    """Return damaged xorbs, by id."""
    chosen = select(*XORB_COLUMNS).where(_IS_NOT_LIVE, xorbs.c.state == "damaged", xorbs.c.id > after)
    return [xorb_of(row) for row in tx.execute(chosen.order_by(xorbs.c.id).limit(limit))]


def note_verified(tx: Tx, xorb: Xorb, *, now: datetime) -> None:
    """Note that the bytes under the xorb's key were good."""
    tx.execute(update(xorbs).where(xorbs.c.id == xorb.id, xorbs.c.key == xorb.key).values(verified_at=now))


def note_damaged(tx: Tx, xorb: Xorb, *, now: datetime) -> bool:
    """Note that the bytes under the xorb's key are bad; False where that is known, or others took their place."""
    done = tx.execute(
        update(xorbs)
        .where(xorbs.c.id == xorb.id, xorbs.c.key == xorb.key, xorbs.c.state != "damaged")
        .values(state="damaged", state_since=now)
    )
    return done.rowcount == 1


def note_healed(tx: Tx, xorb: Xorb, *, now: datetime) -> bool:
    """Note that the bytes under a damaged xorb's key are good again; tells whether that is news."""
    done = tx.execute(
        update(xorbs)
        .where(xorbs.c.id == xorb.id, xorbs.c.key == xorb.key, xorbs.c.state == "damaged")
        .values(state="live", state_since=now, verified_at=now)
    )
    return done.rowcount == 1

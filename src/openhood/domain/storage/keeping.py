"""Giving a repository verified bytes: the one way in for objects, whichever way their bytes came.

Everything runs in the caller's write unit, after the bytes are durable.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from openhood.base.errors import Unavailable
from openhood.base.names import Sha256
from openhood.domain.storage import rows
from openhood.domain.storage.types import LfsObject
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

CONVERT_JOB = "convert_object"
"""The kind of job that turns an object that came whole into chunks; `domain.xet` does it."""


def keep(tx: Tx, repo: int, made: LfsObject, *, now: datetime) -> None:
    """Give the repository the object; of several copies of the same bytes the first one stays.

    A Xet file of ``made`` must have its rows already, or get them in this unit. Raises Unavailable.
    """
    rows.link_all(tx, repo, secure_all(tx, [made], now=now).values(), now=now)


def secure_all(tx: Tx, made: Sequence[LfsObject], *, now: datetime) -> dict[Sha256, LfsObject]:
    """Make sure that different objects have their rows, locked until the unit ends, and return them as they are now.

    What ``made`` brings and a row lacks is added; a second whole copy is handed to the sweeper. Raises Unavailable.
    """
    wanted = {each.sha256: each for each in made}
    for _ in range(3):
        # Others may insert the same objects at this moment. Whoever inserts waits for such only before having locked
        # anything that others wait for, so that nobody waits in a circle.
        rows.insert_objects(tx, wanted.values(), now=now)
        locked = rows.lock_objects(tx, wanted)
        if len(locked) == len(wanted):
            break
        # Another unit may forget an object between these two statements.
    else:
        raise Unavailable("The object is being changed by others. Try again in a moment.")
    return {sha256: _complete(tx, locked[sha256], each, now=now) for sha256, each in wanted.items()}


def _complete(tx: Tx, kept: LfsObject, made: LfsObject, *, now: datetime) -> LfsObject:
    """Add to the locked row what it lacks, and return it as it is then."""
    if made.key is not None and kept.key != made.key:
        doom_now(tx, made.key, now=now)
    if made.xet_hash is not None and kept.xet_hash is None:
        rows.set_xet_hash(tx, made.sha256, made.xet_hash)
    if kept.xet_hash is None and made.xet_hash is None:
        queue.enqueue(
            tx, CONVERT_JOB, {"sha256": made.sha256}, now=now, dedup_key=f"{CONVERT_JOB}:{made.sha256}"
        )
    return LfsObject(kept.sha256, kept.size_bytes, kept.key, kept.xet_hash or made.xet_hash)


def doom_now(tx: Tx, key: str, *, now: datetime) -> None:
    """Hand a key that no row names to the sweeper, for deletion at once."""
    rows.doom(tx, [key], delete_after=now)
    queue.enqueue(tx, "delete_doomed", {}, now=now, dedup_key="delete_doomed")


def doom_later(tx: Tx, keys: Collection[str], *, now: datetime, grace_s: float) -> None:
    """Hand keys that no row names any more to the sweeper, for deletion once running downloads have read them."""
    if not keys:
        return
    rows.doom(tx, keys, delete_after=now + timedelta(seconds=grace_s))
    queue.enqueue(tx, "delete_doomed", {}, now=now, dedup_key="delete_doomed:forgotten", delay_s=grace_s)

"""Answering which chunks are here already, to those who may know, in a form that only who has them can read.

Which chunks may be told to whom is written down by `shards` and `conversion`, as domains; whose domains a pass may
ask is decided in `passes`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import structlog

from openhood.base.errors import CorruptObject, ObjectMissing
from openhood.base.names import XetHash
from openhood.domain import links
from openhood.domain.services import Services
from openhood.domain.xet import passes, rows
from openhood.domain.xet.indexes import load_index
from openhood.domain.xet.types import Pass, Xorb
from openhood.engines.xet.hashing import DIGEST_BYTES, from_text
from openhood.engines.xet.shard import build_answer
from openhood.engines.xet.xorb import XorbIndex

MOST_XORBS = 64
MOST_CHUNKS = 70_000
"""Chunks in one answer: 64 xorbs of usual chunks, some 3.3 MB."""


def answer(sv: Services, given: Pass, chunk: XetHash) -> bytes | None:
    """Return the shard that says where a chunk is and what came together with it; None for a miss.

    Only who may write is answered, since nobody else has a use for it. Opens a read unit and reads the store.
    Raises: NotFound where the repository is gone.
    """
    if not given.may_write:
        return None
    digest = from_text(chunk)
    with sv.db.read() as tx:
        hit = rows.find_chunk(tx, digest, domains=passes.get_scope(tx, sv, given).ask)
        if hit is None:
            return None
        xorb, shard = hit
        near = rows.list_neighbours(tx, shard, xorb.id, limit=MOST_XORBS)
    found = _load(sv, xorb)
    # The table knows half of the hash only.
    if found is None or not _has_chunk(found, digest):
        return None
    indexes = _choose(sv, found, [each for each in near if each.id != xorb.id])
    now = sv.clock.now()
    midnight = datetime(now.year, now.month, now.day, tzinfo=UTC)
    return build_answer(
        indexes,
        key=_key(sv, midnight),
        expires_at=int((midnight + timedelta(days=2)).timestamp()),
        created_at=int(now.timestamp()),
    )


def _choose(sv: Services, found: XorbIndex, near: Sequence[Xorb]) -> list[XorbIndex]:
    """Return what to answer: the xorb that has the chunk, then the nearest for which there is room."""
    chosen, room = [found], MOST_CHUNKS - found.chunk_count
    for each in near[: MOST_XORBS - 1]:
        if each.chunk_count > room:
            break
        index = _load(sv, each)
        if index is not None:
            chosen.append(index)
            room -= each.chunk_count
    return chosen


def _load(sv: Services, xorb: Xorb) -> XorbIndex | None:
    try:
        return load_index(sv, xorb)
    except (CorruptObject, ObjectMissing) as error:
        # Not worth failing an upload; the scrubber finds out, and then it is not offered any more.
        structlog.get_logger("xet").error(
            "xorb.unreadable", xorb=xorb.hash, key=xorb.key, problem=error.message
        )
        return None


def _has_chunk(index: XorbIndex, digest: bytes) -> bool:
    at = index.digests.find(digest)
    while at >= 0 and at % DIGEST_BYTES:
        at = index.digests.find(digest, at + 1)
    return at >= 0


def _key(sv: Services, day: datetime) -> bytes:
    """Return what hides the hashes on one day: clients keep answers apart by it, so it is the same in all of them."""
    return links.derive_key(sv, purpose=f"xet.dedup {day.date().isoformat()}")

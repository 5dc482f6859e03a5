"""The queries of registering shards: many files at once, and which xorbs others were told of. Never commits."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import select

from openhood.base.names import XetHash
from openhood.domain.storage.rows import batches
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import xet_chunks, xet_file_xorbs, xet_files, xorbs


def find_damaged(tx: Tx, names: Collection[XetHash]) -> dict[XetHash, int]:
    """Return name and number of those files of which a xorb is known to be damaged."""
    found: dict[XetHash, int] = {}
    for batch in batches(sorted(names)):
        chosen = (
            select(xet_files.c.hash, xet_files.c.id)
            .join(xet_file_xorbs, xet_file_xorbs.c.file_id == xet_files.c.id)
            .join(xorbs, xorbs.c.id == xet_file_xorbs.c.xorb_id)
            .where(xet_files.c.hash.in_(batch), xorbs.c.state == "damaged")
            .distinct()
        )
        found |= {XetHash(row.hash): row.id for row in tx.execute(chosen)}
    return found


def find_told(tx: Tx, ids: Collection[int], *, domains: Collection[int]) -> set[int]:
    """Return those of the xorbs of which a chunk is noted in one of the domains."""
    found: set[int] = set()
    for batch in batches(sorted(ids)):
        chosen = select(xet_chunks.c.xorb_id).where(
            xet_chunks.c.xorb_id.in_(batch), xet_chunks.c.domain.in_(sorted(domains))
        )
        found |= set(tx.execute(chosen.distinct()).scalars())
    return found

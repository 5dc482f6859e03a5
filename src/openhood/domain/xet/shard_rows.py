"""The queries of registering shards: many files at once, and which xorbs others were told of. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import delete, insert, select

from openhood.base.names import XetHash
from openhood.domain.storage.rows import batches
from openhood.domain.xet.types import XetFile
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import xet_chunks, xet_file_xorbs, xet_files, xorbs


def insert_files(
    tx: Tx, files: Sequence[XetFile], xorb_ids: Mapping[XetHash, Collection[int]], *, now: datetime
) -> set[XetHash]:
    """Insert files and what they keep alive, unless they are there; returns the names of those inserted.

    The rows of their objects and their xorbs must be there, all locked by this unit.
    """
    statement = insert_ignore(tx, xet_files).returning(xet_files.c.id, xet_files.c.hash)
    numbers: dict[XetHash, int] = {}
    for batch in batches(sorted(files, key=lambda each: each.hash)):
        values = [
            {
                "hash": file.hash,
                "sha256": file.sha256,
                "size_bytes": file.size_bytes,
                "terms": file.terms,
                "created_at": now,
            }
            for file in batch
        ]
        numbers |= {XetHash(row.hash): row.id for row in tx.execute(statement, values)}
    _insert_needs(tx, {number: xorb_ids[name] for name, number in numbers.items()})
    return set(numbers)


def _insert_needs(tx: Tx, needs: Mapping[int, Collection[int]]) -> None:
    values = [
        {"file_id": number, "xorb_id": xorb} for number, ids in needs.items() for xorb in sorted(set(ids))
    ]
    for batch in batches(values):
        tx.execute(insert(xet_file_xorbs), batch)


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


def replace_terms(tx: Tx, number: int, terms: bytes, xorb_ids: Collection[int]) -> None:
    """Let a file be made of other xorbs, which hold the same chunks and are locked by this unit.

    It gets a new number, so that every process notices that what it remembers of the old one is over.
    """
    before = tx.execute(select(xet_files).where(xet_files.c.id == number)).one()
    tx.execute(delete(xet_files).where(xet_files.c.id == number))
    fresh = {
        "hash": before.hash,
        "sha256": before.sha256,
        "size_bytes": before.size_bytes,
        "terms": terms,
        "created_at": before.created_at,
    }
    made = tx.execute(insert(xet_files).values(fresh).returning(xet_files.c.id)).scalar_one()
    _insert_needs(tx, {made: xorb_ids})


def find_told(tx: Tx, ids: Collection[int], *, domains: Collection[int]) -> set[int]:
    """Return those of the xorbs of which a chunk is noted in one of the domains."""
    found: set[int] = set()
    for batch in batches(sorted(ids)):
        chosen = select(xet_chunks.c.xorb_id).where(
            xet_chunks.c.xorb_id.in_(batch), xet_chunks.c.domain.in_(sorted(domains))
        )
        found |= set(tx.execute(chosen.distinct()).scalars())
    return found

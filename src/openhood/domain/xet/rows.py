"""The queries on xorbs, Xet files, dedup entries and grants. Never commits.

Where several rows are locked, the order is: xorbs by id, objects by hash, repository.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, func, insert, select, update

from openhood.base.names import Sha256, XetHash
from openhood.domain.storage.rows import batches
from openhood.domain.xet.types import Grant, XetFile, Xorb
from openhood.infra.db.community_tables import access_requests
from openhood.infra.db.engine import Tx, insert_ignore, upsert
from openhood.infra.db.tables import (
    hub_facts,
    lfs_objects,
    repo_lfs,
    repos,
    xet_chunks,
    xet_file_xorbs,
    xet_files,
    xet_shard_xorbs,
    xet_shards,
    xorb_grants,
    xorb_senders,
    xorbs,
)

CHUNK_KEY_BYTES = 16

# --- xorbs ----------------------------------------------------------------------------------

XORB_COLUMNS = (
    xorbs.c.id,
    xorbs.c.hash,
    xorbs.c.chunk_count,
    xorbs.c.raw_bytes,
    xorbs.c.stored_bytes,
    xorbs.c.key,
    xorbs.c.state,
    xorbs.c.state_since,
    xorbs.c.lease_until,
    xorbs.c.verified_at,
)


def xorb_of(row: Any) -> Xorb:  # Any: rows are typed differently by each SQLAlchemy
    """Return the xorb that a row of `XORB_COLUMNS` describes."""
    return Xorb(
        row.id,
        XetHash(row.hash),
        row.chunk_count,
        row.raw_bytes,
        row.stored_bytes,
        row.key,
        row.state,
        row.state_since,
        row.lease_until,
        row.verified_at,
    )


def get_xorb(tx: Tx, name: XetHash) -> Xorb | None:
    """Return a xorb in whatever state it is."""
    row = tx.execute(select(*XORB_COLUMNS).where(xorbs.c.hash == name)).first()
    return None if row is None else xorb_of(row)


def find_xorbs(tx: Tx, names: Collection[XetHash]) -> dict[XetHash, Xorb]:
    """Return those of the named xorbs that there are, in whatever state."""
    found: dict[XetHash, Xorb] = {}
    for batch in batches(set(names)):
        chosen = select(*XORB_COLUMNS).where(xorbs.c.hash.in_(batch))
        found |= {XetHash(row.hash): xorb_of(row) for row in tx.execute(chosen)}
    return found


def insert_xorb(
    tx: Tx,
    *,
    name: XetHash,
    chunk_count: int,
    raw_bytes: int,
    stored_bytes: int,
    key: str,
    lease_until: datetime,
    now: datetime,
) -> bool:
    """Insert a live xorb unless there is one of this name; tells whether it was inserted."""
    done = tx.execute(
        insert_ignore(tx, xorbs).values(
            hash=name,
            chunk_count=chunk_count,
            raw_bytes=raw_bytes,
            stored_bytes=stored_bytes,
            key=key,
            state="live",
            state_since=now,
            lease_until=lease_until,
            verified_at=now,
            created_at=now,
        )
    )
    return done.rowcount == 1


def touch_xorbs(tx: Tx, ids: Collection[int], *, lease_until: datetime, now: datetime) -> int:
    """Extend the lease of xorbs that are not damaged and revive condemned ones; returns how many there are.

    Whoever lets a file name them must find as many as it asked for: this statement and the one that deletes a
    condemned xorb are the whole race between uploads and garbage collection.
    """
    count = 0
    for batch in batches(sorted(set(ids))):
        chosen = (
            select(xorbs.c.id).where(xorbs.c.id.in_(batch), xorbs.c.state != "damaged").order_by(xorbs.c.id)
        )
        locked = list(tx.execute(chosen.with_for_update()).scalars())
        count += len(locked)
        tx.execute(
            update(xorbs)
            .where(xorbs.c.id.in_(locked), xorbs.c.state == "condemned")
            .values(state="live", state_since=now)
        )
        tx.execute(
            update(xorbs)
            .where(xorbs.c.id.in_(locked), xorbs.c.lease_until < lease_until)
            .values(lease_until=lease_until)
        )
    return count


def lock_xorb(tx: Tx, name: XetHash) -> Xorb | None:
    """Return a xorb in whatever state it is, so that nobody changes it before this unit ends."""
    row = tx.execute(select(*XORB_COLUMNS).where(xorbs.c.hash == name).with_for_update()).first()
    return None if row is None else xorb_of(row)


def replace_xorb(
    tx: Tx, xorb: int, *, stored_bytes: int, key: str, lease_until: datetime, now: datetime
) -> None:
    """Let a xorb be live with other bytes, which decode to the same chunks; its row is locked by this unit."""
    tx.execute(
        update(xorbs)
        .where(xorbs.c.id == xorb)
        .values(
            stored_bytes=stored_bytes,
            key=key,
            state="live",
            state_since=now,
            lease_until=lease_until,
            verified_at=now,
        )
    )


def is_xorb_used(tx: Tx, repo: int, xorb: int) -> bool:
    """Tell whether some content of the repository is made of the xorb."""
    chosen = (
        select(xet_file_xorbs.c.xorb_id)
        .join(xet_files, xet_files.c.id == xet_file_xorbs.c.file_id)
        .join(repo_lfs, repo_lfs.c.sha256 == xet_files.c.sha256)
        .where(xet_file_xorbs.c.xorb_id == xorb, repo_lfs.c.repo_id == repo)
    )
    return tx.execute(chosen.limit(1)).first() is not None


# --- files ----------------------------------------------------------------------------------

_FILE = (xet_files.c.hash, xet_files.c.sha256, xet_files.c.size_bytes, xet_files.c.terms)


def _file(row: Any) -> XetFile:  # Any: see xorb_of
    return XetFile(XetHash(row.hash), Sha256(row.sha256), row.size_bytes, row.terms)


def get_file(tx: Tx, name: XetHash) -> XetFile | None:
    """Return a file by its hash, whoever may read it."""
    row = tx.execute(select(*_FILE).where(xet_files.c.hash == name)).first()
    return None if row is None else _file(row)


def get_terms(tx: Tx, name: XetHash, *, known: int | None) -> tuple[int, bytes | None] | None:
    """Return the number of a file and its packed terms, None for those of the number that is ``known``.

    A number stands for the same terms for ever: a file that is made of other xorbs gets a new one.
    """
    if known is not None:
        number = tx.execute(select(xet_files.c.id).where(xet_files.c.hash == name)).scalar()
        if number == known:
            return known, None
    row = tx.execute(select(xet_files.c.id, xet_files.c.terms).where(xet_files.c.hash == name)).first()
    return None if row is None else (row.id, row.terms)


def get_linked_size(tx: Tx, repo: int, name: XetHash) -> int | None:
    """Return the length of a file by its hash if the repository holds its content; without reading its terms."""
    chosen = (
        select(xet_files.c.size_bytes)
        .join(repo_lfs, repo_lfs.c.sha256 == xet_files.c.sha256)
        .where(xet_files.c.hash == name, repo_lfs.c.repo_id == repo)
    )
    size: int | None = tx.execute(chosen).scalar()
    return size


def find_verified(tx: Tx, names: Collection[XetHash]) -> dict[XetHash, Sha256]:
    """Return the SHA-256 of those of the named files that are known."""
    found: dict[XetHash, Sha256] = {}
    for batch in batches(set(names)):
        chosen = select(xet_files.c.hash, xet_files.c.sha256).where(xet_files.c.hash.in_(batch))
        found |= {XetHash(row.hash): Sha256(row.sha256) for row in tx.execute(chosen)}
    return found


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


def find_xet_hashes(tx: Tx, repo: int, wanted: Collection[Sha256]) -> dict[Sha256, XetHash]:
    """Return the file hashes of those objects that the repository holds as Xet files."""
    found: dict[Sha256, XetHash] = {}
    for batch in batches(set(wanted)):
        chosen = (
            select(lfs_objects.c.sha256, lfs_objects.c.xet_hash)
            .join(repo_lfs, repo_lfs.c.sha256 == lfs_objects.c.sha256)
            .where(
                repo_lfs.c.repo_id == repo,
                lfs_objects.c.sha256.in_(batch),
                lfs_objects.c.xet_hash.is_not(None),
            )
        )
        found |= {Sha256(row.sha256): XetHash(row.xet_hash) for row in tx.execute(chosen)}
    return found


# --- dedup ----------------------------------------------------------------------------------


def insert_shard(tx: Tx, xorb_ids: Collection[int], *, now: datetime) -> int:
    """Note which xorbs came together; returns the number of the shard."""
    number: int = tx.execute(
        insert(xet_shards).values(created_at=now).returning(xet_shards.c.id)
    ).scalar_one()
    for batch in batches(sorted(set(xorb_ids))):
        tx.execute(insert(xet_shard_xorbs), [{"shard_id": number, "xorb_id": xorb} for xorb in batch])
    return number


def put_chunks(tx: Tx, *, domain: int, shard: int, chunks: Sequence[tuple[bytes, int]]) -> None:
    """Note where chunks are, as (digest, xorb id); the latest place replaces an earlier one."""
    places = {digest[:CHUNK_KEY_BYTES]: xorb for digest, xorb in chunks}
    if not places:
        return
    statement = upsert(tx, xet_chunks, key=["domain", "chunk"], update=["xorb_id", "shard_id"])
    values = [
        {"domain": domain, "chunk": chunk, "xorb_id": xorb, "shard_id": shard}
        for chunk, xorb in sorted(places.items())
    ]
    for batch in batches(values):
        tx.execute(statement, batch)


# Clients ask for the first chunk of every file: building the query would cost twice as much as running it.
_FIND_CHUNK = (
    select(*XORB_COLUMNS, xet_chunks.c.shard_id)
    .join(xet_chunks, xet_chunks.c.xorb_id == xorbs.c.id)
    .where(
        xet_chunks.c.domain.in_([bindparam("first"), bindparam("last")]),
        xet_chunks.c.chunk == bindparam("chunk"),
        xorbs.c.state == "live",
    )
    .limit(1)
)


def find_chunk(tx: Tx, digest: bytes, *, domains: Sequence[int]) -> tuple[Xorb, int] | None:
    """Return a live xorb that may hold the chunk, and the shard it came with; the caller compares the whole hash.

    Args: ``domains`` are none, one or two.
    """
    if not domains:
        return None
    row = tx.execute(
        _FIND_CHUNK, {"first": domains[0], "last": domains[-1], "chunk": digest[:CHUNK_KEY_BYTES]}
    ).first()
    return None if row is None else (xorb_of(row), row.shard_id)


def list_neighbours(tx: Tx, shard: int, xorb: int, *, limit: int) -> list[Xorb]:
    """Return live xorbs that came with the shard, the nearest to ``xorb`` first and itself among them."""
    chosen = (
        select(*XORB_COLUMNS)
        .join(xet_shard_xorbs, xet_shard_xorbs.c.xorb_id == xorbs.c.id)
        .where(xet_shard_xorbs.c.shard_id == shard, xorbs.c.state == "live")
        .order_by(func.abs(xorbs.c.id - xorb))
        .limit(limit)
    )
    return [xorb_of(row) for row in tx.execute(chosen)]


# --- grants ---------------------------------------------------------------------------------


def insert_grant(tx: Tx, grant: Grant) -> None:
    """Insert a grant."""
    tx.execute(
        insert(xorb_grants).values(
            id=grant.id,
            repo_id=grant.repo,
            xorb=grant.xorb,
            size_bytes=grant.size_bytes,
            expires_at=grant.expires_at,
        )
    )


def get_grant(tx: Tx, grant: str) -> Grant | None:
    """Return a grant that was neither used nor swept away."""
    row = tx.execute(select(xorb_grants).where(xorb_grants.c.id == grant)).first()
    if row is None:
        return None
    return Grant(row.id, row.repo_id, XetHash(row.xorb), row.size_bytes, row.expires_at)


def take_grant(tx: Tx, grant: str) -> bool:
    """Remove a grant; tells whether it was there."""
    return tx.execute(delete(xorb_grants).where(xorb_grants.c.id == grant)).rowcount == 1


def list_expired_grants(tx: Tx, *, now: datetime, limit: int) -> list[Grant]:
    """Return grants whose time is over."""
    chosen = select(xorb_grants).where(xorb_grants.c.expires_at <= now).limit(limit)
    return [
        Grant(row.id, row.repo_id, XetHash(row.xorb), row.size_bytes, row.expires_at)
        for row in tx.execute(chosen)
    ]


# --- who brought what -----------------------------------------------------------------------


def put_sender(tx: Tx, *, user: int, xorb: int, expires_at: datetime) -> None:
    """Remember for a while that a user brought a xorb."""
    statement = upsert(tx, xorb_senders, key=["user_id", "xorb_id"], update=["expires_at"])
    tx.execute(statement.values(user_id=user, xorb_id=xorb, expires_at=expires_at))


def is_sender(tx: Tx, *, user: int, xorb: int) -> bool:
    """Tell whether a user brought a xorb not long ago."""
    chosen = select(xorb_senders.c.xorb_id).where(
        xorb_senders.c.user_id == user, xorb_senders.c.xorb_id == xorb
    )
    return tx.execute(chosen).first() is not None


def forget_senders(tx: Tx, *, now: datetime) -> None:
    """Forget who brought what long ago."""
    tx.execute(delete(xorb_senders).where(xorb_senders.c.expires_at <= now))


# --- the repository behind a pass, and the installation -----------------------------------------


def get_owner_and_exposure(tx: Tx, repo: int) -> tuple[int, bool] | None:
    """Return a repository's owner and whether anybody may read its content; None when it is gone."""
    chosen = select(repos.c.owner_id, repos.c.visibility, repos.c.gated, repos.c.is_disabled).where(
        repos.c.id == repo
    )
    row = tx.execute(chosen).first()
    if row is None:
        return None
    return row.owner_id, row.visibility == "public" and not row.gated and not row.is_disabled


def is_admitted(tx: Tx, request: int) -> bool:
    """Tell whether an access request is still an accepted one."""
    query = select(access_requests.c.id).where(
        access_requests.c.id == request, access_requests.c.status == "accepted"
    )
    return tx.execute(query).first() is not None


def get_fact(tx: Tx, name: str) -> str | None:
    """Return what this installation decided about itself."""
    value: str | None = tx.execute(select(hub_facts.c.value).where(hub_facts.c.name == name)).scalar()
    return value


def put_fact(tx: Tx, name: str, value: str, *, replace: bool) -> None:
    """Decide it, or with ``replace`` decide it anew."""
    if replace:
        statement = upsert(tx, hub_facts, key=["name"], update=["value"])
        tx.execute(statement.values(name=name, value=value))
    else:
        tx.execute(insert_ignore(tx, hub_facts).values(name=name, value=value))

"""The index of chunks in SQL at size: bytes per row and per index, and the queries that use it, on both databases.

The tables are filled by SQL as years of uploads would leave them: keys at random, moments in order, one dedup row
per xorb and one per file. What is measured are the queries of `openhood.domain.xet.rows` as the hub runs them.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from sqlalchemy import select, text

from bench.plan import Plan, seconds
from bench.report import Line
from bench.site import Site
from openhood.base.names import XetHash
from openhood.domain.xet import gc_rows, rows
from openhood.infra.db import migrate
from openhood.infra.db.engine import Database, Tx
from openhood.infra.db.tables import xet_chunks
from openhood.infra.db.tables import xorbs as xorb_table
from openhood.testing.services import start_postgres

ACCOUNTS = 1000
ASKED = 1000
SHARD_CHUNKS = 1000
PAGE = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_DAY_MS = 86_400_000


@dataclass(frozen=True)
class Shape:
    """How many rows there are: half of the dedup rows belong to xorbs, half are first chunks of files."""

    chunks: int

    @property
    def xorbs(self) -> int:
        """Xorbs, nearly all of them kept by a file."""
        return self.chunks // 2

    @property
    def files(self) -> int:
        """Files whose rows are filled in: fewer, as what a row takes does not depend on how many there are."""
        return self.chunks // 10

    @property
    def words(self) -> str:
        """The size in words."""
        return f"{self.chunks / 1e6:g} M dedup rows"


@dataclass(frozen=True)
class Opened:
    """A database under test: ``files`` are what it keeps on the disk."""

    name: str
    db: Database
    files: Callable[[], Iterable[Path]]

    def forget(self) -> None:
        """Drop its files from the page cache, so that what is read next comes from the disk."""
        self.db.close()  # pages that a connection has mapped cannot be dropped
        os.sync()
        for path in self._files():
            with path.open("rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def warm(self) -> None:
        """Read its files into the page cache."""
        block = bytearray(1 << 20)
        for path in self._files():
            with path.open("rb", buffering=0) as file:
                while file.readinto(block):
                    pass

    def _files(self) -> Iterator[Path]:
        return (path for path in self.files() if path.is_file())


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure; the hub itself takes no part."""
    shape = Shape(plan.chunk_rows)
    for open_database in (partial(_sqlite, directory), _postgres):
        with open_database() as opened:
            migrate.upgrade(opened.db)
            _fill(opened.db, shape)
            yield from _sizes(opened)
            yield from _look_ups(opened, shape)
            yield from _changes(opened, shape, plan.rounds)


# --- the two databases ----------------------------------------------------------------------


@contextmanager
def _sqlite(directory: Path) -> Iterator[Opened]:
    path = directory / "index.db"
    db = Database(f"sqlite:///{path}", pool_size=4)

    try:
        yield Opened("SQLite", db, lambda: directory.glob("index.db*"))
    finally:
        db.close()
        for each in directory.glob("index.db*"):
            each.unlink()


@contextmanager
def _postgres() -> Iterator[Opened]:
    # Not the benchmark's own directory: the server's user cannot enter it.
    made = Path(tempfile.mkdtemp(prefix="openhood-bench-postgres-"))
    service = start_postgres(made, settings=_AS_INSTALLED)
    try:
        db = Database(service.create_database(), pool_size=4)
        try:
            yield Opened("PostgreSQL", db, lambda: made.rglob("*"))
        finally:
            db.close()
    finally:
        service.stop()
        shutil.rmtree(made, ignore_errors=True)


# Durable, which the servers of tests are not; its own cache stays small, so that "cold" is nearly that.
_AS_INSTALLED = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "128MB",
    "max_wal_size": "4GB",
}


# --- filling --------------------------------------------------------------------------------


def _fill(db: Database, shape: Shape) -> None:
    """Insert row by row in the order in which uploads come, so that pages are as full as they get in use."""
    before, after = (_SQLITE_BEFORE, _SQLITE_AFTER) if db.is_sqlite else (_POSTGRES_BEFORE, _POSTGRES_AFTER)
    with db.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in (*before, *_statements(shape, is_sqlite=db.is_sqlite), *after):
            connection.execute(text(statement))
    db.close()  # what was set for the filling ends with the connection


# The filling need not survive a crash, and names only rows that will be there.
_SQLITE_BEFORE = (
    "PRAGMA foreign_keys=OFF",
    "PRAGMA synchronous=OFF",
    "PRAGMA cache_size=-2000000",
    "BEGIN IMMEDIATE",
)
_SQLITE_AFTER = ("COMMIT", "PRAGMA wal_checkpoint(TRUNCATE)")
_POSTGRES_BEFORE = ("SET session_replication_role=replica",)
_POSTGRES_AFTER = ("VACUUM ANALYZE", "CHECKPOINT")


def _statements(shape: Shape, *, is_sqlite: bool) -> Iterator[str]:
    def made(salt: str, count: int) -> str:
        """``n`` counts from 1, ``h`` are 32 bytes at random."""
        if is_sqlite:
            return (
                "WITH RECURSIVE made(n, h) AS (SELECT 1, randomblob(32) "
                f"UNION ALL SELECT n + 1, randomblob(32) FROM made LIMIT {count})"
            )
        return (
            "WITH made AS MATERIALIZED (SELECT n, sha256(convert_to('{salt}' || n, 'UTF8')) AS h "
            f"FROM generate_series(CAST(1 AS bigint), {count}) AS n)"
        ).replace("{salt}", salt)

    name = "lower(hex(h))" if is_sqlite else "encode(h, 'hex')"
    terms = "zeroblob(44)" if is_sqlite else "decode(repeat('00', 44), 'hex')"
    now = (datetime.now(UTC) - _EPOCH) // _MS
    born = f"{now - 730 * _DAY_MS} + n * {730 * _DAY_MS // shape.xorbs}"
    # Of the older ones one in a thousand is condemned, and no file needs that one and two more.
    yield (
        "INSERT INTO xorbs (hash, chunk_count, raw_bytes, stored_bytes, key, state, state_since, lease_until, "
        f"verified_at, created_at) {made('x', shape.xorbs)} SELECT {name}, 1024, 67000000, 55000000, "
        f"'xorbs/' || substr({name}, 1, 2) || '/' || substr({name}, 3, 2) || '/' || {name} || '-' || "
        f"substr({name}, 1, 32), CASE WHEN n % 1000 = 7 AND n < {shape.xorbs * 9 // 10} THEN 'condemned' ELSE 'live' END, "
        f"{born}, {born} + {23 * _DAY_MS}, {born}, {born} FROM made ORDER BY n"
    )
    yield (
        f"INSERT INTO xet_file_xorbs (file_id, xorb_id) {made('', shape.xorbs)} "
        f"SELECT n, n FROM made WHERE n % 1000 NOT IN (7, 8, 9) OR n >= {shape.xorbs * 9 // 10} ORDER BY n"
    )
    yield f"INSERT INTO xet_shards (created_at) {made('', shape.xorbs // 4)} SELECT {born} FROM made ORDER BY n"
    yield (
        f"INSERT INTO xet_shard_xorbs (shard_id, xorb_id) {made('', shape.xorbs)} "
        "SELECT 1 + (n - 1) / 4, n FROM made ORDER BY n"
    )
    # Three in five are everybody's, the others those of one account or another.
    yield (
        f"INSERT INTO xet_chunks (domain, chunk, xorb_id, shard_id) {made('c', shape.chunks)} "
        f"SELECT CASE WHEN n % 5 < 3 THEN 0 ELSE 1 + (n / 64) % {ACCOUNTS} END, substr(h, 1, 16), "
        "1 + (n - 1) / 2, 1 + (n - 1) / 8 FROM made ORDER BY n"
    )
    yield (
        f"INSERT INTO lfs_objects (sha256, size_bytes, xet_hash, created_at) {made('f', shape.files)} "
        f"SELECT {name}, 67000000, {name}, {born} FROM made ORDER BY n"
    )
    yield (
        "INSERT INTO xet_files (hash, sha256, size_bytes, terms, created_at) "
        f"SELECT xet_hash, sha256, size_bytes, {terms}, created_at FROM lfs_objects ORDER BY created_at"
    )
    yield (
        "INSERT INTO repo_lfs (repo_id, sha256, created_at) "
        "SELECT 1 + created_at % 5000, sha256, created_at FROM lfs_objects ORDER BY created_at"
    )


# --- how large it is ------------------------------------------------------------------------

_SQLITE_SIZES = """SELECT m.tbl_name AS name, m.name AS part, sum(d.pgsize) AS size
    FROM dbstat AS d JOIN sqlite_master AS m ON m.name = d.name GROUP BY m.tbl_name, m.name"""
_POSTGRES_SIZES = """SELECT relname AS name, relname AS part, pg_table_size(oid) AS size
    FROM pg_class WHERE relkind = 'r' AND relnamespace = CAST('public' AS regnamespace)
    UNION ALL SELECT t.relname, i.relname, pg_relation_size(i.oid)
    FROM pg_index AS x JOIN pg_class AS i ON i.oid = x.indexrelid JOIN pg_class AS t ON t.oid = x.indrelid
    WHERE i.relnamespace = CAST('public' AS regnamespace)"""
_PER_XORB = ("xet_chunks", "xorbs", "xet_file_xorbs", "xet_shards", "xet_shard_xorbs")
_PER_FILE = ("xet_files", "lfs_objects", "repo_lfs")


def _sizes(opened: Opened) -> Iterator[Line]:
    with opened.db.read() as tx:
        found = list(tx.execute(text(_SQLITE_SIZES if opened.db.is_sqlite else _POSTGRES_SIZES)))
        for table in _PER_XORB + _PER_FILE:
            count = tx.execute(text(f"SELECT count(*) FROM {table}")).scalar_one()
            parts = {row.part: row.size for row in found if row.name == table}
            whole = sum(parts.values())
            split = ", ".join(f"{part} {size / count:.0f}" for part, size in sorted(parts.items()))
            yield Line(
                f"{opened.name}: {table}, {count:,} rows ({split})", "bytes a row", hub=[whole / count]
            )


# --- how fast it answers --------------------------------------------------------------------


def _look_ups(opened: Opened, shape: Shape) -> Iterator[Line]:
    db = opened.db
    asked = _chosen_chunks(db)
    unknown = [((0, 1 + secrets.randbelow(ACCOUNTS)), secrets.token_bytes(32)) for _ in range(ASKED)]

    def ask(wanted: Sequence[tuple[tuple[int, ...], bytes]], *, known: bool) -> list[float]:
        return [
            _asked_us(db, partial(rows.find_chunk, digest=digest, domains=domains), known=known)
            for domains, digest in wanted
        ]

    kinds = (("found", asked, True), ("not found", unknown, False))
    for label, wanted, known in kinds:
        opened.forget()
        ask(wanted[:1], known=known)
        cold = ask(wanted[1 : ASKED // 4], known=known)
        yield Line(f"{opened.name}: chunk {label}, {shape.words}, from the disk", "µs", hub=cold)
    opened.warm()
    for label, wanted, known in kinds:
        ask(wanted, known=known)
        yield Line(f"{opened.name}: chunk {label}, {shape.words}", "µs", hub=ask(wanted, known=known))
    numbers = [1 + secrets.randbelow(shape.xorbs) for _ in range(ASKED)]
    taken = [
        _asked_us(
            db,
            partial(rows.list_neighbours, shard=1 + (number - 1) // 4, xorb=number, limit=16),
            known=True,
        )
        for number in numbers
    ]
    yield Line(f"{opened.name}: the xorbs of a shard", "µs", hub=taken)


def _asked_us(db: Database, query: Callable[[Tx], object], *, known: bool) -> float:
    with db.read() as tx:
        return 1e6 * seconds(lambda: _expect(query(tx), known))


def _expect(found: object, known: bool) -> None:
    if bool(found) is not known:
        raise RuntimeError(f"expected {'an answer' if known else 'none'}, got {found!r}")


def _chosen_chunks(db: Database) -> list[tuple[tuple[int, ...], bytes]]:
    """Return chunks of live xorbs, each with the domains that its uploader would ask."""
    found: list[tuple[tuple[int, ...], bytes]] = []
    with db.read() as tx:
        while len(found) < ASKED:
            domain = secrets.choice((0, 1 + secrets.randbelow(ACCOUNTS)))
            nearby = (
                select(xet_chunks.c.chunk)
                .join(xorb_table, xorb_table.c.id == xet_chunks.c.xorb_id)
                .where(
                    xet_chunks.c.domain == domain,
                    xet_chunks.c.chunk >= secrets.token_bytes(16),
                    xorb_table.c.state == "live",
                )
                .order_by(xet_chunks.c.chunk)
                .limit(1)
            )
            chunk = tx.execute(nearby).scalar()
            if chunk is not None:
                found.append(((0, domain or 1 + secrets.randbelow(ACCOUNTS)), bytes(chunk) + bytes(16)))
    return found


# --- how fast it changes --------------------------------------------------------------------


def _changes(opened: Opened, shape: Shape, rounds: int) -> Iterator[Line]:
    db, now = opened.db, datetime.now(UTC)

    def unit(work: Callable[[Tx], object]) -> float:
        def whole() -> None:
            with db.write() as tx:
                work(tx)

        return 1000 * seconds(whole)

    def register(tx: Tx) -> None:
        """What a shard of 64 files adds: 64 xorbs of which it tells, and its dedup rows."""
        first = 1 + secrets.randbelow(shape.xorbs - 64)
        ids = list(range(first, first + 64))
        rows.touch_xorbs(tx, ids, lease_until=now + timedelta(days=23), now=now)
        shard = rows.insert_shard(tx, ids, now=now)
        chunks = [(secrets.token_bytes(32), ids[number % 64]) for number in range(SHARD_CHUNKS)]
        rows.put_chunks(tx, domain=0, shard=shard, chunks=chunks)

    label = f"{opened.name}: register a shard with {SHARD_CHUNKS:,} dedup rows and 64 xorbs"
    yield Line(label, "ms", hub=[unit(register) for _ in range(4 * rounds)])
    opened.forget()
    yield Line(f"{label}, from the disk", "ms", hub=[unit(register) for _ in range(rounds)])
    opened.warm()

    def insert(tx: Tx) -> None:
        token = secrets.token_hex(32)
        rows.insert_xorb(
            tx,
            name=XetHash(token),
            chunk_count=1024,
            raw_bytes=67_000_000,
            stored_bytes=55_000_000,
            key=f"xorbs/{token[:2]}/{token[2:4]}/{token}-{token[:32]}",
            lease_until=now + timedelta(days=23),
            now=now,
        )

    yield Line(f"{opened.name}: insert a xorb", "ms", hub=[unit(insert) for _ in range(20 * rounds)])

    yield from _collect(opened, shape, now, unit)


def _collect(
    opened: Opened, shape: Shape, now: datetime, unit: Callable[[Callable[[Tx], object]], float]
) -> Iterator[Line]:
    """What garbage collection and the scrubber ask and change, page by page."""
    db, over = opened.db, {"lease_over_at": now}
    condemnable: list[int] = []

    def walk() -> None:
        after: int | None = 0
        while after is not None:
            with db.read() as tx:
                found, after = gc_rows.list_condemnable(tx, after=after, limit=PAGE, **over)
            condemnable.extend(found)

    taken = seconds(walk)
    label = f"{opened.name}: look at all {shape.xorbs:,} xorbs for the {len(condemnable):,} to condemn"
    yield Line(label, "s", hub=[taken])
    pages = [condemnable[at : at + 100] for at in range(0, min(len(condemnable), 2000), 100)]
    condemn = [unit(partial(gc_rows.condemn_xorbs, ids=page, now=now, **over)) for page in pages]
    yield Line(f"{opened.name}: condemn 100 xorbs", "ms", hub=condemn)
    later = now + timedelta(seconds=1)

    def list_deletable() -> list[int]:
        with db.read() as tx:
            return gc_rows.list_deletable(tx, since_before=later, after=0, limit=PAGE, **over)

    listed = [1000 * seconds(list_deletable) for _ in range(5)]
    yield Line(f"{opened.name}: list {PAGE:,} xorbs to delete", "ms", hub=listed)
    waiting = list_deletable()
    pages = [waiting[at : at + 100] for at in range(0, len(waiting), 100)]
    gone = [unit(partial(gc_rows.delete_xorbs, ids=page, since_before=later, **over)) for page in pages]
    yield Line(f"{opened.name}: delete 100 xorbs, their dedup rows and shards", "ms", hub=gone)

    def list_unverified() -> object:
        with db.read() as tx:
            return gc_rows.list_unverified(tx, since=now - timedelta(days=30), limit=100)

    listed = [1000 * seconds(list_unverified) for _ in range(5)]
    yield Line(f"{opened.name}: list 100 xorbs to verify", "ms", hub=listed)

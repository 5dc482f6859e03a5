"""Loading a made-up hub into a database as fast as it goes, so that it ends as if people had filled it.

The real migrations make the tables; indexes, triggers and full-text tables are those they made, taken away for
the loading and made again after it.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from bench.million import MEMBER, TOKEN, Hub
from bench.million_rows import COLUMNS, Batch
from openhood.infra.db import migrate
from openhood.infra.db.engine import Database
from openhood.infra.ids import hash_secret

Say = Callable[[str], None]
Rows = Iterable[Sequence[Any]]
_TABLES = ("repos", "repo_texts", "repo_files", "refs", "evaluations")


def progress() -> Say:
    """Return a function that tells on standard error what is done, and after how many seconds."""
    begun = time.perf_counter()

    def say(what: str) -> None:
        print(f"  {time.perf_counter() - begun:6.1f} s  {what}", file=sys.stderr, flush=True)

    return say


def fill_sqlite(path: Path, hub: Hub, say: Say) -> None:
    """Make the database file ``path``, which must not exist."""
    db = Database(f"sqlite:///{path}", pool_size=1)
    migrate.upgrade(db)
    db.close()
    connection = sqlite3.connect(path, isolation_level=None)
    # A crash loses the file, which is then made again.
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "locking_mode=EXCLUSIVE", "cache_size=-1500000"):
        connection.execute(f"PRAGMA {pragma}")
    made_later = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND (type = 'trigger' OR type = 'index' "
        f"AND tbl_name IN ({', '.join('?' * len(_TABLES))}))",
        _TABLES,
    ).fetchall()
    for kind, name, _ in made_later:
        connection.execute(f"DROP {kind} {name}")
    connection.execute("BEGIN")

    def insert(table: str, rows: Rows) -> None:
        columns = COLUMNS[table]
        marks = ", ".join("?" * len(columns))
        connection.executemany(f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})", rows)

    _fill(hub, insert, say, listed="[{}]")
    numbers, rows = hub.tag_pairs()
    for start in range(0, len(numbers), 1_000_000):
        span = slice(start, start + 1_000_000)
        pairs = zip(numbers[span].tolist(), hub.ids[rows[span]].tolist(), strict=True)
        connection.executemany("INSERT INTO repo_tags (tag_id, repo_id) VALUES (?, ?)", pairs)
    say(f"{len(numbers):,} rows of repo_tags")
    for kind, _, statement in made_later:
        if kind == "index":
            connection.execute(statement)
    say("indexes")
    for table in ("repo_names", "repo_words"):
        connection.execute(f"INSERT INTO {table}({table}) VALUES ('rebuild')")
        say(table)
    for kind, _, statement in made_later:
        if kind == "trigger":
            connection.execute(statement)
    connection.execute("COMMIT")
    connection.execute("PRAGMA locking_mode=NORMAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.close()
    say(f"{path.stat().st_size / 1e9:.1f} GB")


def fill_postgres(url: str, hub: Hub, say: Say) -> None:
    """Fill the empty database at ``url``."""
    db = Database(url, pool_size=1)
    migrate.upgrade(db)
    db.close()
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    with _loader(address) as first, _loader(address) as second:
        made_later = first.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY(%s) "
            "AND indexname NOT LIKE 'pk\\_%%' AND indexname NOT LIKE 'uq\\_%%'",
            (list(_TABLES),),
        ).fetchall()
        for name, _ in made_later:
            first.execute(f'DROP INDEX "{name}"'.encode())
        with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
            # The server is busy with the words of cards for about as long as with everything else.
            waiting: list[Future[None]] = []

            def insert(table: str, rows: Rows) -> None:
                if len(waiting) > 2 * len(_TABLES):
                    waiting.pop(0).result()
                lane, connection = (other, second) if table == "repo_texts" else (one, first)
                waiting.append(lane.submit(_copy, connection, table, rows))

            _fill(hub, insert, say, listed="{{{}}}")
            for each in waiting:
                each.result()
            say("rows")
            # The slowest of all has a connection of its own.
            last = other.submit(_index, second, [each for each in made_later if "vector" in each[0]], say)
            _index(first, [each for each in made_later if "vector" not in each[0]], say)
            last.result()
        for table in ("tags", "accounts"):
            numbered = f"pg_get_serial_sequence('{table}', 'id'), (SELECT max(id) FROM {table})"
            first.execute(f"SELECT setval({numbered})".encode())
        first.execute(b"VACUUM ANALYZE")
        first.execute(b"CHECKPOINT")
        say("vacuum and analyze")


def _loader(address: str) -> psycopg.Connection[Any]:
    connection = psycopg.connect(address, autocommit=True)
    for setting in (
        "maintenance_work_mem='1GB'",
        "synchronous_commit=off",
        "session_replication_role=replica",
    ):
        connection.execute(f"SET {setting}".encode())
    return connection


def _copy(connection: psycopg.Connection[Any], table: str, rows: Rows) -> None:
    columns = ", ".join(COLUMNS[table])
    with connection.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as copy:
        for row in rows:
            copy.write_row(row)


def _index(connection: psycopg.Connection[Any], made: Sequence[tuple[str, str]], say: Say) -> None:
    for name, statement in made:
        connection.execute(statement.encode())
        say(name)


def _fill(hub: Hub, insert: Callable[[str, Rows], None], say: Say, *, listed: str) -> None:
    """Insert everything but what one database has for itself; ``listed`` is the form of a list of numbers."""
    for table, rows in _people(hub):
        insert(table, rows)
    insert("tags", hub.tags())
    say(f"{len(hub.tag_names):,} tags")
    place = COLUMNS["repos"].index("tag_ids")
    done = 0
    for batch in hub.batches():
        insert("repos", ((*row[:place], listed.format(row[place]), *row[place + 1 :]) for row in batch.repos))
        _fill_others(batch, insert)
        before, done = done, done + len(batch.repos)
        if done * 5 // hub.shape.repos > before * 5 // hub.shape.repos:
            say(f"{done:,} repositories")
    insert("likes", hub.likes_rows())
    insert("download_days", hub.download_rows())
    say("likes and downloads")


def _fill_others(batch: Batch, insert: Callable[[str, Rows], None]) -> None:
    for table in _TABLES[1:]:
        insert(table, getattr(batch, table))


def _people(hub: Hub) -> Iterator[tuple[str, Rows]]:
    now = hub.shape.now_ms
    # The member comes after all who own something.
    member = hub.shape.accounts + 1
    names = [*hub.accounts, MEMBER]
    yield (
        "accounts",
        (
            (at + 1, f"{at + 1:024x}", "org" if at < hub.orgs else "user", name, name, name, 0, now)
            for at, name in enumerate(names)
        ),
    )
    yield "memberships", ((org + 1, member, "write", now) for org in hub.memberships)
    yield (
        "tokens",
        [("f" * 24, member, "bench", "access", "write", hash_secret(TOKEN), TOKEN[-4:], now)],
    )

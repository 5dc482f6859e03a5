"""Opening the database and its units of work; the one place where SQLite and PostgreSQL differ.

Only actions of the domain open units. No query of the product lives here.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, Insert, create_engine, event, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, OperationalError
from sqlalchemy.pool import QueuePool

from openhood.base.errors import Unavailable
from openhood.base.settings import SettingsError
from openhood.infra import guards

Tx = Connection
"""A unit in progress, as `rows.py` modules receive it."""

WRITE_WAIT_S = 30.0


class Database:
    """One database and its pool of connections. Thread-safe.

    On SQLite one writer runs at a time: threads of this process queue on a lock (the busy handler's
    sleeps would cost 300 to 600 ms under load), other processes on SQLite's own busy timeout.
    """

    def __init__(self, url: str, *, pool_size: int = 40) -> None:
        self.url = _parse(url)
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        self._writer = threading.Lock()
        if self.is_sqlite:
            self._writes = self._reads = _open_sqlite(url, pool_size)
        else:
            self._writes = _open_postgres(url, pool_size)
            # Reads in AUTOCOMMIT save two round trips each.
            self._reads = self._writes.execution_options(isolation_level="AUTOCOMMIT")

    @property
    def engine(self) -> Engine:
        """The SQLAlchemy engine, for migrations only."""
        return self._writes

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """Open a read unit: every statement sees the newest committed state."""
        with guards.unit(), _connection(self._reads) as tx:
            yield tx

    @contextmanager
    def write(self) -> Iterator[Tx]:
        """Open a write unit: committed when the block ends, rolled back when it raises.

        SQLite: ``BEGIN IMMEDIATE``. PostgreSQL: READ COMMITTED; lock rows or compare and set.
        """
        if self.is_sqlite:
            with guards.unit(), self._sqlite_writer(), _connection(self._writes) as tx:
                tx.exec_driver_sql("BEGIN IMMEDIATE")
                try:
                    yield tx
                except BaseException:
                    tx.exec_driver_sql("ROLLBACK")
                    raise
                tx.exec_driver_sql("COMMIT")
        else:
            with guards.unit(), _connection(self._writes) as tx, tx.begin():
                yield tx

    @contextmanager
    def _sqlite_writer(self) -> Iterator[None]:
        if not self._writer.acquire(timeout=WRITE_WAIT_S):
            raise Unavailable("The database is busy. Try again in a moment.")
        try:
            yield
        finally:
            self._writer.release()

    def check(self) -> None:
        """Raise Unavailable unless the database answers."""
        with self.read() as tx:
            tx.exec_driver_sql("SELECT 1")

    def close(self) -> None:
        """Close every pooled connection."""
        self._writes.dispose()


def insert_ignore(tx: Tx, table: Any) -> Insert:
    """Return an INSERT into ``table`` that leaves an existing row alone; its rowcount tells what was inserted."""
    statement = _dialect_insert(tx)(table).on_conflict_do_nothing()
    # Without this SQLAlchemy does not ask PostgreSQL's driver for the count, and says -1.
    return statement.execution_options(preserve_rowcount=True)  # type: ignore[no-any-return]  # untyped dialect


def upsert(tx: Tx, table: Any, *, key: list[str], update: list[str]) -> Insert:
    """Return an INSERT that, where a row with ``key`` exists, overwrites its ``update`` columns."""
    statement = _dialect_insert(tx)(table)
    return statement.on_conflict_do_update(  # type: ignore[no-any-return]  # untyped dialect
        index_elements=key, set_={name: statement.excluded[name] for name in update}
    )


def insert_or_add(tx: Tx, table: Any, *, key: list[str], add: list[str]) -> Insert:
    """Return an INSERT that, where a row with ``key`` exists, adds to its ``add`` columns."""
    statement = _dialect_insert(tx)(table)
    return statement.on_conflict_do_update(  # type: ignore[no-any-return]  # untyped dialect
        index_elements=key, set_={name: table.c[name] + statement.excluded[name] for name in add}
    )


def lock_table(tx: Tx, table: Any, *, wait_ms: int) -> None:
    """Wait for every unit that writes to ``table`` and hold further ones until this unit ends.

    SQLite has one writer at a time anyway. Raises OperationalError where others write for longer than ``wait_ms``.
    """
    if tx.dialect.name == "sqlite":
        return
    tx.exec_driver_sql(f"SET LOCAL lock_timeout = {int(wait_ms)}")
    tx.exec_driver_sql(f"LOCK TABLE {table.name} IN SHARE ROW EXCLUSIVE MODE")


def _dialect_insert(tx: Tx) -> Any:  # Any: the two dialects' insert functions share no base with on_conflict
    return sqlite.insert if tx.dialect.name == "sqlite" else postgresql.insert


@contextmanager
def _connection(engine: Engine) -> Iterator[Tx]:
    try:
        connection = engine.connect()
    except OperationalError as error:
        raise Unavailable("The database does not answer. Try again in a moment.") from error
    with connection:
        yield connection


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise SettingsError(f"'database_url' is no address of a database. {_URL_FORMS}") from error
    if parsed.get_backend_name() not in ("sqlite", "postgres", "postgresql"):
        raise SettingsError(f"'database_url' names {parsed.get_backend_name()!r}. {_URL_FORMS}")
    return parsed


_URL_FORMS = "Use sqlite:////directory/openhood.db or postgresql://user:password@host/database."


def _open_sqlite(url: str, pool_size: int) -> Engine:
    path = make_url(url).database
    if path and path != ":memory:":
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(
        url,
        isolation_level="AUTOCOMMIT",
        poolclass=QueuePool,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"timeout": WRITE_WAIT_S, "check_same_thread": False, "cached_statements": 512},
    )

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:  # Any: DBAPI connection
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",  # an acknowledged commit survives a power cut
            "foreign_keys=ON",
            "temp_store=MEMORY",
            "mmap_size=268435456",
            "cache_size=-8000",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    return engine


def _open_postgres(url: str, pool_size: int) -> Engine:
    # One query jumped to 1.2 s when PostgreSQL switched to a generic plan for array filters.
    # Starting workers, or compiling, takes longer than any of our questions.
    options = (
        "-c plan_cache_mode=force_custom_plan -c max_parallel_workers_per_gather=0 -c jit=off "
        "-c timezone=UTC -c lock_timeout=30s"
    )
    driver = make_url(url)
    if driver.drivername in ("postgres", "postgresql"):
        driver = driver.set(drivername="postgresql+psycopg")
    if find_spec("psycopg") is None:
        raise SettingsError("PostgreSQL needs a driver: pip install 'openhood[postgres]'.")
    return create_engine(
        driver,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,
        connect_args={"options": options, "connect_timeout": 10},
    )

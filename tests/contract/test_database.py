"""The database's promises, on SQLite and on PostgreSQL: units, writers, column types, jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from openhood.base.clock import SystemClock
from openhood.base.errors import Unavailable
from openhood.base.settings import SettingsError
from openhood.infra import guards
from openhood.infra.db.engine import Database, Tx, insert_ignore, upsert
from openhood.infra.db.migrate import upgrade
from openhood.infra.db.tables import accounts, doomed_objects, jobs, lfs_objects, memberships
from openhood.infra.guarded_store import GuardedStore
from openhood.infra.jobs import queue
from openhood.infra.jobs.worker import Worker
from openhood.plugins.objects_local import open_store

NOW = datetime(2027, 3, 4, 5, 6, 7, 891_000, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hub.db"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """A migrated database."""
    opened = Database(url, pool_size=8)
    upgrade(opened)
    yield opened
    opened.close()


def add_object(tx: Tx, name: str, size_bytes: int = 1) -> None:
    tx.execute(
        insert(lfs_objects).values(
            sha256=name.ljust(64, "0"), size_bytes=size_bytes, key=name, created_at=NOW
        )
    )


def count(db: Database) -> int:
    with db.read() as tx:
        return tx.execute(select(func.count()).select_from(lfs_objects)).scalar_one()


# --- units ----------------------------------------------------------------------------------


def test_a_write_unit_is_all_or_nothing(db: Database) -> None:
    with pytest.raises(ZeroDivisionError), db.write() as tx:  # noqa: PT012  (the unit is what is tested)
        add_object(tx, "a")
        raise ZeroDivisionError
    assert count(db) == 0
    with db.write() as tx:
        add_object(tx, "a")
        add_object(tx, "b")
    assert count(db) == 2


def test_a_failed_statement_takes_the_unit_with_it(db: Database) -> None:
    with pytest.raises(IntegrityError), db.write() as tx:  # noqa: PT012  (the unit is what is tested)
        add_object(tx, "a")
        add_object(tx, "a")
    assert count(db) == 0
    with db.write() as tx:  # the connection is as good as new
        add_object(tx, "a")
    assert count(db) == 1


@pytest.mark.parametrize(
    ("outer", "inner"), [("read", "read"), ("read", "write"), ("write", "read"), ("write", "write")]
)
def test_units_do_not_nest(db: Database, outer: str, inner: str) -> None:
    with getattr(db, outer)(), pytest.raises(guards.UnitViolation, match="do not nest"), getattr(db, inner)():
        pass
    with db.read() as tx:  # neither left its mark behind
        assert tx.execute(text("SELECT 1")).scalar() == 1


def test_bytes_are_not_moved_inside_a_unit(db: Database, tmp_path: Path) -> None:
    store = GuardedStore(open_store((tmp_path / "objects").as_uri()))
    calls: list[Callable[[], object]] = [
        lambda: store.put("a", b"x"),
        lambda: store.get("a"),
        lambda: store.size("a"),
        lambda: store.delete("a"),
        lambda: list(store.list("")),
        store.check,
    ]
    for call in calls:
        with db.read(), pytest.raises(guards.UnitViolation, match="inside a database unit"):
            call()
    store.put("a", b"x")
    assert store.get("a") == b"x"


def test_a_read_unit_sees_what_others_committed_meanwhile(db: Database) -> None:
    def write() -> None:
        with db.write() as tx:
            add_object(tx, "a")

    with db.read() as tx:
        before = tx.execute(select(func.count()).select_from(lfs_objects)).scalar_one()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write).result(timeout=20)
        after = tx.execute(select(func.count()).select_from(lfs_objects)).scalar_one()
    assert (before, after) == (0, 1)


def test_a_reader_does_not_wait_for_a_writer(db: Database) -> None:
    with db.write() as tx:
        add_object(tx, "a")
        with ThreadPoolExecutor(1) as pool:
            seen = pool.submit(count, db).result(timeout=5)
    assert seen == 0


def test_writers_lose_nothing(db: Database) -> None:
    """Read, think, write back, from many threads at once: each write unit sees the one before it."""
    with db.write() as tx:
        add_object(tx, "a", size_bytes=0)
    row = lfs_objects.c.key == "a"

    def add_one(_number: int) -> None:
        with db.write() as tx:
            seen = tx.execute(select(lfs_objects.c.size_bytes).where(row).with_for_update()).scalar_one()
            tx.execute(update(lfs_objects).where(row).values(size_bytes=seen + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add_one, range(80)))
    with db.read() as tx:
        assert tx.execute(select(lfs_objects.c.size_bytes).where(row)).scalar_one() == 80


def test_two_processes_of_one_database_do_not_lose_writes(url: str, db: Database) -> None:
    """A second `Database` has a writer's lock of its own, as the command line beside a running hub has."""
    other = Database(url, pool_size=4)

    def write(number: int) -> None:
        with (db, other)[number % 2].write() as tx:
            add_object(tx, f"{number:02}")

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(40)))
    other.close()
    assert count(db) == 40


# --- statements -----------------------------------------------------------------------------


def test_insert_ignore_leaves_what_is_there(db: Database) -> None:
    values = {"sha256": "0" * 64, "key": "a", "created_at": NOW}
    with db.write() as tx:
        first = tx.execute(insert_ignore(tx, lfs_objects).values(size_bytes=1, **values)).rowcount
        second = tx.execute(insert_ignore(tx, lfs_objects).values(size_bytes=2, **values)).rowcount
        size = tx.execute(select(lfs_objects.c.size_bytes)).scalar_one()
    assert (first, second, size) == (1, 0, 1)


def test_upsert_overwrites_the_named_columns_only(db: Database) -> None:
    statement_values = {"sha256": "0" * 64, "created_at": NOW}
    with db.write() as tx:
        statement = upsert(tx, lfs_objects, key=["sha256"], update=["size_bytes"])
        tx.execute(statement.values(size_bytes=1, key="a", **statement_values))
        tx.execute(statement.values(size_bytes=2, key="b", **statement_values))
        row = tx.execute(select(lfs_objects.c.size_bytes, lfs_objects.c.key)).one()
    assert tuple(row) == (2, "a")


def test_upsert_takes_many_rows(db: Database) -> None:
    rows = [{"key": f"k{number}", "delete_after": NOW} for number in range(50)]
    later = [{**row, "delete_after": NOW + timedelta(days=1)} for row in rows[:10]]
    with db.write() as tx:
        statement = upsert(tx, doomed_objects, key=["key"], update=["delete_after"])
        tx.execute(statement, rows)
        tx.execute(statement, later)
        moments = tx.execute(select(doomed_objects.c.delete_after)).scalars().all()
    assert len(moments) == 50
    assert sum(moment > NOW for moment in moments) == 10


def test_foreign_keys_are_enforced(db: Database) -> None:
    with pytest.raises(IntegrityError), db.write() as tx:
        tx.execute(insert(memberships).values(org_id=1, user_id=2, role="read", created_at=NOW))


def test_names_are_compared_as_they_are_written(db: Database) -> None:
    with db.write() as tx:
        for number, name in enumerate(("a", "A", "é", "%", "_")):
            tx.execute(
                insert(accounts).values(
                    hex_id=str(number), kind="user", name=name, name_key=name, created_at=NOW
                )
            )
        found = tx.execute(select(accounts.c.name).where(accounts.c.name_key == "a")).scalars().all()
    assert found == ["a"]


# --- column types ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment",
    [
        NOW,
        datetime(1970, 1, 1, tzinfo=UTC),
        datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
        datetime(2027, 1, 1, 2, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_moments_come_back_in_utc(db: Database, moment: datetime) -> None:
    with db.write() as tx:
        tx.execute(insert(doomed_objects).values(key="a", delete_after=moment))
        back = tx.execute(select(doomed_objects.c.delete_after)).scalar_one()
        at_or_before = tx.execute(
            select(func.count()).select_from(doomed_objects).where(doomed_objects.c.delete_after <= moment)
        ).scalar_one()
    assert back == moment
    assert back.tzinfo is UTC
    assert at_or_before == 1


def test_moments_are_kept_to_the_millisecond(db: Database) -> None:
    with db.write() as tx:
        tx.execute(insert(doomed_objects).values(key="a", delete_after=NOW + timedelta(microseconds=999)))
        assert tx.execute(select(doomed_objects.c.delete_after)).scalar_one() == NOW


@pytest.mark.parametrize(
    "document", [{}, [], "text", 0, False, {"é": ["\u2028", None, 1.5, {"deep": [[]]}]}, {"quote": "'\"\\"}]
)
def test_documents_come_back_as_they_went(db: Database, document: object) -> None:
    with db.write() as tx:
        tx.execute(insert(jobs).values(kind="x", payload=document, run_after=NOW, created_at=NOW))
        assert tx.execute(select(jobs.c.payload)).scalar_one() == document


def test_numbers_may_be_larger_than_32_bits(db: Database) -> None:
    with db.write() as tx:
        add_object(tx, "a", size_bytes=2**62)
        assert tx.execute(select(lfs_objects.c.size_bytes)).scalar_one() == 2**62


# --- jobs -----------------------------------------------------------------------------------


def enqueue(db: Database, *names: str, delay_s: float = 0, dedup_key: str | None = None) -> None:
    with db.write() as tx:
        for name in names:
            queue.enqueue(tx, "work", {"name": name}, now=NOW, dedup_key=dedup_key, delay_s=delay_s)


def claim(db: Database, *, after_s: float = 0) -> queue.Job | None:
    with db.write() as tx:
        return queue.claim(tx, now=NOW + timedelta(seconds=after_s), lease_s=60)


def test_jobs_are_claimed_in_order_and_once(db: Database) -> None:
    enqueue(db, "a", "b")
    first, second, third = claim(db), claim(db), claim(db)
    assert first is not None
    assert second is not None
    assert [first.payload["name"], second.payload["name"], third] == ["a", "b", None]
    assert first.attempts == 1


def test_a_job_whose_worker_died_is_due_again(db: Database) -> None:
    enqueue(db, "a")
    assert claim(db) is not None
    assert claim(db, after_s=59) is None
    again = claim(db, after_s=61)
    assert again is not None
    assert again.attempts == 2


def test_a_job_that_still_runs_keeps_its_lease(db: Database) -> None:
    enqueue(db, "a", "b")
    job = claim(db)
    failed = claim(db)
    assert job is not None
    assert failed is not None
    with db.write() as tx:
        queue.retry_later(tx, failed, now=NOW, error="why")
        queue.renew(tx, [job, failed], now=NOW + timedelta(seconds=50), lease_s=60)
    again = claim(db, after_s=61)
    assert again is not None
    assert again.id == failed.id
    assert claim(db, after_s=109) is None
    assert claim(db, after_s=111) is not None


def test_a_waiting_job_takes_in_its_like_and_a_running_one_does_not(db: Database) -> None:
    enqueue(db, "a", "b", dedup_key="only one")
    first = claim(db)
    assert first is not None
    assert claim(db) is None
    enqueue(db, "c", dedup_key="only one")
    second = claim(db)
    assert second is not None
    assert second.payload["name"] == "c"


def test_a_delayed_job_waits(db: Database) -> None:
    enqueue(db, "a", delay_s=10)
    assert claim(db, after_s=9) is None
    with db.read() as tx:
        assert not queue.has_due(tx, now=NOW)
        assert queue.has_due(tx, now=NOW + timedelta(seconds=10))
    assert claim(db, after_s=10) is not None


def test_a_failed_job_comes_back_later_and_is_given_up_in_the_end(db: Database) -> None:
    enqueue(db, "a")
    job = claim(db)
    assert job is not None
    with db.write() as tx:
        queue.retry_later(tx, job, now=NOW, error="why")
    assert claim(db, after_s=1) is None
    again = claim(db, after_s=3)
    assert again is not None
    tired = queue.Job(again.id, again.kind, again.payload, queue.MAX_ATTEMPTS)
    with db.write() as tx:
        queue.retry_later(tx, tired, now=NOW, error="why")
    assert claim(db, after_s=86400) is None
    with db.read() as tx:
        assert tx.execute(select(jobs.c.last_error)).scalar_one() == "why"


def test_two_workers_share_the_work(url: str, db: Database) -> None:
    """Two processes' worth of threads run every job exactly once."""
    names = [f"job {number}" for number in range(30)]
    ran: list[str] = []
    lock = threading.Lock()
    done = threading.Event()

    def work(payload: object) -> None:
        with lock:
            ran.append(payload["name"])  # type: ignore[index]
            if len(ran) == len(names):
                done.set()

    other = Database(url, pool_size=4)
    workers = [Worker(each, SystemClock(), {"work": work}, threads=2) for each in (db, other)]
    with db.write() as tx:
        for name in names:
            queue.enqueue(tx, "work", {"name": name}, now=SystemClock().now())
    for worker in workers:
        worker.start()
    assert done.wait(30)
    for worker in workers:
        worker.stop()
    other.close()
    assert sorted(ran) == sorted(names)
    with db.read() as tx:
        assert tx.execute(select(func.count()).select_from(jobs)).scalar_one() == 0


def test_a_job_that_raises_stays_with_its_reason(db: Database) -> None:
    def fail(_payload: object) -> None:
        raise ZeroDivisionError("by nought")

    enqueue(db, "a")
    worker = Worker(db, SystemClock(), {"work": fail}, threads=0)
    with db.write() as tx:
        tx.execute(update(jobs).values(run_after=SystemClock().now()))
    assert worker.run_due() == 1
    with db.read() as tx:
        row = tx.execute(select(jobs.c.last_error, jobs.c.lease_until, jobs.c.attempts)).one()
    assert "by nought" in row.last_error
    assert row.lease_until is None
    assert row.attempts == 1


# --- addresses ------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["no address", "mysql://h/x", "oracle://h/x"])
def test_other_databases_are_refused(address: str) -> None:
    with pytest.raises(SettingsError, match="postgresql://"):
        Database(address)


def test_a_server_that_does_not_answer_is_said_to() -> None:
    opened = Database("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(Unavailable, match="does not answer"):
        opened.check()
    opened.close()

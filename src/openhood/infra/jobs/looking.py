"""Looking at the job table and putting single jobs right, for administrators. What runs them is in `worker`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import ColumnElement, delete, func, or_, select, update

from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import jobs

State = Literal["failing", "waiting", "running"]


@dataclass(frozen=True, slots=True)
class JobSeen:
    """A job in the table. Its payload stays unseen: it may name what is private."""

    id: int
    kind: str
    attempts: int
    run_after: datetime
    lease_until: datetime | None
    last_error: str | None
    created_at: datetime


def list_jobs(tx: Tx, state: State, *, now: datetime, after: int, limit: int) -> list[JobSeen]:
    """Return jobs in one state by number, those after the number ``after``."""
    query = (
        select(
            jobs.c.id,
            jobs.c.kind,
            jobs.c.attempts,
            jobs.c.run_after,
            jobs.c.lease_until,
            jobs.c.last_error,
            jobs.c.created_at,
        )
        .where(*_in_state(state, now), jobs.c.id > after)
        .order_by(jobs.c.id)
        .limit(limit)
    )
    return [JobSeen(**row._mapping) for row in tx.execute(query)]


def count_jobs(tx: Tx, state: State, *, now: datetime) -> int:
    """Return how many jobs are in a state."""
    count: int = tx.execute(select(func.count()).select_from(jobs).where(*_in_state(state, now))).scalar_one()
    return count


def run_again(tx: Tx, number: int, *, now: datetime) -> str | None:
    """Make a job that nobody runs due now, with all its attempts before it; returns its kind, None if there is none."""
    done = (
        update(jobs)
        .where(jobs.c.id == number, *_idle(now))
        .values(run_after=now, attempts=0, lease_until=None)
        .returning(jobs.c.kind)
    )
    return tx.execute(done).scalar_one_or_none()


def delete_job(tx: Tx, number: int, *, now: datetime) -> str | None:
    """Take a job that nobody runs out of the table; returns its kind, None if there is none."""
    return tx.execute(
        delete(jobs).where(jobs.c.id == number, *_idle(now)).returning(jobs.c.kind)
    ).scalar_one_or_none()


def _idle(now: datetime) -> list[ColumnElement[bool]]:
    return [or_(jobs.c.lease_until.is_(None), jobs.c.lease_until < now)]


def _in_state(state: State, now: datetime) -> list[ColumnElement[bool]]:
    if state == "running":
        return [jobs.c.lease_until >= now]
    error = jobs.c.last_error
    return [*_idle(now), error.is_not(None) if state == "failing" else error.is_(None)]

"""The job table: enqueue in the unit of the change, claim with a lease, finish or retry.

What a job does lives with its noun; who runs it lives in `worker`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, delete, or_, select, update

from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import jobs

MAX_ATTEMPTS = 20
MAX_BACKOFF_S = 3600


@dataclass(frozen=True, slots=True)
class Job:
    """A claimed job. ``attempts`` counts this run too."""

    id: int
    kind: str
    payload: Mapping[str, object]
    attempts: int


def enqueue(
    tx: Tx,
    kind: str,
    payload: Mapping[str, object],
    *,
    now: datetime,
    dedup_key: str | None = None,
    delay_s: float = 0,
) -> None:
    """Add a job in the caller's unit; a waiting job with the same ``dedup_key`` stays alone."""
    tx.execute(
        insert_ignore(tx, jobs).values(
            kind=kind,
            payload=dict(payload),
            dedup_key=dedup_key,
            run_after=now + timedelta(seconds=delay_s),
            created_at=now,
        )
    )


def claim(tx: Tx, *, now: datetime, lease_s: float, kinds: Collection[str] | None = None) -> Job | None:
    """Take the oldest due job, in a write unit of the caller; None when nothing is due.

    A job whose lease ran out is due again: its worker died. ``kinds`` are those to choose from; None: all.
    """
    due = (
        select(jobs.c.id, jobs.c.kind, jobs.c.payload, jobs.c.attempts)
        .where(*_due(now, kinds))
        .order_by(jobs.c.run_after, jobs.c.id)
        .limit(1)
        .with_for_update(skip_locked=True)  # ignored by SQLite, which has one writer anyway
    )
    row = tx.execute(due).first()
    if row is None:
        return None
    # The key is given up at the start: a change that lands while the job runs must queue another.
    tx.execute(
        update(jobs)
        .where(jobs.c.id == row.id)
        .values(attempts=row.attempts + 1, lease_until=now + timedelta(seconds=lease_s), dedup_key=None)
    )
    return Job(row.id, row.kind, row.payload, row.attempts + 1)


def renew(tx: Tx, running: Sequence[Job], *, now: datetime, lease_s: float) -> None:
    """Extend the leases of jobs that are still running."""
    tx.execute(
        update(jobs)
        .where(jobs.c.id.in_([job.id for job in running]), jobs.c.lease_until.is_not(None))
        .values(lease_until=now + timedelta(seconds=lease_s))
    )


def finish(tx: Tx, job: Job) -> None:
    """Remove a job that was done."""
    tx.execute(delete(jobs).where(jobs.c.id == job.id))


def retry_later(tx: Tx, job: Job, *, now: datetime, error: str) -> None:
    """Give a failed job back with exponential back-off; after the last attempt it stays, a year away."""
    delay_s = min(2.0**job.attempts, MAX_BACKOFF_S) if job.attempts < MAX_ATTEMPTS else 365 * 86400
    tx.execute(
        update(jobs)
        .where(jobs.c.id == job.id)
        .values(lease_until=None, run_after=now + timedelta(seconds=delay_s), last_error=error[:4000])
    )


def has_due(tx: Tx, *, now: datetime, kinds: Collection[str] | None = None) -> bool:
    """Tell whether `claim` would find a job, without taking the writer's place."""
    return tx.execute(select(jobs.c.id).where(*_due(now, kinds)).limit(1)).first() is not None


def _due(now: datetime, kinds: Collection[str] | None) -> list[ColumnElement[bool]]:
    due = [jobs.c.run_after <= now, or_(jobs.c.lease_until.is_(None), jobs.c.lease_until < now)]
    return due if kinds is None else [*due, jobs.c.kind.in_(sorted(kinds))]

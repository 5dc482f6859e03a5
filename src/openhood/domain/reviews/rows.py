"""The rows of reviews: found by content, waiting for their job, done or failed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, tuple_, update

from openhood.domain.reviews.types import DONE, FAILED, WAITING, Review, ReviewKey
from openhood.infra.db.community_tables import reviews
from openhood.infra.db.engine import Tx, insert_ignore

_BATCH = 100


def find(tx: Tx, repo: int, keys: Collection[ReviewKey]) -> dict[ReviewKey, Review]:
    """Return those reviews of a repository that there are, of whatever version and state."""
    found: dict[ReviewKey, Review] = {}
    wanted = [(key.format, key.old, key.new) for key in keys]
    for start in range(0, len(wanted), _BATCH):
        chosen = select(reviews).where(
            reviews.c.repo_id == repo,
            tuple_(reviews.c.kind, reviews.c.old_key, reviews.c.new_key).in_(wanted[start : start + _BATCH]),
        )
        for row in tx.execute(chosen):
            review = _review(row)
            found[review.key] = review
    return found


def get(tx: Tx, number: int) -> Review | None:
    """Return one review."""
    row = tx.execute(select(reviews).where(reviews.c.id == number)).first()
    return None if row is None else _review(row)


def next_waiting(tx: Tx, repo: int) -> Review | None:
    """Return the review of a repository that waits longest."""
    chosen = select(reviews).where(reviews.c.repo_id == repo, reviews.c.state == WAITING)
    row = tx.execute(chosen.order_by(reviews.c.id).limit(1)).first()
    return None if row is None else _review(row)


def count_waiting(tx: Tx, repo: int) -> int:
    """Return how many reviews of a repository wait."""
    query = select(func.count()).where(reviews.c.repo_id == repo, reviews.c.state == WAITING)
    return int(tx.execute(query).scalar_one())


def put_waiting(
    tx: Tx, repo: int, key: ReviewKey, task: Mapping[str, object], *, version: int, now: datetime
) -> int:
    """Let a review wait, anew where there was one, and return its number."""
    tx.execute(
        insert_ignore(tx, reviews).values(
            repo_id=repo,
            kind=key.format,
            old_key=key.old,
            new_key=key.new,
            version=version,
            state=WAITING,
            updated_at=now,
        )
    )
    values = {"version": version, "state": WAITING, "result": dict(task), "error": None, "updated_at": now}
    changed = update(reviews).where(*_is(repo, key)).values(**values).returning(reviews.c.id)
    return int(tx.execute(changed).scalar_one())


def settle(
    tx: Tx, number: int, *, result: Mapping[str, object] | None, error: str | None, now: datetime
) -> None:
    """Write how a comparison ended: with a result, or with why there is none."""
    tx.execute(
        update(reviews)
        .where(reviews.c.id == number)
        .values(
            state=FAILED if result is None else DONE,
            result=None if result is None else dict(result),
            error=None if error is None else error[:500],
            updated_at=now,
        )
    )


def touch(tx: Tx, numbers: Collection[int], *, now: datetime) -> None:
    """Note that reviews were looked at."""
    tx.execute(update(reviews).where(reviews.c.id.in_(numbers)).values(updated_at=now))


def delete_old(tx: Tx, *, before: datetime, limit: int) -> int:
    """Delete reviews that nobody looked at since a moment; returns how many."""
    old = (
        select(reviews.c.id).where(reviews.c.updated_at < before).order_by(reviews.c.updated_at).limit(limit)
    )
    numbers = list(tx.execute(old).scalars())
    if numbers:
        tx.execute(delete(reviews).where(reviews.c.id.in_(numbers)))
    return len(numbers)


def _is(repo: int, key: ReviewKey) -> tuple[Any, ...]:  # Any: SQLAlchemy's conditions
    return (
        reviews.c.repo_id == repo,
        reviews.c.kind == key.format,
        reviews.c.old_key == key.old,
        reviews.c.new_key == key.new,
    )


def _review(row: Any) -> Review:  # Any: a row of many columns
    key = ReviewKey(row.kind, row.old_key, row.new_key)
    return Review(row.id, row.repo_id, key, row.version, row.state, row.result, row.error, row.updated_at)

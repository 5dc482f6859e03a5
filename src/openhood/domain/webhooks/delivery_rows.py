"""Reading and writing the rows of deliveries: what waits, what was said, what is told when. No rules, no commits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, or_, select, update

from openhood.domain.webhooks.types import Delivery, Outcome, Webhook
from openhood.infra import ids
from openhood.infra.db.community_tables import webhook_deliveries, webhooks
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.jobs import queue

ANSWER_LETTERS = 2000

_COLUMNS: tuple[Any, ...] = tuple(webhook_deliveries.c)


def _delivery(row: Row[*tuple[Any, ...]]) -> Delivery:
    return Delivery(
        id=row.id,
        hex_id=row.hex_id,
        webhook_id=row.webhook_id,
        event_id=row.event_id,
        replay_of=row.replay_of,
        payload=row.payload,
        state=row.state,
        due_at=row.due_at,
        attempts=row.attempts,
        status_code=row.status_code,
        duration_ms=row.duration_ms,
        answer=row.answer,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def schedule(tx: Tx, webhook: Webhook, *, at: datetime, now: datetime) -> None:
    """Queue the job that delivers what is due then, in the lane of the webhook; one job stands for many deliveries."""
    at = max(at, webhook.paused_until or at, now)
    is_slow = webhook.slow_until is not None and webhook.slow_until > now
    # Jobs for different moments must not keep each other out: one that is due in hours would hold up the next event.
    moment = "now" if at <= now else str(int(at.timestamp()))
    queue.enqueue(
        tx,
        "deliver_webhook_slowly" if is_slow else "deliver_webhook",
        {"webhook": webhook.id, "slow": is_slow},
        now=now,
        dedup_key=f"deliver_webhook:{webhook.id}:{'slowly' if is_slow else 'at once'}:{moment}",
        delay_s=(at - now).total_seconds(),
    )


def insert_delivery(
    tx: Tx,
    webhook: Webhook,
    *,
    event: int,
    replay_of: str,
    payload: Mapping[str, object],
    due_at: datetime,
    now: datetime,
) -> str | None:
    """Add a delivery that waits; returns its object id, None where the event has one already."""
    hex_id = ids.new_hex_id()
    added = tx.execute(
        insert_ignore(tx, webhook_deliveries).values(
            hex_id=hex_id,
            webhook_id=webhook.id,
            event_id=event,
            replay_of=replay_of,
            payload=dict(payload),
            state="waiting",
            due_at=due_at,
            created_at=now,
            updated_at=now,
        )
    )
    return hex_id if added.rowcount else None


def begin(tx: Tx, webhook: int, *, now: datetime, until: datetime) -> bool:
    """Take the right to deliver to a webhook until a moment; False where another has it."""
    taken = tx.execute(
        update(webhooks)
        .where(
            webhooks.c.id == webhook,
            or_(webhooks.c.busy_until.is_(None), webhooks.c.busy_until <= now),
        )
        .values(busy_until=until)
    )
    return taken.rowcount == 1


def end(tx: Tx, webhook: int, *, until: datetime) -> None:
    """Give back the right that `begin` gave until ``until``, unless it ran out and is another's by now."""
    mine = update(webhooks).where(webhooks.c.id == webhook, webhooks.c.busy_until == until)
    tx.execute(mine.values(busy_until=None))


def get_next(tx: Tx, webhook: int, *, now: datetime) -> Delivery | None:
    """Return the delivery that has been due longest."""
    due = (
        select(*_COLUMNS)
        .where(
            webhook_deliveries.c.webhook_id == webhook,
            webhook_deliveries.c.state == "waiting",
            webhook_deliveries.c.due_at <= now,
        )
        .order_by(webhook_deliveries.c.due_at, webhook_deliveries.c.event_id)
        .limit(1)
    )
    row = tx.execute(due).first()
    return None if row is None else _delivery(row)


def record_outcome(
    tx: Tx, delivery: Delivery, outcome: Outcome, *, state: str, due_at: datetime, now: datetime
) -> None:
    """Write down how an attempt went, and what follows."""
    tx.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id == delivery.id)
        .values(
            state=state,
            due_at=due_at,
            attempts=webhook_deliveries.c.attempts + 1,
            status_code=outcome.status_code,
            duration_ms=outcome.duration_ms,
            answer=outcome.answer[:ANSWER_LETTERS],
            updated_at=now,
        )
    )


def fail_waiting(tx: Tx, webhook: int, *, why: str, now: datetime) -> None:
    """Give up all deliveries of a webhook that wait."""
    tx.execute(
        update(webhook_deliveries)
        .where(webhook_deliveries.c.webhook_id == webhook, webhook_deliveries.c.state == "waiting")
        .values(state="failed", answer=why, updated_at=now)
    )


def delete_delivery(tx: Tx, number: int) -> None:
    """Remove one delivery, without a trace."""
    tx.execute(delete(webhook_deliveries).where(webhook_deliveries.c.id == number))


def delete_of_event(tx: Tx, webhook: int, event: int) -> None:
    """Remove what `insert_delivery` added for an event."""
    tx.execute(
        delete(webhook_deliveries).where(
            webhook_deliveries.c.webhook_id == webhook,
            webhook_deliveries.c.event_id == event,
            webhook_deliveries.c.replay_of == "",
        )
    )


def find_delivery(tx: Tx, webhook: int, hex_id: str) -> Delivery | None:
    """Return a delivery of a webhook."""
    row = tx.execute(
        select(*_COLUMNS).where(
            webhook_deliveries.c.webhook_id == webhook, webhook_deliveries.c.hex_id == hex_id
        )
    ).first()
    return None if row is None else _delivery(row)


def list_deliveries(tx: Tx, webhook: int, *, before: int | None, limit: int) -> list[Delivery]:
    """Return deliveries of a webhook, the newest first, those before a number."""
    chosen = select(*_COLUMNS).where(webhook_deliveries.c.webhook_id == webhook)
    if before is not None:
        chosen = chosen.where(webhook_deliveries.c.id < before)
    return [
        _delivery(row) for row in tx.execute(chosen.order_by(webhook_deliveries.c.id.desc()).limit(limit))
    ]


def list_overdue(tx: Tx, *, now: datetime, after: int, limit: int) -> list[int]:
    """Return webhooks that have something due, by number, those after one."""
    due = (
        select(webhook_deliveries.c.webhook_id)
        .where(
            webhook_deliveries.c.state == "waiting",
            webhook_deliveries.c.due_at <= now,
            webhook_deliveries.c.webhook_id > after,
        )
        .distinct()
        .order_by(webhook_deliveries.c.webhook_id)
        .limit(limit)
    )
    return list(tx.execute(due).scalars())


def expire_waiting(tx: Tx, *, before: datetime, why: str, now: datetime, limit: int) -> int:
    """Give up deliveries that wait since before a moment, at most ``limit``; returns how many."""
    old = (
        select(webhook_deliveries.c.id)
        .where(webhook_deliveries.c.state == "waiting", webhook_deliveries.c.created_at < before)
        .limit(limit)
    )
    given_up = (
        update(webhook_deliveries)
        .where(webhook_deliveries.c.id.in_(old))
        .values(state="failed", answer=why, updated_at=now)
    )
    return tx.execute(given_up).rowcount


def delete_old(tx: Tx, *, before: datetime, limit: int) -> int:
    """Remove deliveries of before a moment from the log, at most ``limit``; returns how many."""
    old = (
        select(webhook_deliveries.c.id)
        .where(webhook_deliveries.c.created_at < before, webhook_deliveries.c.state != "waiting")
        .limit(limit)
    )
    return tx.execute(delete(webhook_deliveries).where(webhook_deliveries.c.id.in_(old))).rowcount

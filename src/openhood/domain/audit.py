"""The trail of privileged actions: who did what to what, written in the same unit as the change.

Each row is sealed later, in the order of rows, with the seal of the row before it: see `auditing`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Row, Select, bindparam, func, insert, select, update

from openhood.infra.db.engine import Tx, lock_table, upsert
from openhood.infra.db.tables import audit_events, audit_heads

FIRST_SEAL = "0" * 64
"""What stands for the seal before the first row."""
_HEAD = 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One line of the trail. ``owner_id`` is the namespace it concerns, None: the hub; ``seal`` None: not yet."""

    id: int
    at: datetime
    actor: str
    action: str
    subject: str
    owner_id: int | None
    details: Mapping[str, object]
    seal: str | None


@dataclass(frozen=True, slots=True)
class Head:
    """Where the chain of seals ends. ``signature`` binds all of it to the hub's secret key."""

    last_id: int
    row_count: int
    seal: str
    signature: str
    sealed_at: datetime


def record(
    tx: Tx,
    *,
    at: datetime,
    actor: str,
    action: str,
    subject: str,
    owner_id: int | None = None,
    **details: object,
) -> None:
    """Add one line in the caller's unit. ``action`` is dotted (``repo.delete``), ``subject`` its object.

    Args: ``owner_id`` is the namespace it concerns, whose administrators may read it.
    """
    tx.execute(
        insert(audit_events).values(
            at=at,
            actor=actor or "system",
            action=action,
            subject=subject[:300],
            owner_id=owner_id,
            details=details,
        )
    )


def seal_of(previous: str, event: AuditEvent) -> str:
    """Return the seal of a row: SHA-256 of the seal before it and the row as canonical JSON.

    That is one object without white space, its keys in order, not escaped beyond what JSON asks for:
    ``action``, ``actor``, ``at`` (milliseconds since the epoch), ``details``, ``id``, ``owner_id``, ``subject``.
    """
    facts = {
        "id": event.id,
        "at": (event.at - _EPOCH) // timedelta(milliseconds=1),
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "owner_id": event.owner_id,
        "details": event.details,
    }
    text = json.dumps(facts, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(f"{previous}{text}".encode("utf-8", "surrogatepass")).hexdigest()


# --- rows, for `auditing` -------------------------------------------------------------------------


def hold_writers(tx: Tx, *, wait_ms: int) -> None:
    """Wait until every row under way is there or given up, and let no further one begin in this unit.

    PostgreSQL numbers rows when they are written, not when they become visible: a row may appear before one
    that is there already. Raises OperationalError after ``wait_ms``.
    """
    lock_table(tx, audit_events, wait_ms=wait_ms)


def count_unsealed(tx: Tx) -> int:
    """Return how many rows have no seal."""
    query = select(func.count()).select_from(audit_events).where(audit_events.c.seal.is_(None))
    return tx.execute(query).scalar_one()


def has_seals(tx: Tx) -> bool:
    """Tell whether any row has a seal."""
    query = select(audit_events.c.id).where(audit_events.c.seal.is_not(None)).limit(1)
    return tx.execute(query).first() is not None


def list_between(tx: Tx, *, after: int, last: int, limit: int) -> list[AuditEvent]:
    """Return rows in order, those after the number ``after`` up to ``last``."""
    query = _SELECT.where(audit_events.c.id > after, audit_events.c.id <= last)
    return [_event(row) for row in tx.execute(query.order_by(audit_events.c.id).limit(limit))]


def list_events(
    tx: Tx,
    *,
    owner_id: int | None,
    start: datetime | None,
    end: datetime | None,
    action: str | None = None,
    actor: str | None = None,
    after: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[AuditEvent]:
    """Return rows of a namespace (None: of all), the newest first with ``before`` or neither, else in order."""
    query = _SELECT
    if owner_id is not None:
        query = query.where(audit_events.c.owner_id == owner_id)
    if start is not None:
        query = query.where(audit_events.c.at >= start)
    if end is not None:
        query = query.where(audit_events.c.at < end)
    if action is not None:
        query = query.where(audit_events.c.action == action)
    if actor is not None:
        query = query.where(func.lower(audit_events.c.actor) == actor.lower())
    if after is not None:
        query = query.where(audit_events.c.id > after).order_by(audit_events.c.id)
    else:
        query = query.order_by(audit_events.c.id.desc())
    if before is not None:
        query = query.where(audit_events.c.id < before)
    return [_event(row) for row in tx.execute(query.limit(limit))]


def set_seals(tx: Tx, seals: Sequence[tuple[int, str]]) -> None:
    """Write the seals of rows."""
    statement = (
        update(audit_events).where(audit_events.c.id == bindparam("row")).values(seal=bindparam("stamp"))
    )
    tx.execute(statement, [{"row": number, "stamp": seal} for number, seal in seals])


def get_head(tx: Tx) -> Head | None:
    """Return the end of the chain; None before the first seal."""
    row = tx.execute(select(audit_heads).where(audit_heads.c.id == _HEAD)).first()
    return None if row is None else Head(row.last_id, row.row_count, row.seal, row.signature, row.sealed_at)


def set_head(tx: Tx, head: Head) -> None:
    """Write the end of the chain."""
    columns = ["last_id", "row_count", "seal", "signature", "sealed_at"]
    tx.execute(
        upsert(tx, audit_heads, key=["id"], update=columns).values(
            id=_HEAD, **{name: getattr(head, name) for name in columns}
        )
    )


_SELECT: Select[Any] = select(audit_events)


def _event(row: Row[*tuple[Any, ...]]) -> AuditEvent:
    return AuditEvent(row.id, row.at, row.actor, row.action, row.subject, row.owner_id, row.details, row.seal)

"""Reading and writing the rows of trusted publishers and of identity tokens already exchanged. No rules, no commits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, delete, func, insert, select

from openhood.infra import ids
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.identity_tables import seen_assertions, trusted_publishers

Role = Literal["read", "write"]


@dataclass(frozen=True, slots=True)
class Place:
    """What a publisher is trusted with: one repository or all of one account, by row number."""

    repo_id: int | None = None
    account_id: int | None = None


@dataclass(frozen=True, slots=True)
class Publisher:
    """A workload that may have tokens: who vouches for it, how it is called, and what else must be true of it.

    ``created_by`` is the person in whose name it acts.
    """

    id: int
    hex_id: str
    place: Place
    issuer: str
    subject: str
    audience: str
    claims: Mapping[str, str]
    role: Role
    created_by: int | None
    created_at: datetime


def list_publishers(tx: Tx, place: Place, *, issuer: str | None = None) -> list[Publisher]:
    """Return the publishers of a place, the oldest first."""
    query = select(trusted_publishers).where(_at(place), trusted_publishers.c.is_enabled)
    if issuer is not None:
        query = query.where(trusted_publishers.c.issuer == issuer)
    return [_publisher(row) for row in tx.execute(query.order_by(trusted_publishers.c.id))]


def count_publishers(tx: Tx, place: Place) -> int:
    """Return how many publishers a place has."""
    return tx.execute(select(func.count()).select_from(trusted_publishers).where(_at(place))).scalar_one()


def insert_publisher(
    tx: Tx,
    place: Place,
    *,
    issuer: str,
    subject: str,
    audience: str,
    claims: Mapping[str, str],
    role: Role,
    created_by: int,
    at: datetime,
) -> Publisher:
    """Add a publisher."""
    statement = (
        insert(trusted_publishers)
        .values(
            hex_id=ids.new_hex_id(),
            repo_id=place.repo_id,
            account_id=place.account_id,
            issuer=issuer,
            subject=subject,
            audience=audience,
            claims=dict(claims),
            role=role,
            created_by=created_by,
            created_at=at,
            is_enabled=True,
        )
        .returning(trusted_publishers)
    )
    return _publisher(tx.execute(statement).one())


def delete_publisher(tx: Tx, place: Place, hex_id: str) -> Publisher | None:
    """Remove a publisher of a place and return it."""
    statement = (
        delete(trusted_publishers)
        .where(_at(place), trusted_publishers.c.hex_id == hex_id)
        .returning(trusted_publishers)
    )
    row = tx.execute(statement).first()
    return None if row is None else _publisher(row)


def note_assertion(tx: Tx, digest: str, *, expires_at: datetime) -> bool:
    """Note that an identity token was exchanged; False where it was before."""
    statement = insert_ignore(tx, seen_assertions).values(digest=digest, expires_at=expires_at)
    return tx.execute(statement).rowcount == 1


def _at(place: Place) -> Any:  # Any: SQLAlchemy's boolean clauses share no useful base
    if place.repo_id is not None:
        return trusted_publishers.c.repo_id == place.repo_id
    return trusted_publishers.c.account_id == place.account_id


def _publisher(row: Row[*tuple[Any, ...]]) -> Publisher:
    return Publisher(
        id=row.id,
        hex_id=row.hex_id,
        place=Place(row.repo_id, row.account_id),
        issuer=row.issuer,
        subject=row.subject,
        audience=row.audience or "",
        claims=row.claims,
        role=row.role,
        created_by=row.created_by,
        created_at=row.created_at,
    )

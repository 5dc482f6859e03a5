"""Reading and writing the rows of device sign-ins and refresh tokens. No rules, no commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import delete, insert, or_, select, update

from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import device_grants, refresh_tokens, tokens

Status = Literal["pending", "approved", "denied"]


@dataclass(frozen=True, slots=True)
class DeviceGrant:
    """A device sign-in under way."""

    user_code: str
    client_id: str
    scope: str
    status: Status
    user_id: int | None
    polled_at: datetime | None
    interval_s: int
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class RefreshToken:
    """A refresh token; ``replaced_at`` is when it was exchanged for a newer one.

    ``org_ids`` are the organizations a person chose, None for a sign-in without that choice.
    """

    user_id: int
    client_id: str
    scope: str
    family: str
    expires_at: datetime
    replaced_at: datetime | None
    org_ids: list[str] | None


@dataclass(frozen=True, slots=True)
class Family:
    """A sign-in of a program: every token that came from one grant."""

    family: str
    client_id: str
    user_id: int


_GRANT: tuple[Any, ...] = (
    device_grants.c.user_code,
    device_grants.c.client_id,
    device_grants.c.scope,
    device_grants.c.status,
    device_grants.c.user_id,
    device_grants.c.polled_at,
    device_grants.c.interval_s,
    device_grants.c.created_at,
    device_grants.c.expires_at,
)
_REFRESH: tuple[Any, ...] = (
    refresh_tokens.c.user_id,
    refresh_tokens.c.client_id,
    refresh_tokens.c.scope,
    refresh_tokens.c.family,
    refresh_tokens.c.expires_at,
    refresh_tokens.c.replaced_at,
    refresh_tokens.c.org_ids,
)


def insert_grant(
    tx: Tx,
    *,
    device_hash: str,
    user_code: str,
    client_id: str,
    scope: str,
    interval_s: int,
    at: datetime,
    expires_at: datetime,
) -> bool:
    """Begin a device sign-in; False where the user code is in use."""
    statement = (
        insert_ignore(tx, device_grants)
        .values(
            device_hash=device_hash,
            user_code=user_code,
            client_id=client_id,
            scope=scope,
            status="pending",
            interval_s=interval_s,
            created_at=at,
            expires_at=expires_at,
        )
        .returning(device_grants.c.user_code)
    )
    return tx.execute(statement).first() is not None


def get_grant(tx: Tx, device_hash: str) -> DeviceGrant | None:
    """Return the device sign-in of a device code, and lock it in a write unit."""
    query = select(*_GRANT).where(device_grants.c.device_hash == device_hash).with_for_update()
    row = tx.execute(query).first()
    return None if row is None else DeviceGrant(**row._mapping)


def find_grant(tx: Tx, user_code: str) -> DeviceGrant | None:
    """Return the device sign-in of a user code."""
    row = tx.execute(select(*_GRANT).where(device_grants.c.user_code == user_code)).first()
    return None if row is None else DeviceGrant(**row._mapping)


def set_polled(tx: Tx, device_hash: str, *, at: datetime, interval_s: int) -> None:
    """Note a poll and the interval the device must keep from now on."""
    tx.execute(
        update(device_grants)
        .where(device_grants.c.device_hash == device_hash)
        .values(polled_at=at, interval_s=interval_s)
    )


def answer_grant(tx: Tx, user_code: str, *, status: Status, user_id: int) -> bool:
    """Approve or deny a device sign-in that waits for it; False where another answer came first."""
    statement = (
        update(device_grants)
        .where(device_grants.c.user_code == user_code, device_grants.c.status == "pending")
        .values(status=status, user_id=user_id)
    )
    return tx.execute(statement).rowcount == 1


def delete_grant(tx: Tx, device_hash: str) -> bool:
    """End a device sign-in; tells whether it was there, so that a code is exchanged once."""
    return tx.execute(delete(device_grants).where(device_grants.c.device_hash == device_hash)).rowcount == 1


def insert_refresh_token(
    tx: Tx,
    *,
    secret_hash: str,
    user_id: int,
    client_id: str,
    scope: str,
    org_ids: Sequence[str] | None,
    family: str,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Add a refresh token."""
    tx.execute(
        insert(refresh_tokens).values(
            secret_hash=secret_hash,
            user_id=user_id,
            client_id=client_id,
            scope=scope,
            org_ids=None if org_ids is None else list(org_ids),
            family=family,
            created_at=at,
            expires_at=expires_at,
        )
    )


def get_refresh_token(tx: Tx, secret_hash: str) -> RefreshToken | None:
    """Return a refresh token, and lock it in a write unit."""
    query = select(*_REFRESH).where(refresh_tokens.c.secret_hash == secret_hash).with_for_update()
    row = tx.execute(query).first()
    return None if row is None else RefreshToken(**row._mapping)


def find_family(tx: Tx, secret_hash: str) -> Family | None:
    """Return the sign-in that a refresh or access token belongs to."""
    queries = (
        select(refresh_tokens.c.family, refresh_tokens.c.client_id, refresh_tokens.c.user_id).where(
            refresh_tokens.c.secret_hash == secret_hash
        ),
        select(
            tokens.c.oauth_family.label("family"),
            tokens.c.oauth_client_id.label("client_id"),
            tokens.c.user_id,
        ).where(tokens.c.secret_hash == secret_hash, tokens.c.oauth_family.is_not(None)),
    )
    for query in queries:
        row = tx.execute(query).first()
        if row is not None:
            return Family(row.family, row.client_id, row.user_id)
    return None


def set_replaced(tx: Tx, secret_hash: str, *, at: datetime) -> None:
    """Note that a refresh token was exchanged; the first time counts."""
    tx.execute(
        update(refresh_tokens)
        .where(refresh_tokens.c.secret_hash == secret_hash, refresh_tokens.c.replaced_at.is_(None))
        .values(replaced_at=at)
    )


def shorten_access_tokens(tx: Tx, family: str, *, expires_at: datetime) -> None:
    """Let a sign-in's present access tokens end by ``expires_at``."""
    tx.execute(
        update(tokens)
        .where(
            tokens.c.oauth_family == family,
            or_(tokens.c.expires_at.is_(None), tokens.c.expires_at > expires_at),
        )
        .values(expires_at=expires_at)
    )


def delete_expired(tx: Tx, *, now: datetime, user_id: int | None = None) -> None:
    """Remove device sign-ins that timed out and, of one user, OAuth tokens that expired."""
    tx.execute(delete(device_grants).where(device_grants.c.expires_at < now))
    if user_id is not None:
        tx.execute(
            delete(refresh_tokens).where(
                refresh_tokens.c.user_id == user_id, refresh_tokens.c.expires_at < now
            )
        )
        tx.execute(
            delete(tokens).where(
                tokens.c.user_id == user_id, tokens.c.kind == "oauth", tokens.c.expires_at < now
            )
        )

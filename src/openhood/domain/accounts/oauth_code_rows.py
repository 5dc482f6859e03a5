"""Reading and writing the rows of authorization codes, consents and what people granted. No rules, no commits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from openhood.domain.accounts.types import Account
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.identity_tables import oauth_codes, oauth_consents, seen_assertions
from openhood.infra.db.tables import device_grants, refresh_tokens, sessions, tokens


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code: what a person granted, until the program fetches it."""

    client_id: str
    user_id: int
    redirect_uri: str
    scope: str
    org_ids: tuple[str, ...]
    nonce: str | None
    challenge: str | None
    family: str
    auth_time: datetime
    expires_at: datetime
    used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allowed a program; ``org_ids`` are organizations' object ids."""

    client_id: str
    scope: str
    org_ids: tuple[str, ...]
    created_at: datetime
    updated_at: datetime


def insert_code(tx: Tx, code_hash: str, code: Code) -> None:
    """Add a code."""
    tx.execute(
        insert(oauth_codes).values(
            code_hash=code_hash,
            client_id=code.client_id,
            user_id=code.user_id,
            redirect_uri=code.redirect_uri,
            scope=code.scope,
            org_ids=list(code.org_ids),
            nonce=code.nonce,
            challenge=code.challenge,
            family=code.family,
            auth_time=code.auth_time,
            expires_at=code.expires_at,
        )
    )


def get_code(tx: Tx, code_hash: str) -> Code | None:
    """Return a code, and lock it in a write unit."""
    query = select(oauth_codes).where(oauth_codes.c.code_hash == code_hash).with_for_update()
    row = tx.execute(query).first()
    if row is None:
        return None
    return Code(
        client_id=row.client_id,
        user_id=row.user_id,
        redirect_uri=row.redirect_uri,
        scope=row.scope,
        org_ids=tuple(row.org_ids),
        nonce=row.nonce,
        challenge=row.challenge,
        family=row.family,
        auth_time=row.auth_time,
        expires_at=row.expires_at,
        used_at=row.used_at,
    )


def set_used(tx: Tx, code_hash: str, *, at: datetime) -> None:
    """Note that a code came."""
    tx.execute(update(oauth_codes).where(oauth_codes.c.code_hash == code_hash).values(used_at=at))


def get_consent(tx: Tx, *, user_id: int, client_id: str) -> Consent | None:
    """Return what a person allowed a program."""
    query = select(oauth_consents).where(
        oauth_consents.c.user_id == user_id, oauth_consents.c.client_id == client_id
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    return Consent(row.client_id, row.scope, tuple(row.org_ids), row.created_at, row.updated_at)


def list_consents(tx: Tx, user_id: int) -> list[Consent]:
    """Return what a person allowed programs, the latest first."""
    query = (
        select(oauth_consents)
        .where(oauth_consents.c.user_id == user_id)
        .order_by(oauth_consents.c.updated_at.desc(), oauth_consents.c.client_id)
    )
    return [
        Consent(row.client_id, row.scope, tuple(row.org_ids), row.created_at, row.updated_at)
        for row in tx.execute(query)
    ]


def put_consent(
    tx: Tx, *, user_id: int, client_id: str, scope: str, org_ids: Sequence[str], at: datetime
) -> None:
    """Add or change what a person allowed a program."""
    tx.execute(
        upsert(
            tx, oauth_consents, key=["user_id", "client_id"], update=["scope", "org_ids", "updated_at"]
        ).values(
            user_id=user_id,
            client_id=client_id,
            scope=scope,
            org_ids=list(org_ids),
            created_at=at,
            updated_at=at,
        )
    )


def list_device_sign_ins(tx: Tx, user_id: int) -> dict[str, tuple[str, datetime]]:
    """Return the scope and beginning of a person's sign-ins by the device flow, by client, the earliest of each."""
    query = (
        select(
            refresh_tokens.c.client_id,
            func.max(refresh_tokens.c.scope).label("scope"),
            func.min(refresh_tokens.c.created_at).label("created_at"),
        )
        .where(refresh_tokens.c.user_id == user_id, refresh_tokens.c.org_ids.is_(None))
        .group_by(refresh_tokens.c.client_id)
    )
    return {row.client_id: (row.scope, row.created_at) for row in tx.execute(query)}


def delete_grant(tx: Tx, *, user_id: int, client_id: str) -> bool:
    """Remove everything a person granted a program; tells whether there was something."""
    removals = (
        delete(oauth_consents).where(
            oauth_consents.c.user_id == user_id, oauth_consents.c.client_id == client_id
        ),
        delete(refresh_tokens).where(
            refresh_tokens.c.user_id == user_id, refresh_tokens.c.client_id == client_id
        ),
        delete(tokens).where(tokens.c.user_id == user_id, tokens.c.oauth_client_id == client_id),
        delete(oauth_codes).where(oauth_codes.c.user_id == user_id, oauth_codes.c.client_id == client_id),
    )
    return sum(tx.execute(each).rowcount for each in removals) > 0


def get_session_start(tx: Tx, secret_hash: str) -> datetime | None:
    """Return when a browser session began."""
    found: datetime | None = tx.execute(
        select(sessions.c.created_at).where(sessions.c.secret_hash == secret_hash)
    ).scalar_one_or_none()
    return found


def pick_orgs(memberships: Sequence[Account], hex_ids: Sequence[str]) -> tuple[Account, ...]:
    """Return those organizations whose object ids are named."""
    wanted = set(hex_ids)
    return tuple(org for org in memberships if org.hex_id in wanted)


def delete_stale(tx: Tx, *, now: datetime, codes_before: datetime) -> None:
    """Remove what ended: codes, device sign-ins, refresh and access tokens of programs, seen assertions."""
    tx.execute(delete(oauth_codes).where(oauth_codes.c.expires_at < codes_before))
    tx.execute(delete(device_grants).where(device_grants.c.expires_at < now))
    tx.execute(delete(refresh_tokens).where(refresh_tokens.c.expires_at < now))
    tx.execute(delete(tokens).where(tokens.c.kind.in_(("oauth", "oidc")), tokens.c.expires_at < now))
    tx.execute(delete(seen_assertions).where(seen_assertions.c.expires_at < now))

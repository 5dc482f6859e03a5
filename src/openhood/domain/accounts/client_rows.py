"""Reading and writing the rows of registered programs (OAuth clients). No rules, no commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, select, update

from openhood.domain.accounts.types import OauthClient
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.identity_tables import oauth_codes, oauth_consents
from openhood.infra.db.tables import device_grants, oauth_clients, refresh_tokens, tokens


def get_client(tx: Tx, client_id: str) -> OauthClient | None:
    """Return a registered client."""
    row = tx.execute(select(oauth_clients).where(oauth_clients.c.client_id == client_id)).first()
    return None if row is None else _client(row)


def list_clients(tx: Tx, client_ids: Sequence[str]) -> dict[str, OauthClient]:
    """Return registered clients by their ids."""
    query = select(oauth_clients).where(oauth_clients.c.client_id.in_(client_ids))
    return {row.client_id: _client(row) for row in tx.execute(query)}


def list_clients_of(tx: Tx, owner_id: int) -> list[OauthClient]:
    """Return the clients that a user registered, the oldest first."""
    query = (
        select(oauth_clients)
        .where(oauth_clients.c.owner_id == owner_id)
        .order_by(oauth_clients.c.created_at, oauth_clients.c.client_id)
    )
    return [_client(row) for row in tx.execute(query)]


def count_people(tx: Tx, client_id: str) -> int:
    """Return how many people have granted a client something."""
    granted = select(oauth_consents.c.user_id).where(oauth_consents.c.client_id == client_id)
    signed_in = select(refresh_tokens.c.user_id).where(refresh_tokens.c.client_id == client_id)
    people = granted.union(signed_in).subquery()
    return tx.execute(select(func.count()).select_from(people)).scalar_one()


def count_ownerless(tx: Tx) -> int:
    """Return how many clients belong to nobody."""
    query = select(func.count()).select_from(oauth_clients).where(oauth_clients.c.owner_id.is_(None))
    return tx.execute(query).scalar_one()


def add_builtin(tx: Tx, *, client_id: str, name: str, at: datetime) -> None:
    """Register a public client for the device flow; an existing one stays as it is."""
    tx.execute(
        insert_ignore(tx, oauth_clients).values(
            client_id=client_id, name=name, is_public=True, device_flow=True, created_at=at
        )
    )


def insert_client(tx: Tx, client: OauthClient) -> None:
    """Register a client."""
    tx.execute(
        insert(oauth_clients).values(
            client_id=client.client_id,
            name=client.name,
            is_public=client.is_public,
            secret_hash=client.secret_hash,
            redirect_uris=list(client.redirect_uris),
            scopes=list(client.scopes),
            device_flow=client.device_flow,
            owner_id=client.owner_id,
            details=dict(client.details),
            created_at=client.created_at,
        )
    )


def update_client(tx: Tx, client_id: str, **values: object) -> None:
    """Overwrite columns of a client."""
    tx.execute(update(oauth_clients).where(oauth_clients.c.client_id == client_id).values(**values))


def delete_client(tx: Tx, client_id: str) -> None:
    """Remove a client and everything people granted it."""
    tx.execute(delete(tokens).where(tokens.c.oauth_client_id == client_id))
    tx.execute(delete(refresh_tokens).where(refresh_tokens.c.client_id == client_id))
    tx.execute(delete(device_grants).where(device_grants.c.client_id == client_id))
    tx.execute(delete(oauth_codes).where(oauth_codes.c.client_id == client_id))
    tx.execute(delete(oauth_consents).where(oauth_consents.c.client_id == client_id))
    tx.execute(delete(oauth_clients).where(oauth_clients.c.client_id == client_id))


def delete_unused(tx: Tx, *, before: datetime, keep: str, limit: int) -> int:
    """Remove clients that registered themselves before a moment and that nobody uses; returns how many."""
    used = (
        select(oauth_consents.c.client_id)
        .where(oauth_consents.c.client_id == oauth_clients.c.client_id)
        .exists(),
        select(refresh_tokens.c.client_id)
        .where(refresh_tokens.c.client_id == oauth_clients.c.client_id)
        .exists(),
        select(device_grants.c.client_id)
        .where(device_grants.c.client_id == oauth_clients.c.client_id)
        .exists(),
    )
    query = (
        select(oauth_clients.c.client_id)
        .where(
            oauth_clients.c.owner_id.is_(None),
            oauth_clients.c.client_id != keep,
            oauth_clients.c.created_at < before,
            *(~each for each in used),
        )
        .limit(limit)
    )
    gone = [row.client_id for row in tx.execute(query)]
    if gone:
        tx.execute(delete(oauth_clients).where(oauth_clients.c.client_id.in_(gone)))
    return len(gone)


def _client(row: Row[*tuple[Any, ...]]) -> OauthClient:
    details: Mapping[str, object] = row.details
    return OauthClient(
        client_id=row.client_id,
        name=row.name,
        is_public=row.is_public,
        device_flow=row.device_flow,
        scopes=tuple(row.scopes),
        redirect_uris=tuple(row.redirect_uris),
        secret_hash=row.secret_hash,
        owner_id=row.owner_id,
        details=details,
        created_at=row.created_at,
    )

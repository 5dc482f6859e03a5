"""Reading and writing the rows of tokens and browser sessions. No rules, no commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Row, Select, and_, bindparam, delete, exists, insert, or_, select, update

from openhood.domain.accounts.types import TokenInfo
from openhood.infra import ids
from openhood.infra.db.engine import Tx
from openhood.infra.db.identity_tables import resource_group_members, resource_groups, token_approvals
from openhood.infra.db.tables import accounts, memberships, refresh_tokens, sessions, tokens

_orgs = accounts.alias("orgs")
_any_group = resource_groups.alias("any_group")

_PERSON: tuple[Any, ...] = (
    accounts.c.id.label("user_id"),
    accounts.c.hex_id.label("user_hex_id"),
    accounts.c.avatar_url,
    accounts.c.name,
    accounts.c.fullname,
    accounts.c.email,
    accounts.c.is_admin,
    accounts.c.kind.label("user_kind"),
    memberships.c.org_id,
    memberships.c.role.label("org_role"),
    resource_group_members.c.group_id,
    resource_group_members.c.role.label("group_role"),
    exists().where(_any_group.c.org_id == memberships.c.org_id).label("has_groups"),
)
# Joined by the organization too: a line per organization, or per resource group of it that the person is in.
_GROUPS = resource_group_members.join(
    resource_groups, resource_groups.c.id == resource_group_members.c.group_id
)
_IN_GROUP = and_(
    resource_group_members.c.user_id == memberships.c.user_id,
    resource_groups.c.org_id == memberships.c.org_id,
)

# One statement per request: the credential, its person, and a line per organization or group.
_BY_TOKEN = (
    select(
        *_PERSON,
        tokens.c.id.label("token_id"),
        tokens.c.display_name,
        tokens.c.kind,
        tokens.c.role,
        tokens.c.scopes,
        tokens.c.created_at,
        tokens.c.expires_at,
        tokens.c.last_used_at,
        _orgs.c.token_policy,
        _orgs.c.name_key.label("org_key"),
        token_approvals.c.status.label("approval"),
    )
    .join(accounts, accounts.c.id == tokens.c.user_id)
    .join(memberships, memberships.c.user_id == accounts.c.id, isouter=True)
    .join(_orgs, _orgs.c.id == memberships.c.org_id, isouter=True)
    .join(
        token_approvals,
        and_(
            token_approvals.c.token_id == tokens.c.id,
            token_approvals.c.org_id == memberships.c.org_id,
        ),
        isouter=True,
    )
    .join(_GROUPS, _IN_GROUP, isouter=True)
    .where(tokens.c.secret_hash == bindparam("hash"), accounts.c.is_active)
)
_BY_SESSION = (
    select(*_PERSON, sessions.c.expires_at)
    .join(accounts, accounts.c.id == sessions.c.user_id)
    .join(memberships, memberships.c.user_id == accounts.c.id, isouter=True)
    .join(_GROUPS, _IN_GROUP, isouter=True)
    .where(sessions.c.secret_hash == bindparam("hash"), accounts.c.is_active)
)
_BY_NUMBER = (
    select(*_PERSON)
    .select_from(accounts)
    .join(memberships, memberships.c.user_id == accounts.c.id, isouter=True)
    .join(_GROUPS, _IN_GROUP, isouter=True)
    .where(accounts.c.id == bindparam("number"), accounts.c.is_active)
)

TOKEN_COLUMNS: tuple[Any, ...] = (  # what `token_from_row` needs
    tokens.c.id,
    tokens.c.hex_id,
    accounts.c.name.label("user_name"),
    tokens.c.display_name,
    tokens.c.kind,
    tokens.c.role,
    tokens.c.scopes,
    tokens.c.oauth_client_id,
    tokens.c.hint,
    tokens.c.created_at,
    tokens.c.expires_at,
    tokens.c.last_used_at,
)


def find_token_owner(tx: Tx, secret_hash: str) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return a token's active owner, a line per organization or group (at least one), with the token on each."""
    return tx.execute(_BY_TOKEN, {"hash": secret_hash}).all()


def find_session_owner(tx: Tx, secret_hash: str) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return a session's active owner, a line per organization or group (at least one)."""
    return tx.execute(_BY_SESSION, {"hash": secret_hash}).all()


def find_person(tx: Tx, user_id: int) -> Sequence[Row[*tuple[Any, ...]]]:
    """Return an active account by its number, a line per organization or group (at least one)."""
    return tx.execute(_BY_NUMBER, {"number": user_id}).all()


def _tokens() -> Select[Any]:
    return select(*TOKEN_COLUMNS).join(accounts, accounts.c.id == tokens.c.user_id)


def token_from_row(row: Row[*tuple[Any, ...]]) -> TokenInfo:
    """Turn a row holding a token's columns into a `TokenInfo`."""
    return TokenInfo(**{column.name: getattr(row, column.name) for column in TOKEN_COLUMNS})


def get_token(tx: Tx, token_id: int) -> TokenInfo | None:
    """Return the token with this row number."""
    row = tx.execute(_tokens().where(tokens.c.id == token_id)).first()
    return None if row is None else token_from_row(row)


def get_token_by_hex_id(tx: Tx, hex_id: str) -> TokenInfo | None:
    """Return the token with this object id."""
    row = tx.execute(_tokens().where(tokens.c.hex_id == hex_id)).first()
    return None if row is None else token_from_row(row)


def get_token_by_hash(tx: Tx, secret_hash: str) -> TokenInfo | None:
    """Return the token with this secret."""
    row = tx.execute(_tokens().where(tokens.c.secret_hash == secret_hash)).first()
    return None if row is None else token_from_row(row)


def list_tokens(tx: Tx, user_id: int) -> list[TokenInfo]:
    """Return a user's tokens, the newest first."""
    return [
        token_from_row(row)
        for row in tx.execute(_tokens().where(tokens.c.user_id == user_id).order_by(tokens.c.id.desc()))
    ]


def insert_token(
    tx: Tx,
    *,
    user_id: int,
    display_name: str,
    kind: str,
    role: str,
    scopes: Mapping[str, object] | None,
    secret: str,
    at: datetime,
    expires_at: datetime | None,
    oauth_client_id: str | None = None,
    oauth_family: str | None = None,
) -> int:
    """Add a token and return its row number."""
    statement = insert(tokens).values(
        hex_id=ids.new_hex_id(),
        user_id=user_id,
        display_name=display_name,
        kind=kind,
        role=role,
        scopes=None if scopes is None else dict(scopes),
        oauth_client_id=oauth_client_id,
        oauth_family=oauth_family,
        secret_hash=ids.hash_secret(secret),
        hint=secret[-4:] if len(secret) > 12 else "",
        created_at=at,
        expires_at=expires_at,
    )
    return cast(int, tx.execute(statement.returning(tokens.c.id)).scalar_one())


def update_token(tx: Tx, token_id: int, **values: object) -> None:
    """Overwrite columns of a token."""
    tx.execute(update(tokens).where(tokens.c.id == token_id).values(**values))


def list_fine_grained(tx: Tx, *, after: int, limit: int) -> list[tuple[int, Mapping[str, object]]]:
    """Return the numbers and scopes of fine-grained tokens, by number, those after ``after``."""
    query = (
        select(tokens.c.id, tokens.c.scopes)
        .where(tokens.c.id > after, tokens.c.role == "fineGrained", tokens.c.scopes.is_not(None))
        .order_by(tokens.c.id)
        .limit(limit)
    )
    return [(row.id, row.scopes) for row in tx.execute(query)]


def delete_token(tx: Tx, token_id: int) -> str | None:
    """Remove a token; returns the OAuth sign-in it belonged to."""
    statement = delete(tokens).where(tokens.c.id == token_id).returning(tokens.c.oauth_family)
    family: str | None = tx.execute(statement).scalar_one_or_none()
    return family


def write_uses(tx: Tx, uses: Mapping[int, datetime]) -> None:
    """Write down when tokens were last used; tokens gone meanwhile are passed over."""
    statement = (
        update(tokens)
        .where(
            tokens.c.id == bindparam("token"),
            # Several replicas write: the later use stays.
            or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at < bindparam("used")),
        )
        .values(last_used_at=bindparam("used"))
    )
    tx.execute(statement, [{"token": token_id, "used": at} for token_id, at in sorted(uses.items())])


def delete_family(tx: Tx, family: str) -> None:
    """Remove every access and refresh token of one OAuth sign-in."""
    tx.execute(delete(tokens).where(tokens.c.oauth_family == family))
    tx.execute(delete(refresh_tokens).where(refresh_tokens.c.family == family))


def delete_credentials_of(tx: Tx, user_id: int) -> None:
    """Remove everything a user could act with: tokens, OAuth sign-ins and browser sessions."""
    tx.execute(delete(tokens).where(tokens.c.user_id == user_id))
    tx.execute(delete(refresh_tokens).where(refresh_tokens.c.user_id == user_id))
    delete_sessions_of(tx, user_id)


def insert_session(
    tx: Tx, *, secret_hash: str, user_id: int, user_agent: str, at: datetime, expires_at: datetime
) -> None:
    """Add a browser session."""
    tx.execute(
        insert(sessions).values(
            secret_hash=secret_hash,
            user_id=user_id,
            user_agent=user_agent[:300],
            created_at=at,
            expires_at=expires_at,
        )
    )


def delete_session(tx: Tx, secret_hash: str) -> None:
    """Remove a browser session."""
    tx.execute(delete(sessions).where(sessions.c.secret_hash == secret_hash))


def delete_sessions_of(tx: Tx, user_id: int, *, expired_at: datetime | None = None) -> None:
    """Remove a user's browser sessions; with ``expired_at`` only those that ended by then."""
    gone = delete(sessions).where(sessions.c.user_id == user_id)
    if expired_at is not None:
        gone = gone.where(sessions.c.expires_at <= expired_at)
    tx.execute(gone)

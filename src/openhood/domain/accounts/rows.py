"""Reading and writing the rows of accounts, memberships and invitations. No rules, no commits.

Credentials' rows are in `credential_rows`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Row, Select, and_, case, delete, func, insert, or_, select, update

from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts import group_rows, redirect_rows
from openhood.domain.accounts.types import Account, Counts, Member, Membership
from openhood.domain.accounts.visible_rows import visible_to
from openhood.infra import ids
from openhood.infra.db.engine import Tx, insert_ignore, upsert
from openhood.infra.db.tables import accounts, invitations, memberships, repos

_COLUMNS: tuple[Any, ...] = (
    accounts.c.id,
    accounts.c.hex_id,
    accounts.c.kind,
    accounts.c.name,
    accounts.c.fullname,
    accounts.c.email,
    accounts.c.email_verified,
    accounts.c.is_admin,
    accounts.c.is_active,
    accounts.c.avatar_url,
    accounts.c.details,
    accounts.c.default_visibility,
    accounts.c.created_at,
    accounts.c.settings,
    accounts.c.org_id,
)


def _account(row: Row[*tuple[Any, ...]]) -> Account:
    return Account(
        id=row.id,
        hex_id=row.hex_id,
        kind=row.kind,
        name=row.name,
        fullname=row.fullname,
        email=row.email,
        email_verified=row.email_verified,
        is_admin=row.is_admin,
        is_active=row.is_active,
        avatar_url=row.avatar_url,
        details=row.details,
        default_visibility=row.default_visibility,
        created_at=row.created_at,
        settings=row.settings,
        org_id=row.org_id,
    )


def get_account(tx: Tx, name: str) -> Account | None:
    """Return the user or organization called ``name`` in any case, deactivated ones too."""
    if "\0" in name:
        return None  # PostgreSQL refuses to be asked.
    row = tx.execute(select(*_COLUMNS).where(accounts.c.name_key == name.lower())).first()
    return None if row is None else _account(row)


def get_account_by_id(tx: Tx, account_id: int) -> Account | None:
    """Return the account with this row number."""
    row = tx.execute(select(*_COLUMNS).where(accounts.c.id == account_id)).first()
    return None if row is None else _account(row)


def get_account_by_hex_id(tx: Tx, hex_id: str) -> Account | None:
    """Return the account with this object id."""
    row = tx.execute(select(*_COLUMNS).where(accounts.c.hex_id == hex_id)).first()
    return None if row is None else _account(row)


def list_accounts_by_ids(tx: Tx, ids: Sequence[int]) -> dict[int, Account]:
    """Return the accounts with these row numbers, by number."""
    found = tx.execute(select(*_COLUMNS).where(accounts.c.id.in_(ids)))
    return {row.id: _account(row) for row in found}


def get_account_by_email(tx: Tx, email: str) -> Account | None:
    """Return the user with this (lower-case) e-mail address."""
    row = tx.execute(select(*_COLUMNS).where(accounts.c.email == email)).first()
    return None if row is None else _account(row)


def lock_account(tx: Tx, account_id: int) -> None:
    """Make other write units that lock the same account wait until this one ends."""
    tx.execute(select(accounts.c.id).where(accounts.c.id == account_id).with_for_update())


def insert_account(
    tx: Tx,
    *,
    kind: Literal["user", "org", "service"],
    name: str,
    fullname: str,
    email: str | None,
    password_hash: str | None,
    is_admin: bool,
    default_visibility: str,
    at: datetime,
    org_id: int | None = None,
) -> Account | None:
    """Add an account; None where the name is or was another's, or the e-mail address is taken."""
    statement = (
        insert_ignore(tx, accounts)
        .values(
            hex_id=ids.new_hex_id(),
            kind=kind,
            org_id=org_id,
            name=name,
            name_key=name.lower(),
            fullname=fullname,
            email=email,
            email_verified=False,
            password_hash=password_hash,
            is_admin=is_admin,
            is_active=True,
            settings={},
            default_visibility=default_visibility,
            created_at=at,
        )
        .returning(*_COLUMNS)
    )
    row = tx.execute(statement).first()
    # Asked afterwards: PostgreSQL made the insertion wait for whoever was just giving the name up.
    if row is not None and redirect_rows.get_holder(tx, name) is not None:
        tx.execute(delete(accounts).where(accounts.c.id == row.id))
        return None
    return None if row is None else _account(row)


def update_account(tx: Tx, account_id: int, **values: object) -> None:
    """Overwrite columns of an account."""
    tx.execute(update(accounts).where(accounts.c.id == account_id).values(**values))


def get_password_hash(tx: Tx, account_id: int) -> str | None:
    """Return the stored password hash, or None where no password is set."""
    found: str | None = tx.execute(
        select(accounts.c.password_hash).where(accounts.c.id == account_id)
    ).scalar_one_or_none()
    return found


def list_accounts(
    tx: Tx, *, kind: str | None, search: str | None, after: str | None, limit: int
) -> list[Account]:
    """Return accounts by name, those after the case-folded name ``after``."""
    query = select(*_COLUMNS).order_by(accounts.c.name_key).limit(limit)
    if kind is not None:
        query = query.where(accounts.c.kind == kind)
    if after is not None:
        query = query.where(accounts.c.name_key > after)
    if search:
        query = query.where(matches(search))
    return [_account(row) for row in tx.execute(query)]


def has_active_admin(tx: Tx) -> bool:
    """Tell whether somebody may administrate the hub."""
    query = select(accounts.c.id).where(accounts.c.is_admin, accounts.c.is_active).limit(1)
    return tx.execute(query).first() is not None


def count_active_admins(tx: Tx) -> int:
    """Return how many active users administrate the hub, and lock them until the unit ends."""
    query = select(accounts.c.id).where(accounts.c.is_admin, accounts.c.is_active).with_for_update()
    return len(tx.execute(query).all())


def get_role(tx: Tx, *, org_id: int, user_id: int) -> OrgRole | None:
    """Return a user's role in an organization; None for strangers."""
    label = tx.execute(
        select(memberships.c.role).where(memberships.c.org_id == org_id, memberships.c.user_id == user_id)
    ).scalar_one_or_none()
    return None if label is None else OrgRole.from_label(label)


def set_role(tx: Tx, *, org_id: int, user_id: int, role: OrgRole, at: datetime) -> None:
    """Add or change a membership; who is new joins the resource groups that take everybody in."""
    if get_role(tx, org_id=org_id, user_id=user_id) is None:
        group_rows.join_by_itself(tx, org_id=org_id, user_id=user_id, at=at)
    tx.execute(
        upsert(tx, memberships, key=["org_id", "user_id"], update=["role"]).values(
            org_id=org_id, user_id=user_id, role=role.label, created_at=at
        )
    )


def delete_membership(tx: Tx, *, org_id: int, user_id: int) -> bool:
    """Remove a membership and the roles in resource groups; tells whether there was one."""
    group_rows.leave_all(tx, org_id=org_id, user_id=user_id)
    gone = delete(memberships).where(memberships.c.org_id == org_id, memberships.c.user_id == user_id)
    return tx.execute(gone).rowcount > 0


def count_org_admins(tx: Tx, org_id: int) -> int:
    """Return how many active members administrate an organization."""
    query = (
        select(func.count())
        .select_from(memberships.join(accounts, accounts.c.id == memberships.c.user_id))
        .where(memberships.c.org_id == org_id, memberships.c.role == "admin", accounts.c.is_active)
    )
    return tx.execute(query).scalar_one()


def list_members(
    tx: Tx, org_id: int, *, search: str | None, email: str | None, after: str | None, limit: int
) -> list[Member]:
    """Return the people who are active members of an organization by name, no service accounts."""
    query = (
        select(*_COLUMNS, memberships.c.role)
        .join(memberships, accounts.c.id == memberships.c.user_id)
        .where(memberships.c.org_id == org_id, accounts.c.is_active, accounts.c.kind == "user")
        .order_by(accounts.c.name_key)
        .limit(limit)
    )
    if after is not None:
        query = query.where(accounts.c.name_key > after)
    if email:
        query = query.where(accounts.c.email == email.lower())
    if search:
        query = query.where(matches(search))
    return [
        Member(_account(row), OrgRole.from_label(row.role) or OrgRole.NO_ACCESS) for row in tx.execute(query)
    ]


def count_members(tx: Tx, org_id: int) -> int:
    """Return how many people are active members of an organization."""
    query = (
        select(func.count())
        .select_from(memberships.join(accounts, accounts.c.id == memberships.c.user_id))
        .where(memberships.c.org_id == org_id, accounts.c.is_active, accounts.c.kind == "user")
    )
    return tx.execute(query).scalar_one()


def list_service_accounts(tx: Tx, org_id: int) -> list[Member]:
    """Return the active service accounts of an organization by name."""
    query = (
        select(*_COLUMNS, memberships.c.role)
        .join(
            memberships,
            and_(memberships.c.user_id == accounts.c.id, memberships.c.org_id == accounts.c.org_id),
        )
        .where(accounts.c.org_id == org_id, accounts.c.kind == "service", accounts.c.is_active)
        .order_by(accounts.c.name_key)
    )
    return [
        Member(_account(row), OrgRole.from_label(row.role) or OrgRole.NO_ACCESS) for row in tx.execute(query)
    ]


def count_service_accounts(tx: Tx, org_id: int) -> int:
    """Return how many active service accounts an organization has."""
    query = (
        select(func.count())
        .select_from(accounts)
        .where(accounts.c.org_id == org_id, accounts.c.kind == "service", accounts.c.is_active)
    )
    return tx.execute(query).scalar_one()


def list_memberships(tx: Tx, user_id: int) -> tuple[Membership, ...]:
    """Return the organizations of a user by name."""
    query = (
        select(*_COLUMNS, memberships.c.role)
        .join(memberships, accounts.c.id == memberships.c.org_id)
        .where(memberships.c.user_id == user_id, accounts.c.is_active)
        .order_by(accounts.c.name_key)
    )
    return tuple(
        Membership(_account(row), OrgRole.from_label(row.role) or OrgRole.NO_ACCESS)
        for row in tx.execute(query)
    )


def count_repos(tx: Tx, viewer: Viewer, owner_id: int) -> Counts:
    """Return how many repositories of a namespace the viewer may know of, by type."""
    query: Select[Any] = select(
        *(func.sum(case((repos.c.type == kind, 1), else_=0)) for kind in ("model", "dataset", "space"))
    ).where(repos.c.owner_id == owner_id, visible_to(viewer))
    row = tx.execute(query).one()
    return Counts(*(int(value or 0) for value in row))


def insert_invitation(
    tx: Tx,
    *,
    secret_hash: str,
    kind: Literal["setup", "signup"],
    created_by: int | None,
    email: str | None,
    at: datetime,
    expires_at: datetime,
) -> None:
    """Add an invitation."""
    tx.execute(
        insert(invitations).values(
            secret_hash=secret_hash,
            kind=kind,
            created_by=created_by,
            email=email,
            created_at=at,
            expires_at=expires_at,
        )
    )


def is_invitation_open(tx: Tx, secret_hash: str, *, kind: Literal["setup", "signup"], now: datetime) -> bool:
    """Tell whether an invitation exists, is unused and has not expired."""
    query = select(invitations.c.id).where(
        invitations.c.secret_hash == secret_hash, _open_invitation(kind, now)
    )
    return tx.execute(query).first() is not None


def use_invitation(tx: Tx, secret_hash: str, *, kind: Literal["setup", "signup"], now: datetime) -> bool:
    """Mark an open invitation as used; False where it is not open, so that only one caller wins."""
    statement = (
        update(invitations)
        .where(invitations.c.secret_hash == secret_hash, _open_invitation(kind, now))
        .values(used_at=now)
    )
    return tx.execute(statement).rowcount == 1


def close_setup_invitations(tx: Tx, *, now: datetime) -> None:
    """Make every other link to create the first administrator useless."""
    tx.execute(
        update(invitations)
        .where(invitations.c.kind == "setup", invitations.c.used_at.is_(None))
        .values(used_at=now)
    )


def delete_expired_invitations(tx: Tx, *, now: datetime) -> None:
    """Remove invitations nobody can use any more."""
    tx.execute(delete(invitations).where(invitations.c.expires_at < now))


def _open_invitation(
    kind: str, now: datetime
) -> Any:  # Any: SQLAlchemy's boolean clauses share no useful base
    return and_(invitations.c.kind == kind, invitations.c.used_at.is_(None), invitations.c.expires_at > now)


def matches(search: str) -> Any:  # Any: as above
    """Return the condition that a name or full name contains a text, in any case."""
    needle = search.lower()
    return or_(
        accounts.c.name_key.contains(needle, autoescape=True),
        func.lower(accounts.c.fullname).contains(needle, autoescape=True),
    )


def list_hex_ids(tx: Tx, names: Sequence[str]) -> dict[str, str]:
    """Return the object ids of accounts by their case-folded names."""
    query = select(accounts.c.name_key, accounts.c.hex_id).where(
        accounts.c.name_key.in_([name.lower() for name in names])
    )
    return {row.name_key: row.hex_id for row in tx.execute(query)}

"""Reading and writing the rows of invitations into organizations. No rules, no commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, delete, func, insert, or_, select

from openhood.domain.access import OrgRole
from openhood.domain.accounts import rows
from openhood.domain.accounts.types import Account, GroupRole, OrgInvitation
from openhood.infra import ids
from openhood.infra.db.engine import Tx
from openhood.infra.db.identity_tables import org_invitations


def insert_invitation(
    tx: Tx,
    *,
    org_id: int,
    user_id: int | None,
    email: str | None,
    role: OrgRole,
    groups: Sequence[GroupRole],
    invited_by: int | None,
    at: datetime,
    expires_at: datetime,
) -> str:
    """Add an invitation in place of an earlier one of the same person; returns its object id."""
    same = org_invitations.c.email == email if user_id is None else org_invitations.c.user_id == user_id
    tx.execute(delete(org_invitations).where(org_invitations.c.org_id == org_id, same))
    hex_id = ids.new_hex_id()
    tx.execute(
        insert(org_invitations).values(
            hex_id=hex_id,
            org_id=org_id,
            user_id=user_id,
            email=email,
            role=role.label,
            resource_groups=[{"id": each.group, "role": each.role.label} for each in groups],
            invited_by=invited_by,
            created_at=at,
            expires_at=expires_at,
        )
    )
    return hex_id


def get_invitation(tx: Tx, hex_id: str, *, now: datetime) -> OrgInvitation | None:
    """Return the open invitation with this object id."""
    found = _read(tx, _open(now).where(org_invitations.c.hex_id == hex_id))
    return found[0] if found else None


def list_of_org(tx: Tx, org_id: int, *, after: str | None, limit: int, now: datetime) -> list[OrgInvitation]:
    """Return an organization's open invitations by object id, which is by age."""
    query = _open(now).where(org_invitations.c.org_id == org_id)
    if after is not None:
        query = query.where(org_invitations.c.hex_id > after)
    return _read(tx, query.order_by(org_invitations.c.hex_id).limit(limit))


def list_of_person(
    tx: Tx, user_id: int, *, email: str | None, limit: int, now: datetime
) -> list[OrgInvitation]:
    """Return the open invitations of a user, and of the (checked) address ``email``."""
    theirs = org_invitations.c.user_id == user_id
    if email is not None:
        theirs = or_(theirs, and_(org_invitations.c.user_id.is_(None), org_invitations.c.email == email))
    return _read(tx, _open(now).where(theirs).order_by(org_invitations.c.hex_id).limit(limit))


def count_open(tx: Tx, org_id: int, *, now: datetime) -> int:
    """Return how many open invitations an organization has."""
    query = (
        select(func.count())
        .select_from(org_invitations)
        .where(org_invitations.c.org_id == org_id, org_invitations.c.expires_at > now)
    )
    return tx.execute(query).scalar_one()


def delete_invitation(tx: Tx, hex_id: str) -> bool:
    """Remove an invitation; tells whether it was there, so that only one caller uses it."""
    return tx.execute(delete(org_invitations).where(org_invitations.c.hex_id == hex_id)).rowcount > 0


def delete_of_member(tx: Tx, *, org_id: int, user_id: int) -> None:
    """Remove the invitation of somebody who is a member now."""
    tx.execute(
        delete(org_invitations).where(
            org_invitations.c.org_id == org_id, org_invitations.c.user_id == user_id
        )
    )


def delete_expired(tx: Tx, org_id: int, *, now: datetime) -> None:
    """Remove the invitations of an organization that nobody can accept any more."""
    tx.execute(
        delete(org_invitations).where(org_invitations.c.org_id == org_id, org_invitations.c.expires_at <= now)
    )


def _open(now: datetime) -> Select[Any]:
    return select(org_invitations).where(org_invitations.c.expires_at > now)


def _read(tx: Tx, query: Select[Any]) -> list[OrgInvitation]:
    found = tx.execute(query).all()
    numbers = {number for row in found for number in (row.org_id, row.user_id, row.invited_by) if number}
    accounts = rows.list_accounts_by_ids(tx, list(numbers)) if numbers else {}
    return [_invitation(row, accounts) for row in found if row.org_id in accounts]


def _invitation(row: Row[*tuple[Any, ...]], accounts: dict[int, Account]) -> OrgInvitation:
    inviter = accounts.get(row.invited_by)
    return OrgInvitation(
        hex_id=row.hex_id,
        org=accounts[row.org_id],
        user=accounts.get(row.user_id),
        email=row.email,
        role=OrgRole.from_label(row.role) or OrgRole.NO_ACCESS,
        groups=tuple(
            GroupRole(each["id"], OrgRole.from_label(each["role"]) or OrgRole.READ)
            for each in row.resource_groups
        ),
        invited_by=None if inviter is None else inviter.name,
        created_at=row.created_at,
        expires_at=row.expires_at,
    )

"""Reading and writing the rows of resource groups: who is in them, and which repositories. No rules, no commits.

What accounts look like is in `rows`; here they are numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, delete, func, insert, literal, select, update

from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts.types import ResourceGroup
from openhood.domain.accounts.visible_rows import visible_to
from openhood.infra import ids
from openhood.infra.db.engine import Tx, insert_ignore, upsert
from openhood.infra.db.identity_tables import resource_group_members, resource_groups
from openhood.infra.db.tables import repos

_MEMBERS = resource_group_members


@dataclass(frozen=True, slots=True)
class GroupedRepo:
    """A repository as a list of its resource group shows it."""

    type: str
    name: str
    is_private: bool


def get_group(tx: Tx, org_id: int, hex_id: str) -> ResourceGroup | None:
    """Return the group of an organization with this object id."""
    query = select(resource_groups).where(
        resource_groups.c.hex_id == hex_id, resource_groups.c.org_id == org_id
    )
    row = tx.execute(query).first()
    return None if row is None else _group(row)


def list_groups_by_number(tx: Tx, numbers: Sequence[int]) -> dict[int, ResourceGroup]:
    """Return groups by their row numbers."""
    found = tx.execute(select(resource_groups).where(resource_groups.c.id.in_(numbers)))
    return {row.id: _group(row) for row in found}


def list_groups(
    tx: Tx, org_id: int, *, of_user: int | None, after: str | None, limit: int
) -> list[ResourceGroup]:
    """Return an organization's groups by name, only those ``of_user`` is in if that is given."""
    query = select(resource_groups).where(resource_groups.c.org_id == org_id)
    if of_user is not None:
        query = query.where(
            resource_groups.c.id.in_(select(_MEMBERS.c.group_id).where(_MEMBERS.c.user_id == of_user))
        )
    if after is not None:
        query = query.where(resource_groups.c.name_key > after)
    return [_group(row) for row in tx.execute(query.order_by(resource_groups.c.name_key).limit(limit))]


def count_groups(tx: Tx, org_id: int) -> int:
    """Return how many groups an organization has."""
    query = select(func.count()).select_from(resource_groups).where(resource_groups.c.org_id == org_id)
    return tx.execute(query).scalar_one()


def insert_group(
    tx: Tx, *, org_id: int, name: str, description: str, auto_join_role: OrgRole | None, at: datetime
) -> ResourceGroup | None:
    """Add a group; None where the organization has one of this name."""
    statement = insert_ignore(tx, resource_groups).values(
        hex_id=ids.new_hex_id(),
        org_id=org_id,
        name=name,
        name_key=name.lower(),
        description=description,
        auto_join_role=None if auto_join_role is None else auto_join_role.label,
        created_at=at,
    )
    row = tx.execute(statement.returning(*resource_groups.c)).first()
    return None if row is None else _group(row)


def update_group(tx: Tx, group_id: int, **values: object) -> None:
    """Overwrite columns of a group. Raises IntegrityError where the name is taken."""
    tx.execute(update(resource_groups).where(resource_groups.c.id == group_id).values(**values))


def has_other(tx: Tx, org_id: int, name: str, *, than: int) -> bool:
    """Tell whether another group of the organization has this name, in any case."""
    query = select(resource_groups.c.id).where(
        resource_groups.c.org_id == org_id,
        resource_groups.c.name_key == name.lower(),
        resource_groups.c.id != than,
    )
    return tx.execute(query).first() is not None


def delete_group(tx: Tx, group_id: int) -> int:
    """Remove a group and the roles in it; its repositories stay, without one. Returns how many those are."""
    freed = tx.execute(
        update(repos).where(repos.c.resource_group_id == group_id).values(resource_group_id=None)
    )
    tx.execute(delete(resource_groups).where(resource_groups.c.id == group_id))
    return freed.rowcount


# --- who is in them --------------------------------------------------------------------------------


def list_roles(tx: Tx, group_id: int, *, after: int, limit: int) -> dict[int, OrgRole]:
    """Return the roles in a group by account number, those after the number ``after``."""
    query = (
        select(_MEMBERS.c.user_id, _MEMBERS.c.role)
        .where(_MEMBERS.c.group_id == group_id, _MEMBERS.c.user_id > after)
        .order_by(_MEMBERS.c.user_id)
        .limit(limit)
    )
    return {row.user_id: OrgRole.from_label(row.role) or OrgRole.NO_ACCESS for row in tx.execute(query)}


def count_members(tx: Tx, group_ids: Sequence[int]) -> dict[int, int]:
    """Return how many accounts are in each of some groups; groups without any are left out."""
    query = (
        select(_MEMBERS.c.group_id, func.count())
        .where(_MEMBERS.c.group_id.in_(group_ids))
        .group_by(_MEMBERS.c.group_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def set_role(tx: Tx, *, group_id: int, user_id: int, role: OrgRole, at: datetime) -> None:
    """Add somebody to a group, or change the role."""
    tx.execute(
        upsert(tx, _MEMBERS, key=["group_id", "user_id"], update=["role"]).values(
            group_id=group_id, user_id=user_id, role=role.label, created_at=at
        )
    )


def get_role(tx: Tx, *, group_id: int, user_id: int) -> OrgRole | None:
    """Return somebody's role in a group; None for who is not in it."""
    label = tx.execute(
        select(_MEMBERS.c.role).where(_MEMBERS.c.group_id == group_id, _MEMBERS.c.user_id == user_id)
    ).scalar_one_or_none()
    return None if label is None else OrgRole.from_label(label)


def delete_role(tx: Tx, *, group_id: int, user_id: int) -> bool:
    """Take somebody out of a group; tells whether they were in it."""
    gone = delete(_MEMBERS).where(_MEMBERS.c.group_id == group_id, _MEMBERS.c.user_id == user_id)
    return tx.execute(gone).rowcount > 0


def join_by_itself(tx: Tx, *, org_id: int, user_id: int, at: datetime) -> None:
    """Put a new member of an organization into the groups that take everybody in."""
    joined = select(
        resource_groups.c.id,
        literal(user_id),
        resource_groups.c.auto_join_role,
        literal(at, type_=_MEMBERS.c.created_at.type),
    ).where(
        resource_groups.c.org_id == org_id,
        resource_groups.c.auto_join_role.is_not(None),
        resource_groups.c.id.not_in(select(_MEMBERS.c.group_id).where(_MEMBERS.c.user_id == user_id)),
    )
    tx.execute(insert(_MEMBERS).from_select(["group_id", "user_id", "role", "created_at"], joined))


def leave_all(tx: Tx, *, org_id: int, user_id: int) -> None:
    """Take somebody out of every group of an organization."""
    groups = select(resource_groups.c.id).where(resource_groups.c.org_id == org_id)
    tx.execute(delete(_MEMBERS).where(_MEMBERS.c.user_id == user_id, _MEMBERS.c.group_id.in_(groups)))


# --- what is in them -------------------------------------------------------------------------------


def list_repos(tx: Tx, viewer: Viewer, group_id: int, *, limit: int) -> list[GroupedRepo]:
    """Return the repositories of a group that the viewer may know of, by name."""
    query = (
        select(repos.c.type, repos.c.namespace, repos.c.name, repos.c.visibility)
        .where(repos.c.resource_group_id == group_id, visible_to(viewer))
        .order_by(repos.c.name_key, repos.c.id)
        .limit(limit)
    )
    return [
        GroupedRepo(row.type, f"{row.namespace}/{row.name}", row.visibility == "private")
        for row in tx.execute(query)
    ]


def count_repos(tx: Tx, group_ids: Sequence[int]) -> Mapping[int, int]:
    """Return how many repositories are in each of some groups; groups without any are left out."""
    query = (
        select(repos.c.resource_group_id, func.count())
        .where(repos.c.resource_group_id.in_(group_ids))
        .group_by(repos.c.resource_group_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)}


def _group(row: Row[*tuple[Any, ...]]) -> ResourceGroup:
    return ResourceGroup(
        id=row.id,
        hex_id=row.hex_id,
        org_id=row.org_id,
        name=row.name,
        description=row.description,
        auto_join_role=None if row.auto_join_role is None else OrgRole.from_label(row.auto_join_role),
        created_at=row.created_at,
    )

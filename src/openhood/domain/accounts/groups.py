"""Resource groups: parts of an organization's repositories that have members and roles of their own.

Putting repositories into them is in `repos.grouping`; what a role allows is decided by `access`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openhood.base.errors import BadRequest, Conflict, Forbidden, NotFound
from openhood.domain import audit
from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts import group_rows, rows
from openhood.domain.accounts.group_rows import GroupedRepo
from openhood.domain.accounts.rules import (
    check_line,
    get_org,
    may_administrate,
    require_org_admin,
    require_org_member,
    require_org_permission,
)
from openhood.domain.accounts.types import Account, GroupRole, Member, ResourceGroup
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_GROUPS = 1000
MAX_SHOWN = 100
"""So many members and repositories are shown with a group; further members are asked for page by page."""
MAX_AT_ONCE = 1000
PERMISSION = "resourceGroup.write"
ROLES = (OrgRole.READ, OrgRole.CONTRIBUTOR, OrgRole.WRITE, OrgRole.ADMIN)


@dataclass(frozen=True, slots=True)
class GroupPage:
    """A group with its first members and repositories, and how many there are of both."""

    group: ResourceGroup
    members: tuple[Member, ...]
    repos: tuple[GroupedRepo, ...]
    member_count: int
    repo_count: int


@dataclass(frozen=True, slots=True)
class Grant:
    """Somebody's role in a group, by name."""

    user: str
    role: OrgRole


def list_groups(sv: Services, viewer: Viewer, *, org: str, after: str | None, limit: int) -> list[GroupPage]:
    """Return an organization's groups by name: all for its administrators, for others those they are in.

    ``after`` is the last name of the page before. Opens a read unit. Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        require_org_member(viewer, organization, permission=PERMISSION)
        found = group_rows.list_groups(
            tx,
            organization.id,
            of_user=None if may_administrate(viewer, organization) else viewer.user_id,
            after=None if after is None else after.lower(),
            limit=limit,
        )
        return [_page(tx, viewer, each) for each in found]


def see_group(sv: Services, viewer: Viewer, *, org: str, group: str) -> GroupPage:
    """Return one group. Opens a read unit. Raises: NotFound (also for who is not in it), Unauthorized, Forbidden."""
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        require_org_member(viewer, organization, permission=PERMISSION)
        found = find_group(tx, organization, group)
        if not may_administrate(viewer, organization) and found.id not in viewer.group_roles:
            raise _no_group(organization, group)
        return _page(tx, viewer, found)


def list_group_members(
    sv: Services, viewer: Viewer, *, org: str, group: str, after: int, limit: int
) -> list[Member]:
    """Return the members of a group in the order of their numbers, those after ``after``. Opens a read unit.

    Raises: what `see_group` raises.
    """
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        require_org_member(viewer, organization, permission=PERMISSION)
        found = find_group(tx, organization, group)
        if not may_administrate(viewer, organization) and found.id not in viewer.group_roles:
            raise _no_group(organization, group)
        return _members(tx, found, after=after, limit=limit)


def create_group(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    name: str,
    description: str = "",
    users: Sequence[Grant] = (),
    auto_join_role: OrgRole | None = None,
) -> GroupPage:
    """Create a group, as an administrator of the organization. Opens a write unit.

    ``auto_join_role``: what everybody who joins the organization from now on becomes in it.
    Raises: NotFound, Unauthorized, Forbidden, BadRequest, Conflict for a name in use.
    """
    checked = check_name(name)
    about = check_line(description, "description", 500)
    role = None if auto_join_role is None else check_role(auto_join_role)
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization, permission=PERMISSION)
        if group_rows.count_groups(tx, organization.id) >= MAX_GROUPS:
            raise BadRequest(f"An organization can have {MAX_GROUPS} resource groups.")
        group = group_rows.insert_group(
            tx, org_id=organization.id, name=checked, description=about, auto_join_role=role, at=now
        )
        if group is None:
            raise _taken(organization, checked)
        _set_roles(tx, organization, group, users, at=now)
        _record(tx, viewer, organization, group, "resource_group.create", at=now)
        return _page(tx, viewer, group)


def update_group(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    group: str,
    name: str | None = None,
    description: str | None = None,
) -> GroupPage:
    """Change a group's name or description; None leaves one as it is. Opens a write unit.

    Administrators of the group may. Raises: NotFound, Unauthorized, Forbidden, BadRequest, Conflict.
    """
    values: dict[str, object] = {}
    if name is not None:
        checked = check_name(name)
        values |= {"name": checked, "name_key": checked.lower()}
    if description is not None:
        values["description"] = check_line(description, "description", 500)
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization, found = _find_for_admin(tx, viewer, org, group)
        rows.lock_account(tx, organization.id)
        if name is not None and group_rows.has_other(tx, organization.id, checked, than=found.id):
            raise _taken(organization, checked)
        if values:
            group_rows.update_group(tx, found.id, **values)
            _record(tx, viewer, organization, found, "resource_group.update", at=now, changed=sorted(values))
        return _page(tx, viewer, find_group(tx, organization, group))


def set_auto_join(sv: Services, viewer: Viewer, *, org: str, group: str, role: OrgRole | None) -> GroupPage:
    """Say what who joins the organization from now on becomes in the group; None: nothing. Opens a write unit.

    Members of today stay as they are. Raises: NotFound, Unauthorized, Forbidden, BadRequest.
    """
    checked = None if role is None else check_role(role)
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization, found = _find_for_admin(tx, viewer, org, group)
        label = None if checked is None else checked.label
        group_rows.update_group(tx, found.id, auto_join_role=label)
        _record(tx, viewer, organization, found, "resource_group.auto_join", at=now, role=label)
        return _page(tx, viewer, find_group(tx, organization, group))


def delete_group(sv: Services, viewer: Viewer, *, org: str, group: str) -> None:
    """Remove a group, as an administrator of the organization. Opens a write unit.

    Its repositories stay and are those of the whole organization again. Raises: NotFound, Unauthorized, Forbidden.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization, permission=PERMISSION)
        found = find_group(tx, organization, group)
        freed = group_rows.delete_group(tx, found.id)
        _record(tx, viewer, organization, found, "resource_group.delete", at=now, repositories=freed)


def set_members(
    sv: Services, viewer: Viewer, *, org: str, group: str, users: Sequence[Grant], known_only: bool
) -> GroupPage:
    """Add members of the organization to a group, or change their roles in it. Opens a write unit.

    ``known_only``: change roles of who is in it already. Administrators of the group may.
    Raises: NotFound, Unauthorized, Forbidden, BadRequest for who is no member of the organization.
    """
    if not 0 < len(users) <= MAX_AT_ONCE:
        raise BadRequest(f"Name 1 to {MAX_AT_ONCE} users.")
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization, found = _find_for_admin(tx, viewer, org, group)
        for grant in users:
            account = rows.get_account(tx, grant.user)
            is_in = account is not None and group_rows.get_role(tx, group_id=found.id, user_id=account.id)
            if known_only and not is_in:
                raise NotFound(f"{grant.user[:96]!r} is not in the resource group {found.name!r}.")
        _set_roles(tx, organization, found, users, at=now)
        _record(
            tx,
            viewer,
            organization,
            found,
            "resource_group.set_members",
            at=now,
            users={grant.user: grant.role.label for grant in users},
        )
        return _page(tx, viewer, found)


def remove_member(sv: Services, viewer: Viewer, *, org: str, group: str, user: str) -> None:
    """Take somebody out of a group; people may leave by themselves. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        found = find_group(tx, organization, group)
        account = rows.get_account(tx, user)
        if account is not None and account.id == viewer.user_id:
            require_org_permission(viewer, organization, permission=PERMISSION)
        else:
            _require_group_admin(viewer, organization, found)
        if account is None or not group_rows.delete_role(tx, group_id=found.id, user_id=account.id):
            raise NotFound(f"{user[:96]!r} is not in the resource group {found.name!r}.")
        _record(tx, viewer, organization, found, "resource_group.remove_member", at=now, user=account.name)


# --- in the units of other actions --------------------------------------------------------------------


def find_group(tx: Tx, org: Account, group: str) -> ResourceGroup:
    """Return an organization's group by its object id. Raises NotFound."""
    found = group_rows.get_group(tx, org.id, group.lower()) if "\0" not in group else None
    if found is None:
        raise _no_group(org, group)
    return found


def has_group(tx: Tx, org: Account, group: str) -> bool:
    """Tell whether an organization still has a group."""
    return group_rows.get_group(tx, org.id, group) is not None


def give_roles(tx: Tx, org: Account, user: Account, grants: Sequence[GroupRole], *, at: datetime) -> None:
    """Give one member roles in several groups, each named by its object id. Raises NotFound, BadRequest."""
    for grant in grants:
        group = find_group(tx, org, grant.group)
        group_rows.set_role(
            tx, group_id=group.id, user_id=user.id, role=_role_for(user, check_role(grant.role)), at=at
        )


def check_role(role: OrgRole) -> OrgRole:
    """Return a role if there is such a one in groups. Raises BadRequest."""
    if role not in ROLES:
        allowed = ", ".join(each.label for each in ROLES)
        raise BadRequest(f"There is no role {role.label!r} in a resource group. Allowed: {allowed}.")
    return role


def check_name(name: str) -> str:
    """Return a group's name on one line. Raises BadRequest."""
    checked = check_line(name, "name of a resource group", 96)
    if not checked:
        raise BadRequest("A resource group must have a name.")
    return checked


def may_manage(viewer: Viewer, org: Account, group_id: int) -> bool:
    """Tell whether the viewer administrates a group: as its administrator, or the organization's."""
    return may_administrate(viewer, org) or viewer.role_at(org.id, group_id) is OrgRole.ADMIN


def _set_roles(tx: Tx, org: Account, group: ResourceGroup, users: Sequence[Grant], *, at: datetime) -> None:
    for grant in users:
        account = rows.get_account(tx, grant.user)
        if account is None or rows.get_role(tx, org_id=org.id, user_id=account.id) is None:
            raise BadRequest(f"{grant.user[:96]!r} is not a member of {org.name}. Invite them first.")
        group_rows.set_role(
            tx,
            group_id=group.id,
            user_id=account.id,
            role=_role_for(account, check_role(grant.role)),
            at=at,
        )


def _role_for(account: Account, role: OrgRole) -> OrgRole:
    if account.is_service and role is OrgRole.ADMIN:
        raise BadRequest(f"{account.name} is a service account and cannot be an administrator.")
    return role


def _find_for_admin(tx: Tx, viewer: Viewer, org: str, group: str) -> tuple[Account, ResourceGroup]:
    organization = get_org(tx, org)
    require_org_member(viewer, organization, permission=PERMISSION)
    found = find_group(tx, organization, group)
    _require_group_admin(viewer, organization, found)
    return organization, found


def _require_group_admin(viewer: Viewer, org: Account, group: ResourceGroup) -> None:
    require_org_permission(viewer, org, permission=PERMISSION)
    if not may_manage(viewer, org, group.id):
        raise Forbidden(f"Only an administrator of the resource group {group.name!r} may do this.")


def _page(tx: Tx, viewer: Viewer, group: ResourceGroup) -> GroupPage:
    return GroupPage(
        group=group,
        members=tuple(_members(tx, group, after=0, limit=MAX_SHOWN)),
        repos=tuple(group_rows.list_repos(tx, viewer, group.id, limit=MAX_SHOWN)),
        member_count=group_rows.count_members(tx, [group.id]).get(group.id, 0),
        repo_count=group_rows.count_repos(tx, [group.id]).get(group.id, 0),
    )


def _members(tx: Tx, group: ResourceGroup, *, after: int, limit: int) -> list[Member]:
    roles = group_rows.list_roles(tx, group.id, after=after, limit=limit)
    accounts = rows.list_accounts_by_ids(tx, list(roles))
    return [Member(accounts[number], role) for number, role in roles.items() if number in accounts]


def _no_group(org: Account, group: str) -> NotFound:
    return NotFound(f"{org.name} has no resource group {group[:40]!r}.")


def _taken(org: Account, name: str) -> Conflict:
    return Conflict(f"{org.name} has a resource group called {name!r} already.")


_Action = Literal[
    "resource_group.create",
    "resource_group.update",
    "resource_group.delete",
    "resource_group.auto_join",
    "resource_group.set_members",
    "resource_group.remove_member",
]


def _record(
    tx: Tx,
    viewer: Viewer,
    org: Account,
    group: ResourceGroup,
    action: _Action,
    *,
    at: datetime,
    **details: object,
) -> None:
    audit.record(
        tx,
        at=at,
        actor=viewer.name,
        action=action,
        subject=org.name,
        owner_id=org.id,
        group=group.name,
        group_id=group.hex_id,
        **details,
    )

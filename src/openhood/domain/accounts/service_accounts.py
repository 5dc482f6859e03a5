"""Service accounts: what acts for an organization without being a person, through tokens alone.

They are members of the organization they belong to and of no other, cannot be its administrators, and have no
password, no e-mail address and no namespace. Their tokens are made in `tokens`.
"""

from __future__ import annotations

from collections.abc import Sequence

from openhood.base.errors import BadRequest, NotFound
from openhood.base.names import check_account_name
from openhood.domain import audit
from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts import credential_rows, groups, rows
from openhood.domain.accounts.rules import check_fullname, get_org, require_org_admin, taken
from openhood.domain.accounts.types import Account, GroupRole, Member, TokenInfo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_PER_ORG = 200
READING = "org.serviceAccounts.read"
WRITING = "org.serviceAccounts.write"


def create(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    name: str,
    fullname: str = "",
    role: OrgRole,
    resource_groups: Sequence[GroupRole] = (),
) -> Member:
    """Create a service account of an organization. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, InvalidName, BadRequest, Conflict for a name in use.
    """
    checked = check_account_name(name)
    _check_role(role)
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization, permission=WRITING)
        rows.lock_account(tx, organization.id)
        if rows.count_service_accounts(tx, organization.id) >= MAX_PER_ORG:
            raise BadRequest(f"An organization can have {MAX_PER_ORG} service accounts.")
        account = rows.insert_account(
            tx,
            kind="service",
            name=checked,
            fullname=check_fullname(fullname),
            email=None,
            password_hash=None,
            is_admin=False,
            default_visibility=organization.default_visibility,
            at=now,
            org_id=organization.id,
        )
        if account is None:
            raise taken(tx, checked)
        rows.set_role(tx, org_id=organization.id, user_id=account.id, role=role, at=now)
        groups.give_roles(tx, organization, account, resource_groups, at=now)
        _record(sv, tx, viewer, organization, account, "service_account.create", role=role.label)
    return Member(account, role)


def list_all(sv: Services, viewer: Viewer, *, org: str) -> list[Member]:
    """Return an organization's service accounts by name. Opens a read unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization, permission=READING)
        return rows.list_service_accounts(tx, organization.id)


def set_role(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    name: str,
    role: OrgRole,
    resource_groups: Sequence[GroupRole] = (),
) -> Member:
    """Change a service account's role, and those in groups that are named. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, BadRequest.
    """
    _check_role(role)
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization, account = find(tx, viewer, org=org, name=name)
        rows.set_role(tx, org_id=organization.id, user_id=account.id, role=role, at=now)
        groups.give_roles(tx, organization, account, resource_groups, at=now)
        _record(sv, tx, viewer, organization, account, "service_account.set_role", role=role.label)
    return Member(account, role)


def delete(sv: Services, viewer: Viewer, *, org: str, name: str) -> None:
    """Close a service account: its tokens and roles end, its name stays. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.write() as tx:
        organization, account = find(tx, viewer, org=org, name=name)
        rows.update_account(tx, account.id, is_active=False)
        credential_rows.delete_credentials_of(tx, account.id)
        rows.delete_membership(tx, org_id=organization.id, user_id=account.id)
        _record(sv, tx, viewer, organization, account, "service_account.delete")


def list_tokens(sv: Services, viewer: Viewer, *, org: str, name: str) -> list[TokenInfo]:
    """Return a service account's tokens, the newest first, without their secrets. Opens a read unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.read() as tx:
        _organization, account = find(tx, viewer, org=org, name=name)
        return credential_rows.list_tokens(tx, account.id)


def find(tx: Tx, viewer: Viewer, *, org: str, name: str) -> tuple[Account, Account]:
    """Return an organization and a service account of it, for its administrators; in the caller's unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    organization = get_org(tx, org)
    require_org_admin(viewer, organization, permission=WRITING)
    account = rows.get_account(tx, name)
    if account is None or account.org_id != organization.id or not account.is_active:
        raise NotFound(f"{organization.name} has no service account called {name[:96]!r}.")
    return organization, account


def _check_role(role: OrgRole) -> None:
    if role is OrgRole.ADMIN:
        raise BadRequest("A service account cannot be an administrator. Give it the role 'write'.")


def _record(
    sv: Services,
    tx: Tx,
    viewer: Viewer,
    org: Account,
    account: Account,
    action: str,
    **details: object,
) -> None:
    audit.record(
        tx,
        at=sv.clock.now(),
        actor=viewer.name,
        action=action,
        subject=account.name,
        owner_id=org.id,
        **details,
    )

"""Creating, changing, listing and closing users and organizations, and their members.

Signing in and up is in `sign_in` and `sign_up`, tokens are in `tokens`, OAuth in `oauth`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from openhood.base.errors import Conflict, Forbidden, InvalidCredentials, NotFound
from openhood.base.names import check_account_name, check_any_account_name
from openhood.domain import audit, events
from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts import credential_rows, groups, invitation_rows, renaming, rows
from openhood.domain.accounts.rules import (
    check_avatar,
    check_email,
    check_fullname,
    check_line,
    check_password,
    find_account,
    get_org,
    get_person,
    may_administrate,
    require_account,
    require_admin,
    require_org_admin,
    require_person,
    require_self,
    require_writer,
    taken,
)
from openhood.domain.accounts.tokens import create_token, list_tokens, revoke_token, token_of_viewer
from openhood.domain.accounts.types import Account, GroupRole, Identity, Member, Profile
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue
from openhood.infra.passwords import hash_password

# One import gives callers the whole noun.
__all__ = [
    "create_org",
    "create_token",
    "create_user",
    "delete_user",
    "find_account",
    "list_accounts",
    "list_members",
    "list_tokens",
    "revoke_token",
    "see_profile",
    "set_active",
    "set_admin",
    "set_member",
    "set_password",
    "update_settings",
    "who_am_i",
]

MAX_LIST = 1000

FORGET_FOLLOWS = "forget_follows"
"""The job that ends all following by and of a closed account; see `community.follows`."""

FORGET_LIKES = "forget_likes"
"""The job that takes back the likes of a closed account; see `discovery.likes`."""

Visibility = Literal["public", "private"]


def create_user(
    sv: Services,
    viewer: Viewer,
    *,
    name: str,
    password: str | None = None,
    email: str | None = None,
    fullname: str = "",
    is_admin: bool = False,
    lenient_name: bool = False,
) -> Account:
    """Create a user, as an administrator. Opens a write unit.

    Args: without ``password`` the user can act through tokens only; ``lenient_name`` allows names that sign-up
    would refuse (``__robot__``), as long as they can be a namespace.
    Raises: Forbidden, InvalidName, BadRequest (password, e-mail), Conflict.
    """
    require_admin(viewer)
    checked = check_any_account_name(name) if lenient_name else check_account_name(name)
    address = check_email(email)
    hashed = None if password is None else hash_password(check_password(password))
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = add_user(
            sv, tx, name=checked, password_hash=hashed, email=address, fullname=fullname, is_admin=is_admin
        )
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="user.create",
            subject=account.name,
            owner_id=account.id,
            is_admin=is_admin,
        )
    return account


def add_user(
    sv: Services,
    tx: Tx,
    *,
    name: str,
    password_hash: str | None,
    email: str | None,
    fullname: str,
    is_admin: bool,
) -> Account:
    """Insert a user in the caller's unit; everything is checked already. Raises Conflict."""
    account = rows.insert_account(
        tx,
        kind="user",
        name=name,
        fullname=check_fullname(fullname),
        email=email,
        password_hash=password_hash,
        is_admin=is_admin,
        default_visibility=sv.settings.default_visibility,
        at=sv.clock.now(),
    )
    if account is None:
        raise taken(tx, name)
    return account


def create_org(
    sv: Services,
    viewer: Viewer,
    *,
    name: str,
    fullname: str = "",
    default_visibility: Visibility | None = None,
    lenient_name: bool = False,
) -> Account:
    """Create an organization; a user who does so becomes its administrator. Opens a write unit.

    Raises: Unauthorized, Forbidden, InvalidName, Conflict.
    """
    require_person(viewer)
    checked = check_any_account_name(name) if lenient_name else check_account_name(name)
    if lenient_name:
        require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = rows.insert_account(
            tx,
            kind="org",
            name=checked,
            fullname=check_fullname(fullname),
            email=None,
            password_hash=None,
            is_admin=False,
            default_visibility=default_visibility or sv.settings.default_visibility,
            at=now,
        )
        if account is None:
            raise taken(tx, checked)
        if viewer.user_id is not None:
            rows.set_role(tx, org_id=account.id, user_id=viewer.user_id, role=OrgRole.ADMIN, at=now)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="org.create",
            subject=account.name,
            owner_id=account.id,
        )
    return account


def set_member(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    user: str,
    role: OrgRole | None,
    resource_groups: Sequence[GroupRole] = (),
) -> None:
    """Add a member, change a member's role, or (``role`` None) remove one. Opens a write unit.

    Administrators of the organization may; members may leave by themselves. ``resource_groups``: roles in groups
    to give at the same time. Raises: NotFound, Unauthorized, Forbidden, BadRequest, Conflict for the last
    administrator.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        member = rows.get_account(tx, user)
        if member is None or member.kind != "user" or not member.is_active:
            raise NotFound(f"There is no user called {user[:96]!r}.")
        leaves = role is None and member.id == viewer.user_id
        if leaves:
            require_writer(viewer)
        else:
            require_org_admin(viewer, organization)
        rows.lock_account(tx, organization.id)
        before = rows.get_role(tx, org_id=organization.id, user_id=member.id)
        if role is not None:
            groups.give_roles(tx, organization, member, resource_groups, at=now)
        if before is role:
            if role is None:
                raise NotFound(f"{member.name} is not a member of {organization.name}.")
            if not resource_groups:
                return
        if (
            before is OrgRole.ADMIN
            and role is not OrgRole.ADMIN
            and not viewer.is_admin
            and rows.count_org_admins(tx, organization.id) <= 1
        ):
            raise Conflict(
                f"{member.name} is the last administrator of {organization.name}. Make another member an "
                "administrator first."
            )
        if role is None:
            rows.delete_membership(tx, org_id=organization.id, user_id=member.id)
        else:
            rows.set_role(tx, org_id=organization.id, user_id=member.id, role=role, at=now)
            invitation_rows.delete_of_member(tx, org_id=organization.id, user_id=member.id)
        label = None if role is None else role.label
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="org.set_member" if role is not None else "org.remove_member",
            subject=organization.name,
            owner_id=organization.id,
            user=member.name,
            role=label,
            groups={each.group: each.role.label for each in resource_groups},
        )
        events.record(
            tx,
            "org.member",
            at=now,
            actor_id=viewer.user_id,
            owner_id=organization.id,
            user=member.name,
            role=label,
        )


def set_password(sv: Services, viewer: Viewer, *, user: str, password: str | None) -> None:
    """Set a user's password, or take it away; ends the user's browser sessions. Opens a write unit.

    For administrators; people change their own with `sign_in.change_password`. Raises: NotFound, Forbidden,
    BadRequest.
    """
    require_admin(viewer)
    hashed = None if password is None else hash_password(check_password(password))
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = get_person(tx, user)
        rows.update_account(tx, account.id, password_hash=hashed)
        credential_rows.delete_sessions_of(tx, account.id)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="user.set_password",
            subject=account.name,
            owner_id=account.id,
        )


def set_admin(sv: Services, viewer: Viewer, *, user: str, is_admin: bool) -> None:
    """Make a user an administrator of the hub, or no longer one. Opens a write unit.

    Raises: NotFound, Forbidden, Conflict for the last administrator.
    """
    require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = get_person(tx, user)
        if account.is_admin == is_admin:
            return
        if not is_admin:
            _keep_an_admin(tx, account, viewer)
        rows.update_account(tx, account.id, is_admin=is_admin)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="user.set_admin",
            subject=account.name,
            owner_id=account.id,
            is_admin=is_admin,
        )


def update_settings(
    sv: Services,
    viewer: Viewer,
    *,
    name: str,
    fullname: str | None = None,
    email: str | None = None,
    details: str | None = None,
    avatar_url: str | None = None,
    default_visibility: Visibility | None = None,
    settings: Mapping[str, object] | None = None,
) -> Account:
    """Change what is given of a user's or organization's settings; None leaves a value as it is.

    Empty strings clear ``email``, ``details`` and ``avatar_url``; ``settings`` are merged by name. Opens a write
    unit. Raises: NotFound, Unauthorized, Forbidden, BadRequest, Conflict for an e-mail address in use.
    """
    require_person(viewer)
    values: dict[str, object] = {}
    if fullname is not None:
        values["fullname"] = check_fullname(fullname)
    if details is not None:
        values["details"] = check_line(details, "details", 500) or None
    if avatar_url is not None:
        values["avatar_url"] = check_avatar(avatar_url)
    if default_visibility is not None:
        values["default_visibility"] = default_visibility
    address = check_email(email)
    with sv.db.write() as tx:
        account = require_account(tx, name)
        require_self(viewer, account)
        if email is not None:
            holder = rows.get_account_by_email(tx, address) if address else None
            if holder is not None and holder.id != account.id:
                raise Conflict("This e-mail address belongs to another account.")
            if address != account.email:
                values |= {"email": address, "email_verified": False}
        if settings is not None:
            values["settings"] = {**account.settings, **settings}
        if values:
            rows.update_account(tx, account.id, **values)
            audit.record(
                tx,
                at=sv.clock.now(),
                actor=viewer.name,
                action=f"{account.kind}.update",
                subject=account.name,
                owner_id=account.id,
                changed=sorted(values),
            )
        changed = rows.get_account_by_id(tx, account.id)
    assert changed is not None
    return changed


def delete_user(sv: Services, viewer: Viewer, *, user: str) -> None:
    """Close a user's account: sessions, tokens, memberships and likes end; the name and what it owns stay.

    Opens a write unit. Raises: NotFound, Forbidden, Conflict for the last administrator.
    """
    require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = get_person(tx, user)
        if account.is_admin:
            _keep_an_admin(tx, account, viewer)
        rows.update_account(tx, account.id, is_active=False, is_admin=False, password_hash=None)
        credential_rows.delete_credentials_of(tx, account.id)
        for membership in rows.list_memberships(tx, account.id):
            rows.delete_membership(tx, org_id=membership.org.id, user_id=account.id)
        queue.enqueue(tx, FORGET_LIKES, {"user": account.id}, now=now)
        queue.enqueue(tx, FORGET_FOLLOWS, {"user": account.id}, now=now)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="user.delete",
            subject=account.name,
            owner_id=account.id,
        )


def set_active(sv: Services, viewer: Viewer, *, user: str, is_active: bool) -> None:
    """Lock a user out, or let the user in again; tokens and memberships stay. Opens a write unit.

    Raises: NotFound, Forbidden, Conflict for the last administrator.
    """
    require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = rows.get_account(tx, user)
        if account is None or account.is_org:
            raise NotFound(f"There is no user called {user[:96]!r}.")
        if account.is_active == is_active:
            return
        if account.is_admin and not is_active:
            _keep_an_admin(tx, account, viewer)
        rows.update_account(tx, account.id, is_active=is_active)
        credential_rows.delete_sessions_of(tx, account.id)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="user.set_active",
            subject=account.name,
            owner_id=account.id,
            is_active=is_active,
        )


def list_accounts(
    sv: Services,
    viewer: Viewer,
    *,
    kind: Literal["user", "org"] | None = None,
    search: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Account]:
    """Return accounts by name, for administrators; ``after`` is the last name of the page before.

    Opens a read unit. Raises: Unauthorized, Forbidden.
    """
    require_admin(viewer)
    with sv.db.read() as tx:
        return rows.list_accounts(
            tx,
            kind=kind,
            search=search,
            after=None if after is None else after.lower(),
            limit=max(1, min(limit, MAX_LIST)),
        )


def list_members(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    search: str | None = None,
    email: str | None = None,
    after: str | None = None,
    limit: int = 100,
) -> list[Member]:
    """Return an organization's members by name. Opens a read unit.

    Only its administrators see e-mail addresses and can ask for one. Raises: NotFound, Forbidden.
    """
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        is_admin = may_administrate(viewer, organization)
        if email is not None and not is_admin:
            raise Forbidden(f"Only an administrator of {organization.name} may look for e-mail addresses.")
        found = rows.list_members(
            tx,
            organization.id,
            search=search,
            email=email,
            after=None if after is None else after.lower(),
            limit=max(1, min(limit, MAX_LIST)),
        )
    if is_admin:
        return found
    return [replace(each, account=replace(each.account, email=None)) for each in found]


def see_profile(sv: Services, viewer: Viewer, *, name: str, kind: Literal["user", "org"] | None) -> Profile:
    """Return what an overview of a user or organization shows. Opens a read unit.

    Raises: NotFound; Moved for a name that the account had before.
    """
    with sv.db.read() as tx:
        account = rows.get_account(tx, name)
        if account is None or not account.is_active or (kind is not None and account.kind != kind):
            moved = renaming.moved(tx, name)
            if account is None and moved is not None:
                raise moved
            what = {"user": "user", "org": "organization"}.get(kind or "", "user or organization")
            raise NotFound(f"There is no {what} called {name[:96]!r}.")
        return Profile(
            account=account,
            counts=rows.count_repos(tx, viewer, account.id),
            memberships=() if account.is_org else rows.list_memberships(tx, account.id),
            member_count=rows.count_members(tx, account.id) if account.is_org else 0,
        )


def who_am_i(sv: Services, viewer: Viewer) -> Identity:
    """Return everything about the viewer. Opens a read unit. Raises: InvalidCredentials where nobody is signed in."""
    if viewer.user_id is None:
        raise InvalidCredentials
    with sv.db.read() as tx:
        account = rows.get_account_by_id(tx, viewer.user_id)
        if account is None:
            raise InvalidCredentials
        return Identity(
            account=account,
            memberships=rows.list_memberships(tx, account.id),
            token=token_of_viewer(tx, viewer),
        )


def _keep_an_admin(tx: Tx, account: Account, viewer: Viewer) -> None:
    # At the command line there is always an administrator: the machine's.
    if viewer.user_id is not None and account.is_active and rows.count_active_admins(tx) <= 1:
        raise Conflict(f"{account.name} is the last administrator of this hub. Make another user one first.")

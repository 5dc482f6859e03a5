"""Invitations into organizations: made by administrators, accepted or declined by who is invited.

An invitation's link carries its own signed permission, so that no secret of it is kept anywhere; it works for
whoever is signed in and has it, until the invitation is answered, replaced, cancelled or too old.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from openhood.base.errors import BadRequest, Conflict, NotFound, TooManyRequests
from openhood.domain import audit, events, links
from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts import groups, invitation_rows, rows
from openhood.domain.accounts.rules import check_email, get_org, get_person, require_org_admin, require_person
from openhood.domain.accounts.types import Account, GroupRole, OrgInvitation
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

LIFE = timedelta(days=14)
MAX_OPEN = 1000
MAX_PER_HOUR = 200
MAX_PAGE = 500
MAX_GROUPS = 50
DEFAULT_ROLE = "defaultRole"
"""The name of the setting of an organization: the role of who is invited without one."""
_PURPOSE = "org invitation"


def invite(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    user: str | None,
    email: str | None,
    role: OrgRole | None,
    resource_groups: Sequence[GroupRole] = (),
) -> OrgInvitation:
    """Invite a user, or whoever has an e-mail address, in place of an earlier invitation. Opens a write unit.

    Without ``role`` the organization's default role is meant.
    Raises: NotFound, Unauthorized, Forbidden, BadRequest, Conflict for members, TooManyRequests.
    """
    if (user is None) == (email is None):
        raise BadRequest("Name the one to invite by either 'user' or 'email'.")
    if len(resource_groups) > MAX_GROUPS:
        raise BadRequest(f"At most {MAX_GROUPS} resource groups can be named at once.")
    address = check_email(email)
    if user is None and address is None:
        raise BadRequest("The e-mail address is empty.")
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        _check_rate(sv, tx, organization)
        person = None if user is None else get_person(tx, user)
        if person is not None and rows.get_role(tx, org_id=organization.id, user_id=person.id) is not None:
            raise Conflict(f"{person.name} is a member of {organization.name} already.")
        for grant in resource_groups:
            groups.find_group(tx, organization, grant.group)
            groups.check_role(grant.role)
        hex_id = invitation_rows.insert_invitation(
            tx,
            org_id=organization.id,
            user_id=None if person is None else person.id,
            email=address if person is None else None,
            role=role or default_role(organization),
            groups=resource_groups,
            invited_by=viewer.user_id,
            at=now,
            expires_at=now + LIFE,
        )
        made = invitation_rows.get_invitation(tx, hex_id, now=now)
        assert made is not None
        whom = {"user": person.name} if person is not None else {"email": address}
        _record(sv, tx, viewer, made, "org.invite", **whom)
        events.record(
            tx,
            "org.invite",
            at=now,
            actor_id=viewer.user_id,
            owner_id=organization.id,
            user=None if person is None else person.name,
            email=address if person is None else None,
            role=made.role.label,
            invitation=hex_id,
        )
        if made.email is not None and sv.mailer is not None:
            queue.enqueue(tx, "mail_invitation", {"invitation": hex_id}, now=now)
    sv.attempts.failed(_rate_key(organization), window_s=3600.0, now=now)
    return made


def list_open(
    sv: Services, viewer: Viewer, *, org: str, after: str | None, limit: int
) -> list[OrgInvitation]:
    """Return an organization's open invitations, the oldest first. Opens a read unit.

    ``after`` is the last object id of the page before. Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        return invitation_rows.list_of_org(tx, organization.id, after=after, limit=limit, now=sv.clock.now())


def cancel(sv: Services, viewer: Viewer, *, org: str, invitation: str) -> None:
    """Take an invitation back: its link is dead. Opens a write unit. Raises: NotFound, Unauthorized, Forbidden."""
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        found = invitation_rows.get_invitation(tx, invitation, now=sv.clock.now())
        if found is None or found.org.id != organization.id:
            raise _gone()
        invitation_rows.delete_invitation(tx, found.hex_id)
        _record(sv, tx, viewer, found, "org.cancel_invitation", **_whom(found))


def list_mine(sv: Services, viewer: Viewer) -> list[OrgInvitation]:
    """Return the viewer's open invitations: by name, and by an e-mail address that was checked. Opens a read unit.

    Raises: Unauthorized, Forbidden.
    """
    require_person(viewer)
    with sv.db.read() as tx:
        account = _me(tx, viewer)
        email = account.email if account.email_verified else None
        return invitation_rows.list_of_person(tx, account.id, email=email, limit=MAX_PAGE, now=sv.clock.now())


def see_by_link(sv: Services, token: str) -> OrgInvitation:
    """Return the open invitation that a link is of. Opens a read unit. Raises: NotFound."""
    with sv.db.read() as tx:
        return _by_link(sv, tx, token)


def accept(
    sv: Services, viewer: Viewer, *, invitation: str | None = None, link: str | None = None
) -> Account:
    """Become a member as an invitation says, named by its object id or its link; returns the organization.

    Who is a member already keeps the higher role. Opens a write unit.
    Raises: Unauthorized, Forbidden, NotFound where it is not the viewer's or no longer open.
    """
    require_person(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = _me(tx, viewer)
        found = _mine(sv, tx, account, invitation=invitation, link=link)
        rows.lock_account(tx, found.org.id)
        if not found.org.is_active or not invitation_rows.delete_invitation(tx, found.hex_id):
            raise _gone()
        before = rows.get_role(tx, org_id=found.org.id, user_id=account.id)
        role = found.role if before is None else max(before, found.role)
        rows.set_role(tx, org_id=found.org.id, user_id=account.id, role=role, at=now)
        known = [each for each in found.groups if groups.has_group(tx, found.org, each.group)]
        groups.give_roles(tx, found.org, account, known, at=now)
        invitation_rows.delete_of_member(tx, org_id=found.org.id, user_id=account.id)
        _record(sv, tx, viewer, found, "org.accept_invitation", user=account.name, role=role.label)
        events.record(
            tx,
            "org.member",
            at=now,
            actor_id=viewer.user_id,
            owner_id=found.org.id,
            user=account.name,
            role=role.label,
        )
    return found.org


def decline(sv: Services, viewer: Viewer, *, invitation: str | None = None, link: str | None = None) -> None:
    """Turn an invitation down; it is gone. Opens a write unit. Raises: what `accept` raises."""
    require_person(viewer)
    with sv.db.write() as tx:
        account = _me(tx, viewer)
        found = _mine(sv, tx, account, invitation=invitation, link=link)
        invitation_rows.delete_invitation(tx, found.hex_id)
        _record(sv, tx, viewer, found, "org.decline_invitation", user=account.name)


def link_token(sv: Services, invitation: str, *, lifetime: timedelta = LIFE) -> str:
    """Return the token of an invitation's link, for its inviter and for a mail. Raises Unavailable."""
    return links.make_token(
        sv,
        purpose=_PURPOSE,
        facts={"invitation": invitation},
        lifetime_s=lifetime.total_seconds(),
    )


def default_role(org: Account) -> OrgRole:
    """Return the role of who joins an organization without another one being named."""
    return OrgRole.from_label(str(org.settings.get(DEFAULT_ROLE, ""))) or OrgRole.READ


def _check_rate(sv: Services, tx: Tx, org: Account) -> None:
    now = sv.clock.now()
    wait_s = sv.attempts.wait_s(_rate_key(org), most=MAX_PER_HOUR, now=now)
    if wait_s:
        raise TooManyRequests(
            f"{org.name} sent many invitations. Try again in {wait_s} seconds.", retry_after_s=wait_s
        )
    invitation_rows.delete_expired(tx, org.id, now=now)
    if invitation_rows.count_open(tx, org.id, now=now) >= MAX_OPEN:
        raise BadRequest(f"{org.name} has {MAX_OPEN} open invitations. Cancel some first.")


def _rate_key(org: Account) -> str:
    return f"invite {org.id}"


def _mine(
    sv: Services, tx: Tx, account: Account, *, invitation: str | None, link: str | None
) -> OrgInvitation:
    if link is not None:
        return _by_link(sv, tx, link)
    found = invitation_rows.get_invitation(tx, invitation or "", now=sv.clock.now())
    by_mail = found is not None and found.user is None and account.email_verified
    is_mine = found is not None and (
        (found.user is not None and found.user.id == account.id) or (by_mail and found.email == account.email)
    )
    if found is None or not is_mine:
        raise _gone()
    return found


def _by_link(sv: Services, tx: Tx, token: str) -> OrgInvitation:
    try:
        facts = links.check_token(sv, token, purpose=_PURPOSE)
    except (links.BadLink, links.ExpiredLink) as error:
        raise _gone() from error
    found = invitation_rows.get_invitation(tx, str(facts.get("invitation")), now=sv.clock.now())
    if found is None:
        raise _gone()
    return found


def _me(tx: Tx, viewer: Viewer) -> Account:
    account = None if viewer.user_id is None else rows.get_account_by_id(tx, viewer.user_id)
    if account is None:
        raise BadRequest("Only people can be invited.")
    return account


def _whom(invitation: OrgInvitation) -> dict[str, object]:
    if invitation.user is not None:
        return {"user": invitation.user.name}
    return {"email": invitation.email}


def _record(
    sv: Services, tx: Tx, viewer: Viewer, invitation: OrgInvitation, action: str, **details: object
) -> None:
    audit.record(
        tx,
        at=sv.clock.now(),
        actor=viewer.name,
        action=action,
        subject=invitation.org.name,
        owner_id=invitation.org.id,
        invitation=invitation.hex_id,
        **details,
    )


def _gone() -> NotFound:
    return NotFound("There is no such invitation: it was answered, taken back, or is too old.")

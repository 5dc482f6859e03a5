"""What organizations ask of the tokens that reach them, and their decisions about single ones.

A token that is not let in acts, for that organization, as one of a stranger: `sign_in` leaves the role out.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Literal

from openhood.base.errors import BadRequest, Forbidden, NotFound
from openhood.domain import audit
from openhood.domain.access import OrgRole, TokenGrant, Viewer
from openhood.domain.accounts import credential_rows, policy_rows, rows
from openhood.domain.accounts.rules import get_org, require_org_admin, require_org_member
from openhood.domain.accounts.types import Account, TokenInfo, TokenPolicy, TokenRequest
from openhood.domain.services import Services
from openhood.infra import ids
from openhood.infra.db.engine import Tx

MAX_AGE_DAYS = 3650
MAX_PAGE = 500
_FineGrained = Literal["allow", "approval", "deny"]
_FINE_GRAINED: tuple[_FineGrained, ...] = ("allow", "approval", "deny")
_REACHING = frozenset({"repo.content.read", "repo.write", "discussion.write", "org.write", "org.read"})
_DECISIONS = {"approve": "approved", "deny": "denied", "revoke": "revoked"}

Decision = Literal["approve", "deny", "revoke"]


def read_policy(stored: Mapping[str, object] | None) -> TokenPolicy:
    """Return a stored policy; None is the one that lets all tokens in."""
    if not stored:
        return _OPEN
    fine_grained: _FineGrained = "allow"
    for each in _FINE_GRAINED:
        if each == stored.get("fineGrained"):
            fine_grained = each
    days = stored.get("maxAgeDays")
    return TokenPolicy(
        classic=stored.get("classic") is not False,
        fine_grained=fine_grained,
        create_role=OrgRole.from_label(str(stored.get("createRole", ""))) or OrgRole.NO_ACCESS,
        max_age_days=days if isinstance(days, int) else None,
    )


_OPEN = TokenPolicy()


def lets_in(
    policy: TokenPolicy,
    token: TokenGrant,
    *,
    org_key: str,
    approval: str | None,
    is_service: bool,
    now: datetime,
) -> bool:
    """Tell whether an organization lets a token of one of its members in. Pure.

    Args: ``approval`` is what it decided about this very token. Service accounts' tokens are made by the
    organization's administrators, OAuth tokens by the hub for minutes: both need no approval.
    """
    if approval in ("denied", "revoked"):
        return False
    if policy is _OPEN:
        return True
    if policy.max_age_days is not None and now - token.created_at > timedelta(days=policy.max_age_days):
        return False
    if is_service or token.kind != "access":
        return True
    if token.role != "fineGrained":
        return policy.classic
    if policy.fine_grained == "allow" or not _reaches(token, org_key):
        return True
    return policy.fine_grained == "approval" and approval == "approved"


def _reaches(token: TokenGrant, org_key: str) -> bool:
    if token.global_permissions & _REACHING:
        return True
    return any(grant.permissions and grant.entity_name.partition("/")[0] == org_key for grant in token.scoped)


def check_new_token(
    tx: Tx,
    owner: Account,
    grants: Mapping[str, object],
    *,
    expires_at: datetime | None,
    now: datetime,
) -> list[Account]:
    """Return the organizations that a new fine-grained token asks for approval; in the caller's unit.

    Only organizations of its owner are asked: elsewhere a token reaches what anybody does.
    Raises: Forbidden where one does not let such a token be made.
    """
    asked: list[Account] = []
    for membership in rows.list_memberships(tx, owner.id):
        org = membership.org
        policy = read_policy(policy_rows.get_policy(tx, org.id))
        if policy is _OPEN or owner.is_service or not names_org(grants, org.key):
            continue
        if policy.fine_grained == "deny":
            raise Forbidden(f"{org.name} lets no fine-grained tokens in.")
        if membership.role < policy.create_role:
            raise Forbidden(
                f"{org.name} lets only members with the role '{policy.create_role.label}' or a higher one make tokens "
                "that name it."
            )
        if policy.max_age_days is not None:
            latest = now + timedelta(days=policy.max_age_days)
            if expires_at is None or expires_at > latest:
                raise Forbidden(
                    f"Tokens that name {org.name} must expire within {policy.max_age_days} days: pass an earlier "
                    "'expiresAt'."
                )
        if policy.fine_grained == "approval":
            asked.append(org)
    return asked


def ask(
    tx: Tx, viewer: Viewer, token_id: int, orgs: list[Account], *, is_changed: bool, now: datetime
) -> None:
    """Ask organizations about a new token, or about one that says something else now; in the caller's unit.

    What administrators of the hub make at its machine needs nobody's approval.
    """
    if is_changed:
        policy_rows.forget(tx, token_id)
    for org in orgs:
        if viewer.user_id is None:
            policy_rows.decide(
                tx, token_id=token_id, org_id=org.id, status="approved", decided_by=None, at=now
            )
        else:
            policy_rows.request(tx, token_id=token_id, org_id=org.id, at=now)


def names_org(grants: Mapping[str, object], org_key: str) -> bool:
    """Tell whether a fine-grained token's scopes reach an organization or one of its repositories."""
    everywhere = grants.get("global")
    if isinstance(everywhere, list) and _REACHING & set(everywhere):
        return True
    scoped = grants.get("scoped")
    for each in scoped if isinstance(scoped, list) else []:
        name = str(each["entity"]["name"]).lower()
        if each["permissions"] and name.partition("/")[0] == org_key:
            return True
    return False


# --- the organization's settings -----------------------------------------------------------------------


def get_policy(sv: Services, viewer: Viewer, *, org: str) -> TokenPolicy:
    """Return an organization's policy, for its members. Opens a read unit. Raises: NotFound, Unauthorized, Forbidden."""
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        require_org_member(viewer, organization)
        return read_policy(policy_rows.get_policy(tx, organization.id))


def set_policy(sv: Services, viewer: Viewer, *, org: str, policy: TokenPolicy) -> TokenPolicy:
    """Write an organization's policy, which binds the tokens of today too. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, BadRequest.
    """
    days = policy.max_age_days
    if days is not None and not 1 <= days <= MAX_AGE_DAYS:
        raise BadRequest(f"'maxAgeDays' must be 1 to {MAX_AGE_DAYS}, or null for no limit.")
    stored = {
        "classic": policy.classic,
        "fineGrained": policy.fine_grained,
        "createRole": policy.create_role.label,
        "maxAgeDays": days,
    }
    now = sv.clock.now()
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        policy_rows.set_policy(tx, organization.id, None if policy == _OPEN else stored)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="org.token_policy",
            subject=organization.name,
            owner_id=organization.id,
            **stored,
        )
    return policy


def list_requests(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    status: str | None,
    before: int | None,
    limit: int,
) -> tuple[list[TokenRequest], int | None]:
    """Return fine-grained tokens of members that reach an organization, the newest first, and where to go on.

    A page may hold fewer than ``limit``, or none, and still be followed by another. Opens a read unit.
    Raises: NotFound, Unauthorized, Forbidden, BadRequest.
    """
    if status is not None and status not in ("pending", *_DECISIONS.values()):
        raise BadRequest("'status' must be pending, approved, denied or revoked.")
    size = max(1, min(limit, MAX_PAGE))
    with sv.db.read() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        looked_at = policy_rows.list_requests(tx, organization.id, before=before, limit=size)
    found = [
        each
        for each in looked_at
        if names_org(each.token.scopes or {}, organization.key) and status in (None, each.status)
    ]
    return found, looked_at[-1].token.id if len(looked_at) == size else None


def decide(sv: Services, viewer: Viewer, *, org: str, token: str, decision: Decision) -> None:
    """Approve, deny or revoke one token of a member for an organization, by its object id. Opens a write unit.

    The token stays and is let in elsewhere. Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        info = credential_rows.get_token_by_hex_id(tx, token)
        _decide(sv, tx, viewer, organization, info, decision)


def revoke_by_secret(sv: Services, viewer: Viewer, *, org: str, secret: str) -> None:
    """Let a token of a member that was found in the open no longer reach an organization. Opens a write unit.

    Source: ``POST /api/organizations/{name}/settings/tokens/revoke``. Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        info = credential_rows.get_token_by_hash(tx, ids.hash_secret(secret))
        _decide(sv, tx, viewer, organization, info, "revoke")


def _decide(
    sv: Services, tx: Tx, viewer: Viewer, org: Account, info: TokenInfo | None, decision: Decision
) -> None:
    if info is None or not policy_rows.is_member_token(tx, token_id=info.id, org_id=org.id):
        raise NotFound(f"No member of {org.name} has such a token.")
    now = sv.clock.now()
    policy_rows.decide(
        tx,
        token_id=info.id,
        org_id=org.id,
        status=_DECISIONS[decision],
        decided_by=viewer.user_id,
        at=now,
    )
    audit.record(
        tx,
        at=now,
        actor=viewer.name,
        action=f"org.token_{decision}",
        subject=org.name,
        owner_id=org.id,
        user=info.user_name,
        token=info.hex_id,
        display_name=info.display_name,
    )

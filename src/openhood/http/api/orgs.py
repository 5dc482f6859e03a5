"""How organizations take people in and what they ask of tokens: invitations, defaults, policies, service accounts.

Their profiles and members are in `accounts`, their resource groups in `resource_groups`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import BadRequest, NotFound
from openhood.domain.accounts import actions, invitations, org_defaults, policies, service_accounts, tokens
from openhood.domain.accounts.types import (
    Member,
    OrgInvitation,
    TokenPolicy,
    TokenRequest,
)
from openhood.http import bodies
from openhood.http.api.accounts import GroupRoleBody, avatar_of, group_roles_of, role_of, token_json
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_PRIVATE = {"Cache-Control": "no-store"}


# --- invitations -------------------------------------------------------------------------------------


class InviteBody(BaseModel):
    """Whom to invite: a user by name, or whoever has an e-mail address."""

    user: str | None = Field(None, max_length=96)
    email: str | None = Field(None, max_length=320)
    role: str | None = None
    resourceGroups: list[GroupRoleBody] = Field(default_factory=list)


class LinkBody(BaseModel):
    """The secret part of an invitation's link."""

    token: str = Field(max_length=2000)


async def post_invite(call: Call) -> Response:
    """``POST /api/organizations/{o}/invite``: the answer holds the link to hand on; where mail is set up it is sent too."""
    body = await bodies.read_model(call, InviteBody)
    made = await call.act(
        invitations.invite,
        org=call.params["o"],
        user=body.user,
        email=body.email,
        role=None if body.role is None else role_of(body.role),
        resource_groups=group_roles_of(body.resourceGroups),
    )
    token = await call.run(invitations.link_token, call.sv, made.hex_id)
    shown = _invitation(made) | {"url": f"{call.base_url}/invitations/{token}"}
    return json_reply(shown, status=201, headers=_PRIVATE)


async def get_invitations(call: Call) -> Response:
    """``GET /api/organizations/{o}/invitations``: those that are open, the oldest first."""
    limit = call.query_int("limit", default=100, low=1, high=invitations.MAX_PAGE)
    found = await call.act(
        invitations.list_open, org=call.params["o"], after=call.query("cursor") or None, limit=limit + 1
    )
    page = found[:limit]
    cursor = page[-1].hex_id if len(found) > limit else None
    return json_reply([_invitation(each) for each in page], headers=_PRIVATE | next_link(call, cursor))


async def delete_invitation(call: Call) -> Response:
    """``DELETE /api/organizations/{o}/invitations/{id}``: take one back."""
    await call.act(invitations.cancel, org=call.params["o"], invitation=call.params["id"])
    return Response(status_code=204)


async def get_my_invitations(call: Call) -> Response:
    """``GET /api/settings/invitations``: the caller's own."""
    found = await call.act(invitations.list_mine)
    return json_reply([_invitation(each) for each in found], headers=_PRIVATE)


async def post_accept(call: Call) -> Response:
    """``POST /api/settings/invitations/{id}/accept``."""
    org = await call.act(invitations.accept, invitation=call.params["id"])
    return json_reply({"organization": org.name})


async def post_decline(call: Call) -> Response:
    """``POST /api/settings/invitations/{id}/decline``."""
    await call.act(invitations.decline, invitation=call.params["id"])
    return Response(status_code=204)


async def post_accept_link(call: Call) -> Response:
    """``POST /api/settings/invitations/accept``: by the last part of an invitation's link."""
    body = await bodies.read_model(call, LinkBody)
    org = await call.act(invitations.accept, link=body.token)
    return json_reply({"organization": org.name})


async def post_decline_link(call: Call) -> Response:
    """``POST /api/settings/invitations/decline``: by the last part of an invitation's link."""
    body = await bodies.read_model(call, LinkBody)
    await call.act(invitations.decline, link=body.token)
    return Response(status_code=204)


def _invitation(invitation: OrgInvitation) -> dict[str, object]:
    org = invitation.org
    shown: dict[str, object] = {
        "_id": invitation.hex_id,
        "organization": {
            "name": org.name,
            "fullname": org.fullname or org.name,
            "avatarUrl": avatar_of(org),
        },
        "role": invitation.role.label,
        "resourceGroups": [{"id": each.group, "role": each.role.label} for each in invitation.groups],
        "invitedBy": invitation.invited_by,
        "createdAt": moment(invitation.created_at),
        "expiresAt": moment(invitation.expires_at),
    }
    if invitation.user is not None:
        shown["user"] = invitation.user.name
    if invitation.email is not None:
        shown["email"] = invitation.email
    return shown


# --- defaults ----------------------------------------------------------------------------------------


class DefaultsBody(BaseModel):
    """What an organization decides for who does not say; absent keys stay as they are."""

    defaultVisibility: Literal["public", "private"] | None = None
    defaultRole: str | None = None


async def get_defaults(call: Call) -> Response:
    """``GET /api/organizations/{o}/settings/defaults``, for members."""
    return json_reply(_defaults(await call.act(org_defaults.get_defaults, org=call.params["o"])))


async def put_defaults(call: Call) -> Response:
    """``PUT /api/organizations/{o}/settings/defaults``."""
    body = await bodies.read_model(call, DefaultsBody)
    found = await call.act(
        org_defaults.set_defaults,
        org=call.params["o"],
        visibility=body.defaultVisibility,
        role=None if body.defaultRole is None else role_of(body.defaultRole),
    )
    return json_reply(_defaults(found))


def _defaults(found: org_defaults.OrgDefaults) -> dict[str, object]:
    return {"defaultVisibility": found.visibility, "defaultRole": found.role.label}


# --- tokens ------------------------------------------------------------------------------------------


class PolicyBody(BaseModel):
    """Which tokens an organization lets in. Absent keys are the open ones."""

    classicTokens: Literal["allow", "deny"] = "allow"
    fineGrainedTokens: Literal["allow", "approval", "deny"] = "allow"
    createRole: str = "no_access"
    maxAgeDays: int | None = None


class RevokeBody(BaseModel):
    """A token that was found in the open."""

    token: str = Field(max_length=500)


async def get_policy(call: Call) -> Response:
    """``GET /api/organizations/{o}/settings/tokens``, for members."""
    return json_reply(_policy(await call.act(policies.get_policy, org=call.params["o"])))


async def put_policy(call: Call) -> Response:
    """``PUT /api/organizations/{o}/settings/tokens``."""
    body = await bodies.read_model(call, PolicyBody)
    policy = TokenPolicy(
        classic=body.classicTokens == "allow",
        fine_grained=body.fineGrainedTokens,
        create_role=role_of(body.createRole),
        max_age_days=body.maxAgeDays,
    )
    return json_reply(_policy(await call.act(policies.set_policy, org=call.params["o"], policy=policy)))


async def get_requests(call: Call) -> Response:
    """``GET /api/organizations/{o}/settings/tokens/requests``: members' fine-grained tokens that reach it."""
    cursor = call.query("cursor")
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise BadRequest("This 'cursor' is none of ours: follow the Link header.")
    found, more = await call.act(
        policies.list_requests,
        org=call.params["o"],
        status=call.query("status") or None,
        before=int(cursor) if cursor else None,
        limit=call.query_int("limit", default=100, low=1, high=policies.MAX_PAGE),
    )
    link = next_link(call, None if more is None else str(more))
    return json_reply([_request(each) for each in found], headers=_PRIVATE | link)


async def post_decision(call: Call) -> Response:
    """``POST /api/organizations/{o}/settings/tokens/requests/{token}/{approve|deny|revoke}``."""
    decisions: dict[str, policies.Decision] = {"approve": "approve", "deny": "deny", "revoke": "revoke"}
    await call.act(
        policies.decide,
        org=call.params["o"],
        token=call.params["token"],
        decision=decisions[call.params["decision"]],
    )
    return json_reply({})


async def post_revoke(call: Call) -> Response:
    """``POST /api/organizations/{o}/settings/tokens/revoke``: a member's token reaches the organization no more."""
    body = await bodies.read_model(call, RevokeBody)
    await call.act(policies.revoke_by_secret, org=call.params["o"], secret=body.token)
    return json_reply({})


def _policy(policy: TokenPolicy) -> dict[str, object]:
    return {
        "classicTokens": "allow" if policy.classic else "deny",
        "fineGrainedTokens": policy.fine_grained,
        "createRole": policy.create_role.label,
        "maxAgeDays": policy.max_age_days,
    }


def _request(request: TokenRequest) -> dict[str, object]:
    return {
        **token_json(request.token),
        "user": request.token.user_name,
        "status": request.status,
        "decidedBy": request.decided_by,
        "decidedAt": None if request.decided_at is None else moment(request.decided_at),
    }


# --- service accounts --------------------------------------------------------------------------------


class ServiceAccountBody(BaseModel):
    """A service account to create."""

    name: str
    fullname: str = ""
    role: str = "read"
    resourceGroups: list[GroupRoleBody] = Field(default_factory=list)


class ServiceRoleBody(BaseModel):
    """A service account's new role."""

    role: str
    resourceGroups: list[GroupRoleBody] = Field(default_factory=list)


class ServiceTokenBody(BaseModel):
    """A token of a service account. ``fineGrained`` has the form whoami answers with."""

    displayName: str
    role: Literal["read", "write", "fineGrained"] = "read"
    fineGrained: dict[str, object] | None = None
    expiresAt: datetime | None = None


async def get_service_accounts(call: Call) -> Response:
    """``GET /api/organizations/{o}/service-accounts``."""
    found = await call.act(service_accounts.list_all, org=call.params["o"])
    return json_reply([_service_account(each) for each in found])


async def post_service_account(call: Call) -> Response:
    """``POST /api/organizations/{o}/service-accounts``."""
    body = await bodies.read_model(call, ServiceAccountBody)
    made = await call.act(
        service_accounts.create,
        org=call.params["o"],
        name=body.name,
        fullname=body.fullname,
        role=role_of(body.role),
        resource_groups=group_roles_of(body.resourceGroups),
    )
    return json_reply(_service_account(made), status=201)


async def put_service_role(call: Call) -> Response:
    """``PUT /api/organizations/{o}/service-accounts/{name}/role``."""
    body = await bodies.read_model(call, ServiceRoleBody)
    changed = await call.act(
        service_accounts.set_role,
        org=call.params["o"],
        name=call.params["u"],
        role=role_of(body.role),
        resource_groups=group_roles_of(body.resourceGroups),
    )
    return json_reply(_service_account(changed))


async def delete_service_account(call: Call) -> Response:
    """``DELETE /api/organizations/{o}/service-accounts/{name}``."""
    await call.act(service_accounts.delete, org=call.params["o"], name=call.params["u"])
    return Response(status_code=204)


async def get_service_tokens(call: Call) -> Response:
    """``GET /api/organizations/{o}/service-accounts/{name}/tokens``."""
    found = await call.act(service_accounts.list_tokens, org=call.params["o"], name=call.params["u"])
    return json_reply([token_json(each) for each in found], headers=_PRIVATE)


async def post_service_token(call: Call) -> Response:
    """``POST /api/organizations/{o}/service-accounts/{name}/tokens``: the answer alone holds the secret."""
    body = await bodies.read_model(call, ServiceTokenBody)
    expires_at = body.expiresAt
    if expires_at is not None:
        if expires_at.tzinfo is None:
            raise BadRequest("'expiresAt' must say its time zone, for example 2030-01-31T00:00:00.000Z.")
        expires_at = expires_at.astimezone(UTC)
    # That it is one of this organization; who may make tokens for it is asked again with the token.
    await call.act(service_accounts.list_tokens, org=call.params["o"], name=call.params["u"])
    info, secret = await call.act(
        tokens.create_token,
        user=call.params["u"],
        display_name=body.displayName,
        role=body.role,
        scopes=body.fineGrained,
        expires_at=expires_at,
    )
    return json_reply({**token_json(info), "token": secret}, status=201, headers=_PRIVATE)


async def delete_service_token(call: Call) -> Response:
    """``DELETE /api/organizations/{o}/service-accounts/{name}/tokens/{token}``."""
    found = await call.act(service_accounts.list_tokens, org=call.params["o"], name=call.params["u"])
    if call.params["token"] not in {each.hex_id for each in found}:
        raise NotFound("This service account has no such token.")
    await call.act(actions.revoke_token, token=call.params["token"])
    return Response(status_code=204)


def _service_account(member: Member) -> dict[str, object]:
    account = member.account
    return {
        "_id": account.hex_id,
        "name": account.name,
        "fullname": account.fullname or account.name,
        "type": "service",
        "role": member.role.label,
        "createdAt": moment(account.created_at),
    }


_ORG = "/api/organizations/{o}"
_MINE = "/api/settings/invitations"
_SERVICE = _ORG + "/service-accounts"

ROUTES: tuple[Route, ...] = (
    Route(("POST",), _ORG + "/invite", post_invite),
    Route(("GET",), _ORG + "/invitations", get_invitations),
    Route(("DELETE",), _ORG + "/invitations/{id}", delete_invitation),
    Route(("GET",), _MINE, get_my_invitations),
    Route(("POST",), _MINE + "/accept", post_accept_link),
    Route(("POST",), _MINE + "/decline", post_decline_link),
    Route(("POST",), _MINE + "/{id}/accept", post_accept),
    Route(("POST",), _MINE + "/{id}/decline", post_decline),
    Route(("GET",), _ORG + "/settings/defaults", get_defaults),
    Route(("PUT",), _ORG + "/settings/defaults", put_defaults),
    Route(("GET",), _ORG + "/settings/tokens", get_policy),
    Route(("PUT",), _ORG + "/settings/tokens", put_policy),
    Route(("GET",), _ORG + "/settings/tokens/requests", get_requests),
    Route(
        ("POST",), _ORG + "/settings/tokens/requests/{token}/{decision:approve|deny|revoke}", post_decision
    ),
    Route(("POST",), _ORG + "/settings/tokens/revoke", post_revoke),
    Route(("GET",), _SERVICE, get_service_accounts),
    Route(("POST",), _SERVICE, post_service_account),
    Route(("PUT",), _SERVICE + "/{u}/role", put_service_role),
    Route(("DELETE",), _SERVICE + "/{u}", delete_service_account),
    Route(("GET",), _SERVICE + "/{u}/tokens", get_service_tokens),
    Route(("POST",), _SERVICE + "/{u}/tokens", post_service_token),
    Route(("DELETE",), _SERVICE + "/{u}/tokens/{token}", delete_service_token),
)

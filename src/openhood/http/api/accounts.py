"""Who am I, access tokens, profiles of users and organizations, members; and two calls every client makes unasked.

Sign-in pages are in `pages.account`, OAuth is in `oauth`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import RedirectResponse, Response

from openhood.base.errors import BadRequest, Unauthorized
from openhood.domain.access import ANONYMOUS, OrgRole
from openhood.domain.accounts import actions, tokens
from openhood.domain.accounts.claims import granted_scopes
from openhood.domain.accounts.types import (
    Account,
    GroupRole,
    Identity,
    Member,
    Membership,
    Profile,
    TokenInfo,
)
from openhood.domain.community import profiles
from openhood.domain.discovery import likes
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route


def avatar_of(account: Account) -> str:
    """Return where an account's picture is: its own, or the one the hub draws."""
    return account.avatar_url or f"/avatars/{account.hex_id}.svg"


# --- whoami ----------------------------------------------------------------------------------


async def get_whoami(call: Call) -> Response:
    """Answer who the credentials belong to.

    Source: huggingface_hub ``hf_api.py::whoami``; ``auth.accessToken.role`` and ``displayName`` are read without a
    default by 0.36 and older, huggingface.js needs ``auth`` and ``createdAt``.
    """
    return json_reply(_identity(await call.act(actions.who_am_i)), headers={"Cache-Control": "no-store"})


def _identity(identity: Identity) -> dict[str, object]:
    account = identity.account
    found: dict[str, object] = {
        "type": "user",
        "id": account.hex_id,
        "name": account.name,
        "fullname": account.fullname or account.name,
        "isPro": False,
        "canPay": False,
        "periodEnd": None,
        "emailVerified": account.email_verified,
        "avatarUrl": avatar_of(account),
        "isAdmin": account.is_admin,
        "createdAt": moment(account.created_at),
        "orgs": [_org_of_mine(each) for each in identity.memberships],
        "auth": _auth(identity.token),
    }
    scopes, _orgs = granted_scopes(identity.token)
    # A program that was not granted the address must not learn it by another way.
    if account.email and (scopes is None or "email" in scopes):
        found["email"] = account.email
    if account.is_service:
        # Clients know users, organizations and apps only; who asks finds it here.
        found["isServiceAccount"] = True
    return found


def _org_of_mine(membership: Membership) -> dict[str, object]:
    org = membership.org
    return {
        "type": "org",
        "id": org.hex_id,
        "name": org.name,
        "fullname": org.fullname or org.name,
        "canPay": False,
        "periodEnd": None,
        "avatarUrl": avatar_of(org),
        "roleInOrg": membership.role.label,
        "isEnterprise": False,
    }


def _auth(token: TokenInfo | None) -> dict[str, object]:
    if token is None:
        return {"type": "session"}
    shown: dict[str, object] = {
        "displayName": token.display_name,
        "role": token.role,
        "createdAt": moment(token.created_at),
    }
    if token.fine_grained is not None:
        shown["fineGrained"] = token.fine_grained
    found: dict[str, object] = {
        "type": "oauth" if token.kind == "oauth" else "access_token",
        "accessToken": shown,
    }
    if token.expires_at is not None:
        found["expiresAt"] = moment(token.expires_at)
    return found


# --- one's own settings ------------------------------------------------------------------------


class ProfileBody(BaseModel):
    """What a person may change of a user or organization; absent keys stay as they are."""

    fullname: str | None = None
    email: str | None = None
    details: str | None = None
    avatarUrl: str | None = None
    defaultVisibility: Literal["public", "private"] | None = None


class TokenBody(BaseModel):
    """A token to create. ``fineGrained`` has the form whoami answers with."""

    displayName: str
    role: Literal["read", "write", "fineGrained"] = "read"
    fineGrained: dict[str, object] | None = None
    expiresAt: datetime | None = None


async def get_tokens(call: Call) -> Response:
    """List the caller's access tokens, the newest first, without their secrets."""
    name = await _own_name(call)
    found = await call.act(tokens.list_tokens, user=name)
    return json_reply([token_json(each) for each in found], headers={"Cache-Control": "no-store"})


async def post_token(call: Call) -> Response:
    """Create an access token; the answer is the only place its secret ever appears."""
    body = await bodies.read_model(call, TokenBody)
    expires_at = body.expiresAt
    if expires_at is not None:
        if expires_at.tzinfo is None:
            raise BadRequest("'expiresAt' must say its time zone, for example 2030-01-31T00:00:00.000Z.")
        expires_at = expires_at.astimezone(UTC)
    info, secret = await call.act(
        tokens.create_token,
        user=await _own_name(call),
        display_name=body.displayName,
        role=body.role,
        scopes=body.fineGrained,
        expires_at=expires_at,
    )
    return json_reply(
        {**token_json(info), "token": secret}, status=201, headers={"Cache-Control": "no-store"}
    )


async def delete_token(call: Call) -> Response:
    """Revoke one of the caller's tokens by its id."""
    await call.act(tokens.revoke_token, token=call.params["token"])
    return Response(status_code=204)


async def post_revoke(call: Call) -> Response:
    """Revoke leaked tokens, whoever reports them; 202 whether they existed or not."""
    body = await bodies.read_object(call)
    given = body.get("credentials")
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise BadRequest("'credentials' must be a list of tokens.")
    await call.run(tokens.revoke_secrets, call.sv, ANONYMOUS, secrets=given)
    return Response(status_code=202)


async def get_own_profile(call: Call) -> Response:
    """Answer with what the caller may change with `patch_own_profile`."""
    identity = await call.act(actions.who_am_i)
    shown = _settings(identity.account)
    scopes, _orgs = granted_scopes(identity.token)
    if scopes is not None and "email" not in scopes:
        del shown["email"]
    return json_reply(shown, headers={"Cache-Control": "no-store"})


async def patch_own_profile(call: Call) -> Response:
    """Change the caller's profile."""
    return await _patch(call, await _own_name(call))


def token_json(info: TokenInfo) -> dict[str, object]:
    """Return a token as the settings API shows it."""
    return {
        "_id": info.hex_id,
        "displayName": info.display_name,
        "type": "oauth" if info.kind == "oauth" else "access_token",
        "role": info.role,
        "fineGrained": info.fine_grained,
        "hint": info.hint,
        "createdAt": moment(info.created_at),
        "expiresAt": None if info.expires_at is None else moment(info.expires_at),
        "lastUsedAt": None if info.last_used_at is None else moment(info.last_used_at),
    }


async def _own_name(call: Call) -> str:
    viewer = await call.viewer()
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    return viewer.name


async def _patch(call: Call, name: str) -> Response:
    body = await bodies.read_model(call, ProfileBody)
    account = await call.act(
        actions.update_settings,
        name=name,
        fullname=body.fullname,
        email=body.email,
        details=body.details,
        avatar_url=body.avatarUrl,
        default_visibility=body.defaultVisibility,
    )
    return json_reply(_settings(account))


def _settings(account: Account) -> dict[str, object]:
    return {
        "name": account.name,
        "fullname": account.fullname,
        "email": account.email,
        "details": account.details,
        "avatarUrl": avatar_of(account),
        "defaultVisibility": account.default_visibility,
    }


# --- users and organizations ---------------------------------------------------------------------


async def get_user_overview(call: Call) -> Response:
    """Answer with a user's public profile. Source: huggingface_hub ``hf_api.py::User``."""
    profile = await call.act(actions.see_profile, name=call.params["u"], kind="user")
    account = profile.account
    like_count = await call.act(likes.count_liked, user=account.name)
    standing = await call.act(profiles.get_standing, name=account.name, kind="user")
    return json_reply(
        {
            "_id": account.hex_id,
            "user": account.name,
            "fullname": account.fullname or account.name,
            "type": "user",
            "avatarUrl": avatar_of(account),
            "details": account.details or "",
            "isPro": False,
            "isFollowing": standing.is_followed,
            **_counts(profile),
            "numFollowers": standing.followers,
            "numFollowing": standing.following,
            "numDiscussions": standing.discussions,
            "numUpvotes": standing.upvotes,
            "numLikes": like_count,
            "socials": dict(standing.socials),
            "orgs": [_org(each.org) for each in profile.memberships],
            "createdAt": moment(account.created_at),
        }
    )


async def get_org_overview(call: Call) -> Response:
    """Answer with an organization's public profile. Source: huggingface_hub ``hf_api.py::Organization``."""
    profile = await call.act(actions.see_profile, name=call.params["o"], kind="org")
    standing = await call.act(profiles.get_standing, name=profile.account.name, kind="org")
    return json_reply(
        {
            "_id": profile.account.hex_id,
            **_org(profile.account),
            "type": "org",
            "details": profile.account.details or "",
            "isVerified": False,
            "isFollowing": standing.is_followed,
            "numUsers": profile.member_count,
            **_counts(profile),
            "numFollowers": standing.followers,
            "socials": dict(standing.socials),
            "createdAt": moment(profile.account.created_at),
        }
    )


async def get_members(call: Call) -> Response:
    """List an organization's members by name, a page at a time."""
    limit = call.query_int("limit", default=100, low=1, high=500)
    members = await call.act(
        actions.list_members,
        org=call.params["o"],
        search=call.query("search"),
        email=call.query("email") or None,
        after=call.query("cursor"),
        limit=limit + 1,
    )
    page = members[:limit]
    cursor = page[-1].account.key if len(members) > limit else None
    return json_reply([_member(each) for each in page], headers=next_link(call, cursor))


class OrgBody(BaseModel):
    """An organization to create."""

    name: str
    fullname: str = ""
    defaultVisibility: Literal["public", "private"] | None = None


async def post_org(call: Call) -> Response:
    """Create an organization, which the caller then administrates."""
    body = await bodies.read_model(call, OrgBody)
    account = await call.act(
        actions.create_org,
        name=body.name,
        fullname=body.fullname,
        default_visibility=body.defaultVisibility,
    )
    return json_reply(
        {"_id": account.hex_id, **_org(account), "url": f"{call.base_url}/{account.name}"}, status=201
    )


async def patch_org(call: Call) -> Response:
    """Change an organization's profile, as one of its administrators."""
    await call.act(actions.see_profile, name=call.params["o"], kind="org")
    return await _patch(call, call.params["o"])


class GroupRoleBody(BaseModel):
    """A role in a resource group, named by its id."""

    id: str = Field(max_length=40)
    role: str = "read"


class RoleBody(BaseModel):
    """A member's new role, and those in resource groups to give with it."""

    role: str = Field(description="admin, write, contributor, read or no_access")
    resourceGroups: list[GroupRoleBody] = Field(default_factory=list, max_length=50)


async def put_role(call: Call) -> Response:
    """Add a member to an organization, or change a member's role."""
    body = await bodies.read_model(call, RoleBody)
    role = role_of(body.role)
    await call.act(
        actions.set_member,
        org=call.params["o"],
        user=call.params["u"],
        role=role,
        resource_groups=group_roles_of(body.resourceGroups),
    )
    return json_reply({"user": call.params["u"], "role": role.label})


def role_of(label: str) -> OrgRole:
    """Return the role with this name. Raises BadRequest."""
    role = OrgRole.from_label(label)
    if role is None:
        allowed = ", ".join(each.label for each in OrgRole)
        raise BadRequest(f"Unknown role {label[:40]!r}. Allowed: {allowed}.")
    return role


def group_roles_of(given: list[GroupRoleBody]) -> tuple[GroupRole, ...]:
    """Return roles in resource groups as an action takes them. Raises BadRequest."""
    return tuple(GroupRole(each.id, role_of(each.role)) for each in given)


async def delete_member(call: Call) -> Response:
    """Remove a member from an organization; members may remove themselves."""
    await call.act(actions.set_member, org=call.params["o"], user=call.params["u"], role=None)
    return Response(status_code=204)


async def get_avatar(call: Call) -> Response:
    """Say where a picture is, or with ``?redirect=1`` go there."""
    kind: Literal["user", "org"] = "user" if "u" in call.params else "org"
    name = call.params.get("u") or call.params["o"]
    profile = await call.act(actions.see_profile, name=name, kind=kind)
    address = avatar_of(profile.account)
    if call.query_flag("redirect", default=False):
        return RedirectResponse(address, 302)
    return json_reply({"avatarUrl": address})


def _org(org: Account) -> dict[str, object]:
    return {"name": org.name, "fullname": org.fullname or org.name, "avatarUrl": avatar_of(org)}


def _member(member: Member) -> dict[str, object]:
    account = member.account
    # The action leaves addresses to administrators.
    private = {} if account.email is None else {"email": account.email, "isVerified": account.email_verified}
    return {
        **private,
        "_id": account.hex_id,
        "user": account.name,
        "fullname": account.fullname or account.name,
        "type": "user",
        "avatarUrl": avatar_of(account),
        "isPro": False,
        "role": member.role.label,
    }


def _counts(profile: Profile) -> Mapping[str, int]:
    counts = profile.counts
    return {
        "numModels": counts.models,
        "numDatasets": counts.datasets,
        "numSpaces": counts.spaces,
        "numPapers": 0,
    }


# --- what clients send unasked -------------------------------------------------------------------


async def get_harnesses(call: Call) -> Response:
    """Answer with an empty registry: this hub does not ask which program is calling.

    Source: huggingface_hub ``utils/_detect_agent.py``, the first request of every process.
    """
    return json_reply(
        {"standardEnvVars": [], "harnesses": {}}, headers={"Cache-Control": "public, max-age=86400"}
    )


async def drop_telemetry(call: Call) -> Response:
    """Take a client's telemetry and keep nothing. Source: huggingface_hub ``utils/_telemetry.py``."""
    return Response(status_code=204)


ROUTES = (
    Route(("GET",), "/api/whoami-v2", get_whoami),
    Route(("GET",), "/api/settings/tokens", get_tokens),
    Route(("POST",), "/api/settings/tokens", post_token),
    Route(("DELETE",), "/api/settings/tokens/{token}", delete_token),
    Route(("GET",), "/api/settings/profile", get_own_profile),
    Route(("PATCH",), "/api/settings/profile", patch_own_profile),
    Route(("POST",), "/api/credentials/revoke", post_revoke),
    Route(("GET",), "/api/users/{u}/overview", get_user_overview),
    Route(("GET",), "/api/users/{u}/avatar", get_avatar),
    Route(("POST",), "/api/organizations/create", post_org),
    Route(("GET",), "/api/organizations/{o}/overview", get_org_overview),
    Route(("GET",), "/api/organizations/{o}/avatar", get_avatar),
    Route(("PATCH",), "/api/organizations/{o}/settings/profile", patch_org),
    Route(("GET",), "/api/organizations/{o}/members", get_members),
    Route(("PUT",), "/api/organizations/{o}/members/{u}/role", put_role),
    Route(("DELETE",), "/api/organizations/{o}/members/{u}", delete_member),
    Route(("GET",), "/api/agent-harnesses", get_harnesses),
    Route(("GET", "HEAD", "POST"), "/api/telemetry/{path:path}", drop_telemetry),
)

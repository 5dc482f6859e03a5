"""Resource groups of organizations and the repositories in them."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field, StrictBool
from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import OrgRole
from openhood.domain.accounts import groups
from openhood.domain.accounts.groups import Grant, GroupPage
from openhood.domain.accounts.types import Member, ResourceGroup
from openhood.domain.repos import grouping
from openhood.http import bodies
from openhood.http.api.accounts import avatar_of, role_of
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route


class UserBody(BaseModel):
    """Somebody's role in a group."""

    user: str = Field(max_length=96)
    role: str = "read"


class RepoBody(BaseModel):
    """A repository to put into a new group."""

    type: Literal["model", "dataset", "space"] = "model"
    name: str


class AutoJoinBody(BaseModel):
    """Whether who joins the organization joins the group too, and as what."""

    enabled: StrictBool
    role: str | None = None


class CreateBody(BaseModel):
    """A group to create."""

    name: str
    description: str = ""
    users: list[UserBody] = Field(default_factory=list, max_length=groups.MAX_AT_ONCE)
    repos: list[RepoBody] = Field(default_factory=list, max_length=grouping.MAX_REPOS_AT_ONCE)
    autoJoin: AutoJoinBody | None = None


class ChangeBody(BaseModel):
    """What to change of a group; absent keys stay as they are."""

    name: str | None = None
    description: str | None = None


class UsersBody(BaseModel):
    """Who comes into a group."""

    users: list[UserBody] = Field(max_length=groups.MAX_AT_ONCE)


class RoleBody(BaseModel):
    """A member's new role in a group."""

    role: str


class SettingsBody(BaseModel):
    """The settings of a group."""

    autoJoin: AutoJoinBody


class RepoGroupBody(BaseModel):
    """The group to put a repository into; null: none."""

    resourceGroupId: str | None


async def list_groups(call: Call) -> Response:
    """``GET /api/organizations/{o}/resource-groups``: all for administrators, else those the caller is in."""
    limit = call.query_int("limit", default=100, low=1, high=groups.MAX_GROUPS)
    found = await call.act(
        groups.list_groups, org=call.params["o"], after=call.query("cursor") or None, limit=limit + 1
    )
    page = found[:limit]
    cursor = page[-1].group.name if len(found) > limit else None
    return json_reply([_page(each) for each in page], headers=next_link(call, cursor))


async def create(call: Call) -> Response:
    """``POST /api/organizations/{o}/resource-groups``."""
    body = await bodies.read_model(call, CreateBody)
    made = await call.act(
        grouping.create_group,
        org=call.params["o"],
        name=body.name,
        description=body.description,
        users=_grants(body.users),
        auto_join_role=None if body.autoJoin is None else _auto_join(body.autoJoin),
        repos=[(RepoType(each.type), RepoId.parse(each.name)) for each in body.repos],
    )
    return json_reply(_page(made))


async def get(call: Call) -> Response:
    """``GET /api/organizations/{o}/resource-groups/{gid}``."""
    return json_reply(_page(await call.act(groups.see_group, org=call.params["o"], group=call.params["gid"])))


async def change(call: Call) -> Response:
    """``PATCH /api/organizations/{o}/resource-groups/{gid}``."""
    body = await bodies.read_model(call, ChangeBody)
    changed = await call.act(
        groups.update_group,
        org=call.params["o"],
        group=call.params["gid"],
        name=body.name,
        description=body.description,
    )
    return json_reply(_page(changed))


async def delete(call: Call) -> Response:
    """``DELETE /api/organizations/{o}/resource-groups/{gid}``."""
    await call.act(groups.delete_group, org=call.params["o"], group=call.params["gid"])
    return json_reply({})


async def list_users(call: Call) -> Response:
    """``GET /api/organizations/{o}/resource-groups/{gid}/users``: all its members, page by page."""
    cursor = call.query("cursor")
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise BadRequest("This 'cursor' is none of ours: follow the Link header.")
    limit = call.query_int("limit", default=100, low=1, high=1000)
    found = await call.act(
        groups.list_group_members,
        org=call.params["o"],
        group=call.params["gid"],
        after=int(cursor) if cursor else 0,
        limit=limit + 1,
    )
    page = found[:limit]
    more = str(page[-1].account.id) if len(found) > limit else None
    return json_reply([_user(each) for each in page], headers=next_link(call, more))


async def add_users(call: Call) -> Response:
    """``POST /api/organizations/{o}/resource-groups/{gid}/users``."""
    body = await bodies.read_model(call, UsersBody)
    changed = await call.act(
        groups.set_members,
        org=call.params["o"],
        group=call.params["gid"],
        users=_grants(body.users),
        known_only=False,
    )
    return json_reply(_page(changed))


async def change_user(call: Call) -> Response:
    """``PATCH /api/organizations/{o}/resource-groups/{gid}/users/{u}``."""
    body = await bodies.read_model(call, RoleBody)
    changed = await call.act(
        groups.set_members,
        org=call.params["o"],
        group=call.params["gid"],
        users=[Grant(call.params["u"], role_of(body.role))],
        known_only=True,
    )
    return json_reply(_page(changed))


async def remove_user(call: Call) -> Response:
    """``DELETE /api/organizations/{o}/resource-groups/{gid}/users/{u}``."""
    await call.act(
        groups.remove_member, org=call.params["o"], group=call.params["gid"], user=call.params["u"]
    )
    return json_reply({})


async def post_settings(call: Call) -> Response:
    """``POST /api/organizations/{o}/resource-groups/{gid}/settings``."""
    body = await bodies.read_model(call, SettingsBody)
    changed = await call.act(
        groups.set_auto_join,
        org=call.params["o"],
        group=call.params["gid"],
        role=_auto_join(body.autoJoin),
    )
    return json_reply(_page(changed))


async def get_of_repo(call: Call) -> Response:
    """``GET /api/{type}/{id}/resource-group``."""
    found = await call.act(grouping.get_resource_group, repo_type=call.repo_type, repo_id=call.repo_id)
    return json_reply({"resourceGroup": None if found is None else _brief(found)})


async def set_of_repo(call: Call) -> Response:
    """``POST /api/{type}/{id}/resource-group``."""
    body = await bodies.read_model(call, RepoGroupBody)
    found = await call.act(
        grouping.set_resource_group,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        group=body.resourceGroupId,
    )
    return json_reply({"resourceGroup": None if found is None else _brief(found)})


def _grants(users: list[UserBody]) -> list[Grant]:
    return [Grant(each.user, role_of(each.role)) for each in users]


def _auto_join(body: AutoJoinBody) -> OrgRole | None:
    return role_of(body.role or "read") if body.enabled else None


def _brief(group: ResourceGroup) -> dict[str, object]:
    return {"id": group.hex_id, "name": group.name}


def _page(page: GroupPage) -> dict[str, object]:
    group = page.group
    role = group.auto_join_role
    return {
        **_brief(group),
        "description": group.description,
        "users": [_user(each) for each in page.members],
        "numUsers": page.member_count,
        "repos": [{"name": each.name, "type": each.type, "private": each.is_private} for each in page.repos],
        "numRepos": page.repo_count,
        "autoJoin": {"enabled": False} if role is None else {"enabled": True, "role": role.label},
        "createdAt": moment(group.created_at),
    }


def _user(member: Member) -> dict[str, object]:
    account = member.account
    return {
        "_id": account.hex_id,
        "name": account.name,
        "fullname": account.fullname or account.name,
        "avatarUrl": avatar_of(account),
        "type": account.kind,
        "role": member.role.label,
    }


_GROUPS = "/api/organizations/{o}/resource-groups"
_GROUP = _GROUPS + "/{gid}"
_OF_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/resource-group"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), _GROUPS, list_groups),
    Route(("POST",), _GROUPS, create),
    Route(("GET",), _GROUP, get),
    Route(("PATCH",), _GROUP, change),
    Route(("DELETE",), _GROUP, delete),
    Route(("GET",), _GROUP + "/users", list_users),
    Route(("POST",), _GROUP + "/users", add_users),
    Route(("PATCH",), _GROUP + "/users/{u}", change_user),
    Route(("DELETE",), _GROUP + "/users/{u}", remove_user),
    Route(("POST",), _GROUP + "/settings", post_settings),
    Route(("GET",), _OF_REPO, get_of_repo),
    Route(("POST",), _OF_REPO, set_of_repo),
)

"""The resource groups of an organization: who does what with which of its repositories."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import OrgRole
from openhood.domain.accounts import groups
from openhood.domain.accounts.groups import Grant
from openhood.domain.repos import grouping
from openhood.http.context import Call
from openhood.http.pages.org_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PER_PAGE = 50


async def get_groups(call: Call) -> Response:
    """The groups by name, page by page, and the form for another."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_groups(call: Call) -> Response:
    """Make a group."""
    return await desk.answer(call, {"create": _create}, _show)


async def get_group(call: Call) -> Response:
    """One group: its members and repositories."""
    return await desk.sit_down(call) or await _show_one(call, EMPTY, None)


async def post_group(call: Call) -> Response:
    """Change a group, its members or its repositories, or delete it."""
    acts = {
        "save": _save,
        "member": _set_member,
        "remove": _remove_member,
        "add-repo": _add_repo,
        "remove-repo": _remove_repo,
        "delete": _delete,
    }
    return await desk.answer(call, acts, _show_one)


async def _create(call: Call, form: Form) -> str:
    made = await call.act(
        groups.create_group,
        org=call.params["o"],
        name=form.one("name").strip(),
        description=form.one("description").strip(),
        auto_join_role=_joined(form),
    )
    return forms.said(f"{forms.here(call)}/{made.group.hex_id}", "group")


def _joined(form: Form) -> OrgRole | None:
    return form.role("joins") if form.one("joins") else None


async def _save(call: Call, form: Form) -> str:
    org, group = call.params["o"], call.params["gid"]
    await call.act(
        groups.update_group,
        org=org,
        group=group,
        name=form.one("name").strip(),
        description=form.one("description").strip(),
    )
    await call.act(groups.set_auto_join, org=org, group=group, role=_joined(form))
    return forms.said(forms.here(call), "saved")


async def _set_member(call: Call, form: Form) -> str:
    await call.act(
        groups.set_members,
        org=call.params["o"],
        group=call.params["gid"],
        users=[Grant(form.one("user").strip(), form.role())],
        known_only=False,
    )
    return forms.said(forms.here(call), "saved")


async def _remove_member(call: Call, form: Form) -> str:
    await call.act(
        groups.remove_member, org=call.params["o"], group=call.params["gid"], user=form.one("user")
    )
    return forms.said(forms.here(call), "removed")


async def _add_repo(call: Call, form: Form) -> str:
    repo_type, repo_id = _repo(form.one("repo").strip(), call.params["o"])
    await call.act(
        grouping.set_resource_group, repo_type=repo_type, repo_id=repo_id, group=call.params["gid"]
    )
    return forms.said(forms.here(call), "saved")


async def _remove_repo(call: Call, form: Form) -> str:
    repo_type, repo_id = _repo(form.one("repo"), call.params["o"])
    await call.act(grouping.set_resource_group, repo_type=repo_type, repo_id=repo_id, group=None)
    return forms.said(forms.here(call), "removed")


def _repo(text: str, org: str) -> tuple[RepoType, RepoId]:
    """Read ``m``, ``acme/m``, ``datasets/acme/d``. Raises BadRequest, InvalidName."""
    if not text:
        raise BadRequest("Name a repository of this organization.")
    head, _, rest = text.partition("/")
    kind = RepoType.from_plural(head)
    if kind is not None and rest:
        return kind, RepoId.parse(rest if "/" in rest else f"{org}/{rest}")
    return RepoType.MODEL, RepoId.parse(text if rest else f"{org}/{text}")


async def _delete(call: Call, form: Form) -> str:
    org, group = call.params["o"], call.params["gid"]
    found = await call.act(groups.see_group, org=org, group=group)
    form.check_confirmed(found.group.name)
    await call.act(groups.delete_group, org=org, group=group)
    return forms.said(f"/organizations/{org}/settings/resource-groups", "deleted")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    found = await call.act(
        groups.list_groups, org=call.params["o"], after=call.query("after") or None, limit=_PER_PAGE + 1
    )
    path = forms.here(call)
    return await desk.show_page(
        call,
        "settings/org_groups.html",
        active="groups",
        form=form,
        error=error,
        groups=found[:_PER_PAGE],
        path=path,
        after=f"{path}?after={found[_PER_PAGE - 1].group.name}" if len(found) > _PER_PAGE else None,
        first=path if call.query("after") else None,
        roles=groups.ROLES,
    )


async def _show_one(call: Call, form: Form, error: HubError | None) -> Response:
    found = await call.act(groups.see_group, org=call.params["o"], group=call.params["gid"])
    return await desk.show_page(
        call,
        "settings/org_group.html",
        active="groups",
        form=form,
        error=error,
        shown=found,
        roles=groups.ROLES,
        plurals={each.value: each.plural for each in RepoType},
    )


ROUTES = (
    *desk.routes("/resource-groups", get_groups, post_groups),
    *desk.routes("/resource-groups/{gid}", get_group, post_group),
)

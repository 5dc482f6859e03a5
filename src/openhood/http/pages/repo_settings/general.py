"""The settings of a repository itself: name, visibility, gate, discussions, group, copies, and its end."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoId, RepoType
from openhood.domain.accounts import actions, groups
from openhood.domain.repos import grouping, lifecycle
from openhood.domain.repos.lifecycle import SettingsChange
from openhood.http.context import Call
from openhood.http.pages.files.places import routes
from openhood.http.pages.repo_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_GATES = {"none": "", "auto": "auto", "manual": "manual"}
_SORTINGS = ("recently-created", "trending", "reactions")
_VISIBILITIES = ("public", "private")
_MOST_GROUPS = 200


async def get_settings(call: Call) -> Response:
    """The settings, each in a form of its own."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_settings(call: Call) -> Response:
    """Change what a form is about."""
    acts: Mapping[str, forms.Act] = {
        "move": _move,
        "visibility": _set_visibility,
        "gate": _set_gate,
        "discussions": _set_discussions,
        "group": _set_group,
        "duplicate": _duplicate,
        "disable": _disable,
        "enable": _disable,
        "delete": _delete,
    }
    return await desk.answer(call, acts, _show)


async def _change(call: Call, change: SettingsChange) -> str:
    await call.act(lifecycle.update_settings, repo_type=call.repo_type, repo_id=call.repo_id, change=change)
    return forms.said(forms.here(call), "saved")


async def _set_visibility(call: Call, form: Form) -> str:
    return await _change(call, SettingsChange(visibility=form.one("visibility")))


async def _set_gate(call: Call, form: Form) -> str:
    gate = _GATES.get(form.one("gate"))
    mode = form.one("mode")
    if gate is None or mode not in ("bulk", "real-time"):
        raise BadRequest("Choose how the gate opens, and how often you want to hear of requests.")
    others = {
        "gatedNotificationsMode": mode,
        "gatedNotificationsEmail": form.one("email").strip()[:320],
        "orgMembersGated": form.flag("members"),
    }
    return await _change(call, SettingsChange(gated=gate, others=others))


async def _set_discussions(call: Call, form: Form) -> str:
    sorting = form.one("sorting")
    if sorting not in _SORTINGS:
        raise BadRequest("Choose one of the orders.")
    others = {"discussionsDisabled": not form.flag("on"), "discussionsSorting": sorting}
    return await _change(call, SettingsChange(others=others))


async def _set_group(call: Call, form: Form) -> str:
    await call.act(
        grouping.set_resource_group,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        group=form.one("group") or None,
    )
    return forms.said(forms.here(call), "saved")


async def _move(call: Call, form: Form) -> str:
    old = call.repo_id
    form.check_confirmed(str(old))
    new = RepoId.parse(f"{form.one('namespace').strip()}/{form.one('name').strip()}")
    moved = await call.act(lifecycle.move_repo, repo_type=call.repo_type, old=old, new=new)
    return forms.said(f"{moved.web_path}/settings", "moved")


async def _duplicate(call: Call, form: Form) -> str:
    copy = await call.act(
        lifecycle.duplicate_repo,
        repo_type=call.repo_type,
        source=call.repo_id,
        target=RepoId.parse(f"{form.one('namespace').strip()}/{form.one('name').strip()}"),
        visibility=form.one("visibility") or None,
    )
    return copy.web_path


async def _disable(call: Call, form: Form) -> str:
    form.check_confirmed(str(call.repo_id))
    return await _change(call, SettingsChange(is_disabled=form.do == "disable"))


async def _delete(call: Call, form: Form) -> str:
    form.check_confirmed(str(call.repo_id))
    await call.act(lifecycle.delete_repo, repo_type=call.repo_type, repo_id=call.repo_id)
    return f"/{call.repo_id.namespace}"


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    viewer = await call.viewer()
    namespace = call.repo_id.namespace
    owner = await call.act(actions.see_profile, name=namespace, kind=None)
    own = await call.act(actions.see_profile, name=viewer.name, kind="user")
    in_org = owner.account.is_org
    types = (*_VISIBILITIES, "protected") if call.repo_type is RepoType.SPACE else _VISIBILITIES
    return await desk.show_page(
        call,
        "settings/repo_general.html",
        active="general",
        form=form,
        error=error,
        kept=await call.act(lifecycle.see_settings, repo_type=call.repo_type, repo_id=call.repo_id),
        namespaces=[own.account.name, *(each.org.name for each in own.memberships)],
        visibilities=types,
        sortings=_SORTINGS,
        group=await call.act(grouping.get_resource_group, repo_type=call.repo_type, repo_id=call.repo_id)
        if in_org
        else None,
        groups=await call.act(groups.list_groups, org=namespace, after=None, limit=_MOST_GROUPS)
        if in_org
        else [],
    )


ROUTES = routes((("GET", "/settings", get_settings), ("POST", "/settings", post_settings)))

"""Making an organization, its profile and defaults, another name, and its end."""

from __future__ import annotations

from typing import Literal

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.access import OrgRole
from openhood.domain.accounts import actions, deleting, org_defaults
from openhood.domain.community import avatars, profiles
from openhood.domain.repos import following
from openhood.http.api.follows import read_picture
from openhood.http.context import Call
from openhood.http.pages.going import go
from openhood.http.pages.org_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_NEW = "/organizations/new"


async def get_new(call: Call) -> Response:
    """The form for a new organization."""
    return await forms.sign_in_first(call) or await _show_new(call, EMPTY, None)


async def post_new(call: Call) -> Response:
    """Make an organization, which one then administrates."""
    return await forms.sign_in_first(call) or await forms.answer(call, {"create": _create}, _show_new)


async def _create(call: Call, form: Form) -> str:
    made = await call.act(
        actions.create_org,
        name=form.one("name").strip(),
        fullname=form.one("fullname").strip(),
        default_visibility=_visibility(form),
    )
    return forms.said(f"/organizations/{made.name}/settings/members", "org")


async def _show_new(call: Call, form: Form, error: HubError | None) -> Response:
    return await forms.show_page(
        call, "settings/org_new.html", active="organizations", form=form, error=error
    )


async def get_index(call: Call) -> Response:
    """Lead to the first of the settings pages."""
    return await desk.sit_down(call) or go(f"/organizations/{call.params['o']}/settings/profile")


async def get_profile(call: Call) -> Response:
    """The profile, the defaults, and what concerns the organization as a whole."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_profile(call: Call) -> Response:
    """Change what a form is about."""
    acts = {
        "save": _save,
        "links": _links,
        "picture": _no_picture,
        "defaults": _defaults,
        "rename": _rename,
        "delete": _delete,
    }
    return await desk.answer(call, acts, _show)


async def post_picture(call: Call) -> Response:
    """Take another picture."""
    call.check_origin()
    if to_login := await desk.sit_down(call):
        return to_login
    name = call.params["o"]
    try:
        data = await read_picture(call)
        await call.act(avatars.set_avatar, name=name, kind="org", data=data)
    except HubError as error:
        forms.expect(error)
        return await _show(call, EMPTY, error)
    return go(forms.said(f"/organizations/{name}/settings/profile", "picture"))


async def _save(call: Call, form: Form) -> str:
    await call.act(
        actions.update_settings,
        name=call.params["o"],
        fullname=form.one("fullname"),
        details=form.one("details"),
    )
    return forms.said(forms.here(call), "saved")


async def _links(call: Call, form: Form) -> str:
    links = {name: text for name in profiles.NETWORKS if (text := form.one(name).strip())}
    await call.act(profiles.set_socials, name=call.params["o"], kind="org", links=links)
    return forms.said(forms.here(call), "links")


async def _no_picture(call: Call, form: Form) -> str:
    await call.act(actions.update_settings, name=call.params["o"], avatar_url="")
    return forms.said(forms.here(call), "picture")


async def _defaults(call: Call, form: Form) -> str:
    await call.act(
        org_defaults.set_defaults, org=call.params["o"], visibility=_visibility(form), role=form.role()
    )
    return forms.said(forms.here(call), "saved")


def _visibility(form: Form) -> Literal["public", "private"]:
    chosen = form.one("visibility")
    if chosen == "public":
        return "public"
    if chosen == "private":
        return "private"
    raise BadRequest("Choose whether new repositories are public or private.")


async def _rename(call: Call, form: Form) -> str:
    form.check_confirmed(call.params["o"])
    account = await call.act(following.rename_account, name=call.params["o"], new=form.one("name").strip())
    return forms.said(f"/organizations/{account.name}/settings/profile", "moved")


async def _delete(call: Call, form: Form) -> str:
    await call.act(
        deleting.close_org,
        org=call.params["o"],
        confirm=form.one("confirm").strip(),
        with_repos=form.flag("repositories"),
    )
    return forms.said("/settings/organizations", "deleted")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    profile = await call.act(actions.see_profile, name=call.params["o"], kind="org")
    return await desk.show_page(
        call,
        "settings/org_profile.html",
        active="profile",
        form=form,
        error=error,
        counts=profile.counts,
        members=profile.member_count,
        defaults=await call.act(org_defaults.get_defaults, org=call.params["o"]),
        roles=tuple(role for role in OrgRole if role is not OrgRole.ADMIN),
        networks=profiles.NETWORKS,
        links=profiles.socials_of(profile.account),
    )


ROUTES = (
    forms.route("GET", _NEW, get_new),
    forms.route("POST", _NEW, post_new),
    forms.route("GET", desk.BASE, get_index),
    *desk.routes("/profile", get_profile, post_profile),
    forms.route("POST", desk.BASE + "/picture", post_picture),
)

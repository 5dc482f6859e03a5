"""The organizations one belongs to, and the invitations into others."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.access import OrgRole
from openhood.domain.accounts import actions, invitations
from openhood.http.context import Call
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PATH = "/settings/organizations"


async def get_memberships(call: Call) -> Response:
    """List one's organizations and invitations."""
    return await forms.sign_in_first(call) or await _show(call, EMPTY, None)


async def post_memberships(call: Call) -> Response:
    """Accept or decline an invitation, or leave an organization."""
    acts = {"accept": _accept, "decline": _decline, "leave": _leave}
    return await forms.sign_in_first(call) or await forms.answer(call, acts, _show)


async def _accept(call: Call, form: Form) -> str:
    await call.act(invitations.accept, invitation=form.one("invitation"))
    return forms.said(_PATH, "joined")


async def _decline(call: Call, form: Form) -> str:
    await call.act(invitations.decline, invitation=form.one("invitation"))
    return forms.said(_PATH, "declined")


async def _leave(call: Call, form: Form) -> str:
    org = form.one("org")
    form.check_confirmed(org)
    await call.act(actions.set_member, org=org, user=(await call.viewer()).name, role=None)
    return forms.said(_PATH, "left")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    viewer = await call.viewer()
    profile = await call.act(actions.see_profile, name=viewer.name, kind="user")
    return await forms.show_page(
        call,
        "settings/organizations.html",
        active="organizations",
        form=form,
        error=error,
        memberships=profile.memberships,
        admin=OrgRole.ADMIN,
        invitations=await call.act(invitations.list_mine),
    )


ROUTES = (
    forms.route("GET", _PATH, get_memberships),
    forms.route("POST", _PATH, post_memberships),
)

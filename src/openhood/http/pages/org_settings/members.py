"""Who belongs to an organization and as what, and who is invited."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.accounts import actions, invitations
from openhood.domain.accounts.types import OrgInvitation
from openhood.http.context import Call
from openhood.http.pages.org_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PER_PAGE = 50


async def get_members(call: Call) -> Response:
    """The members by name, page by page."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_members(call: Call) -> Response:
    """Give a member another role, or remove one."""
    return await desk.answer(call, {"role": _set_role, "remove": _remove}, _show)


async def get_invitations(call: Call) -> Response:
    """The open invitations, and the form for another."""
    return await desk.sit_down(call) or await _show_invitations(call, EMPTY, None)


async def post_invitations(call: Call) -> Response:
    """Invite somebody, or take an invitation back."""
    return await desk.answer(call, {"invite": _invite, "cancel": _cancel}, _show_invitations)


async def _set_role(call: Call, form: Form) -> str:
    await call.act(actions.set_member, org=call.params["o"], user=form.one("user"), role=form.role())
    return forms.said(forms.here(call), "saved")


async def _remove(call: Call, form: Form) -> str:
    user = form.one("user")
    form.check_confirmed(user)
    await call.act(actions.set_member, org=call.params["o"], user=user, role=None)
    return forms.said(forms.here(call), "removed")


async def _invite(call: Call, form: Form) -> Response:
    whom = form.one("whom").strip()
    made = await call.act(
        invitations.invite,
        org=call.params["o"],
        user=None if "@" in whom else whom,
        email=whom if "@" in whom else None,
        role=form.role() if form.one("role") else None,
    )
    token = await call.run(invitations.link_token, call.sv, made.hex_id)
    return await _show_invitations(call, EMPTY, None, made=made, link=f"{call.base_url}/invitations/{token}")


async def _cancel(call: Call, form: Form) -> str:
    await call.act(invitations.cancel, org=call.params["o"], invitation=form.one("invitation"))
    return forms.said(forms.here(call), "deleted")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    search = (call.query("q") or "").strip()
    found = await call.act(
        actions.list_members,
        org=call.params["o"],
        search=search or None,
        after=call.query("after") or None,
        limit=_PER_PAGE + 1,
    )
    members = found[:_PER_PAGE]
    path = forms.here(call)
    kept = {"q": search} if search else {}
    return await desk.show_page(
        call,
        "settings/org_members.html",
        active="members",
        form=form,
        error=error,
        members=members,
        search=search,
        path=path,
        after=f"{path}?{urlencode({**kept, 'after': members[-1].account.key})}"
        if len(found) > _PER_PAGE
        else None,
        first=f"{path}?{urlencode(kept)}" if call.query("after") else None,
        roles=desk.ROLES,
    )


async def _show_invitations(
    call: Call,
    form: Form,
    error: HubError | None,
    *,
    made: OrgInvitation | None = None,
    link: str | None = None,
) -> Response:
    found = await call.act(
        invitations.list_open,
        org=call.params["o"],
        after=call.query("after") or None,
        limit=_PER_PAGE + 1,
    )
    path = forms.here(call)
    return await desk.show_page(
        call,
        "settings/org_invitations.html",
        active="invitations",
        form=form,
        error=error,
        open=found[:_PER_PAGE],
        after=f"{path}?after={found[_PER_PAGE - 1].hex_id}" if len(found) > _PER_PAGE else None,
        first=path if call.query("after") else None,
        made=made,
        link=link,
        roles=desk.ROLES,
    )


ROUTES = (
    *desk.routes("/members", get_members, post_members),
    *desk.routes("/invitations", get_invitations, post_invitations),
)

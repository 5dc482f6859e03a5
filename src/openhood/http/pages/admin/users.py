"""The hub's accounts: finding users, making and inviting them, locking them out, helping those who lost a secret."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from urllib.parse import quote, urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.accounts import actions, second_factor, sign_up
from openhood.domain.administration import actions as administration
from openhood.http.context import Call
from openhood.http.pages.admin import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Act, Form

_USERS = "/admin/users"
_ORGS = "/admin/organizations"
_PAGE = 50


# --- lists -----------------------------------------------------------------------------------------


async def _show_users(call: Call, form: Form, error: HubError | None, *, link: str | None = None) -> Response:
    search, after = call.query("q") or "", call.query("after") or None
    found = await call.act(
        actions.list_accounts, kind="user", search=search or None, after=after, limit=_PAGE + 1
    )
    more = {"q": search, "after": found[_PAGE - 1].key} if len(found) > _PAGE else None
    return await desk.show_page(
        call,
        "admin/users.html",
        active="users",
        form=form,
        error=error,
        users=found[:_PAGE],
        search=search,
        link=link,
        before=f"{_USERS}?{urlencode({'q': search})}" if after else None,
        after=f"{_USERS}?{urlencode(more)}" if more else None,
    )


async def _create(call: Call, form: Form) -> str:
    made = await call.act(
        actions.create_user,
        name=form.one("name").strip(),
        password=form.one("password") or None,
        email=form.one("email").strip() or None,
        is_admin=form.flag("admin"),
    )
    return forms.said(f"{_USERS}/{made.name}", "created")


async def _invite(call: Call, form: Form) -> Response:
    secret = await call.act(sign_up.create_invitation, email=form.one("invited").strip() or None)
    return await _show_users(call, EMPTY, None, link=f"{call.base_url}/join?invitation={quote(secret)}")


async def _show_orgs(call: Call, form: Form, error: HubError | None) -> Response:
    search, after = call.query("q") or "", call.query("after") or None
    found = await call.act(
        actions.list_accounts, kind="org", search=search or None, after=after, limit=_PAGE + 1
    )
    more = {"q": search, "after": found[_PAGE - 1].key} if len(found) > _PAGE else None
    return await desk.show_page(
        call,
        "admin/orgs.html",
        active="orgs",
        form=form,
        error=error,
        orgs=found[:_PAGE],
        search=search,
        before=f"{_ORGS}?{urlencode({'q': search})}" if after else None,
        after=f"{_ORGS}?{urlencode(more)}" if more else None,
    )


# --- one user --------------------------------------------------------------------------------------


async def _show_user(
    call: Call, form: Form, error: HubError | None, *, password: str | None = None
) -> Response:
    return await desk.show_page(
        call,
        "admin/user.html",
        active="users",
        form=form,
        error=error,
        seen=await call.act(administration.see_user, name=call.params["u"]),
        password=password,
    )


async def _lock(call: Call, form: Form) -> str:
    return await _set_active(call, is_active=False)


async def _unlock(call: Call, form: Form) -> str:
    return await _set_active(call, is_active=True)


async def _set_active(call: Call, *, is_active: bool) -> str:
    name = call.params["u"]
    await call.act(actions.set_active, user=name, is_active=is_active)
    return forms.said(f"{_USERS}/{name}", "unlocked" if is_active else "locked")


async def _promote(call: Call, form: Form) -> str:
    await call.act(actions.set_admin, user=call.params["u"], is_admin=True)
    return forms.said(forms.here(call), "promoted")


async def _demote(call: Call, form: Form) -> str:
    await call.act(actions.set_admin, user=call.params["u"], is_admin=False)
    return forms.said(forms.here(call), "demoted")


async def _password(call: Call, form: Form) -> Response:
    password = secrets.token_urlsafe(12)
    await call.act(actions.set_password, user=call.params["u"], password=password)
    return await _show_user(call, EMPTY, None, password=password)


async def _factor(call: Call, form: Form) -> str:
    if not await call.act(second_factor.reset, user=call.params["u"]):
        raise BadRequest("This user has no second factor.")
    return forms.said(forms.here(call), "factor")


async def _close(call: Call, form: Form) -> str:
    form.check_confirmed(call.params["u"])
    await call.act(actions.delete_user, user=call.params["u"])
    return forms.said(_USERS, "closed")


async def get_users(call: Call) -> Response:
    """Users by name, those who are locked out too."""
    return await desk.get(call, _show_users)


async def post_users(call: Call) -> Response:
    """Make a user, or a link with which one can join."""
    acts: Mapping[str, Act] = {"create": _create, "invite": _invite}
    return await desk.post(call, acts, _show_users)


async def get_user(call: Call) -> Response:
    """One user, and what can be done for or against that person."""
    return await desk.get(call, _show_user)


async def post_user(call: Call) -> Response:
    """Lock a user out or let one in again, change a role, help with lost secrets, close an account."""
    acts: Mapping[str, Act] = {
        "lock": _lock,
        "unlock": _unlock,
        "promote": _promote,
        "demote": _demote,
        "password": _password,
        "factor": _factor,
        "close": _close,
    }
    return await desk.post(call, acts, _show_user)


async def get_orgs(call: Call) -> Response:
    """Organizations by name."""
    return await desk.get(call, _show_orgs)


ROUTES = (
    forms.route("GET", _USERS, get_users),
    forms.route("POST", _USERS, post_users),
    forms.route("GET", _USERS + "/{u}", get_user),
    forms.route("POST", _USERS + "/{u}", post_user),
    forms.route("GET", _ORGS, get_orgs),
)

"""One's own account: profile, picture, links, address, password, another name, and closing it."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.accounts import actions, deleting, second_factor, sign_in
from openhood.domain.community import avatars, profiles
from openhood.domain.notifications import mailing
from openhood.domain.repos import following
from openhood.http.api.follows import read_picture
from openhood.http.context import SESSION_COOKIE, Call
from openhood.http.pages.going import go
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_ACCOUNT = "/settings/account"
_PASSWORD = "/settings/password"


async def get_account(call: Call) -> Response:
    """One's profile, and what can be done with the account as a whole."""
    return await forms.sign_in_first(call) or await _show(call, EMPTY, None)


async def post_account(call: Call) -> Response:
    """Change one's profile."""
    form = await forms.read(call)
    if to_login := await forms.sign_in_first(call):
        return to_login
    viewer = await call.viewer()
    try:
        await call.act(
            actions.update_settings,
            name=viewer.name,
            fullname=form.one("fullname"),
            email=form.one("email"),
            details=form.one("details") if "details" in form.values else None,
        )
    except HubError as error:
        forms.expect(error)
        return await _show(call, form, error)
    return await _show(call, EMPTY, None, done="profile")


async def post_picture(call: Call) -> Response:
    """Take another picture, or with an empty form none."""
    call.check_origin()
    if to_login := await forms.sign_in_first(call):
        return to_login
    viewer = await call.viewer()
    try:
        data = await read_picture(call)
        await call.act(avatars.set_avatar, name=viewer.name, kind="user", data=data)
    except HubError as error:
        forms.expect(error)
        return await _show(call, EMPTY, error)
    return go(forms.said(_ACCOUNT, "picture"))


async def post_links(call: Call) -> Response:
    """Replace the links of one's profile, or ask for the letter that proves the address one's own."""
    form = await forms.read(call)
    if to_login := await forms.sign_in_first(call):
        return to_login
    viewer = await call.viewer()
    try:
        if form.do == "confirm":
            await call.act(mailing.ask_confirmation)
            return go(forms.said(_ACCOUNT, "letter"))
        if form.do == "picture":
            await call.act(actions.update_settings, name=viewer.name, avatar_url="")
            return go(forms.said(_ACCOUNT, "picture"))
        links = {name: text.strip() for name in profiles.NETWORKS if (text := form.one(name).strip())}
        await call.act(profiles.set_socials, name=viewer.name, kind="user", links=links)
    except HubError as error:
        forms.expect(error)
        return await _show(call, form, error)
    return go(forms.said(_ACCOUNT, "links"))


async def post_rename(call: Call) -> Response:
    """Give one's account another name; everything it owns follows."""
    form = await forms.read(call)
    if to_login := await forms.sign_in_first(call):
        return to_login
    viewer = await call.viewer()
    try:
        await call.act(
            following.rename_account,
            name=viewer.name,
            new=form.one("name").strip(),
            password=form.one("password"),
        )
    except HubError as error:
        forms.expect(error)
        return await _show(call, form, error)
    return go(_ACCOUNT)


async def post_close(call: Call) -> Response:
    """Close one's account for good."""
    form = await forms.read(call)
    if to_login := await forms.sign_in_first(call):
        return to_login
    try:
        form.check_confirmed((await call.viewer()).name)
        await call.act(
            deleting.close_own,
            password=form.one("password"),
            code=form.one("code"),
            with_repos=form.flag("repositories"),
        )
    except HubError as error:
        forms.expect(error)
        return await _show(call, form, error)
    answer = go("/")
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


async def get_password(call: Call) -> Response:
    """The form for another password."""
    return await forms.sign_in_first(call) or await _show_password(call, None)


async def post_password(call: Call) -> Response:
    """Change one's password, which ends every session of one's own."""
    form = await forms.read(call)
    if to_login := await forms.sign_in_first(call):
        return to_login
    try:
        await call.act(sign_in.change_password, old=form.one("old"), new=form.one("new"))
    except HubError as error:
        forms.expect(error)
        return await _show_password(call, error)
    answer = go("/login")
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


async def _show_password(call: Call, error: HubError | None) -> Response:
    return await forms.show_page(call, "settings/password.html", active="password", form=EMPTY, error=error)


async def _show(call: Call, form: Form, error: HubError | None, *, done: str | None = None) -> Response:
    viewer = await call.viewer()
    profile = await call.act(actions.see_profile, name=viewer.name, kind="user")
    return await forms.show_page(
        call,
        "settings/account.html",
        active="account",
        form=form,
        error=error,
        done=done,
        account=profile.account,
        counts=profile.counts,
        has_factor=(await call.act(second_factor.see_state)).is_on,
        has_mail=mailing.is_on(call.sv),
        networks=profiles.NETWORKS,
        links=profiles.socials_of(profile.account),
    )


ROUTES = (
    forms.route("GET", _ACCOUNT, get_account),
    forms.route("POST", _ACCOUNT, post_account),
    forms.route("POST", _ACCOUNT + "/picture", post_picture),
    forms.route("POST", _ACCOUNT + "/links", post_links),
    forms.route("POST", _ACCOUNT + "/rename", post_rename),
    forms.route("POST", _ACCOUNT + "/close", post_close),
    forms.route("GET", _PASSWORD, get_password),
    forms.route("POST", _PASSWORD, post_password),
)

"""The pages around one's own account: signing in, up and out, devices, tokens, the profile.

Every form works without JavaScript and is refused when another site sent it (`Call.check_origin`).
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError, InvalidCredentials, TooManyRequests, Unauthorized
from openhood.domain.accounts import oauth, sign_in, sign_up
from openhood.domain.accounts.oauth_scopes import SCOPE_WORDS
from openhood.domain.accounts.second_factor import SecondFactorNeeded
from openhood.http import bodies
from openhood.http.context import SESSION_COOKIE, Call
from openhood.http.pages.going import go, safe_path, to_login, with_session
from openhood.http.pages.render import page
from openhood.http.pages.second_factor import to_second_step
from openhood.http.router import Handler, Route

Form = Mapping[str, list[str]]


# --- signing in and out ---------------------------------------------------------------------------


async def get_login(call: Call) -> Response:
    """The sign-in form; people signed in already go on."""
    next_path = safe_path(call.query("next"))
    if not (await call.viewer()).is_anonymous:
        return go(next_path)
    return await page(call, "login.html", error=None, name="", next_path=next_path)


async def post_login(call: Call) -> Response:
    """Check the password, begin a session and go on."""
    form = await _read(call)
    name, next_path = _one(form, "name"), safe_path(_one(form, "next"))
    try:
        session = await call.run(
            sign_in.sign_in_with_password,
            call.sv,
            name_or_email=name,
            password=_one(form, "password"),
            user_agent=_agent(call),
        )
    except SecondFactorNeeded as error:
        return to_second_step(call, error.step_pass, next_path)
    except (InvalidCredentials, TooManyRequests) as error:
        return await page(
            call, "login.html", status=error.status, error=error.message, name=name, next_path=next_path
        )
    return with_session(call, go(next_path), session)


async def post_logout(call: Call) -> Response:
    """End the session, here and in the browser."""
    call.check_origin()
    secret = call.request.cookies.get(SESSION_COOKIE)
    if secret:
        await call.run(sign_in.sign_out, call.sv, secret)
    answer = go("/")
    answer.delete_cookie(SESSION_COOKIE, path="/")
    return answer


# --- getting an account ---------------------------------------------------------------------------


async def get_join(call: Call) -> Response:
    """The sign-up form, or why there is none."""
    invitation = call.query("invitation") or ""
    return await _join_page(call, invitation, {"name": "", "email": ""}, error=None)


async def post_join(call: Call) -> Response:
    """Create an account for oneself and begin a session."""
    form = await _read(call)
    invitation = _one(form, "invitation")
    given = {"name": _one(form, "name").strip(), "email": _one(form, "email").strip()}
    try:
        session = await call.run(
            sign_up.sign_up,
            call.sv,
            name=given["name"],
            password=_one(form, "password"),
            email=given["email"],
            invitation=invitation or None,
            user_agent=_agent(call),
        )
    except HubError as error:
        _expect(error)
        return await _join_page(call, invitation, given, error=error)
    return with_session(call, go("/"), session)


async def _join_page(
    call: Call, invitation: str, form: Mapping[str, str], *, error: HubError | None
) -> Response:
    invited = bool(invitation) and await call.run(sign_up.is_invited, call.sv, invitation)
    if error is None and invitation and not invited and call.sv.settings.sign_up == "invitation":
        error = sign_up.LinkExpired()
    return await page(
        call,
        "join.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        invitation=invitation,
        invited=invited,
        form=form,
    )


async def get_setup(call: Call) -> Response:
    """The form that creates the first administrator, behind the link that the hub printed."""
    return await _setup_page(call, {"name": "", "email": ""}, error=None)


async def post_setup(call: Call) -> Response:
    """Create the first administrator and begin a session."""
    form = await _read(call)
    given = {"name": _one(form, "name").strip(), "email": _one(form, "email").strip()}
    try:
        session = await call.run(
            sign_up.use_setup_link,
            call.sv,
            secret=call.params["secret"],
            name=given["name"],
            password=_one(form, "password"),
            email=given["email"],
            user_agent=_agent(call),
        )
    except HubError as error:
        _expect(error)
        return await _setup_page(call, given, error=error)
    return with_session(call, go("/"), session)


async def _setup_page(call: Call, form: Mapping[str, str], *, error: HubError | None) -> Response:
    valid = await call.run(sign_up.is_setup_link, call.sv, call.params["secret"])
    status = 200 if valid else 404
    return await page(
        call,
        "setup.html",
        status=status if error is None else error.status,
        error=None if error is None or not valid else error.message,
        valid=valid,
        form=form,
    )


# --- programs ---------------------------------------------------------------------------------------


async def get_device(call: Call) -> Response:
    """Ask for a program's code or, with it, for approval."""
    typed = call.query("user_code") or ""
    if (await call.viewer()).is_anonymous:
        return to_login("/device" + (f"?user_code={quote(typed)}" if typed else ""))
    if not typed:
        return await _device_page(call)
    try:
        request = await call.act(oauth.see_device_request, user_code=typed)
    except HubError as error:
        _expect(error)
        return await _device_page(call, status=error.status, error=error.message, typed=typed)
    return await _device_page(call, request=request)


async def post_device(call: Call) -> Response:
    """Approve or refuse a program."""
    form = await _read(call)
    if (await call.viewer()).is_anonymous:
        return to_login(f"/device?user_code={quote(_one(form, 'user_code'))}")
    answer = _one(form, "answer")
    if answer not in ("approve", "deny"):
        raise BadRequest("The form must say 'approve' or 'deny'.")
    try:
        request = await call.act(
            oauth.answer_device_request, user_code=_one(form, "user_code"), approve=answer == "approve"
        )
    except HubError as error:
        _expect(error)
        return await _device_page(call, status=error.status, error=error.message)
    return await _device_page(call, request=request, answered="approved" if answer == "approve" else "denied")


async def _device_page(
    call: Call,
    *,
    status: int = 200,
    error: str | None = None,
    typed: str = "",
    request: object = None,
    answered: str | None = None,
) -> Response:
    return await page(
        call,
        "device.html",
        status=status,
        error=error,
        typed=typed,
        request=request,
        answered=answered,
        scope_words=SCOPE_WORDS,
    )


# --- shared ---------------------------------------------------------------------------------------------


async def _read(call: Call) -> Form:
    call.check_origin()
    found: dict[str, list[str]] = {}
    for name, value in await bodies.read_form(call):
        found.setdefault(name, []).append(value)
    return found


def _one(form: Form, name: str) -> str:
    values = form.get(name)
    return values[-1] if values else ""


def _expect(error: HubError) -> None:
    """Let pass what a form can show; what is broken inside the hub is not the person's to correct."""
    if error.status >= 500 or (isinstance(error, Unauthorized) and not isinstance(error, InvalidCredentials)):
        raise error


def _agent(call: Call) -> str:
    return call.request.headers.get("user-agent", "")


def _page(methods: tuple[str, ...], template: str, handler: Handler) -> Route:
    return Route(methods, template, handler, dialect="page", bucket="pages")


ROUTES = (
    _page(("GET",), "/login", get_login),
    _page(("POST",), "/login", post_login),
    _page(("POST",), "/logout", post_logout),
    _page(("GET",), "/join", get_join),
    _page(("POST",), "/join", post_join),
    _page(("GET",), "/setup/{secret}", get_setup),
    _page(("POST",), "/setup/{secret}", post_setup),
    _page(("GET",), "/device", get_device),
    _page(("POST",), "/device", post_device),
)

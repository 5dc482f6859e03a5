"""The pages around one's own account: signing in, up and out, devices, tokens, the profile; and the front page.

Every form works without JavaScript and is refused when another site sent it (`Call.check_origin`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time
from urllib.parse import quote

from starlette.responses import RedirectResponse, Response

from openhood.base.errors import BadRequest, HubError, InvalidCredentials, TooManyRequests, Unauthorized
from openhood.base.names import RepoType
from openhood.domain.accounts import actions, oauth, sign_in, sign_up, tokens
from openhood.domain.accounts.types import SessionSecret, TokenInfo
from openhood.http import bodies
from openhood.http.context import SESSION_COOKIE, Call
from openhood.http.pages.render import page
from openhood.http.router import Handler, Route

Form = Mapping[str, list[str]]

# The permissions this hub checks on repositories, in people's words.
_PERMISSIONS = (
    ("repo.content.read", "Read content"),
    ("repo.write", "Write content and settings"),
    ("discussion.write", "Open pull requests and discussions"),
)
_EMPTY_TOKEN: Mapping[str, object] = {
    "display_name": "",
    "role": "read",
    "expires_on": "",
    "entities": "",
    "permission": ["repo.content.read"],
    "gated": False,
}


async def get_home(call: Call) -> Response:
    """The front page: what this hub is, and the way to a first upload with its address."""
    return await page(call, "home.html")


# --- signing in and out ---------------------------------------------------------------------------


async def get_login(call: Call) -> Response:
    """The sign-in form; people signed in already go on."""
    next_path = safe_path(call.query("next"))
    if not (await call.viewer()).is_anonymous:
        return _go(next_path)
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
    except (InvalidCredentials, TooManyRequests) as error:
        return await page(
            call, "login.html", status=error.status, error=error.message, name=name, next_path=next_path
        )
    return _with_session(call, _go(next_path), session)


async def post_logout(call: Call) -> Response:
    """End the session, here and in the browser."""
    call.check_origin()
    secret = call.request.cookies.get(SESSION_COOKIE)
    if secret:
        await call.run(sign_in.sign_out, call.sv, secret)
    answer = _go("/")
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
    return _with_session(call, _go("/"), session)


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
    return _with_session(call, _go("/"), session)


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
        return _to_login("/device" + (f"?user_code={quote(typed)}" if typed else ""))
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
        return _to_login(f"/device?user_code={quote(_one(form, 'user_code'))}")
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
        call, "device.html", status=status, error=error, typed=typed, request=request, answered=answered
    )


# --- tokens -----------------------------------------------------------------------------------------


async def get_tokens(call: Call) -> Response:
    """List one's tokens and offer to make one."""
    if (await call.viewer()).is_anonymous:
        return _to_login("/settings/tokens")
    return await _tokens_page(call, form=_EMPTY_TOKEN)


async def post_tokens(call: Call) -> Response:
    """Create a token and show its secret, this once."""
    form = await _read(call)
    viewer = await call.viewer()
    if viewer.is_anonymous:
        return _to_login("/settings/tokens")
    try:
        role = _one(form, "role")
        info, secret = await call.act(
            tokens.create_token,
            user=viewer.name,
            display_name=_one(form, "display_name"),
            role=role,
            scopes=_scopes(form, viewer.name) if role == "fineGrained" else None,
            expires_at=_end_of_day(_one(form, "expires_on")),
        )
    except HubError as error:
        _expect(error)
        again = {name: _one(form, name) for name in ("display_name", "role", "expires_on", "entities")}
        kept = {**again, "permission": form.get("permission", []), "gated": bool(_one(form, "gated"))}
        return await _tokens_page(call, form=kept, error=error)
    return await _tokens_page(call, form=_EMPTY_TOKEN, created=info, secret=secret)


async def post_revoke(call: Call) -> Response:
    """Revoke a token and return to the list."""
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        return _to_login("/settings/tokens")
    await call.act(tokens.revoke_token, token=call.params["token"])
    return _go("/settings/tokens")


async def _tokens_page(
    call: Call,
    *,
    form: Mapping[str, object],
    error: HubError | None = None,
    created: TokenInfo | None = None,
    secret: str | None = None,
) -> Response:
    viewer = await call.viewer()
    return await page(
        call,
        "tokens.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        tokens=await call.act(tokens.list_tokens, user=viewer.name),
        form=form,
        created=created,
        secret=secret,
        permissions=_PERMISSIONS,
    )


def _scopes(form: Form, own_name: str) -> dict[str, object]:
    permissions = form.get("permission", [])
    lines = [line.strip().strip("/") for line in _one(form, "entities").splitlines() if line.strip()]
    scoped = [{"entity": _entity(line, own_name), "permissions": permissions} for line in lines]
    return {
        "global": [] if scoped else permissions,
        "scoped": scoped,
        "canReadGatedRepos": bool(_one(form, "gated")),
    }


def _entity(line: str, own_name: str) -> dict[str, str]:
    head, slash, rest = line.partition("/")
    kind = RepoType.from_plural(head)
    if kind is not None and "/" in rest:
        return {"type": kind.value, "name": rest}
    if slash:
        return {"type": "model", "name": line}
    return {"type": "user" if line.lower() == own_name.lower() else "org", "name": line}


def _end_of_day(text: str) -> datetime | None:
    if not text:
        return None
    try:
        day = datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError as error:
        raise BadRequest("The day on which the token expires must be written YYYY-MM-DD.") from error
    return datetime.combine(day, time(23, 59, 59), UTC)


# --- the profile --------------------------------------------------------------------------------------


async def get_account(call: Call) -> Response:
    """One's profile and password."""
    if (await call.viewer()).is_anonymous:
        return _to_login("/settings/account")
    return await _account_page(call)


async def post_account(call: Call) -> Response:
    """Change one's profile."""
    form = await _read(call)
    viewer = await call.viewer()
    if viewer.is_anonymous:
        return _to_login("/settings/account")
    try:
        await call.act(
            actions.update_settings,
            name=viewer.name,
            fullname=_one(form, "fullname"),
            email=_one(form, "email"),
        )
    except HubError as error:
        _expect(error)
        return await _account_page(call, error=error)
    return await _account_page(call, done="Your profile is up to date.")


async def post_password(call: Call) -> Response:
    """Change one's password; every session ends, this one too, so sign in again."""
    form = await _read(call)
    viewer = await call.viewer()
    if viewer.is_anonymous:
        return _to_login("/settings/account")
    try:
        await call.act(sign_in.change_password, old=_one(form, "old"), new=_one(form, "new"))
    except HubError as error:
        _expect(error)
        return await _account_page(call, error=error)
    return _to_login("/settings/account")


async def _account_page(call: Call, *, error: HubError | None = None, done: str | None = None) -> Response:
    viewer = await call.viewer()
    profile = await call.act(actions.see_profile, name=viewer.name, kind="user")
    return await page(
        call,
        "account.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        done=done,
        account=profile.account,
    )


# --- shared ---------------------------------------------------------------------------------------------


def safe_path(target: str | None) -> str:
    """Return where to go after signing in: a path of this hub, never another site's address."""
    if not target or not target.startswith("/") or target[1:2] in ("/", "\\") or not target.isprintable():
        return "/"
    return target


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


def _go(path: str) -> RedirectResponse:
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})


def _to_login(path: str) -> Response:
    return _go(f"/login?next={quote(path, safe='')}")


def _agent(call: Call) -> str:
    return call.request.headers.get("user-agent", "")


def _with_session(call: Call, answer: Response, session: SessionSecret) -> Response:
    answer.set_cookie(
        SESSION_COOKIE,
        session.secret,
        max_age=int(sign_in.SESSION_LIFE.total_seconds()),
        path="/",
        secure=call.base_url.startswith("https://"),
        httponly=True,
        samesite="lax",
    )
    return answer


def _page(methods: tuple[str, ...], template: str, handler: Handler) -> Route:
    return Route(methods, template, handler, dialect="page", bucket="pages")


ROUTES = (
    _page(("GET",), "/", get_home),
    _page(("GET",), "/login", get_login),
    _page(("POST",), "/login", post_login),
    _page(("POST",), "/logout", post_logout),
    _page(("GET",), "/join", get_join),
    _page(("POST",), "/join", post_join),
    _page(("GET",), "/setup/{secret}", get_setup),
    _page(("POST",), "/setup/{secret}", post_setup),
    _page(("GET",), "/device", get_device),
    _page(("POST",), "/device", post_device),
    _page(("GET",), "/settings/tokens", get_tokens),
    _page(("POST",), "/settings/tokens", post_tokens),
    _page(("POST",), "/settings/tokens/{token}/revoke", post_revoke),
    _page(("GET",), "/settings/account", get_account),
    _page(("POST",), "/settings/account", post_account),
    _page(("POST",), "/settings/password", post_password),
)

"""The second step of signing in, and the page on which a second factor is switched on and off.

Between the steps a short-lived signed cookie says that the password was right; it opens nothing by itself, and the
session begins with the code.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response

from openhood.base.errors import HubError, InvalidCredentials, TooManyRequests, Unauthorized
from openhood.domain.accounts import second_factor, sign_in
from openhood.domain.accounts.second_factor import Enrolment
from openhood.http import bodies
from openhood.http.api.second_factor import issuer_of, own_session
from openhood.http.context import Call
from openhood.http.pages.going import go, safe_path, set_cookie, to_login, with_session
from openhood.http.pages.programs import program_of
from openhood.http.pages.render import page
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY
from openhood.http.router import Route

STEP_COOKIE = "openhood_second_step"
_STEP_PATH = "/login/code"
_HOME = "/settings/second-factor"


def to_second_step(call: Call, step_pass: str, next_path: str) -> Response:
    """Answer a right password: on to the code, with the cookie that says so."""
    answer = go(f"{_STEP_PATH}?next={quote(next_path, safe='')}")
    set_cookie(call, answer, STEP_COOKIE, step_pass, life_s=second_factor.PASS_LIFE_S, path=_STEP_PATH)
    return answer


async def get_code(call: Call) -> Response:
    """Ask for the code."""
    next_path = safe_path(call.query("next"))
    if STEP_COOKIE not in call.request.cookies:
        return to_login(next_path)
    return await page(call, "second_step.html", error=None, next_path=next_path)


async def post_code(call: Call) -> Response:
    """Check the code and begin a session."""
    call.check_origin()
    form = dict(await bodies.read_form(call))
    next_path = safe_path(form.get("next"))
    try:
        session = await call.run(
            sign_in.sign_in_with_code,
            call.sv,
            step_pass=call.request.cookies.get(STEP_COOKIE, ""),
            code=form.get("code", ""),
            user_agent=call.request.headers.get("user-agent", ""),
        )
    except (InvalidCredentials, TooManyRequests) as error:
        return await page(
            call, "second_step.html", status=error.status, error=error.message, next_path=next_path
        )
    except Unauthorized:
        return to_login(next_path)
    answer = go(next_path)
    answer.delete_cookie(STEP_COOKIE, path=_STEP_PATH)
    return with_session(call, answer, session)


async def get_home(call: Call) -> Response:
    """What one's second factor is, and what can be done about it; where one is signed in."""
    return await _home(call)


async def post_home(call: Call) -> Response:
    """Do what a button says: ``begin``, ``confirm``, ``renew``, ``off``, ``end`` a session or all ``others``."""
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        return to_login(_HOME)
    form = dict(await bodies.read_form(call))
    try:
        return await _do(call, form)
    except HubError as error:
        if error.status >= 500:
            raise
        begun = None
        if form.get("do") == "confirm":
            # The authenticator has the secret already: a wrong code is no reason to begin anew.
            begun = await call.act(second_factor.see_enrolment, issuer=issuer_of(call))
        return await _home(call, error=error, enrolment=begun)


async def _do(call: Call, form: Mapping[str, str]) -> Response:
    what, code = form.get("do", ""), form.get("code", "")
    if what == "begin":
        return await _home(call, enrolment=await call.act(second_factor.enrol, issuer=issuer_of(call)))
    if what == "confirm":
        codes = await call.act(second_factor.confirm, code=code, session=own_session(call))
        return await _home(call, codes=codes)
    if what == "renew":
        return await _home(call, codes=await call.act(second_factor.renew_codes, code=code))
    if what == "off":
        await call.act(second_factor.switch_off, code=code)
    elif what == "end":
        await call.act(second_factor.end_session, session=form.get("session", ""))
    elif what == "others":
        await call.act(second_factor.end_other_sessions, current=own_session(call))
    return go(_HOME)


async def _home(
    call: Call,
    *,
    error: HubError | None = None,
    enrolment: Enrolment | None = None,
    codes: tuple[str, ...] = (),
) -> Response:
    if (await call.viewer()).is_anonymous:
        return to_login(_HOME)
    return await forms.show_page(
        call,
        "settings/second_factor.html",
        active="factor",
        form=EMPTY,
        error=error,
        state=await call.act(second_factor.see_state),
        sessions=await call.act(second_factor.list_sessions, current=own_session(call)),
        program_of=program_of,
        enrolment=enrolment,
        # Drawn by us from an address of ours: nothing a person wrote is in it but as black squares.
        picture=None if enrolment is None else Markup(enrolment.svg),  # noqa: S704
        codes=codes,
    )


ROUTES: tuple[Route, ...] = (
    Route(("GET",), _STEP_PATH, get_code, dialect="page", bucket="pages"),
    Route(("POST",), _STEP_PATH, post_code, dialect="page", bucket="pages"),
    Route(("GET",), _HOME, get_home, dialect="page", bucket="pages"),
    Route(("POST",), _HOME, post_home, dialect="page", bucket="pages"),
)

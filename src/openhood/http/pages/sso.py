"""The way to another identity provider and back. Everything is decided by `accounts.sso`."""

from __future__ import annotations

from starlette.responses import RedirectResponse, Response

from openhood.base.errors import HubError
from openhood.domain.accounts import sso
from openhood.http.context import Call
from openhood.http.pages.going import go, safe_path, set_cookie, with_session
from openhood.http.pages.render import page
from openhood.http.pages.second_factor import to_second_step
from openhood.http.router import Route

FLOW_COOKIE = "openhood_sso"


async def get_start(call: Call) -> Response:
    """Send the browser to the provider, with what it must bring back in a cookie."""
    provider = call.params["provider"]
    try:
        begun = await call.run(
            sso.start,
            call.sv,
            provider=provider,
            next_path=safe_path(call.query("next")),
            callback=f"{call.base_url}/sso/{provider}/callback",
        )
    except HubError as error:
        return await _refuse(call, error)
    answer = RedirectResponse(begun.location, 303, {"Cache-Control": "no-store"})
    set_cookie(call, answer, FLOW_COOKIE, begun.cookie, life_s=sso.FLOW_LIFE_S, path=f"/sso/{provider}/")
    return answer


async def get_callback(call: Call) -> Response:
    """Take the provider's answer, begin a session and go on."""
    provider = call.params["provider"]
    try:
        done = await call.run(
            sso.finish,
            call.sv,
            provider=provider,
            cookie=call.request.cookies.get(FLOW_COOKIE, ""),
            answer=dict(call.query_pairs()),
            user_agent=call.request.headers.get("user-agent", ""),
        )
    except HubError as error:
        answer = await _refuse(call, error)
    else:
        next_path = safe_path(done.next_path)
        if done.session is None:
            answer = to_second_step(call, done.step_pass or "", next_path)
        else:
            answer = with_session(call, go(next_path), done.session)
    answer.delete_cookie(FLOW_COOKIE, path=f"/sso/{provider}/")
    return answer


async def _refuse(call: Call, error: HubError) -> Response:
    if error.status in (404, 500):
        raise error
    return await page(call, "login.html", status=error.status, error=error.message, name="", next_path="/")


ROUTES = (
    Route(("GET",), "/sso/{provider}/start", get_start, dialect="page", bucket="pages"),
    Route(("GET",), "/sso/{provider}/callback", get_callback, dialect="page", bucket="pages"),
)

"""The second factor and the browser sessions of one's own account, as JSON."""

from __future__ import annotations

from urllib.parse import urlsplit

from pydantic import BaseModel
from starlette.responses import Response

from openhood.domain.accounts import second_factor
from openhood.domain.accounts.second_factor import OpenSession
from openhood.http import bodies
from openhood.http.context import SESSION_COOKIE, Call
from openhood.http.replies import json_reply, moment
from openhood.http.router import Route

_PRIVATE = {"Cache-Control": "no-store"}


class _Code(BaseModel):
    code: str


async def get_state(call: Call) -> Response:
    """``GET /api/settings/second-factor``: whether it is on, and how many recovery codes are left."""
    state = await call.act(second_factor.see_state)
    return json_reply(
        {
            "enabled": state.is_on,
            "since": None if state.since is None else moment(state.since),
            "recoveryCodesLeft": state.codes_left,
        },
        headers=_PRIVATE,
    )


async def post_enrol(call: Call) -> Response:
    """``POST /api/settings/second-factor``: a secret for an authenticator, to be confirmed."""
    made = await call.act(second_factor.enrol, issuer=issuer_of(call))
    return json_reply({"secret": made.secret, "uri": made.uri, "svg": made.svg}, headers=_PRIVATE)


async def post_confirm(call: Call) -> Response:
    """``POST /api/settings/second-factor/confirm``: switch it on; answers with the recovery codes, this once."""
    body = await bodies.read_model(call, _Code)
    codes = await call.act(second_factor.confirm, code=body.code, session=own_session(call))
    return json_reply({"recoveryCodes": list(codes)}, headers=_PRIVATE)


async def post_codes(call: Call) -> Response:
    """``POST /api/settings/second-factor/recovery-codes``: new ones in place of the old."""
    body = await bodies.read_model(call, _Code)
    codes = await call.act(second_factor.renew_codes, code=body.code)
    return json_reply({"recoveryCodes": list(codes)}, headers=_PRIVATE)


async def delete_factor(call: Call) -> Response:
    """``DELETE /api/settings/second-factor`` with a last code."""
    body = await bodies.read_model(call, _Code)
    await call.act(second_factor.switch_off, code=body.code)
    return Response(status_code=204)


async def list_sessions(call: Call) -> Response:
    """``GET /api/settings/sessions``: where one is signed in."""
    found = await call.act(second_factor.list_sessions, current=own_session(call))
    return json_reply([_session(each) for each in found], headers=_PRIVATE)


async def delete_session(call: Call) -> Response:
    """``DELETE /api/settings/sessions/{session}``: sign out there."""
    await call.act(second_factor.end_session, session=call.params["session"])
    return Response(status_code=204)


async def delete_other_sessions(call: Call) -> Response:
    """``DELETE /api/settings/sessions``: sign out everywhere else."""
    ended = await call.act(second_factor.end_other_sessions, current=own_session(call))
    return json_reply({"ended": ended})


def own_session(call: Call) -> str | None:
    """Return the secret of the browser session that asks, if one does."""
    if "authorization" in call.request.headers:
        return None
    return call.request.cookies.get(SESSION_COOKIE) or None


def issuer_of(call: Call) -> str:
    """Return the hub's name as an authenticator shows it."""
    return f"Openhood {urlsplit(call.base_url).netloc}"


def _session(session: OpenSession) -> dict[str, object]:
    return {
        "id": session.id,
        "userAgent": session.user_agent,
        "createdAt": moment(session.created_at),
        "expiresAt": moment(session.expires_at),
        "current": session.is_current,
    }


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/settings/second-factor", get_state),
    Route(("POST",), "/api/settings/second-factor", post_enrol),
    Route(("DELETE",), "/api/settings/second-factor", delete_factor),
    Route(("POST",), "/api/settings/second-factor/confirm", post_confirm),
    Route(("POST",), "/api/settings/second-factor/recovery-codes", post_codes),
    Route(("GET",), "/api/settings/sessions", list_sessions),
    Route(("DELETE",), "/api/settings/sessions", delete_other_sessions),
    Route(("DELETE",), "/api/settings/sessions/{session}", delete_session),
)

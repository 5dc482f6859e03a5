"""The page behind the link of an invitation into an organization: who asks whom for what, accept or decline."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.responses import Response

from openhood.base.errors import HubError, NotFound
from openhood.domain.accounts import invitations
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages.going import to_login
from openhood.http.pages.render import page
from openhood.http.router import Route

_BODY_BYTES = 10_000


async def get_invitation(call: Call) -> Response:
    """Show the invitation to whoever has its link, signed in or not."""
    token = call.params["token"]
    try:
        found = await call.run(invitations.see_by_link, call.sv, token)
    except NotFound as error:
        return await _show(call, token, status=404, error=error.message)
    return await _show(call, token, invitation=found)


async def post_invitation(call: Call) -> Response:
    """Accept or decline, as the one who is signed in."""
    token = call.params["token"]
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        return to_login(f"/invitations/{token}")
    body = await bodies.read_all(call, limit_bytes=_BODY_BYTES)
    answer = parse_qs(body.decode("utf-8", "replace")).get("answer", [""])[-1]
    try:
        if answer == "accept":
            org = await call.act(invitations.accept, link=token)
            return await _show(call, token, accepted=org.name)
        await call.act(invitations.decline, link=token)
    except HubError as error:
        return await _show(call, token, status=error.status, error=error.message)
    return await _show(call, token, declined=True)


async def _show(call: Call, token: str, *, status: int = 200, **values: object) -> Response:
    known: dict[str, object] = {
        "invitation": None,
        "accepted": None,
        "declined": False,
        "error": None,
        "here": f"/invitations/{token}",
    }
    return await page(call, "invitation.html", status=status, **(known | values))


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/invitations/{token}", get_invitation, dialect="page", bucket="pages"),
    Route(("POST",), "/invitations/{token}", post_invitation, dialect="page", bucket="pages"),
)

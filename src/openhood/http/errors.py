"""Turning refusals into answers, in the dialect the route's clients speak.

API errors carry the code and the message in headers as well, because huggingface_hub reads those
before the body (``utils/_http.py::hf_raise_for_status``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import quote

import orjson
from starlette.responses import Response

from openhood.base.errors import (
    EntryNotFound,
    HubError,
    Moved,
    RangeNotSatisfiable,
    TooManyRequests,
    Unavailable,
)
from openhood.domain.access import ANONYMOUS
from openhood.http.compression import shrink
from openhood.http.context import Call
from openhood.http.pages import render as pages
from openhood.http.viewer import door as viewer

_REALM = 'Basic realm="Openhood", charset="UTF-8"'


def render(error: HubError, call: Call | None, *, request_id: str) -> Response:
    """Return the answer for ``error`` in the dialect of the call (``api`` where there is none)."""
    dialect = call.dialect if call is not None else "api"
    headers = _headers(error)
    if dialect == viewer.DIALECT:
        return viewer.render_error(error, headers)
    if isinstance(error, Moved) and call is not None:
        return _moved(error, call, headers)
    if dialect == "git":
        return _git(error, headers)
    if dialect == "lfs":
        return _lfs(error, headers, request_id)
    if dialect == "page" and call is not None:
        return _page(error, call, headers, request_id)
    body = {**_public_facts(error), "error": error.message}
    return Response(orjson.dumps(body), error.status, headers, "application/json")


def header_text(text: str) -> str:
    """Make ``text`` safe as a header value: one line, latin-1, bounded."""
    line = " ".join(text.split())[:1000]
    return line.encode("latin-1", "replace").decode("latin-1")


def _headers(error: HubError) -> dict[str, str]:
    headers = {"X-Error-Message": header_text(error.message), "Cache-Control": "no-store"}
    if error.code:
        headers["X-Error-Code"] = error.code
    if isinstance(error, EntryNotFound) and "commit" in error.facts:
        headers["X-Repo-Commit"] = str(error.facts["commit"])
    if isinstance(error, RangeNotSatisfiable):
        headers["Content-Range"] = f"bytes */{error.facts['size']}"
    if isinstance(error, TooManyRequests):
        headers["Retry-After"] = str(error.facts["retry_after_s"])
        headers |= error.facts["allowance"].headers() if "allowance" in error.facts else {}  # type: ignore[attr-defined]  # an Allowance
    if isinstance(error, Unavailable):
        headers["Retry-After"] = "2"
    return headers


def _public_facts(error: HubError) -> Mapping[str, object]:
    hidden = ("commit", "size", "retry_after_s", "allowance")
    return {name: value for name, value in error.facts.items() if name not in hidden}


def _moved(error: Moved, call: Call, headers: dict[str, str]) -> Response:
    """307 to the same route under the new id: relative, since old clients follow no other on HEAD."""
    scope = call.request.scope
    raw = scope["raw_path"].decode("latin-1").split("?")[0]
    namespace, _, name = error.old.partition("/")
    old = f"{quote(namespace)}/{quote(name)}" if name else quote(namespace)
    # The id stands right after the type's prefix, in whole segments.
    prefix = re.match(r"/+(?:api/+[^/]+|datasets|spaces)(?=/)", raw)
    place = re.compile(rf"/+{re.escape(old)}(?=\.git(?:/|$)|/|$)").search(raw, prefix.end() if prefix else 0)
    head, tail = (raw[: place.start()], raw[place.end() :]) if place else ("", "")
    # One slash only: two would make it the address of another host.
    target = "/" + f"{head}/{error.new}{tail}".lstrip("/")
    query = scope["query_string"].decode("latin-1")
    location = target + (f"?{query}" if query else "")
    headers["Location"] = location
    return Response(
        f"Temporary Redirect. Redirecting to {location}", 307, headers, "text/plain; charset=utf-8"
    )


def _git(error: HubError, headers: dict[str, str]) -> Response:
    if error.status == 401:
        headers["WWW-Authenticate"] = _REALM  # without it git does not ask for a password
    return Response(error.message + "\n", error.status, headers, "text/plain; charset=utf-8")


def _lfs(error: HubError, headers: dict[str, str], request_id: str) -> Response:
    if error.status == 401:
        headers["WWW-Authenticate"] = _REALM
        headers["LFS-Authenticate"] = _REALM
    body = {**_public_facts(error), "message": error.message, "request_id": request_id}
    return Response(orjson.dumps(body), error.status, headers, "application/vnd.git-lfs+json")


def _page(error: HubError, call: Call, headers: dict[str, str], request_id: str) -> Response:
    text = pages.render(
        call,
        call.known_viewer or ANONYMOUS,
        "error.html",
        status=error.status,
        error=error.message,
        request_id=request_id,
    )
    response = Response(text, error.status, {**pages.HEADERS, **headers}, "text/html; charset=utf-8")
    return shrink(call.request.headers, response)

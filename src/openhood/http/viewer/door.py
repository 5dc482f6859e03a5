"""The viewer's side of the door: its parameters, the headers of its answers, and the form of its errors.

The same handlers stand under ``/api/datasets/{id}/viewer/…`` and, for clients that know the original's host, under a
virtual host ``datasets-server.<this hub>`` (`http.viewer.host`).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import orjson
from starlette.responses import Response

from openhood.base.errors import (
    Forbidden,
    GatedRepo,
    HubError,
    InvalidCredentials,
    InvalidParameter,
    MissingRequiredParameter,
    Moved,
    RepoDisabled,
    RepoNotFound,
    Unauthorized,
)
from openhood.base.names import Oid, RepoId
from openhood.http.context import Call
from openhood.http.router import Handler, Route
from openhood.http.viewer.large import reply_mapped

DIALECT = "viewer"
MAX_PAGE = 100
"""Most rows of one answer, as in the original."""
_GOOD_S, _ERROR_S = 120, 10
_VARY = "Authorization, Cookie, Origin"
_HIDDEN = (RepoNotFound, GatedRepo, Unauthorized, InvalidCredentials, RepoDisabled)
"""Refusals of those who may not see a dataset, or not yet."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a question is about. ``config`` and ``split`` are empty where they were left out.

    ``revision`` is ours: the original knows the tip of main only.
    """

    repo_id: RepoId
    config: str
    split: str
    revision: str


def asked(call: Call, *, config: bool = False, split: bool = False) -> Asked:
    """Return what a question is about. Raises MissingRequiredParameter where what is needed is missing."""
    found = Asked(
        call.repo_id,
        call.query("config") or "",
        call.query("split") or "",
        call.query("revision") or "main",
    )
    for name, value, is_needed in (("config", found.config, config or split), ("split", found.split, split)):
        if is_needed and not value:
            raise MissingRequiredParameter(f"Parameter '{name}' is required")
    return found


def page_of(call: Call) -> tuple[int, int]:
    """Return offset and length in rows. Raises InvalidParameter."""
    offset = _number("offset", call.query("offset"), 0)
    length = _number("length", call.query("length"), MAX_PAGE)
    if offset < 0:
        raise InvalidParameter("Parameter 'offset' must be greater or equal to 0")
    if not 0 <= length <= MAX_PAGE:
        raise InvalidParameter(f"Parameter 'length' must be between 0 and {MAX_PAGE}")
    return offset, length


def route(endpoint: str, handler: Handler, *, methods: tuple[str, ...] = ("GET",)) -> Route:
    """Return the route of an endpoint of the viewer."""
    template = f"/api/datasets/{{ns}}/{{name}}/viewer/{endpoint}"
    return Route(methods, template, handler, fixed={"type": "datasets"}, dialect=DIALECT)


def reply(
    call: Call,
    commit: Oid,
    made: bytes | object,
    *,
    is_public: bool,
    is_final: bool = True,
    variant: str = "",
) -> Response:
    """Return an answer: a document, or JSON that was made already.

    All is a function of the commit and the question, so unless it is not ``is_final`` (a conversion is under way)
    the answer has an ETag, and a client that knows it gets 304. ``variant`` is whatever else the answer depends on,
    such as the permission in its links.
    """
    scope = "public" if is_public else "private"
    headers = {
        "X-Revision": commit,
        "Cache-Control": f"{scope}, max-age={_GOOD_S}" if is_final else "no-store",
        "Vary": _VARY,
    }
    if is_final:
        headers["ETag"] = _etag(call, commit, variant)
        if headers["ETag"] in (call.request.headers.get("if-none-match") or ""):
            return Response(None, 304, headers)
    if isinstance(made, memoryview):
        return reply_mapped(call, made, headers, "application/json")
    body = made if isinstance(made, bytes) else orjson.dumps(made)
    return Response(body, 200, headers, "application/json")


def render_error(error: HubError, headers: dict[str, str]) -> Response:
    """Return a refusal as the original writes it; `http.errors` calls this."""
    code, status, message = _as_the_original(error)
    # Whoever is let in a moment later is not to be told the old refusal by a cache.
    is_of_access = isinstance(error, (*_HIDDEN, Forbidden))
    headers = {
        **headers,
        "X-Error-Code": code,
        "Cache-Control": "no-store" if is_of_access else f"private, max-age={_ERROR_S}",
        "Vary": _VARY,
    }
    if "commit" in error.facts:
        headers["X-Revision"] = str(error.facts["commit"])
    body: dict[str, object] = {"error": message}
    cause = error.__cause__
    if isinstance(cause, HubError):
        body |= {
            "cause_exception": type(cause).__name__,
            "cause_message": cause.message,
            "cause_traceback": [],
        }
    if status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return Response(orjson.dumps(body), status, headers, "application/json")


def _as_the_original(error: HubError) -> tuple[str, int, str]:
    """Return code, status and message: what one may not know of looks like what is not there."""
    if isinstance(error, Moved):
        return (
            "RenamedDatasetError",
            404,
            f"The dataset has been renamed. Please use the current dataset name: {error.new}.",
        )
    if isinstance(error, InvalidCredentials):
        return "ExternalUnauthenticatedError", error.status, error.message
    if isinstance(error, _HIDDEN):
        why = error.message if isinstance(error, GatedRepo) else "The dataset does not exist"
        if error.status == 401:
            return (
                "ExternalUnauthenticatedError",
                401,
                f"{why}, or is not accessible without authentication (private or gated). Please check the spelling of "
                "the dataset name or retry with authentication.",
            )
        return (
            "ExternalAuthenticatedError",
            404,
            f"{why}, or is not accessible with the current credentials (private or gated). Please check the spelling "
            "of the dataset name or retry with other authentication credentials.",
        )
    return (
        error.code or ("UnexpectedApiError" if error.status == 500 else type(error).__name__),
        error.status,
        error.message,
    )


def _etag(call: Call, commit: Oid, variant: str) -> str:
    scope = call.request.scope
    asked_for = b"\0".join(
        (commit.encode(), scope["raw_path"], scope["query_string"], call.base_url.encode(), variant.encode())
    )
    return f'"{hashlib.blake2b(asked_for, digest_size=12).hexdigest()}"'


def _number(name: str, text: str | None, default: int) -> int:
    if not text:
        return default
    try:
        return int(text)
    except ValueError:
        raise InvalidParameter(f"Parameter '{name}' must be an integer") from None

"""The Hub's routes that this hub knows and does not have: 501 and a sentence, never silence.

Those below a repository look it up first, so that a private one answers as a missing one does.
"""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response

from openhood.base.errors import NotSupported
from openhood.domain.access import Need
from openhood.domain.repos import lifecycle
from openhood.http.context import Call
from openhood.http.router import Handler, Route

_ALL = ("GET", "POST", "PUT", "PATCH", "DELETE")

# Feature, methods, templates. `*` at the end means: and everything below.
_TABLE: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("Discussions", _ALL, "/api/discussions/*"),
    ("Papers", _ALL, "/api/papers/* /api/daily_papers /api/arxiv/* /papers/*"),
    ("Posts and blogs", _ALL, "/api/posts/* /api/blog/*"),
    ("Billing", _ALL, "/api/settings/billing/* /api/organizations/{o}/billing/*"),
    ("An MCP server", _ALL, "/mcp /api/settings/mcp"),
    ("Provisioning by SCIM", _ALL, "/api/organizations/{o}/scim/*"),
    ("Jobs", _ALL, "/api/jobs/* /api/scheduled-jobs/*"),
    ("Running spaces", ("GET",), "/api/spaces/hardware /api/spaces/zero-gpu/quota"),
    ("Search in documentation", ("GET", "POST"), "/api/docs/search"),
    ("Inference endpoints", _ALL, "/api/inference-endpoints/* /api/catalog/* /api/v1/catalog/*"),
    ("Buckets", _ALL, "/api/buckets/* /buckets/*"),
    ("The registry protocol of llama.cpp and Ollama", ("GET",), "/v2/*"),
)

# The same below `/api/{type}/{id}/`.
_BELOW_REPO: tuple[tuple[str, tuple[str, ...], str], ...] = (
    ("This of discussions", _ALL, "discussions/*"),
    ("Saved queries of the SQL console", ("GET",), "sql-console/*"),
    ("File security scans", ("POST",), "scan"),
    ("Notebook previews", ("GET",), "notebook/*"),
    ("Short-lived tokens for one repository", ("GET",), "jwt"),
)
_BELOW_SPACE = (
    "runtime hardware sleeptime pause restart dev-mode volumes secrets variables logs/* metrics events"
)


def _refuse(feature: str) -> Handler:
    async def handler(call: Call) -> Response:
        raise NotSupported(f"{feature}: not supported by this hub yet.")

    return handler


def _refuse_below_repo(feature: str) -> Handler:
    async def handler(call: Call) -> Response:
        await call.act(lifecycle.auth_check, repo_type=call.repo_type, repo_id=call.repo_id, need=Need.INFO)
        raise NotSupported(f"{feature}: not supported by this hub yet.")

    return handler


def _templates(words: str) -> Iterator[str]:
    """Yield the templates of a table's line: a word ending in ``*`` stands for all that is below it."""
    for word in words.split():
        if word.endswith("/*"):
            yield word.removesuffix("*") + "{path:path}"
        elif word.endswith("*"):
            yield word.removesuffix("*")
            yield word.removesuffix("*") + "/{path:path}"
        else:
            yield word


def _routes() -> Iterator[Route]:
    for feature, methods, words in _TABLE:
        for template in _templates(words):
            yield Route(methods, template, _refuse(feature))
    for feature, methods, words in _BELOW_REPO:
        for template in _templates(words):
            place = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/" + template
            yield Route(methods, place, _refuse_below_repo(feature))
    for template in _templates(_BELOW_SPACE):
        yield Route(
            _ALL,
            "/api/spaces/{ns}/{name}/" + template,
            _refuse_below_repo("Running spaces"),
            fixed={"type": "spaces"},
        )
    yield Route(
        ("POST", "DELETE"),
        "/api/spaces/{ns}/{name}/storage",
        _refuse_below_repo("Running spaces"),
        fixed={"type": "spaces"},
    )


ROUTES: tuple[Route, ...] = tuple(_routes())

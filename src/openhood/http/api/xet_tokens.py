"""The routes that hand out CAS tokens for a repository.

Every answer says the same twice, since clients differ in where they look: as JSON and as headers.
"""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.access import Viewer
from openhood.domain.repos import downloads, xet
from openhood.domain.repos.xet import Access
from openhood.domain.services import Services
from openhood.http.cas.bearer import cas_url
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.resolve import client_of
from openhood.http.router import Route


async def get_read_token(call: Call) -> Response:
    """``GET xet-read-token/{rev}``. **Source**: huggingface_hub ``utils/_xet.py``, huggingface.js ``XetBlob.ts``."""
    return _reply(call, await call.act(_issue_read, call=call))


def _issue_read(sv: Services, viewer: Viewer, *, call: Call) -> Access:
    access = xet.issue_read(
        sv, viewer, repo_type=call.repo_type, repo_id=call.repo_id, revision=call.params["rev"]
    )
    # huggingface_hub reads the tree and comes straight here, without a request for any file.
    downloads.note_grant(sv, viewer, access.repo, client=client_of(call))
    return access


async def get_write_token(call: Call) -> Response:
    """``GET xet-write-token/{rev}``, with ``create_pr=1`` for whoever may only propose."""
    access = await call.act(
        xet.issue_write,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        create_pr=call.query_flag("create_pr", default=False),
    )
    return _reply(call, access)


def token_headers(call: Call, access: Access) -> dict[str, str]:
    """Return the headers that tell a client of its token."""
    return {
        "X-Xet-Cas-Url": cas_url(call, access.epoch),
        "X-Xet-Access-Token": access.token,
        "X-Xet-Token-Expiration": str(access.expires_at),
    }


def _reply(call: Call, access: Access) -> Response:
    body = {
        "accessToken": access.token,
        "exp": access.expires_at,
        "casUrl": cas_url(call, access.epoch),
    }
    return json_reply(body, headers={**token_headers(call, access), "Cache-Control": "no-store"})


_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}"

ROUTES: tuple[Route, ...] = (
    # The rest of the path, so that a person may leave the slashes of a revision as they are.
    Route(("GET",), f"{_REPO}/xet-read-token/{{rev:path}}", get_read_token, bucket="resolvers"),
    Route(("GET",), f"{_REPO}/xet-write-token/{{rev:path}}", get_write_token),
)

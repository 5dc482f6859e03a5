"""Trusted publishers of repositories and accounts. This hub's own routes: `docs/users/trusted-publishers.md`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import Unauthorized
from openhood.domain.publishers import actions
from openhood.domain.publishers.actions import Resource
from openhood.domain.publishers.rows import Publisher
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment
from openhood.http.router import Route


class PublisherBody(BaseModel):
    """A workload to trust; without ``audience`` its tokens must be meant for this hub's address."""

    issuer: str
    subject: str
    audience: str | None = None
    claims: dict[str, str] = Field(default_factory=dict)
    role: Literal["read", "write"] | None = None


async def get_publishers(call: Call) -> Response:
    """List the trusted publishers of a repository or account."""
    found = await call.act(actions.list_publishers, resource=await _resource(call))
    return json_reply({"trustedPublishers": [_json(each) for each in found]})


async def post_publishers(call: Call) -> Response:
    """Trust a workload with a repository, to write unless it says otherwise, or with an account, to read."""
    resource = await _resource(call)
    body = await bodies.read_model(call, PublisherBody)
    made = await call.act(
        actions.add_publisher,
        resource=resource,
        issuer=body.issuer,
        subject=body.subject,
        # Clients ask for tokens meant for their HF_ENDPOINT: huggingface_hub `_oidc.py::get_oidc_token`. It is kept
        # as this administrator wrote it, since whoever exchanges a token could write anything.
        audience=body.audience or call.base_url,
        claims=body.claims,
        role=body.role or ("read" if isinstance(resource, str) else "write"),
    )
    return json_reply(_json(made), status=201)


async def delete_publisher(call: Call) -> Response:
    """Trust a workload no more."""
    await call.act(
        actions.remove_publisher, resource=await _resource(call), publisher=call.params["publisher"]
    )
    return json_reply({"success": True})


async def _resource(call: Call) -> Resource:
    viewer = await call.viewer()
    if "o" in call.params:
        return call.params["o"]
    if "name" in call.params:
        return call.repo_type, call.repo_id
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    return viewer.name


def _json(publisher: Publisher) -> dict[str, object]:
    return {
        "id": publisher.hex_id,
        "issuer": publisher.issuer,
        "subject": publisher.subject,
        "audience": publisher.audience,
        "claims": dict(publisher.claims),
        "role": publisher.role,
        "createdAt": moment(publisher.created_at),
    }


_PLACES = (
    "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/trusted-publishers",
    "/api/organizations/{o}/trusted-publishers",
    "/api/settings/trusted-publishers",
)

ROUTES = tuple(
    route
    for place in _PLACES
    for route in (
        Route(("GET",), place, get_publishers),
        Route(("POST",), place, post_publishers),
        Route(("DELETE",), place + "/{publisher}", delete_publisher),
    )
)

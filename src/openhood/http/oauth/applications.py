"""Registering programs, and what people granted them: RFC 7591, and the API of the applications' settings.

The settings' routes are this hub's own: `docs/users/oauth.md`.
"""

from __future__ import annotations

from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import OauthRefused
from openhood.domain.accounts import clients, consents
from openhood.domain.accounts.clients import AppForm, NewClient
from openhood.domain.accounts.consents import Grant
from openhood.domain.accounts.types import OauthClient
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.oauth.forms import NO_STORE, refuse
from openhood.http.replies import json_reply, moment
from openhood.http.router import Route


class AppBody(BaseModel):
    """A program to register or change."""

    name: str
    redirectUris: list[str] = Field(default_factory=list)
    scopes: list[str] = Field(default_factory=list)
    isPublic: bool = False
    deviceFlow: bool = False
    uri: str = ""

    def form(self) -> AppForm:
        """Return it as the domain wants it."""
        return AppForm(
            name=self.name,
            redirect_uris=tuple(self.redirectUris),
            is_public=self.isPublic,
            scopes=tuple(self.scopes),
            uri=self.uri,
            device_flow=self.deviceFlow,
        )


async def post_register(call: Call) -> Response:
    """Register a program that asks for it itself. Source: RFC 7591, section 3."""
    try:
        made = await call.act(
            clients.register,
            await bodies.read_object(call),
            address=call.request.client.host if call.request.client else "",
            insecure=is_insecure(call),
        )
    except OauthRefused as refusal:
        return refuse(refusal)
    client = made.client
    found: dict[str, object] = {
        "client_id": client.client_id,
        "client_id_issued_at": int(client.created_at.timestamp()),
        "client_name": client.name,
        "redirect_uris": list(client.redirect_uris),
        "grant_types": client.details["grants"],
        "response_types": ["code"],
        "token_endpoint_auth_method": client.details["method"],
    }
    if client.scopes:
        found["scope"] = " ".join(client.scopes)
    if client.details["uri"]:
        found["client_uri"] = client.details["uri"]
    if made.secret is not None:
        found |= {"client_secret": made.secret, "client_secret_expires_at": 0}
    return json_reply(found, status=201, headers=NO_STORE)


async def get_apps(call: Call) -> Response:
    """List the caller's own programs."""
    found = await call.act(clients.list_apps)
    return json_reply([app_json(each) for each in found], headers=NO_STORE)


async def post_apps(call: Call) -> Response:
    """Register a program of the caller's; its secret is in this answer only."""
    await call.viewer()
    body = await bodies.read_model(call, AppBody)
    made = await call.act(clients.create_app, body.form(), insecure=is_insecure(call))
    return json_reply(_new_json(made), status=201, headers=NO_STORE)


async def get_app(call: Call) -> Response:
    """Answer with one of the caller's programs."""
    found = await call.act(clients.get_app, client_id=call.params["client"])
    return json_reply(app_json(found), headers=NO_STORE)


async def put_app(call: Call) -> Response:
    """Change one of the caller's programs."""
    await call.viewer()
    body = await bodies.read_model(call, AppBody)
    changed = await call.act(
        clients.update_app, body.form(), client_id=call.params["client"], insecure=is_insecure(call)
    )
    return json_reply(app_json(changed), headers=NO_STORE)


async def delete_app(call: Call) -> Response:
    """Remove one of the caller's programs."""
    await call.act(clients.delete_app, client_id=call.params["client"])
    return json_reply({"success": True})


async def post_app_secret(call: Call) -> Response:
    """Give one of the caller's programs a new secret."""
    made = await call.act(clients.renew_secret, client_id=call.params["client"])
    return json_reply(_new_json(made), headers=NO_STORE)


async def get_grants(call: Call) -> Response:
    """List what the caller granted to programs."""
    found = await call.act(consents.list_grants)
    return json_reply([_grant_json(each) for each in found], headers=NO_STORE)


async def delete_grant(call: Call) -> Response:
    """Take back what the caller granted to a program."""
    await call.act(consents.revoke_grant, client_id=call.params["client"])
    return json_reply({"success": True})


def app_json(client: OauthClient) -> dict[str, object]:
    """Return a program as the settings API shows it."""
    return {
        "clientId": client.client_id,
        "name": client.name,
        "isPublic": client.is_public,
        "deviceFlow": client.device_flow,
        "redirectUris": list(client.redirect_uris),
        "scopes": list(client.scopes),
        "uri": client.details.get("uri", ""),
        "createdAt": moment(client.created_at),
    }


def is_insecure(call: Call) -> bool:
    """Tell whether this hub itself is reached without TLS, so that programs around it may be too."""
    return call.base_url.startswith("http://")


def _new_json(made: NewClient) -> dict[str, object]:
    return {**app_json(made.client), "clientSecret": made.secret}


def _grant_json(grant: Grant) -> dict[str, object]:
    return {
        "clientId": grant.client.client_id,
        "name": grant.client.name,
        "uri": grant.client.details.get("uri", ""),
        "scopes": list(grant.scopes),
        "orgs": [{"id": org.hex_id, "name": org.name} for org in grant.orgs],
        "byDevice": grant.by_device,
        "grantedAt": moment(grant.granted_at),
    }


ROUTES = (
    Route(("POST",), "/oauth/register", post_register),
    Route(("GET",), "/api/settings/oauth-apps", get_apps),
    Route(("POST",), "/api/settings/oauth-apps", post_apps),
    Route(("GET",), "/api/settings/oauth-apps/{client}", get_app),
    Route(("PUT",), "/api/settings/oauth-apps/{client}", put_app),
    Route(("DELETE",), "/api/settings/oauth-apps/{client}", delete_app),
    Route(("POST",), "/api/settings/oauth-apps/{client}/secret", post_app_secret),
    Route(("GET",), "/api/settings/oauth-grants", get_grants),
    Route(("DELETE",), "/api/settings/oauth-grants/{client}", delete_grant),
)

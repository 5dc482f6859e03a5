"""Connected applications: what one granted to programs, and the programs one registered oneself."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.accounts import clients, consents
from openhood.domain.accounts.clients import AppForm, NewClient
from openhood.domain.accounts.oauth_scopes import SCOPE_WORDS
from openhood.domain.accounts.types import OauthClient
from openhood.http.context import Call
from openhood.http.oauth.applications import is_insecure
from openhood.http.pages.going import go, to_login
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PATH = "/settings/connected-applications"
_EMPTY: Mapping[str, object] = {
    "name": "",
    "uri": "",
    "redirects": "",
    "kind": "confidential",
    "scopes": ("openid", "profile"),
    "device_flow": False,
}


async def get_applications(call: Call) -> Response:
    """List what one granted and what one registered, and offer to register a program."""
    if (await call.viewer()).is_anonymous:
        return to_login(_PATH)
    return await _page(call, fields=_EMPTY)


async def post_applications(call: Call) -> Response:
    """Register a program and show its secret, this once."""
    form = await forms.read(call)
    if (await call.viewer()).is_anonymous:
        return to_login(_PATH)
    try:
        made = await call.act(clients.create_app, _app_form(form), insecure=is_insecure(call))
    except HubError as error:
        forms.expect(error)
        return await _page(call, fields=_again(form), error=error)
    return await _page(call, fields=_EMPTY, made=made)


async def post_revoke(call: Call) -> Response:
    """Take back what one granted a program."""
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        return to_login(_PATH)
    await call.act(consents.revoke_grant, client_id=call.params["client"])
    return go(_PATH)


async def get_application(call: Call) -> Response:
    """One program of one's own, to change it."""
    if (await call.viewer()).is_anonymous:
        return to_login(_PATH)
    client = await call.act(clients.get_app, client_id=call.params["client"])
    return await _app_page(call, client, fields=_form_of(client))


async def post_application(call: Call) -> Response:
    """Change one program of one's own."""
    form = await forms.read(call)
    if (await call.viewer()).is_anonymous:
        return to_login(_PATH)
    client = await call.act(clients.get_app, client_id=call.params["client"])
    try:
        changed = await call.act(
            clients.update_app, _app_form(form), client_id=client.client_id, insecure=is_insecure(call)
        )
    except HubError as error:
        forms.expect(error)
        return await _app_page(call, client, fields=_again(form), error=error)
    return await _app_page(call, changed, fields=_form_of(changed), done="saved")


async def post_secret(call: Call) -> Response:
    """Give one program of one's own a new secret and show it, this once."""
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        return to_login(_PATH)
    made = await call.act(clients.renew_secret, client_id=call.params["client"])
    return await _app_page(call, made.client, fields=_form_of(made.client), secret=made.secret)


async def post_delete(call: Call) -> Response:
    """Remove one program of one's own, whose name must be typed once more."""
    form = await forms.read(call)
    if (await call.viewer()).is_anonymous:
        return to_login(_PATH)
    client = await call.act(clients.get_app, client_id=call.params["client"])
    try:
        form.check_confirmed(client.name)
    except HubError as error:
        return await _app_page(call, client, fields=_form_of(client), error=error)
    await call.act(clients.delete_app, client_id=client.client_id)
    return go(_PATH)


async def _page(
    call: Call, *, fields: Mapping[str, object], error: HubError | None = None, made: NewClient | None = None
) -> Response:
    return await forms.show_page(
        call,
        "settings/applications.html",
        active="applications",
        form=EMPTY,
        error=error,
        grants=await call.act(consents.list_grants),
        apps=await call.act(clients.list_apps),
        fields=fields,
        made=made,
        scope_words=SCOPE_WORDS,
    )


async def _app_page(
    call: Call,
    client: OauthClient,
    *,
    fields: Mapping[str, object],
    error: HubError | None = None,
    done: str | None = None,
    secret: str | None = None,
) -> Response:
    return await forms.show_page(
        call,
        "settings/application.html",
        active="applications",
        form=EMPTY,
        error=error,
        done=done,
        secret=secret,
        client=client,
        people=await call.act(clients.count_people, client_id=client.client_id),
        fields=fields,
        scope_words=SCOPE_WORDS,
    )


def _app_form(form: Form) -> AppForm:
    return AppForm(
        name=form.one("name"),
        redirect_uris=tuple(line.strip() for line in form.one("redirects").splitlines() if line.strip()),
        is_public=form.one("kind") == "public",
        scopes=tuple(form.all("scope")),
        uri=form.one("uri").strip(),
        device_flow=form.flag("device_flow"),
    )


def _again(form: Form) -> dict[str, object]:
    kept: dict[str, object] = {name: form.one(name) for name in ("name", "uri", "redirects", "kind")}
    return {**kept, "scopes": form.all("scope"), "device_flow": form.flag("device_flow")}


def _form_of(client: OauthClient) -> dict[str, object]:
    return {
        "name": client.name,
        "uri": client.details.get("uri", ""),
        "redirects": "\n".join(client.redirect_uris),
        "kind": "public" if client.is_public else "confidential",
        "scopes": client.scopes,
        "device_flow": client.device_flow,
    }


ROUTES = (
    forms.route("GET", _PATH, get_applications),
    forms.route("POST", _PATH, post_applications),
    forms.route("POST", _PATH + "/{client}/revoke", post_revoke),
    forms.route("GET", "/settings/applications/{client}", get_application),
    forms.route("POST", "/settings/applications/{client}", post_application),
    forms.route("POST", "/settings/applications/{client}/secret", post_secret),
    forms.route("POST", "/settings/applications/{client}/delete", post_delete),
)

"""OAuth for programs: device flow, refresh, user info and discovery, in the words of RFC 6749 and RFC 8628.

The page where a person approves is in `pages.account`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from urllib.parse import quote, unquote

from starlette.responses import Response

from openhood.base.errors import NotSupported, OauthRefused
from openhood.domain.accounts import actions, oauth
from openhood.domain.accounts.types import IssuedTokens
from openhood.http import bodies
from openhood.http.api.accounts import avatar_of
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
TOKEN_EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"

_NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


async def post_device(call: Call) -> Response:
    """Begin a device sign-in. Source: huggingface_hub ``utils/_oauth_device.py::request_device_code``."""
    try:
        form = await _read(call)
        started = await call.run(
            oauth.start_device_flow,
            call.sv,
            client_id=_required(form, "client_id"),
            scope=form.get("scope", ""),
        )
    except OauthRefused as refusal:
        return _refuse(refusal)
    address = f"{call.base_url}/device"
    return json_reply(
        {
            "device_code": started.device_code,
            "user_code": started.user_code,
            "verification_uri": address,
            "verification_uri_complete": f"{address}?user_code={quote(started.user_code)}",
            "expires_in": started.expires_in_s,
            "interval": started.interval_s,
        },
        headers=_NO_STORE,
    )


async def post_token(call: Call) -> Response:
    """Exchange a device code or a refresh token for tokens.

    Source: huggingface_hub ``utils/_oauth_device.py``; it reads ``error`` and, failing, ``error_description``.
    """
    try:
        form = await _read(call)
        grant = _required(form, "grant_type")
        if grant == DEVICE_GRANT:
            issued = await call.run(
                oauth.redeem_device_code,
                call.sv,
                client_id=_required(form, "client_id"),
                device_code=_required(form, "device_code"),
            )
        elif grant == "refresh_token":
            issued = await call.run(
                oauth.refresh,
                call.sv,
                client_id=_required(form, "client_id"),
                refresh_token=_required(form, "refresh_token"),
            )
        elif grant in ("authorization_code", TOKEN_EXCHANGE_GRANT, "client_credentials"):
            raise NotSupported(f"This hub does not issue tokens for the grant type '{grant}' yet.")
        else:
            raise OauthRefused("unsupported_grant_type", f"Unknown grant type {grant[:80]!r}.")
    except OauthRefused as refusal:
        return _refuse(refusal)
    return json_reply(_issued(issued), headers=_NO_STORE)


async def get_userinfo(call: Call) -> Response:
    """Answer who the token belongs to, in OpenID Connect's words. Source: huggingface.js ``oauth-handle-redirect``."""
    identity = await call.act(actions.who_am_i)
    account = identity.account
    found: dict[str, object] = {
        "sub": account.hex_id,
        "name": account.fullname or account.name,
        "preferred_username": account.name,
        "profile": f"{call.base_url}/{account.name}",
        "picture": _absolute(call, avatar_of(account)),
        "isPro": False,
        "canPay": False,
        "orgs": [
            {
                "sub": each.org.hex_id,
                "name": each.org.fullname or each.org.name,
                "preferred_username": each.org.name,
                "picture": _absolute(call, avatar_of(each.org)),
                "isEnterprise": False,
                "roleInOrg": each.role.label,
            }
            for each in identity.memberships
        ],
    }
    if account.email:
        found |= {"email": account.email, "email_verified": account.email_verified}
    return json_reply(found, headers=_NO_STORE)


async def get_configuration(call: Call) -> Response:
    """Answer with the discovery document; what is not built answers 501 at its address."""
    base = call.base_url
    return json_reply(
        {
            "issuer": base,
            "authorization_endpoint": f"{base}/oauth/authorize",
            "device_authorization_endpoint": f"{base}/oauth/device",
            "token_endpoint": f"{base}/oauth/token",
            "userinfo_endpoint": f"{base}/oauth/userinfo",
            "jwks_uri": f"{base}/oauth/jwks",
            "registration_endpoint": f"{base}/oauth/register",
            "scopes_supported": list(oauth.SCOPE_PERMISSIONS),
            "response_types_supported": ["code"],
            "grant_types_supported": [DEVICE_GRANT, "refresh_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "token_endpoint_auth_methods_supported": ["none"],
            "code_challenge_methods_supported": ["S256"],
        }
    )


async def not_built(call: Call) -> Response:
    """Refuse the authorization-code flow clearly."""
    raise NotSupported(
        "This hub does not support the OAuth authorization-code flow yet. Programs can sign people in by the device "
        "flow (POST /oauth/device) or with an access token."
    )


async def _read(call: Call) -> Mapping[str, str]:
    """Return the request's fields, JSON or form, with the client's id from Basic credentials if it is there."""
    if bodies.is_form(call):
        found = dict(await bodies.read_form(call))
    else:
        found = {
            str(name): value
            for name, value in (await bodies.read_object(call)).items()
            if isinstance(value, str)
        }
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic" and "client_id" not in found:
        try:
            found["client_id"] = unquote(base64.b64decode(value, validate=True).decode().partition(":")[0])
        except (binascii.Error, UnicodeDecodeError) as error:
            raise OauthRefused("invalid_client", "The client's credentials are not valid.") from error
    return found


def _required(form: Mapping[str, str], name: str) -> str:
    value = form.get(name)
    if not value:
        raise OauthRefused("invalid_request", f"The parameter '{name}' is missing.")
    return value


def _refuse(refusal: OauthRefused) -> Response:
    return json_reply(
        {"error": refusal.error, "error_description": refusal.message},
        status=refusal.status,
        headers=_NO_STORE,
    )


def _issued(issued: IssuedTokens) -> dict[str, object]:
    return {
        "access_token": issued.access_token,
        "token_type": "bearer",
        "expires_in": issued.expires_in_s,
        "refresh_token": issued.refresh_token,
        "scope": issued.scope,
    }


def _absolute(call: Call, address: str) -> str:
    return call.base_url + address if address.startswith("/") else address


ROUTES = (
    Route(("POST",), "/oauth/device", post_device),
    Route(("POST",), "/oauth/token", post_token),
    Route(("GET", "POST"), "/oauth/userinfo", get_userinfo),
    Route(("GET",), "/.well-known/openid-configuration", get_configuration),
    Route(("GET", "POST"), "/oauth/authorize", not_built),
    Route(("POST",), "/oauth/register", not_built),
    Route(("GET",), "/oauth/jwks", not_built),
)

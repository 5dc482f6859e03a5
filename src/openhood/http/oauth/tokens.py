"""The endpoints that programs get tokens from and end them at: device, token, revoke.

Source: RFC 6749, RFC 7009, RFC 8628, RFC 8693. Where a person approves is in `pages.account` and `pages.consent`.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from openhood.base.errors import OauthRefused
from openhood.domain.accounts import oauth, oauth_codes
from openhood.domain.accounts.clients import CODE_GRANT, DEVICE_GRANT, REFRESH_GRANT
from openhood.domain.accounts.types import IssuedTokens
from openhood.domain.publishers import exchange
from openhood.http.context import Call
from openhood.http.oauth.forms import NO_STORE, Fields, read_fields, refuse
from openhood.http.replies import json_reply
from openhood.http.router import Route

TOKEN_EXCHANGE_GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN_TYPE = "urn:ietf:params:oauth:token-type:access_token"


async def post_device(call: Call) -> Response:
    """Begin a device sign-in. Source: huggingface_hub ``utils/_oauth_device.py::request_device_code``."""
    fields = None
    try:
        fields = await read_fields(call)
        started = await call.run(
            oauth.start_device_flow,
            call.sv,
            credentials=fields.credentials,
            scope=fields.get("scope") or "",
        )
    except OauthRefused as refusal:
        return refuse(refusal, by_header=fields is not None and fields.by_header)
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
        headers=NO_STORE,
    )


async def post_token(call: Call) -> Response:
    """Exchange what a program has for tokens: a code, a device code, a refresh token, a workload's identity token.

    Source: huggingface_hub ``utils/_oauth_device.py`` and ``_oidc.py``, which reads ``error`` and the headers;
    huggingface.js ``oauth-handle-redirect``.
    """
    fields = None
    try:
        fields = await read_fields(call)
        grant = fields.required("grant_type")
        if grant == TOKEN_EXCHANGE_GRANT:
            return await _exchange(call, fields)
        issued = await _issue(call, fields, grant)
    except OauthRefused as refusal:
        return refuse(refusal, by_header=fields is not None and fields.by_header)
    return json_reply(_issued(issued), headers=NO_STORE)


async def post_revoke(call: Call) -> Response:
    """End the sign-in that a token belongs to; 200 also for a token that nobody knows. Source: RFC 7009."""
    fields = None
    try:
        fields = await read_fields(call)
        await call.run(oauth.revoke, call.sv, credentials=fields.credentials, token=fields.required("token"))
    except OauthRefused as refusal:
        return refuse(refusal, by_header=fields is not None and fields.by_header)
    return json_reply({}, headers=NO_STORE)


async def _issue(call: Call, fields: Fields, grant: str) -> IssuedTokens:
    if grant == CODE_GRANT:
        return await call.run(
            oauth_codes.redeem_code,
            call.sv,
            credentials=fields.credentials,
            code=fields.required("code"),
            redirect_uri=fields.get("redirect_uri"),
            verifier=fields.get("code_verifier"),
            issuer=call.base_url,
        )
    if grant == REFRESH_GRANT:
        return await call.run(
            oauth.refresh,
            call.sv,
            credentials=fields.credentials,
            refresh_token=fields.required("refresh_token"),
            scope=fields.get("scope"),
        )
    if grant == DEVICE_GRANT:
        return await call.run(
            oauth.redeem_device_code,
            call.sv,
            credentials=fields.credentials,
            device_code=fields.required("device_code"),
        )
    raise OauthRefused("unsupported_grant_type", f"The grant type {grant[:80]!r} is not supported.")


async def _exchange(call: Call, fields: Fields) -> Response:
    issued = await call.run(
        exchange.exchange_identity,
        call.sv,
        subject_token=fields.required("subject_token"),
        subject_token_type=fields.required("subject_token_type"),
        resource=fields.required("resource"),
    )
    return json_reply(
        {
            "access_token": issued.access_token,
            "issued_token_type": ACCESS_TOKEN_TYPE,
            "token_type": "bearer",
            "expires_in": issued.expires_in_s,
            "scope": issued.scope,
        },
        headers=NO_STORE,
    )


def _issued(issued: IssuedTokens) -> dict[str, object]:
    found: dict[str, object] = {
        "access_token": issued.access_token,
        "token_type": "bearer",
        "expires_in": issued.expires_in_s,
        "refresh_token": issued.refresh_token,
        "scope": issued.scope,
    }
    if issued.id_token is not None:
        found["id_token"] = issued.id_token
    return found


ROUTES = (
    # No bucket where the Authorization header holds a program's credentials, which are nobody's token.
    Route(("POST",), "/oauth/device", post_device, bucket=""),
    Route(("POST",), "/oauth/token", post_token, bucket=""),
    Route(("POST",), "/oauth/revoke", post_revoke, bucket=""),
)

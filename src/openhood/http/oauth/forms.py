"""What the OAuth endpoints share: their fields, the client's credentials, and refusals in the protocol's words."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from starlette.responses import Response

from openhood.base.errors import OauthRefused
from openhood.domain.accounts.clients import Credentials
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.errors import header_text
from openhood.http.replies import json_reply

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of a request, and who the program says it is. ``by_header``: in an Authorization header."""

    values: Mapping[str, str]
    credentials: Credentials
    by_header: bool

    def get(self, name: str) -> str | None:
        """Return a field, None where it is missing or empty."""
        return self.values.get(name) or None

    def required(self, name: str) -> str:
        """Return a field. Raises OauthRefused."""
        value = self.values.get(name)
        if not value:
            raise OauthRefused("invalid_request", f"The parameter '{name}' is missing.")
        return value


async def read_fields(call: Call) -> Fields:
    """Return the request's fields, JSON or form, with the client's credentials from wherever they are.

    Raises: OauthRefused, for credentials in two places too (RFC 6749, section 2.3).
    """
    if bodies.is_form(call):
        pairs = await bodies.read_form(call)
        values = dict(pairs)
        if len(values) != len(pairs):
            raise OauthRefused("invalid_request", "A parameter is given twice.")
    else:
        body = await bodies.read_object(call)
        values = {str(name): value for name, value in body.items() if isinstance(value, str)}
    basic = _read_basic(call)
    if basic is None:
        return Fields(
            values, Credentials(values.get("client_id"), values.get("client_secret")), by_header=False
        )
    if "client_secret" in values or values.get("client_id", basic.client_id) != basic.client_id:
        raise OauthRefused("invalid_request", "The client's credentials are given in two ways.")
    return Fields(values, basic, by_header=True)


def refuse(refusal: OauthRefused, *, by_header: bool = False) -> Response:
    """Answer with a refusal. Source: RFC 6749, section 5.2; huggingface_hub shows the header's words."""
    headers = {**NO_STORE, "X-Error-Message": header_text(refusal.message)}
    status = refusal.status
    if refusal.error == "invalid_client" and by_header:
        status = 401
        headers["WWW-Authenticate"] = 'Basic realm="Openhood"'
    body = {"error": refusal.error, "error_description": refusal.message}
    return json_reply(body, status=status, headers=headers)


def _read_basic(call: Call) -> Credentials | None:
    scheme, _, value = call.request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        client_id, _, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise OauthRefused("invalid_client", "The client's credentials are not valid.") from error
    return Credentials(unquote_plus(client_id), unquote_plus(secret) or None)

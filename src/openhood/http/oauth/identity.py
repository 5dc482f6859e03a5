"""Who somebody is and who this hub is, in OpenID Connect's words: user info, discovery, public keys."""

from __future__ import annotations

from starlette.responses import Response

from openhood.domain.accounts import actions, oidc_keys
from openhood.domain.accounts.claims import granted_scopes, person_claims
from openhood.domain.accounts.clients import CODE_GRANT, DEVICE_GRANT, REFRESH_GRANT
from openhood.domain.accounts.oauth_scopes import SCOPE_PERMISSIONS
from openhood.http.context import Call
from openhood.http.oauth.forms import NO_STORE
from openhood.http.oauth.tokens import TOKEN_EXCHANGE_GRANT
from openhood.http.replies import json_reply
from openhood.http.router import Route

_METHODS = ["none", "client_secret_basic", "client_secret_post"]


async def get_userinfo(call: Call) -> Response:
    """Answer who the token belongs to, as far as its scopes go. Source: huggingface.js ``oauth-handle-redirect``."""
    identity = await call.act(actions.who_am_i)
    scopes, org_ids = granted_scopes(identity.token)
    claims = person_claims(
        identity.account, identity.memberships, base_url=call.base_url, scopes=scopes, org_ids=org_ids
    )
    return json_reply(claims, headers=NO_STORE)


async def get_configuration(call: Call) -> Response:
    """Answer with the discovery document. Source: OpenID Connect Discovery, RFC 8414."""
    base = call.base_url
    found: dict[str, object] = {
        "issuer": base,
        "authorization_endpoint": f"{base}/oauth/authorize",
        "device_authorization_endpoint": f"{base}/oauth/device",
        "token_endpoint": f"{base}/oauth/token",
        "revocation_endpoint": f"{base}/oauth/revoke",
        "userinfo_endpoint": f"{base}/oauth/userinfo",
        "jwks_uri": f"{base}/oauth/jwks",
        "scopes_supported": list(SCOPE_PERMISSIONS),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": [CODE_GRANT, REFRESH_GRANT, DEVICE_GRANT, TOKEN_EXCHANGE_GRANT],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [oidc_keys.ALGORITHM],
        "token_endpoint_auth_methods_supported": _METHODS,
        "revocation_endpoint_auth_methods_supported": _METHODS,
        "code_challenge_methods_supported": ["S256"],
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "authorization_response_iss_parameter_supported": True,
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "preferred_username",
            "profile", "picture", "email", "email_verified", "isPro", "orgs",
        ],
    }  # fmt: skip
    if call.sv.settings.oauth.registration != "closed":
        found["registration_endpoint"] = f"{base}/oauth/register"
    return json_reply(found)


async def get_jwks(call: Call) -> Response:
    """Answer with the public keys that identity tokens of this hub are signed with."""
    keys = await call.run(oidc_keys.list_public, call.sv)
    if not keys:
        await call.run(oidc_keys.signing_key, call.sv)
        keys = await call.run(oidc_keys.list_public, call.sv)
    return json_reply({"keys": keys}, headers={"Cache-Control": "public, max-age=300"})


ROUTES = (
    Route(("GET", "POST"), "/oauth/userinfo", get_userinfo),
    Route(("GET",), "/.well-known/openid-configuration", get_configuration),
    Route(("GET",), "/.well-known/oauth-authorization-server", get_configuration),
    Route(("GET",), "/oauth/jwks", get_jwks),
)

"""Identity tokens (signed JWTs of OpenID Connect): making this hub's, and checking those of other issuers.

Which issuers are believed, and for what, is decided by `sso` and by `publishers.exchange`.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as Base64Error
from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from openhood.base.errors import Forbidden
from openhood.domain.accounts import oidc_keys
from openhood.domain.services import Services
from openhood.infra import issuers
from openhood.infra.outbound import Policy

ID_TOKEN_LIFE = timedelta(hours=1)
MAX_TOKEN_CHARACTERS = 16_384
LEEWAY_S = 60
# Signatures by a key pair only: with a shared secret, or none, anybody who can check could sign.
ALGORITHMS = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "EdDSA",
    "Ed25519",
)


class BadAssertion(Forbidden):
    """An identity token is malformed, expired, signed by somebody else, or meant for somebody else."""


def make_id_token(
    sv: Services,
    *,
    issuer: str,
    audience: str,
    claims: Mapping[str, object],
    nonce: str | None,
    auth_time: datetime,
    access_token: str,
) -> str:
    """Return a signed identity token of this hub. Opens a read unit.

    Args: ``claims`` hold ``sub`` and what the scopes show of the person.
    """
    # Loaded with the first token: many hubs neither make nor check any.
    from joserfc import jwt

    now = int(sv.clock.now().timestamp())
    payload: dict[str, object] = {
        **claims,
        "iss": issuer,
        "aud": audience,
        "iat": now,
        "exp": now + int(ID_TOKEN_LIFE.total_seconds()),
        "auth_time": int(auth_time.timestamp()),
        "at_hash": _half_hash(access_token),
    }
    if nonce is not None:
        payload["nonce"] = nonce
    key = oidc_keys.signing_key(sv)
    return jwt.encode({"alg": oidc_keys.ALGORITHM, "kid": key.kid, "typ": "JWT"}, payload, key)


def read_unverified(token: str) -> tuple[Mapping[str, object], Mapping[str, object]]:
    """Return what a token says in its header and payload, believed by nobody yet. Raises BadAssertion."""
    parts = token.split(".")
    if len(token) > MAX_TOKEN_CHARACTERS or len(parts) != 3:
        raise BadAssertion("The identity token is not a signed JWT.")
    try:
        header, payload = (json.loads(_decode(part)) for part in parts[:2])
    except (ValueError, RecursionError) as error:
        raise BadAssertion("The identity token is not a signed JWT.") from error
    if not isinstance(header, dict) or not isinstance(payload, dict):
        raise BadAssertion("The identity token is not a signed JWT.")
    return header, payload


def verify(
    sv: Services, token: str, *, issuer: str, audiences: Collection[str] | None, nonce: str | None = None
) -> Mapping[str, object]:
    """Return the claims of an identity token that ``issuer`` signed for one of ``audiences``. Asks the issuer.

    Args: ``audiences`` None leaves it to the caller to look at ``aud``.
    Must run outside of units. Raises: BadAssertion; Unavailable where the issuer's keys cannot be had.
    """
    header, _claims = read_unverified(token)
    if header.get("alg") not in ALGORITHMS:
        raise BadAssertion("The identity token is signed in a way this hub does not accept.")
    kid = header.get("kid")
    from joserfc import jwt
    from joserfc.errors import JoseError

    keys = sv.issuers.keys(issuer, kid=kid if isinstance(kid, str) else None, policy=policy_of(sv, issuer))
    try:
        claims = jwt.decode(token, keys, algorithms=list(ALGORITHMS)).claims
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BadAssertion("The signature of the identity token is not valid.") from error
    _check_claims(sv, claims, issuer=issuer, audiences=audiences, nonce=nonce)
    return claims


def policy_of(sv: Services, issuer: str) -> Policy:
    """Return which addresses may be called to talk to an issuer that the operator named."""
    return issuers.policy_for(issuer, allow=sv.settings.webhooks.allow)


def _check_claims(
    sv: Services,
    claims: Mapping[str, object],
    *,
    issuer: str,
    audiences: Collection[str] | None,
    nonce: str | None,
) -> None:
    if claims.get("iss") != issuer:
        raise BadAssertion("The identity token comes from another issuer.")
    audience = claims.get("aud")
    named = audience if isinstance(audience, list) else [audience]
    if audiences is not None and not any(each in audiences for each in named if isinstance(each, str)):
        raise BadAssertion(f"The identity token is meant for {str(audience)[:200]!r}, not for this hub.")
    now = sv.clock.now().timestamp()
    expires_at, issued_at = _number(claims, "exp"), _number(claims, "iat")
    if expires_at is None or expires_at <= now - LEEWAY_S:
        raise BadAssertion("The identity token has expired. Ask your provider for a new one.")
    if issued_at is None or issued_at > now + LEEWAY_S or (_number(claims, "nbf") or 0) > now + LEEWAY_S:
        raise BadAssertion(
            "The identity token is not valid yet. Compare the clocks of the hub and of the provider."
        )
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise BadAssertion("The identity token does not say whom it is about.")
    if nonce is not None and claims.get("nonce") != nonce:
        raise BadAssertion("The identity token belongs to another sign-in. Start again.")


def _number(claims: Mapping[str, object], name: str) -> float | None:
    value = claims.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _decode(part: str) -> bytes:
    try:
        return urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except Base64Error as error:
        raise ValueError("not base64") from error


def _half_hash(access_token: str) -> str:
    """Return ``at_hash``: half of the SHA-256 in base64. Source: OpenID Connect Core, section 3.1.3.6."""
    return urlsafe_b64encode(hashlib.sha256(access_token.encode()).digest()[:16]).rstrip(b"=").decode("ascii")

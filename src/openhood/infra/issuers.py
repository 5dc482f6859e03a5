"""What other OpenID Connect providers publish of themselves: their addresses and keys, fetched and kept for a while.

Only issuers that the operator named are asked; who they are is the caller's business.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

import orjson

from openhood.base.errors import AddressRefused, PeerUnreachable, Unavailable
from openhood.infra import guards, outbound
from openhood.infra.outbound import Policy

if TYPE_CHECKING:
    from joserfc.jwk import Key, KeySet

KEEP_S = 3600.0
RETRY_S = 30.0
TIMEOUT_S = 10.0
MAX_DOCUMENT_BYTES = 512 * 1024
MAX_ISSUERS = 100
_KEY_TYPES = ("RSA", "EC", "OKP")


@dataclass(frozen=True, slots=True)
class _Known:
    metadata: Mapping[str, object]
    keys: KeySet
    kids: frozenset[str]
    fetched_at: float


class Issuers:
    """The issuers asked so far. Thread-safe, bounded, of this process only."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}

    def metadata(self, issuer: str, *, policy: Policy) -> Mapping[str, object]:
        """Return the discovery document of an issuer. Raises Unavailable."""
        return self._get(issuer, kid=None, policy=policy).metadata

    def keys(self, issuer: str, *, kid: str | None, policy: Policy) -> KeySet:
        """Return the issuer's public keys, asked for anew where ``kid`` is none of them. Raises Unavailable."""
        return self._get(issuer, kid=kid, policy=policy).keys

    def _get(self, issuer: str, *, kid: str | None, policy: Policy) -> _Known:
        guards.outside_unit("Asking an identity provider")
        now = time.monotonic()
        with self._lock:
            known = self._known.get(issuer)
        if known is not None:
            age_s = now - known.fetched_at
            # A key that nobody has heard of may be new; whoever makes them up must not make us ask each time.
            is_new = kid is not None and kid not in known.kids and age_s > RETRY_S
            if age_s < KEEP_S and not is_new:
                return known
        fresh = _fetch(issuer, policy)
        with self._lock:
            if len(self._known) >= MAX_ISSUERS:
                self._known.clear()
            self._known[issuer] = fresh
        return fresh


def policy_for(issuer: str, *, allow: str) -> Policy:
    """Return what may be called for an issuer: its own host wherever it is, what ``allow`` names, the Internet."""
    return Policy.parse(f"{allow},{urlsplit(issuer).hostname or ''}")


def fetch_json(url: str, *, policy: Policy, headers: Mapping[str, str] | None = None) -> Mapping[str, object]:
    """Return the JSON object at an address of an identity provider. Raises Unavailable."""
    status, document = _ask("GET", url, policy=policy, headers=headers or {})
    if status != 200:
        raise Unavailable(f"The identity provider at {_host(url)} answered with status {status}.")
    return document


def post_form(
    url: str, form: Mapping[str, str], *, policy: Policy, headers: Mapping[str, str]
) -> tuple[int, Mapping[str, object]]:
    """Send a form to an identity provider and return the status and the JSON object answered. Raises Unavailable."""
    sent = {"Content-Type": "application/x-www-form-urlencoded", **headers}
    return _ask("POST", url, policy=policy, headers=sent, body=urlencode(form).encode("ascii"))


def _ask(
    method: str, url: str, *, policy: Policy, headers: Mapping[str, str], body: bytes | None = None
) -> tuple[int, Mapping[str, object]]:
    try:
        answer = outbound.request(
            method,
            url,
            policy=policy,
            timeout_s=TIMEOUT_S,
            headers={"Accept": "application/json", **headers},
            body=body,
            limit_bytes=MAX_DOCUMENT_BYTES,
        )
    except (AddressRefused, PeerUnreachable) as error:
        raise Unavailable(f"The identity provider cannot be asked: {error.message}") from error
    try:
        document: Any = orjson.loads(answer.body)
    except orjson.JSONDecodeError as error:
        raise Unavailable(
            f"The identity provider at {_host(url)} answered with status {answer.status} and no JSON."
        ) from error
    if not isinstance(document, dict):
        raise Unavailable(f"The identity provider at {_host(url)} did not answer with a JSON object.")
    return answer.status, document


def _fetch(issuer: str, policy: Policy) -> _Known:
    # Where no provider is set up, cryptography with its 10 MB is never loaded.
    from joserfc.jwk import KeySet

    metadata = fetch_json(f"{issuer.rstrip('/')}/.well-known/openid-configuration", policy=policy)
    if metadata.get("issuer") != issuer:
        raise Unavailable(
            f"The identity provider at {issuer} calls itself {str(metadata.get('issuer'))[:200]!r}."
        )
    address = metadata.get("jwks_uri")
    if not isinstance(address, str):
        raise Unavailable(f"The identity provider at {issuer} does not say where its keys are.")
    if issuer.startswith("https://") and not address.startswith("https://"):
        raise Unavailable(f"The identity provider at {issuer} publishes its keys without TLS.")
    listed = fetch_json(address, policy=policy).get("keys")
    keys = KeySet([key for each in (listed if isinstance(listed, list) else []) if (key := _read_key(each))])
    kids = frozenset(key.kid for key in keys.keys if key.kid)
    return _Known(metadata, keys, kids, time.monotonic())


def _read_key(key: object) -> Key | None:
    """Return a public key that signs, None for any other: one that we cannot read must not hide the rest."""
    if not isinstance(key, dict) or key.get("kty") not in _KEY_TYPES or key.get("use", "sig") != "sig":
        return None
    from joserfc.errors import JoseError
    from joserfc.jwk import import_key

    try:
        return import_key(key)
    except (JoseError, ValueError, TypeError, KeyError):
        return None


def _host(url: str) -> str:
    return urlsplit(url).hostname or ""

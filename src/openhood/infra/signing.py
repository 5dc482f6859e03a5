"""Short-lived secrets that prove themselves: some facts, an expiry and a purpose under one HMAC.

Nothing is kept on the server side, so any replica with the same key can check what another one made.
What the facts mean is the caller's business.

A token is ``<body>.<mac>``, both in unpadded URL-safe base64:

========  ============================================================================
``body``  JSON ``[expiry in whole seconds since the epoch, {fact: text or number}]``
``mac``   HMAC-SHA-256 of the body's base64 text, under a key derived for the purpose
========  ============================================================================
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import datetime, timedelta

from openhood.base.errors import Forbidden

Facts = Mapping[str, str | int]

MAX_TOKEN_CHARACTERS = 4096
_DERIVE = b"openhood signed facts v1\0"


class BadLink(Forbidden):
    """The signature of a link is missing or not ours, or it was made for something else."""


class ExpiredLink(BadLink):
    """The link was good, but its time is over."""


def sign(secret: str, *, purpose: str, facts: Facts, expires_at: datetime) -> str:
    """Return a token that says ``facts`` until ``expires_at`` (aware; rounded up to seconds)."""
    expiry_s = int((expires_at + timedelta(milliseconds=999)).timestamp())
    document = json.dumps([expiry_s, dict(facts)], separators=(",", ":"))
    body = _encode(document.encode("utf-8"))
    return f"{body}.{_encode(_mac(secret, purpose, body))}"


def check(secret: str, token: str, *, purpose: str, now: datetime) -> Facts:
    """Return the facts of a token.

    Raises: BadLink unless we signed it for ``purpose``; ExpiredLink when it is past its expiry.
    """
    body, dot, mac = token.partition(".")
    if not dot or len(token) > MAX_TOKEN_CHARACTERS or not token.isascii():
        raise BadLink("The link is incomplete: its signature is missing.")
    # Compared as text: base64 has several spellings of the same bytes, and only ours counts.
    if not hmac.compare_digest(_encode(_mac(secret, purpose, body)), mac):
        raise BadLink("The signature of the link is not valid.")
    expiry_s, facts = json.loads(_decode(body))
    if now.timestamp() >= expiry_s:
        raise ExpiredLink("The link has expired. Ask for a new one: start the transfer again.")
    return dict(facts)


def derive_key(secret: str, *, purpose: str) -> bytes:
    """Return the 32 bytes that serve as the key for one purpose alone."""
    return hmac.digest(secret.encode("utf-8"), _DERIVE + purpose.encode("utf-8"), hashlib.sha256)


def _mac(secret: str, purpose: str, body: str) -> bytes:
    return hmac.digest(derive_key(secret, purpose=purpose), body.encode("ascii"), hashlib.sha256)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except binascii.Error as error:  # only a body that we signed gets here
        raise BadLink("The link is damaged.") from error

"""Making identifiers that nobody can guess or repeat: object ids and secrets."""

from __future__ import annotations

import hashlib
import secrets
import time


def new_hex_id() -> str:
    """Return a 24-hex object id as the Hub's ``_id``: 4 bytes of time, 8 bytes of chance."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def new_secret(prefix: str = "") -> str:
    """Return ``prefix`` and 34 letters and digits (over 200 bits), as Hub tokens look."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    return prefix + "".join(secrets.choice(alphabet) for _ in range(34))


def hash_secret(secret: str) -> str:
    """Return the hex SHA-256 under which a high-entropy secret is stored and looked up."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()

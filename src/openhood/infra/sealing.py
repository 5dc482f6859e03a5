"""Secrets that the hub must be able to read again (a webhook's, a second factor's), kept sealed in rows.

Fernet under a key derived from the hub's secret key for one purpose: a copy of the database alone opens none.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

from openhood.base.errors import Unavailable

if TYPE_CHECKING:
    from cryptography.fernet import Fernet


def seal(secret_key: str, text: str, *, purpose: str) -> str:
    """Return ``text`` sealed, as ASCII; twice the same text gives two different seals."""
    return _fernet(secret_key, purpose).encrypt(text.encode()).decode("ascii")


def unseal(secret_key: str, sealed: str, *, purpose: str) -> str:
    """Return what `seal` was given. Raises Unavailable if it was sealed with another key or purpose."""
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(secret_key, purpose).decrypt(sealed.encode("ascii")).decode()
    except InvalidToken as error:
        raise Unavailable(
            "A stored secret cannot be opened: the hub's secret key is not the one it was sealed with. "
            "Give this hub its old OPENHOOD_SECRET_KEY back, or set the secret anew."
        ) from error


def _fernet(secret_key: str, purpose: str) -> Fernet:
    # Loaded with the first secret (7 MB): many hubs keep none.
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    derived = HKDF(SHA256(), 32, salt=None, info=f"openhood sealed {purpose} v1".encode()).derive(
        secret_key.encode()
    )
    return Fernet(base64.urlsafe_b64encode(derived))

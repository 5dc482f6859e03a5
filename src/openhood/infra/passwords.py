"""Hashing and checking passwords with argon2id.

Slow on purpose, so never inside a database unit; bounded in how many run at once, for memory's sake.
"""

from __future__ import annotations

import threading

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from openhood.infra import guards

# OWASP's first choice for argon2id: 19 MiB and two passes, about 25 ms.
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_AT_ONCE = threading.BoundedSemaphore(4)
# The hash of a random password nobody knows, checked for unknown names so that they take as long.
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$SXQgaXMgbm9ib2R5IQ$GYqWoJBXJVo+sMh0Ahe0oSWWvEu0H2rPmQZfRj3QoAQ"


def hash_password(password: str) -> str:
    """Return the string to store for a password."""
    guards.outside_unit("Hashing a password")
    with _AT_ONCE:
        return _HASHER.hash(password)


def verify_password(stored: str | None, password: str) -> bool:
    """Tell whether ``password`` is the one behind ``stored``; takes equally long where nothing is stored."""
    guards.outside_unit("Checking a password")
    with _AT_ONCE:
        try:
            _HASHER.verify(stored or _NOBODY, password)
        except (VerificationError, InvalidHashError):
            return False
    return stored is not None


def needs_rehash(stored: str) -> bool:
    """Tell whether a stored hash was made with other costs than today's."""
    return _HASHER.check_needs_rehash(stored)

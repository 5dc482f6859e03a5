"""Links that carry their own permission for a short time, signed with the hub's secret key.

For whatever must work without credentials: uploads and downloads by clients that send none. The
URLs around the tokens are the doors'.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from openhood.base.errors import Unavailable
from openhood.domain.services import Services
from openhood.infra import sealing, signing
from openhood.infra.signing import BadLink, ExpiredLink, Facts

__all__ = [
    "BadLink",
    "ExpiredLink",
    "Facts",
    "check_token",
    "derive_key",
    "make_token",
    "make_token_until",
    "seal",
    "unseal",
]


def make_token(sv: Services, *, purpose: str, facts: Facts, lifetime_s: float) -> str:
    """Return a URL-safe token that says ``facts`` for ``lifetime_s`` seconds; ``purpose`` binds its use."""
    return make_token_until(
        sv, purpose=purpose, facts=facts, expires_at=sv.clock.now() + timedelta(seconds=lifetime_s)
    )


def make_token_until(sv: Services, *, purpose: str, facts: Facts, expires_at: datetime) -> str:
    """Return a token as `make_token` does, the same whenever it is made for the same moment."""
    return signing.sign(_secret(sv), purpose=purpose, facts=facts, expires_at=expires_at)


def check_token(sv: Services, token: str, *, purpose: str) -> Facts:
    """Return what a token of `make_token` says. Raises BadLink, ExpiredLink."""
    return signing.check(_secret(sv), token, purpose=purpose, now=sv.clock.now())


def derive_key(sv: Services, *, purpose: str) -> bytes:
    """Return 32 bytes that only this hub knows and that serve one purpose alone. Raises Unavailable."""
    return signing.derive_key(_secret(sv), purpose=purpose)


def seal(sv: Services, text: str, *, purpose: str) -> str:
    """Return a secret sealed for a row, to be read again by `unseal`. Raises Unavailable."""
    return sealing.seal(_secret(sv), text, purpose=purpose)


def unseal(sv: Services, sealed: str, *, purpose: str) -> str:
    """Return what `seal` was given. Raises Unavailable where this hub's key is another one."""
    return sealing.unseal(_secret(sv), sealed, purpose=purpose)


def _secret(sv: Services) -> str:
    if sv.settings.secret_key is None:
        raise Unavailable("This hub has no secret key yet, so it cannot sign links. Set OPENHOOD_SECRET_KEY.")
    return sv.settings.secret_key.get_secret_value()

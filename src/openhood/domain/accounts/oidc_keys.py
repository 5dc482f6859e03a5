"""The keys that this hub signs identity tokens with: making, rotating and publishing them.

Private halves lie sealed in rows, so that every replica signs with the same key. What is signed is in `oidc_tokens`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, insert, select, update

from openhood.domain import audit, links
from openhood.domain.access import Viewer
from openhood.domain.accounts.rules import require_admin
from openhood.domain.services import Services
from openhood.infra import guards
from openhood.infra.db.engine import Tx
from openhood.infra.db.identity_tables import signing_keys

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

ALGORITHM = "RS256"
KEY_BITS = 2048
PURPOSE = "oidc signing key"
# Programs keep a hub's keys for up to a day; what a key signed lives for an hour.
RETIRED_LIFE = timedelta(days=7)


def signing_key(sv: Services) -> RSAKey:
    """Return the key to sign with now, made at the first use. Opens a read unit, at first a write unit.

    Raises: Unavailable where it was sealed with another secret key.
    """
    # Loaded with the first key: many hubs sign nothing.
    from joserfc.jwk import RSAKey

    row = _newest(sv)
    if row is None:
        _add(sv, replace=None, actor="system")
        row = _newest(sv)
        assert row is not None
    kid, sealed = row
    return RSAKey.import_key(
        links.unseal(sv, sealed, purpose=PURPOSE), {"kid": kid, "alg": ALGORITHM, "use": "sig"}
    )


def list_public(sv: Services) -> list[Mapping[str, object]]:
    """Return the public keys, the newest first, retired ones too while what they signed may be valid.

    Opens a read unit.
    """
    with sv.db.read() as tx:
        query = select(signing_keys.c.public_jwk).order_by(
            signing_keys.c.created_at.desc(), signing_keys.c.kid
        )
        return [row.public_jwk for row in tx.execute(query)]


def rotate(sv: Services, viewer: Viewer) -> str:
    """Sign with a new key from now on and return its id; the old one stays published. Opens units.

    Raises: Unauthorized, Forbidden.
    """
    require_admin(viewer)
    row = _newest(sv)
    return _add(sv, replace=None if row is None else row[0], actor=viewer.name)


def rotate_signing_key(sv: Services, payload: Mapping[str, object]) -> None:
    """Replace a key that signed for as long as the setting says, and forget those retired long ago. Opens units."""
    now = sv.clock.now()
    with sv.db.write() as tx:
        tx.execute(delete(signing_keys).where(signing_keys.c.retired_at < now - RETIRED_LIFE))
    oldest = now - timedelta(days=sv.settings.oauth.signing_key_days)
    with sv.db.read() as tx:
        query = select(signing_keys.c.kid).where(
            signing_keys.c.retired_at.is_(None), signing_keys.c.created_at < oldest
        )
        due = tx.execute(query).scalars().first()
    if due is not None:
        _add(sv, replace=due, actor="system")


def _newest(sv: Services) -> tuple[str, str] | None:
    with sv.db.read() as tx:
        row = tx.execute(_current()).first()
    return None if row is None else (row.kid, row.private_key)


def _current() -> Any:  # Any: SQLAlchemy's typed selects cannot be named by hand
    return (
        select(signing_keys.c.kid, signing_keys.c.private_key)
        .where(signing_keys.c.retired_at.is_(None))
        .order_by(signing_keys.c.created_at.desc(), signing_keys.c.kid)
        .limit(1)
    )


def _add(sv: Services, *, replace: str | None, actor: str) -> str:
    """Make a key in the place of ``replace`` and return its id; where another process did first, return that one's."""
    from joserfc.jwk import RSAKey

    guards.outside_unit("Making a key")  # it takes a tenth of a second
    key = RSAKey.generate_key(KEY_BITS, auto_kid=True)
    kid = key.kid
    assert kid is not None
    public = {**key.as_dict(private=False), "kid": kid, "alg": ALGORITHM, "use": "sig"}
    sealed = links.seal(sv, key.as_pem(private=True).decode("ascii"), purpose=PURPOSE)
    now = sv.clock.now()
    with sv.db.write() as tx:
        _lock(tx)
        present = tx.execute(_current()).first()
        if present is not None and present.kid != replace:
            found: str = present.kid
            return found
        tx.execute(update(signing_keys).where(signing_keys.c.retired_at.is_(None)).values(retired_at=now))
        tx.execute(
            insert(signing_keys).values(kid=kid, private_key=sealed, public_jwk=public, created_at=now)
        )
        audit.record(tx, at=now, actor=actor, action="oauth.rotate_key", subject=kid)
    return kid


def _lock(tx: Tx) -> None:
    """Let one process at a time add a key; the first key of all may be added by two, and the later one wins."""
    tx.execute(select(signing_keys.c.kid).with_for_update()).all()

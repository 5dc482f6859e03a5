"""Reading and writing the rows of people's identities at another provider. No rules, no commits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select

from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.identity_tables import sso_identities


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody as another provider knows them.

    ``managed`` maps the object ids of organizations to the role that the sign-in gave there: what it may take back.
    """

    user_id: int
    groups: tuple[str, ...] = ()
    managed: Mapping[str, str] = field(default_factory=dict)


def get_identity(tx: Tx, *, provider: str, subject: str) -> Identity | None:
    """Return an identity, and lock it in a write unit."""
    query = (
        select(sso_identities)
        .where(sso_identities.c.provider == provider, sso_identities.c.subject == subject)
        .with_for_update()
    )
    row = tx.execute(query).first()
    if row is None:
        return None
    known = row.groups if isinstance(row.groups, dict) else {}
    return Identity(row.user_id, tuple(known.get("groups", ())), known.get("managed", {}))


def put_identity(
    tx: Tx,
    *,
    provider: str,
    subject: str,
    user_id: int,
    email: str | None,
    groups: Sequence[str],
    managed: Mapping[str, str],
    at: datetime,
) -> None:
    """Add or change an identity; whose it is stays."""
    tx.execute(
        upsert(
            tx, sso_identities, key=["provider", "subject"], update=["email", "groups", "last_used_at"]
        ).values(
            provider=provider,
            subject=subject,
            user_id=user_id,
            email=email,
            groups={"groups": list(groups), "managed": dict(managed)},
            created_at=at,
            last_used_at=at,
        )
    )

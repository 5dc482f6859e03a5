"""Reading and writing the rows of second factors, recovery codes and the list of sessions. No rules, no commits."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update

from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.identity_tables import recovery_codes, second_factors
from openhood.infra.db.tables import sessions


@dataclass(frozen=True, slots=True)
class FactorRow:
    """A user's second factor as it is kept; ``secret`` is sealed, ``confirmed_at`` None while it is being set up."""

    secret: str
    confirmed_at: datetime | None
    last_step: int


@dataclass(frozen=True, slots=True)
class SessionRow:
    """A browser session; ``secret_hash`` is what it is found by."""

    secret_hash: str
    user_agent: str
    created_at: datetime
    expires_at: datetime


def get_factor(tx: Tx, user: int) -> FactorRow | None:
    """Return a user's second factor, set up or half so."""
    query = select(second_factors.c.secret, second_factors.c.confirmed_at, second_factors.c.last_step)
    row = tx.execute(query.where(second_factors.c.user_id == user)).first()
    return None if row is None else FactorRow(row.secret, row.confirmed_at, row.last_step)


def put_unconfirmed(tx: Tx, user: int, *, secret: str, at: datetime) -> None:
    """Write down a new secret, in place of another that was not confirmed."""
    statement = upsert(
        tx, second_factors, key=["user_id"], update=["secret", "confirmed_at", "last_step", "created_at"]
    )
    tx.execute(statement.values(user_id=user, secret=secret, confirmed_at=None, last_step=0, created_at=at))


def confirm(tx: Tx, user: int, *, at: datetime) -> bool:
    """Let the second factor count from now on; False where another one did so first."""
    statement = (
        update(second_factors)
        .where(second_factors.c.user_id == user, second_factors.c.confirmed_at.is_(None))
        .values(confirmed_at=at)
    )
    return tx.execute(statement).rowcount == 1


def use_step(tx: Tx, user: int, *, secret: str, step: int) -> bool:
    """Let a code of this step of time count, once; False where it or a later one did already."""
    statement = (
        update(second_factors)
        .where(
            second_factors.c.user_id == user,
            second_factors.c.secret == secret,
            second_factors.c.last_step < step,
        )
        .values(last_step=step)
    )
    return tx.execute(statement).rowcount == 1


def delete_factor(tx: Tx, user: int) -> bool:
    """Take the second factor and its recovery codes away; tells whether there was one."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user))
    return tx.execute(delete(second_factors).where(second_factors.c.user_id == user)).rowcount == 1


def replace_codes(tx: Tx, user: int, hashes: Iterable[str]) -> None:
    """Put new recovery codes in place of all others."""
    tx.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user))
    tx.execute(insert(recovery_codes), [{"user_id": user, "code_hash": each} for each in hashes])


def use_code(tx: Tx, user: int, code_hash: str, *, at: datetime) -> bool:
    """Let a recovery code count, once; False for one that is unknown or was used."""
    statement = (
        update(recovery_codes)
        .where(
            recovery_codes.c.user_id == user,
            recovery_codes.c.code_hash == code_hash,
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=at)
    )
    return tx.execute(statement).rowcount == 1


def count_codes(tx: Tx, user: int) -> int:
    """Return how many recovery codes are left."""
    query = select(func.count()).where(recovery_codes.c.user_id == user, recovery_codes.c.used_at.is_(None))
    return int(tx.execute(query).scalar_one())


def list_sessions(tx: Tx, user: int, *, now: datetime, limit: int) -> list[SessionRow]:
    """Return a user's open sessions, the newest first."""
    query = (
        select(sessions.c.secret_hash, sessions.c.user_agent, sessions.c.created_at, sessions.c.expires_at)
        .where(sessions.c.user_id == user, sessions.c.expires_at > now)
        .order_by(sessions.c.created_at.desc(), sessions.c.secret_hash)
        .limit(limit)
    )
    return [
        SessionRow(row.secret_hash, row.user_agent, row.created_at, row.expires_at)
        for row in tx.execute(query)
    ]


def delete_session(tx: Tx, user: int, *, hash_prefix: str) -> int:
    """End the session of a user whose hash begins so; returns how many ended."""
    gone = delete(sessions).where(
        sessions.c.user_id == user, sessions.c.secret_hash.startswith(hash_prefix, autoescape=True)
    )
    return tx.execute(gone).rowcount


def delete_other_sessions(tx: Tx, user: int, *, keep_hash: str | None) -> int:
    """End every session of a user but one; returns how many ended."""
    gone = delete(sessions).where(sessions.c.user_id == user)
    if keep_hash is not None:
        gone = gone.where(sessions.c.secret_hash != keep_hash)
    return tx.execute(gone).rowcount

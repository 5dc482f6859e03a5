"""Reading and writing what organizations decided about tokens. No rules, no commits."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import and_, delete, select, update

from openhood.domain.accounts import credential_rows
from openhood.domain.accounts.types import TokenRequest
from openhood.infra.db.engine import Tx, insert_ignore, upsert
from openhood.infra.db.identity_tables import token_approvals
from openhood.infra.db.tables import accounts, memberships, tokens


def get_policy(tx: Tx, org_id: int) -> Mapping[str, object] | None:
    """Return the stored policy of an organization; None where it lets all tokens in."""
    found: Mapping[str, object] | None = tx.execute(
        select(accounts.c.token_policy).where(accounts.c.id == org_id)
    ).scalar_one_or_none()
    return found


def set_policy(tx: Tx, org_id: int, policy: Mapping[str, object] | None) -> None:
    """Write the policy of an organization."""
    tx.execute(update(accounts).where(accounts.c.id == org_id).values(token_policy=policy))


def request(tx: Tx, *, token_id: int, org_id: int, at: datetime) -> None:
    """Ask an organization about a token, unless it was asked already."""
    tx.execute(
        insert_ignore(tx, token_approvals).values(
            token_id=token_id, org_id=org_id, status="pending", requested_at=at
        )
    )


def forget(tx: Tx, token_id: int) -> None:
    """Forget what was decided about a token: it is another one now."""
    tx.execute(delete(token_approvals).where(token_approvals.c.token_id == token_id))


def decide(tx: Tx, *, token_id: int, org_id: int, status: str, decided_by: int | None, at: datetime) -> None:
    """Write down what an organization decided about a token."""
    tx.execute(
        upsert(
            tx,
            token_approvals,
            key=["token_id", "org_id"],
            update=["status", "decided_by", "decided_at"],
        ).values(
            token_id=token_id,
            org_id=org_id,
            status=status,
            decided_by=decided_by,
            requested_at=at,
            decided_at=at,
        )
    )


def is_member_token(tx: Tx, *, token_id: int, org_id: int) -> bool:
    """Tell whether a token is one of a member of an organization."""
    query = (
        select(tokens.c.id)
        .join(memberships, memberships.c.user_id == tokens.c.user_id)
        .where(tokens.c.id == token_id, memberships.c.org_id == org_id)
    )
    return tx.execute(query).first() is not None


def list_requests(tx: Tx, org_id: int, *, before: int | None, limit: int) -> list[TokenRequest]:
    """Return the fine-grained tokens of an organization's members, whatever they name, the newest first."""
    decider = accounts.alias("decider")
    columns: tuple[Any, ...] = (
        *credential_rows.TOKEN_COLUMNS,
        token_approvals.c.status,
        token_approvals.c.decided_at,
        decider.c.name.label("decided_by"),
    )
    query = (
        select(*columns)
        .join(accounts, accounts.c.id == tokens.c.user_id)
        .join(
            memberships,
            and_(memberships.c.user_id == tokens.c.user_id, memberships.c.org_id == org_id),
        )
        .join(
            token_approvals,
            and_(token_approvals.c.token_id == tokens.c.id, token_approvals.c.org_id == org_id),
            isouter=True,
        )
        .join(decider, decider.c.id == token_approvals.c.decided_by, isouter=True)
        .where(tokens.c.role == "fineGrained")
        .order_by(tokens.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        query = query.where(tokens.c.id < before)
    return [
        TokenRequest(
            token=credential_rows.token_from_row(row),
            status=row.status or "pending",
            decided_by=row.decided_by,
            decided_at=row.decided_at,
        )
        for row in tx.execute(query)
    ]

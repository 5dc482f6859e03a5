"""Reading and writing the rows of access requests. No rules, no commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, and_, delete, or_, select, update

from openhood.domain.accounts import rows as account_rows
from openhood.domain.gating.types import AccessRequest
from openhood.infra import ids
from openhood.infra.db.community_tables import access_requests
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import accounts


@dataclass(frozen=True, slots=True)
class Place:
    """Where a list goes on: after the request of this number, made at this moment."""

    at: datetime
    id: int


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which requests of a repository are meant: by status, a text in the name, and when they were made."""

    status: str | None = None
    search: str | None = None
    made_after: datetime | None = None
    made_before: datetime | None = None


def find_request(tx: Tx, repo: int, account: int) -> AccessRequest | None:
    """Return the request of an account."""
    return _one(tx, select(access_requests).where(*_of(repo), access_requests.c.account_id == account))


def get_request(tx: Tx, repo: int, hex_id: str) -> AccessRequest | None:
    """Return the request with this id."""
    return _one(tx, select(access_requests).where(*_of(repo), access_requests.c.hex_id == hex_id))


def insert_request(
    tx: Tx,
    *,
    repo: int,
    account: int,
    asked_by: int | None,
    status: str,
    fields: Mapping[str, object],
    at: datetime,
    reviewed_by: int | None,
) -> bool:
    """Add a request; False where the account has one."""
    statement = insert_ignore(tx, access_requests).values(
        hex_id=ids.new_hex_id(),
        repo_id=repo,
        account_id=account,
        asked_by=asked_by,
        status=status,
        fields=dict(fields),
        requested_at=at,
        reviewed_at=None if status == "pending" else at,
        reviewed_by=reviewed_by,
    )
    return tx.execute(statement).rowcount == 1


def update_status(
    tx: Tx,
    request: int,
    *,
    status: str,
    reason: str | None,
    reviewed_by: int | None,
    reviewed_at: datetime | None,
    unless: str,
) -> bool:
    """Change a request's status unless it is ``unless``; tells whether it changed."""
    statement = (
        update(access_requests)
        .where(access_requests.c.id == request, access_requests.c.status != unless)
        .values(status=status, reason=reason, reviewed_by=reviewed_by, reviewed_at=reviewed_at)
    )
    return tx.execute(statement).rowcount == 1


def delete_request(tx: Tx, request: int, *, only: str | None = None) -> bool:
    """Remove a request, with ``only`` while it has this status; tells whether it was there."""
    gone = delete(access_requests).where(access_requests.c.id == request)
    if only is not None:
        gone = gone.where(access_requests.c.status == only)
    return tx.execute(gone).rowcount == 1


def list_requests(
    tx: Tx, repo: int, chosen: Chosen, *, after: Place | None, limit: int
) -> list[AccessRequest]:
    """Return requests of a repository, the newest first."""
    at, number = access_requests.c.requested_at, access_requests.c.id
    query = select(access_requests).where(*_of(repo)).order_by(at.desc(), number.desc()).limit(limit)
    if chosen.status is not None:
        query = query.where(access_requests.c.status == chosen.status)
    if chosen.made_after is not None:
        query = query.where(at >= chosen.made_after)
    if chosen.made_before is not None:
        query = query.where(at < chosen.made_before)
    if after is not None:
        query = query.where(or_(at < after.at, and_(at == after.at, number < after.id)))
    if chosen.search:
        query = query.join(accounts, accounts.c.id == access_requests.c.account_id).where(
            or_(
                account_rows.matches(chosen.search),
                accounts.c.email.contains(chosen.search.lower(), autoescape=True),
            )
        )
    return list(_with_accounts(tx, tx.execute(query).all()))


def _of(repo: int) -> tuple[Any, ...]:  # Any: SQLAlchemy's boolean clauses share no useful base
    return (access_requests.c.repo_id == repo,)


def _one(tx: Tx, query: Select[Any]) -> AccessRequest | None:
    return next(_with_accounts(tx, tx.execute(query).all()), None)


def _with_accounts(tx: Tx, found: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[AccessRequest]:
    numbers = {row.account_id for row in found} | {row.reviewed_by for row in found if row.reviewed_by}
    people = account_rows.list_accounts_by_ids(tx, sorted(numbers))
    for row in found:
        reviewer = people.get(row.reviewed_by)
        yield AccessRequest(
            id=row.id,
            hex_id=row.hex_id,
            account=people[row.account_id],
            status=row.status,
            fields=row.fields,
            requested_at=row.requested_at,
            reviewed_at=row.reviewed_at,
            reviewed_by=None if reviewer is None else reviewer.name,
            reason=row.reason,
        )

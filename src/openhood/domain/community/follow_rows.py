"""The queries on who follows whom. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select, tuple_
from sqlalchemy.sql.expression import literal

from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.types import Account
from openhood.domain.community.cursors import Place
from openhood.infra.db.community_tables import follows
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import accounts


def insert_follow(tx: Tx, follower: int, followed: int, *, at: datetime) -> bool:
    """Note that somebody follows an account; tells whether that is new."""
    added = insert_ignore(tx, follows).values(follower_id=follower, followed_id=followed, created_at=at)
    return tx.execute(added).rowcount > 0


def delete_follow(tx: Tx, follower: int, followed: int) -> None:
    """Note that somebody follows an account no more."""
    tx.execute(delete(follows).where(follows.c.follower_id == follower, follows.c.followed_id == followed))


def delete_some_of(tx: Tx, account: int, *, limit: int) -> bool:
    """End the next follows by and of an account; tells whether there were any."""
    by = select(follows.c.followed_id).where(follows.c.follower_id == account).limit(limit)
    of = select(follows.c.follower_id).where(follows.c.followed_id == account).limit(limit)
    followed, followers = list(tx.execute(by).scalars()), list(tx.execute(of).scalars())
    tx.execute(delete(follows).where(follows.c.follower_id == account, follows.c.followed_id.in_(followed)))
    tx.execute(delete(follows).where(follows.c.followed_id == account, follows.c.follower_id.in_(followers)))
    return bool(followed or followers)


def count_followers(tx: Tx, numbers: Sequence[int]) -> dict[int, int]:
    """Return how many follow each of some accounts; those nobody follows are left out."""
    query = (
        select(follows.c.followed_id, func.count())
        .where(follows.c.followed_id.in_(numbers))
        .group_by(follows.c.followed_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)} if numbers else {}


def count_following(tx: Tx, user: int) -> int:
    """Return how many users somebody follows."""
    query = (
        select(func.count())
        .select_from(follows.join(accounts, accounts.c.id == follows.c.followed_id))
        .where(follows.c.follower_id == user, accounts.c.kind == "user")
    )
    return tx.execute(query).scalar_one()


def list_followed(tx: Tx, follower: int | None, numbers: Sequence[int]) -> set[int]:
    """Return which of some accounts somebody follows."""
    if follower is None or not numbers:
        return set()
    query = select(follows.c.followed_id).where(
        follows.c.follower_id == follower, follows.c.followed_id.in_(numbers)
    )
    return set(tx.execute(query).scalars())


def list_followers(
    tx: Tx, account: int, *, after: Place | None, limit: int
) -> list[tuple[Account, datetime]]:
    """Return who follows an account and since when, the newest first."""
    keys = (follows.c.created_at, follows.c.follower_id)
    query = (
        select(follows.c.follower_id, follows.c.created_at)
        .join(accounts, accounts.c.id == follows.c.follower_id)
        .where(follows.c.followed_id == account, accounts.c.is_active)
        .order_by(*(key.desc() for key in keys))
        .limit(limit)
    )
    if after is not None:
        there = tuple_(literal(after.moment, type_=follows.c.created_at.type), literal(after.number))
        query = query.where(tuple_(*keys) < there)
    return _with_accounts(tx, tx.execute(query).all())


def list_following(
    tx: Tx, user: int, *, kind: str, after: Place | None, limit: int
) -> list[tuple[Account, datetime]]:
    """Return whom somebody follows of one kind, the newest accounts first."""
    query = (
        select(follows.c.followed_id, follows.c.created_at)
        .join(accounts, accounts.c.id == follows.c.followed_id)
        .where(follows.c.follower_id == user, accounts.c.is_active, accounts.c.kind == kind)
        .order_by(follows.c.followed_id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(follows.c.followed_id < after.number)
    return _with_accounts(tx, tx.execute(query).all())


def list_follower_numbers(tx: Tx, account: int, *, after: int, limit: int) -> list[int]:
    """Return the numbers of an account's followers, following ``after``."""
    query = (
        select(follows.c.follower_id)
        .where(follows.c.followed_id == account, follows.c.follower_id > after)
        .order_by(follows.c.follower_id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def _with_accounts(tx: Tx, found: Sequence[Any]) -> list[tuple[Account, datetime]]:
    known = account_rows.list_accounts_by_ids(tx, [row[0] for row in found])
    return [(known[row[0]], row[1]) for row in found if row[0] in known]

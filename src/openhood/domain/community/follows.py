"""Following users and organizations, and who follows whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openhood.base.errors import BadRequest, Forbidden
from openhood.domain import events
from openhood.domain.access import Viewer
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account
from openhood.domain.community import collection_rows, cursors, follow_rows
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_PAGE = 1000
_FORGOTTEN_AT_ONCE = 100
Kind = Literal["user", "org"]


@dataclass(frozen=True, slots=True)
class PeoplePage:
    """One page of accounts, with those of them that the viewer follows; ``cursor`` leads to the next or is None."""

    items: tuple[Account, ...]
    followed: frozenset[int]
    cursor: str | None


def follow(sv: Services, viewer: Viewer, *, name: str, kind: Kind) -> int:
    """Follow a user or an organization, once however often it is done; returns how many do. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, BadRequest for oneself.
    """
    user = _require_user(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        account = _find(tx, name, kind)
        if account.id == user:
            raise BadRequest("You cannot follow yourself.")
        if follow_rows.insert_follow(tx, user, account.id, at=now):
            events.record(tx, "user.follow", at=now, actor_id=user, owner_id=account.id)
        return follow_rows.count_followers(tx, [account.id]).get(account.id, 0)


def unfollow(sv: Services, viewer: Viewer, *, name: str, kind: Kind) -> int:
    """Follow somebody no more; returns how many still do. Opens a write unit. Raises what `follow` raises."""
    user = _require_user(viewer)
    with sv.db.write() as tx:
        account = _find(tx, name, kind)
        follow_rows.delete_follow(tx, user, account.id)
        return follow_rows.count_followers(tx, [account.id]).get(account.id, 0)


def list_followers(
    sv: Services, viewer: Viewer, *, name: str, kind: Kind, cursor: str | None, limit: int
) -> PeoplePage:
    """Return who follows an account, the newest first. Opens a read unit. Raises NotFound, BadRequest."""
    after = cursors.read("followers", cursor)
    with sv.db.read() as tx:
        account = _find(tx, name, kind)
        found = follow_rows.list_followers(tx, account.id, after=after, limit=limit + 1)
        return _page(tx, viewer, found, "followers", limit)


def list_following(
    sv: Services, viewer: Viewer, *, name: str, kind: Kind, cursor: str | None, limit: int
) -> PeoplePage:
    """Return whom a user follows: users, or organizations. Opens a read unit. Raises NotFound, BadRequest."""
    after = cursors.read("following", cursor)
    with sv.db.read() as tx:
        account = _find(tx, name, "user")
        found = follow_rows.list_following(tx, account.id, kind=kind, after=after, limit=limit + 1)
        return _page(tx, viewer, found, "following", limit)


def forget_follows(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: end all following by and of an account that was closed, and take its votes back, some at a time."""
    user = int(str(payload["user"]))
    while True:
        with sv.db.write() as tx:
            if not follow_rows.delete_some_of(tx, user, limit=_FORGOTTEN_AT_ONCE):
                break
    since = sv.clock.now() - collection_rows.TRENDING_WINDOW
    while True:
        with sv.db.write() as tx:
            voted = collection_rows.list_voted_by(tx, user, limit=_FORGOTTEN_AT_ONCE)
            for number in voted:
                if collection_rows.lock(tx, number):
                    collection_rows.delete_vote(tx, number, user)
                    collection_rows.recount_votes(tx, number, since=since)
        if not voted:
            return


def _page(
    tx: Tx, viewer: Viewer, found: list[tuple[Account, datetime]], order: str, limit: int
) -> PeoplePage:
    people = tuple(account for account, _since in found[:limit])
    followed = follow_rows.list_followed(tx, viewer.user_id, [each.id for each in people])
    cursor = None
    if len(found) > limit:
        account, since = found[limit - 1]
        cursor = cursors.write(order, since, account.id)
    return PeoplePage(people, frozenset(followed), cursor)


def _find(tx: Tx, name: str, kind: Kind) -> Account:
    return rules.get_org(tx, name) if kind == "org" else rules.get_user(tx, name)


def _require_user(viewer: Viewer) -> int:
    rules.require_writer(viewer)
    if viewer.user_id is None or viewer.is_service:
        raise Forbidden("Only a user can follow others.")
    return viewer.user_id

"""Likes: who likes which repository, and how many do.

The number kept with the repository changes in the unit of the like.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from openhood.base.errors import BadRequest, Forbidden, RepoNotFound, Unauthorized
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account
from openhood.domain.discovery import counting_rows, places
from openhood.domain.discovery.counting_rows import Like, LikedRepo
from openhood.domain.repos import lookup
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_PAGE = 1000
_FORGOTTEN_AT_ONCE = 100
_PARTICIPATING = ("discussion.write", "repo.write")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_CURSOR = re.compile(r"([0-9]{1,15})-([0-9]{1,19})")


@dataclass(frozen=True, slots=True)
class LikersPage:
    """One page of the users who like a repository; ``cursor`` leads to the next or is None."""

    items: tuple[Account, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class LikedPage:
    """One page of what a user likes; ``cursor`` leads to the next or is None."""

    items: tuple[LikedRepo, ...]
    cursor: str | None


def like(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> int:
    """Like a repository, once however often it is done; returns how many do. Opens a write unit.

    Raises: what `lookup.find` raises; Unauthorized, Forbidden with a token that may not.
    """
    with sv.db.write() as tx:
        repo, user = _find(tx, viewer, repo_type, repo_id)
        if counting_rows.insert_like(tx, repo.id, user, at=sv.clock.now()):
            counting_rows.refile(tx, [repo.id])
        return counting_rows.get_likes(tx, repo.id)


def unlike(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> int:
    """Take one's like back, if there is one; returns how many like it still. Opens a write unit.

    Raises: what `like` raises. **Source**: huggingface_hub ``HfApi.unlike``.
    """
    with sv.db.write() as tx:
        repo, user = _find(tx, viewer, repo_type, repo_id)
        if counting_rows.delete_like(tx, repo.id, user):
            counting_rows.refile(tx, [repo.id])
        return counting_rows.get_likes(tx, repo.id)


def _find(tx: Tx, viewer: Viewer, repo_type: RepoType, repo_id: RepoId) -> tuple[Repo, int]:
    """Return a repository, locked, and the user who may like it."""
    repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
    if viewer.user_id is None:
        raise Unauthorized("You must be logged in to like a repository. Run 'hf auth login' or pass a token.")
    token = viewer.token
    if token is not None and not viewer.may_write_anything:
        raise Forbidden("Your token has the role 'read'. Use a token with the role 'write' to like.")
    if token is not None and token.role == "fineGrained":
        allowed = any(token.allows(permission, repo.facts) for permission in _PARTICIPATING)
        if not allowed:
            raise Forbidden(
                f"Your fine-grained token does not allow to like {repo.type.value} {repo.repo_id}: it needs "
                "'discussion.write' there."
            )
    if not counting_rows.lock_repos(tx, [repo.id]):
        raise RepoNotFound(anonymous=False)
    return repo, viewer.user_id


def list_likers(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    cursor: str | None,
    limit: int,
) -> LikersPage:
    """Return who likes a repository, whoever began last first. Opens a read unit.

    Raises: what `lookup.find` raises, BadRequest for a bad cursor.
    """
    after = _read_cursor(cursor)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        found = counting_rows.list_likers(tx, repo.id, after=after, limit=limit + 1)
        page = found[:limit]
        people = account_rows.list_accounts_by_ids(tx, [each.number for each in page])
    more = _write_cursor(page[-1].at, page[-1].number) if len(found) > limit else None
    return LikersPage(tuple(people[each.number] for each in page if each.number in people), more)


def list_liked(sv: Services, viewer: Viewer, *, user: str, cursor: str | None, limit: int) -> LikedPage:
    """Return what a user likes, of that which ``viewer`` may know of, the newest like first. Opens a read unit.

    Raises: NotFound where there is no such user, BadRequest for a bad cursor.
    """
    after = _read_cursor(cursor)
    with sv.db.read() as tx:
        account = rules.get_user(tx, user)
        found = counting_rows.list_liked(tx, viewer, account.id, after=after, limit=limit + 1)
    page = found[:limit]
    more = _write_cursor(page[-1].at, page[-1].repo.id) if len(found) > limit else None
    return LikedPage(tuple(page), more)


def count_liked(sv: Services, viewer: Viewer, *, user: str) -> int:
    """Return how many repositories `list_liked` would list. Opens a read unit. Raises NotFound."""
    with sv.db.read() as tx:
        return counting_rows.count_liked(tx, viewer, rules.get_user(tx, user).id)


def forget_likes(sv: Services, payload: Mapping[str, object]) -> None:
    """Take back all likes of a user whose account was closed, a few repositories at a time (a job)."""
    user = int(str(payload["user"]))
    while True:
        with sv.db.write() as tx:
            forgotten = counting_rows.delete_likes_of(tx, user, limit=_FORGOTTEN_AT_ONCE)
        if not forgotten:
            return
        places.refile(sv, forgotten)


def _write_cursor(at: datetime, number: int) -> str:
    return f"{(at - _EPOCH) // _MS}-{number}"


def _read_cursor(cursor: str | None) -> Like | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    if found is None or int(found[2]) >= 2**63:
        raise BadRequest(
            "The 'cursor' is not one of this list. Take it from the Link header of the page before."
        )
    try:
        return Like(int(found[2]), _EPOCH + int(found[1]) * _MS)
    except OverflowError as error:
        raise BadRequest("The 'cursor' names no moment. Take it from the Link header.") from error

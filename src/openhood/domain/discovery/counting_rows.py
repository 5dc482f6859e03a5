"""The queries behind likes, downloads and what follows from them. Never commits.

A number that is kept with the repository (`likes`, `downloads`) changes in the unit of the rows that it counts.
Rows of several repositories are locked in the order of their numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Column, ColumnElement, bindparam, case, delete, func, literal, select, tuple_, update

from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.catalog import texts
from openhood.domain.catalog.types import Subject
from openhood.domain.repos.listing_rows import visible_to
from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.infra.db.discovery_tables import download_days, download_visits, likes, repo_texts
from openhood.infra.db.engine import Tx, insert_ignore, insert_or_add
from openhood.infra.db.tables import accounts, repos
from openhood.infra.tallies import WINDOW_S, Visit

WINDOWS_PER_DAY = 86_400 // WINDOW_S


def lock_repos(tx: Tx, numbers: Iterable[int]) -> list[int]:
    """Lock the rows of those repositories that still exist, and return their numbers in order."""
    query = select(repos.c.id).where(repos.c.id.in_(sorted(numbers))).order_by(repos.c.id)
    return list(tx.execute(query.with_for_update(key_share=True)).scalars())


# --- downloads ------------------------------------------------------------------------------


def count_visits(tx: Tx, visits: Sequence[Visit]) -> set[int]:
    """Count those visits that no replica counted before; returns the repositories that were downloaded.

    Args: ``visits``, sorted. Of repositories that are gone nothing is counted.
    """
    values = [{"window": each.window, "repo_id": each.row_id, "visitor": each.visitor} for each in visits]
    counted = insert_ignore(tx, download_visits).returning(
        download_visits.c.window, download_visits.c.repo_id
    )
    new = Counter((row.repo_id, row.window // WINDOWS_PER_DAY) for row in tx.execute(counted, values))
    there = set(lock_repos(tx, {repo for repo, _day in new}))
    days = [
        {"repo_id": repo, "day": day, "count": count}
        for (repo, day), count in sorted(new.items())
        if repo in there
    ]
    if not days:
        return set()
    tx.execute(insert_or_add(tx, download_days, key=["repo_id", "day"], add=["count"]), days)
    more = (
        update(repos)
        .where(repos.c.id == bindparam("repo"))
        .values(
            downloads=repos.c.downloads + bindparam("more"),
            downloads_all_time=repos.c.downloads_all_time + bindparam("more"),
        )
    )
    tx.execute(more, [{"repo": each["repo_id"], "more": each["count"]} for each in days])
    return there


def delete_visits(tx: Tx, *, before: int, limit: int) -> int:
    """Forget who came in the oldest windows before one; returns how many rows, at most about ``limit``."""
    key = tuple_(download_visits.c.window, download_visits.c.repo_id, download_visits.c.visitor)
    oldest = select(*key.clauses).order_by(*key.clauses)
    found = tx.execute(oldest.where(download_visits.c.window < before).limit(limit)).all()
    if found:
        tx.execute(delete(download_visits).where(key <= tuple(found[-1])))
    return len(found)


def find_outdated(tx: Tx, *, before: int, limit: int) -> list[int]:
    """Return repositories with a day before ``before``, by ``limit`` of their days."""
    query = select(download_days.c.repo_id).where(download_days.c.day < before)
    return sorted(set(tx.execute(query.order_by(download_days.c.day).limit(limit)).scalars()))


def fold_days(tx: Tx, numbers: Iterable[int], *, before: int) -> list[int]:
    """Drop the days before ``before`` of some repositories and add up anew what is left; returns those there are."""
    locked = lock_repos(tx, numbers)
    tx.execute(delete(download_days).where(download_days.c.repo_id.in_(locked), download_days.c.day < before))
    left = select(func.coalesce(func.sum(download_days.c.count), 0)).where(
        download_days.c.repo_id == repos.c.id
    )
    tx.execute(update(repos).where(repos.c.id.in_(locked)).values(downloads=left.scalar_subquery()))
    return locked


def list_days(tx: Tx, repo: int, *, since: int) -> dict[int, int]:
    """Return the downloads of a repository by day, from the day ``since`` on; days without any are left out."""
    query = select(download_days.c.day, download_days.c.count).where(
        download_days.c.repo_id == repo, download_days.c.day >= since
    )
    return {int(row[0]): int(row[1]) for row in tx.execute(query)}


# --- likes ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Like:
    """One row of a list of likes: who or what, and when."""

    number: int
    at: datetime


@dataclass(frozen=True, slots=True)
class LikedRepo:
    """A repository that somebody likes, since when."""

    repo: Repo
    at: datetime


def insert_like(tx: Tx, repo: int, user: int, *, at: datetime) -> bool:
    """Let a user like a repository, whose row the caller has locked; tells whether that is new."""
    done = tx.execute(insert_ignore(tx, likes).values(repo_id=repo, user_id=user, created_at=at))
    if done.rowcount != 1:
        return False
    tx.execute(update(repos).where(repos.c.id == repo).values(likes=repos.c.likes + 1))
    return True


def delete_like(tx: Tx, repo: int, user: int) -> bool:
    """Take a user's like back from a repository, whose row the caller has locked; tells whether there was one."""
    done = tx.execute(delete(likes).where(likes.c.repo_id == repo, likes.c.user_id == user))
    if done.rowcount != 1:
        return False
    fewer = case((repos.c.likes > 0, repos.c.likes - 1), else_=0)
    tx.execute(update(repos).where(repos.c.id == repo).values(likes=fewer))
    return True


def get_likes(tx: Tx, repo: int) -> int:
    """Return how many like a repository; 0 where it is gone."""
    found = tx.execute(select(repos.c.likes).where(repos.c.id == repo)).scalar()
    return 0 if found is None else found


def find_liked(tx: Tx, user: int, numbers: Iterable[int]) -> set[int]:
    """Return which of some repositories a user likes."""
    query = select(likes.c.repo_id).where(likes.c.user_id == user, likes.c.repo_id.in_(sorted(numbers)))
    return set(tx.execute(query).scalars())


def list_likers(tx: Tx, repo: int, *, after: Like | None, limit: int) -> list[Like]:
    """Return the users who like a repository, those who began last first. Locked and closed accounts are left out."""
    query = (
        select(likes.c.user_id, likes.c.created_at)
        .join(accounts, accounts.c.id == likes.c.user_id)
        .where(likes.c.repo_id == repo, accounts.c.is_active)
        .order_by(likes.c.created_at.desc(), likes.c.user_id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(_follows(likes.c.user_id, after))
    return [Like(row.user_id, row.created_at) for row in tx.execute(query)]


def list_liked(tx: Tx, viewer: Viewer, user: int, *, after: Like | None, limit: int) -> list[LikedRepo]:
    """Return what a user likes of all that ``viewer`` may know of, the newest like first."""
    query = (
        select(*REPO_COLUMNS, likes.c.created_at.label("liked_at"))
        .join(likes, likes.c.repo_id == repos.c.id)
        .where(likes.c.user_id == user, visible_to(viewer))
        .order_by(likes.c.created_at.desc(), likes.c.repo_id.desc())
        .limit(limit)
    )
    if after is not None:
        query = query.where(_follows(likes.c.repo_id, after))
    return [LikedRepo(repo_from_row(row), row.liked_at) for row in tx.execute(query)]


def count_liked(tx: Tx, viewer: Viewer, user: int) -> int:
    """Return the length of that list."""
    query = select(func.count()).select_from(repos.join(likes, likes.c.repo_id == repos.c.id))
    return tx.execute(query.where(likes.c.user_id == user, visible_to(viewer))).scalar_one()


def delete_likes_of(tx: Tx, user: int, *, limit: int) -> list[int]:
    """Take back the next likes of a user, the lowest numbers first; returns the repositories."""
    query = select(likes.c.repo_id).where(likes.c.user_id == user).order_by(likes.c.repo_id).limit(limit)
    locked = lock_repos(tx, tx.execute(query).scalars())
    return [repo for repo in locked if delete_like(tx, repo, user)]


def _follows(number: Column[int], after: Like) -> ColumnElement[bool]:
    there = tuple_(literal(after.at, type_=likes.c.created_at.type), literal(after.number))
    return tuple_(likes.c.created_at, number) < there


# --- what follows ---------------------------------------------------------------------------


def list_active(tx: Tx, *, since_day: int, since: datetime) -> list[int]:
    """Return the repositories that were downloaded or liked since then, or are still taken to be trending."""
    found = set(
        tx.execute(
            select(download_days.c.repo_id).where(download_days.c.day >= since_day).distinct()
        ).scalars()
    )
    found.update(tx.execute(select(likes.c.repo_id).where(likes.c.created_at >= since).distinct()).scalars())
    for kind in RepoType:
        query = select(repos.c.id).where(repos.c.type == kind.value, repos.c.trending_score > 0)
        found.update(tx.execute(query).scalars())
    return sorted(found)


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened to a repository since a day, by day, and the score it has."""

    downloads: Mapping[int, int]
    likes: Mapping[int, int]
    score: int


def read_activity(tx: Tx, numbers: Sequence[int], *, since_day: int, since: datetime) -> dict[int, Activity]:
    """Return the activity of some repositories; days are numbered from the epoch."""
    scores = select(repos.c.id, repos.c.trending_score).where(repos.c.id.in_(numbers))
    score_of = {row.id: row.trending_score for row in tx.execute(scores)}
    downloaded: dict[int, dict[int, int]] = {}
    days = select(download_days.c.repo_id, download_days.c.day, download_days.c.count).where(
        download_days.c.repo_id.in_(numbers), download_days.c.day >= since_day
    )
    for repo, day, count in tx.execute(days):
        downloaded.setdefault(repo, {})[day] = count
    liked: dict[int, Counter[int]] = {}
    recent = select(likes.c.repo_id, likes.c.created_at).where(
        likes.c.repo_id.in_(numbers), likes.c.created_at >= since
    )
    for row in tx.execute(recent):
        liked.setdefault(row.repo_id, Counter())[int(row.created_at.timestamp() // 86_400)] += 1
    return {
        number: Activity(downloaded.get(number, {}), liked.get(number, {}), score)
        for number, score in score_of.items()
    }


def write_scores(tx: Tx, scores: Mapping[int, int]) -> None:
    """Write the scores of some repositories."""
    statement = update(repos).where(repos.c.id == bindparam("repo")).values(trending_score=bindparam("score"))
    tx.execute(statement, [{"repo": repo, "score": score} for repo, score in sorted(scores.items())])


def find_misplaced(tx: Tx, numbers: Sequence[int]) -> list[int]:
    """Return which of some repositories are searched at a place that is not that of their popularity any more."""
    return [subject.id for subject, _tier in _misplaced(tx, numbers)]


def refile(tx: Tx, numbers: Iterable[int]) -> None:
    """Bring repositories to the place of their popularity; the caller has locked them."""
    for subject, tier in _misplaced(tx, sorted(numbers)):
        texts.refile(tx, subject, tier=tier)


def _misplaced(tx: Tx, numbers: Sequence[int]) -> list[tuple[Subject, int]]:
    query = (
        select(
            repos.c.id,
            repos.c.type,
            repos.c.search_text,
            repos.c.owner_id,
            repos.c.visibility,
            repos.c.downloads,
            repos.c.likes,
            repo_texts.c.place,
        )
        .join(repo_texts, repo_texts.c.repo_id == repos.c.id)
        .where(repos.c.id.in_(numbers))
        .order_by(repos.c.id)
    )
    found = []
    for row in tx.execute(query).all():
        tier = texts.tier_of(downloads=row.downloads, likes=row.likes)
        if not texts.has_tier(row.place, tier=tier):
            is_hidden = row.visibility == "private"
            found.append(
                (Subject(row.id, RepoType(row.type), row.search_text, row.owner_id, is_hidden), tier)
            )
    return found

"""Looking back: the commits of a revision with their authors' accounts, and the difference of two revisions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from openhood.base.errors import BadRequest, RevisionNotFound
from openhood.base.names import Oid, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import browse_rows, gitdb, lookup
from openhood.domain.repos.types import At
from openhood.domain.services import Services
from openhood.engines.git.commands import count_commits, heavy, raw_diff, unified_diff
from openhood.engines.git.objects import CommitInfo

MAX_PAGE = 1000
MAX_DIFF_BYTES = 10 * 1024 * 1024
_MAX_PARENTS_UP = 20
_FACT_BYTES = 300


@dataclass(frozen=True, slots=True)
class Author:
    """Who wrote a commit: an account's name where one could be found, else the name in the commit."""

    name: str
    avatar_url: str | None
    is_account: bool


@dataclass(frozen=True, slots=True)
class CommitItem:
    """A commit of a listing."""

    commit: CommitInfo
    authors: tuple[Author, ...]


@dataclass(frozen=True, slots=True)
class CommitPage:
    """A page of history; ``total`` counts all commits of the revision."""

    at: At
    items: tuple[CommitItem, ...]
    total: int


def list_commits(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    page: int,
    limit: int,
) -> CommitPage:
    """List the commits of a revision, newest first; ``page`` counts from 0.

    Opens read units of its own. Raises what `lookup.locate` raises.
    """
    at = lookup.locate(sv, viewer, repo_type, repo_id, revision=revision, need=Need.INFO)
    total = sv.facts.of(
        ("commit count", at.commit), partial(_count, sv, at), weigh=lambda _count: _FACT_BYTES
    )
    if page * limit >= total:
        return CommitPage(at, (), total)
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    commits = objects.log(at.commit, skip=page * limit, limit=limit)
    return CommitPage(at, authored(sv, commits), total)


def authored(sv: Services, commits: Sequence[CommitInfo]) -> tuple[CommitItem, ...]:
    """Return commits with the accounts of their authors. Opens a read unit."""
    with sv.db.read() as tx:
        known = browse_rows.find_authors(
            tx,
            emails=[commit.author.email for commit in commits],
            names=[_account_name(commit) for commit in commits],
        )
    return tuple(CommitItem(commit, (_author(commit, known),)) for commit in commits)


def _count(sv: Services, at: At) -> int:
    with gitdb.snapshot(sv, at.repo) as gitdir:
        return count_commits(gitdir, at.commit)


def _author(commit: CommitInfo, known: browse_rows.Authors) -> Author:
    email, name = commit.author.email.lower(), _account_name(commit).lower()
    found = known.by_email.get(email) or known.by_name.get(name)
    if found is None:
        return Author(commit.author.name or "unknown", None, is_account=False)
    return Author(found[0], found[1], is_account=True)


def _account_name(commit: CommitInfo) -> str:
    """Return the account a commit claims: the hub's own commits carry it in their noreply address."""
    account, _, host = commit.author.email.partition("@")
    return account if host.startswith("users.noreply.") else commit.author.name


def compare(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, spec: str, raw: bool
) -> str:
    """Return the difference of two revisions as a unified diff, or as ``git diff --raw`` shows it.

    ``spec`` is ``a..b``, or ``a...b`` for what ``b`` did since it left ``a``; a revision may end in ``^`` for its
    first parent. Cut at `MAX_DIFF_BYTES`, with a line that says so. Opens read units of its own.
    Raises: BadRequest for another spec, what `lookup.locate` raises, Unavailable when git is too busy.
    """
    since_fork = "..." in spec
    first, found, second = spec.partition("..." if since_fork else "..")
    if not found or not first or not second:
        raise BadRequest("Compare two revisions as 'a..b' or 'a...b'.")
    locate = partial(_locate, sv, viewer, repo_type, repo_id)
    old, new = locate(first), locate(second)
    start: Oid | None = old.commit
    if since_fork:
        objects = gitdb.open_objects(sv, new.repo, expect=new.commit)
        start = objects.merge_base(old.commit, new.commit)
    with heavy(sv.settings.git.processes), gitdb.snapshot(sv, new.repo) as gitdir:
        if raw:
            return raw_diff(gitdir, start, new.commit, limit_bytes=MAX_DIFF_BYTES)
        return unified_diff(gitdir, start, new.commit, limit_bytes=MAX_DIFF_BYTES)


def _locate(sv: Services, viewer: Viewer, repo_type: RepoType, repo_id: RepoId, text: str) -> At:
    name = text.rstrip("^")
    ups = len(text) - len(name)
    at = lookup.locate(sv, viewer, repo_type, repo_id, revision=name, need=Need.READ)
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    commit = at.commit
    if ups > _MAX_PARENTS_UP:
        raise BadRequest(f"At most {_MAX_PARENTS_UP} '^' are understood.")
    for _ in range(ups):
        parents = objects.commit(commit).parents
        if not parents:
            raise RevisionNotFound(text)
        commit = parents[0]
    return At(at.repo, commit, at.ref if not ups else None)

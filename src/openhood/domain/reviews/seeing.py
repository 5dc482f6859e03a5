"""What a page shows of a change: its files, its patch, what it means, and the commits it is made of.

Read only, except that reviews which nobody asked for yet are begun. Each part is found by the commits alone and kept
where it is small, so that a page that is looked at again costs little.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.base.names import Oid, RefName, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.discussions import diffs
from openhood.domain.repos import branches, comparing, gitdb, history, lookup
from openhood.domain.repos.comparing import ChangedFile
from openhood.domain.repos.history import CommitItem
from openhood.domain.repos.types import At, Repo
from openhood.domain.reviews import actions
from openhood.domain.reviews.types import ChangeReview
from openhood.domain.services import Services

MAX_COMMITS = 250
"""So many commits of a pull request or a comparison are listed, the newest."""

_KEPT_DIFF_BYTES = 256 * 1024
_FILE_BYTES = 500
_MOST_REFS = 12


@dataclass(frozen=True, slots=True)
class Change:
    """What lies between two commits. ``patch`` is as `comparing.diff_between` makes it, cut where it is long."""

    repo: Repo
    base: Oid | None
    head: Oid | None
    files: Sequence[ChangedFile]
    patch: str
    review: ChangeReview


@dataclass(frozen=True, slots=True)
class CommitSeen:
    """A commit with who made it and the refs that are at it. ``is_root``: there is nothing before it."""

    at: At
    item: CommitItem
    refs: tuple[RefName, ...]

    @property
    def first_parent(self) -> Oid | None:
        """The commit that its changes are shown against."""
        return self.item.commit.parents[0] if self.item.commit.parents else None


@dataclass(frozen=True, slots=True)
class Commits:
    """Commits between two ends, newest first, at most `MAX_COMMITS`."""

    repo: Repo
    items: tuple[CommitItem, ...]
    is_cut: bool


@dataclass(frozen=True, slots=True)
class Compared:
    """Two revisions side by side. ``start`` is what the changes count from; ``is_since_fork``: where they parted."""

    base: At
    head: At
    start: Oid | None
    is_since_fork: bool
    commits: Commits


def see_change(
    sv: Services, viewer: Viewer, *, repo: Repo, base: Oid | None, head: Oid | None, cursor: int, limit: int
) -> Change:
    """Return what lies between two commits of a repository that was found for the viewer. Never inside a unit.

    Args: ``cursor`` and ``limit`` are the page of the review. Raises: GatedRepo and the like where the files are not
    for the viewer; GitFailed, GitTimedOut, Unavailable when git is too busy.
    """
    lookup.check(viewer, repo, need=Need.READ)
    if head is None:
        return Change(repo, base, None, (), "", ChangeReview(base, None, (), 0, is_cut=False))
    files = sv.facts.of(
        ("changed files", repo.id, base, head),
        lambda: comparing.changed_between(sv, repo, base, head),
        weigh=lambda found: _FILE_BYTES * (len(found) + 1),
    )
    patch = sv.facts.of(
        ("diff", repo.id, base, head),
        lambda: comparing.diff_between(sv, repo, base, head),
        # A large one is made again: it must not push everything else out.
        weigh=lambda text: len(text) if len(text) <= _KEPT_DIFF_BYTES else 1 << 60,
    )
    review = actions.review_between(sv, repo, base, head, cursor=cursor, limit=limit)
    return Change(repo, base, head, files, patch, review)


def see_review(
    sv: Services, viewer: Viewer, *, repo: Repo, base: Oid | None, head: Oid | None, cursor: int, limit: int
) -> ChangeReview:
    """Return only what a change means. Raises: as `see_change`."""
    lookup.check(viewer, repo, need=Need.READ)
    if head is None:
        return ChangeReview(base, None, (), 0, is_cut=False)
    return actions.review_between(sv, repo, base, head, cursor=cursor, limit=limit)


def see_commit(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, revision: str
) -> CommitSeen:
    """Return a commit by its id or by a ref. Opens read units. Raises: what `lookup.locate` raises."""
    at = lookup.locate(sv, viewer, repo_type, repo_id, revision=revision, need=Need.INFO)
    commit = gitdb.open_objects(sv, at.repo, expect=at.commit).commit(at.commit)
    found = branches.list_refs(sv, viewer, repo_type=repo_type, repo_id=repo_id, include_prs=True)
    refs = [
        ref.name
        for ref in (*found.branches, *found.tags, *(found.pull_requests or ()))
        if ref.commit_oid == at.commit
    ]
    return CommitSeen(at, history.authored(sv, [commit])[0], tuple(refs[:_MOST_REFS]))


def list_pull_commits(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int
) -> Commits:
    """Return the commits that a pull request is made of. Opens read units. Raises: what `diffs.find_ends` raises."""
    ends = diffs.find_ends(sv, viewer, repo_type=repo_type, repo_id=repo_id, number=number, need=Need.INFO)
    return _between(sv, ends.repo, ends.start, ends.head)


def compare(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, spec: str) -> Compared:
    """Return two revisions and the commits between them; ``spec`` is ``a..b``, or ``a...b`` since ``b`` left ``a``.

    Opens read units. Raises: BadRequest for another spec, what `lookup.locate` raises.
    """
    since_fork = "..." in spec
    first, found, second = spec.partition("..." if since_fork else "..")
    if not found or not first or not second:
        raise BadRequest("Compare two revisions as 'a..b' or 'a...b'.")
    old = lookup.locate(sv, viewer, repo_type, repo_id, revision=first, need=Need.INFO)
    new = lookup.locate(sv, viewer, repo_type, repo_id, revision=second, need=Need.INFO)
    start = diffs.fork_of(sv, new.repo, old.commit, new.commit) if since_fork else old.commit
    return Compared(old, new, start, since_fork, _between(sv, new.repo, old.commit, new.commit))


def _between(sv: Services, repo: Repo, base: Oid | None, head: Oid | None) -> Commits:
    if head is None or base == head:
        return Commits(repo, (), is_cut=False)
    objects = gitdb.open_objects(sv, repo, expect=head)
    found = objects.log_between([] if base is None else [base], head, limit=MAX_COMMITS + 1)
    return Commits(repo, history.authored(sv, found[:MAX_COMMITS]), len(found) > MAX_COMMITS)

"""What a pull request changes: the two commits it is seen between, its patch, its files, its conflicts.

Read only; computed from git outside any unit and kept where commits alone decide the outcome. Merging is
`merging`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.errors import NotFound
from openhood.base.names import Oid, RepoId, RepoType, pr_ref
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.discussions import conflicts, pull_rows
from openhood.domain.discussions.pull_rows import PullRow
from openhood.domain.repos import comparing, gitdb, lookup
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.comparing import ChangedFile
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services

_KEPT_DIFF_BYTES = 256 * 1024
_FILE_BYTES = 500


@dataclass(frozen=True, slots=True)
class Ends:
    """A pull request between its two ends.

    ``base_tip`` is where the base ref is now, or was before the merge (None: there is no such branch, or it has no
    commit). ``start`` is the commit both have in common, from which the changes count. ``head`` is None where the ref is gone.
    """

    repo: Repo
    pull: PullRow
    base_tip: Oid | None
    start: Oid | None
    head: Oid | None


@dataclass(frozen=True, slots=True)
class PullContent:
    """What the page of a pull request shows of its content.

    ``diff`` is None where it was not asked for, or the viewer may not read the files (a gate). ``conflicts``
    are the paths that keep it from being merged; none for a merged one.
    """

    diff: str | None
    conflicts: tuple[str, ...]


def show(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int, with_diff: bool
) -> PullContent:
    """Return a pull request's conflicts and, on demand, its patch. Opens read units of its own.

    Raises: what `find_ends` raises, Unavailable when git is too busy.
    **Source**: huggingface_hub ``hf_api.py::get_discussion_details`` (``diff``, ``filesWithConflicts``).
    """
    ends = find_ends(sv, viewer, repo_type=repo_type, repo_id=repo_id, number=number, need=Need.INFO)
    clashes: tuple[str, ...] = ()
    if ends.head is not None and ends.pull.status != "merged":
        clashes = conflicts.find(sv, ends.repo, start=ends.start, ours=ends.base_tip, theirs=ends.head)
    return PullContent(_diff(sv, ends) if with_diff and _may_read(viewer, ends.repo) else None, clashes)


def unified(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int) -> str:
    """Return a pull request's changes as a patch, empty where it has none. Opens read units of its own.

    Raises: what `find_ends` raises, Unavailable when git is too busy.
    """
    return _diff(sv, find_ends(sv, viewer, repo_type=repo_type, repo_id=repo_id, number=number))


def changed_files(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int
) -> list[ChangedFile]:
    """Return the files a pull request changes, by path, at most `comparing.MAX_FILES`. Opens read units.

    Raises: what `find_ends` raises, Unavailable when git is too busy.
    """
    ends = find_ends(sv, viewer, repo_type=repo_type, repo_id=repo_id, number=number)
    head, start = ends.head, ends.start
    if head is None:
        return []
    return sv.facts.of(
        ("changed files", ends.repo.id, start, head),
        lambda: comparing.changed_between(sv, ends.repo, start, head),
        weigh=lambda found: _FILE_BYTES * (len(found) + 1),
    )


def find_ends(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    need: Need = Need.READ,
) -> Ends:
    """Return the commits a pull request lies between. Opens a read unit; never inside one.

    Of a merged one, those at the moment it was merged. Raises: what `lookup.find` raises; NotFound.
    """
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=need)
        pull = pull_rows.get(tx, repo.id, number)
        if pull is None:
            raise NotFound(f"{repo.repo_id} has no pull request #{number}.")
        found = repo_rows.find_refs(tx, repo.id, [pull.base_ref, pr_ref(number)])
    head_ref, base_ref = found.get(pr_ref(number)), found.get(pull.base_ref)
    head = None if head_ref is None else head_ref.commit_oid
    base_tip = None if base_ref is None else base_ref.commit_oid
    if pull.merge_oid is not None:
        parents = gitdb.open_objects(sv, repo, expect=pull.merge_oid).commit(pull.merge_oid).parents
        base_tip = parents[0] if parents else None
    return Ends(repo, pull, base_tip, fork_of(sv, repo, base_tip, head), head)


def fork_of(sv: Services, repo: Repo, base_tip: Oid | None, head: Oid | None) -> Oid | None:
    """Return the last commit that a pull request and its base have in common, None where there is none."""
    if base_tip is None or head is None:
        return None
    return gitdb.open_objects(sv, repo, expect=head).merge_base(base_tip, head)


def _diff(sv: Services, ends: Ends) -> str:
    head, start = ends.head, ends.start
    if head is None:
        return ""
    return sv.facts.of(
        ("diff", ends.repo.id, start, head),
        lambda: comparing.diff_between(sv, ends.repo, start, head),
        # A large one is made again: it must not push everything else out.
        weigh=lambda text: len(text) if len(text) <= _KEPT_DIFF_BYTES else 1 << 60,
    )


def _may_read(viewer: Viewer, repo: Repo) -> bool:
    return decide(viewer, repo.facts, Need.READ) is Verdict.ALLOW

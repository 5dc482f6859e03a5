"""Which ref a write goes to, and whether this viewer may write there: branches and open pull requests."""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.errors import BadRequest, HubError, RevisionNotFound
from openhood.base.names import MAIN, Oid, RefName, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import lookup, pulls, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services


@dataclass(frozen=True, slots=True)
class Target:
    """A ref that takes commits. ``tip`` None: a ``main`` that has no commit yet."""

    repo: Repo
    ref: RefName
    tip: Oid | None
    indexed: bool


class BaseNotFound(RevisionNotFound):
    """A pull request is to be based on what is no branch."""

    def __init__(self, revision: str) -> None:
        HubError.__init__(self, f"'{revision[:200]}' is not a branch: pull requests are based on a branch.")


def find_target(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    create_pr: bool,
) -> Target:
    """Find the branch or pull request that ``revision`` names, for writing to it. Opens a read unit.

    Args: ``create_pr``: the write goes to a new pull request based on ``revision``, which must be a
    branch; whoever may propose changes may do that.
    Raises: what `lookup.find` raises; RevisionNotFound; Conflict for a closed pull request; for tags and
    commits BadRequest, or with ``create_pr`` BaseNotFound, as huggingface_hub expects.
    """
    names = lookup.ref_candidates(revision)
    to_pull = any(pulls.number_of(name) is not None for name in names)
    need = Need.PROPOSE if create_pr or to_pull else Need.WRITE
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=need)
        found = rows.find_refs(tx, repo.id, names)
        name = next((name for name in names if name in found), None)
        if name is not None and name.startswith("refs/pr/") and not create_pr:
            pulls.check_may_change(tx, viewer, repo, name)
        elif not create_pr:
            lookup.check(viewer, repo, need=Need.WRITE)
    if name is None:
        if MAIN in names:
            return Target(repo, MAIN, None, indexed=True)
        raise BaseNotFound(revision) if create_pr else _not_a_branch(sv, repo, revision)
    if not name.startswith("refs/heads/"):
        if create_pr:
            raise BaseNotFound(revision)
        if not name.startswith("refs/pr/"):
            raise BadRequest(_ONLY_BRANCHES.format(revision=revision[:200]))
    return Target(repo, name, found[name].commit_oid, found[name].indexed)


_ONLY_BRANCHES = (
    "'{revision}' is not a branch: commits go to a branch or to an open pull request (refs/pr/N)."
)


def _not_a_branch(sv: Services, repo: Repo, revision: str) -> BadRequest | RevisionNotFound:
    try:
        lookup.resolve_oid(sv, repo, revision)
    except RevisionNotFound as error:
        return error
    return BadRequest(_ONLY_BRANCHES.format(revision=revision[:200]))

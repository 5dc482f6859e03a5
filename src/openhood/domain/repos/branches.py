"""Branches: listing refs, creating and deleting branches, squashing a branch's history."""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.errors import BadRequest, Conflict, Forbidden, RevisionNotFound
from openhood.base.names import MAIN, Oid, RefName, RepoId, RepoType, branch_ref
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import gitdb, indexing, lookup, publish, refs, rows
from openhood.domain.repos.authors import sign
from openhood.domain.repos.changes import ATTRIBUTES
from openhood.domain.repos.commits import commit_orphan
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.targets import find_target
from openhood.domain.repos.types import At, Consequences, Ref, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.engines.git.objects import encode_commit
from openhood.engines.git.packs import PackWriter
from openhood.engines.gitattributes import DEFAULT_DATASET, DEFAULT_MODEL


@dataclass(frozen=True, slots=True)
class RefList:
    """The refs of a repository by kind; pull requests only where asked for."""

    branches: tuple[Ref, ...]
    converts: tuple[Ref, ...]
    tags: tuple[Ref, ...]
    pull_requests: tuple[Ref, ...] | None


def list_refs(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, include_prs: bool
) -> RefList:
    """Return the refs of a repository, each kind by name. Raises: what `lookup.find` raises."""
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        found = rows.list_refs(tx, repo.id)
    kinds: dict[str, list[Ref]] = {"heads": [], "convert": [], "tags": [], "pr": []}
    for ref in found:
        kinds.setdefault(ref.name.split("/", 2)[1], []).append(ref)
    pulls = sorted(kinds["pr"], key=lambda ref: (len(ref.name), ref.name))
    return RefList(
        branches=tuple(kinds["heads"]),
        converts=tuple(kinds["convert"]),
        tags=tuple(kinds["tags"]),
        pull_requests=tuple(pulls) if include_prs else None,
    )


def create_branch(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    branch: str,
    starting_point: str | None,
    empty: bool,
    overwrite: bool,
) -> Oid:
    """Create a branch at ``starting_point`` (None: the tip of main), or without history where ``empty``.

    Returns: the branch's tip. Raises: Conflict where it exists (unless ``overwrite``), InvalidName,
    BadRequest for refs that are no branches, RevisionNotFound, what `lookup.find` raises.
    **Source**: huggingface_hub ``HfApi.create_branch``; huggingface.js ``create-branch.ts``.
    """
    name = _branch_name(branch)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.WRITE)
        before = rows.get_ref(tx, repo.id, name)
    if before is not None and not overwrite:
        raise Conflict(f"Reference {name} already exists")
    try:
        if empty:
            return _empty_branch(sv, viewer, repo, name, before)
        at = lookup.locate(sv, viewer, repo_type, repo_id, revision=starting_point or "HEAD", need=Need.WRITE)
        return _branch_at(sv, viewer, at, name, before)
    except refs.RefRaceLost as error:
        if before is not None:
            raise
        raise Conflict(f"Reference {name} already exists") from error


def _branch_at(sv: Services, viewer: Viewer, at: At, name: RefName, before: Ref | None) -> Oid:
    repo = at.repo
    if before is not None and before.commit_oid == at.commit:
        return at.commit
    tip = None
    if name == MAIN:
        objects = gitdb.open_objects(sv, repo, expect=at.commit)
        tip = describe_tip(objects, at.commit, repo.type)
    update = RefUpdate(name, before.oid if before else None, at.commit, at.commit)
    with sv.db.write() as tx:
        refs.move(tx, viewer, repo, [update], consequences=Consequences(tip=tip), now=sv.clock.now())
        if at.ref is not None:
            indexing.inherit(tx, repo, source=at.ref, at=at.commit, target=name, changes=())
    return at.commit


def _empty_branch(sv: Services, viewer: Viewer, repo: Repo, name: RefName, before: Ref | None) -> Oid:
    # Clients expect the file that sends large files to LFS even where there is nothing else.
    rules = DEFAULT_DATASET if repo.type is RepoType.DATASET else DEFAULT_MODEL
    files = {str(ATTRIBUTES): rules.encode("ascii")}
    expected = before.oid if before else None
    return commit_orphan(sv, viewer, repo, name, files, message="initial commit", expected=expected)


def delete_branch(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, branch: str) -> None:
    """Delete a branch; its commits stay reachable by id until the packs are rewritten.

    Raises: RevisionNotFound, Forbidden for ``main``, BadRequest for refs that are no branches, what
    `lookup.find` raises.
    """
    name = _branch_name(branch)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.WRITE)
        before = rows.get_ref(tx, repo.id, name)
    if name == MAIN:
        raise Forbidden(f"Cannot delete {MAIN}")
    if before is None:
        raise RevisionNotFound(branch)
    with sv.db.write() as tx:
        update = RefUpdate(name, before.oid, None, None)
        refs.move(tx, viewer, repo, [update], consequences=Consequences(), now=sv.clock.now())


def super_squash(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, revision: str, message: str
) -> Oid:
    """Replace the history of a branch or an open pull request by one commit with the same tree.

    Returns: the new tip. Raises: RevisionNotFound, BadRequest for tags, RefRaceLost.
    **Source**: huggingface_hub ``HfApi.super_squash_history``.
    """
    first = find_target(sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=revision, create_pr=False)
    if first.tip is None:
        raise RevisionNotFound(revision)
    with (
        publish.bench(sv) as directory,
        PackWriter(directory / "pack") as writer,
        sv.packs.writing(first.repo.id),
        publish.Landing(sv, first.repo) as landing,
    ):
        target = find_target(
            sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=revision, create_pr=False
        )
        if target.tip is None or target.repo.id != first.repo.id:
            raise RevisionNotFound(revision)
        tip = gitdb.open_objects(sv, target.repo, expect=target.tip).commit(target.tip)
        if not tip.parents and tip.message.strip() == message.strip():
            return target.tip  # asked for twice
        author = sign(sv, viewer)
        raw = encode_commit(tree=tip.tree, parents=(), author=author, committer=author, message=message)
        commit = writer.add("commit", raw)
        landing.put(writer.finish())
        update = RefUpdate(target.ref, target.tip, commit, commit)
        with landing.unit() as tx:
            consequences = Consequences(message=message)
            refs.move(tx, viewer, target.repo, [update], consequences=consequences, now=sv.clock.now())
    return commit


def _branch_name(branch: str) -> RefName:
    """Parse the name of a branch that is to be created or deleted. Raises BadRequest, InvalidName."""
    if branch.startswith("refs/") and not branch.startswith("refs/heads/"):
        raise BadRequest(f"Invalid branch name '{branch[:200]}': branches live under refs/heads/ only.")
    return branch_ref(branch)

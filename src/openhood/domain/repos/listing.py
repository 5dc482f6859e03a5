"""What is public of one repository, and what one of its commits says.

The rest of a repository's content is in `browse` and `resolve`, lists of repositories in `discovery`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from openhood.base.errors import NotFound, RevisionNotFound
from openhood.base.names import MAIN, Oid, RepoId, RepoType
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.catalog import files as kept_files
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos import gitdb, listing_rows, lookup, rows
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.listing_rows import Listed
from openhood.domain.repos.resolve import HIDDEN_OID, UNGATED_PATHS, BlobFacts, blob_facts, veiled
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.objects import MODE_SUBMODULE, display_name
from openhood.engines.git.walk import iter_files

_FACT_BYTES = 200


@dataclass(frozen=True, slots=True)
class Sibling:
    """A file of a commit; ``oid`` and ``blob`` are None where they were not asked for."""

    path: str
    oid: Oid | None = None
    blob: BlobFacts | None = None


@dataclass(frozen=True, slots=True)
class RepoInfo:
    """A repository at one commit (None: it has no main). ``siblings`` None: they were not asked for."""

    listed: Listed
    commit: Oid | None
    siblings: tuple[Sibling, ...] | None

    @property
    def repo(self) -> Repo:
        """The repository itself."""
        return self.listed.repo


def get_info(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str | None,
    siblings: bool,
    blobs: bool,
) -> RepoInfo:
    """Return what is public of a repository whose existence the viewer may know of, gated or not.

    At another revision than main, card and tags are those of that commit. ``blobs`` adds sizes.
    Raises: what `lookup.find` raises, RevisionNotFound.
    """
    names = lookup.ref_candidates(revision or "HEAD")
    with sv.db.read() as tx:
        found, refs = rows.get_repo_with_refs(tx, repo_type, repo_id, names)
        if found is None:
            found = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        found = lookup.at_gate(tx, viewer, found)
        lookup.check(viewer, found, need=Need.INFO)
        listed = listing_rows.get_listed(tx, found.id)
        kept = kept_files.read(tx, [found.id]).get(found.id) if siblings and not blobs else None
    if listed is None:
        raise NotFound("The repository was deleted this very moment.")
    commit = next((refs[name].commit_oid for name in names if name in refs), None)
    if commit is None and revision is not None:
        if MAIN in names:
            raise RevisionNotFound(revision)
        commit = lookup.resolve_oid(sv, found, revision)
    info = at_commit(sv, listed, commit, siblings=siblings, blobs=blobs, kept=kept)
    if blobs and info.siblings and decide(viewer, found.facts, Need.READ) is not Verdict.ALLOW:
        return replace(info, siblings=tuple(_veiled(each) for each in info.siblings))
    return info


def _veiled(sibling: Sibling) -> Sibling:
    """Return what may be said of a file to whoever may not read it."""
    blob = sibling.blob
    if blob is None or sibling.path in UNGATED_PATHS:
        return sibling
    return Sibling(sibling.path, HIDDEN_OID, veiled(blob))


def at_commit(
    sv: Services,
    listed: Listed,
    commit: Oid | None,
    *,
    siblings: bool,
    blobs: bool,
    kept: kept_files.Files | None = None,
) -> RepoInfo:
    """Look at one commit: its files, and its card where it is not the one the rows describe.

    Args: ``kept``: the files that are kept with the rows, which need no look into git if they are this commit's.
    """
    if commit is None:
        return RepoInfo(listed, None, () if siblings else None)
    if commit != listed.repo.head_oid:
        listed = _described_by(listed, tip_at(sv, listed.repo, commit))
    files = None
    if siblings and not blobs and kept is not None and kept.commit == commit:
        files = tuple(Sibling(path) for path in kept.paths)
    elif siblings:
        files = _siblings_with_blobs(sv, listed.repo, commit) if blobs else _siblings(sv, listed.repo, commit)
    return RepoInfo(listed, commit, files)


def _described_by(listed: Listed, tip: TipFacts) -> Listed:
    """Return the repository as another commit describes it; of its weights only main's are known."""
    return replace(listed, tip=tip, weights=None, parameters=None)


def tip_at(sv: Services, repo: Repo, commit: Oid) -> TipFacts:
    """Return what a commit says of its repository, worked out once. Never inside a unit."""

    def make() -> TipFacts:
        return describe_tip(gitdb.open_objects(sv, repo, expect=commit), commit, repo.type)

    return sv.facts.of(
        ("tip", repo.type, commit), make, weigh=lambda tip: 10 * _FACT_BYTES + len(str(tip.card))
    )


def _siblings(sv: Services, repo: Repo, commit: Oid) -> tuple[Sibling, ...]:
    def make() -> tuple[Sibling, ...]:
        objects = gitdb.open_objects(sv, repo, expect=commit)
        found = iter_files(objects, objects.commit(commit).tree)
        return tuple(Sibling(display_name(entry.path)) for entry in found if entry.mode != MODE_SUBMODULE)

    return sv.facts.of(("siblings", commit), make, weigh=_weigh)


def _siblings_with_blobs(sv: Services, repo: Repo, commit: Oid) -> tuple[Sibling, ...]:
    def make() -> tuple[Sibling, ...]:
        objects = gitdb.open_objects(sv, repo, expect=commit)
        return tuple(
            Sibling(
                display_name(entry.path),
                entry.oid,
                blob_facts(sv, objects, entry.oid, mode=entry.mode),
            )
            for entry in iter_files(objects, objects.commit(commit).tree)
            if entry.mode != MODE_SUBMODULE
        )

    return sv.facts.of(("siblings with blobs", commit), make, weigh=_weigh)


def _weigh(siblings: tuple[Sibling, ...]) -> int:
    return sum(_FACT_BYTES + len(sibling.path) for sibling in siblings) + _FACT_BYTES

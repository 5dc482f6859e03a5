"""Commits through the API: a draft that grows while the request's body streams in, then one moved ref.

Blobs are spooled into a pack on disk as they arrive; the trees and the commit follow once the tip is
known, under the repository's lock. Pushes are `push`'s.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from types import TracebackType

from openhood.base.errors import BadRequest, BranchMoved, HubError, Unavailable
from openhood.base.names import EMPTY_TREE, MAIN, Oid, RefName, RepoId, RepoType, is_short_oid
from openhood.domain.access import Viewer
from openhood.domain.repos import folding, gitdb, indexing, lookup, publish, pulls, quota, refs
from openhood.domain.repos.authors import sign
from openhood.domain.repos.changes import Changes, Outcome, path_changes
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.operations import CommitHeader, CommitResult, Operation
from openhood.domain.repos.targets import Target, find_target
from openhood.domain.repos.types import Consequences, LfsPointerAt, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.engines.git.edit import Put, apply_edits
from openhood.engines.git.objects import MODE_FILE, CommitInfo, encode_commit
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb

ATTEMPTS = 10
_MAX_SUMMARY = 10_000
_MAX_DESCRIPTION = 1_000_000


def open_draft(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    create_pr: bool,
) -> CommitDraft:
    """Begin a commit, refusing at once what could not be committed. Close the draft in the end.

    Args: ``revision`` is a branch, or ``refs/pr/N`` of an open pull request. ``create_pr``: the commit
    goes to a new pull request based on it.
    Raises: what `targets.find_target` raises.
    """
    target = find_target(
        sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=revision, create_pr=create_pr
    )
    return CommitDraft(sv, viewer, target.repo, revision=revision, create_pr=create_pr)


def create_commit(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    header: CommitHeader,
    operations: Iterable[Operation],
    create_pr: bool = False,
) -> CommitResult:
    """Commit operations that are at hand, or made while they are asked for; see `CommitDraft.finish`."""
    draft = open_draft(
        sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=revision, create_pr=create_pr
    )
    with draft:
        draft.set_header(header)
        for operation in operations:
            draft.add(operation)
        return draft.finish()


def commit_orphan(
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    ref: RefName,
    files: Mapping[str, bytes],
    *,
    message: str,
    expected: Oid | None,
) -> Oid:
    """Make a commit without parents and put ``ref``, which must be at ``expected``, there.

    Opens a write unit. Raises: RefRaceLost.
    """
    with (
        publish.bench(sv) as directory,
        PackWriter(directory / "pack") as writer,
        sv.packs.writing(repo.id),
        publish.Landing(sv, repo) as landing,
    ):
        objects = gitdb.open_objects(sv, repo)
        edits = {path: Put(writer.add("blob", content), MODE_FILE) for path, content in files.items()}
        edited = apply_edits(objects, EMPTY_TREE, edits)
        for oid, raw in edited.new_trees.items():
            writer.add_known(oid, "tree", raw)
        author = sign(sv, viewer)
        raw = encode_commit(tree=edited.tree, parents=(), author=author, committer=author, message=message)
        commit = writer.add("commit", raw)
        landing.put(writer.finish())
        changes = path_changes(edited.changes, commit)
        consequences = Consequences(
            tip=describe_tip(objects, commit, repo.type) if ref == MAIN else None,
            changes={} if expected is not None or changes is None else {ref: changes},
            message=message,
        )
        update = RefUpdate(ref, expected, commit, commit)
        with landing.unit() as tx:
            refs.move(tx, viewer, repo, [update], consequences=consequences, now=sv.clock.now())
    return commit


class CommitDraft:
    """A commit being received. A context manager: leaving it removes what was spooled.

    Used from worker threads, one at a time.
    """

    def __init__(self, sv: Services, viewer: Viewer, repo: Repo, *, revision: str, create_pr: bool) -> None:
        self._sv = sv
        self._viewer = viewer
        self._repo = repo
        self._revision = revision
        self._create_pr = create_pr
        self._header: CommitHeader | None = None
        self._changes = Changes(sv.settings.limits)
        self._pointers: list[LfsPointerAt] = []
        self._sealed = False
        self._opening = pulls.NOTHING_SAID
        with ExitStack() as stack:
            self._pack_dir = stack.enter_context(publish.bench(sv)) / "pack"
            self._spool = stack.enter_context(PackWriter(self._pack_dir))
            self._landing = stack.enter_context(publish.Landing(sv, repo))
            self._opened = stack.pop_all()

    def __enter__(self) -> CommitDraft:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Remove what was spooled. Safe when called twice."""
        self._opened.close()

    def set_header(self, header: CommitHeader) -> None:
        """Take the commit's header. Raises: BadRequest for a second one and for an unusable one."""
        if self._header is not None:
            raise BadRequest("The commit has two headers.")
        if not header.summary.strip():
            raise BadRequest("The commit needs a summary: its first line must not be empty.")
        if len(header.summary) > _MAX_SUMMARY or len(header.description) > _MAX_DESCRIPTION:
            raise BadRequest(
                f"A commit's summary may have {_MAX_SUMMARY} characters and its description {_MAX_DESCRIPTION}."
            )
        if header.parent_commit is not None and not is_short_oid(header.parent_commit):
            raise BadRequest(f"parentCommit must be a commit id in hex, got {header.parent_commit[:60]!r}.")
        self._header = header

    def add(self, operation: Operation) -> None:
        """Take one more operation; its content goes to disk at once. Raises: what `Changes.add` raises."""
        self._changes.add(operation, self._spool)

    def finish(self) -> CommitResult:
        """Build the commit on the present tip and move the ref; opens units of its own.

        A commit that changes nothing answers the tip, and so does one that is there already, as after
        a retry whose first answer was lost.

        Raises: BranchMoved where ``parent_commit`` is not the tip; EntryNotFound for deleting what is
        not there; PathConflict, LfsObjectMissing, QuotaExceeded; what `targets.find_target` raises; Unavailable where
        other replicas kept winning the race.
        **Source**: huggingface_hub ``_commit_api.py``, ``_upload_pipeline.py`` (retries of the same body).
        """
        header = self._header
        if header is None:
            raise BadRequest('The commit has no header: its first line must be {"key": "header", ...}.')
        with self._sv.db.read() as tx:
            sizes = refs.lfs_sizes(tx, self._repo, self._changes.hashes)
            if self._changes.added_bytes:
                quota.check(
                    tx,
                    self._sv,
                    owner_id=self._repo.owner_id,
                    namespace=self._repo.repo_id.namespace,
                    added_bytes=self._changes.added_bytes,
                )
        self._pointers = self._changes.write_pointers(sizes, self._spool)
        if self._create_pr:
            self._opening = pulls.word(header.description, web_path=self._repo.web_path)
        for attempt in range(ATTEMPTS):
            try:
                return self._attempt(header)
            except refs.RefRaceLost:
                if header.parent_commit is not None and not self._create_pr:
                    raise
                # Replicas that lost the same race must not meet again.
                time.sleep(random.uniform(0, 0.03) * (attempt + 1))  # noqa: S311  (no secret)
        raise Unavailable("Too many commits to this branch at once. Try again in a moment.")

    def _attempt(self, header: CommitHeader) -> CommitResult:
        with self._sv.packs.writing(self._repo.id):
            target = find_target(
                self._sv,
                self._viewer,
                repo_type=self._repo.type,
                repo_id=self._repo.repo_id,
                revision=self._revision,
                create_pr=self._create_pr,
            )
            if target.repo.id != self._repo.id:
                raise BranchMoved  # deleted and made anew while the body came in
            folding.relieve(self._sv, target.repo)
            objects = gitdb.open_objects(self._sv, target.repo, expect=target.tip)
            base = self._base(target, header)
            if base != target.tip and not self._create_pr:
                if target.tip is not None and self._is_repeated(objects, target.tip, header):
                    return self._result(target, target.tip, header)
                raise BranchMoved
            tree = objects.commit(base).tree if base is not None else EMPTY_TREE
            outcome = self._changes.apply(objects, tree)
            if base is not None and outcome.edited.tree == tree:
                if not self._create_pr:
                    return self._result(target, base, header)
                return self._land(objects, target, base, outcome, header, commit=base)
            commit = self._build(base, outcome, header)
            return self._land(objects, target, base, outcome, header, commit=commit)

    def _base(self, target: Target, header: CommitHeader) -> Oid | None:
        """Return the commit to build on: the tip, unless the header names another one."""
        named = (header.parent_commit or "").lower()
        if not named or (target.tip is not None and target.tip.startswith(named)):
            return target.tip
        # A pull request starts wherever its author says; the caller refuses everything else.
        return lookup.resolve_oid(self._sv, target.repo, named) if self._create_pr else Oid(named)

    def _is_repeated(self, objects: ObjectDb, tip_oid: Oid, header: CommitHeader) -> bool:
        """Tell whether the tip is this very commit, made from the parent that the header names."""
        named = (header.parent_commit or "").lower()
        tip = objects.commit(tip_oid)
        if len(tip.parents) != 1 or not named or not tip.parents[0].startswith(named):
            return False
        if not _same_words(tip, header) or tip.author.email != sign(self._sv, self._viewer).email:
            return False
        try:
            outcome = self._changes.apply(objects, objects.commit(tip.parents[0]).tree)
        except HubError:
            return False  # what cannot be applied there did not make the tip
        return outcome.edited.tree == tip.tree

    def _build(self, base: Oid | None, outcome: Outcome, header: CommitHeader) -> Oid:
        """Write trees and commit, and put the pack into the store."""
        # The spool is sealed by the first attempt; later ones only need trees and a commit anew.
        with PackWriter(self._pack_dir) if self._sealed else self._spool as writer:
            for oid, content in outcome.blobs.items():
                writer.add_known(oid, "blob", content)
            for oid, raw in outcome.edited.new_trees.items():
                writer.add_known(oid, "tree", raw)
            author = sign(self._sv, self._viewer)
            raw = encode_commit(
                tree=outcome.edited.tree,
                parents=() if base is None else (base,),
                author=author,
                committer=author,
                message=header.message,
            )
            commit = writer.add("commit", raw)
            self._sealed = True
            self._landing.put(writer.finish())
        return commit

    def _land(
        self,
        objects: ObjectDb,
        target: Target,
        base: Oid | None,
        outcome: Outcome,
        header: CommitHeader,
        *,
        commit: Oid,
    ) -> CommitResult:
        """Move the ref, or open the pull request, with everything that follows, in one write unit."""
        changed = {change.path for change in outcome.edited.changes}
        pointers = tuple(pointer for pointer in self._pointers if pointer.path in changed)
        changes = path_changes(outcome.edited.changes, commit)
        goes_to_main = target.ref == MAIN and not self._create_pr
        consequences = Consequences(
            tip=describe_tip(objects, commit, target.repo.type) if goes_to_main else None,
            changes={} if self._create_pr or changes is None else {target.ref: changes},
            pointers=pointers,
            message=header.message,
        )
        now = self._sv.clock.now()
        number: int | None = None
        update = RefUpdate(target.ref, target.tip, commit, commit)
        with self._landing.unit() as tx:
            if self._create_pr:
                number, ref = pulls.open_pull(
                    tx,
                    self._viewer,
                    target.repo,
                    title=header.summary.strip(),
                    opening=self._opening,
                    base=target.ref,
                    now=now,
                )
                update = RefUpdate(ref, None, commit, commit)
            refs.move(tx, self._viewer, target.repo, [update], consequences=consequences, now=now)
            if self._create_pr and base is not None and base == target.tip and changes is not None:
                indexing.inherit(
                    tx, target.repo, source=target.ref, at=base, target=update.name, changes=changes
                )
        return CommitResult(target.repo, commit, update.name, number, header.message)

    @staticmethod
    def _result(target: Target, commit: Oid, header: CommitHeader) -> CommitResult:
        return CommitResult(target.repo, commit, target.ref, None, header.message)


def _same_words(commit: CommitInfo, header: CommitHeader) -> bool:
    return commit.message.strip() == header.message.replace("\0", "").strip()

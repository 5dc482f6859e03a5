"""Where a change that a person makes by hand may go: the branch itself, or a pull request; and large files on their way.

Committing is `commits`'.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from openhood.base.errors import BadRequest, HubError, PayloadTooLarge, QuotaExceeded, RevisionNotFound
from openhood.base.names import MAIN, Oid, RefName, RepoId, RepoType, Sha256
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.repos import lfs, lookup, pulls, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage import uploads
from openhood.domain.storage.types import UploadTicket
from openhood.engines.lfs import BatchObject, BatchRequest
from openhood.infra.db.engine import Tx

_CHUNK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Desk:
    """A branch or pull request to be changed, and a path in it. ``tip`` None: a main without a commit.

    ``revision`` is the ref as people type it. At least one of ``may_commit`` and ``may_propose`` holds.
    """

    repo: Repo
    ref: RefName
    revision: str
    path: str
    tip: Oid | None
    may_commit: bool
    may_propose: bool


@dataclass(frozen=True, slots=True)
class AddLfsObject:
    """An object that has arrived and may be named by a commit."""

    sha256: Sha256
    size_bytes: int


def open_desk(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, segments: Sequence[str]
) -> Desk:
    """Return where changes at a revision and path would go. Opens a read unit.

    *Args*: ``segments`` are those of revision and path together; a revision may take several, as in
    `lookup.locate_split`. *Raises* what `lookup.find` raises, for whoever may not even propose changes too;
    RevisionNotFound; BadRequest for what is neither a branch nor a pull request.
    """
    most = 1 if "/" in segments[0] else min(len(segments), 8)
    names = {length: lookup.ref_candidates("/".join(segments[:length])) for length in range(most, 0, -1)}
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.PROPOSE)
        found = rows.find_refs(tx, repo.id, [name for each in names.values() for name in each])
        for length, candidates in names.items():
            for name in candidates:
                if name in found:
                    path = "/".join(segments[length:])
                    return _desk(tx, viewer, repo, name, found[name].commit_oid, path)
        if MAIN in names[1]:
            return _desk(tx, viewer, repo, MAIN, None, "/".join(segments[1:]))
    lookup.resolve_oid(sv, repo, segments[0])
    raise _no_branch(segments[0])


def _no_branch(revision: str) -> BadRequest:
    return BadRequest(
        f"'{revision[:200]}' is not a branch: files are changed on a branch, or in an open pull request."
    )


def _desk(tx: Tx, viewer: Viewer, repo: Repo, ref: RefName, tip: Oid | None, path: str) -> Desk:
    if ref.startswith("refs/heads/"):
        may_commit = decide(viewer, repo.facts, Need.WRITE) is Verdict.ALLOW
        may_propose = tip is not None
        if not may_commit and not may_propose:
            lookup.check(viewer, repo, need=Need.WRITE)
        return Desk(repo, ref, ref.removeprefix("refs/heads/"), path, tip, may_commit, may_propose)
    if pulls.number_of(ref) is None:
        raise _no_branch(ref.removeprefix("refs/tags/"))
    pulls.check_may_change(tx, viewer, repo, ref)
    return Desk(repo, ref, ref, path, tip, may_commit=True, may_propose=False)


def is_refusal(error: HubError) -> bool:
    """Tell whether a commit was refused for something that a person can correct in the form."""
    return error.status < 500 and not isinstance(error, RevisionNotFound)


def keep_large(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, file: IO[bytes]
) -> AddLfsObject:
    """Bring a file that lies here into a repository as an LFS object, before a commit names it.

    Reads the file twice: its hash must be known before its bytes are written. Opens units of its own.
    Raises: what `lfs.plan_upload` raises, PayloadTooLarge and QuotaExceeded for what there is no room for.
    """
    digest, size_bytes = hashlib.sha256(), 0
    file.seek(0)
    while chunk := file.read(_CHUNK_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    sha256 = Sha256(digest.hexdigest())
    request = BatchRequest("upload", ("basic",), (BatchObject(sha256, size_bytes),), None)
    repo, plan, _chunks = lfs.plan_upload(sv, viewer, repo_type=repo_type, repo_id=repo_id, request=request)
    planned = plan.objects[0]
    if planned.refusal is not None:
        refused = QuotaExceeded if planned.refusal.status == QuotaExceeded.status else PayloadTooLarge
        raise refused(planned.refusal.message)
    if planned.upload is not None:
        incoming = uploads.begin(sv, UploadTicket(planned.upload.id, repo.id, sha256))
        if incoming is not None:
            file.seek(0)
            try:
                while chunk := file.read(_CHUNK_BYTES):
                    incoming.feed(chunk)
                incoming.finish()
            except BaseException:
                incoming.abort()
                raise
    return AddLfsObject(sha256, size_bytes)

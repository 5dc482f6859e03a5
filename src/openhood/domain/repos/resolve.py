"""Finding the file behind a URL: repository, gate, revision and path in, a `ResolvedFile` out.

The bytes themselves are moved by the doors: from the object store for LFS objects, from `blob` or
`spool_blob` for what git holds.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from typing import IO, Final

from openhood.base.errors import EntryNotFound
from openhood.base.names import Oid, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import gitdb, lookup, rows
from openhood.domain.repos.types import At, Repo
from openhood.domain.services import Services
from openhood.domain.storage.types import LfsObject
from openhood.engines.git.commands import popen_git
from openhood.engines.git.objects import MODE_SUBMODULE, is_file_mode
from openhood.engines.git.snapshot import SnapshotRepo
from openhood.engines.git.store import ObjectDb
from openhood.engines.lfs import MAX_POINTER_BYTES, Pointer, parse_pointer

UNGATED_PATHS: Final = frozenset({"README.md", "LICENSE", "LICENSE.md", "LICENSE.txt"})
"""Files of the root that are readable without access to a gated repository, in exactly this spelling."""
HIDDEN_OID: Final = Oid("0" * 40)
"""What stands for a file's hash where its content is not for the viewer: a hash is enough to test guesses."""
MAX_BLOB_IN_MEMORY_BYTES = 2 * 1024 * 1024
"""Larger git blobs go through the git program: reading one stalls every other thread."""
_FACT_BYTES = 400
_CAT_FILE_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class BlobFacts:
    """What a git blob is: its own size, and the LFS pointer it holds, if it is one."""

    blob_bytes: int
    pointer: Pointer | None

    @property
    def size_bytes(self) -> int:
        """The size of the content: that of the LFS object for a pointer."""
        return self.blob_bytes if self.pointer is None else self.pointer.size_bytes


def veiled(blob: BlobFacts) -> BlobFacts:
    """Return what may be said of a file whose content is not for the viewer: its size."""
    return BlobFacts(blob.size_bytes, None)


@dataclass(frozen=True, slots=True)
class ResolvedFile:
    """A file at a commit. ``stored`` is the object that holds the content, None where git itself does."""

    repo: Repo
    commit: Oid
    path: str
    oid: Oid
    size_bytes: int
    stored: LfsObject | None

    @property
    def etag(self) -> str:
        """The name clients keep the content under: SHA-256 for LFS objects, else the git blob's id."""
        return self.oid if self.stored is None else self.stored.sha256


@dataclass(frozen=True, slots=True)
class _Entry:
    oid: Oid
    facts: BlobFacts


class _Absent:
    """Stands in the cache for a path that a commit does not have."""


_ABSENT = _Absent()


def file(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    path: str,
    pointer: bool = False,
) -> ResolvedFile:
    """Find a file. Opens read units of its own.

    ``pointer``: the file as git holds it, a pointer's own text instead of the LFS object; the gate then
    binds every path. Raises: what `lookup.locate` raises, EntryNotFound (also for a directory).
    **Source**: the order gate, revision, entry is the Hub's.
    """
    need = Need.INFO if path in UNGATED_PATHS and not pointer else Need.READ
    if revision == "refs":
        # A person who typed `resolve/refs/pr/1/x` meant the ref; clients encode its slashes.
        at, path = lookup.locate_split(
            sv, viewer, repo_type, repo_id, segments=["refs", *path.split("/")], need=Need.READ
        )
    else:
        at = lookup.locate(sv, viewer, repo_type, repo_id, revision=revision, need=need)
    entry = _entry(sv, at, path)
    if entry is None:
        raise EntryNotFound(commit=at.commit)
    facts = entry.facts
    if pointer or facts.pointer is None:
        return ResolvedFile(at.repo, at.commit, path, entry.oid, facts.blob_bytes, None)
    with sv.db.read() as tx:
        stored = rows.get_lfs_object(tx, at.repo.id, facts.pointer.oid)
    if stored is None:
        # No commit with the answer: clients would remember for good that there is no such file.
        raise EntryNotFound("The content of this file was deleted from the hub.")
    return ResolvedFile(at.repo, at.commit, path, entry.oid, facts.size_bytes, stored)


def _entry(sv: Services, at: At, path: str) -> _Entry | None:
    key = ("entry", at.repo.id, at.commit, path)
    known = sv.facts.get(key)
    if known is None:
        known = _look_up(sv, at, path) or _ABSENT
        sv.facts.put(key, known, weight=_FACT_BYTES + len(path))
    return known if isinstance(known, _Entry) else None


def _look_up(sv: Services, at: At, path: str) -> _Entry | None:
    if "\0" in path:
        return None  # no name in a tree holds one, but a comparison of raw tree bytes might think so
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    found = objects.entry_at(objects.commit(at.commit).tree, path)
    if found is None or found.is_dir or found.mode == MODE_SUBMODULE:
        return None
    return _Entry(found.oid, blob_facts(sv, objects, found.oid, mode=found.mode))


def blob_facts(sv: Services, objects: ObjectDb, oid: Oid, *, mode: int) -> BlobFacts:
    """Return size and LFS pointer of a blob that a tree names with ``mode``; cached by its id.

    A symbolic link is never a pointer. Raises MissingGitObject.
    """
    is_file = is_file_mode(mode)
    key = ("blob", oid, is_file)
    known = sv.facts.get(key)
    if isinstance(known, BlobFacts):
        return known
    _kind, size = objects.kind_and_size(oid)
    pointer = parse_pointer(objects.read(oid)[1]) if is_file and size < MAX_POINTER_BYTES else None
    facts = BlobFacts(size, pointer)
    sv.facts.put(key, facts, weight=_FACT_BYTES)
    return facts


def blob(sv: Services, file: ResolvedFile) -> bytes:
    """Return the bytes of a file that git holds, at most `MAX_BLOB_IN_MEMORY_BYTES` of them."""
    return gitdb.open_objects(sv, file.repo, expect=file.oid).read(file.oid)[1]


def spool_blob(sv: Services, file: ResolvedFile) -> IO[bytes]:
    """Return a nameless temporary file with the bytes of a large file that git holds.

    Spooled, so that a slow client keeps no git program waiting and ranges cost one seek. Raises GitFailed.
    """
    directory = gitdb.objects_dir(sv, file.repo)
    spool = tempfile.TemporaryFile(dir=sv.packs.scratch)  # noqa: SIM115  # the caller gets it open
    try:
        with (
            SnapshotRepo(directory, (), workdir=sv.packs.scratch) as snapshot,
            popen_git(["cat-file", "blob", file.oid], gitdir=snapshot.gitdir) as running,
        ):
            running.stdin.close()
            shutil.copyfileobj(running.stdout, spool, 1 << 20)
            running.check(_CAT_FILE_TIMEOUT_S)
        spool.flush()
    except BaseException:
        spool.close()
        raise
    return spool

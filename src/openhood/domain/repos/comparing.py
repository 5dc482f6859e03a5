"""Two commits of one repository compared file by file: what was added, changed, renamed or deleted, and how large.

What the changes mean inside a file is `reviews`' business, what they are good for is the callers'.
"""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.names import Oid
from openhood.domain.repos import gitdb
from openhood.domain.repos.changes import read_pointer
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import heavy, unified_diff
from openhood.engines.git.compare import ComparedFile, compare_files
from openhood.engines.git.objects import is_file_mode
from openhood.engines.git.store import ObjectDb
from openhood.engines.lfs import Pointer

MAX_FILES = 5_000
"""More changed files than this are not listed: no person reads them."""

MAX_DIFF_BYTES = 2 * 1024 * 1024

_STATUS = {"A": "added", "D": "deleted", "R": "renamed"}


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file that two commits differ in. ``status`` is added, modified, deleted or renamed.

    ``old_blob`` and ``new_blob`` are git's, None where the file is not there (or is a submodule);
    ``old_lfs`` and ``new_lfs`` are the pointers in them. ``old_size_bytes`` and ``new_size_bytes`` are those of
    the content: of the LFS object behind a pointer. ``additions`` and ``deletions`` count lines, None for
    binary files and for LFS files. ``old_path`` is set for renamed files only.
    """

    path: str
    old_path: str | None
    status: str
    old_blob: Oid | None
    new_blob: Oid | None
    old_lfs: Pointer | None
    new_lfs: Pointer | None
    old_size_bytes: int | None
    new_size_bytes: int | None
    additions: int | None
    deletions: int | None


def changed_between(
    sv: Services, repo: Repo, base_oid: Oid | None, head_oid: Oid, *, limit: int = MAX_FILES
) -> list[ChangedFile]:
    """Return what ``head_oid`` changed against ``base_oid`` (None: everything is new), by path.

    At most ``limit`` files; a list of that length may have been cut. Never inside a unit: it runs git and opens
    read units of its own. Raises: GitFailed, GitTimedOut, Unavailable when git is too busy.
    """
    if base_oid == head_oid:
        return []
    objects = gitdb.open_objects(sv, repo, expect=head_oid)
    with heavy(sv.settings.git.processes), gitdb.snapshot(sv, repo) as gitdir:
        found = compare_files(gitdir, base_oid, head_oid, limit=limit, timeout_s=sv.settings.git.timeout_s)
    return [_describe(objects, each) for each in found]


def diff_between(sv: Services, repo: Repo, base_oid: Oid | None, head_oid: Oid) -> str:
    """Return what ``head_oid`` changed as a patch that ``git apply`` takes; LFS files as their pointers.

    Cut at `MAX_DIFF_BYTES` with a line that says so. Never inside a unit. Raises as `changed_between`.
    """
    if base_oid == head_oid:
        return ""
    gitdb.open_objects(sv, repo, expect=head_oid)
    with heavy(sv.settings.git.processes), gitdb.snapshot(sv, repo) as gitdir:
        return unified_diff(gitdir, base_oid, head_oid, limit_bytes=MAX_DIFF_BYTES)


def _describe(objects: ObjectDb, found: ComparedFile) -> ChangedFile:
    old_blob = found.old_oid if _is_blob(found.old_mode) else None
    new_blob = found.new_oid if _is_blob(found.new_mode) else None
    old_lfs = _pointer(objects, old_blob, found.old_mode)
    new_lfs = _pointer(objects, new_blob, found.new_mode)
    is_text = old_lfs is None and new_lfs is None
    return ChangedFile(
        path=found.path,
        old_path=found.old_path,
        status=_STATUS.get(found.status, "modified"),
        old_blob=old_blob,
        new_blob=new_blob,
        old_lfs=old_lfs,
        new_lfs=new_lfs,
        old_size_bytes=_size(objects, old_blob, old_lfs),
        new_size_bytes=_size(objects, new_blob, new_lfs),
        additions=found.additions if is_text else None,
        deletions=found.deletions if is_text else None,
    )


def _is_blob(mode: int) -> bool:
    """Tell whether git keeps content under this mode: files and links, not submodules or nothing."""
    return mode & 0o170000 in (0o100000, 0o120000)


def _pointer(objects: ObjectDb, blob: Oid | None, mode: int) -> Pointer | None:
    return read_pointer(objects, blob) if blob is not None and is_file_mode(mode) else None


def _size(objects: ObjectDb, blob: Oid | None, pointer: Pointer | None) -> int | None:
    if blob is None:
        return None
    return objects.kind_and_size(blob)[1] if pointer is None else pointer.size_bytes

"""Putting two changes of one tree together: path by path, and line by line where both changed the same text.

Works on root trees and returns edits; the new trees and the commit are the caller's to make.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

from openhood.base.names import Oid
from openhood.engines.git.edit import Change, Delete, Edit, Put, compare_trees
from openhood.engines.git.objects import TreeEntry, is_file_mode, object_oid
from openhood.engines.git.process import GitFailed, GitOutputTooLarge, GitTimedOut, run_git
from openhood.engines.git.store import ObjectDb
from openhood.engines.lfs import parse_pointer

MAX_TEXT_BYTES = 1 << 20
"""Larger files that both sides changed are a conflict: nobody would look through what came of them."""

_MAX_TEXTS = 100
# Lists of rules that clients append to: both sides' lines are wanted, in any order.
_UNITED = (".gitattributes", ".gitignore")


@dataclass(slots=True)
class Merged:
    """What to do to *our* tree so that it holds *their* changes too.

    ``blobs`` are the contents that are new in the merged tree; ``conflicts`` are the paths that people must decide on, for
    which no edit is given.
    """

    edits: dict[str, Edit] = field(default_factory=dict)
    blobs: dict[Oid, bytes] = field(default_factory=dict)
    conflicts: list[str] = field(default_factory=list)


def merge_trees(db: ObjectDb, *, base: Oid, ours: Oid, theirs: Oid, timeout_s: float = 20.0) -> Merged:
    """Merge what ``theirs`` changed since ``base`` into ``ours``. Never in a unit: git runs for texts.

    A file changed on one side only is taken as it is there; changed alike on both it is left. Texts
    changed on both are merged line by line; anything else is a conflict: binary files and LFS pointers, a
    file changed here and deleted there, and texts for which ``timeout_s`` over all of them did not suffice.
    Raises MissingGitObject.
    """
    merged = Merged()
    here = {} if base == ours else {change.path: change for change in compare_trees(db, base, ours)}
    texts = 0
    deadline = time.monotonic() + timeout_s
    for change in compare_trees(db, base, theirs):
        other = here.get(change.path)
        if other is None:
            merged.edits[change.path] = _edit(change.new)
            continue
        if _same(other.new, change.new):
            continue
        texts += 1
        left_s = deadline - time.monotonic()
        is_too_much = texts > _MAX_TEXTS or left_s <= 0
        content = None if is_too_much else _merge_file(db, change, other, timeout_s=left_s)
        if content is None or other.new is None or change.new is None:
            merged.conflicts.append(change.path)
            continue
        oid = object_oid("blob", content)
        merged.blobs[oid] = content
        merged.edits[change.path] = Put(oid, _merged_mode(change, other.new))
    return merged


def merge_text(base: bytes, ours: bytes, theirs: bytes, *, union: bool, timeout_s: float) -> bytes | None:
    """Return ``ours`` with the lines that ``theirs`` changed since ``base``; None where they contradict.

    Args: ``union`` takes the lines of both where they do. **Source**: git ``Documentation/git-merge-file.txt``.
    """
    with tempfile.TemporaryDirectory(prefix="openhood-merge-") as directory:
        names = ("ours", "base", "theirs")
        for name, content in zip(names, (ours, base, theirs), strict=True):
            (Path(directory) / name).write_bytes(content)
        args = ["merge-file", "-p", "-q", *(["--union"] if union else []), *names]
        try:
            # Its exit status counts the conflicts; 255 is an error, as for binary content.
            limit_bytes = 4 * MAX_TEXT_BYTES
            return run_git(args, cwd=Path(directory), timeout_s=timeout_s, limit_bytes=limit_bytes)
        except (GitTimedOut, GitOutputTooLarge):
            return None
        except GitFailed:
            return None


def _merge_file(db: ObjectDb, change: Change, other: Change, *, timeout_s: float) -> bytes | None:
    """Return the merged content of a file that both sides changed, None for a conflict."""
    if change.new is None or other.new is None:
        return None
    if change.new.oid == other.new.oid and _are_files(change.new, other.new):
        return db.read(change.new.oid)[1]  # they differ in being executable only
    name = change.path.rpartition("/")[2]
    union = name in _UNITED
    if change.old is None and not union:
        return None  # both added it, each as they saw fit
    texts: list[bytes] = []
    for entry in (change.old, other.new, change.new):
        text = b"" if entry is None else _text(db, entry)
        if text is None:
            return None
        texts.append(text)
    base, ours, theirs = texts
    return merge_text(base, ours, theirs, union=union, timeout_s=timeout_s)


def _text(db: ObjectDb, entry: TreeEntry) -> bytes | None:
    if not is_file_mode(entry.mode) or db.kind_and_size(entry.oid)[1] > MAX_TEXT_BYTES:
        return None
    content = db.read(entry.oid)[1]
    if b"\0" in content or parse_pointer(content) is not None:
        return None
    return content


def _merged_mode(change: Change, ours: TreeEntry) -> int:
    """Return *their* mode where they changed it, else ours."""
    if change.new is None or (change.old is not None and change.old.mode == change.new.mode):
        return ours.mode
    return change.new.mode


def _edit(entry: TreeEntry | None) -> Edit:
    return Delete(recursive=False) if entry is None else Put(entry.oid, entry.mode)


def _same(first: TreeEntry | None, second: TreeEntry | None) -> bool:
    if first is None or second is None:
        return first is second
    return (first.oid, first.mode) == (second.oid, second.mode)


def _are_files(*entries: TreeEntry) -> bool:
    return all(is_file_mode(entry.mode) for entry in entries)

"""Listing a tree page by page, in git's order, touching only the trees a page needs.

Only names, modes and ids come from here; sizes and pointers are the caller's to look up.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from openhood.base.errors import EntryNotFound
from openhood.base.names import Oid
from openhood.engines.git.objects import (
    TreeEntry,
    decode_raw_tree,
    is_dir_mode,
    is_file_mode,
    name_bytes,
    name_text,
)
from openhood.engines.git.store import ObjectDb


@dataclass(frozen=True, slots=True)
class WalkEntry:
    """One listed entry; ``path`` is relative to the root tree, as surrogate-escaped text."""

    path: str
    mode: int
    oid: Oid

    @property
    def is_dir(self) -> bool:
        """Whether the entry is a sub-tree."""
        return self.mode & 0o170000 == 0o040000


def walk(
    db: ObjectDb, tree_oid: Oid, *, prefix: str, recursive: bool, after: str | None, limit: int
) -> list[WalkEntry]:
    """List at most ``limit`` entries below the directory ``prefix`` of a root tree.

    Git's order: bytes of the path, directories as if their name ended with ``/``; a recursive
    listing holds each directory before its content. Nothing before the cursor is visited.

    *Args*: ``prefix`` is ``""`` for the root; ``after`` is the full path of the last entry of the
    page before (it need not exist), or None for the first page. *Returns* full paths.
    *Raises* EntryNotFound when ``prefix`` is not a directory.
    """
    base = prefix.strip("/")
    root = _directory(db, tree_oid, base)
    start = base + "/" if base else ""
    if after is not None and not after.startswith(start):
        # The cursor lies outside: everything is after it, or nothing is.
        if name_bytes(after) > name_bytes(start):
            return []
        after = None
    found: list[WalkEntry] = []
    if limit <= 0:
        return found
    cursor = None if after is None else after[len(start) :]
    for entry in _entries(db, root, start=start, recursive=recursive, cursor=cursor):
        found.append(entry)
        if len(found) >= limit:
            break
    return found


def iter_files(db: ObjectDb, tree_oid: Oid, prefix: str = "") -> Iterator[WalkEntry]:
    """Yield every entry that is no directory below the directory ``prefix``, lazily, in git's order.

    Links and submodules are among them. Raises EntryNotFound when ``prefix`` is not a directory.
    """
    base = prefix.strip("/")
    root = _directory(db, tree_oid, base)
    start = base + "/" if base else ""
    for entry in _entries(db, root, start=start, recursive=True, cursor=None):
        if not entry.is_dir:
            yield entry


def iter_file_oids(db: ObjectDb, tree_oid: Oid) -> Iterator[tuple[str, Oid]]:
    """Yield path and id of every regular file of a root tree, in git's order; links and submodules are left out.

    What `iter_files` says of a whole tree, a directory parsed at a time: for those who want all files of many.
    """
    stack = [("", iter(decode_raw_tree(db.raw_tree(tree_oid).raw)))]
    while stack:
        base, entries = stack[-1]
        for name, mode, oid in entries:
            if is_file_mode(mode):
                yield base + name_text(name), Oid(oid.hex())
            elif is_dir_mode(mode):
                below = db.raw_tree(Oid(oid.hex())).raw
                stack.append((f"{base}{name_text(name)}/", iter(decode_raw_tree(below))))
                break
        else:
            stack.pop()


def _directory(db: ObjectDb, tree_oid: Oid, base: str) -> Oid:
    if not base:
        return tree_oid
    entry = db.entry_at(tree_oid, base)
    if entry is None or not entry.is_dir:
        raise EntryNotFound(f"No directory {base!r} at this revision.", path=base)
    return entry.oid


def _entries(
    db: ObjectDb, root: Oid, *, start: str, recursive: bool, cursor: str | None
) -> Iterator[WalkEntry]:
    stack: list[tuple[str, Iterator[TreeEntry]]]
    if cursor is None:
        stack = [(start, db.raw_tree(root).read_from(0))]
    else:
        stack = _stack_after(db, root, start=start, recursive=recursive, cursor=cursor)
    while stack:
        base, entries = stack[-1]
        entry = next(entries, None)
        if entry is None:
            stack.pop()
            continue
        path = base + entry.name
        yield WalkEntry(path, entry.mode, entry.oid)
        if recursive and entry.is_dir:
            stack.append((path + "/", db.raw_tree(entry.oid).read_from(0)))


def _stack_after(
    db: ObjectDb, root: Oid, *, start: str, recursive: bool, cursor: str
) -> list[tuple[str, Iterator[TreeEntry]]]:
    """Return the open directories, outermost first, each about to yield what follows ``cursor``."""
    stack: list[tuple[str, Iterator[TreeEntry]]] = []
    oid, base = root, start
    names = cursor.split("/")
    for depth, name in enumerate(names):
        tree = db.raw_tree(oid)
        raw = name_bytes(name)
        is_last = depth == len(names) - 1
        if is_last:
            offset, exact = tree.seek(raw)
            if exact:
                stack.append((base, tree.read_from(tree.end_of(offset))))
                return stack
        offset, exact = tree.seek(raw + b"/")
        if not exact:
            # The cursor's entry is gone: go on with the first entry that sorts after it.
            offset = tree.seek(raw if is_last else raw + b"/")[0]
            stack.append((base, tree.read_from(offset)))
            return stack
        entry = next(tree.read_from(offset))
        stack.append((base, tree.read_from(tree.end_of(offset))))
        if not recursive:
            return stack
        base, oid = base + name + "/", entry.oid
    # The cursor is a directory: its content follows.
    stack.append((base, db.raw_tree(oid).read_from(0)))
    return stack

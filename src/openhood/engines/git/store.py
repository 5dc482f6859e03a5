"""Read access to the git objects of one repository: a plain directory of packs, no refs, no git dir.

Look-ups by object id, tree walking by path, ancestry and short ids live here; whoever holds the
refs (the database) and whoever writes packs (`packs`) are elsewhere. Keep calls short: pygit2 holds
the interpreter lock for as long as one call runs.
"""

from __future__ import annotations

import mmap
import struct
import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Generic, TypeVar

import pygit2
from pygit2.enums import ObjectType, SortMode

from openhood.base.errors import CorruptObject
from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git.objects import (
    CommitInfo,
    MissingGitObject,
    RawTree,
    TreeEntry,
    decode_commit,
    decode_tag,
    decode_tree,
)

_KINDS = {
    int(ObjectType.COMMIT): "commit",
    int(ObjectType.TREE): "tree",
    int(ObjectType.BLOB): "blob",
    int(ObjectType.TAG): "tag",
}
_ENTRY_COST_BYTES = 250
_MAX_TAG_DEPTH = 10

_Value = TypeVar("_Value")


class ObjectDb:
    """The objects under ``objects_dir`` (``pack/*.pack`` with their ``.idx``) and ``alternates``.

    Safe to share between threads. Packs that appear later are found without reopening; call
    `refresh` after packs were removed. *Args*: ``cache_bytes`` bounds the memory for parsed trees.
    """

    def __init__(
        self, objects_dir: Path, *, alternates: Sequence[Path] = (), cache_bytes: int = 4 << 20
    ) -> None:
        self.objects_dir = objects_dir
        self._alternates = tuple(alternates)
        self._raw_trees = _ByteLru[RawTree](cache_bytes // 2)
        self._trees = _ByteLru[tuple[TreeEntry, ...]](cache_bytes // 2)
        self._odb, self._repo = self._open()

    def _open(self) -> tuple[pygit2.Odb, pygit2.Repository]:
        odb = pygit2.Odb(str(self.objects_dir))
        for directory in self._alternates:
            odb.add_disk_alternate(str(directory))
        repo = pygit2.Repository()
        repo.set_odb(odb)
        return odb, repo

    def refresh(self) -> None:
        """Reopen the directory, letting go of packs that were removed. Running calls finish on the old ones."""
        self._odb, self._repo = self._open()

    def close(self) -> None:
        """Drop caches and let go of all files."""
        self._raw_trees.clear()
        self._trees.clear()
        odb = pygit2.Odb()
        repo = pygit2.Repository()
        repo.set_odb(odb)
        self._odb, self._repo = odb, repo

    # Single objects

    def exists(self, oid: Oid) -> bool:
        """Tell whether the object is here."""
        return oid == EMPTY_TREE or self._odb.exists(oid)

    def kind_and_size(self, oid: Oid) -> tuple[str, int]:
        """Return an object's kind and size in bytes from its header. Raises MissingGitObject."""
        if oid == EMPTY_TREE:
            return "tree", 0
        try:
            kind, size = self._odb.read_header(oid)
        except (KeyError, ValueError) as error:
            raise MissingGitObject(oid) from error
        return _KINDS[int(kind)], size

    def read(self, oid: Oid) -> tuple[str, bytes]:
        """Return an object's kind and bytes, whole. Raises MissingGitObject.

        Check `kind_and_size` first: 10 MiB stall every other thread for about 30 ms.
        """
        if oid == EMPTY_TREE:
            return "tree", b""
        try:
            kind, data = self._odb.read(oid)
        except (KeyError, ValueError) as error:
            raise MissingGitObject(oid) from error
        return _KINDS[int(kind)], data

    def commit(self, oid: Oid) -> CommitInfo:
        """Return a parsed commit. Raises MissingGitObject, CorruptObject when it is no commit."""
        kind, data = self.read(oid)
        if kind != "commit":
            raise CorruptObject(f"The git object {oid} is a {kind}, not a commit.", oid=oid)
        return decode_commit(oid, data)

    def peel_to_commit(self, oid: Oid) -> Oid:
        """Follow annotated tags to the commit they name. Raises MissingGitObject, CorruptObject."""
        for _ in range(_MAX_TAG_DEPTH):
            kind, _size = self.kind_and_size(oid)
            if kind == "commit":
                return oid
            if kind != "tag":
                raise CorruptObject(f"The git object {oid} is a {kind}, not a commit.", oid=oid)
            oid = decode_tag(oid, self.read(oid)[1])[0]
        raise CorruptObject("A tag names a tag too many times over.", oid=oid)

    # Trees

    def raw_tree(self, oid: Oid) -> RawTree:
        """Return a tree for seeking and lazy reading, cached. Raises MissingGitObject, CorruptObject."""
        found = self._raw_trees.get(oid)
        if found is None:
            kind, data = self.read(oid)
            if kind != "tree":
                raise CorruptObject(f"The git object {oid} is a {kind}, not a tree.", oid=oid)
            found = RawTree(data)
            self._raw_trees.put(oid, found, found.cost_bytes)
        return found

    def tree(self, oid: Oid) -> tuple[TreeEntry, ...]:
        """Return all entries of a tree, cached. Raises MissingGitObject, CorruptObject."""
        found = self._trees.get(oid)
        if found is None:
            found = tuple(decode_tree(self.raw_tree(oid).raw))
            self._trees.put(oid, found, _ENTRY_COST_BYTES * (len(found) + 1))
        return found

    def entry_at(self, tree_oid: Oid, path: str) -> TreeEntry | None:
        """Return the entry at ``path`` below a tree, or None; never looks into submodules."""
        entry: TreeEntry | None = None
        for name in path.split("/"):
            if entry is not None and not entry.is_dir:
                return None
            entry = self.raw_tree(entry.oid if entry else tree_oid).find(name)
            if entry is None:
                return None
        return entry

    # History

    def is_ancestor(self, ancestor: Oid, descendant: Oid) -> bool:
        """Tell whether ``descendant`` contains ``ancestor`` (a commit contains itself)."""
        if ancestor == descendant:
            return True
        try:
            return self._repo.descendant_of(descendant, ancestor)
        except (KeyError, pygit2.GitError) as error:
            raise MissingGitObject(f"{ancestor} or {descendant}") from error

    def merge_base(self, first: Oid, second: Oid) -> Oid | None:
        """Return the best common ancestor of two commits, or None when they share no history."""
        try:
            found = self._repo.merge_base(first, second)
        except (KeyError, pygit2.GitError) as error:
            raise MissingGitObject(f"{first} or {second}") from error
        return None if found is None else Oid(str(found))

    def log(self, start: Oid, *, skip: int, limit: int) -> list[CommitInfo]:
        """Return commits reachable from ``start`` in ``git log``'s default order, newest first.

        Skipped commits are still walked (about 5 us each).
        """
        try:
            walker = self._repo.walk(start, SortMode.NONE)
            oids = [Oid(str(commit.id)) for commit in islice(walker, skip, skip + limit)]
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise MissingGitObject(start) from error
        return [self.commit(oid) for oid in oids]

    def log_between(self, hidden: Sequence[Oid], start: Oid, *, limit: int) -> list[CommitInfo]:
        """Return at most ``limit`` commits of ``start`` that no commit of ``hidden`` contains, newest first."""
        try:
            walker = self._repo.walk(start, SortMode.TOPOLOGICAL)
            for oid in hidden:
                walker.hide(oid)
            oids = [Oid(str(commit.id)) for commit in islice(walker, limit)]
        except (KeyError, ValueError, pygit2.GitError) as error:
            raise MissingGitObject(start) from error
        return [self.commit(oid) for oid in oids]

    def expand_short(self, prefix: str) -> list[Oid]:
        """Return the commits whose id begins with ``prefix`` (hex, 2 to 40 characters), sorted."""
        wanted = prefix.lower()
        found: set[str] = set()
        for directory in (self.objects_dir, *self._alternates):
            for idx in directory.glob("pack/*.idx"):
                found.update(_idx_matches(idx, wanted))
        commits = []
        for oid in sorted(found):
            try:
                if self.kind_and_size(Oid(oid))[0] == "commit":
                    commits.append(Oid(oid))
            except MissingGitObject:
                # The index outlived its pack for a moment, while packs were being folded.
                continue
        return commits


def _idx_matches(idx: Path, prefix: str) -> list[str]:
    """Return the ids in a version 2 pack index that begin with ``prefix``.

    Layout: 8 bytes of magic and version, 256 big-endian counts by first byte, then sorted 20-byte ids.
    """
    first = int(prefix[:2], 16)
    low_bytes = bytes.fromhex(prefix.ljust(40, "0"))
    try:
        with idx.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            fanout = struct.unpack_from(">256I", data, 8)
            low, high = fanout[first - 1] if first else 0, fanout[first]
            end = high
            while low < high:
                middle = (low + high) // 2
                if data[1032 + 20 * middle : 1052 + 20 * middle] < low_bytes:
                    low = middle + 1
                else:
                    high = middle
            found = []
            for position in range(low, end):
                oid = data[1032 + 20 * position : 1052 + 20 * position].hex()
                if not oid.startswith(prefix):
                    break
                found.append(oid)
            return found
    except (FileNotFoundError, ValueError, struct.error):
        # Removed or not yet complete: as good as not there.
        return []


class _ByteLru(Generic[_Value]):
    """A least-recently-used map bounded by the bytes its values are said to take."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._items: OrderedDict[str, tuple[_Value, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> _Value | None:
        with self._lock:
            found = self._items.get(key)
            if found is None:
                return None
            self._items.move_to_end(key)
            return found[0]

    def put(self, key: str, value: _Value, cost_bytes: int) -> None:
        # One value may fill the whole cache: a page through a huge directory needs it each time.
        with self._lock:
            old = self._items.pop(key, None)
            if old is not None:
                self._held_bytes -= old[1]
            self._items[key] = value, cost_bytes
            self._held_bytes += cost_bytes
            while self._held_bytes > self._limit_bytes and len(self._items) > 1:
                self._held_bytes -= self._items.popitem(last=False)[1][1]

    def clear(self) -> None:
        with self._lock:
            self._items.clear()
            self._held_bytes = 0

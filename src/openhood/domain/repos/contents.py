"""Files of a commit opened for reading by range, and the bytes of whole trees, for work that no viewer asks for.

Who may read a file is decided before anything here is called. Nothing may be called inside a unit.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from openhood.base.names import Oid, Sha256
from openhood.domain.catalog.weights import open_stored
from openhood.domain.repos import resolve
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.types import LfsObject
from openhood.engines.formats.safetensors import ReadRange
from openhood.engines.git.objects import MODE_SUBMODULE, decode_raw_tree, is_dir_mode, is_file_mode
from openhood.engines.git.store import ObjectDb
from openhood.engines.lfs import MAX_POINTER_BYTES, parse_pointer

_MAX_SIZE = 2**63 - 1
_REMEMBERED_FILES = 100
"""Trees with fewer files are added up again faster than they would push better facts out of the cache."""
_FACT_BYTES = 300
_KEPT_AT_ONCE = 16
"""Of so few files is remembered what they are: pages of a table ask for the same ones again and again."""


@dataclass(frozen=True, slots=True)
class Content:
    """A regular file: where its bytes are. ``stored`` is None where git holds them."""

    oid: Oid
    size_bytes: int
    stored: LfsObject | None

    @property
    def name(self) -> str:
        """What names the content for good."""
        return self.oid if self.stored is None else self.stored.sha256


def find_contents(sv: Services, repo: Repo, objects: ObjectDb, oids: Collection[Oid]) -> dict[Oid, Content]:
    """Return the contents of some blobs that are regular files. Opens a read unit.

    A pointer whose object was deleted is left out. Raises MissingGitObject.
    """
    found: dict[Oid, Content] = {}
    pointers: dict[Oid, Sha256] = {}
    for oid in oids:
        size, sha256 = _size_or_pointer(sv, objects, oid, is_kept=len(oids) <= _KEPT_AT_ONCE)
        if sha256 is None:
            found[oid] = Content(oid, size, None)
        else:
            pointers[oid] = sha256
    if pointers:
        with sv.db.read() as tx:
            linked = storage_rows.find_linked(tx, repo.id, set(pointers.values()))
        for oid, sha256 in pointers.items():
            if sha256 in linked:
                found[oid] = Content(oid, linked[sha256].size_bytes, linked[sha256])
    return found


def _size_or_pointer(
    sv: Services, objects: ObjectDb, oid: Oid, *, is_kept: bool
) -> tuple[int, Sha256 | None]:
    """Return a blob's size, and the object that it points to if it is a pointer."""
    key = ("pointer", oid)
    known = sv.facts.get(key) if is_kept else None
    if isinstance(known, tuple):
        return known
    size = objects.kind_and_size(oid)[1]
    pointer = parse_pointer(objects.read(oid)[1]) if size < MAX_POINTER_BYTES else None
    found = (size, None if pointer is None else pointer.oid)
    if is_kept:
        sv.facts.put(key, found, weight=_FACT_BYTES)
    return found


@contextmanager
def opened(sv: Services, repo: Repo, objects: ObjectDb, content: Content) -> Iterator[ReadRange]:
    """Give a function that reads parts of a content, good until the block ends.

    It raises ObjectMissing, CorruptObject and Unavailable; opening may raise GitFailed.
    """
    if content.stored is not None:
        yield open_stored(sv, content.stored)
    elif content.size_bytes <= resolve.MAX_BLOB_IN_MEMORY_BYTES:
        data = objects.read(content.oid)[1]
        yield lambda start, length: data[start : start + length]
    else:
        file = resolve.ResolvedFile(repo, content.oid, "", content.oid, content.size_bytes, None)
        with resolve.spool_blob(sv, file) as spool:
            yield lambda start, length: os.pread(spool.fileno(), length, start)


def sum_tree(sv: Services, objects: ObjectDb, tree: Oid) -> int:
    """Return the bytes of all files below a tree, LFS objects with their own size. Raises MissingGitObject.

    Each distinct tree is added up once: ten trees that each name the next one ten times are ten billion files.
    """
    known = sv.facts.get(("tree size", tree))
    if isinstance(known, int):
        return known
    sums: dict[Oid, int] = {}
    open_trees = [_OpenTree(objects, tree)]
    while open_trees:
        last = open_trees[-1]
        below = next(last.missing, None)
        if below is None:
            open_trees.pop()
            size = min(last.file_bytes + sum(sums[each] for each in last.below), _MAX_SIZE)
            sums[last.oid] = size
            if last.files >= _REMEMBERED_FILES or not open_trees:
                sv.facts.put(("tree size", last.oid), size, weight=_FACT_BYTES)
            continue
        if below in sums:
            continue
        known = sv.facts.get(("tree size", below))
        if isinstance(known, int):
            sums[below] = known
        else:
            open_trees.append(_OpenTree(objects, below))
    return sums[tree]


class _OpenTree:
    """A tree whose own files are added up, and whose sub-trees are still to be."""

    def __init__(self, objects: ObjectDb, oid: Oid) -> None:
        self.oid = oid
        self.files = self.file_bytes = 0
        self.below: list[Oid] = []
        for _name, mode, raw_oid in decode_raw_tree(objects.raw_tree(oid).raw):
            below = Oid(raw_oid.hex())
            if is_dir_mode(mode):
                self.below.append(below)
            elif mode != MODE_SUBMODULE:
                self.files += 1
                self.file_bytes += _file_bytes(objects, below, mode)
        self.missing = iter(self.below)


def _file_bytes(objects: ObjectDb, oid: Oid, mode: int) -> int:
    size = objects.kind_and_size(oid)[1]
    if size >= MAX_POINTER_BYTES or not is_file_mode(mode):
        return size
    pointer = parse_pointer(objects.read(oid)[1])
    return size if pointer is None else pointer.size_bytes

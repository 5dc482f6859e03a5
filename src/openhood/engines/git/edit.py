"""Changing a tree by paths: which new trees arise and what was added, modified or deleted.

Works on ids only; blobs are stored by the caller, and new trees are returned, not written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from openhood.base.errors import EntryNotFound, Unprocessable
from openhood.base.names import Oid
from openhood.engines.git.objects import (
    MODE_DIR,
    TreeEntry,
    decode_raw_tree,
    display_name,
    encode_raw_tree,
    is_dir_mode,
    name_bytes,
    name_text,
    object_oid,
)
from openhood.engines.git.store import ObjectDb

_Raw: TypeAlias = tuple[int, bytes]
"""Mode and raw 20-byte id of an entry."""


class PathConflict(Unprocessable):
    """A path is a file where a directory is needed, the reverse, or differs from another only in case."""


@dataclass(frozen=True, slots=True)
class Put:
    """Make a path name this blob, whatever file was there."""

    oid: Oid
    mode: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Remove a file, or, when ``recursive``, a file or a directory with its content."""

    recursive: bool


Edit: TypeAlias = Put | Delete


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs; ``kind`` is added, modified or deleted. Directories are never listed."""

    path: str
    kind: str
    old: TreeEntry | None
    new: TreeEntry | None


@dataclass(frozen=True, slots=True)
class EditedTree:
    """The new root, the bytes of every tree that is new (the empty root too), and the changes by path."""

    tree: Oid
    new_trees: dict[Oid, bytes]
    changes: list[Change]


@dataclass(slots=True)
class _Node:
    """The edits inside one directory."""

    edits: dict[bytes, Edit] = field(default_factory=dict)
    dirs: dict[bytes, _Node] = field(default_factory=dict)


def apply_edits(db: ObjectDb, tree_oid: Oid, edits: Mapping[str, Edit]) -> EditedTree:
    """Apply edits to a root tree, reading and rewriting only the trees along the edited paths.

    Deletions count before additions, so a file may become a directory in one go, and the reverse
    when nothing is left of the directory. Directories that become empty vanish.

    *Args*: paths are checked already (`names.parse_path`), one edit per path. *Raises* PathConflict
    for a file in a directory's place, a directory in a file's, and a new path that differs from a
    sibling only in letter case; EntryNotFound (``path`` in the facts) for deleting what is not there;
    MissingGitObject.
    """
    root = _Node()
    nodes: dict[bytes, _Node] = {b"": root}
    for path, edit in edits.items():
        parent, _, name = name_bytes(path).rpartition(b"/")
        _node_for(nodes, parent).edits[name] = edit
    trees = _Trees(db)
    # The empty tree is written too: a commit has to name some tree.
    tree = _apply(trees, root, tree_oid, b"") or trees.store({})
    if tree == tree_oid:
        trees.new.pop(tree, None)
    changes: list[Change] = []
    _compare(trees, changes, old=tree_oid, new=tree, base=b"")
    return EditedTree(tree=tree, new_trees=trees.new, changes=changes)


def compare_trees(db: ObjectDb, old: Oid, new: Oid) -> list[Change]:
    """Return the files that differ between two root trees, by path, without looking for renames.

    Reads only trees that differ. Raises MissingGitObject.
    """
    changes: list[Change] = []
    _compare(_Trees(db), changes, old=old, new=new, base=b"")
    return changes


def _node_for(nodes: dict[bytes, _Node], directory: bytes) -> _Node:
    missing = []
    while (node := nodes.get(directory)) is None:
        missing.append(directory)
        directory = directory.rpartition(b"/")[0]
    for path in reversed(missing):
        child = nodes[path] = _Node()
        node.dirs[path.rpartition(b"/")[2]] = child
        node = child
    return node


class _Trees:
    """The trees one application sees, parsed once each: those stored before and those it makes."""

    def __init__(self, db: ObjectDb) -> None:
        self.db = db
        self.new: dict[Oid, bytes] = {}
        self._parsed: dict[Oid, dict[bytes, _Raw]] = {}

    def entries(self, oid: Oid | None) -> dict[bytes, _Raw]:
        """Return a tree's entries by name, not to be changed; none for no tree."""
        if oid is None:
            return {}
        found = self._parsed.get(oid)
        if found is None:
            found = {name: (mode, raw) for name, mode, raw in decode_raw_tree(self.db.raw_tree(oid).raw)}
            self._parsed[oid] = found
        return found

    def store(self, entries: dict[bytes, _Raw]) -> Oid:
        """Keep a new tree, and the dictionary with it, and return its id."""
        data = encode_raw_tree((name, mode, raw) for name, (mode, raw) in entries.items())
        oid = object_oid("tree", data)
        self.new[oid] = data
        self._parsed[oid] = entries
        return oid


def _apply(trees: _Trees, node: _Node, tree_oid: Oid | None, base: bytes) -> Oid | None:
    """Return the new id of the directory ``base`` (ends with ``/`` or is empty), None when nothing is left."""
    old = trees.entries(tree_oid)
    new = dict(old)
    for name, edit in node.edits.items():
        if isinstance(edit, Delete):
            entry = new.pop(name, None)
            if entry is None or (is_dir_mode(entry[0]) and not edit.recursive):
                raise _not_there(base + name)
    for name, child in node.dirs.items():
        entry = new.get(name)
        below = Oid(entry[1].hex()) if entry and is_dir_mode(entry[0]) else None
        if entry and below is None and _has_put(child):
            raise PathConflict(
                f"'{_shown(base + name)}' is a file: no file can be put below it.", path=_shown(base + name)
            )
        if isinstance(node.edits.get(name), Delete) and is_dir_mode(old[name][0]):
            # The whole directory goes, so that a deletion inside it is done already.
            _drop_deletes(trees, child, Oid(old[name][1].hex()), base + name + b"/")
        made = _apply(trees, child, below, base + name + b"/")
        if made is not None:
            new[name] = MODE_DIR, bytes.fromhex(made)
        elif below is not None:
            del new[name]
    for name, edit in node.edits.items():
        if isinstance(edit, Put):
            entry = new.get(name)
            if entry and is_dir_mode(entry[0]):
                raise PathConflict(
                    f"'{_shown(base + name)}' is a directory: a file cannot take its place.",
                    path=_shown(base + name),
                )
            new[name] = edit.mode, bytes.fromhex(edit.oid)
    if new == old:
        return tree_oid if new else None
    _check_case(old, new, base)
    return trees.store(new) if new else None


def _drop_deletes(trees: _Trees, node: _Node, tree_oid: Oid, base: bytes) -> None:
    """Take out the deletions below a directory that is deleted as a whole. Raises EntryNotFound."""
    entries = trees.entries(tree_oid)
    for name, child in node.dirs.items():
        entry = entries.get(name)
        if entry is not None and is_dir_mode(entry[0]):
            _drop_deletes(trees, child, Oid(entry[1].hex()), base + name + b"/")
    for name in [name for name, edit in node.edits.items() if isinstance(edit, Delete)]:
        if name not in entries:
            raise _not_there(base + name)
        del node.edits[name]


def _compare(trees: _Trees, changes: list[Change], *, old: Oid | None, new: Oid | None, base: bytes) -> None:
    """List what differs between two trees, in git's order, reading only trees that differ."""
    if old == new:
        return
    before = trees.entries(old)
    after = trees.entries(new)
    names = [name for name, entry in before.items() if after.get(name) != entry]
    names += [name for name in after if name not in before]
    for name in sorted(names):
        was, now = before.get(name), after.get(name)
        was_dir = Oid(was[1].hex()) if was and is_dir_mode(was[0]) else None
        now_dir = Oid(now[1].hex()) if now and is_dir_mode(now[0]) else None
        was_file = _entry(name, was) if was and was_dir is None else None
        now_file = _entry(name, now) if now and now_dir is None else None
        if was_file or now_file:
            kind = "added" if was_file is None else "deleted" if now_file is None else "modified"
            changes.append(Change(name_text(base + name), kind, was_file, now_file))
        if was_dir or now_dir:
            _compare(trees, changes, old=was_dir, new=now_dir, base=base + name + b"/")


def _entry(name: bytes, raw: _Raw) -> TreeEntry:
    return TreeEntry(name_text(name), raw[0], Oid(raw[1].hex()))


def _has_put(node: _Node) -> bool:
    return any(isinstance(edit, Put) for edit in node.edits.values()) or any(
        _has_put(child) for child in node.dirs.values()
    )


def _check_case(old: dict[bytes, _Raw], new: dict[bytes, _Raw], base: bytes) -> None:
    """Refuse new names that differ from a sibling only in letter case: Windows and macOS cannot hold both."""
    added = [name for name in new if name not in old]
    if not added:
        return
    folded: dict[str, bytes] = {}
    fresh = set(added)
    for name in (*(name for name in new if name not in fresh), *added):
        other = folded.setdefault(name_text(name).lower(), name)
        if other != name and name in fresh:
            raise PathConflict(
                f"'{_shown(base + name)}' and '{_shown(base + other)}' differ only in letter case.",
                path=_shown(base + name),
            )


def _not_there(path: bytes) -> EntryNotFound:
    return EntryNotFound("A file with this name doesn't exist", path=_shown(path))


def _shown(path: bytes) -> str:
    return display_name(name_text(path))

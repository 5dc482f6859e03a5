"""What a commit's operations do to a tree: collected as they arrive, turned into edits of a given tip.

Blobs go straight into the pack that is being built, so that memory holds names and ids only. Which
tip it is, and what becomes of the new tree, is `commits`' business.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum

from openhood.base.errors import EntryNotFound, PayloadTooLarge, Unprocessable
from openhood.base.names import Oid, PathInRepo, Sha256
from openhood.base.settings import Limits
from openhood.domain.repos.operations import (
    AddFile,
    AddLfsFile,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    Operation,
)
from openhood.domain.repos.refs import check_pointers
from openhood.domain.repos.types import LfsPointerAt, PathChange
from openhood.engines.git.edit import Change, Delete, Edit, EditedTree, Put, apply_edits
from openhood.engines.git.objects import MODE_EXEC, MODE_FILE, is_file_mode, object_oid
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from openhood.engines.gitattributes import Attributes, add_lfs_rule
from openhood.engines.lfs import MAX_POINTER_BYTES, Pointer, format_pointer, parse_pointer

ATTRIBUTES = PathInRepo(".gitattributes")
MAX_RULES_BYTES = 1024 * 1024
MAX_INDEXED = 20_000


class _What(Enum):
    FILE = "file"
    NAMED_AS_FILE = "a file, or a folder as if it were one"
    FOLDER = "folder"
    ANY = "any"


@dataclass(frozen=True, slots=True)
class _Added:
    """What a path shall hold: a blob (``oid``), or an LFS object whose pointer is written later."""

    oid: Oid | None
    sha256: Sha256 | None = None
    size_bytes: int | None = None
    by_lfs: bool = False  # announced as an LFS file, not as a pointer's text


@dataclass(frozen=True, slots=True)
class Outcome:
    """The edited tree, and the blobs that only this tip made necessary."""

    edited: EditedTree
    blobs: Mapping[Oid, bytes]


class Changes:
    """The operations of one commit. Not for two threads at once."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._added: dict[str, _Added] = {}
        self._added_dirs: set[str] = set()
        self._deleted: dict[str, _What] = {}
        self._count = 0
        self._attributes: bytes | None = None
        self.added_bytes = 0
        """Bytes of regular files taken so far."""

    @property
    def hashes(self) -> set[Sha256]:
        """Every LFS object the commit names."""
        return {added.sha256 for added in self._added.values() if added.sha256 is not None}

    def add(self, operation: Operation, writer: PackWriter) -> None:
        """Take one more operation; a file's content goes into ``writer``.

        Raises: PayloadTooLarge for too many operations and for files that belong into LFS;
        Unprocessable where two operations contradict each other.
        """
        self._count += 1
        if self._count > self._limits.commit_operations:
            raise PayloadTooLarge(
                f"A commit may hold at most {self._limits.commit_operations} operations: split it into several."
            )
        match operation:
            case AddFile():
                self._check_size(operation)
                self.added_bytes += len(operation.content)
                pointer = parse_pointer(operation.content)
                if operation.path == ATTRIBUTES:
                    self._attributes = operation.content
                added = _Added(writer.add("blob", operation.content))
                if pointer is not None:
                    added = replace(added, sha256=pointer.oid, size_bytes=pointer.size_bytes)
                self._put(operation.path, added, operation.old_path)
            case AddLfsFile():
                if operation.path == ATTRIBUTES:
                    raise Unprocessable(
                        f"The file '{ATTRIBUTES}' cannot be stored with git LFS: git reads it."
                    )
                added = _Added(None, operation.sha256, operation.size_bytes, by_lfs=True)
                self._put(operation.path, added, operation.old_path)
            case DeleteFile():
                # huggingface_hub sends "deletedFile" for any path that does not end with a slash.
                self._delete(operation.path, _What.NAMED_AS_FILE)
            case DeleteFolder():
                self._delete(operation.path, _What.FOLDER)
            case DeleteEntry():
                self._delete(operation.path, _What.ANY)

    def _check_size(self, operation: AddFile) -> None:
        limit = self._limits.regular_file_bytes
        if len(operation.content) > limit:
            raise PayloadTooLarge(
                f"The file '{operation.path}' has {len(operation.content)} bytes; files over {limit} bytes must be "
                "stored with git LFS. Upload it through LFS (huggingface_hub and git-lfs do so by themselves)."
            )

    def _put(self, path: PathInRepo, added: _Added, old_path: PathInRepo | None) -> None:
        before = self._added.get(path)
        if before is not None and before != added:
            raise Unprocessable(f"The commit gives '{path}' two different contents.")
        if old_path is not None and old_path != path:
            self._delete(old_path, _What.FILE)
        self._added[path] = added
        parent = path.rpartition("/")[0]
        while parent and parent not in self._added_dirs:
            self._added_dirs.add(parent)
            parent = parent.rpartition("/")[0]

    def _delete(self, path: PathInRepo, what: _What) -> None:
        # Deleting first and adding afterwards replaces; the reverse order cannot be meant.
        if path in self._added or (what in (_What.FOLDER, _What.ANY) and path in self._added_dirs):
            raise Unprocessable(f"The commit adds '{path}' and deletes it again: send only one of the two.")
        self._deleted[path] = what if self._deleted.get(path, what) is what else _What.ANY

    def write_pointers(self, sizes: Mapping[Sha256, int], writer: PackWriter) -> list[LfsPointerAt]:
        """Write the pointers of LFS files into ``writer``, now that every size is known.

        Args: ``sizes`` of the LFS objects this repository may name. Returns: every pointer of the
        commit, those that came as text included. Raises: LfsObjectMissing.
        """
        found: list[LfsPointerAt] = []
        for path, added in self._added.items():
            if added.sha256 is None:
                continue
            size_bytes = sizes.get(added.sha256, 0) if added.size_bytes is None else added.size_bytes
            found.append(LfsPointerAt(path, added.sha256, size_bytes))
            if added.oid is None:
                text = format_pointer(Pointer(added.sha256, size_bytes))
                self._added[path] = replace(added, oid=writer.add("blob", text), size_bytes=size_bytes)
        check_pointers(found, sizes)
        return found

    def apply(self, objects: ObjectDb, tree: Oid) -> Outcome:
        """Apply the operations to a root tree; call after `write_pointers`. Writes nothing.

        Raises: EntryNotFound for deleting what is not there; PathConflict; MissingGitObject.
        """
        edits: dict[str, Edit] = {}
        for path, what in self._deleted.items():
            edits |= self._deletion(objects, tree, path, what)
        for path, added in self._added.items():
            if added.oid is not None:
                edits[path] = Put(added.oid, MODE_FILE)
        blobs: dict[Oid, bytes] = {}
        rules = self._lfs_rules(objects, tree)
        if rules is not None:
            oid = object_oid("blob", rules)
            blobs[oid] = rules
            edits[ATTRIBUTES] = Put(oid, MODE_FILE)
        edited = apply_edits(objects, tree, edits)
        # A script that is only updated stays executable.
        kept = [change for change in edited.changes if _lost_its_bit(change)]
        if kept:
            for change in kept:
                if change.new is not None:
                    edits[change.path] = Put(change.new.oid, MODE_EXEC)
            edited = apply_edits(objects, tree, edits)
        return Outcome(edited, blobs)

    def _deletion(self, objects: ObjectDb, tree: Oid, path: str, what: _What) -> dict[str, Edit]:
        entry = objects.entry_at(tree, path)
        wrong = (
            entry is None
            or (what is _What.FILE and entry.is_dir)
            or (what is _What.FOLDER and not entry.is_dir)
        )
        if entry is None or wrong:
            raise EntryNotFound("A file with this name doesn't exist", path=path)
        if path in self._added and entry.is_dir:
            # A file takes the directory's place: an edit of the path itself is needed for that.
            return {f"{path}/{child.name}": Delete(recursive=True) for child in objects.tree(entry.oid)}
        return {path: Delete(recursive=entry.is_dir)}

    def _lfs_rules(self, objects: ObjectDb, tree: Oid) -> bytes | None:
        """Return a new ``.gitattributes`` where an LFS file would not be seen as one by git, else None."""
        announced = [path for path, added in self._added.items() if added.by_lfs]
        if not announced:
            return None
        content = self._attributes
        if content is None and ATTRIBUTES not in self._deleted:
            content = read_rules(objects, tree, ATTRIBUTES)
        text = (content or b"").decode("utf-8", "surrogateescape")
        attributes = Attributes.parse(text)
        bare = [path for path in announced if not attributes.is_lfs(path)]
        if not bare:
            return None
        if text and not text.endswith("\n"):
            text += "\n"
        text += "".join(add_lfs_rule("", path) for path in bare)
        return text.encode("utf-8", "surrogateescape")


def path_changes(changes: Iterable[Change], commit: Oid) -> tuple[PathChange, ...] | None:
    """Return what the last-commit index must learn; None where that is too much for one unit.

    Names that are not UTF-8 cannot be rows, nor can they be asked for.
    """
    found = [change for change in changes if _is_text(change.path)]
    if len(found) > MAX_INDEXED:
        return None
    return tuple(PathChange(change.path, commit, deleted=change.kind == "deleted") for change in found)


def _is_text(path: str) -> bool:
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def read_rules(objects: ObjectDb, tree: Oid, path: str) -> bytes | None:
    """Return a small rules file at the root of a tree; None where there is none, or an unreasonable one."""
    entry = objects.entry_at(tree, path)
    if entry is None or not is_file_mode(entry.mode) or objects.kind_and_size(entry.oid)[1] > MAX_RULES_BYTES:
        return None
    return objects.read(entry.oid)[1]


def read_pointer(objects: ObjectDb, blob: Oid) -> Pointer | None:
    """Return the LFS pointer that a blob holds, None for an ordinary file."""
    if objects.kind_and_size(blob)[1] >= MAX_POINTER_BYTES:
        return None
    return parse_pointer(objects.read(blob)[1])


def _lost_its_bit(change: Change) -> bool:
    return (
        change.old is not None
        and change.new is not None
        and change.old.mode == MODE_EXEC
        and change.new.mode == MODE_FILE
    )

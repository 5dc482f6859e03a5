"""What a description is drawn from: a few small files' bytes and the names of the first thousand files.

Reading git objects happens here and only here; nothing opens LFS content or the database.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice

from openhood.base.names import Oid, RepoType
from openhood.domain.catalog.types import MAX_LISTED_PATHS
from openhood.domain.repos.describing.datafiles import LEGACY_INFOS, STANDALONE
from openhood.engines.git.objects import MODE_SUBMODULE, display_name, is_file_mode, name_bytes
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import walk

CARD = "README.md"
EVALUATIONS = ".eval_results"
TEMPLATES = "additional_chat_templates"

MAX_CARD_BYTES = 4 * 1024 * 1024
MAX_JSON_BYTES = 1024 * 1024
_MAX_TEXT_BYTES = 128 * 1024
_MAX_FILES_OF_FOLDER = 100
# Directories are entries of a walk too; a tree of nothing but directories must end somewhere.
_MAX_ENTRIES = 4 * MAX_LISTED_PATHS

_MODEL_FILES: Mapping[str, int] = {
    "config.json": MAX_JSON_BYTES,
    "tokenizer_config.json": MAX_JSON_BYTES,
    "special_tokens_map.json": MAX_JSON_BYTES,
    "adapter_config.json": MAX_JSON_BYTES,
    "model_index.json": MAX_JSON_BYTES,
    "processor_config.json": MAX_JSON_BYTES,
    "chat_template.json": MAX_JSON_BYTES,
    "chat_template.jinja": _MAX_TEXT_BYTES,
}
_DATASET_FILES: Mapping[str, int] = {STANDALONE: MAX_JSON_BYTES, LEGACY_INFOS: MAX_JSON_BYTES}
_MODEL_FOLDERS: Mapping[str, tuple[str, ...]] = {
    EVALUATIONS: (".yaml", ".yml"),
    TEMPLATES: (".jinja",),
}


@dataclass(frozen=True, slots=True)
class Clues:
    """The bytes of the few ``files`` that are read, by path, and the ``paths`` of the first thousand files.

    ``listed`` are the paths of everything in the tree but directories and submodules, in git's order,
    None where they are too many to keep.
    """

    files: Mapping[str, bytes]
    paths: tuple[str, ...]
    listed: tuple[str, ...] | None

    def text(self, path: str) -> str | None:
        """Return a file as text, what is not UTF-8 replaced; None where it is not among the files."""
        data = self.files.get(path)
        return None if data is None else data.decode("utf-8", "replace")


def clues_of(files: Mapping[str, bytes]) -> Clues:
    """Return the clues of a repository that consists of ``files``, all of them at hand."""
    paths = tuple(sorted(files, key=name_bytes))
    return Clues(files, _looked_at(paths), paths if len(paths) <= MAX_LISTED_PATHS else None)


def gather(objects: ObjectDb, commit: Oid, repo_type: RepoType) -> Clues:
    """Read a commit's clues. Never in a unit. Raises MissingGitObject."""
    tree = objects.commit(commit).tree
    entries = walk(objects, tree, prefix="", recursive=True, after=None, limit=_MAX_ENTRIES + 1)
    listed = tuple(entry.path for entry in entries if not entry.is_dir and entry.mode != MODE_SUBMODULE)
    is_whole = len(entries) <= _MAX_ENTRIES and len(listed) <= MAX_LISTED_PATHS
    files: dict[str, bytes] = {}
    _read(objects, tree, CARD, MAX_CARD_BYTES, files)
    if repo_type is RepoType.MODEL:
        for name, limit_bytes in _MODEL_FILES.items():
            _read(objects, tree, name, limit_bytes, files)
        for folder, endings in _MODEL_FOLDERS.items():
            _read_folder(objects, tree, folder, endings, files)
    if repo_type is RepoType.DATASET:
        for name, limit_bytes in _DATASET_FILES.items():
            _read(objects, tree, name, limit_bytes, files)
    regular = (entry.path for entry in entries if is_file_mode(entry.mode))
    return Clues(files, _looked_at(regular), listed if is_whole else None)


def _looked_at(paths: Iterable[str]) -> tuple[str, ...]:
    """Return the first thousand paths that are text: the others can stand in no document."""
    return tuple(islice((path for path in paths if display_name(path) == path), MAX_LISTED_PATHS))


def _read(objects: ObjectDb, tree: Oid, path: str, limit_bytes: int, into: dict[str, bytes]) -> None:
    entry = objects.entry_at(tree, path)
    if entry is None or not is_file_mode(entry.mode) or objects.kind_and_size(entry.oid)[1] > limit_bytes:
        return
    into[path] = objects.read(entry.oid)[1]


def _read_folder(
    objects: ObjectDb, tree: Oid, folder: str, endings: tuple[str, ...], into: dict[str, bytes]
) -> None:
    entry = objects.entry_at(tree, folder)
    if entry is None or not entry.is_dir:
        return
    found = 0
    for child in objects.raw_tree(entry.oid).read_from(0):
        if found >= _MAX_FILES_OF_FOLDER:
            return
        if child.name.endswith(endings):
            found += 1
            _read(objects, tree, f"{folder}/{child.name}", _MAX_TEXT_BYTES, into)

"""Telling a client, before it uploads, how each file must come: in the commit itself, through LFS, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.base.names import EMPTY_TREE, Oid, PathInRepo, RepoId, RepoType
from openhood.domain.access import Viewer
from openhood.domain.repos import gitdb
from openhood.domain.repos.changes import ATTRIBUTES, read_pointer, read_rules
from openhood.domain.repos.targets import find_target
from openhood.domain.services import Services
from openhood.engines.git.objects import is_file_mode
from openhood.engines.git.store import ObjectDb
from openhood.engines.gitattributes import Attributes
from openhood.engines.gitignore import IgnoreRules

MAX_FILES = 1000


@dataclass(frozen=True, slots=True)
class Candidate:
    """A file the client would upload. ``sample`` are its first bytes, up to 512."""

    path: PathInRepo
    size_bytes: int
    sample: bytes


@dataclass(frozen=True, slots=True)
class Advice:
    """How one file must come. ``oid`` is what the path holds now: a blob id, or the SHA-256 of an LFS file."""

    path: PathInRepo
    by_lfs: bool
    ignored: bool
    oid: str | None


@dataclass(frozen=True, slots=True)
class Advices:
    """The advice on every file, in the order asked, and the commit it was given for."""

    files: tuple[Advice, ...]
    commit: Oid | None


def advise(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    create_pr: bool,
    files: Sequence[Candidate],
    attributes: str | None,
    ignore: str | None,
) -> Advices:
    """Advise on files against the tip of a branch or pull request.

    Args: ``attributes`` and ``ignore`` are the ``.gitattributes`` and ``.gitignore`` that will come with
    the files; None: those of the tip count.
    Raises: BadRequest for too many files; what `targets.find_target` raises.
    **Source**: huggingface_hub ``_commit_api.py::_fetch_upload_modes``; huggingface.js ``commit.ts``.
    """
    if len(files) > MAX_FILES:
        raise BadRequest(f"At most {MAX_FILES} files can be asked about at once, got {len(files)}.")
    target = find_target(
        sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=revision, create_pr=create_pr
    )
    objects = gitdb.open_objects(sv, target.repo, expect=target.tip)
    tree = objects.commit(target.tip).tree if target.tip is not None else EMPTY_TREE
    lfs_rules = Attributes.parse(_text(attributes, objects, tree, ATTRIBUTES))
    ignored = IgnoreRules.parse(_text(ignore, objects, tree, ".gitignore"))
    limit = sv.settings.limits.regular_file_bytes
    advices = [
        Advice(
            path=file.path,
            by_lfs=_belongs_into_lfs(file, lfs_rules, limit_bytes=limit),
            ignored=ignored.matches(file.path),
            oid=_present(objects, tree, file.path),
        )
        for file in files
    ]
    return Advices(tuple(advices), target.tip)


def _text(given: str | None, objects: ObjectDb, tree: Oid, path: str) -> str:
    if given is not None:
        return given
    return (read_rules(objects, tree, path) or b"").decode("utf-8", "surrogateescape")


def _belongs_into_lfs(file: Candidate, rules: Attributes, *, limit_bytes: int) -> bool:
    # An empty file has no LFS object: git-lfs keeps it as it is.
    if file.size_bytes == 0 or file.path == ATTRIBUTES:
        return False
    return file.size_bytes > limit_bytes or rules.is_lfs(file.path) or is_binary(file.sample)


def is_binary(sample: bytes) -> bool:
    """Tell whether the beginning of a file looks like no text: a NUL byte, or bytes that are not UTF-8.

    A character cut off at the end of the sample is not held against it.
    """
    if b"\0" in sample:
        return True
    try:
        sample.decode("utf-8")
    except UnicodeDecodeError as error:
        return not (error.reason == "unexpected end of data" and error.end == len(sample))
    return False


def _present(objects: ObjectDb, tree: Oid, path: str) -> str | None:
    entry = objects.entry_at(tree, path)
    if entry is None or not is_file_mode(entry.mode):
        return None
    pointer = read_pointer(objects, entry.oid)
    return entry.oid if pointer is None else pointer.oid

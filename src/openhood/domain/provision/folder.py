"""Uploading a folder of this machine into a repository: a commit only where content differs.

Which files go through LFS is decided as for every client (`preupload`), so a folder that ``hf upload`` brought
before is found unchanged.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from openhood.base.errors import BadRequest
from openhood.base.names import MAIN, PathInRepo, parse_path
from openhood.domain.access import SYSTEM
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.changes import ATTRIBUTES
from openhood.domain.repos.commits import create_commit
from openhood.domain.repos.operations import AddFile, AddLfsFile, CommitHeader, DeleteFile, Operation
from openhood.domain.repos.preupload import MAX_FILES, Advice, Candidate, advise
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage.uploads import import_file
from openhood.engines.git.objects import object_oid
from openhood.engines.git.walk import iter_files
from openhood.engines.gitattributes import Attributes, add_lfs_rule

_SAMPLE_BYTES = 512
# What clients never upload either: the git directory, and the client's own notes beside downloads.
_SKIPPED = (".git", ".cache/huggingface")


@dataclass(frozen=True, slots=True)
class Difference:
    """What a folder would change: files that are new or other, and (to be deleted) files it lacks.

    ``attributes`` is the folder's own ``.gitattributes`` with a rule for every large file that it forgets.
    """

    attributes: bytes | None
    regular: tuple[PathInRepo, ...]
    large: tuple[PathInRepo, ...]
    gone: tuple[PathInRepo, ...]

    @property
    def is_empty(self) -> bool:
        """Whether the repository holds the folder already."""
        return not (self.regular or self.large or self.gone)

    def __str__(self) -> str:
        parts = (
            (len(self.regular) + len(self.large), "to write"),
            (len(self.large), "of them by LFS"),
            (len(self.gone), "to delete"),
        )
        return ", ".join(f"{count} {what}" for count, what in parts if count)


def list_folder(folder: Path) -> dict[PathInRepo, Path]:
    """Return the files of a folder by their path in the repository; links to files count as files.

    Raises: BadRequest for what is no folder, InvalidPath for a name no repository may hold.
    """
    if not folder.is_dir():
        raise BadRequest(f"{folder} is not a folder.")
    found: dict[PathInRepo, Path] = {}
    for directory, names, files in os.walk(folder, onerror=_refuse):
        here = Path(directory).relative_to(folder).as_posix()
        prefix = "" if here == "." else f"{here}/"
        names[:] = sorted(name for name in names if f"{prefix}{name}" not in _SKIPPED and name != ".git")
        for name in sorted(files):
            path = Path(directory, name)
            if name != ".git" and path.is_file():
                found[parse_path(f"{prefix}{name}")] = path
    return found


def compare(sv: Services, repo: Repo, files: dict[PathInRepo, Path], *, prune: bool) -> Difference:
    """Return what ``files`` would change on main. Raises what `preupload.advise` raises."""
    advices = [advice for advice in _advices(sv, repo, files) if not advice.ignored]
    attributes = _attributes(files, [advice.path for advice in advices if advice.by_lfs])
    regular: list[PathInRepo] = []
    large: list[PathInRepo] = []
    for advice in advices:
        source = files[advice.path]
        if advice.by_lfs:
            if _sha256(source) != advice.oid:
                large.append(advice.path)
            continue
        content = attributes if advice.path == ATTRIBUTES and attributes is not None else source.read_bytes()
        if object_oid("blob", content) != advice.oid:
            regular.append(advice.path)
    gone = _gone(sv, repo, files) if prune else []
    return Difference(attributes, tuple(regular), tuple(large), tuple(gone))


def upload(
    sv: Services, repo: Repo, files: dict[PathInRepo, Path], difference: Difference, *, message: str
) -> int:
    """Commit a difference to main, in as many commits as the limits ask for; returns how many.

    Raises: what `create_commit` and `import_file` raise.
    """
    most = sv.settings.limits.commit_operations
    wanted: list[tuple[PathInRepo, str]] = [
        # Deleted first: a file may take the place of a directory.
        *((path, "delete") for path in difference.gone),
        *((path, "regular") for path in difference.regular),
        *((path, "large") for path in difference.large),
    ]
    commits = 0
    for start in range(0, len(wanted), most):
        create_commit(
            sv,
            SYSTEM,
            repo_type=repo.type,
            repo_id=repo.repo_id,
            revision="main",
            header=CommitHeader(message),
            operations=_operations(sv, repo, files, difference, wanted[start : start + most]),
        )
        commits += 1
    return commits


def _operations(
    sv: Services,
    repo: Repo,
    files: dict[PathInRepo, Path],
    difference: Difference,
    wanted: Sequence[tuple[PathInRepo, str]],
) -> Iterator[Operation]:
    for path, how in wanted:
        if how == "delete":
            yield DeleteFile(path)
        elif path == ATTRIBUTES and difference.attributes is not None:
            yield AddFile(path, difference.attributes)
        elif how == "regular":
            yield AddFile(path, files[path].read_bytes())
        else:
            made = import_file(sv, repo_number=repo.id, path=files[path])
            yield AddLfsFile(path, made.sha256, made.size_bytes)


def _advices(sv: Services, repo: Repo, files: dict[PathInRepo, Path]) -> Iterator[Advice]:
    attributes, ignore = (_rules(files.get(PathInRepo(name))) for name in (ATTRIBUTES, ".gitignore"))
    paths = list(files)
    for start in range(0, len(paths), MAX_FILES):
        candidates = [_candidate(path, files[path]) for path in paths[start : start + MAX_FILES]]
        found = advise(
            sv,
            SYSTEM,
            repo_type=repo.type,
            repo_id=repo.repo_id,
            revision="main",
            create_pr=False,
            files=candidates,
            attributes=attributes,
            ignore=ignore,
        )
        yield from found.files


def _candidate(path: PathInRepo, source: Path) -> Candidate:
    with source.open("rb") as opened:
        return Candidate(path, source.stat().st_size, opened.read(_SAMPLE_BYTES))


def _rules(source: Path | None) -> str | None:
    return None if source is None else source.read_bytes().decode("utf-8", "surrogateescape")


def _attributes(files: dict[PathInRepo, Path], large: Sequence[PathInRepo]) -> bytes | None:
    """Return the folder's attributes so that git takes every large file for one; None where it has none.

    Without such a rule a clone would show the pointer's text in the file's place.
    """
    text = _rules(files.get(ATTRIBUTES))
    if text is None:
        return None
    known = Attributes.parse(text)
    for path in large:
        if not known.is_lfs(path):
            text = add_lfs_rule(text, path)
    return text.encode("utf-8", "surrogateescape")


def _sha256(source: Path) -> str:
    with source.open("rb", buffering=0) as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _gone(sv: Services, repo: Repo, files: dict[PathInRepo, Path]) -> list[PathInRepo]:
    """Return the files of main that the folder lacks; the attributes stay, and so does a card."""
    with sv.db.read() as tx:
        tip = rows.get_ref(tx, repo.id, MAIN)
    if tip is None:
        return []
    objects = gitdb.open_objects(sv, repo, expect=tip.commit_oid)
    kept = {*files, ATTRIBUTES, PathInRepo("README.md")}
    return [
        PathInRepo(entry.path)
        for entry in iter_files(objects, objects.commit(tip.commit_oid).tree)
        if entry.path not in kept
    ]


def _refuse(error: OSError) -> None:
    raise BadRequest(f"Cannot read the folder {error.filename}: {error.strerror}.")

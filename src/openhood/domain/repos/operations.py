"""What a commit asks for: its header, its operations, and what comes of it.

Plain values, made by doors from any wire form; what they do to a tree is `changes`' business.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from openhood.base.names import Oid, PathInRepo, RefName, Sha256
from openhood.domain.repos.types import Repo


@dataclass(frozen=True, slots=True)
class CommitHeader:
    """The commit's message, and the commit its author believes to be the tip (full or abbreviated oid)."""

    summary: str
    description: str = ""
    parent_commit: str | None = None

    @property
    def message(self) -> str:
        """The git commit message: the summary, and the description after an empty line."""
        body = self.description.strip()
        return f"{self.summary.strip()}\n\n{body}" if body else self.summary.strip()


@dataclass(frozen=True, slots=True)
class AddFile:
    """Put a regular file at a path. ``old_path`` is removed: a rename."""

    path: PathInRepo
    content: bytes
    old_path: PathInRepo | None = None


@dataclass(frozen=True, slots=True)
class AddLfsFile:
    """Put a pointer to an LFS object of this repository at a path.

    ``size_bytes`` None: taken from the object. ``old_path`` is removed: a rename.
    """

    path: PathInRepo
    sha256: Sha256
    size_bytes: int | None = None
    old_path: PathInRepo | None = None


@dataclass(frozen=True, slots=True)
class DeleteFile:
    """Remove one file."""

    path: PathInRepo


@dataclass(frozen=True, slots=True)
class DeleteFolder:
    """Remove a directory with everything in it."""

    path: PathInRepo


@dataclass(frozen=True, slots=True)
class DeleteEntry:
    """Remove whatever is at the path, file or directory."""

    path: PathInRepo


Operation: TypeAlias = AddFile | AddLfsFile | DeleteFile | DeleteFolder | DeleteEntry


@dataclass(frozen=True, slots=True)
class CommitResult:
    """Where a commit landed. ``pull_request`` is the number of the one it opened."""

    repo: Repo
    commit_oid: Oid
    ref: RefName
    pull_request: int | None
    message: str

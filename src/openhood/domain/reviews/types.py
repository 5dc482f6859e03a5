"""What a review is: the files of a change that belong together, and what is known of each.

Frozen facts; no rows, no git handles.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from openhood.base.names import Oid

WAITING, DONE, FAILED = "waiting", "done", "failed"


@dataclass(frozen=True, slots=True)
class FileAt:
    """A file of one side: its path, what names its content for good (a SHA-256 or a blob's id), and its size."""

    path: str
    name: str
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What is compared as one: a file, or the changed shards of a model or a table.

    ``status`` is added, modified, deleted or renamed. ``format`` None: a file that is not understood. ``lines``
    are those added and removed, None where nobody counted them. ``missing``: content that the hub no longer has.
    """

    path: str
    format: str | None
    status: str
    old: tuple[FileAt, ...]
    new: tuple[FileAt, ...]
    old_path: str | None = None
    lines: tuple[int, int] | None = None
    missing: bool = False

    @property
    def is_compared(self) -> bool:
        """Whether there is something to find out by reading."""
        if self.format is None or self.missing:
            return False
        return [each.name for each in self.old] != [each.name for each in self.new]


@dataclass(frozen=True, slots=True)
class ReviewKey:
    """What a review is kept under: only what cannot change, so that it never goes stale."""

    format: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Review:
    """What is kept of a comparison; ``result`` is the task while it waits."""

    id: int
    repo_id: int
    key: ReviewKey
    version: int
    state: str
    result: Mapping[str, object] | None
    error: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class FileReview:
    """A unit with what was found out about it."""

    unit: Unit
    kind: str
    state: str
    summary: str
    details: Mapping[str, object] | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class ChangeReview:
    """A page of the files of a change. ``cursor`` leads to the next; ``is_cut``: more files changed than are listed."""

    base: Oid | None
    head: Oid | None
    files: tuple[FileReview, ...]
    file_count: int
    is_cut: bool
    cursor: int | None = field(default=None)

    @property
    def state(self) -> str:
        """``waiting`` while anything of the page is still being compared."""
        return WAITING if any(each.state == WAITING for each in self.files) else DONE

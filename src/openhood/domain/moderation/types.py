"""Reports: what somebody finds wrong with a repository, a comment or an account. No rows, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Wrong:
    """What a report is about: one of a repository, a comment by its id, or an account's name."""

    repo_type: str | None = None
    repo_id: str | None = None
    comment_id: str | None = None
    account: str | None = None


@dataclass(frozen=True, slots=True)
class Subject:
    """The rows a report points to; a comment also says where it was made."""

    repo: int | None = None
    comment: int | None = None
    account: int | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """One report. ``state`` is open, acted or dismissed; ``shown`` says what it is about, for people and programs."""

    id: int
    hex_id: str
    subject: Subject
    reporter: str | None
    reason: str
    words: str
    state: str
    shown: Mapping[str, object]
    handled_by: str | None
    handled_at: datetime | None
    answer: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class ReportsPage:
    """One page of reports; ``cursor`` leads to the next or is None."""

    items: tuple[Report, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment as far as moderation goes: where it was made, by its repository's number and the discussion."""

    id: int
    hex_id: str
    body: str
    is_hidden: bool
    repo: int
    discussion: int
    facts: Mapping[str, object]

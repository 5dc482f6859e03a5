"""What a discussion is to the rest of the product: frozen facts, and the words for what happens in one.

A pull request is a discussion with a base; what it changes is in `diffs`, how it is merged in `merging`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from openhood.base.names import Oid, RefName
from openhood.domain.accounts.types import Account
from openhood.domain.repos.types import Repo

OPEN = ("draft", "open")
"""The states in which a discussion goes on. ``closed`` and ``merged`` are its ends."""


@dataclass(frozen=True, slots=True)
class Discussion:
    """A discussion's row. ``status`` is draft, open, closed or merged; ``author_id`` None when the account is gone."""

    id: int
    hex_id: str
    repo_id: int
    number: int
    title: str
    author_id: int | None
    status: str
    is_pull: bool
    base: RefName | None
    merge_oid: Oid | None
    is_pinned: bool
    is_locked: bool
    comment_count: int
    created_at: datetime
    updated_at: datetime

    @property
    def is_open(self) -> bool:
        """Whether it goes on."""
        return self.status in OPEN

    @property
    def noun(self) -> str:
        """What people call it."""
        return "Pull request" if self.is_pull else "Discussion"

    @property
    def facts(self) -> dict[str, object]:
        """What `domain.events` keep of it."""
        return {
            "id": self.hex_id,
            "num": self.number,
            "title": self.title,
            "status": self.status,
            "is_pull": self.is_pull,
            "base": self.base,
            "merge_oid": self.merge_oid,
            "author_id": self.author_id,
        }


@dataclass(frozen=True, slots=True)
class DiscussionEvent:
    """One thing that happened in a discussion.

    ``kind`` is ``comment``, ``status-change``, ``title-change``, ``commit``, ``pinning-change``, ``locking-change``
    or ``reference``. ``html`` is what ``body`` was made into, None where that must be done again.
    """

    id: int
    hex_id: str
    discussion_id: int
    kind: str
    author_id: int | None
    created_at: datetime
    body: str | None
    html: str | None
    edited_at: datetime | None
    hidden_at: datetime | None
    hidden_by: int | None
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class CommentVersion:
    """What a comment said before an edit, and when it began to say so."""

    event_id: int
    number: int
    body: str
    author_id: int | None
    written_at: datetime


@dataclass(frozen=True, slots=True)
class Source:
    """A discussion that refers to another one, where the viewer may know of it."""

    repo: Repo
    discussion: Discussion


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a repository's discussions, pinned ones first.

    ``count`` is how many there are in all under these filters, ``open_count`` and ``closed_count`` how many under the
    others but whatever their state.
    """

    repo: Repo
    items: Sequence[Discussion]
    people: Mapping[int, Account]
    start: int
    count: int
    open_count: int
    closed_count: int


@dataclass(frozen=True, slots=True)
class Told:
    """Events of a discussion with what is needed to show them.

    ``versions`` holds the earlier words of edited comments by event, ``sources`` the discussions behind
    references by object id; references to what the viewer may not know of are left out of ``events``.
    """

    repo: Repo
    discussion: Discussion
    events: Sequence[DiscussionEvent]
    people: Mapping[int, Account]
    versions: Mapping[int, Sequence[CommentVersion]] = field(default_factory=dict)
    sources: Mapping[str, Source] = field(default_factory=dict)

"""What a list is asked for: conditions, order, and where it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.infra.db.tables import repos

SORTS: Mapping[str, Any] = {  # Any: columns of several types
    "lastModified": repos.c.last_modified,
    "createdAt": repos.c.created_at,
    "downloads": repos.c.downloads,
    "likes": repos.c.likes,
    "trendingScore": repos.c.trending_score,
    "mainSize": repos.c.main_bytes,
    "num_parameters": repos.c.parameters,
    "id": repos.c.search_text,
}
"""The orders a list can have, each with an index of its own.

By ``num_parameters`` only those are listed whose number of parameters is known.
"""

OWNED_SORTS: Mapping[str, Any] = {**SORTS, "usedStorage": repos.c.used_storage_bytes}
"""Those of lists of one owner's repositories, which are few enough to be sorted."""

MAX_WORDS = 32
MAX_TAGS = 64
"""Each costs a look at every row; and SQLite takes no condition of a thousand parts."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is restricted to; all conditions hold at once.

    ``tags`` are names of tags (and traits) that must all be there; of each of ``any_tags``, which are compared
    without letter case, one must. ``parameters`` are the least and the most, both included, None for no
    bound. ``nothing``: the list is empty, whatever else is asked.
    """

    types: tuple[RepoType, ...]
    author: str | None = None
    owner_id: int | None = None
    searches: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    any_tags: tuple[tuple[str, ...], ...] = ()
    pipeline_tag: str | None = None
    gated: bool | None = None
    parameters: tuple[int | None, int | None] | None = None
    nothing: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The words that must occur in the id, in lower case. Raises BadRequest for too many."""
        found = tuple(dict.fromkeys(word for text in self.searches for word in text.lower().split()))
        if len(found) > MAX_WORDS:
            raise BadRequest(f"The 'search' has too many words: write {MAX_WORDS} at most.")
        return found

    @property
    def has_nul(self) -> bool:
        """Whether anything asked for has the one character that no text of PostgreSQL can have."""
        groups = (self.searches, self.tags, *self.any_tags, (self.author or "", self.pipeline_tag or ""))
        return any("\0" in text for group in groups for text in group)


@dataclass(frozen=True, slots=True)
class Order:
    """How a list is sorted: a key of `SORTS`, and the direction."""

    sort: str
    descending: bool


@dataclass(frozen=True, slots=True)
class Position:
    """The last row of the page before: its sort value and number."""

    value: int | str | datetime
    number: int

"""Collections and what is in them, as the rest of the hub sees them. No rows, no rules."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openhood.domain.accounts.types import Account
from openhood.domain.repos.listing_rows import Listed

ItemKind = Literal["model", "dataset", "space", "paper", "collection"]


@dataclass(frozen=True, slots=True)
class Collection:
    """A list of things somebody keeps. ``id`` is its number inside this hub."""

    id: int
    hex_id: str
    owner: Account
    title: str
    title_slug: str
    description: str
    theme: str
    is_private: bool
    position: int
    upvotes: int
    trending_score: int
    created_at: datetime
    updated_at: datetime
    resource_group_id: int | None

    @property
    def slug(self) -> str:
        """``owner/title-in-words-<24 hex>``: changes with the title, its end does not."""
        return f"{self.owner.name}/{self.title_slug}-{self.hex_id}"


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a collection. Of ``repo_id``, ``member_id`` and ``name`` the one that its kind needs is set."""

    id: int
    hex_id: str
    collection_id: int
    kind: ItemKind
    repo_id: int | None
    member_id: int | None
    name: str | None
    note: str | None
    position: int


@dataclass(frozen=True, slots=True)
class NewItem:
    """Something to be put into a collection: ``name`` is a repository's id, a paper's or a collection's slug."""

    kind: str
    name: str
    note: str | None = None


@dataclass(frozen=True, slots=True)
class OwnerShown:
    """Who owns a collection, with what the viewer is told of them."""

    account: Account
    followers: int
    is_followed: bool


@dataclass(frozen=True, slots=True)
class MemberShown:
    """A collection inside another: itself without its items."""

    collection: Collection
    owner: OwnerShown
    item_count: int
    is_upvoted: bool


@dataclass(frozen=True, slots=True)
class ItemShown:
    """An item that the viewer may see, with what it stands for."""

    item: Item
    repo: Listed | None = None
    is_liked: bool = False
    member: MemberShown | None = None


@dataclass(frozen=True, slots=True)
class CollectionShown:
    """A collection as the viewer sees it."""

    collection: Collection
    owner: OwnerShown
    items: tuple[ItemShown, ...]
    is_upvoted: bool


@dataclass(frozen=True, slots=True)
class CollectionPage:
    """One page of collections; ``cursor`` leads to the next or is None."""

    items: tuple[CollectionShown, ...]
    cursor: str | None

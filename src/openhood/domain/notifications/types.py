"""Inboxes and what people want to hear of, as the rest of the hub sees them. No rows, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from openhood.base.names import RepoId, RepoType
from openhood.domain.accounts.types import Account

MailMode = Literal["never", "immediately", "daily"]
MAIL_MODES: tuple[MailMode, ...] = ("never", "immediately", "daily")
WatchKind = Literal["account", "repo", "discussion"]


class Reason(StrEnum):
    """Why somebody is told of something; the first that fits counts."""

    MENTION = "mention"
    PARTICIPATING = "participating"
    REQUEST = "request"  # somebody asks for access to what they administrate
    DECISION = "decision"  # on their own request
    INVITE = "invite"  # into an organization, or another role in one
    FOLLOW = "follow"
    WATCHING = "watching"
    OWN = "own"  # it is theirs to look after; shown as watching
    PUBLISHED = "published"  # a new repository of somebody they follow


SWITCHES: Mapping[str, bool] = {
    "web_discussions_participating": True,
    "web_discussions_watched": True,
    "web_gated_user_access_request": True,
    "web_access_decisions": True,
    "web_org_request": True,
    "web_user_follows": True,
    "web_followed_repos": False,
    "discussions_participating": True,
    "discussions_watched": False,
    "gated_user_access_request": True,
    "access_decisions": True,
    "org_request": True,
    "user_follows": False,
    "followed_repos": False,
    "watch_own_repos": True,
}
"""What a person may switch on and off, and how it is at first. ``web_`` is the inbox, the others are mail."""

_OF_REASON: Mapping[Reason, str] = {
    Reason.MENTION: "discussions_participating",
    Reason.PARTICIPATING: "discussions_participating",
    Reason.WATCHING: "discussions_watched",
    Reason.OWN: "discussions_watched",
    Reason.REQUEST: "gated_user_access_request",
    Reason.DECISION: "access_decisions",
    Reason.INVITE: "org_request",
    Reason.FOLLOW: "user_follows",
    Reason.PUBLISHED: "followed_repos",
}


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a person wants to hear of. ``switches`` holds all of `SWITCHES`."""

    switches: Mapping[str, bool]
    mail: MailMode

    def wants(self, reason: Reason) -> bool:
        """Tell whether such a thing shall come into the inbox."""
        return self.switches[f"web_{_OF_REASON[reason]}"]

    def wants_mail(self, reason: Reason) -> bool:
        """Tell whether a letter shall be written of what came into the inbox."""
        return self.mail != "never" and self.switches[_OF_REASON[reason]]

    @property
    def watches_own(self) -> bool:
        """Whether the repositories of one's own namespace are watched without being asked."""
        return self.switches["watch_own_repos"]


def read_preferences(account: Account) -> Preferences:
    """Return the preferences that an account's settings hold."""
    kept = account.settings.get("notifications")
    kept = kept if isinstance(kept, dict) else {}
    switches = {name: value for name in SWITCHES if isinstance(value := kept.get(name), bool)}
    mode = kept.get("mail")
    return Preferences({**SWITCHES, **switches}, mode if mode in MAIL_MODES else "immediately")


@dataclass(frozen=True, slots=True)
class DiscussionSeen:
    """A discussion as an inbox shows it."""

    id: int
    hex_id: str
    number: int
    title: str
    status: str
    is_pull: bool


@dataclass(frozen=True, slots=True)
class Notice:
    """One line of an inbox: a thread, as it stands now. ``facts["kind"]`` is the newest event's kind."""

    id: int
    reason: Reason
    has_mention: bool
    updated_at: datetime
    is_read: bool
    actor: Account | None
    repo_type: RepoType | None
    repo_id: RepoId | None
    discussion: DiscussionSeen | None
    org: Account | None
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Asked:
    """Which lines of an inbox are meant; None: any."""

    read: bool | None = None
    repo_type: RepoType | None = None
    repo_id: RepoId | None = None
    actor: str | None = None
    mention: Literal["all", "participating", "mentions"] = "all"
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Inbox:
    """One page of an inbox, and how many lines match, are unread, and are there at all."""

    items: tuple[Notice, ...]
    start: int
    matching: int
    unread: int
    total: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Watch:
    """Something that a person watches, or (``is_muted``) does not want to hear of."""

    kind: str  # user | org | model | dataset | space | discussion
    hex_id: str
    name: str
    is_muted: bool

"""What a webhook and its deliveries are to the rest of the product. No rows, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

WATCHED_TYPES = ("model", "dataset", "space", "user", "org")
DOMAINS = ("repo", "discussion")

State = Literal["waiting", "delivered", "failed"]


@dataclass(frozen=True, slots=True)
class Watched:
    """Something a webhook watches: ``subject`` is the number of a repository (``kind`` repo) or an account (owner).

    ``type`` and ``name`` are what people call it: as it was chosen, or as it is called now.
    """

    kind: Literal["repo", "owner"]
    subject: int
    type: str
    name: str


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook. ``secret`` is sealed. ``failures`` are attempts in a row that failed, since ``failing_since``."""

    id: int
    hex_id: str
    owner_id: int
    url: str
    watched: tuple[Watched, ...]
    domains: tuple[str, ...]
    secret: str | None
    base_url: str
    is_enabled: bool
    disabled_reason: str | None
    failures: int
    failing_since: datetime | None
    paused_until: datetime | None
    slow_until: datetime | None
    limited_at: datetime | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class ShownWebhook:
    """A webhook as its owner sees it: what it watches under its present names, the secret readable or left out."""

    webhook: Webhook
    watched: tuple[Watched, ...]
    secret: str | None


@dataclass(frozen=True, slots=True)
class Wishes:
    """What somebody wants of a webhook; None leaves a part as it is, an empty ``secret`` takes it away."""

    url: str | None = None
    watched: tuple[tuple[str, str], ...] | None = None  # (type, name)
    domains: tuple[str, ...] | None = None
    secret: str | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One thing told to one receiver, or yet to be. ``payload`` is empty in lists."""

    id: int
    hex_id: str
    webhook_id: int
    event_id: int
    replay_of: str
    payload: Mapping[str, object]
    state: State
    due_at: datetime
    attempts: int
    status_code: int | None
    duration_ms: int | None
    answer: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class DeliveryPage:
    """One page of a delivery log, the newest first; ``cursor`` leads to the next or is None."""

    items: tuple[Delivery, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt went. ``is_reached``: somebody answered, if only to refuse."""

    is_delivered: bool
    is_reached: bool
    status_code: int | None
    duration_ms: int
    answer: str

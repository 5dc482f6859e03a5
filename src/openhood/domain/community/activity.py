"""What happened lately, as far as the viewer may know: the feed of the hub, of a namespace and of one person."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account
from openhood.domain.community import activity_rows, cursors
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services

MAX_PAGE = 100
MAX_COUNTED = 20_000
"""Of whoever does more within a year the oldest days are not counted."""


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of a feed."""

    id: int
    at: datetime
    kind: str
    actor: Account | None
    owner: Account | None
    repo: Repo | None
    facts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class ActivityPage:
    """One page of a feed; ``cursor`` leads to the next or is None."""

    items: tuple[Happening, ...]
    cursor: str | None


def list_activity(
    sv: Services, viewer: Viewer, *, actor: str | None, owner: str | None, cursor: str | None, limit: int
) -> ActivityPage:
    """Return what happened, the newest first. Opens a read unit. Raises NotFound, BadRequest.

    Args: ``actor``: by this user only; ``owner``: in this namespace only.
    """
    after = cursors.read("activity", cursor)
    with sv.db.read() as tx:
        found = activity_rows.list_events(
            tx,
            viewer,
            actor=None if actor is None else rules.get_user(tx, actor).id,
            owner=None if owner is None else rules.require_account(tx, owner).id,
            after=after,
            limit=limit + 1,
        )
        page = found[:limit]
        numbers = {each.owner_id for each in page} | {each.actor_id for each in page if each.actor_id}
        people = account_rows.list_accounts_by_ids(tx, sorted(numbers))
    more = cursors.write("activity", page[-1].at, page[-1].id) if len(found) > limit else None
    return ActivityPage(
        tuple(
            Happening(
                each.id,
                each.at,
                each.kind,
                people.get(each.actor_id or 0),
                people.get(each.owner_id),
                each.repo,
                each.facts,
            )
            for each in page
            if each.repo is None or decide(viewer, each.repo.facts, Need.INFO) is Verdict.ALLOW
        ),
        more,
    )


def count_days(
    sv: Services, viewer: Viewer, *, actor: str | None, owner: str | None, since: datetime
) -> Mapping[date, int]:
    """Return how much happened on each day since a moment (UTC), as far as the viewer may know. Opens a read unit.

    Args: as those of `list_activity`. Raises NotFound.
    """
    with sv.db.read() as tx:
        found = activity_rows.list_moments(
            tx,
            viewer,
            actor=None if actor is None else rules.get_user(tx, actor).id,
            owner=None if owner is None else rules.require_account(tx, owner).id,
            since=since,
            limit=MAX_COUNTED,
        )
    return Counter(each.date() for each in found)

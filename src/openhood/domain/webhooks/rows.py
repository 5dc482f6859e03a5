"""Reading and writing the rows of webhooks: what they watch, and who is told. No rules, no commits.

Those of deliveries are in `delivery_rows`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Row, and_, delete, func, insert, or_, select, update

from openhood.domain.repos.rows import REPO_COLUMNS, repo_from_row
from openhood.domain.repos.types import Repo
from openhood.domain.webhooks.types import Watched, Webhook
from openhood.infra import ids
from openhood.infra.db.community_tables import discussion_events, webhook_watches, webhooks
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import accounts, repos

_NAMED_AT_ONCE = 500

_COLUMNS: tuple[Any, ...] = (
    webhooks.c.id,
    webhooks.c.hex_id,
    webhooks.c.owner_id,
    webhooks.c.url,
    webhooks.c.watched,
    webhooks.c.domains,
    webhooks.c.secret,
    webhooks.c.base_url,
    webhooks.c.is_enabled,
    webhooks.c.disabled_reason,
    webhooks.c.failures,
    webhooks.c.failing_since,
    webhooks.c.paused_until,
    webhooks.c.slow_until,
    webhooks.c.limited_at,
    webhooks.c.created_at,
    webhooks.c.updated_at,
)


def _webhook(row: Row[*tuple[Any, ...]]) -> Webhook:
    return Webhook(
        id=row.id,
        hex_id=row.hex_id,
        owner_id=row.owner_id,
        url=row.url,
        watched=tuple(Watched(*each) for each in row.watched),
        domains=tuple(row.domains),
        secret=row.secret,
        base_url=row.base_url,
        is_enabled=row.is_enabled,
        disabled_reason=row.disabled_reason,
        failures=row.failures,
        failing_since=row.failing_since,
        paused_until=row.paused_until,
        slow_until=row.slow_until,
        limited_at=row.limited_at,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def insert_webhook(
    tx: Tx,
    *,
    owner: int,
    url: str,
    watched: Sequence[Watched],
    domains: Sequence[str],
    secret: str | None,
    base_url: str,
    at: datetime,
) -> Webhook:
    """Add a webhook and what it watches."""
    row = tx.execute(
        insert(webhooks)
        .values(
            hex_id=ids.new_hex_id(),
            owner_id=owner,
            url=url,
            watched=[_kept(each) for each in watched],
            domains=list(domains),
            secret=secret,
            base_url=base_url,
            created_at=at,
            updated_at=at,
        )
        .returning(*_COLUMNS)
    ).one()
    _watch(tx, row.id, watched)
    return _webhook(row)


def update_webhook(tx: Tx, webhook: int, *, at: datetime, **values: object) -> Webhook:
    """Overwrite columns of a webhook, but not what it watches."""
    row = tx.execute(
        update(webhooks).where(webhooks.c.id == webhook).values(updated_at=at, **values).returning(*_COLUMNS)
    ).one()
    return _webhook(row)


def note(tx: Tx, webhook: int, **values: object) -> Webhook:
    """Overwrite what the hub itself keeps about a webhook's deliveries."""
    changed = update(webhooks).where(webhooks.c.id == webhook)
    row = tx.execute(changed.values(**values).returning(*_COLUMNS)).one()
    return _webhook(row)


def mark_slow(tx: Tx, owner: int, *, until: datetime) -> None:
    """Let all webhooks of a user wait apart from those of others."""
    mine = select(webhooks.c.id).where(webhooks.c.owner_id == owner)
    # Locked in one order, as those who write deliveries lock them.
    locked = list(tx.execute(mine.order_by(webhooks.c.id).with_for_update()).scalars())
    tx.execute(update(webhooks).where(webhooks.c.id.in_(locked)).values(slow_until=until))


def replace_watched(tx: Tx, webhook: int, watched: Sequence[Watched]) -> None:
    """Let a webhook watch these things and no others."""
    tx.execute(
        update(webhooks).where(webhooks.c.id == webhook).values(watched=[_kept(each) for each in watched])
    )
    tx.execute(delete(webhook_watches).where(webhook_watches.c.webhook_id == webhook))
    _watch(tx, webhook, watched)


def _kept(watched: Watched) -> list[object]:
    return [watched.kind, watched.subject, watched.type, watched.name]


def _watch(tx: Tx, webhook: int, watched: Sequence[Watched]) -> None:
    lines = [
        {"webhook_id": webhook, "kind": each.kind, "subject_id": each.subject}
        for each in dict.fromkeys(watched)
    ]
    if lines:
        tx.execute(insert_ignore(tx, webhook_watches), lines)


def delete_webhook(tx: Tx, webhook: int) -> None:
    """Remove a webhook with its log."""
    tx.execute(delete(webhooks).where(webhooks.c.id == webhook))


def find_webhook(tx: Tx, hex_id: str, *, owner: int) -> Webhook | None:
    """Return a webhook of a user."""
    row = tx.execute(
        select(*_COLUMNS).where(webhooks.c.hex_id == hex_id, webhooks.c.owner_id == owner)
    ).first()
    return None if row is None else _webhook(row)


def lock_webhook(tx: Tx, webhook: int) -> Webhook | None:
    """Return a webhook, locked until the unit ends."""
    row = tx.execute(select(*_COLUMNS).where(webhooks.c.id == webhook).with_for_update()).first()
    return None if row is None else _webhook(row)


def list_webhooks(tx: Tx, owner: int) -> list[Webhook]:
    """Return all webhooks of a user, the oldest first: there is a limit to how many one has."""
    chosen = select(*_COLUMNS).where(webhooks.c.owner_id == owner).order_by(webhooks.c.id)
    return [_webhook(row) for row in tx.execute(chosen)]


def count_webhooks(tx: Tx, owner: int) -> int:
    """Return how many webhooks a user has."""
    query = select(func.count()).select_from(webhooks).where(webhooks.c.owner_id == owner)
    return tx.execute(query).scalar_one()


def list_watching(
    tx: Tx, *, owners: Collection[int], repo: int | None, after: int, limit: int
) -> list[Webhook]:
    """Return enabled webhooks that watch one of the accounts or the repository, by number, those after one."""
    watches = webhook_watches.c
    subjects = [and_(watches.kind == "owner", watches.subject_id.in_(list(owners)))]
    if repo is not None:
        subjects.append(and_(watches.kind == "repo", watches.subject_id == repo))
    watching = select(watches.webhook_id).where(or_(*subjects))
    chosen = (
        select(*_COLUMNS)
        .where(webhooks.c.id.in_(watching), webhooks.c.id > after, webhooks.c.is_enabled)
        .order_by(webhooks.c.id)
        .limit(limit)
    )
    return [_webhook(row) for row in tx.execute(chosen)]


def forget_repo(tx: Tx, repo: int) -> None:
    """Let nobody watch a repository that is gone."""
    tx.execute(
        delete(webhook_watches).where(webhook_watches.c.kind == "repo", webhook_watches.c.subject_id == repo)
    )


def count_delivery(tx: Tx, webhook: Webhook, *, limit: int, now: datetime) -> bool:
    """Count one more delivery of a webhook's owner in this day; False, and noted, where the limit is reached."""
    day_ago = now - timedelta(days=1)
    used = tx.execute(
        select(func.coalesce(func.sum(webhooks.c.window_count), 0)).where(
            webhooks.c.owner_id == webhook.owner_id, webhooks.c.window_at > day_ago
        )
    ).scalar_one()
    mine = update(webhooks).where(webhooks.c.id == webhook.id)
    if used >= limit:
        tx.execute(mine.values(limited_at=now))
        return False
    fresh = tx.execute(
        mine.where(webhooks.c.window_at > day_ago).values(window_count=webhooks.c.window_count + 1)
    )
    if fresh.rowcount == 0:
        tx.execute(mine.values(window_at=now, window_count=1))
    return True


def list_object_ids(tx: Tx, numbers: Collection[int]) -> dict[int, str]:
    """Return the object ids of accounts."""
    query = select(accounts.c.id, accounts.c.hex_id).where(accounts.c.id.in_(list(numbers)))
    return {row.id: row.hex_id for row in tx.execute(query)}


def list_account_names(tx: Tx, numbers: Collection[int]) -> dict[int, str]:
    """Return the present names of active accounts."""
    wanted = list(numbers)
    found: dict[int, str] = {}
    for start in range(0, len(wanted), _NAMED_AT_ONCE):
        batch = wanted[start : start + _NAMED_AT_ONCE]
        query = select(accounts.c.id, accounts.c.name).where(accounts.c.id.in_(batch), accounts.c.is_active)
        found |= {row.id: row.name for row in tx.execute(query)}
    return found


def list_repos(tx: Tx, numbers: Collection[int]) -> dict[int, Repo]:
    """Return those of some repositories that exist, by number."""
    wanted = list(numbers)
    found: dict[int, Repo] = {}
    for start in range(0, len(wanted), _NAMED_AT_ONCE):
        query = select(*REPO_COLUMNS).where(repos.c.id.in_(wanted[start : start + _NAMED_AT_ONCE]))
        found |= {row.id: repo_from_row(row) for row in tx.execute(query)}
    return found


def get_tags(tx: Tx, repo: int) -> tuple[str, ...] | None:
    """Return a repository's tags as its card shows them; None where it is gone."""
    row = tx.execute(select(repos.c.tags).where(repos.c.id == repo)).first()
    return None if row is None else tuple(row.tags)


def get_comment_author(tx: Tx, hex_id: str) -> int | None:
    """Return who wrote a comment."""
    found: int | None = tx.execute(
        select(discussion_events.c.author_id).where(discussion_events.c.hex_id == hex_id)
    ).scalar_one_or_none()
    return found

"""Who is told of an event: finds the webhooks that watch it and writes down what each will be sent.

Nothing is sent here. Whether a receiver's owner may know is asked now, and again when it is sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, RepoFacts, Verdict, Viewer, decide
from openhood.domain.accounts import sign_in
from openhood.domain.events import Event
from openhood.domain.repos import rows as repo_rows
from openhood.domain.services import Services
from openhood.domain.webhooks import delivery_rows, payloads, rows
from openhood.domain.webhooks.payloads import KINDS, NOBODY, Surroundings
from openhood.domain.webhooks.types import Webhook
from openhood.infra.db.engine import Tx

_BATCH = 25


def tell_webhooks(sv: Services, event: Event) -> None:
    """Write a delivery, with its job, for every webhook that watches where something happened.

    Opens units of its own; may be called again with the same event, which adds nothing then.
    """
    if event.kind not in KINDS or "repo" not in event.facts:
        return
    after = 0
    while True:
        with sv.db.read() as tx:
            found = rows.list_watching(
                tx, owners=_owners(event), repo=event.repo_id, after=after, limit=_BATCH
            )
            told = [
                each for each in found if KINDS[event.kind][2] in each.domains and _may_hear(tx, each, event)
            ]
            around = _look_around(tx, event) if told else Surroundings()
        if told:
            _write(sv, event, told, around)
        if len(found) < _BATCH:
            break
        after = found[-1].id
    if event.kind == "repo.delete" and event.repo_id is not None:
        with sv.db.write() as tx:
            rows.forget_repo(tx, event.repo_id)


def may_know(tx: Tx, viewer: Viewer, event: Event) -> bool:
    """Tell whether somebody may know of what happened: by what the repository is now, or was if it is gone."""
    repo = None if event.repo_id is None else repo_rows.get_repo_by_number(tx, event.repo_id)
    facts = _last_facts(event) if repo is None else repo.facts
    return decide(viewer, facts, Need.INFO) is Verdict.ALLOW


def _last_facts(event: Event) -> RepoFacts:
    repo: Mapping[str, Any] = event.facts["repo"]  # type: ignore[assignment]  # as `events.record` wrote it
    namespace_key, name_key = RepoId.parse(repo["name"]).key
    return RepoFacts(
        type=RepoType(repo["type"]).value,
        owner_id=event.owner_id,
        creator_id=None,
        namespace_key=namespace_key,
        name_key=name_key,
        is_private=event.is_private,
        is_gated=False,
        is_disabled=False,
        resource_group_id=repo.get("group"),
    )


def _owners(event: Event) -> set[int]:
    """Return the accounts an event belongs to: a move belongs to two."""
    before = event.facts.get("from_owner")
    return {event.owner_id, before} if isinstance(before, int) else {event.owner_id}


def _may_hear(tx: Tx, webhook: Webhook, event: Event) -> bool:
    if event.at < webhook.created_at:
        return False  # It was not there yet; only the job that spreads the event comes late.
    owner = sign_in.by_number(tx, webhook.owner_id)
    return owner is not None and may_know(tx, owner, event)


def _write(sv: Services, event: Event, told: Sequence[Webhook], around: Surroundings) -> None:
    now = sv.clock.now()
    ready = [
        (
            each,
            payloads.make_payload(
                event, around, base_url=sv.settings.public_url or each.base_url, webhook=each.hex_id
            ),
        )
        for each in told
    ]
    with sv.db.write() as tx:
        for webhook, payload in ready:
            # Locked, so that one that is deleted or disabled just now gets nothing that would wait for ever.
            present = rows.lock_webhook(tx, webhook.id)
            if present is None or not present.is_enabled:
                continue
            if not delivery_rows.insert_delivery(
                tx, present, event=event.id, replay_of="", payload=payload, due_at=event.at, now=now
            ):
                continue
            if rows.count_delivery(tx, present, limit=sv.settings.webhooks.daily_limit, now=now):
                delivery_rows.schedule(tx, present, at=now, now=now)
            else:
                delivery_rows.delete_of_event(tx, present.id, event.id)


def _look_around(tx: Tx, event: Event) -> Surroundings:
    """Return what a payload says that the event does not."""
    facts: Mapping[str, Any] = event.facts  # Any: JSON, as `events.KINDS` describes it
    discussion_author = comment_author = None
    if "discussion" in facts:
        # The event says so itself: the rows may be gone by now. Those who hide others' comments do not look up who
        # wrote them.
        discussion_author = facts["discussion"].get("author_id")
        if facts.get("comment"):
            comment_author = facts["comment"].get("author_id") or rows.get_comment_author(
                tx, facts["comment"]["id"]
            )
    if event.kind in ("discussion.create", "comment.create"):
        comment_author = comment_author or event.actor_id
    before = event.facts.get("from_owner")
    owner = before if isinstance(before, int) else event.owner_id
    people = (owner, event.owner_id, discussion_author, comment_author)
    ids = rows.list_object_ids(tx, {each for each in people if each is not None})
    return Surroundings(
        owner=ids.get(owner, NOBODY),
        new_owner=ids.get(event.owner_id, NOBODY),
        tags=None if event.repo_id is None else rows.get_tags(tx, event.repo_id),
        discussion_author=ids.get(discussion_author or 0, NOBODY),
        comment_author=ids.get(comment_author or 0, NOBODY),
    )

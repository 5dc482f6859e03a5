"""Bringing what happened into inboxes: a listener of `spreading`, which may be called again with the same event."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openhood.domain.events import Event
from openhood.domain.notifications import mailing, rows, rules
from openhood.domain.notifications.rules import Matter, Told
from openhood.domain.notifications.types import Reason
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

_IN_DISCUSSIONS = ("discussion.create", "discussion.update", "comment.create", "comment.update")
_KEPT_FACTS = ("change", "status", "reason", "role", "account", "invitation")
_AT_ONCE = 200


def tell_people(sv: Services, event: Event) -> None:
    """Put an event into the inboxes of those it concerns. Opens units of its own, two per batch of people."""
    with sv.db.read() as tx:
        matter = _understand(tx, event)
        concerned = {} if matter is None else rules.concerned_by(tx, matter)
    if matter is None:
        return
    people = list(concerned.items())
    for start in range(0, len(people), _AT_ONCE):
        with sv.db.read() as tx:
            chosen = rules.choose(tx, matter, dict(people[start : start + _AT_ONCE]))
        if chosen:
            with sv.db.write() as tx:
                _write(sv, tx, matter, chosen)


def _write(sv: Services, tx: Tx, matter: Matter, chosen: Sequence[Told]) -> None:
    event = matter.event
    for reason in Reason:
        rows.bring_up(
            tx,
            [each.user for each in chosen if each.reason is reason],
            matter.thread,
            reason=reason,
            repo=None if matter.repo is None else matter.repo.id,
            discussion=matter.discussion,
            actor=event.actor_id,
            facts=matter.facts,
            event=event.id,
            at=event.at,
            only_new=matter.only_new,
        )
    for each in chosen:
        if each.preferences.wants_mail(each.reason):
            mailing.plan(sv, tx, each.user, each.preferences, may_wait=matter.may_wait)


def _understand(tx: Tx, event: Event) -> Matter | None:
    """Return what an event is about, None where nobody is told of such a thing."""
    repo = None if event.repo_id is None else repo_rows.get_repo_by_number(tx, event.repo_id)
    if event.repo_id is not None and repo is None:
        return None  # It is gone, and what was to be told of it with it.
    if event.kind in _IN_DISCUSSIONS:
        return _in_discussion(tx, event, repo)
    facts = {"kind": event.kind, **_kept(event.facts)}
    if event.kind == "access.request" and repo is not None:
        settings = rows.get_repo_settings(tx, repo.id)
        return Matter(
            event,
            f"repo:{repo.id}:access",
            repo,
            facts=facts,
            may_wait=settings.get("gatedNotificationsMode") == "bulk",
        )
    if event.kind == "access.decide" and event.facts.get("status") in ("accepted", "rejected"):
        return Matter(event, f"repo:{event.repo_id}:decision", repo, facts=facts)
    if event.kind in ("org.invite", "org.member"):
        what = event.kind.removeprefix("org.")
        return Matter(event, f"org:{event.owner_id}:{what}", facts={**facts, "org": event.owner_id})
    if event.kind == "user.follow":
        return Matter(event, f"follow:{event.actor_id}", facts=facts)
    if event.kind == "repo.create" and repo is not None:
        return Matter(event, f"repo:{repo.id}:new", repo, facts=facts)
    return None


def _in_discussion(tx: Tx, event: Event, repo: Repo | None) -> Matter | None:
    told = event.facts.get("discussion")
    hex_id = told.get("id") if isinstance(told, Mapping) else None
    found = rows.find_discussion(tx, hex_id) if isinstance(hex_id, str) else None
    if found is None or repo is None:
        return None
    facts: dict[str, object] = {"kind": event.kind, **_kept(event.facts)}
    comment = event.facts.get("comment")
    if isinstance(comment, Mapping) and isinstance(comment.get("id"), str):
        facts["comment"] = comment["id"]
    # Who is called by name in an edit is told; nobody else hears of edits.
    only_new = event.kind == "comment.update"
    return Matter(event, f"discussion:{found.id}", repo, found.id, facts, only_new)


def _kept(facts: Mapping[str, object]) -> dict[str, object]:
    return {name: facts[name] for name in _KEPT_FACTS if facts.get(name) is not None}

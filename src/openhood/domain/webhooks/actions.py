"""What people do with their webhooks: make, change, look at, switch, replay. Delivering is in `delivering`.

A webhook belongs to a user, as on the Hub; it may watch whatever that user may know of.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from openhood.base.errors import BadRequest, Forbidden, Moved, NotFound, NotSupported, Unauthorized
from openhood.base.names import RepoId, RepoType
from openhood.domain import audit, events, links
from openhood.domain.access import Need, OrgRole, Verdict, Viewer, decide
from openhood.domain.accounts import rules, sign_in
from openhood.domain.repos import lookup
from openhood.domain.repos import rows as repo_rows
from openhood.domain.services import Services
from openhood.domain.webhooks import delivering, delivery_rows, matching, rows
from openhood.domain.webhooks.types import (
    DOMAINS,
    WATCHED_TYPES,
    Delivery,
    DeliveryPage,
    ShownWebhook,
    Watched,
    Webhook,
    Wishes,
)
from openhood.infra import outbound
from openhood.infra.db.engine import Tx

MAX_WATCHED = 200
MAX_SECRET = 200
MAX_PAGE = 100

_SECRET = re.compile(r"[!-~]([ -~]*[!-~])?")
_READING = ("user.webhooks.read", "user.webhooks.write")
_WRITING = ("user.webhooks.write",)


def list_webhooks(sv: Services, viewer: Viewer) -> list[ShownWebhook]:
    """Return the viewer's webhooks, the oldest first. Opens a read unit. Raises Unauthorized, Forbidden."""
    owner = _owner(viewer, permissions=_READING)
    with sv.db.read() as tx:
        found = rows.list_webhooks(tx, owner)
        named = _present(tx, viewer, found)
    return [_show(sv, viewer, webhook, watched) for webhook, watched in zip(found, named, strict=True)]


def get_webhook(sv: Services, viewer: Viewer, *, webhook: str) -> ShownWebhook:
    """Return one of the viewer's webhooks. Opens a read unit. Raises NotFound, Unauthorized, Forbidden."""
    owner = _owner(viewer, permissions=_READING)
    with sv.db.read() as tx:
        found = _find(tx, webhook, owner)
        (watched,) = _present(tx, viewer, [found])
    return _show(sv, viewer, found, watched)


def create_webhook(sv: Services, viewer: Viewer, *, wishes: Wishes, base_url: str) -> ShownWebhook:
    """Make a webhook. Opens a write unit.

    Args: ``base_url`` is the hub's address as the viewer writes it: deliveries name everything under it.
    Raises: BadRequest, AddressRefused, NotFound or RepoNotFound for what is to be watched, Forbidden.
    """
    owner = _owner(viewer, permissions=_WRITING)
    if not wishes.url:
        raise BadRequest("'url' is missing: the address that is to be told what happens.")
    if not wishes.watched:
        raise BadRequest("'watched' must name at least one model, dataset, space, user or organization.")
    outbound.check_url(wishes.url, policy=delivering.policy_of(sv))
    domains = _check_domains(wishes.domains) or DOMAINS
    sealed = _seal(sv, wishes.secret)
    now = sv.clock.now()
    with sv.db.write() as tx:
        if rows.count_webhooks(tx, owner) >= sv.settings.webhooks.per_user:
            raise Forbidden(
                f"You have {sv.settings.webhooks.per_user} webhooks, the most there may be. Delete one."
            )
        watched = _look_up(tx, viewer, wishes.watched)
        made = rows.insert_webhook(
            tx,
            owner=owner,
            url=wishes.url,
            watched=watched,
            domains=domains,
            secret=sealed,
            base_url=base_url[:300],
            at=now,
        )
        _note(tx, viewer, "webhook.create", made, now)
    return _show(sv, viewer, made, made.watched)


def update_webhook(
    sv: Services, viewer: Viewer, *, webhook: str, wishes: Wishes, base_url: str
) -> ShownWebhook:
    """Change the parts of a webhook that are named. Opens a write unit.

    An empty list of what is watched changes nothing: huggingface_hub sends one where its caller named none, and
    `hf webhooks update` says that what is not named stays. Raises: what `create_webhook` raises, NotFound.
    """
    owner = _owner(viewer, permissions=_WRITING)
    if wishes.url:
        outbound.check_url(wishes.url, policy=delivering.policy_of(sv))
    domains = _check_domains(wishes.domains)
    sealed = _seal(sv, wishes.secret)
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = _find(tx, webhook, owner)
        values: dict[str, object] = {"base_url": base_url[:300]}
        if wishes.url and wishes.url != found.url:
            # Another receiver: what is known of the old one's health says nothing of it.
            values |= {"url": wishes.url, **_HEALTHY, "slow_until": None}
        if domains:
            values["domains"] = list(domains)
        if wishes.secret is not None:
            values["secret"] = sealed
        if wishes.watched:
            rows.replace_watched(tx, found.id, _look_up(tx, viewer, wishes.watched))
        changed = rows.update_webhook(tx, found.id, at=now, **values)
        delivery_rows.schedule(tx, changed, at=now, now=now)
        _note(tx, viewer, "webhook.update", changed, now)
        (watched,) = _present(tx, viewer, [changed])
    return _show(sv, viewer, changed, watched)


def set_enabled(sv: Services, viewer: Viewer, *, webhook: str, is_enabled: bool) -> ShownWebhook:
    """Switch a webhook on or off; what happens while it is off is never delivered. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    owner = _owner(viewer, permissions=_WRITING)
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = _find(tx, webhook, owner)
        if is_enabled and not found.is_enabled:
            fresh = {**_HEALTHY, "is_enabled": True, "disabled_reason": None}
            found = rows.update_webhook(tx, found.id, at=now, **fresh)
            _note(tx, viewer, "webhook.enable", found, now)
        elif not is_enabled and found.is_enabled:
            found = delivering.disable(tx, found, why="Disabled by its owner.", actor=viewer.name, now=now)
        (watched,) = _present(tx, viewer, [found])
    return _show(sv, viewer, found, watched)


def delete_webhook(sv: Services, viewer: Viewer, *, webhook: str) -> None:
    """Remove a webhook with its log. Opens a write unit. Raises NotFound, Unauthorized, Forbidden."""
    owner = _owner(viewer, permissions=_WRITING)
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = _find(tx, webhook, owner)
        rows.delete_webhook(tx, found.id)
        _note(tx, viewer, "webhook.delete", found, now)


def list_deliveries(
    sv: Services, viewer: Viewer, *, webhook: str, cursor: str | None, limit: int
) -> DeliveryPage:
    """Return what a webhook was told, the newest first. Opens a read unit. Raises NotFound, BadRequest."""
    owner = _owner(viewer, permissions=_READING)
    if cursor is not None and (not cursor.isascii() or not cursor.isdigit() or len(cursor) > 18):
        raise BadRequest(
            "The 'cursor' is not one of this list. Take it from the Link header of the page before."
        )
    with sv.db.read() as tx:
        found = _find(tx, webhook, owner)
        before = None if cursor is None else int(cursor)
        lines = delivery_rows.list_deliveries(tx, found.id, before=before, limit=limit + 1)
    page = lines[:limit]
    return DeliveryPage(tuple(page), str(page[-1].id) if len(lines) > limit else None)


def get_delivery(sv: Services, viewer: Viewer, *, webhook: str, delivery: str) -> Delivery:
    """Return one delivery with all that was sent. Opens a read unit.

    Raises: NotFound, also where it was never delivered and its repository is hidden from the viewer by now.
    """
    owner = _owner(viewer, permissions=_READING)
    with sv.db.read() as tx:
        found = _find_delivery(tx, _find(tx, webhook, owner), delivery)
        if found.state != "delivered":
            _require_knowledge(tx, viewer, found)
    return found


def replay_delivery(sv: Services, viewer: Viewer, *, webhook: str, delivery: str) -> Delivery:
    """Send something again, to the address and with the secret that the webhook has now. Opens a write unit.

    Raises: NotFound, Forbidden at the limit of the day, BadRequest for a disabled webhook.
    """
    owner = _owner(viewer, permissions=_WRITING)
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = _find(tx, webhook, owner)
        told = _find_delivery(tx, found, delivery)
        if not found.is_enabled:
            raise BadRequest("The webhook is disabled. Enable it, then replay.")
        _require_knowledge(tx, viewer, told)
        if not rows.count_delivery(tx, found, limit=sv.settings.webhooks.daily_limit, now=now):
            raise Forbidden(
                "Your webhooks have reached their limit of deliveries in 24 hours. Try again later."
            )
        first = told.replay_of or told.hex_id
        added = delivery_rows.insert_delivery(
            tx, found, event=told.event_id, replay_of=first, payload=told.payload, due_at=now, now=now
        )
        # Asked for by a person who looks: not kept back by a pause.
        fresh = rows.note(tx, found.id, paused_until=None)
        delivery_rows.schedule(tx, fresh, at=now, now=now)
        return _find_delivery(tx, found, added or delivery)


_HEALTHY: dict[str, object] = {"failures": 0, "failing_since": None, "paused_until": None}


def _owner(viewer: Viewer, *, permissions: Sequence[str]) -> int:
    """Return the user whose webhooks are meant, if these credentials may do this with them."""
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to use webhooks. Run 'hf auth login' or pass a token.")
    if viewer.user_id is None:
        raise Forbidden("Webhooks belong to users. Sign in as one.")
    token = viewer.token
    if token is None:
        return viewer.user_id
    if token.role == "read" and permissions == _WRITING:
        raise Forbidden(
            "Your token has the role 'read'. Use a token with the role 'write' to change webhooks."
        )
    if token.role not in ("read", "write"):
        name = viewer.name.lower()
        if not any(token.allows_on_namespace(each, name) for each in permissions):
            raise Forbidden(f"Your token does not allow this: it needs the permission '{permissions[0]}'.")
    return viewer.user_id


def _find(tx: Tx, webhook: str, owner: int) -> Webhook:
    found = None if "\0" in webhook else rows.find_webhook(tx, webhook, owner=owner)
    if found is None:
        raise NotFound("You have no such webhook. 'hf webhooks ls' lists yours.")
    return found


def _find_delivery(tx: Tx, webhook: Webhook, delivery: str) -> Delivery:
    found = None if "\0" in delivery else delivery_rows.find_delivery(tx, webhook.id, delivery)
    if found is None:
        raise NotFound("There is no such delivery in the webhook's log; old ones are forgotten.")
    return found


def _require_knowledge(tx: Tx, viewer: Viewer, delivery: Delivery) -> None:
    """Raise NotFound where the viewer must not know (any more) of what a delivery tells."""
    event = events.get(tx, delivery.event_id)
    person = None if viewer.user_id is None else sign_in.by_number(tx, viewer.user_id)
    if event is None or person is None or not matching.may_know(tx, person, event):
        raise NotFound("What this delivery tells of is gone, or you have no access to it any more.")


def _check_domains(domains: tuple[str, ...] | None) -> tuple[str, ...]:
    """Return domains in the spelling of huggingface_hub 2; older ones write ``discussions``. Raises BadRequest."""
    chosen = dict.fromkeys("discussion" if each == "discussions" else each for each in domains or ())
    for each in chosen:
        if each not in DOMAINS:
            raise BadRequest(f"Unknown domain {each[:40]!r}. 'domains' may hold 'repo' and 'discussion'.")
    return tuple(chosen)


def _seal(sv: Services, secret: str | None) -> str | None:
    if not secret:
        return None
    if len(secret) > MAX_SECRET or not _SECRET.fullmatch(secret):
        raise BadRequest(
            f"The secret travels in a header: it must be of at most {MAX_SECRET} ASCII letters, digits and signs."
        )
    return links.seal(sv, secret, purpose=delivering.PURPOSE)


def _look_up(tx: Tx, viewer: Viewer, wanted: Sequence[tuple[str, str]]) -> list[Watched]:
    """Return what is to be watched, by number, so that no renaming loses it."""
    if len(wanted) > MAX_WATCHED:
        raise BadRequest(f"A webhook may watch at most {MAX_WATCHED} things.")
    found: dict[tuple[str, int], Watched] = {}
    for kind, name in wanted:
        each = (
            _look_up_account(tx, viewer, kind, name)
            if kind in ("user", "org")
            else _look_up_repo(tx, viewer, kind, name)
        )
        found.setdefault((each.kind, each.subject), each)
    return list(found.values())


def _look_up_account(tx: Tx, viewer: Viewer, kind: str, name: str) -> Watched:
    account = rules.get_user(tx, name) if kind == "user" else rules.get_org(tx, name)
    token = viewer.token
    # Everything that happens there will be told, private things, too: the token must be good for those.
    if (
        token is not None
        and token.role not in ("read", "write")
        and viewer.role_in(account.id) > OrgRole.NO_ACCESS
    ):
        reading = ("repo.content.read", "repo.write")
        if not any(token.allows_on_namespace(each, account.key) for each in reading):
            raise Forbidden(
                f"Your token may not read what belongs to {account.name}, so it may not watch it."
            )
    return Watched("owner", account.id, kind, account.name)


def _look_up_repo(tx: Tx, viewer: Viewer, kind: str, name: str) -> Watched:
    if kind == "bucket":
        raise NotSupported("Buckets: not supported by this hub yet, so they cannot be watched.")
    if kind not in WATCHED_TYPES:
        raise BadRequest(f"Unknown type {kind[:40]!r}. A webhook watches: {', '.join(WATCHED_TYPES)}.")
    repo_type = RepoType(kind)
    repo_id = repo_rows.get_alias(tx, repo_type, name) if "/" not in name else None
    try:
        repo = lookup.find(tx, viewer, repo_type, repo_id or RepoId.parse(name), need=Need.INFO)
    except Moved as moved:
        repo = lookup.find(tx, viewer, repo_type, RepoId.parse(moved.new), need=Need.INFO)
    return Watched("repo", repo.id, kind, str(repo.repo_id))


def _present(tx: Tx, viewer: Viewer, webhooks: Sequence[Webhook]) -> list[tuple[Watched, ...]]:
    """Return what each webhook watches and still exists, under its present name where the viewer may know that."""
    watched = [each for webhook in webhooks for each in webhook.watched]
    accounts = rows.list_account_names(tx, {each.subject for each in watched if each.kind == "owner"})
    repos = rows.list_repos(tx, {each.subject for each in watched if each.kind == "repo"})
    shown: list[tuple[Watched, ...]] = []
    for webhook in webhooks:
        line: list[Watched] = []
        for each in webhook.watched:
            if each.kind == "owner" and each.subject in accounts:
                line.append(replace(each, name=accounts[each.subject]))
            elif each.kind == "repo" and each.subject in repos:
                repo = repos[each.subject]
                is_known = decide(viewer, repo.facts, Need.INFO) is Verdict.ALLOW
                line.append(replace(each, name=str(repo.repo_id)) if is_known else each)
        shown.append(tuple(line))
    return shown


def _show(sv: Services, viewer: Viewer, webhook: Webhook, watched: Sequence[Watched]) -> ShownWebhook:
    """Return a webhook with its secret, unless the credentials are for reading only."""
    secret = None
    if webhook.secret is not None and viewer.may_write_anything:
        secret = links.unseal(sv, webhook.secret, purpose=delivering.PURPOSE)
    return ShownWebhook(webhook, tuple(watched), secret)


def _note(tx: Tx, viewer: Viewer, action: str, webhook: Webhook, now: datetime) -> None:
    """Write a line of the audit log. Without the query of the address: some keep a secret there."""
    audit.record(
        tx,
        at=now,
        actor=viewer.name,
        action=action,
        subject=webhook.hex_id,
        owner_id=webhook.owner_id,
        url=webhook.url.partition("?")[0],
        watched=[f"{each.type}:{each.name}" for each in webhook.watched],
    )

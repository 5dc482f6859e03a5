"""Telling receivers: one at a time for each webhook, again and again until it hears, and never for ever.

The deliveries' rows are the queue; a job per webhook works through those that are due. A receiver that does not
answer pauses its webhook, one that refuses a delivery delays that one; slow ones wait in a lane of their own.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson

from openhood import __version__
from openhood.base.errors import AddressRefused, PeerUnreachable, Unavailable
from openhood.base.settings import SettingsError
from openhood.domain import audit, events, links
from openhood.domain.accounts import sign_in
from openhood.domain.services import Services
from openhood.domain.webhooks import delivery_rows, matching, rows
from openhood.domain.webhooks.types import Delivery, Outcome, Webhook
from openhood.infra import outbound
from openhood.infra.db.engine import Tx
from openhood.infra.outbound import Policy

PURPOSE = "webhook secret"
LEASE_MARGIN_S = 5.0
"""How long after its time-out a delivery counts as lost with the process that sent it, in seconds."""

_DELAYS_S = (10, 60, 300, 1800, 2 * 3600, 6 * 3600, 12 * 3600)
_PAUSING = (429, 502, 503, 504)  # the receiver itself is not well, whatever it is told
_SLOW_MS = 2000
_SLOW_FOR = timedelta(hours=1)
_AT_ONCE = 20
_TURN_S = 5.0
_WITHHELD_AT_ONCE = 50
_MAX_WAIT = timedelta(days=3)
_MIN_FAILURES = 5
_SWEPT_AT_ONCE = 1000
_ANSWER_BYTES = 8000


@dataclass(frozen=True, slots=True)
class _Task:
    webhook: Webhook
    delivery: Delivery
    until: datetime


def deliver_webhook(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: deliver what is due to one webhook. Payload: ``{"webhook": number}``.

    After some deliveries, or a slow one, the rest goes to the end of the queue: others have waited, too.
    """
    number = payload.get("webhook")
    if not isinstance(number, int):
        return
    began = time.monotonic()
    for _ in range(_AT_ONCE):
        task = _take(sv, number, is_slow_lane=bool(payload.get("slow")))
        if task is None:
            return
        _settle(sv, task, _send(sv, task))
        if time.monotonic() - began > _TURN_S:
            break
    now = sv.clock.now()
    with sv.db.write() as tx:
        webhook = rows.lock_webhook(tx, number)
        if webhook is not None and delivery_rows.get_next(tx, number, now=now) is not None:
            delivery_rows.schedule(tx, webhook, at=now, now=now)


def policy_of(sv: Services) -> Policy:
    """Return what this hub may call. Raises SettingsError where the setting cannot be read."""
    try:
        return Policy.parse(sv.settings.webhooks.allow)
    except ValueError as error:
        raise SettingsError(f"'webhooks.allow' cannot be used: {error}.") from error


def sweep_deliveries(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: give up what waits too long, forget what is old, and queue again what no job stands for."""
    now = sv.clock.now()
    why = "Given up: the receiver did not answer for days."
    old = now - timedelta(days=sv.settings.webhooks.keep_days)
    swept = _SWEPT_AT_ONCE
    while swept == _SWEPT_AT_ONCE:
        with sv.db.write() as tx:
            swept = delivery_rows.expire_waiting(
                tx, before=now - _MAX_WAIT, why=why, now=now, limit=_SWEPT_AT_ONCE
            )
    swept = _SWEPT_AT_ONCE
    while swept == _SWEPT_AT_ONCE:
        with sv.db.write() as tx:
            swept = delivery_rows.delete_old(tx, before=old, limit=_SWEPT_AT_ONCE)
    after, found = 0, [0]
    while found:
        with sv.db.write() as tx:
            found = delivery_rows.list_overdue(tx, now=now, after=after, limit=100)
            for number in found:
                webhook = rows.lock_webhook(tx, number)
                if webhook is not None and webhook.is_enabled:
                    delivery_rows.schedule(tx, webhook, at=now, now=now)
        after = found[-1] if found else after


def _take(sv: Services, number: int, *, is_slow_lane: bool) -> _Task | None:
    """Choose the next delivery and take the right to send it; None where there is nothing to do now."""
    now = sv.clock.now()
    until = now + timedelta(seconds=sv.settings.webhooks.timeout_s + LEASE_MARGIN_S)
    with sv.db.write() as tx:
        webhook = rows.lock_webhook(tx, number)
        if webhook is None or not webhook.is_enabled:
            return None
        is_slow = webhook.slow_until is not None and webhook.slow_until > now
        if (webhook.paused_until is not None and webhook.paused_until > now) or (
            is_slow and not is_slow_lane
        ):
            if delivery_rows.get_next(tx, number, now=now) is not None:
                delivery_rows.schedule(tx, webhook, at=now, now=now)
            return None
        delivery = _next_permitted(tx, webhook, now=now)
        if delivery is None or not delivery_rows.begin(tx, number, now=now, until=until):
            return None  # Whoever is sending something looks again when it is done.
    return _Task(webhook, delivery, until)


def _next_permitted(tx: Tx, webhook: Webhook, *, now: datetime) -> Delivery | None:
    """Return the next delivery that the webhook's owner may still know of; the others vanish."""
    owner = sign_in.by_number(tx, webhook.owner_id)
    for _ in range(_WITHHELD_AT_ONCE):
        delivery = delivery_rows.get_next(tx, webhook.id, now=now)
        if delivery is None:
            return None
        event = events.get(tx, delivery.event_id)
        if event is not None and owner is not None and matching.may_know(tx, owner, event):
            return delivery
        delivery_rows.delete_delivery(tx, delivery.id)
    delivery_rows.schedule(tx, webhook, at=now, now=now)
    return None


def _send(sv: Services, task: _Task) -> Outcome:
    began = time.monotonic()
    try:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"openhood-webhooks/{__version__}",
            "X-Webhook-Delivery": task.delivery.hex_id,
        }
        if task.webhook.secret is not None:
            headers["X-Webhook-Secret"] = links.unseal(sv, task.webhook.secret, purpose=PURPOSE)
        answer = outbound.request(
            "POST",
            task.webhook.url,
            policy=policy_of(sv),
            timeout_s=sv.settings.webhooks.timeout_s,
            headers=headers,
            body=orjson.dumps(task.delivery.payload),
            limit_bytes=_ANSWER_BYTES,
        )
    except (AddressRefused, PeerUnreachable, Unavailable) as error:
        return Outcome(False, False, None, int((time.monotonic() - began) * 1000), error.message)
    said = answer.body.decode("utf-8", "replace").replace("\0", "")
    if 300 <= answer.status < 400:
        said = f"Redirects are not followed. Set the webhook's URL to: {answer.headers.get('location', '?')}"
    is_reached = answer.status not in _PAUSING
    return Outcome(200 <= answer.status < 300, is_reached, answer.status, answer.duration_ms, said)


def _settle(sv: Services, task: _Task, outcome: Outcome) -> None:
    """Write down how it went, and decide when to try again."""
    now = sv.clock.now()
    settings = sv.settings.webhooks
    attempts = task.delivery.attempts + 1
    is_over = outcome.is_delivered or attempts >= settings.attempts
    due_at = now + _delay(attempts)
    with sv.db.write() as tx:
        webhook = rows.lock_webhook(tx, task.webhook.id)
        if webhook is None:
            return
        delivery_rows.end(tx, webhook.id, until=task.until)
        is_over = is_over or not webhook.is_enabled  # It was disabled while this was under way.
        state = "delivered" if outcome.is_delivered else "failed" if is_over else "waiting"
        delivery_rows.record_outcome(tx, task.delivery, outcome, state=state, due_at=due_at, now=now)
        webhook = _judge(tx, webhook, outcome, now=now)
        if _is_hopeless(webhook, now=now, days=settings.disable_after_days):
            disable(tx, webhook, why=_hopeless(webhook, outcome), actor="system", now=now)
        elif state == "waiting":
            delivery_rows.schedule(tx, webhook, at=due_at, now=now)
    if outcome.duration_ms > min(_SLOW_MS, settings.timeout_s * 500):
        # All of its owner's: else many that hang would each hold up others' deliveries once.
        with sv.db.write() as tx:
            rows.mark_slow(tx, task.webhook.owner_id, until=now + _SLOW_FOR)


def _judge(tx: Tx, webhook: Webhook, outcome: Outcome, *, now: datetime) -> Webhook:
    """Note what an attempt says of the receiver: that it is well, or away."""
    if outcome.is_delivered:
        return rows.note(tx, webhook.id, failures=0, failing_since=None, paused_until=None)
    failures = webhook.failures + 1
    paused_until = webhook.paused_until if outcome.is_reached else now + _delay(failures)
    since = webhook.failing_since or now
    return rows.note(tx, webhook.id, failures=failures, failing_since=since, paused_until=paused_until)


def _delay(attempts: int) -> timedelta:
    return timedelta(seconds=_DELAYS_S[min(attempts, len(_DELAYS_S)) - 1])


def _is_hopeless(webhook: Webhook, *, now: datetime, days: float) -> bool:
    since = webhook.failing_since
    return since is not None and webhook.failures >= _MIN_FAILURES and now - since >= timedelta(days=days)


def _hopeless(webhook: Webhook, outcome: Outcome) -> str:
    since = "" if webhook.failing_since is None else f" since {webhook.failing_since:%Y-%m-%d}"
    last = f"status {outcome.status_code}" if outcome.status_code is not None else outcome.answer
    return f"Disabled by the hub: every delivery failed{since}. The last one: {last}"[:300]


def disable(tx: Tx, webhook: Webhook, *, why: str, actor: str, now: datetime) -> Webhook:
    """Disable a webhook in the caller's unit; what waits is given up and may be replayed."""
    delivery_rows.fail_waiting(
        tx, webhook.id, why="The webhook was disabled before this was delivered.", now=now
    )
    audit.record(
        tx,
        at=now,
        actor=actor,
        action="webhook.disable",
        subject=webhook.hex_id,
        owner_id=webhook.owner_id,
        reason=why,
    )
    return rows.update_webhook(tx, webhook.id, at=now, is_enabled=False, disabled_reason=why)

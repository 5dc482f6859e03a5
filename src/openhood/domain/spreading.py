"""Telling others what happened: the job that hands each event to webhooks and inboxes.

A listener opens its own units and may be called again with the same event: the job may have died half-way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta

from openhood.domain import events
from openhood.domain.events import Event
from openhood.domain.notifications import listening
from openhood.domain.reviews import job as reviews
from openhood.domain.services import Services
from openhood.domain.viewer import publishing, warming
from openhood.domain.webhooks import matching

KEPT_FOR = timedelta(days=372)  # profiles show a year of activity
_SWEPT_AT_ONCE = 1000

LISTENERS: tuple[Callable[[Services, Event], None], ...] = (
    matching.tell_webhooks,
    listening.tell_people,
    reviews.on_event,
    warming.on_event,
    publishing.on_event,
)


def spread_event(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: hand one event to every listener. Payload: ``{"event": number}``."""
    number = payload.get("event")
    if not isinstance(number, int):
        return
    with sv.db.read() as tx:
        event = events.get(tx, number)
    if event is None:
        return
    for listener in LISTENERS:
        listener(sv, event)


def sweep_events(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: forget what happened long ago; who was to be told was told then."""
    before = sv.clock.now() - KEPT_FOR
    swept = _SWEPT_AT_ONCE
    while swept == _SWEPT_AT_ONCE:
        with sv.db.write() as tx:
            swept = events.delete_old(tx, before=before, limit=_SWEPT_AT_ONCE)

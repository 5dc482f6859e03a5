"""Telling others what happened: the job that hands each event to webhooks and inboxes.

A listener opens its own units and may be called again with the same event: the job may have died half-way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openhood.domain import events
from openhood.domain.events import Event
from openhood.domain.services import Services

LISTENERS: tuple[Callable[[Services, Event], None], ...] = ()


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

"""Noting who read what, so that the read path never writes. What is lost at a crash was noted since the last flush."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import NamedTuple

WINDOW_S = 300
"""A visitor counts once for a row in so many seconds (hub-docs ``datasets-download-stats``: five minutes)."""


class Visit(NamedTuple):
    """Somebody came to a row in a window; ``visitor`` is a number that stands for whoever it was.

    Windows are numbered from the epoch. Sorted, visits are in the order in which they are written.
    """

    window: int
    row_id: int
    visitor: int


class Tallies:
    """Visits since the last `drain`, each once. Thread-safe, and bounded however many come.

    ``max_visits``: so many wait at most; what comes on top is only counted as dropped.
    """

    def __init__(self, *, max_visits: int = 100_000) -> None:
        self._max_visits = max_visits
        self._lock = threading.Lock()
        self._waiting: set[Visit] = set()
        # Those of the current window that were drained before: they need not be written again.
        self._done: set[Visit] = set()
        self._dropped = 0

    def note(self, row_id: int, visitor: int, *, at_s: float) -> None:
        """Remember a visit. ``at_s`` is seconds since the epoch."""
        visit = Visit(int(at_s // WINDOW_S), row_id, visitor)
        with self._lock:
            if visit in self._waiting or visit in self._done:
                return
            if len(self._waiting) >= self._max_visits:
                self._dropped += 1
                return
            self._waiting.add(visit)

    def drain(self) -> tuple[list[Visit], int]:
        """Return the visits in order and how many were dropped, and start again from nothing."""
        with self._lock:
            visits, self._waiting = sorted(self._waiting), set()
            dropped, self._dropped = self._dropped, 0
            newest = visits[-1].window if visits else None
            self._done = {each for each in self._done if newest is None or each.window >= newest}
            room = self._max_visits - len(self._done)
            self._done |= set([each for each in visits if each.window == newest][:room])
        return visits, dropped

    def put_back(self, visits: Iterable[Visit]) -> None:
        """Take visits back that could not be written. Beyond the bound they are dropped."""
        with self._lock:
            for visit in visits:
                self._done.discard(visit)
                if len(self._waiting) < self._max_visits:
                    self._waiting.add(visit)
                else:
                    self._dropped += 1

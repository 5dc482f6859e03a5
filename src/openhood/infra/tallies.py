"""Counting what happened per row, so that the read path never writes. What is lost at a crash is a few counts."""

from __future__ import annotations

import threading

_MAX_SEEN = 200_000


class Tallies:
    """Counts per row number since the last `drain`, each visitor once per window. Thread-safe, bounded."""

    def __init__(self, *, window_s: float = 300.0) -> None:
        self._window_s = window_s
        self._lock = threading.Lock()
        self._window = -1
        self._seen: set[tuple[int, int]] = set()
        self._counts: dict[int, int] = {}

    def note(self, row_id: int, visitor: str, *, at_s: float) -> None:
        """Count ``visitor`` for a row unless that was done in this window. ``at_s`` is seconds since the epoch."""
        window = int(at_s // self._window_s)
        key = (row_id, hash(visitor))
        with self._lock:
            if window != self._window or len(self._seen) >= _MAX_SEEN:
                self._window = window
                self._seen.clear()
            if key not in self._seen:
                self._seen.add(key)
                self._counts[row_id] = self._counts.get(row_id, 0) + 1

    def drain(self) -> dict[int, int]:
        """Return the counts and start again from zero."""
        with self._lock:
            counts, self._counts = self._counts, {}
            return counts

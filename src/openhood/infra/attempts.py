"""Counting wrong guesses at secrets, so that nobody may guess for long. In this process's memory only.

Several replicas count apart, so each allows its share; a restart forgets. Good enough: what is guarded is
hashed slowly or random as well.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime, timedelta

_MAX_KEYS = 10_000


@dataclass(slots=True)
class _Count:
    failures: int
    until: datetime


class Attempts:
    """Failures per key in a window that starts with the first of them. Thread-safe, bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[str, _Count] = OrderedDict()

    def wait_s(self, key: str, *, most: int, now: datetime) -> int:
        """Return 0 if another attempt is allowed, else the seconds until one is."""
        with self._lock:
            count = self._counts.get(key)
            if count is None or count.until <= now or count.failures < most:
                return 0
            return max(1, int((count.until - now).total_seconds() + 0.999))

    def failed(self, key: str, *, window_s: float, now: datetime) -> None:
        """Count one failure."""
        with self._lock:
            count = self._counts.get(key)
            if count is None or count.until <= now:
                self._counts[key] = _Count(1, now + timedelta(seconds=window_s))
                self._counts.move_to_end(key)
                while len(self._counts) > _MAX_KEYS:
                    self._counts.popitem(last=False)
            else:
                count.failures += 1

    def succeeded(self, key: str) -> None:
        """Forget the failures of a key."""
        with self._lock:
            self._counts.pop(key, None)

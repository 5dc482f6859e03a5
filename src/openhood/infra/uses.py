"""Remembering which rows were used when, so that the read path never writes. What is lost at a crash is a date."""

from __future__ import annotations

import threading
from datetime import datetime

_MAX_ROWS = 10_000


class RecentUses:
    """The latest use per row number since the last `drain`. Thread-safe, bounded."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: dict[int, datetime] = {}

    def note(self, row_id: int, at: datetime) -> None:
        """Remember a use. Beyond the bound, rows not seen before are not remembered until the next `drain`."""
        with self._lock:
            if row_id in self._uses or len(self._uses) < _MAX_ROWS:
                self._uses[row_id] = at

    def drain(self) -> dict[int, datetime]:
        """Return everything remembered and forget it."""
        with self._lock:
            uses, self._uses = self._uses, {}
            return uses

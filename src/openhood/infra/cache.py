"""A bounded in-process cache for facts that can never change, keyed by content or commit.

Losing an entry costs time, never correctness; nothing that can go stale may be put here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import TypeVar

T = TypeVar("T")


class FactCache:
    """Least-recently-used cache bounded by the sum of the weights its callers state. Thread-safe."""

    def __init__(self, max_weight: int) -> None:
        self._max_weight = max_weight
        self._weight = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[Hashable, tuple[object, int]] = OrderedDict()

    def get(self, key: Hashable) -> object | None:
        """Return the cached value, or None."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                return None
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Hashable, value: object, *, weight: int) -> None:
        """Keep ``value`` (never None); ``weight`` approximates its size in bytes."""
        if weight > self._max_weight // 4:
            return  # one giant must not empty the cache
        with self._lock:
            old = self._entries.pop(key, None)
            if old is not None:
                self._weight -= old[1]
            self._entries[key] = (value, weight)
            self._weight += weight
            while self._weight > self._max_weight:
                _, (_, dropped) = self._entries.popitem(last=False)
                self._weight -= dropped

    def of(self, key: Hashable, make: Callable[[], T], *, weigh: Callable[[T], int]) -> T:
        """Return the cached value, or make, keep and return it."""
        found = self.get(key)
        if found is not None:
            return found  # type: ignore[return-value]  # the key determines the type
        value = make()
        self.put(key, value, weight=weigh(value))
        return value

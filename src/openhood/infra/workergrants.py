"""Which files a worker may open: what its tasks were given, told apart by what lies at a path and not by the path alone.

The kernel fixes the list when a worker starts, so it holds what earlier tasks of the same key were given too: else a
dataset of many files would need a new worker for each page. How the kernel is told is not here (the worker does it).
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Hashable, Iterable, Mapping
from contextlib import suppress

Idents = Mapping[str, tuple[int, int]]
"""Paths, and the device and inode that lie there."""

_MOST_PATHS = 16_384


def identify(paths: Iterable[str]) -> Idents:
    """Return what lies at these paths. Those where nothing does are left out: whoever opens them is told so."""
    found = {}
    for path in paths:
        with suppress(OSError, ValueError):
            status = os.stat(path)
            found[path] = (status.st_dev, status.st_ino)
    return found


def covers(granted: Idents, wanted: Idents) -> bool:
    """Whether a worker that was granted some files may open others.

    A file that was removed and made again at the same path is another one, to the kernel as well.
    """
    return all(granted.get(path) == ident for path, ident in wanted.items())


class Grants:
    """What the workers of the last ``keys`` keys were given. Thread-safe."""

    def __init__(self, *, keys: int) -> None:
        self._most_keys = keys
        self._lock = threading.Lock()
        self._known: OrderedDict[Hashable, set[str]] = OrderedDict()

    def widen(self, key: Hashable, wanted: Idents, beside: Iterable[str]) -> Idents:
        """Return what a new worker of a key may read: what is wanted now, and as much of what was or soon may be."""
        with self._lock:
            known = self._known.pop(key, set()) | set(beside)
        more = identify(sorted(known.difference(wanted))[: max(0, _MOST_PATHS - len(wanted))])
        granted = {**more, **wanted}
        with self._lock:
            self._known[key] = set(granted)
            while len(self._known) > self._most_keys:
                self._known.popitem(last=False)
        return granted

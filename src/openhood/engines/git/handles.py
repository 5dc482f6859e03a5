"""Open handles on object directories, kept because opening costs as much as three look-ups."""

from __future__ import annotations

import threading
from collections import OrderedDict
from pathlib import Path

from openhood.engines.git.store import ObjectDb


class ObjectDbs:
    """At most ``capacity`` open `ObjectDb` handles, the least recently used closed first. Thread-safe."""

    def __init__(self, capacity: int = 256) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._open: OrderedDict[Path, ObjectDb] = OrderedDict()

    def open(self, objects_dir: Path) -> ObjectDb:
        """Return a handle on ``objects_dir``, which must exist."""
        with self._lock:
            handle = self._open.get(objects_dir)
            if handle is not None:
                self._open.move_to_end(objects_dir)
                return handle
        handle = ObjectDb(objects_dir)
        with self._lock:
            self._open[objects_dir] = handle
            while len(self._open) > self._capacity:
                self._open.popitem(last=False)  # closed when its last user lets go of it
        return handle

    def drop(self, objects_dir: Path) -> None:
        """Forget the handle: its directory's packs were replaced."""
        with self._lock:
            self._open.pop(objects_dir, None)

"""A disposable cache of joined files on the local disk, so that what is read often is decoded once.

Files are whole, verified by whoever fills them, and used by any number of processes of this machine. Which
file is worth its place is decided in part here (size, room, how often it was asked for), and what a file
consists of elsewhere.

=====================================  ==========================================================
``<root>/files/<2 hex>/<name>``        a joined file; its mtime is its last use
``<root>/scratch/<random>``            one being filled, locked by the process that does so
=====================================  ==========================================================
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from openhood.base.errors import HubError

_log = structlog.get_logger()

MIN_FILE_BYTES = 256 * 1024
"""Smaller files are decoded in one step: finding them here would cost as much."""
MIN_FREE = 0.05
"""The part of the disk that stays free."""
_LARGEST_SHARE = 4  # no file may take more than this part of the budget
_LEAST_COST_BYTES = 64 * 1024  # a chunk, which is what the shortest range takes to decode
_READS_KNOWN_S = 6 * 3600.0
_NAMES_KNOWN = 4096
_TOUCH_EVERY_S = 60.0
_UNCLAIMED_S = 60.0


class DecodedCache:
    """Joined files under ``root``, at most ``max_bytes`` of them (0: none). Thread-safe.

    None is added where less than ``min_free``, a fraction, of the disk would stay free.
    """

    def __init__(self, root: Path, max_bytes: int, *, min_free: float = MIN_FREE) -> None:
        self._min_free = min_free
        self._files = root / "files"
        self._scratch = root / "scratch"
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._reads: OrderedDict[str, tuple[int, float]] = OrderedDict()
        self._filling: set[str] = set()
        self._filler: threading.Thread | None = None
        if max_bytes:
            for directory in (self._files, self._scratch):
                directory.mkdir(parents=True, exist_ok=True)
            self._sweep()

    def find(self, name: str, *, size_bytes: int) -> Path | None:
        """Return the file, which may be evicted at any moment but not while it is open, or None."""
        if not self._may_hold(size_bytes):
            return None
        path = self._path(name)
        try:
            status = path.stat()
        except FileNotFoundError:
            return None
        if status.st_size != size_bytes:
            return None
        now = time.time()
        if now - status.st_mtime > _TOUCH_EVERY_S:
            with suppress(OSError):
                os.utime(path)
        return path

    def note_read(self, name: str, *, size_bytes: int, length: int) -> bool:
        """Note that ``length`` bytes of a file were asked for which is not here; tells whether it should be.

        That is so once as much was decoded as joining the whole file would have taken: somebody who fetches a file
        once, in one piece or in many, leaves it out.
        """
        if not self._may_hold(size_bytes):
            return False
        now = time.monotonic()
        with self._lock:
            spent, since = self._reads.pop(name, (0, now))
            if now - since > _READS_KNOWN_S:
                spent, since = 0, now
            self._reads[name] = (spent + max(length, _LEAST_COST_BYTES), since)
            while len(self._reads) > _NAMES_KNOWN:
                self._reads.popitem(last=False)
        return spent >= size_bytes

    def begin(self, name: str, *, size_bytes: int) -> Filling | None:
        """Begin to fill in a file, with room made for it; None where it is too large, or is being filled."""
        if not self._may_hold(size_bytes):
            return None
        with self._lock:
            if name in self._filling:
                return None
            self._filling.add(name)
        try:
            if self._make_room(size_bytes):
                return Filling(
                    self, name, self._scratch / secrets.token_hex(16), self._path(name), size_bytes
                )
        except OSError:
            # The cache is a help, never a reason to fail.
            pass
        self.release(name)
        return None

    def fill_later(self, name: str, *, size_bytes: int, read: Callable[[], Iterator[memoryview]]) -> bool:
        """Fill in a file from what ``read`` yields, in a thread of its own; False while that is busy."""
        with self._lock:
            if self._filler is not None and self._filler.is_alive():
                return False
            filler = threading.Thread(
                target=self._fill, args=(name, size_bytes, read), name="decoded-filler", daemon=True
            )
            self._filler = filler
        filler.start()
        return True

    def forget(self, name: str) -> None:
        """Remove a file, if it is here."""
        self._path(name).unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove every file that is here now."""
        for path in self._files.glob("*/*"):
            path.unlink(missing_ok=True)

    def wait(self) -> None:
        """Return when the filler's thread has ended."""
        filler = self._filler
        if filler is not None:
            filler.join()

    def release(self, name: str) -> None:
        """Let others fill in ``name``; called by `Filling`."""
        with self._lock:
            self._filling.discard(name)

    def _fill(self, name: str, size_bytes: int, read: Callable[[], Iterator[memoryview]]) -> None:
        filling = self.begin(name, size_bytes=size_bytes)
        if filling is None:
            return
        position = 0
        try:
            for piece in read():
                filling.write(position, piece)
                position += len(piece)
        except HubError as error:
            # Nobody waits for this; whoever reads the file will be told.
            _log.warning("file not joined", file=name, error=error.message)
        finally:
            filling.close()

    def _may_hold(self, size_bytes: int) -> bool:
        return MIN_FILE_BYTES <= size_bytes <= self._max_bytes // _LARGEST_SHARE

    def _path(self, name: str) -> Path:
        return self._files / name[:2] / name

    def _make_room(self, size_bytes: int) -> bool:
        """Evict what was not used for longest; False where the disk has no room to spare."""
        usage = shutil.disk_usage(self._files)
        if usage.free - size_bytes < self._min_free * usage.total:
            return False
        known: list[tuple[float, int, Path]] = []
        for directory in self._files.iterdir():
            for entry in os.scandir(directory):
                with suppress(FileNotFoundError):
                    status = entry.stat()
                    known.append((status.st_mtime, status.st_size, Path(entry.path)))
        total = sum(size for _used, size, _path in known) + size_bytes
        for entry in os.scandir(self._scratch):
            with suppress(FileNotFoundError):
                total += entry.stat().st_size
        for _used, size, path in sorted(known):
            if total <= self._max_bytes:
                break
            path.unlink(missing_ok=True)
            total -= size
        return total <= self._max_bytes

    def _sweep(self) -> None:
        """Remove what processes that are gone left half filled: the kernel dropped their locks."""
        for path in self._scratch.iterdir():
            with suppress(OSError):
                # One being made at this moment is not locked yet.
                if time.time() - path.stat().st_mtime < _UNCLAIMED_S:
                    continue
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink(missing_ok=True)
                finally:
                    os.close(descriptor)


class Filling:
    """A file being filled in, from any threads and in any order; visible once every byte was written.

    Given up when it is closed, or nobody holds it any more, before that.
    """

    def __init__(self, cache: DecodedCache, name: str, scratch: Path, target: Path, size_bytes: int) -> None:
        self._cache = cache
        self._name = name
        self._scratch = scratch
        self._target = target
        self._left = size_bytes
        self._lock = threading.Lock()
        self._descriptor: int | None = None
        self._descriptor = os.open(scratch, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __del__(self) -> None:
        self.close()

    def write(self, position: int, data: memoryview) -> None:
        """Write a piece, each byte of the file once. What the disk refuses ends the filling, and nothing else."""
        with self._lock:
            descriptor = self._descriptor
            if descriptor is None:
                return
            try:
                rest = data
                while rest:
                    written = os.pwrite(descriptor, rest, position)
                    rest = rest[written:]
                    position += written
                self._left -= len(data)
                if self._left == 0:
                    self._target.parent.mkdir(exist_ok=True)
                    os.replace(self._scratch, self._target)
            except OSError:
                self._left = -1
            if self._left <= 0:
                self._end()

    def close(self) -> None:
        """Give the filling up unless it is complete. Safe when called twice."""
        lock = getattr(self, "_lock", None)
        if lock is not None:
            with lock:
                self._end()

    def _end(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            if self._left:
                self._scratch.unlink(missing_ok=True)
            os.close(descriptor)
            self._cache.release(self._name)

"""A disposable copy on this machine's disk of the parts of far-away files that somebody read.

Files are sparse, in blocks of 64 KiB; beside each lies a map with one byte a block that tells what is there. So a
library that reads a local file by its path can be used for a file in a bucket, once the ranges it will read were
brought here, and what is read twice is fetched once. A map is written after the blocks it speaks of, so a process may
die at any moment; the power may fail too, which is why everything lies in a directory named after the system's boot.

==========================================  ==========================================================
``<root>/<boot id>/<2 hex>/<name>``         the sparse file; the mtime of its map is its last use
``<root>/<boot id>/<2 hex>/<name>.map``     one byte a block
``<root>/<boot id>/<2 hex>/<name>.made/``   what was computed from it, see `Blocks.made`
==========================================  ==========================================================
"""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from openhood.base.errors import CorruptObject

BLOCK_BYTES = 64 * 1024
_GAP_BLOCKS = 4  # so few missing blocks between two are fetched with them: a request costs more
_PIECE_BLOCKS = 64  # 4 MiB: larger ranges are fetched in parallel pieces
_PARALLEL = 12
_TOUCH_EVERY_S = 30.0
_SWEEP_EVERY_BYTES = 256 * 1024 * 1024

ReadRange = Callable[[int, int], bytes]


class Blocks:
    """Parts of files under ``root``, about ``max_bytes`` of them at most. Thread-safe, and for many processes."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root / _boot_id()
        self._max_bytes = max_bytes
        self._lock = threading.Lock()
        self._unswept = 0
        self._pool: ThreadPoolExecutor | None = None
        if root.is_dir():
            for old in root.iterdir():
                if old != self._root:
                    shutil.rmtree(old, ignore_errors=True)
        self._root.mkdir(mode=0o700, parents=True, exist_ok=True)

    @property
    def root(self) -> Path:
        """The directory that holds all of it."""
        return self._root

    def open(self, name: str, *, size_bytes: int) -> Path:
        """Return the sparse file of a content; ``name`` is its hash. Made where it is not there."""
        path = self._path(name)
        marks = path.with_name(path.name + ".map")
        try:
            status = marks.stat()
            if time.time() - status.st_mtime > _TOUCH_EVERY_S:
                os.utime(marks)
            if path.stat().st_size == size_bytes:
                return path
        except FileNotFoundError:
            pass
        path.parent.mkdir(parents=True, exist_ok=True)
        for file, size in ((path, size_bytes), (marks, -(-size_bytes // BLOCK_BYTES))):
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.ftruncate(descriptor, size)
            finally:
                os.close(descriptor)
        return path

    def bring(self, name: str, ranges: Sequence[tuple[int, int]], read: ReadRange, *, size_bytes: int) -> int:
        """Fetch what is missing of some ranges; returns how many bytes that was. Raises what ``read`` raises.

        Ranges are cut to the file. ``read`` is called from several threads at once.
        """
        path = self.open(name, size_bytes=size_bytes)
        marks = path.with_name(path.name + ".map")
        with open(marks, "r+b", buffering=0) as known, open(path, "r+b", buffering=0) as file:
            missing = _pieces(known.fileno(), ranges, size_bytes)

            def fetch(piece: tuple[int, int]) -> int:
                first, last = piece
                start, stop = first * BLOCK_BYTES, min(last * BLOCK_BYTES, size_bytes)
                data = read(start, stop - start)
                if len(data) != stop - start:
                    raise CorruptObject("A file is shorter than it should be.")
                _write(file.fileno(), data, start)
                os.pwrite(known.fileno(), b"\1" * (last - first), first)
                return len(data)

            if len(missing) > 1:
                fetched = sum(self._threads().map(fetch, missing))
            else:
                fetched = sum(map(fetch, missing))
        self._count(fetched)
        return fetched

    def made(self, name: str, what: str, make: Callable[[Path], None]) -> Path:
        """Return the directory that holds what ``make`` computed of a content, letting it fill an empty one first.

        It appears whole or not at all; where two make it at once, one of them did so in vain.
        """
        path = self._path(name)
        target = path.with_name(path.name + ".made") / what
        marks = path.with_name(path.name + ".map")
        if target.is_dir():
            with suppress(OSError):
                os.utime(marks)
            return target
        scratch = target.with_name(f".{what}-{os.getpid()}-{threading.get_ident()}-{time.monotonic_ns()}")
        scratch.mkdir(parents=True)
        try:
            make(scratch)
            marks.touch()
            with suppress(OSError):
                os.rename(scratch, target)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
        self._count(_weigh(target))
        return target

    def find_made(self, name: str, what: str) -> Path | None:
        """Return what `made` would return without making it."""
        path = self._path(name)
        target = path.with_name(path.name + ".made") / what
        return target if target.is_dir() else None

    def find_making(self, name: str, what: str) -> list[Path]:
        """Return the directories that are being filled for `made`, or were when a process died."""
        path = self._path(name)
        return sorted(path.with_name(path.name + ".made").glob(f".{what}-*"))

    def sweep(self) -> None:
        """Remove what was not used for longest until the rest is small enough."""
        known: list[tuple[float, int, Path]] = []
        for marks in self._root.glob("*/*.map"):
            with suppress(FileNotFoundError):
                path = marks.with_suffix("")
                size = _weigh(path) + _weigh(path.with_name(path.name + ".made"))
                known.append((marks.stat().st_mtime, size, marks))
        total = sum(size for _used, size, _marks in known)
        for _used, size, marks in sorted(known):
            if total <= self._max_bytes:
                return
            path = marks.with_suffix("")
            # The map goes first: nobody may take holes for bytes.
            marks.unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            shutil.rmtree(path.with_name(path.name + ".made"), ignore_errors=True)
            total -= size

    def close(self) -> None:
        """End the threads that fetch."""
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def _count(self, fetched: int) -> None:
        with self._lock:
            self._unswept += fetched
            if self._unswept < min(_SWEEP_EVERY_BYTES, self._max_bytes // 8 + 1):
                return
            self._unswept = 0
        self.sweep()

    def _path(self, name: str) -> Path:
        return self._root / name[:2] / name

    def _threads(self) -> ThreadPoolExecutor:
        with self._lock:
            if self._pool is None:
                self._pool = ThreadPoolExecutor(_PARALLEL, thread_name_prefix="blocks")
            return self._pool


def _pieces(marks: int, ranges: Sequence[tuple[int, int]], size_bytes: int) -> list[tuple[int, int]]:
    """Return what is missing as spans of blocks, small gaps closed and large spans cut."""
    spans: list[tuple[int, int]] = []
    for block in _missing(marks, ranges, size_bytes):
        if spans and block - spans[-1][1] <= _GAP_BLOCKS and block - spans[-1][0] < _PIECE_BLOCKS:
            spans[-1] = (spans[-1][0], block + 1)
        else:
            spans.append((block, block + 1))
    return spans


def _missing(marks: int, ranges: Iterable[tuple[int, int]], size_bytes: int) -> Iterator[int]:
    last_seen = -1
    for start, length in sorted((max(0, start), length) for start, length in ranges):
        stop = min(start + length, size_bytes)
        first, last = max(start // BLOCK_BYTES, last_seen + 1), -(-stop // BLOCK_BYTES)
        if last <= first:
            continue
        known = os.pread(marks, last - first, first)
        for at in range(last - first):
            if at >= len(known) or known[at] != 1:
                yield first + at
        last_seen = last - 1


def _write(descriptor: int, data: bytes, start: int) -> None:
    rest = memoryview(data)
    while rest:
        written = os.pwrite(descriptor, rest, start)
        rest, start = rest[written:], start + written


def _weigh(path: Path) -> int:
    """Return the bytes on disk of a file, or of all files of a directory."""
    if path.is_dir():
        return sum(_weigh(Path(entry.path)) for entry in os.scandir(path))
    try:
        return path.stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "this-machine"

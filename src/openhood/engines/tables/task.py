"""What a worker is asked to do with files, and how it gets at their bytes.

A source has a path on this machine that libraries read by themselves, as soon as the ranges they will read were
asked for with `need`: of a file on the local disk all is there, of one far away what somebody needed before.
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openhood.base.errors import TableTimeout

_AHEAD_BYTES = 1024 * 1024


@dataclass(slots=True)
class Source:
    """A file: ``name`` is its path in the repository, ``key`` names its content for good.

    ``path`` may be read wherever `need` was called for; ``is_whole``: everywhere.
    """

    name: str
    key: str
    size_bytes: int
    path: str
    is_whole: bool
    bring: Callable[[Sequence[tuple[int, int]]], None] = field(repr=False)

    def need(self, ranges: Sequence[tuple[int, int]]) -> None:
        """Have ranges (offset, length) of the file brought here, all at once. Raises OSError where that fails."""
        wanted = [(start, length) for start, length in ranges if length > 0 and start < self.size_bytes]
        if wanted and not self.is_whole:
            self.bring(wanted)

    def need_all(self) -> None:
        """Have the whole file brought here."""
        if not self.is_whole:
            self.bring([(0, self.size_bytes)])
            self.is_whole = True

    def read(self, start: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``start``."""
        self.need([(start, length)])
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            parts = []
            while length > 0:
                part = os.pread(descriptor, length, start)
                if not part:
                    break
                parts.append(part)
                start, length = start + len(part), length - len(part)
            return b"".join(parts)
        finally:
            os.close(descriptor)

    def open(self) -> io.BufferedReader:
        """Return it as a file object that has brought what is read from it."""
        if self.is_whole:
            return open(self.path, "rb")
        return io.BufferedReader(_Reading(self), _AHEAD_BYTES)


class _Reading(io.RawIOBase):
    """A file read from the start on or by jumps, brought in larger and larger steps."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._file = open(source.path, "rb", buffering=0)  # noqa: SIM115  # closed by `close`
        self._position = 0
        self._brought = (0, 0)
        self._step = _AHEAD_BYTES

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._source.size_bytes}[whence]
        self._position = max(0, base + offset)
        return self._position

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:  # Any: whatever holds bytes, as in the base class
        view = memoryview(buffer).cast("B")
        stop = min(self._position + len(view), self._source.size_bytes)
        if stop <= self._position:
            return 0
        first, last = self._brought
        if not (first <= self._position and stop <= last):
            # Whoever goes on where the last step ended reads it all; whoever jumps wants a little.
            self._step = min(self._step * 2, 32 * _AHEAD_BYTES) if self._position == last else _AHEAD_BYTES
            end = max(stop, self._position + self._step)
            self._source.need([(self._position, end - self._position)])
            self._brought = (self._position, end)
        self._file.seek(self._position)
        count = self._file.readinto(view[: stop - self._position]) or 0
        self._position += count
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


@dataclass(slots=True)
class Task:
    """One thing to do: its operation's name, parameters (JSON), the files, and where results that are files go.

    ``out`` is a directory of this task's own, or None. ``seconds`` is what it may take, from ``started`` on.
    """

    op: str
    params: dict[str, Any]
    sources: list[Source]
    out: Path | None
    seconds: float
    started: float = field(default_factory=time.monotonic)

    @property
    def left_s(self) -> float:
        """Seconds that are left, never less than nothing."""
        return max(0.0, self.started + self.seconds - time.monotonic())

    def check_time(self) -> None:
        """Raise TableTimeout when the time is over; for loops that can go on for long."""
        if self.left_s <= 0:
            raise TableTimeout(self.seconds)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a task made: facts (JSON; pyarrow and numpy scalars not allowed), and bytes that belong to them."""

    facts: dict[str, Any] = field(default_factory=dict)
    body: bytes = b""

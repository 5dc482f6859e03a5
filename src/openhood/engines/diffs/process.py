"""The process in which files are compared: what a hostile file does to it, it does to nobody else.

``python -m openhood.engines.diffs.process DESCRIPTOR BYTES`` is that process. It has neither the store nor the
database: bytes it asks its parent for, which puts them into the memory that both share. It ends when its input does.

Messages are as `infra.helpers` says. The first request is a task, JSON of what `Task` holds; the answers to it are

======  ===========================================================================================
first   the rest of an answer
======  ===========================================================================================
``R``   side (0 old, 1 new), number of the file, offset, length: 8 bytes each, little-endian; the next request
        is empty when these bytes lie in the memory
``D``   the comparison, as JSON
``E``   why there is none, as text
======  ===========================================================================================
"""

from __future__ import annotations

import mmap
import os
import struct
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import orjson

from openhood.base.errors import HubError
from openhood.engines.diffs.kinds import FORMATS
from openhood.engines.diffs.parts import Budget, Part, clip

WINDOW_BYTES = 8 * 1024 * 1024
"""The memory that is shared: as much is read at once at most."""
READ, DONE, FAILED = b"R", b"D", b"E"
PLACE = struct.Struct("<4Q")
_LENGTH_BYTES = 4
_TOO_LARGE = "The comparison needs more memory than one may take on this hub."

Exchange = Callable[[bytes], bytes]
"""Sends an answer and returns the next request."""


@dataclass(frozen=True, slots=True)
class Task:
    """What to compare: a format's name, path and size of each file of both sides, and what it may cost."""

    format: str
    old: Sequence[tuple[str, int]]
    new: Sequence[tuple[str, int]]
    read_bytes: int
    seconds: float
    memory_bytes: int

    def packed(self) -> bytes:
        """Return it as a request."""
        return orjson.dumps(asdict(self))


def perform(task: Task, memory: memoryview, exchange: Exchange) -> bytes:
    """Do a task and return the last answer."""

    def side(number: int, files: Sequence[tuple[str, int]]) -> list[Part]:
        return [
            Part(path, size, _reader(number, at, size, memory, exchange))
            for at, (path, size) in enumerate(files)
        ]

    try:
        compare = FORMATS[task.format].compare
        budget = Budget(task.read_bytes, task.seconds)
        return DONE + orjson.dumps(compare(side(0, task.old), side(1, task.new), budget))
    except HubError as error:
        return FAILED + clip(error.message, limit=400).encode()
    except MemoryError:
        return FAILED + _TOO_LARGE.encode()
    except (
        ValueError,
        TypeError,
        KeyError,
        IndexError,
        OverflowError,
        ArithmeticError,
        RecursionError,
    ) as error:
        # A file that no rule above foresaw: that is a fault of the file as far as its readers are concerned.
        return FAILED + clip(f"The file could not be understood ({type(error).__name__}).").encode()


def _reader(
    side: int, at: int, size_bytes: int, memory: memoryview, exchange: Exchange
) -> Callable[[int, int], bytes]:
    def read(start: int, length: int) -> bytes:
        stop = min(start + length, size_bytes)
        pieces = []
        while start < stop:
            count = min(stop - start, len(memory))
            exchange(READ + PLACE.pack(side, at, start, count))
            pieces.append(bytes(memory[:count]))
            start += count
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    return read


def _limit(memory_bytes: int) -> None:
    """Bound what this process may take, where the system can."""
    try:
        import resource
    except ImportError:
        return  # not on this system: the parent's clock is left
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (memory_bytes, memory_bytes))
    # It opens no file for writing but its standard output, a pipe.
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    os.nice(10)


def _serve(memory: memoryview) -> None:
    source, target = sys.stdin.buffer, sys.stdout.buffer

    def exchange(answer: bytes) -> bytes:
        target.write(len(answer).to_bytes(_LENGTH_BYTES, "little") + answer)
        target.flush()
        head = source.read(_LENGTH_BYTES)
        if len(head) < _LENGTH_BYTES:
            # Nobody is left to compare for.
            os._exit(0)
        return source.read(int.from_bytes(head, "little"))

    request = exchange(b"")
    while True:
        task = Task(**orjson.loads(request))
        _limit(task.memory_bytes)
        request = exchange(perform(task, memory, exchange))


if __name__ == "__main__":
    import signal

    # Whoever stops the hub stops this by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Set before pyarrow is loaded: its own allocators reserve more than they use.
    os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"
    try:
        _serve(memoryview(mmap.mmap(int(sys.argv[1]), int(sys.argv[2]))))
    except BrokenPipeError:
        os._exit(0)

"""Processes that take heavy work off this one: of its own threads Python lets only one run at a time.

A helper shares a piece of memory with this process, is told through a pipe what to do with what lies in it, and
answers through another. What the work is belongs to the module that it runs; whether sharing is worth it, to whoever
asks. Helpers start when first wanted, end themselves when nobody wants them, and never outlive this process.

=========  =================================================
direction  message
=========  =================================================
to it      4 bytes length, little-endian, then the request
from it    the same with the answer; an empty one when it is ready
=========  =================================================
"""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

_LENGTH_BYTES = 4
_MOST = 8
"""More would take more memory than the rest of the hub."""


class Helper:
    """One process and the memory that it shares with this one. For one thread at a time."""

    def __init__(self, module: str, memory_bytes: int) -> None:
        shared = _anonymous_file(memory_bytes)
        try:
            self.memory = memoryview(mmap.mmap(shared, memory_bytes))
            self._process = subprocess.Popen(
                [sys.executable, "-m", module, str(shared), str(memory_bytes)],
                pass_fds=(shared,),
                # It computes with one thread; libraries that make others for each processor waste memory.
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                bufsize=0,
            )
        finally:
            os.close(shared)
        # A process that ended by itself stays in the system's table until somebody asks how.
        threading.Thread(target=self._process.wait, name="helper-end", daemon=True).start()
        self._is_asked = True
        """Whether an answer is due: the first one says that it is ready."""

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    def begin(self, request: bytes) -> bool:
        """Let it work on what lies in `memory`; False where it is gone."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(len(request).to_bytes(_LENGTH_BYTES, "little") + request)
        except OSError:
            return False
        self._is_asked = True
        return True

    def finish(self) -> bytes | None:
        """Return its answer to the last request; None where it is gone."""
        head = self._read(_LENGTH_BYTES)
        answer = None if head is None else self._read(int.from_bytes(head, "little"))
        self._is_asked = answer is None
        return answer

    def settle(self) -> bool:
        """Wait for an answer that is still due; tells whether it is good for another request."""
        if self._is_asked and self.finish() is None:
            return False
        return self._process.poll() is None

    def end(self) -> None:
        """End it now."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                assert pipe is not None
                pipe.close()
        self._process.wait()

    def kill(self) -> None:
        """Stop it, from any thread: whoever waits for its answer gets None, and still has to `end` it."""
        self._process.kill()

    def _read(self, size_bytes: int) -> bytes | None:
        assert self._process.stdout is not None
        parts = bytearray()
        while len(parts) < size_bytes:
            try:
                part = self._process.stdout.read(size_bytes - len(parts))
            except OSError:
                return None
            if not part:
                return None
            parts += part
        return bytes(parts)


def _anonymous_file(size_bytes: int) -> int:
    """Return a descriptor of memory that has no name, or where there is no such thing, of a file without one."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("openhood-helper")
    else:
        with tempfile.TemporaryFile() as file:
            number = os.dup(file.fileno())
    os.ftruncate(number, size_bytes)
    return number


class Helpers:
    """Helpers that run ``module``, one for each processor, lent to threads that have much to do. Thread-safe."""

    def __init__(self, module: str, *, memory_bytes: int, count: int | None = None) -> None:
        self._module = module
        self._count = min(_MOST, os.cpu_count() or 1) if count is None else count
        self._memory_bytes = memory_bytes
        self._lock = threading.Lock()
        self._idle: list[Helper] = []
        self._alive = 0
        self._borrowers = 0

    @contextmanager
    def lend(self) -> Iterator[list[Helper]]:
        """Lend the calling thread its share of the helpers that are ready, perhaps none."""
        with self._lock:
            self._borrowers += 1
            share = max(1, self._count // self._borrowers)
            lent, self._idle = self._idle[:share], self._idle[share:]
            missing = self._count - self._alive
            self._alive += missing
        if missing:
            threading.Thread(target=self._start, args=(missing,), name="helpers", daemon=True).start()
        try:
            yield lent
        finally:
            good = [each for each in lent if each.settle()]
            for each in lent:
                if each not in good:
                    each.end()
            with self._lock:
                self._borrowers -= 1
                self._idle += good
                self._alive -= len(lent) - len(good)

    def _start(self, count: int) -> None:
        """Start helpers, each of which is lent once it is ready."""
        for _ in range(count):
            ready = False
            with suppress(OSError):
                made = Helper(self._module, self._memory_bytes)
                ready = made.settle()
                if not ready:
                    made.end()
            with self._lock:
                if ready:
                    self._idle.append(made)
                else:
                    self._alive -= 1

"""Processes in which files of other people are decoded: one repository each, forked ready-made, killed when late.

A *nursery* process loads the libraries once and forks a worker whenever one is wanted, which takes milliseconds where
a fresh interpreter takes half a second. Workers have neither store nor database: bytes that are not on this machine's
disk they ask this process for. What the work is belongs to the module that the nursery runs. What a worker may open is
a list of files (`infra.workergrants`), settled for good before its first task.

=========  ====  ============================================================================
direction  kind  message: 4 bytes length, little-endian, kind, payload
=========  ====  ============================================================================
to it      C     JSON ``{"read": […], "write": […], "answer_bytes": …}``: all that it may ever open, and the largest
                 answer that is taken; once, before the first task
to it      T     a task, JSON
to it      G     the bytes that were needed are there now
to it      X     they cannot be had: why, as text
from it    N     JSON ``[number of the source, [[offset, length], …]]``: bytes that are needed
from it    D     4 bytes length of the facts, the facts as JSON, the body
from it    E     JSON ``{"kind": …, "message": …}``: why there is no answer
=========  ====  ============================================================================
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from openhood.base.errors import HubError, Unavailable
from openhood.infra.workergrants import Grants, Idents, covers, identify

Ranges = Sequence[tuple[int, int]]
"""Offsets and lengths, in bytes."""
Body = bytes | memoryview
"""What a worker made. A large one is a memoryview of a file without a name, which goes with its last user: it is on
this machine's disk and not in this process's memory.
"""
Need = Callable[[int, Ranges], None]
"""Brings ranges of a source onto this machine's disk; raises HubError."""

_LENGTH_BYTES = 4
# A page may have 100 MiB, a statement's result less; besides there are facts about them.
_MAX_ANSWER_BYTES = 104 * 1024**2
_MAX_FACTS_BYTES = 16 * 1024**2
# Several pages of 90 MB at once would be more than this process may hold, and a client may take an hour to read one.
_LARGE_BYTES = 4 * 1024**2
_PIECE_BYTES = 256 * 1024
_GRACE_S = 3.0
_IDLE_S = 300.0
_WAIT_S = 30.0
_START_S = 60.0
_END_S = 5.0
# Secrets of the hub are no business of what reads strangers' files.
_KEPT_VARIABLES = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "TZ")


class WorkerLost(HubError):
    """The process ended before it answered; ``is_late`` tells whether it was killed for the time it took."""

    def __init__(self, *, is_late: bool) -> None:
        super().__init__("The process that read this file ended before it was done.")
        self.is_late = is_late


class WorkerRefused(HubError):
    """A worker says why there is no answer; ``kind`` is the name of the error's class."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True, slots=True)
class Answer:
    """What a worker made: facts, and bytes that belong to them."""

    facts: Mapping[str, object]
    body: Body = b""


@dataclass(frozen=True, slots=True)
class Lane:
    """How many tasks of a kind run at once: short ones must not wait behind long ones."""

    name: str
    at_once: int


@dataclass(slots=True)
class _Process:
    """One worker: its end of the socket, and what names it to the system."""

    key: Hashable
    socket: socket.socket
    pidfd: int | None
    pid: int
    granted: Idents
    is_writer: bool
    used_at: float = field(default_factory=time.monotonic)

    def kill(self) -> None:
        """Stop it at once, whatever it is doing."""
        with suppress(OSError):
            if self.pidfd is not None:
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            else:
                os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Stop it and give back what it holds here."""
        self.kill()
        self.socket.close()
        if self.pidfd is not None:
            if self.is_writer:
                # What it wrote is taken for good once this returns: it must not be able to change it then.
                select.select([self.pidfd], [], [], _END_S)
            os.close(self.pidfd)
            self.pidfd = None


class Workers:
    """Workers that run ``module``, at most ``most`` alive, each for one key until it is idle too long. Thread-safe.

    A worker that may not open what a task needs makes way for one that may. Large answers go into ``directory``
    (None: where the system has temporary files); it is made when it is needed. ``config`` is handed to the module once,
    when the nursery starts.
    """

    def __init__(
        self,
        module: str,
        *,
        lanes: Sequence[Lane],
        most: int,
        config: Mapping[str, object],
        directory: Path | None = None,
    ) -> None:
        self._directory = directory
        self._module = module
        self._config = config
        self._most = most
        self._lanes = {lane.name: threading.BoundedSemaphore(lane.at_once) for lane in lanes}
        self._lock = threading.Condition()
        self._idle: list[_Process] = []
        self._alive = 0
        self._grants = Grants(keys=2 * most)
        self._nursery: _Nursery | None = None
        self._nursery_lock = threading.Lock()

    def warm(self) -> None:
        """Start the nursery, so that the first task need not wait for it. Raises Unavailable."""
        self._started()

    def run(
        self,
        key: Hashable,
        request: Mapping[str, object],
        *,
        reads: Sequence[str],
        writes: str | None = None,
        beside: Callable[[], Sequence[str]] = tuple,
        need: Need,
        lane: str,
        seconds: float,
    ) -> Answer:
        """Let a worker of ``key`` do a task.

        ``reads`` are the paths it may read, ``writes`` a directory of this task's own: then the worker ends with the
        task. ``beside`` tells what the next tasks of this key may want to read; asked only when a worker is made.

        Raises: WorkerRefused, WorkerLost, Unavailable where all are busy, and what ``need`` raises.
        """
        if not self._lanes[lane].acquire(timeout=_WAIT_S):
            raise Unavailable("Too many tables are being read at this moment. Try again in a minute.")
        try:
            with self._borrowed(key, identify(reads), writes, beside) as process:
                return _converse(process, request, need, seconds, self._directory)
        finally:
            self._lanes[lane].release()

    def close(self) -> None:
        """End every worker that is idle, and the nursery, with which the others end."""
        with self._lock:
            idle, self._idle = self._idle, []
            self._alive -= len(idle)
        for process in idle:
            process.close()
        with self._nursery_lock:
            if self._nursery is not None:
                self._nursery.close()
                self._nursery = None

    @contextmanager
    def _borrowed(
        self, key: Hashable, wanted: Idents, writes: str | None, beside: Callable[[], Sequence[str]]
    ) -> Iterator[_Process]:
        process = self._take(key, wanted, writes, beside)
        is_good = False
        try:
            yield process
            is_good = True
        except WorkerRefused:
            is_good = True  # it answered, and is as good as before
            raise
        finally:
            is_good = is_good and not process.is_writer
            with self._lock:
                if is_good:
                    process.used_at = time.monotonic()
                    self._idle.append(process)
                else:
                    self._alive -= 1
                self._lock.notify()
            if not is_good:
                process.close()

    def _take(
        self, key: Hashable, wanted: Idents, writes: str | None, beside: Callable[[], Sequence[str]]
    ) -> _Process:
        """Return an idle worker of a key, else a new one, for which another may have to go."""
        deadline = time.monotonic() + _WAIT_S
        doomed: list[_Process] = []
        found: _Process | None = None
        with self._lock:
            while True:
                if writes is None:
                    found, narrow = self._pick(key, wanted)
                    doomed += narrow
                    if found is not None:
                        break
                doomed += self._stale()
                if self._alive >= self._most and self._idle:
                    doomed.append(self._idle.pop(0))
                    self._alive -= 1
                if self._alive < self._most:
                    self._alive += 1
                    break
                if not self._lock.wait(deadline - time.monotonic()):
                    raise Unavailable("Too many tables are being read at this moment. Try again in a minute.")
        for process in doomed:
            process.close()
        if found is not None:
            return found
        try:
            if writes is None:
                wanted = self._grants.widen(key, wanted, beside())
            return self._started().fork(key, wanted, writes)
        except BaseException:
            with self._lock:
                self._alive -= 1
                self._lock.notify()
            raise

    def _pick(self, key: Hashable, wanted: Idents) -> tuple[_Process | None, list[_Process]]:
        """Take the idle worker of a key that may read all that is wanted; where none may, one that is to go for it."""
        narrow: int | None = None
        for at in range(len(self._idle) - 1, -1, -1):
            if self._idle[at].key == key:
                if covers(self._idle[at].granted, wanted):
                    return self._idle.pop(at), []
                narrow = at
        if narrow is None:
            return None, []
        self._alive -= 1
        return None, [self._idle.pop(narrow)]

    def _stale(self) -> list[_Process]:
        oldest = time.monotonic() - _IDLE_S
        stale = [process for process in self._idle if process.used_at < oldest]
        self._idle = [process for process in self._idle if process.used_at >= oldest]
        self._alive -= len(stale)
        return stale

    def _started(self) -> _Nursery:
        with self._nursery_lock:
            if self._nursery is None or not self._nursery.is_alive:
                self._nursery = _Nursery(self._module, self._config)
            return self._nursery


class _Nursery:
    """The process that forks workers. Its end is theirs."""

    def __init__(self, module: str, config: Mapping[str, object]) -> None:
        self._lock = threading.Lock()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        environment = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        environment |= {
            "OPENBLAS_NUM_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "ARROW_DEFAULT_MEMORY_POOL": "system",
            # Memory of a page is used for the next: to have it given by the kernel anew takes half a millisecond.
            "MALLOC_MMAP_THRESHOLD_": str(32 * 1024**2),
            "MALLOC_TRIM_THRESHOLD_": str(64 * 1024**2),
            "POLARS_MAX_THREADS": str(os.cpu_count() or 1),
            "HOME": "/nonexistent",
        }
        try:
            self._process = subprocess.Popen(
                # -P: the directory that the hub was started in is none of the libraries, which workers may read.
                [sys.executable, "-P", "-m", module, str(theirs.fileno()), orjson.dumps(config).decode()],
                pass_fds=(theirs.fileno(),),
                env=environment,
                stdin=subprocess.DEVNULL,
            )
        except OSError as error:
            ours.close()
            raise Unavailable("The process that reads tables could not be started.") from error
        finally:
            theirs.close()
        threading.Thread(target=self._process.wait, name="nursery-end", daemon=True).start()
        self._socket = ours
        ours.settimeout(_START_S)

    @property
    def is_alive(self) -> bool:
        return self._process.poll() is None

    def fork(self, key: Hashable, granted: Idents, writes: str | None) -> _Process:
        """Return a new worker that may read what is granted, and write below one directory. Raises Unavailable."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            with self._lock, theirs:
                socket.send_fds(self._socket, [b"F"], [theirs.fileno()])
                answer, handles, _flags, _address = socket.recv_fds(self._socket, 8, 1)
        except OSError as error:
            ours.close()
            raise Unavailable("The process that reads tables did not start.") from error
        if len(answer) != 8:
            ours.close()
            self.close()
            raise Unavailable("The process that reads tables did not start.")
        pidfd = handles[0] if handles else None
        process = _Process(key, ours, pidfd, int.from_bytes(answer, "little"), granted, writes is not None)
        may = {
            "read": list(granted),
            "write": [] if writes is None else [writes],
            "answer_bytes": _MAX_ANSWER_BYTES,
        }
        try:
            _send(ours, b"C", orjson.dumps(may))
        except OSError as error:
            process.close()
            raise Unavailable("The process that reads tables did not start.") from error
        return process

    def close(self) -> None:
        with suppress(OSError):
            self._socket.close()
        self._process.kill()
        self._process.wait()


def _converse(
    process: _Process,
    request: Mapping[str, object],
    need: Need,
    seconds: float,
    directory: Path | None,
) -> Answer:
    """Give a worker its task, and the bytes that it asks for, until it answers."""
    deadline = time.monotonic() + seconds + _GRACE_S
    channel = process.socket
    try:
        _send(channel, b"T", orjson.dumps({**request, "seconds": seconds}))
        while True:
            kind, size = _announced(channel, deadline)
            if kind == b"N":
                _bring(channel, _exactly(channel, size, deadline), need)
            elif kind == b"D":
                return _answer(channel, size, deadline, directory)
            else:
                refusal = orjson.loads(_exactly(channel, size, deadline))
                raise WorkerRefused(refusal["kind"], refusal["message"])
    except TimeoutError:
        raise WorkerLost(is_late=True) from None
    except (OSError, EOFError):
        raise WorkerLost(is_late=time.monotonic() > deadline - _GRACE_S) from None


def _bring(channel: socket.socket, payload: bytes, need: Need) -> None:
    number, ranges = orjson.loads(payload)
    try:
        need(number, ranges)
    except HubError as error:
        _send(channel, b"X", error.message.encode())
        raise
    _send(channel, b"G", b"")


def _send(channel: socket.socket, kind: bytes, payload: bytes) -> None:
    channel.settimeout(_START_S)
    channel.sendall((1 + len(payload)).to_bytes(_LENGTH_BYTES, "little") + kind + payload)


def _announced(channel: socket.socket, deadline: float) -> tuple[bytes, int]:
    """Return the kind of the next message, and how many bytes are to follow. What a worker may not send ends it."""
    head = _exactly(channel, _LENGTH_BYTES + 1, deadline)
    kind, size = head[_LENGTH_BYTES:], int.from_bytes(head[:_LENGTH_BYTES], "little") - 1
    most = _MAX_FACTS_BYTES + (_MAX_ANSWER_BYTES if kind == b"D" else 0)
    if not 0 <= size <= most:
        raise EOFError
    return kind, size


def _answer(channel: socket.socket, size: int, deadline: float, directory: Path | None) -> Answer:
    facts_size = int.from_bytes(_exactly(channel, _LENGTH_BYTES, deadline), "little")
    body_size = size - _LENGTH_BYTES - facts_size
    if facts_size > _MAX_FACTS_BYTES or not 0 <= body_size <= _MAX_ANSWER_BYTES:
        raise EOFError
    facts = orjson.loads(_exactly(channel, facts_size, deadline))
    if body_size <= _LARGE_BYTES:
        return Answer(facts, _exactly(channel, body_size, deadline))
    if directory is not None:
        directory.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=directory) as file:
        for start in range(0, body_size, _PIECE_BYTES):
            file.write(_exactly(channel, min(_PIECE_BYTES, body_size - start), deadline))
        file.flush()
        return Answer(facts, memoryview(mmap.mmap(file.fileno(), body_size, access=mmap.ACCESS_READ)))


def _exactly(channel: socket.socket, size: int, deadline: float) -> bytes:
    data = bytearray(size)
    view, filled = memoryview(data), 0
    while filled < size:
        left = deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        channel.settimeout(left)
        count = channel.recv_into(view[filled:])
        if count == 0:
            raise EOFError
        filled += count
    return bytes(data)

"""The nursery and the workers it forks: where tables, pictures and sounds of other people are decoded.

``python -m openhood.engines.tables.process DESCRIPTOR CONFIG`` is the nursery; `infra.workers` starts it and draws
the protocol. A worker is confined before it sees a file (`jail`), is ended by the kernel's clock when a task takes
too long, wherever it is stuck, and dies with the nursery. What a hostile file does to it, it does to nobody else.
"""

from __future__ import annotations

import ctypes
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

from openhood.base.errors import HubError, TableTooLarge, TableUnreadable
from openhood.engines.tables import fulltext, jail
from openhood.engines.tables.ops import find_op, preload
from openhood.engines.tables.task import Reply, Source, Task

_LENGTH_BYTES = 4
_PR_SET_PDEATHSIG = 1
_HARD_GRACE_S = 1.0
_MAX_MESSAGE_CHARS = 600


class _Channel:
    """The worker's end of the socket. Sources may be needed from several threads."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._lock = threading.Lock()

    def receive(self) -> tuple[bytes, bytes]:
        size = int.from_bytes(self._exactly(_LENGTH_BYTES), "little")
        return self._exactly(1), self._exactly(size - 1)

    def send(self, kind: bytes, *parts: bytes) -> None:
        size = 1 + sum(map(len, parts))
        self._socket.sendall(size.to_bytes(_LENGTH_BYTES, "little") + kind)
        for part in parts:
            self._socket.sendall(part)

    def bring(self, number: int, ranges: Sequence[tuple[int, int]]) -> None:
        """Ask for ranges and wait until they are there. Raises OSError."""
        with self._lock:
            self.send(b"N", orjson.dumps([number, [list(each) for each in ranges]]))
            kind, why = self.receive()
        if kind != b"G":
            raise OSError(why.decode("utf-8", "replace"))

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            part = self._socket.recv(min(size - len(data), 1 << 20))
            if not part:
                os._exit(0)  # nobody is left to work for
            data += part
        return bytes(data)


def perform(task: Task) -> Reply:
    """Do a task. Raises HubError with a message for people, whatever the file did to the libraries."""
    try:
        return find_op(task.op)(task)
    except HubError:
        raise
    except MemoryError:
        raise TableUnreadable("Reading this needs more memory than one file may take on this hub.") from None
    except RecursionError:
        raise TableUnreadable("The data is nested too deeply to be read.") from None
    except Exception as error:  # whatever a library says about a file is said to its reader
        raise TableUnreadable(_said(error)) from error


def _said(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[0] if lines else type(error).__name__)[:_MAX_MESSAGE_CHARS]
    # Paths of this machine are nobody's business.
    return "The data could not be read: " + jail.hide_paths(text)


def _serve(channel: _Channel, config: dict[str, Any]) -> None:
    kind, payload = channel.receive()
    if kind != b"C":
        os._exit(1)
    may = orjson.loads(payload)
    read = [str(path) for path in may["read"]]
    # A directory that may be read is an index of words, which is locked to be opened.
    locks = [f"{path}/{fulltext.LOCK}" for path in read if os.path.isdir(path)]
    jail.confine(config, read=read, write=may["write"], locks=locks)
    while True:
        kind, payload = channel.receive()
        if kind != b"T":
            os._exit(1)
        request = orjson.loads(payload)
        seconds = float(request["seconds"])
        # The default action of this signal ends the process, in whatever library it is.
        signal.setitimer(signal.ITIMER_REAL, seconds + _HARD_GRACE_S)
        try:
            reply = perform(_task(channel, request, seconds))
            if len(reply.body) > may["answer_bytes"]:
                raise TableTooLarge(
                    f"The answer is larger than {may['answer_bytes'] // 1024**2} MiB, which is the most of one. Ask "
                    "for fewer rows or columns."
                )
            facts = orjson.dumps(reply.facts, option=orjson.OPT_NON_STR_KEYS)
        except HubError as error:
            refusal = {"kind": type(error).__name__, "message": error.message}
            signal.setitimer(signal.ITIMER_REAL, 0)
            channel.send(b"E", orjson.dumps(refusal))
            continue
        signal.setitimer(signal.ITIMER_REAL, 0)
        channel.send(b"D", len(facts).to_bytes(_LENGTH_BYTES, "little"), facts, reply.body)


def _task(channel: _Channel, request: dict[str, Any], seconds: float) -> Task:
    def source(number: int, said: dict[str, Any]) -> Source:
        def bring(ranges: Sequence[tuple[int, int]]) -> None:
            channel.bring(number, ranges)

        return Source(said["name"], said["key"], said["size"], said["path"], said["whole"], bring)

    sources = [source(number, said) for number, said in enumerate(request["sources"])]
    out = None if request.get("out") is None else Path(request["out"])
    return Task(request["op"], request["params"], sources, out, seconds)


def _nursery(control: socket.socket, config: dict[str, Any]) -> None:
    preload()
    # A collection would look at all that is loaded, and by that copy its memory, in each child anew.
    gc.collect()
    gc.freeze()
    # Children that ended are not kept in the system's table for anybody to ask about.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        try:
            message, handles, _flags, _address = socket.recv_fds(control, 1, 1)
        except OSError:
            return
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            _become_worker(control, socket.socket(fileno=handles[0]), config)
        os.close(handles[0])
        _report(control, pid)


def _report(control: socket.socket, pid: int) -> None:
    """Tell the hub of a child, by a handle that never means another process."""
    handle: int | None = None
    with suppress(OSError, AttributeError):
        handle = os.pidfd_open(pid)
    name = pid.to_bytes(8, "little")
    if handle is None:
        control.sendall(name)
        return
    socket.send_fds(control, [name], [handle])
    os.close(handle)


def _become_worker(control: socket.socket, connected: socket.socket, config: dict[str, Any]) -> None:
    code = 1
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        control.close()
        _serve(_Channel(connected), config)
        code = 0
    finally:
        # Never back into the nursery's loop.
        os._exit(code)


if __name__ == "__main__":
    # Whoever stops the hub stops this by closing its socket.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _nursery(socket.socket(fileno=int(sys.argv[1])), orjson.loads(sys.argv[2]))

"""Bytes sent to a hub as no well-behaved client sends them, over a plain socket."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from types import TracebackType
from urllib.parse import urlsplit


class Wire:
    """One connection to a hub."""

    def __init__(self, url: str, *, timeout_s: float = 20) -> None:
        self._host = urlsplit(url).netloc
        host, _, port = self._host.partition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=timeout_s)

    def send(self, data: bytes) -> None:
        """Send bytes as they are. Raises OSError when the hub has closed."""
        self._socket.sendall(data)

    def ask(self, line: str, *headers: str, body: bytes = b"") -> None:
        """Send a request: its first line without the version, and headers after ``Host``."""
        head = "\r\n".join((f"{line} HTTP/1.1", f"Host: {self._host}", *headers, "", ""))
        self.send(head.encode("latin-1") + body)

    def read(self, *, until: bytes | None = None) -> bytes:
        """Return what comes until the hub closes, or until ``until`` has come."""
        got = b""
        with contextlib.suppress(ConnectionResetError):
            while until is None or until not in got:
                data = self._socket.recv(65536)
                if not data:
                    break
                got += data
        return got

    def status(self) -> int:
        """Return the status of the next answer; 0 where the hub closed without one."""
        got = self.read(until=b"\r\n")
        return int(got.split()[1]) if got else 0

    def close(self) -> None:
        """Hang up."""
        self._socket.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def memory_bytes(pid: int, *, peak: bool = False) -> int:
    """Return the memory that a process holds now, or the most it held, of its own and of files it maps."""
    name = "VmHWM" if peak else "VmRSS"
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name))

"""Moving many bytes with as little work of our own as a client can have: plain sockets and one buffer."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

BLOCK_BYTES = 1024 * 1024
_BLOCK = os.urandom(BLOCK_BYTES)


class Content:
    """Bytes that differ per ``seed`` and cost nothing to make: one random block, told apart at its start."""

    def __init__(self, seed: int, mib: int) -> None:
        self.size_bytes = mib * BLOCK_BYTES
        self._mib = mib
        self._seed = seed
        digest = hashlib.sha256()
        for block in self:
            digest.update(block)
        self.sha256 = digest.hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        yield (b"%032d" % self._seed) + _BLOCK[32:]
        for _ in range(self._mib - 1):
            yield _BLOCK


class Bytes(Content):
    """Bytes that are there already."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.size_bytes = len(data)
        self.sha256 = hashlib.sha256(data).hexdigest()

    def __iter__(self) -> Iterator[bytes]:
        for start in range(0, len(self._data), BLOCK_BYTES):
            yield self._data[start : start + BLOCK_BYTES]


def get(
    address: tuple[str, int],
    path: str,
    *,
    headers: Mapping[str, str] | None = None,
    status: int = 200,
) -> int:
    """Fetch a path, drop the body, and return how many bytes it had; it must be complete."""
    with socket.create_connection(address, timeout=120) as link:
        lines = [f"GET {path} HTTP/1.1", f"Host: {address[0]}:{address[1]}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        head, rest = _read_head(link)
        if not head.startswith(f"HTTP/1.1 {status} "):
            raise RuntimeError(f"GET {path}: {head.splitlines()[0]}")
        announced = next(
            int(line.partition(":")[2])
            for line in head.splitlines()
            if line.lower().startswith("content-length:")
        )
        buffer = bytearray(BLOCK_BYTES)
        received = len(rest)
        while got := link.recv_into(buffer):
            received += got
    if received != announced:
        raise RuntimeError(f"GET {path}: {received} bytes of {announced}")
    return received


def get_ranges(
    address: tuple[str, int],
    path: str,
    *,
    size_bytes: int,
    count: int,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Fetch a file in ``count`` ranges over as many connections at once."""
    step = size_bytes // count
    failures: list[Exception] = []

    def fetch(start: int) -> None:
        asked = {**(headers or {}), "Range": f"bytes={start}-{start + step - 1}"}
        try:
            get(address, path, headers=asked, status=206)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch, args=(number * step,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def put(url: str, content: Content) -> None:
    """Send a body in one stream; the answer must be 200."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    with socket.create_connection((parts.hostname, parts.port), timeout=300) as link:
        lines = (
            f"PUT {parts.path}?{parts.query} HTTP/1.1",
            f"Host: {parts.netloc}",
            f"Content-Length: {content.size_bytes}",
            "Content-Type: application/octet-stream",
        )
        link.sendall(("\r\n".join(lines) + "\r\n\r\n").encode())
        for block in content:
            link.sendall(block)
        head, _ = _read_head(link)
    if not head.startswith("HTTP/1.1 200 "):
        raise RuntimeError(f"PUT {parts.path}: {head.splitlines()[0]}")


def _read_head(link: socket.socket) -> tuple[str, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        more = link.recv(65536)
        if not more:
            raise RuntimeError("the server closed the connection before its answer")
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    return head.decode("latin-1"), rest

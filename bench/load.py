"""A load generator: as many requests as come back over a few connections, from a process of its own.

The usual ones cannot send HEAD over kept connections: they wait for the body that ``Content-Length`` tells of.
Run as a program it reads a job from standard input and writes what it found as JSON.
"""

from __future__ import annotations

import json
import re
import select
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)


@dataclass(frozen=True)
class Load:
    """What came back: requests a second, and the latency that 95 of 100 stay under."""

    per_s: float
    p95_ms: float


def generate(
    url: str, *, method: str, connections: int, duration_s: float, headers: Mapping[str, str] | None = None
) -> Load:
    """Send requests for a while; raises unless every answer is a 2xx."""
    job = {
        "url": url,
        "method": method,
        "connections": connections,
        "duration_s": duration_s,
        "headers": dict(headers or {}),
    }
    done = subprocess.run(
        [sys.executable, "-I", str(Path(__file__))],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{method} {url}: {done.stderr[-2000:]}")
    return Load(**json.loads(done.stdout))


def _run(job: Mapping[str, Any]) -> Load:  # Any: parsed JSON
    parts = urlsplit(job["url"])
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"{job['method']} {target} HTTP/1.1", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in job["headers"].items()]
    request = ("\r\n".join(lines) + "\r\n\r\n").encode()
    poll = select.epoll()
    links: dict[int, socket.socket] = {}
    sent_at: dict[int, float] = {}
    pending: dict[int, bytes] = {}
    for _ in range(job["connections"]):
        link = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        links[link.fileno()] = link
        poll.register(link, select.EPOLLIN)
    begun = time.perf_counter()
    for number, link in links.items():
        sent_at[number] = time.perf_counter()
        pending[number] = b""
        link.sendall(request)
    latencies: list[float] = []
    ends_at = begun + job["duration_s"]
    while (now := time.perf_counter()) < ends_at:
        for number, _events in poll.poll(0.2):
            link = links[number]
            data = pending[number] + link.recv(1 << 18)
            if not _is_complete(data, has_body=job["method"] != "HEAD"):
                if data == pending[number]:
                    raise SystemExit("the server closed a connection")
                pending[number] = data
                continue
            now = time.perf_counter()
            latencies.append(now - sent_at[number])
            pending[number] = b""
            sent_at[number] = now
            link.sendall(request)
    latencies.sort()
    return Load(len(latencies) / (now - begun), 1000 * latencies[int(len(latencies) * 0.95)])


def _is_complete(data: bytes, *, has_body: bool) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    if not data.startswith(b"HTTP/1.1 2"):
        raise SystemExit(f"answered {data[:300]!r}")
    if not has_body:
        return True
    found = _LENGTH.search(data, 0, end + 2)
    return found is not None and len(data) >= end + 4 + int(found[1])


if __name__ == "__main__":
    result = _run(json.load(sys.stdin))
    json.dump({"per_s": result.per_s, "p95_ms": result.p95_ms}, sys.stdout)

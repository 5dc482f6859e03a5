"""Somebody who sends many xorbs at once, and a server that receives them and does nothing else.

Run as a program it reads a job from standard input, sends it, and writes how long that took as JSON.
"""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

_DISCARD = """\
import sys
import uvicorn
from starlette.requests import Request
from starlette.responses import Response
from openhood.http import bodies
from openhood.http.connections import BoundedConnection
from openhood.http.context import Call

async def app(scope, receive, send):
    call = Call(Request(scope, receive, send), None, {}, None)
    async for _batch in bodies.batches(call, limit_bytes=1 << 40, batch_bytes=lambda: 2 * 1024 * 1024):
        pass
    await Response(b"{}")(scope, receive, send)

uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), http=BoundedConnection, ws="none", lifespan="off",
            access_log=False, log_level="warning")
"""


@dataclass(frozen=True)
class BuiltXorb:
    """A xorb in a file, as a client sends it: without a footer."""

    name: str
    path: str
    stored_bytes: int
    raw_bytes: int


@dataclass(frozen=True)
class Sent:
    """How long it took to send some xorbs, and each of them."""

    total_s: float
    each_s: list[float]


def send(cas_url: str, token: str, made: Sequence[BuiltXorb], *, parallel: int) -> Sent:
    """Send xorbs over ``parallel`` kept connections, from a process of its own; raises unless all are taken."""
    job = {"cas_url": cas_url, "token": token, "parallel": parallel, "xorbs": [asdict(each) for each in made]}
    done = subprocess.run(
        [sys.executable, "-I", str(Path(__file__))],
        input=json.dumps(job),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{cas_url}: {done.stderr[-2000:]}")
    return Sent(**json.loads(done.stdout))


@contextmanager
def discard(directory: Path) -> Iterator[str]:
    """Run the hub's own server with nothing behind it that does more than receive; yields where to send to."""
    from openhood.testing.processes import Program, Supervised, clean_environment, find_free_port

    directory.mkdir(parents=True, exist_ok=True)
    port = find_free_port()
    program = Program(
        command=[sys.executable, "-c", _DISCARD, str(port)],
        cwd=directory,
        log=directory / "discard.log",
        env=clean_environment(),
        stop_signal=signal.SIGTERM,
    )
    running = Supervised([program])
    try:
        running.wait_for_port(port, timeout_s=20)
        yield f"http://127.0.0.1:{port}/cas/none"
    finally:
        running.stop()


def _run(job: dict[str, Any]) -> Sent:  # Any: parsed JSON
    address = urlsplit(job["cas_url"])
    waiting: SimpleQueue[dict[str, Any]] = SimpleQueue()
    for each in job["xorbs"]:
        waiting.put(each)
    taken: list[float] = []
    failures: list[str] = []

    def work() -> None:
        try:
            with socket.create_connection((address.hostname or "", address.port or 80), timeout=120) as link:
                link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while not failures:
                    each = waiting.get_nowait()
                    taken.append(_post(link, address.path, address.netloc, job["token"], each))
        except Empty:
            return
        except Exception as error:  # told by the main thread
            failures.append(repr(error))

    threads = [threading.Thread(target=work) for _ in range(job["parallel"])]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total_s = time.perf_counter() - begun
    if failures:
        raise SystemExit(failures[0])
    return Sent(total_s, taken)


def _post(link: socket.socket, path: str, host: str, token: str, made: dict[str, Any]) -> float:
    head = (
        f"POST {path}/v1/xorbs/default/{made['name']} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n"
        f"Content-Length: {made['stored_bytes']}\r\n\r\n"
    )
    begun = time.perf_counter()
    link.sendall(head.encode())
    with Path(made["path"]).open("rb", buffering=0) as file:
        link.sendfile(file)
    answer = b""
    while b"\r\n\r\n" not in answer or not answer.endswith(b"}"):
        data = link.recv(65536)
        if not data:
            raise ConnectionError(f"closed after {answer!r}")
        answer += data
    if not answer.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"answered {answer!r}")
    return time.perf_counter() - begun


if __name__ == "__main__":
    json.dump(asdict(_run(json.load(sys.stdin))), sys.stdout)

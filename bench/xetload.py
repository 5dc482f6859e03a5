"""Xorbs to send, somebody who sends many at once, and what taking one costs when its parts are done alone.

Run as a program it reads a job from standard input, sends it, and writes how long that took as JSON.
"""

from __future__ import annotations

import json
import os
import random
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

KINDS = ("random", "json", "bf16", "fp32")
"""What the files are made of: stored as they are, LZ4, and twice grouped by four."""

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


def build(directory: Path, kind: str, number: int, *, raw_mib: int = 63) -> BuiltXorb:
    """Make a xorb of content that no other number has, of chunks about as long as a client's."""
    from openhood.engines.xet.hashing import chunk_digest, to_text
    from openhood.engines.xet.xorb import XorbBuilder

    dice = random.Random(f"{kind} {number}")
    content = memoryview(make_content(kind, dice.randrange(1 << 32), raw_mib * 1024 * 1024))
    builder = XorbBuilder()
    at = 0
    while at < len(content):
        chunk = content[at : at + min(131_072, 8192 + int(dice.expovariate(1 / 57_344)))]
        if not builder.add(chunk, chunk_digest(chunk)):
            break
        at += len(chunk)
    body, index = builder.finish()
    path = directory / f"{kind}-{number}.xorb"
    path.write_bytes(body)
    return BuiltXorb(to_text(index.digest), str(path), len(body), index.raw_bytes)


def make_content(kind: str, seed: int, size_bytes: int) -> bytes:
    """Return bytes that compress as such files do: not at all, lines of JSON, or weights."""
    import numpy

    dice = numpy.random.default_rng(seed)
    if kind == "random":
        return dice.bytes(size_bytes)
    if kind == "json":
        words = [f"word{number:04x}" for number in range(4096)]
        lines: list[str] = []
        length = 0
        while length < size_bytes:
            picked = dice.integers(0, len(words), (2000, 12))
            for row in picked:
                text = " ".join(words[each] for each in row)
                lines.append(f'{{"id": {len(lines)}, "text": "{text}", "score": {int(row[0])}}}\n')
                length += len(lines[-1])
        return "".join(lines).encode()[:size_bytes]
    weights = dice.normal(0, 0.02, size_bytes // 2 if kind == "bf16" else size_bytes // 4).astype(
        numpy.float32
    )
    if kind == "fp32":
        return weights.tobytes()
    return (weights.view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()


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


def verify_alone(made: BuiltXorb) -> float:
    """Return the seconds that decoding and hashing take, with the body in memory and written nowhere."""
    from openhood.engines.xet.compression import decode
    from openhood.engines.xet.hashing import chunk_digest
    from openhood.engines.xet.xorb import split_chunks

    body = memoryview(Path(made.path).read_bytes())
    begun = time.perf_counter()
    for scheme, stored, raw_bytes in split_chunks(body):
        chunk_digest(decode(scheme, stored, raw_bytes))
    return time.perf_counter() - begun


def write_alone(made: BuiltXorb, path: Path) -> float:
    """Return the seconds that writing and syncing take, with the body in memory."""
    body = memoryview(Path(made.path).read_bytes())
    begun = time.perf_counter()
    with path.open("wb", buffering=0) as file:
        for start in range(0, len(body), 2 * 1024 * 1024):
            file.write(body[start : start + 2 * 1024 * 1024])
        os.fsync(file.fileno())
    taken_s = time.perf_counter() - begun
    path.unlink()
    return taken_s


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

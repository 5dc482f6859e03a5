"""A small server on this machine that keeps what it is sent and answers as a test tells it to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request: header names in lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:  # Any: whatever was sent
        """The body's JSON."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """What to answer, and how long to wait before that, in seconds."""

    status: int = 200
    body: bytes = b"ok"
    headers: Mapping[str, str] = field(default_factory=dict)
    wait_s: float = 0.0


Answering = Callable[[Received], Reply]


class Receiver:
    """The server's address, and what came so far. ``answering`` may be set anew at any time."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.received: list[Received] = []
        self.answering: Answering = lambda request: Reply()
        self.most_at_once = 0
        self._now = 0
        self._lock = threading.Condition()

    @property
    def url(self) -> str:
        """The server's address, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    def answer_with(self, *statuses: int) -> None:
        """Answer the next requests with these statuses, the last of them for ever."""
        left = list(statuses)
        self.answering = lambda request: Reply(left.pop(0) if len(left) > 1 else left[0])

    def wait_for(self, count: int, *, within_s: float = 60.0) -> list[Received]:
        """Return what came once it is at least ``count`` requests. Raises TimeoutError."""
        with self._lock:
            if not self._lock.wait_for(lambda: len(self.received) >= count, within_s):
                raise TimeoutError(f"{len(self.received)} of {count} requests came.")
            return list(self.received)

    def take(self, request: Received) -> Reply:
        """Keep a request and say what to answer."""
        with self._lock:
            self.received.append(request)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
            self._lock.notify_all()
        try:
            reply = self.answering(request)
            time.sleep(reply.wait_s)
        finally:
            with self._lock:
                self._now -= 1
        return reply


@contextmanager
def start_receiver(port: int = 0) -> Iterator[Receiver]:
    """Run a receiver on 127.0.0.1 (port 0: a free one) until the block ends."""
    holder: list[Receiver] = []

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            size = int(self.headers.get("content-length") or 0)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = holder[0].take(Received(self.command, self.path, headers, self.rfile.read(size)))
            try:
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)
            except OSError:  # the caller had no patience left
                self.close_connection = True

        do_GET = do_POST = handle_any

        def log_message(self, format: str, *args: object) -> None:
            """Write nothing: tests look at what was received."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def server_bind(self) -> None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            super().server_bind()

    server = Server(("127.0.0.1", port), Handler)
    holder.append(Receiver(server.server_address[1]))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield holder[0]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

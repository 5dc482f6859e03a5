"""Clients that say nothing for too long lose their connection; those that are only slow keep it."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from openhood.http.connections import BoundedConnection

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n"


class Impatient(BoundedConnection):
    """The same with shorter bounds."""

    idle_s = 0.6
    body_idle_s = 0.6
    look_every_s = 0.1


async def _app(scope: Scope, receive: Receive, send: Send) -> None:
    """Read the body, after a while where ``/late`` is asked for, and answer with its length."""
    if scope["path"] == "/late":
        await asyncio.sleep(1.2)
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"%02d" % size})


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(_app, http=Impatient, lifespan="off", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    yield listener.getsockname()[1]
    server.should_exit = True
    thread.join(10)


def _talk(port: int, *pieces: bytes, pause_s: float) -> tuple[bytes, float]:
    """Send pieces with a pause after each; returns what came until the hub hung up, and how long that took."""
    started = time.monotonic()
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        got = b""
        try:
            for piece in pieces:
                connection.sendall(piece)
                time.sleep(pause_s)
            while data := connection.recv(4096):
                got += data
        except (BrokenPipeError, ConnectionResetError):
            pass
    return got, time.monotonic() - started


@pytest.mark.parametrize(
    "pieces",
    [
        (),
        (b"GET / HT",),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: y",),
        (b"\r\n",) * 30,
        (b"GET / HTTP/1.1\r\n", *(b"X: y\r\n",) * 30),
        (GET + b"GET /again",),
        (POST + b"\r\n12345",),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n123",),
    ],
)
def test_a_silent_or_crawling_client_is_left(port: int, pieces: tuple[bytes, ...]) -> None:
    got, took_s = _talk(port, *pieces, pause_s=0.1)

    assert 0.5 < took_s < 3
    assert got.count(b"HTTP/1.1 200") == (1 if pieces and pieces[0].startswith(GET) else 0)


def test_a_slow_body_is_waited_for(port: int) -> None:
    got, _ = _talk(port, POST + b"\r\n", *(b"%d" % digit for digit in range(10)), pause_s=0.25)
    assert got.startswith(b"HTTP/1.1 200")
    assert got.endswith(b"10")


def test_a_client_that_waits_for_us_is_waited_for(port: int) -> None:
    late = b"POST /late HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(late)
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        connection.sendall(b"12")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")


def test_several_requests_on_one_connection(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        for _ in range(5):
            connection.sendall(GET)
            assert connection.recv(4096).endswith(b"00")
            time.sleep(0.3)


def test_a_head_has_bounds(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nX: ")
        got = b""
        try:
            for _ in range(100):
                connection.sendall(b"x" * 10_000)
                time.sleep(0.001)
            got = connection.recv(4096)
        except ConnectionError:
            pass
    assert got == b"" or got.startswith(b"HTTP/1.1 431 ")

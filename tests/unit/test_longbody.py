"""Bodies received past the parser: whole, in order, and with nothing of the requests around them."""

from __future__ import annotations

import asyncio
import hashlib
import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from openhood.http import longbody
from openhood.http.connections import BoundedConnection

DATA = random.Random(1).randbytes(3_000_000)
GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


class Impatient(BoundedConnection):
    """The same with a shorter bound."""

    body_idle_s = 0.6
    look_every_s = 0.1


class App:
    """Reads bodies in buffers of 100,000 bytes and answers with their hash; ``/early`` does not wait for the end."""

    def __init__(self) -> None:
        self.ended: list[str] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body = longbody.find(scope)
        if body is None:
            await self._answer(send, b"no long body")
            return
        digest, memory, wanted = hashlib.sha256(), bytearray(100_000), 1 << 40
        if scope["path"].startswith("/early"):
            wanted = int(scope["path"].removeprefix("/early"))
        if scope["path"] == "/late":
            await asyncio.sleep(1.0)
        try:
            while wanted > 0:
                count = await body.read_into(memoryview(memory))
                digest.update(memory[:count])
                wanted -= count
                if scope["path"] == "/slow":
                    await asyncio.sleep(0.005)
                if count < len(memory):
                    break
        except ClientDisconnect:
            self.ended.append("disconnect")
            return
        await self._answer(send, digest.hexdigest().encode())

    @staticmethod
    async def _answer(send: Send, text: bytes) -> None:
        head = [(b"content-length", b"%d" % len(text))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": text})


class Running:
    """The app on a port."""

    def __init__(self, loop: str) -> None:
        self.app = App()
        listener = socket.create_server(("127.0.0.1", 0))
        config = uvicorn.Config(
            self.app, http=Impatient, loop=loop, lifespan="off", log_config=None, access_log=False
        )
        self.server = uvicorn.Server(config)
        self.thread = threading.Thread(target=self.server.run, kwargs={"sockets": [listener]}, daemon=True)
        self.thread.start()
        self.port = listener.getsockname()[1]

    def connect(self) -> socket.socket:
        """Open a connection."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def expect_disconnect(self, before: int) -> None:
        """Wait until the app was told of one more client that hung up than ``before``."""
        deadline = time.monotonic() + 5
        while len(self.app.ended) == before and time.monotonic() < deadline:
            time.sleep(0.02)
        assert self.app.ended[before:] == ["disconnect"]


@pytest.fixture(scope="module", params=["uvloop", "asyncio"])
def running(request: pytest.FixtureRequest) -> Iterator[Running]:
    made = Running(request.param)
    yield made
    made.server.should_exit = True
    made.thread.join(10)


def _post(data: bytes, path: str = "/", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def _read_answer(link: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got:
        got += link.recv(1) or pytest.fail(f"closed after {got!r}")
    head, _, body = got.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 "), head
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += link.recv(length - len(body)) or pytest.fail("closed")
    return body


def _hash(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


@pytest.mark.parametrize("size", [0, 1, 99_999, 100_000, 100_001, 300_000, 3_000_000])
def test_a_body_arrives_whole(running: Running, size: int) -> None:
    with running.connect() as link:
        link.sendall(_post(DATA[:size]))
        assert _read_answer(link) == _hash(DATA[:size])


def test_a_slow_reader_gets_all_of_it(running: Running) -> None:
    with running.connect() as link:
        link.sendall(_post(DATA, "/slow"))
        assert _read_answer(link) == _hash(DATA)


def test_a_body_in_pieces(running: Running) -> None:
    with running.connect() as link:
        whole = _post(DATA[:250_000])
        for start in range(0, len(whole), 25_000):
            link.sendall(whole[start : start + 25_000])
            time.sleep(0.01)
        assert _read_answer(link) == _hash(DATA[:250_000])


def test_requests_follow_each_other(running: Running) -> None:
    with running.connect() as link:
        for size in (2_000_000, 0, 150_000, 3_000_000):
            link.sendall(_post(DATA[:size]))
            assert _read_answer(link) == _hash(DATA[:size])
        link.sendall(GET)
        assert _read_answer(link) == b"no long body"


def test_requests_that_do_not_wait_for_each_other(running: Running) -> None:
    sizes = (1_000_000, 5, 700_000, 0, 300_000)
    with running.connect() as link:
        everything = b"".join(_post(DATA[:size], "/slow") for size in sizes) + GET
        sender = threading.Thread(target=link.sendall, args=(everything,))
        sender.start()
        for size in sizes:
            assert _read_answer(link) == _hash(DATA[:size])
        assert _read_answer(link) == b"no long body"
        sender.join()


@pytest.mark.parametrize("wanted", [0, 50_000, 1_000_000])
def test_what_is_left_after_an_early_answer_is_thrown_away(running: Running, wanted: int) -> None:
    with running.connect() as link:
        sender = threading.Thread(target=link.sendall, args=(_post(DATA, f"/early{wanted}"),))
        sender.start()
        count = -(-wanted // 100_000) * 100_000
        assert _read_answer(link) == _hash(DATA[:count])
        sender.join()
        link.sendall(_post(DATA[:123_456]))
        assert _read_answer(link) == _hash(DATA[:123_456])


def test_leave_to_send_is_given(running: Running) -> None:
    with running.connect() as link:
        head, _, body = _post(DATA, "/", "Expect: 100-continue").partition(b"\r\n\r\n")
        link.sendall(head + b"\r\n\r\n")
        assert link.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        link.sendall(body)
        assert _read_answer(link) == _hash(DATA)


def test_a_body_in_chunks_is_not_for_this(running: Running) -> None:
    with running.connect() as link:
        link.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        assert _read_answer(link) == b"no long body"


def test_an_upgrade_is_not_for_this(running: Running) -> None:
    with running.connect() as link:
        link.sendall(_post(b"abc", "/", "Connection: Upgrade", "Upgrade: other"))
        assert _read_answer(link) == b"no long body"


@pytest.mark.parametrize("sent", [10, 150_000, 2_000_000])
def test_hanging_up_within_a_body_is_told(running: Running, sent: int) -> None:
    before = len(running.app.ended)
    with running.connect() as link:
        link.sendall(_post(DATA)[: sent + 60])
        time.sleep(0.1)
    running.expect_disconnect(before)


def test_hanging_up_before_anybody_reads_is_told(running: Running) -> None:
    before = len(running.app.ended)
    with running.connect() as link:
        link.sendall(_post(DATA, "/late")[:1_000_000])
        time.sleep(0.1)
    running.expect_disconnect(before)


def test_saying_nothing_within_a_body_ends_the_connection(running: Running) -> None:
    before = len(running.app.ended)
    with running.connect() as link:
        link.sendall(_post(DATA)[:1_000_000])
        assert link.recv(1) == b""
    running.expect_disconnect(before)


def test_a_reader_that_takes_its_time_is_waited_for(running: Running) -> None:
    with running.connect() as link:
        link.sendall(_post(DATA, "/late"))
        assert _read_answer(link) == _hash(DATA)

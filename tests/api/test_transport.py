"""The in-process transport behaves like a server: raw paths, streams both ways, no lies about lengths."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from openhood.testing.transport import AppTransport, BrokenAnswer, LoopThread


@pytest.fixture
def loop() -> Iterator[LoopThread]:
    thread = LoopThread()
    yield thread
    thread.stop()


def client_of(app: ASGIApp, loop: LoopThread) -> httpx.Client:
    return httpx.Client(transport=AppTransport(app, loop.loop), base_url="http://hub.test")


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    target = scope["raw_path"] + b"?" + scope["query_string"] + b"\n"
    await send({"type": "http.response.body", "body": target, "more_body": True})
    async for chunk in Request(scope, receive).stream():
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def test_the_raw_path_arrives_byte_for_byte(loop: LoopThread) -> None:
    client = client_of(echo, loop)
    assert client.get("/a%2Fb/c%20d?x=%2F").content == b"/a%2Fb/c%20d?x=%2F\n"
    assert client.get("/", extensions={"target": b"/a/../%2e%2e//b"}).content == b"/a/../%2e%2e//b?\n"


def test_bodies_stream_both_ways(loop: LoopThread) -> None:
    seen = threading.Event()

    def chunks() -> Iterator[bytes]:
        yield b"first"
        assert seen.wait(10), "the answer's first bytes came before the request's last"
        yield b"second"

    with client_of(echo, loop).stream("POST", "/", content=chunks()) as answer:
        received = b""
        for part in answer.iter_raw():
            received += part
            if b"first" in received:
                seen.set()
    assert received == b"/?\nfirstsecond"


def test_hanging_up_ends_the_application(loop: LoopThread) -> None:
    ended = threading.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        async def body() -> object:
            while True:
                yield b"x" * 1000

        await StreamingResponse(body())(scope, receive, send)  # type: ignore[arg-type]
        ended.set()

    with client_of(endless, loop).stream("GET", "/") as answer:
        next(answer.iter_raw())
    assert ended.wait(10)


def test_head_has_no_body_and_lengths_are_checked(loop: LoopThread) -> None:
    client = client_of(Response(b"12345"), loop)
    head = client.head("/")
    assert (head.content, head.headers["Content-Length"]) == (b"", "5")
    for length in ("4", "6"):
        with pytest.raises(BrokenAnswer):
            client_of(Response(b"12345", headers={"Content-Length": length}), loop).get("/")


def test_what_the_application_raises_reaches_the_test(loop: LoopThread) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        client_of(broken, loop).get("/")

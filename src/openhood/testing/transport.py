"""An httpx transport that runs an ASGI application on an event loop of its own thread.

Tests stay plain functions, bodies stream both ways, and the raw path reaches the application byte for byte. The
rules a server enforces (no body for HEAD, as many bytes as Content-Length says) are enforced here too.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Iterator, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

import httpx
from starlette.types import ASGIApp

Message = MutableMapping[str, Any]

_WAIT_S = 120.0
_UNREAD_MESSAGES = 16


class BrokenAnswer(AssertionError):
    """The application broke the protocol: a real server would have torn the connection down."""


class LoopThread:
    """An event loop that runs in a thread until `stop`."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="hub-under-test", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    def stop(self) -> None:
        """Cancel what still runs and end the thread."""
        asyncio.run_coroutine_threadsafe(self._cancel(), self.loop).result(_WAIT_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(_WAIT_S)
        self.loop.close()

    @staticmethod
    async def _cancel() -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.get_running_loop().shutdown_default_executor()


class Lifespan:
    """Starts an application's lifespan and ends it."""

    def __init__(self, app: ASGIApp, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._to_app: asyncio.Queue[Message] = asyncio.Queue()
        self._from_app: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._done = asyncio.run_coroutine_threadsafe(self._run(app), loop)
        self._say("startup")

    async def _run(self, app: ASGIApp) -> None:
        async def send(message: Message) -> None:
            self._from_app.put(message)

        await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, self._to_app.get, send)

    def _say(self, event: str) -> None:
        self._loop.call_soon_threadsafe(self._to_app.put_nowait, {"type": f"lifespan.{event}"})
        answer = self._from_app.get(timeout=_WAIT_S)
        assert answer["type"] == f"lifespan.{event}.complete", answer

    def stop(self) -> None:
        """Shut the application down and wait for it."""
        self._say("shutdown")
        self._done.result(_WAIT_S)


class AppTransport(httpx.BaseTransport):
    """Sends requests to an ASGI application.

    ``extensions={"target": b"/raw/%2e%2e/path?query"}`` sends that very target, which httpx would normalise.
    """

    def __init__(
        self,
        app: ASGIApp,
        loop: asyncio.AbstractEventLoop,
        *,
        address: tuple[str, int] = ("127.0.0.1", 50000),
    ) -> None:
        self._app = app
        self._loop = loop
        self._address = address

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Run the application until its answer starts; the body follows as it is read."""
        exchange = _Exchange(request, self._loop)
        task = asyncio.run_coroutine_threadsafe(
            exchange.run(self._app, _scope(request, self._address)), self._loop
        )
        task.add_done_callback(lambda _task: exchange.answer.put(None))
        start = exchange.answer.get(timeout=_WAIT_S)
        if start is None:
            task.result(0)  # raises what the application raised
            raise BrokenAnswer(f"{request.method} {request.url}: the application answered nothing.")
        return httpx.Response(
            start["status"],
            headers=list(start.get("headers", [])),
            stream=_AnswerStream(exchange, task, request, start),
            extensions={"http_version": b"HTTP/1.1"},
        )


def _scope(request: httpx.Request, address: tuple[str, int]) -> dict[str, Any]:
    target: bytes = request.extensions.get("target", request.url.raw_path)
    raw_path, _, query = target.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": request.method,
        "scheme": request.url.scheme,
        "path": unquote_to_bytes(raw_path).decode("utf-8", "replace"),
        "raw_path": raw_path,
        "query_string": query,
        "root_path": "",
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "client": address,
        "server": (request.url.host, request.url.port or 80),
        "state": {},
    }


class _Exchange:
    """One request and its answer, between the caller's thread and the loop's."""

    def __init__(self, request: httpx.Request, loop: asyncio.AbstractEventLoop) -> None:
        self.answer: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._loop = loop
        self._chunks: Iterator[bytes] | None = iter(request.stream)  # type: ignore[arg-type]  # a sync client's
        self._gone = asyncio.Event()

    async def run(self, app: ASGIApp, scope: dict[str, Any]) -> None:
        """Call the application."""
        await app(scope, self._receive, self._send)

    async def _receive(self) -> Message:
        if self._chunks is None or self._gone.is_set():
            await self._gone.wait()
            return {"type": "http.disconnect"}
        try:
            chunk = await self._loop.run_in_executor(None, next, self._chunks, None)
        except Exception:  # the test's own stream broke off: to the application, the client is gone
            self._gone.set()
            return {"type": "http.disconnect"}
        if chunk is None:
            self._chunks = None
        return {"type": "http.request", "body": chunk or b"", "more_body": chunk is not None}

    async def _send(self, message: Message) -> None:
        # As a server does: wait for a slow reader, drop what is sent to one that went away.
        while self.answer.qsize() >= _UNREAD_MESSAGES and not self._gone.is_set():
            await asyncio.sleep(0.001)
        if not self._gone.is_set():
            self.answer.put(message)
        await asyncio.sleep(0)

    def hang_up(self) -> None:
        """Tell the application that the client is gone."""
        self._loop.call_soon_threadsafe(self._gone.set)


class _AnswerStream(httpx.SyncByteStream):
    def __init__(self, exchange: _Exchange, task: Any, request: httpx.Request, start: Message) -> None:
        self._exchange = exchange
        self._task = task
        self._label = f"{request.method} {request.url}"
        self._bodyless = request.method == "HEAD" or start["status"] in (204, 304)
        lengths = [value for name, value in start.get("headers", []) if name.lower() == b"content-length"]
        self._announced = int(lengths[0]) if lengths and not self._bodyless else None

    def __iter__(self) -> Iterator[bytes]:
        sent = 0
        more = True
        while more:
            message = self._exchange.answer.get(timeout=_WAIT_S)
            if message is None:
                self._task.result(0)
                raise BrokenAnswer(f"{self._label}: the answer ended without its last message.")
            body = message.get("body", b"")
            more = message.get("more_body", False)
            sent += len(body)
            if self._announced is not None and sent > self._announced:
                raise BrokenAnswer(f"{self._label}: {sent} bytes follow Content-Length {self._announced}.")
            if body and not self._bodyless:
                yield bytes(body)
        if self._announced is not None and sent != self._announced:
            raise BrokenAnswer(f"{self._label}: {sent} bytes, but Content-Length said {self._announced}.")
        self._exchange.hang_up()
        self._task.result(_WAIT_S)  # what the application raises after its answer is a failure as well

    def close(self) -> None:
        """Hang up: the caller wants no more of the body."""
        self._exchange.hang_up()

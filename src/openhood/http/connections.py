"""What one connection may cost: bounds on the head of a request, and on how long a client may say nothing.

uvicorn reads a head of any length into memory and waits for its end for ever. What requests mean is not decided here.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar, cast

import httptools
from starlette.types import Scope
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from openhood.http import longbody
from openhood.http.longbody import LongBody

_EXPLANATION = b"The head of the request is too large.\r\n"
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Content-Length: %d\r\nConnection: close\r\n\r\n%s" % (len(_EXPLANATION), _EXPLANATION)
)


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, closed where a client exceeds the bounds below."""

    head_bytes: ClassVar = 64 * 1024
    """Most bytes of a head, of trailers, or of anything else that is no body. What arrives at once is taken at once."""

    idle_s: ClassVar = 100.0
    """How long a connection may go without a request: longer than uvicorn keeps one alive that is silent."""

    body_idle_s: ClassVar = 120.0
    """How long a client may pause within a body that is waited for."""

    look_every_s: ClassVar = 10.0
    """How often a connection is looked at."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:  # Any: whatever uvicorn hands over
        super().__init__(*args, **kwargs)
        self._bodiless_bytes = 0
        self._in_body = False
        self._body: LongBody | None = None
        self._heard_at_s = self._free_since_s = self.loop.time()
        self._look_handle: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._look_handle = self.loop.call_later(self.look_every_s, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        if self._look_handle is not None:
            self._look_handle.cancel()
        self._body = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came, and hang up where too much of it belongs to no body."""
        self._heard_at_s = self.loop.time()
        self._bodiless_bytes += len(data)
        super().data_received(data)
        if self._bodiless_bytes > self.head_bytes and not self.transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_headers_complete(self) -> None:
        """Called by the parser."""
        self._bodiless_bytes = 0
        self._in_body = True
        self._body = self._expected_body()
        if self._body is not None:
            longbody.offer(cast("Scope", self.scope), self._body)
        super().on_headers_complete()
        if self._body is not None:
            self._body.begun(self.cycle)

    def _expected_body(self) -> LongBody | None:
        """Return the body that the request announces; None where only the parser will know its end."""
        for name, value in self.headers:
            if name == b"content-length":
                # What asks for another protocol makes the parser stop right here.
                return None if self.parser.should_upgrade() else LongBody(self, int(value))
        return None

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser, for the trailers after a body too: nobody asks for those."""
        if not self._in_body:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Called by the parser."""
        self._bodiless_bytes = 0
        if self._body is not None:
            self._body.parsed(len(body))
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Called by the parser."""
        self._bodiless_bytes = 0
        self._in_body = False
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Called at the end of an answer."""
        self._free_since_s = self.loop.time()
        super().on_response_complete()

    def heard(self) -> None:
        """Called for what came of a body past the parser."""
        self._heard_at_s = self.loop.time()
        self._unset_keepalive_if_required()

    def body_ended(self) -> None:
        """Called once a body is over that the parser did not see the end of: it would wait for it for ever."""
        self.on_message_complete()
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    def _look(self) -> None:
        """Hang up on a client that has been silent for too long, else look again later."""
        if self.transport.is_closing():
            return
        now_s = self.loop.time()
        if self._in_body:
            # Not while we are the slow ones: it waits for us to read, or for leave to send.
            if self.flow.read_paused or self.cycle.waiting_for_100_continue:
                self._heard_at_s = now_s  # its time begins once we are ready
            is_over = now_s - self._heard_at_s > self.body_idle_s
        else:
            is_free = self.cycle is None or self.cycle.response_complete
            is_over = is_free and now_s - self._free_since_s > self.idle_s
        if is_over:
            self.transport.close()
        else:
            self._look_handle = self.loop.call_later(self.look_every_s, self._look)

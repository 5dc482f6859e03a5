"""The body of a request, received straight into the memory of whoever wants it and past the parser of HTTP.

uvicorn copies every byte of a body several times, in small pieces and on the thread that serves everybody, which
costs more than verifying it. Here the kernel writes it where it is worked on. What a body means is decided elsewhere.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from starlette.requests import ClientDisconnect
from starlette.types import Scope

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from openhood.http.connections import BoundedConnection

_KEY = "openhood.long_body"
_scrap = bytearray(64 * 1024)
"""Where bytes go that nobody wants."""


def offer(scope: Scope, body: LongBody) -> None:
    """Let whoever answers the request find its body."""
    scope[_KEY] = body


def find(scope: Scope) -> LongBody | None:
    """Return the body of a request; None where its length was not announced, or another server is under us."""
    found: LongBody | None = scope.get(_KEY)
    return found


class LongBody(asyncio.BufferedProtocol):
    """A body of known length, to be read instead of, not beside, ASGI's ``receive``. For the event loop only.

    It takes the transport from its connection with the first read that needs more than the parser has seen, and
    gives it back once the body is over. Until then nothing is received but into memory that a reader gave, and
    once the request was answered what is left of the body is thrown away.
    """

    def __init__(self, connection: BoundedConnection, size_bytes: int) -> None:
        self._connection = connection
        self._left = size_bytes
        self._cycle: RequestResponseCycle | None = None
        self._has_transport = False
        self._target: memoryview | None = None
        self._filled = 0
        self._waiter: asyncio.Future[None] | None = None

    def begun(self, cycle: RequestResponseCycle) -> None:
        """Called by the connection with the request that this is the body of."""
        self._cycle = cycle

    def parsed(self, size_bytes: int) -> None:
        """Called by the connection for what went through its parser."""
        self._left -= size_bytes

    async def read_into(self, target: memoryview) -> int:
        """Fill ``target``, or as much of it as there is body; returns how much. Raises ClientDisconnect."""
        cycle = self._cycle
        assert cycle is not None
        if cycle.waiting_for_100_continue:
            cycle.waiting_for_100_continue = False
            cycle.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        count = min(len(cycle.body), len(target))
        target[:count] = cycle.body[:count]
        del cycle.body[:count]
        if count == len(target) or not self._left:
            return count
        if cycle.transport.is_closing():
            raise ClientDisconnect
        self._target, self._filled = target, count
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            self._take_transport(cycle)
            cycle.flow.resume_reading()
            await self._waiter
        finally:
            # Now the memory is the caller's again.
            self._target = self._waiter = None
            if self._left:
                cycle.flow.pause_reading()
        return self._filled

    def _take_transport(self, cycle: RequestResponseCycle) -> None:
        if not self._has_transport:
            self._has_transport = True
            # How a transport receives is settled when it begins to: it must not do so at this moment.
            cycle.flow.pause_reading()
            cycle.transport.set_protocol(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        """See `asyncio.BufferedProtocol`; never beyond the end of the body, for there another request begins."""
        if self._target is None:
            return memoryview(_scrap)[: self._left]
        return self._target[self._filled : self._filled + self._left]

    def buffer_updated(self, nbytes: int) -> None:
        """See `asyncio.BufferedProtocol`."""
        self._connection.heard()
        self._left -= nbytes
        self._filled += nbytes
        cycle, waiter = self._cycle, self._waiter
        assert cycle is not None
        if not self._left:
            self._has_transport = False
            cycle.flow.pause_reading()
            cycle.transport.set_protocol(self._connection)
            self._connection.body_ended()
            cycle.flow.resume_reading()
        elif self._target is not None and self._filled < len(self._target):
            return
        elif waiter is not None:
            cycle.flow.pause_reading()
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.BaseProtocol`."""
        self._connection.connection_lost(exc)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_exception(ClientDisconnect())

    def eof_received(self) -> None:
        """See `asyncio.BufferedProtocol`: a body that ends too early ends the connection."""

    def pause_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._connection.pause_writing()

    def resume_writing(self) -> None:
        """See `asyncio.BaseProtocol`."""
        self._connection.resume_writing()

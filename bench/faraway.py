"""A network between a program and a server that answers each request later than it could."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress

_CHUNK_BYTES = 256 * 1024


class Delay:
    """A port on this machine that passes bytes on to ``host:port``, what is sent there ``delay_s`` late.

    Every piece that arrives in one direction is one request here, since clients wait for the answer to each.
    """

    def __init__(self, host: str, port: int, *, delay_s: float) -> None:
        self._target = (host, port)
        self._delay_s = delay_s
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self.port = 0
        threading.Thread(target=self._run, name="delay", daemon=True).start()
        self._ready.wait()

    def close(self) -> None:
        """Stop passing anything on."""
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self) -> None:
        async def start() -> None:
            server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()

        self._loop.run_until_complete(start())
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection(*self._target)
        await asyncio.gather(
            self._pump(reader, back, self._delay_s), self._pump(there, writer, 0.0), return_exceptions=True
        )

    @staticmethod
    async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter, delay_s: float) -> None:
        try:
            while data := await source.read(_CHUNK_BYTES):
                if delay_s:
                    await asyncio.sleep(delay_s)
                target.write(data)
                await target.drain()
        finally:
            with suppress(OSError):
                target.close()

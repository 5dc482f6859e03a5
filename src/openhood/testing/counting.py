"""A TCP relay in front of a hub that counts every byte, and can be cut: the wire's own word on what was sent.

It knows nothing of HTTP; a client that is given its address is answered with addresses that lead through it too.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from urllib.parse import urlsplit

_BLOCK_BYTES = 256 * 1024


@dataclass(slots=True)
class Traffic:
    """Bytes that clients sent to the hub and received from it."""

    sent: int = 0
    received: int = 0


class CountingRelay:
    """Listens on a free port of 127.0.0.1 and passes everything on to ``url``.

    ``cut_after`` makes it close every connection, and take no new ones, once that many more bytes were sent to
    the hub; `mend` lets it go on.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._target = (parts.hostname, parts.port or 80)
        self._lock = threading.Lock()
        self._total = Traffic()
        self._cut_at: int | None = None
        self._open: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        # The clients compare host names with the endpoint's: people write `localhost`.
        self.url = f"http://localhost:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="counting-relay", daemon=True).start()

    @property
    def total(self) -> Traffic:
        """All bytes up to now."""
        with self._lock:
            return Traffic(self._total.sent, self._total.received)

    @contextmanager
    def counting(self) -> Iterator[Traffic]:
        """Count what passes inside the block; the result is filled in at its end."""
        before, found = self.total, Traffic()
        yield found
        after = self.total
        found.sent = after.sent - before.sent
        found.received = after.received - before.received

    def retarget(self, url: str) -> None:
        """Lead new connections to another address: that of a hub started again."""
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._target = (parts.hostname, parts.port or 80)

    def cut_after(self, sent: int) -> None:
        """Cut the wire after so many more bytes to the hub."""
        with self._lock:
            self._cut_at = self._total.sent + sent

    def mend(self) -> None:
        """Pass everything on again."""
        with self._lock:
            self._cut_at = None

    @property
    def is_cut(self) -> bool:
        """Whether the wire was cut."""
        with self._lock:
            return self._cut_at is not None and self._total.sent >= self._cut_at

    def close(self) -> None:
        """Close everything."""
        self._listener.close()
        self._hang_up()

    def __enter__(self) -> CountingRelay:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _address = self._listener.accept()
            except OSError:
                return
            if self.is_cut:
                client.close()
                continue
            try:
                hub = socket.create_connection(self._target, timeout=10)
            except OSError:
                client.close()
                continue
            hub.settimeout(None)
            for each in (client, hub):
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._open |= {client, hub}
            threading.Thread(target=self._relay, args=(client, hub), daemon=True).start()

    def _relay(self, client: socket.socket, hub: socket.socket) -> None:
        """Pass on both ways until both are done."""
        downwards = threading.Thread(target=self._pass, args=(hub, client, False), daemon=True)
        downwards.start()
        self._pass(client, hub, True)
        downwards.join()
        with self._lock:
            self._open -= {client, hub}
        client.close()
        hub.close()

    def _pass(self, source: socket.socket, sink: socket.socket, is_upwards: bool) -> None:
        buffer = memoryview(bytearray(_BLOCK_BYTES))
        try:
            while count := source.recv_into(buffer):
                if self._count(count, is_upwards):
                    self._hang_up()
                    return
                sink.sendall(buffer[:count])
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            # One side is gone, so the other one is told.
            for each in (source, sink):
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def _count(self, count: int, is_upwards: bool) -> bool:
        """Add to the count; tells whether the wire is cut now."""
        with self._lock:
            if is_upwards:
                self._total.sent += count
            else:
                self._total.received += count
            return self._cut_at is not None and self._total.sent >= self._cut_at

    def _hang_up(self) -> None:
        with self._lock:
            still_open = list(self._open)
        for each in still_open:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

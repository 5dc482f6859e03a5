"""A load balancer for tests: each connection goes to the next hub that is alive, and breaks when that hub dies."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
from collections.abc import Sequence

from openhood.testing.processes import find_free_port


class Balancer:
    """Listens on a port of 127.0.0.1 and hands every connection to one of ``ports``, in turn."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.port = find_free_port()
        self.handed = dict.fromkeys(ports, 0)
        self._turns = itertools.cycle(ports)
        self._listener = socket.create_server(("127.0.0.1", self.port), backlog=256)
        threading.Thread(target=self._accept, name="balancer", daemon=True).start()

    @property
    def url(self) -> str:
        """The address that clients know."""
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            hub = self._connect()
            if hub is None:
                client.close()
                continue
            for source, target in ((client, hub), (hub, client)):
                threading.Thread(target=_pump, args=(source, target), daemon=True).start()

    def _connect(self) -> socket.socket | None:
        for port in itertools.islice(self._turns, len(self.handed)):
            with contextlib.suppress(OSError):
                hub = socket.create_connection(("127.0.0.1", port), timeout=5)
                hub.settimeout(None)
                self.handed[port] += 1
                return hub
        return None


def _pump(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(256 * 1024):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        # One side broke off: the other one must notice.
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

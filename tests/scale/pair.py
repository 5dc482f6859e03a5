"""Two hubs on one database and one bucket, each with a data directory of its own, behind a balancer.

Clients speak to the balancer (``url``) or, where a test wants to say who answers, to ``a`` and ``b``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from crash.site import DECLARATION, ENV, Site
from openhood.app import open_services
from openhood.base.settings import load_settings
from openhood.domain.services import Services
from openhood.testing.server import Server, provision, start_server
from scale.balancer import Balancer


class Pair(Site):
    """The two hubs as one site: killing one of them interrupts only who spoke with it."""

    def __init__(
        self, directory: Path, *, database_url: str, objects_url: str, env: Mapping[str, str] | None = None
    ) -> None:
        own = {
            "OPENHOOD_DATABASE_URL": database_url,
            "OPENHOOD_OBJECTS_URL": objects_url,
            "OPENHOOD_SECRET_KEY": "the same everywhere",
            "OPENHOOD_THREADS": "16",
        }
        self.prepare(directory, env={**ENV, **own, **(env or {})})
        self.data_dir = directory
        provision(directory / "a", DECLARATION, env=self.env)
        self.servers = {name: self._serve(name) for name in "ab"}
        self._ports = {name: _port(server) for name, server in self.servers.items()}
        self.balancer = Balancer(list(self._ports.values()))
        self.gate.set()

    @property
    def url(self) -> str:
        """The balancer."""
        return self.balancer.url

    @property
    def a(self) -> str:
        """The first hub's own address."""
        return self.servers["a"].url

    @property
    def b(self) -> str:
        """The second hub's own address."""
        return self.servers["b"].url

    def kill_one(self, name: str) -> None:
        """End one hub with ``kill -9``. Clients go on at once: with the other."""
        self.gate.clear()
        self.servers[name].kill()
        self.deaths += 1
        self.gate.set()

    def start_one(self, name: str) -> None:
        """Start a killed hub anew on its port."""
        self.servers[name] = self._serve(name, port=self._ports[name])

    def log_text(self) -> str:
        """Return what both wrote."""
        return "\n".join(f"--- {name}\n{server.log_text()[-2000:]}" for name, server in self.servers.items())

    @contextmanager
    def third(self, name: str = "c") -> Iterator[Server]:
        """Another hub on the same database and bucket, with nothing on its own disk."""
        server = self._serve(name)
        try:
            yield server
        finally:
            server.stop()

    @contextmanager
    def services(self) -> Iterator[Services]:
        """The services of the test's own process, to look at rows."""
        settings, _ = load_settings(environ=self.env, flags={"data_dir": self.data_dir / "looker"})
        sv = open_services(settings, migrate=False)
        try:
            yield sv
        finally:
            sv.objects.close()
            sv.db.close()

    def close(self) -> None:
        """Stop everything."""
        self.balancer.close()
        for server in self.servers.values():
            server.stop()

    def wait_for(self, what: str, condition: Callable[[], bool], *, timeout_s: float = 60) -> None:
        """Return once ``condition()`` is true."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"waited too long for {what}"
            time.sleep(0.1)

    def _serve(self, name: str, port: int = 0) -> Server:
        return start_server(self.data_dir / name, env=self.env, port=port)


def _port(server: Server) -> int:
    return int(server.url.rpartition(":")[2])

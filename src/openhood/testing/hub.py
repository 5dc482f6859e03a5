"""A whole hub inside the test's process: real database, real object store, real routes, no network.

For tests over TCP with real clients there is `server`.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from pydantic import SecretStr
from starlette.types import ASGIApp

from openhood.app import build
from openhood.base.clock import SystemClock
from openhood.base.settings import Settings
from openhood.domain.access import SYSTEM, OrgRole
from openhood.domain.accounts import actions as accounts
from openhood.domain.services import Services
from openhood.testing.databases import migrated_sqlite
from openhood.testing.transport import AppTransport, Lifespan, LoopThread

BASE_URL = "http://hub.test"


class MovableClock:
    """The machine's clock, which a test may set forward."""

    def __init__(self) -> None:
        self._ahead = timedelta(0)
        self._system = SystemClock()

    def now(self) -> datetime:
        """Return the present moment, as far ahead as the test went."""
        return self._system.now() + self._ahead

    def advance(self, seconds: float) -> None:
        """Let ``seconds`` pass at once."""
        self._ahead += timedelta(seconds=seconds)


class HubUnderTest:
    """A hub in a directory of its own, which `close` removes.

    Args: ``settings`` are top-level settings by name (``sign_up="open"``, ``limits=Limits(...)``). No job threads
    run: `run_jobs` does what is due.
    """

    def __init__(
        self, *, database_url: str | None = None, objects_url: str | None = None, **settings: Any
    ) -> None:
        self.data_dir = Path(tempfile.mkdtemp(prefix="openhood-test-"))
        self.clock = MovableClock()
        given: dict[str, Any] = {"data_dir": self.data_dir, "workers": 0, "threads": 8, "secret_key": "test"}
        if database_url is not None:
            given["database_url"] = SecretStr(database_url)
        else:
            (self.data_dir / "openhood.db").write_bytes(migrated_sqlite())
        if objects_url is not None:
            given["objects_url"] = SecretStr(objects_url)
        self._hub = build(Settings.model_validate(given | settings), clock=self.clock)
        self._thread = LoopThread()
        self._lifespan = Lifespan(self._hub.asgi, self._thread.loop)
        self._clients: list[httpx.Client] = []

    @property
    def asgi(self) -> ASGIApp:
        """The application, for serving it over TCP."""
        return self._hub.asgi

    @property
    def sv(self) -> Services:
        """The services, for calling actions and looking at rows."""
        return self._hub.sv

    @property
    def url(self) -> str:
        """The address that the hub believes to have."""
        return BASE_URL

    def client(
        self, token: str | None = None, *, headers: Mapping[str, str] | None = None, base_url: str = BASE_URL
    ) -> httpx.Client:
        """Return a client that sends ``token`` (none: anonymous) and follows no redirects."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        transport = AppTransport(self._hub.asgi, self._thread.loop)
        client = httpx.Client(transport=transport, base_url=base_url, headers=sent, timeout=120)
        self._clients.append(client)
        return client

    def add_user(
        self, name: str, *, admin: bool = False, password: str | None = None, email: str | None = None
    ) -> str:
        """Create a user and return a token of theirs with the role ``write``."""
        accounts.create_user(
            self.sv, SYSTEM, name=name, password=password, email=email, is_admin=admin, lenient_name=True
        )
        return self.add_token(name)

    def add_token(
        self,
        user: str,
        *,
        role: str = "write",
        scopes: Mapping[str, object] | None = None,
        name: str = "test",
    ) -> str:
        """Create an access token of ``user`` and return its secret."""
        _info, secret = accounts.create_token(
            self.sv, SYSTEM, user=user, display_name=name, role=role, scopes=scopes
        )
        return secret

    def add_org(self, name: str, members: Mapping[str, str] | None = None, **options: Any) -> None:
        """Create an organization; ``members`` maps user names to roles (``admin``, ``write``, …)."""
        accounts.create_org(self.sv, SYSTEM, name=name, **options)
        for user, label in (members or {}).items():
            role = OrgRole.from_label(label)
            assert role is not None, label
            accounts.set_member(self.sv, SYSTEM, org=name, user=user, role=role)

    def run_jobs(self) -> int:
        """Run every job that is due now and what they lead to; returns how many ran."""
        total = 0
        while ran := sum(worker.run_due() for worker in self._hub.workers):
            total += ran
        return total

    def close(self) -> None:
        """Stop the hub and remove its directory."""
        for client in self._clients:
            client.close()
        self._lifespan.stop()
        self._thread.stop()
        self._hub.close()
        shutil.rmtree(self.data_dir, ignore_errors=True)

    def __enter__(self) -> HubUnderTest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

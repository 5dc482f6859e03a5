"""A hub that is killed and started again while clients work on it, and what a request to it may come to.

A failure counts as an interruption only once the kill was announced; before that it is a fault of the hub.
"""

from __future__ import annotations

import os
import random
import shutil
import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import httpx

from openhood.app import open_services
from openhood.base.settings import load_settings
from openhood.domain import fsck
from openhood.testing.processes import find_free_port
from openhood.testing.server import Server, provision, run_cli, start_server
from openhood.testing.tcp import Git

TOKEN = "hf_crashAlice"
PART_BYTES = 5 * 1024 * 1024
MULTIPART_FROM_BYTES = 6_000_000

ENV = {
    "OPENHOOD_GIT_FOLD_PACKS_AT": "4",
    "OPENHOOD_GIT_RETIRED_PACK_GRACE_S": "2",
    "OPENHOOD_LIMITS_LFS_PART_BYTES": str(PART_BYTES),
    "OPENHOOD_LIMITS_LFS_MULTIPART_FROM_BYTES": str(MULTIPART_FROM_BYTES),
    "OPENHOOD_LOG_LEVEL": "warning",
}

DECLARATION = {
    "users": [
        {"name": "alice", "email": "alice@example.org", "admin": True,
         "tokens": [{"name": "ci", "value": TOKEN, "role": "write"}]},
    ],
    "organizations": [{"name": "acme", "members": {"alice": "admin"}}],
}  # fmt: skip


class Interrupted(Exception):
    """The hub was killed before it answered: nobody knows whether the change happened."""


def choose_seed() -> int:
    """Return ``CRASH_SEED`` of the environment, or a new one; printed, so that a failure can be repeated."""
    seed = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(1_000_000))
    print(f"CRASH_SEED={seed}")
    return seed


class Site:
    """The hub's data directory, its server while one runs, and the gate behind which clients wait for it."""

    def __init__(self, directory: Path, *, env: Mapping[str, str] | None = None) -> None:
        self.prepare(directory, env={**ENV, **(env or {})})
        self.data_dir = directory / "data"
        self._port = find_free_port()
        provision(self.data_dir, DECLARATION, env=self.env)
        self.server: Server = self.start()

    def prepare(self, directory: Path, *, env: Mapping[str, str]) -> None:
        """Set up what does not depend on how many hubs there are."""
        self.env = dict(env)
        self.git = Git(directory / "git")
        self.gate = threading.Event()
        self.interrupted: Counter[str] = Counter()
        self.acknowledged: Counter[str] = Counter()
        self.deaths = 0
        self._clients = threading.local()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        """The address of the hub, the same after every start."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def git_url(self) -> str:
        """The same, with alice's token in it."""
        return self.login(self.url)

    @staticmethod
    def login(url: str) -> str:
        """Put alice's token into a hub's address."""
        return url.replace("://", f"://alice:{TOKEN}@")

    def start(self) -> Server:
        """Start the hub on what is in the data directory, and let the clients in."""
        self.server = start_server(self.data_dir, env=self.env, port=self._port)
        self.gate.set()
        return self.server

    def kill(self) -> None:
        """End the hub with ``kill -9``; the clients wait until it is back."""
        self.gate.clear()
        self.server.kill()
        self.deaths += 1

    def log_text(self) -> str:
        """Return what the hub wrote."""
        return self.server.log_text()

    def drop_cache(self) -> None:
        """Delete what can be rebuilt, while the hub is stopped."""
        shutil.rmtree(self.data_dir / "cache", ignore_errors=True)

    def count(self, kind: str, *, interrupted: bool) -> None:
        """Count an acknowledged or interrupted change."""
        with self._lock:
            (self.interrupted if interrupted else self.acknowledged)[kind] += 1

    # --- talking to the hub

    def request(
        self, method: str, path: str, *, expect: Iterable[int] = (200,), **options: Any
    ) -> httpx.Response:
        """Send a request as alice, to a path or to a link that the hub gave out.

        Raises: Interrupted; AssertionError for a status that is not expected.
        """
        client = self._client()
        deaths = self.deaths
        url = path if path.startswith("http") else self.url + path
        headers = {"Authorization": f"Bearer {TOKEN}", **options.pop("headers", {})}
        try:
            answer: httpx.Response = client.request(method, url, headers=headers, **options)
        except httpx.TransportError as error:
            if self.gate.is_set() and deaths == self.deaths:
                raise AssertionError(f"{method} {path}: {error!r}") from error
            raise Interrupted(str(error)) from error
        expected = set(expect)
        if answer.status_code not in expected and (not self.gate.is_set() or deaths != self.deaths):
            raise Interrupted(f"{answer.status_code} while dying")
        assert answer.status_code in expected, f"{method} {path}: {answer.status_code} {answer.text[:500]}"
        return answer

    def _client(self) -> httpx.Client:
        """Return this thread's client for the hub that runs now: the last kill broke all connections."""
        client: httpx.Client | None = getattr(self._clients, "client", None)
        if client is None or self._clients.deaths != self.deaths:
            if client is not None:
                client.close()
            client = self._clients.client = httpx.Client(timeout=60)
            self._clients.deaths = self.deaths
        return client

    def run_git(self, *args: str, cwd: Path | None = None) -> str:
        """Run git against the hub. Raises: Interrupted; AssertionError."""
        deaths = self.deaths
        ran = self.git.run(*args, cwd=cwd)
        if ran.code != 0 and (not self.gate.is_set() or deaths != self.deaths):
            raise Interrupted(ran.text)
        assert ran.code == 0, f"git {' '.join(args)}: {ran.text}\n{self.log_text()[-2000:]}"
        return ran.out

    def read(self, repo: str, path: str, *, rev: str = "main", prefix: str = "") -> bytes:
        """Return a file's bytes as a client gets them."""
        return self.request("GET", f"{prefix}/{repo}/resolve/{rev}/{path}", follow_redirects=True).content

    # --- looking at it while it is down

    def check_stopped(self) -> None:
        """Assert that the data directory of the killed hub is in order, every byte of it hashed."""
        settings, _ = load_settings(environ=self.env, flags={"data_dir": self.data_dir})
        sv = open_services(settings, migrate=False)
        try:
            findings = list(fsck.check_all(sv, deep=True, step=lambda _what: None))
        finally:
            sv.objects.close()
            sv.db.close()
        assert not [each for each in findings if each.level == "error"], findings

    def sweep_stopped(self) -> int:
        """Remove all that no row names, however young; returns how many objects that were."""
        settings, _ = load_settings(environ=self.env, flags={"data_dir": self.data_dir})
        sv = open_services(settings, migrate=False)
        try:
            sv.objects.sweep(0)
            return len(list(fsck.sweep(sv, older_than_s=-60)))
        finally:
            sv.objects.close()
            sv.db.close()

    def check_by_command(self) -> None:
        """Assert that ``openhood fsck --deep`` finds nothing wrong, beside the running hub."""
        done = run_cli(self.data_dir, "fsck", "--deep", "--json", env=self.env)
        assert done.returncode == 0, done.stdout + done.stderr

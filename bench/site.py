"""The hub under test: a real ``openhood serve`` with one account, and what the system says of its process."""

from __future__ import annotations

import http.client
import json
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from openhood.testing.server import Server, provision, start_server

OWNER = "bench"
TOKEN = "hf_benchbenchbenchbenchbenchbench"
PASSWORD = "not-a-secret-in-a-benchmark"
UNCHANGED = {"OPENHOOD_XET_CONVERT": "false"}
"""Settings with which large files stay whole: turning them into chunks in the background takes a processor's time."""
_TICKS = os.sysconf("SC_CLK_TCK")


class Site:
    """A running hub in ``directory``, of which `OWNER` is the administrator."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._env: Mapping[str, str] = {}
        self._kept: http.client.HTTPConnection | None = None
        self._data = directory / "data"
        provision(
            self._data,
            {
                "users": [
                    {
                        "name": OWNER,
                        "password": PASSWORD,
                        "email": "bench@example.org",
                        "admin": True,
                        "tokens": [{"name": "bench", "value": TOKEN, "role": "write"}],
                    }
                ]
            },
        )
        self.start_s = 0.0
        self._server = self._start()

    def _start(self) -> Server:
        begun = time.perf_counter()
        # What a user gets: only the lines about single requests go to a file nobody reads.
        server = start_server(self._data, env=self._env)
        self.start_s = time.perf_counter() - begun
        return server

    @property
    def url(self) -> str:
        """The hub's address."""
        return self._server.url

    @property
    def address(self) -> tuple[str, int]:
        """The hub's address, for sockets."""
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    @property
    def pid(self) -> int:
        """The server's process."""
        return self._server.pid

    def restart(self, env: Mapping[str, str] | None = None) -> None:
        """Stop the server and start it anew, with nothing in memory; ``env`` are other settings from now on."""
        self._env = self._env if env is None else env
        self._hang_up()
        self._server.stop()
        self._server = self._start()

    def stop(self) -> None:
        """Stop the server."""
        self._hang_up()
        self._server.stop()

    def git_url(self, repo: str) -> str:
        """Return the address of a model repository for git, with credentials."""
        host, port = self.address
        return f"http://{OWNER}:{TOKEN}@{host}:{port}/{repo}.git"

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """Send one request with the owner's token and return the body of the answer, which must be a 2xx."""
        connection = http.client.HTTPConnection(*self.address, timeout=600)
        try:
            connection.request(method, path, body, {"Authorization": f"Bearer {TOKEN}", **(headers or {})})
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if not 200 <= answer.status < 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {content[:500]!r}")
        return content

    def get_again(self, path: str) -> bytes:
        """Read with the owner's token over a connection that stays open, as browsers and clients keep theirs."""
        if self._kept is None:
            self._kept = http.client.HTTPConnection(*self.address, timeout=600)
        self._kept.request("GET", path, headers={"Authorization": f"Bearer {TOKEN}"})
        answer = self._kept.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"GET {path}: {answer.status} {content[:500]!r}")
        return content

    def _hang_up(self) -> None:
        if self._kept is not None:
            self._kept.close()
            self._kept = None

    def call_json(self, method: str, path: str, body: object, **headers: str) -> Any:  # Any: parsed JSON
        """Send one request with a JSON body and return the JSON answered."""
        kinds = {"Content-Type": "application/json", **headers}
        return json.loads(self.call(method, path, json.dumps(body).encode(), kinds))

    def create(self, name: str) -> str:
        """Create a model repository and return its id."""
        self.call_json("POST", "/api/repos/create", {"name": name, "type": "model"})
        return f"{OWNER}/{name}"

    def commit(self, repo: str, lines: Iterable[Mapping[str, object]]) -> None:
        """Commit operations to main."""
        self.post_commit(repo, commit_body(lines))

    def post_commit(self, repo: str, body: bytes) -> None:
        """Commit a body made before."""
        self.call("POST", f"/api/models/{repo}/commit/main", body, {"Content-Type": "application/x-ndjson"})

    def plan_upload(self, repo: str, sha256: str, size_bytes: int) -> str:
        """Ask to upload an LFS object in one stream and return where to."""
        answer = self.call_json(
            "POST",
            f"/{repo}.git/info/lfs/objects/batch",
            {
                "operation": "upload",
                "transfers": ["basic"],
                "objects": [{"oid": sha256, "size": size_bytes}],
                "hash_algo": "sha256",
            },
            **{"Content-Type": "application/vnd.git-lfs+json"},
        )
        return str(answer["objects"][0]["actions"]["upload"]["href"])

    def xet_access(self, repo: str) -> tuple[str, str]:
        """Return the address of the CAS and a token to write to a model repository's chunks."""
        answer = json.loads(self.call("GET", f"/api/models/{repo}/xet-write-token/main"))
        return str(answer["casUrl"]), str(answer["accessToken"])

    def lose_objects(self, size_bytes: int) -> None:
        """Remove stored objects of a size behind the hub's back, so that they fill neither disk nor memory.

        Memory that was never used before is slow on a virtual machine, which would count for one side only.
        """
        for path in (self._data / "objects").rglob("*"):
            if path.is_file() and path.stat().st_size == size_bytes:
                path.unlink()

    def peak_mib(self) -> float:
        """Return the most memory that the server ever had (VmHWM), or since `forget_peak`, its helpers included."""
        helpers = sum(_status(child, "VmHWM") for child in _children(self.pid))
        return _status(self.pid, "VmHWM") + helpers

    def memory_mib(self) -> float:
        """Return the memory that the server has now (VmRSS)."""
        return _status(self.pid, "VmRSS")

    def own_peak_mib(self) -> float:
        """Return the most memory that the server's own process ever had, or since `forget_peak`."""
        return _status(self.pid, "VmHWM")

    def forget_peak(self) -> None:
        """Let `peak_mib` begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")


def _status(pid: int, name: str) -> float:
    """Return a figure of a process in MiB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"/proc/{pid}/status has no {name}")


def _children(pid: int) -> list[int]:
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(child) for child in (task / "children").read_text().split()]
    return found


def commit_body(lines: Iterable[Mapping[str, object]]) -> bytes:
    """Return the NDJSON of a commit to which ``lines`` are the operations."""
    head = {"key": "header", "value": {"summary": "Benchmark", "description": ""}}
    return "\n".join(json.dumps(line) for line in (head, *lines)).encode()


def cpu_seconds(pid: int) -> float:
    """Return the processor time that a process, its living and its ended children have taken."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = sum(int(each) for each in fields[11:15]) / _TICKS
    for child in _children(pid):
        try:
            total += cpu_seconds(child)
        except FileNotFoundError:
            continue  # it ended meanwhile
    return total

"""`openhood serve` as a process: its first words, its ports, its proxies, how it ends, what it costs."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from openhood.cli.server import PortTaken, listen
from openhood.testing.processes import clean_environment, find_free_port
from openhood.testing.server import provision

IDLE_KB = 250_000


class Serve:
    """A running `openhood serve`, whose output can be read and which can be given signals."""

    def __init__(self, data: Path, **env: str) -> None:
        self.port = find_free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = data.parent / f"{data.name}.log"
        command = [sys.executable, "-m", "openhood", "serve", "--port", str(self.port), "--data", str(data)]
        began = time.monotonic()
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**clean_environment(), **env},
                start_new_session=True,
            )
        while self.process.poll() is None and time.monotonic() - began < 60:
            try:
                urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
                break
            except OSError:
                time.sleep(0.02)

    @property
    def output(self) -> str:
        return self._log.read_text()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self, *, within_s: float = 40) -> int:
        return self.process.wait(within_s)

    def get(
        self, path: str, headers: dict[str, str] | None = None, *, host: str = "127.0.0.1"
    ) -> tuple[int, Any, bytes]:
        connection = http.client.HTTPConnection(host, self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def serve(data: Path) -> Iterator[Any]:
    """A function that starts servers; all are ended after the test."""
    running: list[Serve] = []

    def start(**env: str) -> Serve:
        running.append(Serve(data, **env))
        return running[-1]

    yield start
    for each in running:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()


def test_the_first_start_says_everything_and_the_next_is_short(serve: Any, data: Path) -> None:
    hub = serve()
    said = hub.output
    assert f"Openhood is ready at http://localhost:{hub.port}" in said
    assert f"Data directory: {data}" in said
    assert f"export HF_ENDPOINT=http://localhost:{hub.port}\n" in said
    link = re.search(rf"http://localhost:{hub.port}(/setup/\w+)", said)
    assert link is not None
    status, _headers, page = hub.get(link[1])
    assert status == 200
    assert b"password" in page
    hub.signal(signal.SIGTERM)
    assert hub.ended() == 0
    provision(data, {"users": [{"name": "alice", "admin": True}]})
    before = len(said)
    again = serve()
    later = again.output[before:]
    assert f"http://localhost:{again.port}" in later
    assert "/setup/{secret}" in later
    assert link[1] not in later  # nor in the log
    assert "administrator" not in later
    assert again.get(link[1])[0] >= 400


def test_it_idles_small(serve: Any) -> None:
    hub = serve()
    status = Path(f"/proc/{hub.process.pid}/status")
    if status.exists():
        resident = re.search(r"VmRSS:\s+(\d+) kB", status.read_text())
        assert resident is not None
        assert int(resident[1]) < IDLE_KB


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_in_order(serve: Any, data: Path, number: int) -> None:
    hub = serve()
    hub.signal(number)
    assert hub.ended() == 0
    # The last connection of a SQLite database takes its journal away, if it was closed.
    assert sorted(each.name for each in data.iterdir() if each.name.startswith("openhood.db")) == [
        "openhood.db"
    ]


def _slow_upload(
    hub: Serve, token: str, body: bytes, half_sent: threading.Event, go_on: threading.Event
) -> int:
    connection = socket.create_connection(("127.0.0.1", hub.port), timeout=60)
    with connection:
        head = (
            f"POST /api/models/alice/m/commit/main HTTP/1.1\r\nHost: localhost:{hub.port}\r\n"
            f"Authorization: Bearer {token}\r\nContent-Type: application/x-ndjson\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        connection.sendall(head.encode() + body[:-1])
        half_sent.set()
        go_on.wait(30)
        connection.sendall(body[-1:])
        return int(connection.makefile("rb").readline().split()[1])


BODY = (
    b'{"key": "header", "value": {"summary": "slow", "description": ""}}\n'
    b'{"key": "file", "value": {"path": "a.txt", "content": "YQ==", "encoding": "base64"}}\n'
)
DECLARED = {
    "users": [{"name": "alice", "tokens": [{"name": "t", "value": "hf_alice", "role": "write"}]}],
    "repositories": [{"type": "model", "id": "alice/m", "visibility": "public"}],
}


def test_requests_under_way_may_finish(serve: Any, data: Path) -> None:
    provision(data, DECLARED)
    hub = serve()
    half_sent, go_on, statuses = threading.Event(), threading.Event(), []
    uploading = threading.Thread(
        target=lambda: statuses.append(_slow_upload(hub, "hf_alice", BODY, half_sent, go_on))
    )
    uploading.start()
    assert half_sent.wait(10)
    time.sleep(0.3)
    hub.signal(signal.SIGTERM)
    time.sleep(0.5)
    assert hub.process.poll() is None
    with pytest.raises(OSError):  # noqa: PT011  (refused or reset, as the system likes)
        hub.get("/health")
    go_on.set()
    uploading.join(30)
    assert statuses == [200]
    assert hub.ended() == 0
    assert serve().get("/alice/m/resolve/main/a.txt")[2] == b"a"


def test_a_second_signal_ends_it_at_once(serve: Any, data: Path) -> None:
    provision(data, DECLARED)
    hub = serve()
    half_sent, go_on = threading.Event(), threading.Event()

    def upload() -> None:
        with contextlib.suppress(OSError, IndexError):  # the server is gone, as it should be
            _slow_upload(hub, "hf_alice", BODY, half_sent, go_on)

    uploading = threading.Thread(target=upload)
    uploading.start()
    assert half_sent.wait(10)
    hub.signal(signal.SIGTERM)
    time.sleep(0.3)
    assert hub.process.poll() is None
    hub.signal(signal.SIGTERM)
    assert hub.ended(within_s=3) == 128 + signal.SIGTERM
    go_on.set()
    uploading.join(30)
    assert serve().get("/alice/m/resolve/main/a.txt")[0] == 404


def test_forwarded_headers_of_a_trusted_proxy_only(serve: Any, data: Path) -> None:
    many = [{"type": "model", "id": f"alice/m{number}", "visibility": "public"} for number in range(2)]
    provision(data, {**DECLARED, "repositories": many})
    forwarded = {"Host": "hub.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1"}
    trusting = serve()
    link = trusting.get("/api/models?limit=1", forwarded)[1]["Link"]
    assert link.startswith("<https://hub.example/api/models?")
    assert trusting.get("/metrics", forwarded)[0] == 403  # the visitor is not this machine
    assert trusting.get("/metrics")[0] == 200
    careful = serve(OPENHOOD_TRUSTED_PROXIES="192.0.2.99")
    assert careful.get("/api/models?limit=1", forwarded)[1]["Link"].startswith(
        "<http://hub.example/api/models?"
    )
    assert careful.get("/metrics", forwarded)[0] == 200  # the claim is not believed


def test_localhost_is_served_on_ipv6_too(serve: Any) -> None:
    hub = serve()
    try:
        socket.create_connection(("::1", hub.port), timeout=5).close()
    except OSError:
        with pytest.raises(OSError):  # noqa: PT011  (no IPv6 on this machine)
            socket.create_server(("::1", 0), family=socket.AF_INET6)
    else:
        assert hub.get("/health", host="::1")[0] == 200


def test_a_database_of_a_newer_release_is_refused(serve: Any, data: Path) -> None:
    first = serve()
    first.signal(signal.SIGTERM)
    assert first.ended() == 0
    with sqlite3.connect(data / "openhood.db") as raw:
        raw.execute("UPDATE alembic_version SET version_num = '9999'")
    refused = serve()
    assert refused.ended() == 2
    assert "at revision 9999" in refused.output
    assert "Traceback" not in refused.output


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"OPENHOOD_OBJECTS_URL": "gopher://x"}, "No object store plug-in"),
        ({"OPENHOOD_OBJECTS_URL": "file://elsewhere/x"}, "'objects_url' cannot be used"),
        ({"OPENHOOD_DATABASE_URL": "mysql://x/y", "OPENHOOD_SECRET_KEY": "x"}, "postgresql://"),
        ({"OPENHOOD_DATABASE_URL": "postgresql://x/y"}, "OPENHOOD_SECRET_KEY must be set"),
        ({"OPENHOOD_PROT": "1"}, "Unknown setting OPENHOOD_PROT"),
    ],
)
def test_impossible_settings_end_it_with_a_sentence(serve: Any, env: dict[str, str], words: str) -> None:
    refused = serve(**env)
    assert refused.ended() == 2
    assert words in refused.output
    assert "Traceback" not in refused.output


def test_a_port_that_is_taken_is_said_to_be() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(PortTaken, match="--port"):
        listen("127.0.0.1", other.getsockname()[1])


def test_a_port_of_ones_own_is_found() -> None:
    sockets = listen("localhost", 0)
    assert len({each.getsockname()[1] for each in sockets}) == 1
    for each in sockets:
        each.close()


def test_an_address_that_is_not_this_machine() -> None:
    with pytest.raises(PortTaken, match=r"192\.0\.2\.1"):
        listen("192.0.2.1", 0)


def test_the_process_leaves_no_children(serve: Any) -> None:
    hub = serve()
    group = os.getpgid(hub.process.pid)
    hub.signal(signal.SIGTERM)
    hub.ended()
    with pytest.raises(ProcessLookupError):
        os.killpg(group, 0)

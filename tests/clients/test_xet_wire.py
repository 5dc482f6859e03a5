"""What Xet uploads cost on the wire, counted by a relay: changed files, and uploads that were cut off."""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from clients.conftest import DECLARATION, PASSWORD, TOKENS, ClientMaker
from clients.drivers import Client, Hub
from clients.scripts.kit import noise, sha256
from openhood.testing import server
from openhood.testing.counting import CountingRelay
from openhood.testing.venvs import client_python

MB = 1_000_000
PATIENCE_S = 120


def upload(repo: str, path: str) -> None:
    """Upload one file as ``w.bin``. Runs in a client."""
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repo, exist_ok=True)
    api.upload_file(path_or_fileobj=path, path_in_repo="w.bin", repo_id=repo)


def download(repo: str) -> str:
    """Download ``w.bin`` and return its digest. Runs in a client."""
    from huggingface_hub import hf_hub_download
    from kit import sha256

    return sha256(hf_hub_download(repo, "w.bin", force_download=True))


def change(data: bytes, seed: int) -> bytes:
    """Replace 1,000 bytes in the middle."""
    middle = len(data) // 2
    return data[:middle] + noise(1000, seed) + data[middle + 1000 :]


@pytest.mark.parametrize("size", [30 * MB, pytest.param(200 * MB, marks=pytest.mark.clients)])
def test_a_change_costs_what_changed(make_client: ClientMaker, hub: Hub, tmp_path: Path, size: int) -> None:
    data = noise(size, size)
    path, repo = tmp_path / "w.bin", hub.new_id()
    with CountingRelay(hub.url) as relay:
        alice = make_client("hub-2.4", "alice", url=relay.url)
        another = make_client("hub-2.4", "alice", url=relay.url)
        path.write_bytes(data)
        with relay.counting() as first:
            alice.call(upload, repo=repo, path=str(path))
        assert size < first.sent < size * 1.02

        path.write_bytes(change(data, 1))
        with relay.counting() as same_machine:
            alice.call(upload, repo=repo, path=str(path))
        assert same_machine.sent < 300_000, same_machine
        assert alice.call(download, repo=repo) == sha256(path)

        path.write_bytes(change(data, 2))
        with relay.counting() as empty_cache:
            another.call(upload, repo=repo, path=str(path))
        assert empty_cache.sent < 1 * MB, empty_cache
        assert empty_cache.sent + empty_cache.received < 2 * MB, "the answers about chunks are small"
        assert another.call(download, repo=repo) == sha256(path)

        with relay.counting() as nothing_new:
            another.call(upload, repo=hub.new_id(), path=str(path))
        assert nothing_new.sent < 300_000, "the same file for another repository"


# --- cut off --------------------------------------------------------------------------------


class Site:
    """A hub of a test's own that may be killed, and a relay that stays where it is."""

    def __init__(self, data_dir: Path) -> None:
        server.provision(data_dir, DECLARATION)
        self.data_dir = data_dir
        self.server = server.start_server(data_dir)
        self.relay = CountingRelay(self.server.url)
        self.hub = Hub(
            url=self.relay.url, data_dir=data_dir, tokens=TOKENS, password=PASSWORD, server=self.server
        )

    def xorbs(self) -> dict[str, int]:
        """Bytes of each stored xorb by its hash, as the database has them."""
        with closing(sqlite3.connect(f"file:{self.data_dir / 'openhood.db'}?mode=ro", uri=True)) as db:
            return dict(db.execute("SELECT hash, stored_bytes FROM xorbs").fetchall())

    def kill_and_restart(self) -> None:
        """``kill -9`` the hub, and start it again at another port."""
        self.server.kill()
        self.server = server.start_server(self.data_dir)
        self.relay.retarget(self.server.url)

    def brought(self) -> set[str]:
        """The xorbs that this process of the hub was sent."""
        return set(re.findall(r"/v1/xorbs/default/([0-9a-f]{64})", self.server.log_text()))


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "data")
    yield site
    site.relay.close()
    site.server.stop()


def _alice(site: Site, tmp_path: Path, name: str = "alice") -> Client:
    home = tmp_path / name
    home.mkdir()
    return Client(
        python=client_python("hub-2.4"), home=home, hub=site.hub, token=TOKENS["alice"], url=site.relay.url
    )


def _wait(running: subprocess.Popen[bytes], until: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not until():
        assert running.poll() is None, "the upload ended too early"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.clients
def test_a_killed_client_sends_what_is_missing(site: Site, tmp_path: Path) -> None:
    alice, path = _alice(site, tmp_path), tmp_path / "w.bin"
    path.write_bytes(noise(300 * MB, 1))
    running = alice.start(upload, repo="alice/m", path=str(path))
    _wait(running, lambda: len(site.xorbs()) >= 2)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait(10)
    time.sleep(1)  # what the hub had received whole by then is stored
    kept = site.xorbs()
    assert len(kept) < 5, "the client was killed in the middle"

    with site.relay.counting() as again:
        alice.call(upload, repo="alice/m", path=str(path))

    missing = 300 * MB - sum(kept.values())
    assert missing - 1 * MB < again.sent < missing + 2 * MB, (again, kept)
    assert alice.call(download, repo="alice/m") == sha256(path)


@pytest.mark.clients
def test_a_killed_hub_goes_on(site: Site, tmp_path: Path) -> None:
    alice, path = _alice(site, tmp_path), tmp_path / "w.bin"
    path.write_bytes(noise(300 * MB, 2))
    running = alice.start(upload, repo="alice/m", path=str(path))
    _wait(running, lambda: len(site.xorbs()) >= 2)
    site.kill_and_restart()
    kept = site.xorbs()
    assert 2 <= len(kept) < 5

    assert running.wait(PATIENCE_S) == 0, (alice.home / "started.log").read_text()
    acknowledged = set(list(kept)[:1])  # the client may not have heard of the last ones
    assert not acknowledged & site.brought(), "what was acknowledged is not sent again"
    assert len(site.xorbs()) == 5
    other = _alice(site, tmp_path, "other")
    assert other.call(download, repo="alice/m") == sha256(path)
    done = server.run_cli(site.data_dir, "fsck")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.clients
def test_both_killed_and_begun_again(site: Site, tmp_path: Path) -> None:
    alice, path = _alice(site, tmp_path), tmp_path / "w.bin"
    path.write_bytes(noise(300 * MB, 3))
    for _ in range(3):
        running = alice.start(upload, repo="alice/m", path=str(path))
        known = len(site.xorbs())
        _wait(running, lambda known=known: len(site.xorbs()) > known)
        site.kill_and_restart()
        os.killpg(running.pid, signal.SIGKILL)
        running.wait(10)
    time.sleep(1)
    kept = site.xorbs()

    with site.relay.counting() as again:
        alice.call(upload, repo="alice/m", path=str(path))

    missing = 300 * MB - sum(kept.values())
    assert again.sent < missing + 2 * MB, (again, kept)
    assert alice.call(download, repo="alice/m") == sha256(path)

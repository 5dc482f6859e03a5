"""Xet with the real client where the bytes are in S3: taken in by the hub or written there by the client itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from clients.conftest import DECLARATION, PASSWORD, TOKENS
from clients.drivers import Client, Hub
from openhood.testing import server
from openhood.testing.counting import CountingRelay
from openhood.testing.venvs import client_python

pytestmark = pytest.mark.clients


def upload(repo: str, home: str) -> dict:
    """Upload large files of every kind. Runs in a client."""
    from huggingface_hub import HfApi
    from kit import floats, json_lines, noise, write_tree

    api = HfApi()
    api.create_repo(repo, exist_ok=True)
    files = {
        "n.bin": noise(80_000_000),
        "w.safetensors": floats(30_000_000),
        "l.jsonl": json_lines(20_000_000),
        "one.bin": b"1",
    }
    want = write_tree(f"{home}/up", files)
    api.upload_folder(folder_path=f"{home}/up", repo_id=repo)
    return want


def download(repo: str) -> dict:
    """Download everything and return the digests. Runs in a client."""
    from huggingface_hub import snapshot_download
    from kit import read_tree

    found = read_tree(snapshot_download(repo))
    found.pop(".gitattributes")
    return found


@pytest.mark.parametrize("direct", [False, True])
def test_up_and_down(s3_url: str, tmp_path: Path, direct: bool) -> None:
    data_dir = tmp_path / "data"
    env = {"OPENHOOD_OBJECTS_URL": s3_url, "OPENHOOD_XET_DIRECT_UPLOADS": str(direct).lower()}
    server.provision(data_dir, DECLARATION, env=env)
    with server.start_server(data_dir, env=env) as running, CountingRelay(running.url) as relay:
        hub = Hub(url=relay.url, data_dir=data_dir, tokens=TOKENS, password=PASSWORD, server=running)
        clients = {}
        for name, xet in (("alice", True), ("another", True), ("plain", False)):
            (tmp_path / name).mkdir()
            python = client_python("hub-2.4")
            clients[name] = Client(
                python=python, home=tmp_path / name, hub=hub, token=TOKENS["alice"], xet=xet
            )
        with relay.counting() as up:
            want = clients["alice"].call(upload, repo="alice/m", home=str(tmp_path / "alice"))
        with relay.counting() as down:
            assert clients["another"].call(download, repo="alice/m") == want
        assert clients["plain"].call(download, repo="alice/m") == want

        log = running.log_text()
        assert ("/v1/xorb-commits/" in log) is direct
        assert ("/v1/xorbs/default/" in log) is not direct
        assert (up.sent < 2_000_000) is direct, "the bytes go to the store itself"
        assert down.received < 2_000_000, "the bytes come from the store itself"
        done = server.run_cli(data_dir, "fsck", env=env)
        assert done.returncode == 0, done.stdout + done.stderr

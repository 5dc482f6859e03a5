"""``@huggingface/hub`` on Node."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from clients.drivers import SCRIPTS, Client, Hub
from clients.scripts.kit import floats
from openhood.testing.venvs import client_modules

pytestmark = pytest.mark.clients


@pytest.mark.parametrize("kind", ["model", "dataset", "space"])
def test_a_story(hub: Hub, tmp_path: Path, kind: str) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    (tmp_path / "node_modules").symlink_to(client_modules() / "node_modules")
    script = tmp_path / "story.mjs"
    script.write_bytes((SCRIPTS / "story.mjs").read_bytes())
    repo = hub.new_id()
    node = Client(python=Path(sys.executable), home=tmp_path, hub=hub, token=None)
    ran = node.run("node", str(script), hub.url, hub.tokens["alice"], repo, kind)
    assert ran.code == 0, ran.text
    seen = json.loads(ran.out)

    prefix = {"model": "", "dataset": "datasets/", "space": "spaces/"}[kind]
    # Other tests of the same hub make alice a member of more.
    assert "acme" in seen["who"].pop("orgs")
    assert seen["who"] == {"name": "alice", "type": "user", "auth": "access_token"}
    assert seen["created"]["repoUrl"] == f"{hub.url}/{prefix}{repo}"
    assert (seen["exists"], seen["existsAfter"]) == (True, False)
    assert seen["again"]["status"] == 409
    assert seen["url"] == f"{hub.url}/{prefix}{repo}/commit/{seen['commit']}"
    files = {path: (what, size, lfs) for path, what, size, lfs in seen["files"]}
    assert files["a.txt"] == ("file", 5, False)
    assert files["deep/w.safetensors"] == ("file", 11_000_000, True)
    assert files["deep"][0] == "directory"
    assert ["a.txt", "Three files"] in seen["expanded"]
    assert seen["same"]
    assert seen["slice"]
    assert seen["text"] == "{}"
    assert seen["raw"].startswith("version https://git-lfs.github.com/spec/v1\n")
    assert seen["missing"] is None
    assert seen["info"] == {"size": 11_000_000, "etag": True}
    assert seen["fileExists"] == [True, False]
    assert sorted(seen["paths"]) == [["a.txt", "file"], ["deep", "directory"]]
    assert seen["stale"]["status"] == 412
    assert "d.txt" in seen["branch"]
    assert seen["branchCommits"][1:] == ["Change", "Three files", "initial commit"]
    assert seen["pullRequest"] == f"{hub.url}/{prefix}{repo}/discussions/1"
    assert "p.txt" in seen["proposed"]
    assert seen["commits"] == len(seen["history"]) == 4
    assert [title for title, _ in seen["history"]][-3:] == ["Change", "Three files", "initial commit"]
    assert {user for _, user in seen["history"]} == {"alice"}
    assert seen["about"] == {"name": repo, "private": True, "author": "alice", "sha": 40, "id": 24}
    assert seen["listed"] == [repo]
    assert seen["listedByStrangers"] == 0
    assert seen["stranger"]["status"] in (401, 404)
    assert seen["wrongToken"]["status"] == 401
    assert seen["noRevision"]["status"] == 404
    assert seen["gone"]["status"] == 404
    for name in ("again", "stale", "stranger", "wrongToken", "gone"):
        assert seen[name]["kind"] == "HubApiError"
        assert seen[name]["request"], "every error names its request"
        assert seen[name]["text"]


@pytest.mark.parametrize("kind", ["model", "dataset"])
def test_xet(hub: Hub, tmp_path: Path, kind: str) -> None:
    if shutil.which("node") is None:
        pytest.skip("Node is not installed")
    (tmp_path / "node_modules").symlink_to(client_modules() / "node_modules")
    script = tmp_path / "xet.mjs"
    script.write_bytes((SCRIPTS / "xet.mjs").read_bytes())
    (tmp_path / "data").write_bytes(floats(12_000_001, 77))
    repo = hub.new_id()
    node = Client(python=Path(sys.executable), home=tmp_path, hub=hub, token=None)
    before = len(hub.server.log_text())
    ran = node.run("node", str(script), hub.url, hub.tokens["alice"], repo, kind, str(tmp_path / "data"))
    assert ran.code == 0, ran.text
    seen = json.loads(ran.out)

    assert seen["blob"] == "XetBlob"
    assert seen["want"] == seen["whole"] == seen["plain"]
    assert seen["slices"] == [True] * 4
    assert seen["info"] == {"size": 12_000_001, "etag": seen["want"], "xet": True}
    assert all(xet_hash for _path, xet_hash in seen["paths"])
    assert all(seen[name] for name in ("small", "joined", "lfs", "branch", "proposed"))
    prefix = "" if kind == "model" else "datasets/"
    assert seen["pullRequest"] == f"{hub.url}/{prefix}{repo}/discussions/1"
    asked = hub.server.log_text()[before:]
    assert "/v1/xorbs/default/" in asked
    assert "/v1/shards" in asked
    assert "/reconstructions/" in asked

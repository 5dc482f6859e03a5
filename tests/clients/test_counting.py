"""Likes and downloads as every generation of huggingface_hub makes them."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from clients.conftest import DECLARATION, PASSWORD, TOKENS
from clients.drivers import Client, Hub
from openhood.testing import server
from openhood.testing.venvs import client_python


def test_likes(alice: Client, hub: Hub) -> None:
    def story(repo: str) -> dict:
        import kit
        from huggingface_hub import HfApi, constants
        from huggingface_hub.utils import get_session

        api = HfApi()
        kinds = ("model", "dataset", "space")
        for kind in kinds:
            api.create_repo(repo, repo_type=kind, space_sdk="static" if kind == "space" else None)
            if hasattr(api, "like"):
                api.like(repo, repo_type=kind)
            else:  # newer clients leave it to the pages
                url = f"{constants.ENDPOINT}/api/{kind}s/{repo}/like"
                get_session().post(url, headers=api._build_hf_headers()).raise_for_status()

        def liked() -> dict:
            mine = api.list_liked_repos()
            lists = {kind: repo in getattr(mine, f"{kind}s") for kind in kinds}
            return {**lists, "user": mine.user, "all": mine.total >= sum(lists.values())}

        likers = [
            [user.username, user.fullname, user.avatar_url.startswith("http") or user.avatar_url[:1] == "/"]
            for user in api.list_repo_likers(repo, repo_type="dataset")
        ]
        before = liked()
        count = api.model_info(repo).likes
        api.unlike(repo)
        api.unlike(repo)
        api.unlike(repo, repo_type="space")
        return {
            "before": before,
            "count": count,
            "likers": likers,
            "after": liked(),
            "left": [api.model_info(repo).likes, api.dataset_info(repo).likes],
            "others": api.list_liked_repos("alice", token=False).datasets.count(repo),
            "missing": kit.failure(lambda: api.unlike(repo + "-none")),
            "nobody": kit.failure(lambda: api.list_liked_repos("nobody-at-all")),
        }

    found = alice.call(story, repo=hub.new_id())
    assert found["before"] == {"model": True, "dataset": True, "space": True, "user": "alice", "all": True}
    assert found["count"] == 1
    assert found["likers"] == [["alice", "Alice A.", True]]
    assert found["after"] == {"model": False, "dataset": True, "space": False, "user": "alice", "all": True}
    assert found["left"] == [0, 1]
    assert found["others"] == 1
    assert "RepositoryNotFoundError" in found["missing"]["kinds"]
    assert found["nobody"]["status"] == 404


@pytest.fixture
def own_hub() -> Iterator[Hub]:
    """A hub that the test may stop."""
    with tempfile.TemporaryDirectory(prefix="openhood-clients-") as directory:
        data_dir = Path(directory)
        server.provision(data_dir, DECLARATION)
        with server.start_server(data_dir) as running:
            url = running.url.replace("127.0.0.1", "localhost")
            yield Hub(url=url, data_dir=data_dir, tokens=TOKENS, password=PASSWORD, server=running)


def test_a_download_is_one_however_many_requests_it_takes(
    own_hub: Hub, generation: str, tmp_path: Path
) -> None:
    def upload() -> None:
        import kit
        from huggingface_hub import HfApi

        api = HfApi()
        for name, kind, left_out in (
            ("whole", "model", ()),
            ("weights", "model", ("config.json",)),
            ("unread", "model", ()),
            ("data", "dataset", ("config.json",)),
        ):
            files = {
                "README.md": b"# it\n",
                "config.json": b'{"model_type": "bert"}',
                "a.bin": kit.pattern(200_000, name + "a"),
                "b.bin": kit.pattern(200_000, name + "b"),
            }
            api.create_repo(f"alice/{name}", repo_type=kind)
            kit.write_tree(name, {path: data for path, data in files.items() if path not in left_out})
            api.upload_folder(repo_id=f"alice/{name}", repo_type=kind, folder_path=name)

    def download() -> None:
        from huggingface_hub import HfApi, hf_hub_download, snapshot_download

        snapshot_download("alice/whole")
        snapshot_download("alice/whole")
        hf_hub_download("alice/whole", "config.json", force_download=True)
        snapshot_download("alice/weights")
        snapshot_download("alice/data", repo_type="dataset")
        api = HfApi()
        api.model_info("alice/unread", files_metadata=True)
        list(api.list_repo_files("alice/unread"))

    clients = []
    for who in ("alice", "bob"):
        home = tmp_path / who
        home.mkdir()
        clients.append(
            Client(python=client_python(generation), home=home, hub=own_hub, token=own_hub.tokens[who])
        )
    alice, bob = clients
    alice.call(upload)
    bob.call(download)
    own_hub.server.stop()  # what was noted is written now at the latest
    with sqlite3.connect(own_hub.data_dir / "openhood.db") as db:
        found = dict(db.execute("SELECT name, downloads FROM repos"))
        windows = db.execute("SELECT count(DISTINCT window) FROM download_visits").fetchone()[0]
    # A window may have ended in between.
    assert 1 <= found["whole"] <= windows
    assert 1 <= found["data"] <= windows
    assert found["unread"] == 0
    # Of a model without a file that counts, only these say that they download it.
    assert bool(found["weights"]) is (generation in ("hub-2.4", "hub-1"))

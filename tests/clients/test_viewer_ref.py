"""``refs/convert/parquet`` with git itself: whoever may read the dataset may fetch it, and nobody pushes to it."""

from __future__ import annotations

import time

import pytest

from clients.conftest import ClientMaker
from clients.drivers import Client, Hub

pytestmark = pytest.mark.clients

REF = "refs/convert/parquet"


@pytest.fixture
def alice(make_client: ClientMaker) -> Client:
    """Alice, who has git and the newest client."""
    return make_client("hub-2.4", "alice")


def push(repo: str) -> None:
    """Upload a CSV."""
    from huggingface_hub import HfApi

    api = HfApi()
    api.create_repo(repo, repo_type="dataset")
    api.upload_file(path_or_fileobj=b"a\n1\n2\n", path_in_repo="train.csv", repo_id=repo, repo_type="dataset")


def test_git_reads_and_never_writes_it(alice: Client, hub: Hub) -> None:
    repo = hub.new_id()
    alice.call(push, repo=repo)
    url = hub.git_url(f"datasets/{repo}", "alice")
    deadline = time.monotonic() + 60
    while not (listed := alice.run("git", "ls-remote", url, REF).out) and time.monotonic() < deadline:
        time.sleep(0.5)
    target = listed.split()[0]
    work = alice.home / "work"
    assert alice.run("git", "clone", "-q", url, str(work)).code == 0
    # It is no branch, so a clone does not bring it; whoever asks for it has it.
    assert alice.run("git", "cat-file", "-e", target, cwd=work).code != 0
    fetched = alice.run("git", "fetch", "-q", "origin", f"{REF}:refs/heads/converted", cwd=work)
    assert fetched.code == 0, fetched.text
    files = alice.run("git", "ls-tree", "-r", "--name-only", "converted", cwd=work).out.split()
    assert files == ["default/train/0000.parquet"]
    for refspec in (f"+HEAD:{REF}", f":{REF}", "HEAD:refs/convert/other", "HEAD:refs/convert"):
        pushed = alice.run("git", "push", "origin", refspec, cwd=work)
        assert pushed.code != 0, refspec
        assert "remote rejected" in pushed.text or "error" in pushed.text
    mirrored = alice.run("git", "push", "--mirror", "origin", cwd=work)
    assert mirrored.code != 0
    assert alice.run("git", "ls-remote", url, "refs/convert/*").out.split() == [target, REF]

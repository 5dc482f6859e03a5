"""The list of large files, deleting them for good with and without history, lending them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from api.lfs_client import batch, commit, create_repo, download, has, sha256, upload
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import SYSTEM, Need
from openhood.domain.repos import gitdb, lookup
from openhood.testing.hub import HubUnderTest

A, B, C = b"object a " * 1000, b"object b " * 1000, b"object c " * 1000
FILES = "/api/models/alice/m/lfs-files"


@pytest.fixture
def alice(hub: HubUnderTest) -> httpx.Client:
    client = hub.client(hub.add_user("alice"))
    create_repo(client, "alice/m")
    for data in (A, B, C):
        upload(client, "alice/m", data)
    return client


def _git(*args: str, gitdir: Path) -> str:
    env = {"PATH": os.environ["PATH"], "GIT_CONFIG_NOSYSTEM": "1", "HOME": str(gitdir)}
    done = subprocess.run(
        ["git", f"--git-dir={gitdir}", *args], env=env, capture_output=True, text=True, check=True
    )
    return done.stdout


@contextmanager
def _snapshot(hub: HubUnderTest, repo: str = "alice/m") -> Iterator[Path]:
    with hub.sv.db.read() as tx:
        found = lookup.find(tx, SYSTEM, RepoType.MODEL, RepoId.parse(repo), need=Need.INFO)
    with gitdb.snapshot(hub.sv, found) as gitdir:
        yield gitdir


def _paths(client: httpx.Client, revision: str = "main") -> set[str]:
    answer = client.get(f"/api/models/alice/m/tree/{revision}", params={"recursive": "true"})
    assert answer.status_code == 200, answer.text
    return {each["path"] for each in answer.json()} - {".gitattributes"}


def _oids(client: httpx.Client, **paths: bytes) -> list[str]:
    return [each["fileOid"] for each in client.get(FILES).json() if each["filename"] in paths]


def _delete(client: httpx.Client, names: list[str], *, rewrite: bool = True) -> httpx.Response:
    return client.post(f"{FILES}/batch", json={"deletions": {"sha": names, "rewriteHistory": rewrite}})


# --- listing --------------------------------------------------------------------------------


def test_the_list(hub: HubUnderTest, alice: httpx.Client) -> None:
    assert alice.get(FILES).json() == []
    commit(alice, "alice/m", {"a.bin": A})
    hub.clock.advance(5)
    commit(alice, "alice/m", {"sub/a again.bin": A, "b.bin": B})

    found = alice.get(FILES).json()

    assert {each["filename"] for each in found[:2]} == {"sub/a again.bin", "b.bin"}
    last = found[2]
    assert (last["filename"], last["oid"], last["size"]) == ("a.bin", sha256(A), len(A))
    assert last["ref"] == "refs/heads/main"
    assert last["pushedAt"].endswith("Z")
    assert len({each["fileOid"] for each in found}) == 3


def test_pages_of_the_list(alice: httpx.Client) -> None:
    files = {f"{number}.bin": A for number in range(7)}
    commit(alice, "alice/m", files)
    seen: list[str] = []
    url: str | None = f"{FILES}?limit=3"
    pages = 0
    while url:
        answer = alice.get(url)
        seen += [each["filename"] for each in answer.json()]
        url = answer.links.get("next", {}).get("url")
        pages += 1

    assert pages == 3
    assert sorted(seen) == sorted(files)
    assert alice.get(f"{FILES}?cursor=nonsense").status_code == 400


def test_who_sees_the_list(hub: HubUnderTest, alice: httpx.Client) -> None:
    create_repo(alice, "alice/secret", visibility="private")
    bob = hub.client(hub.add_user("bob"))

    assert bob.get(FILES).json() == []
    assert bob.get("/api/models/alice/secret/lfs-files").status_code == 404
    assert _delete(bob, [sha256(A)]).status_code == 403
    assert bob.delete(f"{FILES}/{sha256(A)}").status_code == 403
    assert has(alice, "alice/m", A)


# --- deleting for good ----------------------------------------------------------------------


def test_deleting_with_history(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    create_repo(client, "alice/m")
    for data in (A, B):
        upload(client, "alice/m", data)
    first = commit(client, "alice/m", {"a.bin": A, "keep/b.bin": B})
    assert client.post("/api/models/alice/m/branch/other", json={}).is_success
    assert client.post("/api/models/alice/m/tag/main", json={"tag": "v1", "message": "First"}).is_success
    commit(client, "alice/m", {"deep/er/a.bin": A}, branch="other")
    second = commit(client, "alice/m", {"b2.bin": B})
    names = _oids(client, **{"a.bin": A, "deep/er/a.bin": A})
    assert len(names) == 2

    answer = _delete(client, names)

    assert answer.status_code == 200, answer.text
    assert _paths(client) == {"keep", "keep/b.bin", "b2.bin"}
    assert _paths(client, "other") == {"keep", "keep/b.bin"}
    assert _paths(client, "v1") == {"keep", "keep/b.bin"}
    assert {each["filename"] for each in client.get(FILES).json()} == {"keep/b.bin", "b2.bin"}
    assert not has(client, "alice/m", A)
    assert download(client, "alice/m", B) == B
    commits = client.get("/api/models/alice/m/commits/main").json()
    assert [each["title"] for each in commits] == ["Add files", "Add files", "initial commit"]
    assert not {first, second} & {each["id"] for each in commits}
    # Nothing of the old history is left, and what there is, is sound.
    for old in (first, second):
        assert client.get(f"/api/models/alice/m/tree/{old}").status_code == 404
    with _snapshot(hub) as gitdir:
        assert _git("fsck", "--full", "--strict", gitdir=gitdir) == ""
        assert sha256(A) not in _git("log", "--all", "-p", gitdir=gitdir)
        assert "First" in _git("cat-file", "tag", "v1", gitdir=gitdir)
        packs = _git("cat-file", "--batch-all-objects", "--batch-check", gitdir=gitdir)
    assert first not in packs
    hub.clock.advance(86400)
    hub.run_jobs()
    hub.clock.advance(86400)
    hub.run_jobs()
    assert [each.key for each in hub.sv.objects.list("lfs/") if sha256(A) in each.key] == []
    assert len(list(hub.sv.objects.list("git/"))) == 2
    assert _paths(client) == {"keep", "keep/b.bin", "b2.bin"}
    # The repository goes on as usual, with the same file too.
    upload(client, "alice/m", A)
    commit(client, "alice/m", {"a.bin": A})
    assert "a.bin" in _paths(client)


def test_one_path_of_an_object_that_has_two(hub: HubUnderTest, alice: httpx.Client) -> None:
    commit(alice, "alice/m", {"a.bin": A, "copy.bin": A})

    assert _delete(alice, _oids(alice, **{"a.bin": A})).status_code == 200

    assert _paths(alice) == {"copy.bin"}
    assert [each["filename"] for each in alice.get(FILES).json()] == ["copy.bin"]
    hub.clock.advance(86400)
    hub.run_jobs()
    assert download(alice, "alice/m", A) == A


def test_an_object_with_all_its_paths(alice: httpx.Client) -> None:
    commit(alice, "alice/m", {"a.bin": A, "copy.bin": A, "b.bin": B})

    answer = alice.request("DELETE", f"{FILES}/{sha256(A)}", json={"rewriteHistory": True})

    assert answer.status_code == 200, answer.text
    assert _paths(alice) == {"b.bin"}
    assert [each["filename"] for each in alice.get(FILES).json()] == ["b.bin"]
    assert not has(alice, "alice/m", A)


def test_an_open_pull_request_is_rewritten_too(alice: httpx.Client) -> None:
    commit(alice, "alice/m", {"b.bin": B})
    line = (
        f'{{"key":"lfsFile","value":{{"path":"a.bin","algo":"sha256","oid":"{sha256(A)}","size":{len(A)}}}}}'
    )
    opened = alice.post(
        "/api/models/alice/m/commit/main?create_pr=1",
        content='{"key":"header","value":{"summary":"Propose","description":""}}\n' + line,
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert opened.status_code == 200, opened.text
    assert _paths(alice, "refs%2Fpr%2F1") == {"a.bin", "b.bin"}

    assert _delete(alice, [sha256(A)]).status_code == 200

    assert _paths(alice, "refs%2Fpr%2F1") == {"b.bin"}
    assert _paths(alice) == {"b.bin"}


def test_deleting_without_history(hub: HubUnderTest, alice: httpx.Client) -> None:
    tip = commit(alice, "alice/m", {"a.bin": A, "b.bin": B})

    assert _delete(alice, _oids(alice, **{"a.bin": A}), rewrite=False).status_code == 200

    assert _paths(alice) == {"a.bin", "b.bin"}
    assert alice.get("/api/models/alice/m/commits/main").json()[0]["id"] == tip
    assert not has(alice, "alice/m", A)
    assert [each["filename"] for each in alice.get(FILES).json()] == ["b.bin"]
    hub.run_jobs()
    hub.clock.advance(7 * 3600)
    hub.run_jobs()
    assert not [each for each in hub.sv.objects.list("lfs/") if sha256(A) in each.key]


def test_an_object_another_repository_has_stays_there(hub: HubUnderTest, alice: httpx.Client) -> None:
    bob = hub.client(hub.add_user("bob"))
    create_repo(bob, "bob/m")
    upload(bob, "bob/m", A)
    commit(alice, "alice/m", {"a.bin": A})

    assert _delete(alice, [sha256(A)]).status_code == 200
    hub.clock.advance(86400)
    hub.run_jobs()

    assert not has(alice, "alice/m", A)
    assert download(bob, "bob/m", A) == A


def test_names_that_are_unknown_or_none(alice: httpx.Client) -> None:
    commit(alice, "alice/m", {"a.bin": A})

    assert _delete(alice, ["0" * 40, "0" * 64]).status_code == 200
    assert _delete(alice, []).status_code == 200
    assert _delete(alice, ["xyz"]).status_code == 400
    assert _delete(alice, ["0" * 40] * 1001).status_code == 413
    assert alice.post(f"{FILES}/batch", json={}).status_code == 400
    assert alice.delete(f"{FILES}/{'0' * 40}").status_code == 404
    assert alice.delete(f"{FILES}/{'0' * 64}?rewriteHistory=true").status_code == 404
    assert _paths(alice) == {"a.bin"}


# --- lending --------------------------------------------------------------------------------


def test_lending_to_another_repository(hub: HubUnderTest, alice: httpx.Client) -> None:
    bob = hub.client(hub.add_user("bob"))
    create_repo(bob, "bob/d", type="dataset")
    before = sorted(each.key for each in hub.sv.objects.list("lfs/"))
    missing = sha256(b"missing")

    answer = bob.post(
        f"{FILES}/duplicate",
        json={
            "target": {"type": "dataset", "name": "bob/d"},
            "files": [
                {"xetHash": "f" * 64, "sha256": sha256(A), "filename": "a.bin"},
                {"xetHash": None, "sha256": missing, "filename": "m.bin"},
                {"xetHash": "f" * 64, "filename": "x.bin"},
            ],
        },
    )

    assert answer.status_code == 200, answer.text
    assert [each["sha256"] for each in answer.json()["failed"]] == ["None", missing]
    assert has(bob, "datasets/bob/d", A)
    assert not has(bob, "datasets/bob/d", B)
    assert sorted(each.key for each in hub.sv.objects.list("lfs/")) == before


def test_lending_needs_both_sides(hub: HubUnderTest, alice: httpx.Client) -> None:
    bob = hub.client(hub.add_user("bob"))
    create_repo(bob, "bob/m")
    create_repo(alice, "alice/secret", visibility="private")
    upload(alice, "alice/secret", C)
    files = [{"sha256": sha256(C), "xetHash": None}]

    def lend(client: httpx.Client, source: str, target: str) -> int:
        body = {"target": {"type": "model", "name": target}, "files": files}
        return client.post(f"/api/models/{source}/lfs-files/duplicate", json=body).status_code

    assert lend(bob, "alice/secret", "bob/m") == 404
    assert lend(bob, "alice/nothing", "bob/m") == 404
    assert lend(bob, "alice/m", "alice/secret") == 404
    assert lend(hub.client(), "alice/m", "bob/m") == 401
    assert not has(bob, "bob/m", C)
    assert lend(alice, "alice/secret", "bob/m") == 200  # for a pull request of hers
    body = {"target": {"type": "bucket", "name": "bob/m"}, "files": files}
    assert bob.post(f"{FILES}/duplicate", json=body).status_code == 400
    many = {"target": {"type": "model", "name": "bob/m"}, "files": files * 501}
    assert bob.post(f"{FILES}/duplicate", json=many).status_code == 413


def test_a_commit_cannot_name_what_the_repository_lacks(hub: HubUnderTest, alice: httpx.Client) -> None:
    bob = hub.client(hub.add_user("bob"))
    create_repo(bob, "bob/m")
    line = (
        f'{{"key":"lfsFile","value":{{"path":"a.bin","algo":"sha256","oid":"{sha256(A)}","size":{len(A)}}}}}'
    )

    answer = bob.post(
        "/api/models/bob/m/commit/main",
        content='{"key":"header","value":{"summary":"Steal","description":""}}\n' + line,
        headers={"Content-Type": "application/x-ndjson"},
    )

    assert answer.status_code == 422
    assert batch(bob, "bob/m", (sha256(A), len(A)), operation="download").json()["objects"][0]["error"]

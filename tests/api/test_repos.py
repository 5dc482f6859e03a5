"""Creating, moving, duplicating, changing and deleting repositories, and single names."""

from __future__ import annotations

import base64
import threading

import httpx
import pytest
from sqlalchemy import func, select

from api.commits_client import commit
from api.conftest import HubMaker
from api.lfs_client import download, upload
from openhood.base.errors import BadRequest, Unauthorized
from openhood.base.names import RepoId, RepoType
from openhood.base.settings import Limits
from openhood.domain.access import ANONYMOUS, SYSTEM
from openhood.domain.repos import aliases
from openhood.infra.db.tables import doomed_objects, lfs_objects, packs, refs, repos
from openhood.testing.hub import HubUnderTest


def create(client: httpx.Client, name: str, **body: object) -> httpx.Response:
    return client.post("/api/repos/create", json={"name": name, **body})


def test_create_makes_the_first_commit(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    made = create(client, "m", organization=None)
    assert made.status_code == 200
    assert made.json()["url"] == "http://hub.test/alice/m"
    assert made.json()["name"] == "alice/m"
    info = client.get("/api/models/alice/m").json()
    assert [file["rfilename"] for file in info["siblings"]] == [".gitattributes"]
    (first,) = client.get("/api/models/alice/m/commits/main").json()
    assert first["title"] == "initial commit"
    assert first["id"] == info["sha"]
    text = client.get("/alice/m/resolve/main/.gitattributes").text
    assert "*.safetensors filter=lfs diff=lfs merge=lfs -text\n" in text
    assert "*.wav" not in text
    (item,) = client.get("/api/models/alice/m/tree/main?expand=true").json()
    assert item["lastCommit"]["id"] == info["sha"]


def test_urls_follow_the_host_of_the_request(hub: HubUnderTest) -> None:
    token = hub.add_user("alice")
    client = hub.client(token, base_url="http://127.0.0.1:7860")
    assert create(client, "d", type="dataset").json()["url"] == "http://127.0.0.1:7860/datasets/alice/d"
    assert create(client, "d", type="dataset").json()["url"] == "http://127.0.0.1:7860/datasets/alice/d"


def test_create_again_is_a_conflict_with_the_url(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "m")
    for name in ("m", "M"):
        again = create(client, name)
        assert again.status_code == 409
        assert again.json()["url"] == "http://hub.test/alice/m"
        assert (
            again.json()["error"] == again.headers["x-error-message"] == "You already created this model repo"
        )
    assert create(client, "m", type="dataset").status_code == 200


def test_create_with_files_license_and_visibility(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    files = [
        {"path": "src/a.bin.txt", "content": base64.b64encode(b"\0\xff").decode(), "encoding": "base64"},
        {"path": "plain.txt", "content": "héllo"},
    ]
    assert create(client, "m", license="mit", private=True, files=files).status_code == 200
    info = client.get("/api/models/alice/m").json()
    assert info["private"] is True
    assert info["cardData"] == {"license": "mit"}
    assert info["tags"] == ["license:mit", "region:us"]
    assert client.get("/alice/m/resolve/main/src/a.bin.txt").content == b"\0\xff"
    assert client.get("/alice/m/resolve/main/plain.txt").content == "héllo".encode()
    assert len(client.get("/api/models/alice/m/commits/main").json()) == 1


def test_create_space(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    assert create(client, "s", type="space").status_code == 400
    assert create(client, "my-space", type="space", sdk="docker", visibility="protected").status_code == 200
    info = client.get("/api/spaces/alice/my-space").json()
    assert info["sdk"] == "docker"
    assert info["cardData"]["title"] == "My Space"
    assert info["private"] is False
    assert info["runtime"]["stage"] == "STOPPED"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "a--b"}, 400),
        ({"name": ".."}, 400),
        ({"name": "x.git"}, 400),
        ({"name": "x" * 97}, 400),
        ({"name": "a/b/c"}, 400),
        ({"name": ""}, 400),
        ({}, 400),
        ({"name": "x", "type": "thing"}, 400),
        ({"name": "x", "type": "kernel"}, 501),
        ({"name": "x", "visibility": "secret"}, 400),
        ({"name": "x", "visibility": "protected"}, 400),
        ({"name": "x", "private": "yes"}, 400),
        ({"name": "x", "type": "space", "sdk": "gradio", "secrets": [{"key": "A", "value": "b"}]}, 501),
        ({"name": "x", "type": "space", "sdk": "gradio", "hardware": "a10g-small"}, 501),
        ({"name": "x", "files": [{"path": "../x", "content": ""}]}, 422),
        ({"name": "x", "files": [{"path": "a.safetensors", "content": "x"}]}, 422),
        ({"name": "x", "files": [{"path": "a", "content": "%", "encoding": "base64"}]}, 400),
        ({"name": "x", "files": [{"path": "a", "content": ""}, {"path": "a/b", "content": ""}]}, 422),
        ({"name": "x", "organization": "nobody"}, 403),
        ({"name": "x", "organization": "bob"}, 403),
    ],
)
def test_create_refuses(hub: HubUnderTest, body: dict[str, object], status: int) -> None:
    client = hub.client(hub.add_user("alice"))
    hub.add_user("bob")
    answer = client.post("/api/repos/create", json=body)
    assert answer.status_code == status
    assert answer.json()["error"]
    assert client.get("/api/models").json() == client.get("/api/spaces").json() == []


def test_create_needs_rights(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    hub.add_user("bob")
    hub.add_org("acme", {"alice": "contributor", "bob": "read"}, default_visibility="private")
    assert create(hub.client(), "x").status_code == 401
    assert create(hub.client(hub.add_token("alice", role="read")), "x").status_code == 403
    assert create(hub.client(hub.add_token("bob")), "x", organization="acme").status_code == 403
    assert create(hub.client(hub.add_token("alice")), "x", organization="ACME").json()["name"] == "acme/x"
    assert hub.client(hub.add_token("bob")).get("/api/models/acme/x").json()["private"] is True
    assert hub.client().get("/api/models/acme/x").status_code == 401


def test_racing_creations_make_one_repository(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    token = hub.add_user("alice")
    answers: list[int] = []

    def run() -> None:
        answers.append(create(hub.client(token), "m").status_code)

    threads = [threading.Thread(target=run) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200, 409, 409, 409, 409, 409]
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(repos)).scalar_one() == 1
        assert tx.execute(select(func.count()).select_from(refs)).scalar_one() == 1
        assert tx.execute(select(func.count()).select_from(packs)).scalar_one() == 1
        number = tx.execute(select(repos.c.id)).scalar_one()
    hub.run_jobs()
    hub.clock.advance(86400)
    hub.run_jobs()
    kept = {stored.key.split("/")[1] for stored in hub.sv.objects.list("git/")}
    assert kept == {str(number)}, "the losers' packs are swept away"


def test_quota(make_hub: HubMaker) -> None:
    hub = make_hub(limits=Limits(namespace_storage_bytes=400))
    client = hub.client(hub.add_user("alice"))
    assert create(client, "one").status_code == 200
    hub.clock.advance(10)
    hub.run_jobs()
    refused = create(client, "two")
    assert refused.status_code == 403
    assert "Storage limit" in refused.headers["x-error-message"]


def test_delete(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    other = hub.client(hub.add_user("bob"))
    create(client, "m")
    create(client, "shared")
    for data in (b"one" * 100, b"two" * 100):
        upload(client, "alice/m", data)
    upload(client, "alice/shared", b"two" * 100)
    commit(client, "alice/m", {"a": b"1"})

    def remove(who: httpx.Client, **body: object) -> httpx.Response:
        return who.request("DELETE", "/api/repos/delete", json=body)

    assert remove(other, name="m", organization="alice").status_code == 403
    assert remove(hub.client(), name="m").status_code == 401
    assert remove(client, name="m", type="dataset").headers["x-error-code"] == "RepoNotFound"
    assert remove(client, name="m", organization=None).status_code == 200
    missing = remove(client, name="m", organization="alice")
    assert missing.status_code == 404
    assert missing.headers["x-error-code"] == "RepoNotFound"
    assert client.get("/api/models/alice/m").status_code == 404
    hub.run_jobs()
    hub.clock.advance(3 * 86400)
    hub.run_jobs()
    # What stayed became chunks by now; whole copies have a grace of their own, and chunks that nobody needs a lease.
    for days in (1, 24, 4, 1):
        hub.clock.advance(days * 86400)
        hub.run_jobs()
    with hub.sv.db.read() as tx:
        assert tx.execute(select(func.count()).select_from(lfs_objects)).scalar_one() == 1
        assert tx.execute(select(func.count()).select_from(doomed_objects)).scalar_one() == 0
        number = tx.execute(select(repos.c.id)).scalar_one()
    assert {stored.key.split("/")[1] for stored in hub.sv.objects.list("git/")} == {str(number)}
    assert list(hub.sv.objects.list("lfs/")) == []
    assert len(list(hub.sv.objects.list("xorbs/"))) == 1
    assert download(client, "alice/shared", b"two" * 100) == b"two" * 100
    assert create(client, "m").status_code == 200
    assert [file["rfilename"] for file in client.get("/api/models/alice/m").json()["siblings"]] == [
        ".gitattributes"
    ]


def move(client: httpx.Client, old: str, new: str, **body: object) -> httpx.Response:
    return client.post("/api/repos/move", json={"fromRepo": old, "toRepo": new, "type": "model", **body})


def test_move_leaves_redirects_that_lead_straight_on(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    hub.add_user("alice")
    hub.add_org("acme", {"alice": "write"})
    client = hub.client(hub.add_token("alice"))
    create(client, "a")
    sha = commit(client, "alice/a", {"f": b"1"})
    assert move(client, "alice/a", "alice/b").status_code == 200
    assert move(client, "alice/b", "acme/c").status_code == 200
    for old in ("a", "b"):
        for path in (f"/api/models/alice/{old}", f"/api/models/alice/{old}/revision/main", f"/alice/{old}"):
            answer = hub.client().get(path + "?x=1")
            assert answer.status_code == 307
            assert answer.headers["location"] == path.replace(f"alice/{old}", "acme/c") + "?x=1"
    head = hub.client().head("/alice/a/resolve/main/f")
    assert (head.status_code, head.headers["location"]) == (307, "/acme/c/resolve/main/f")
    assert client.post("/api/models/alice/a/preupload/main", json={"files": []}).status_code == 307
    assert client.get("/api/models/acme/c").json()["sha"] == sha
    twice = hub.client().get("/x", extensions={"target": b"//alice/a/resolve/main/f"})
    assert twice.headers["location"] == "/acme/c/resolve/main/f"
    # A new repository takes the old name, and later its own.
    assert create(client, "a").status_code == 200
    assert client.get("/api/models/alice/a").status_code == 200
    assert move(client, "acme/c", "alice/b").status_code == 200
    assert client.get("/api/models/alice/b").json()["sha"] == sha
    assert client.get("/api/models/acme/c").headers["location"] == "/api/models/alice/b"


def test_move_refuses(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    other = hub.client(hub.add_user("bob"))
    create(client, "a")
    create(client, "b", private=True)
    taken = move(client, "alice/a", "alice/B")
    assert taken.status_code == 409
    assert "A model repository called alice/b already exists" in taken.json()["error"]
    assert move(client, "alice/a", "bob/a").status_code == 403
    assert move(client, "alice/a", "alice/x--y").status_code == 400
    assert move(client, "alice/a", "x").status_code == 400
    assert move(other, "alice/a", "bob/a").status_code == 403
    assert move(other, "alice/b", "bob/b").status_code == 404
    assert move(client, "alice/none", "alice/c").headers["x-error-code"] == "RepoNotFound"
    assert move(client, "alice/a", "alice/A").status_code == 200
    assert client.get("/api/models/alice/a").json()["id"] == "alice/A"
    # A redirect is no way to learn of what became private.
    assert move(client, "alice/b", "alice/c").status_code == 200
    assert other.get("/api/models/alice/b").status_code == 404
    assert move(client, "alice/b", "alice/d").status_code == 404, "an old id is no name in a body"


def test_settings(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    other = hub.client(hub.add_user("bob"))
    create(client, "m")
    url = "/api/models/alice/m/settings"
    for body, shown in (
        ({"gated": "manual"}, {"gated": "manual"}),
        ({"private": True}, {"private": True}),
        ({"visibility": "public"}, {"visibility": "public"}),
        ({"discussionsDisabled": True}, {"discussionsDisabled": True}),
        ({"gatedNotificationsMode": "bulk", "gatedNotificationsEmail": "a@b.c"}, {}),
        ({"gated": False}, {"gated": False}),
    ):
        answer = client.put(url, json=body)
        assert (answer.status_code, answer.json()) == (200, shown)
    for body in ({"gated": True}, {"gated": "x"}, {"visibility": "protected"}, {"private": "x"}):
        assert client.put(url, json=body).status_code == 400
    assert client.put(url, json={"disabled": True}).status_code == 403
    assert other.put(url, json={"private": True}).status_code == 403
    assert hub.client().put(url, json={"private": True}).status_code == 401
    assert client.put("/api/models/alice/none/settings", json={}).status_code == 404
    with hub.sv.db.read() as tx:
        kept = tx.execute(select(repos.c.settings)).scalar_one()
    assert kept == {
        "discussionsDisabled": True,
        "gatedNotificationsMode": "bulk",
        "gatedNotificationsEmail": "a@b.c",
    }


def test_disabled_by_an_administrator(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    admin = hub.client(hub.add_user("root", admin=True))
    create(client, "m")
    assert admin.put("/api/models/alice/m/settings", json={"disabled": True}).status_code == 200
    answer = client.get("/api/models/alice/m")
    assert answer.status_code == 403
    assert answer.headers["x-error-message"] == "Access to this resource is disabled."
    assert client.get("/api/models").json() == []
    assert admin.get("/api/models").json()[0]["id"] == "alice/m"


def test_auth_check(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    other = hub.client(hub.add_user("bob"))
    create(client, "public")
    create(client, "private", private=True)
    create(client, "gated")
    client.put("/api/models/alice/gated/settings", json={"gated": "auto"})

    def ask(who: httpx.Client, name: str, tail: str = "") -> tuple[int, str | None]:
        answer = who.get(f"/api/models/alice/{name}/auth-check{tail}")
        return answer.status_code, answer.headers.get("x-error-code")

    assert ask(client, "gated") == ask(client, "private", "/write") == (200, None)
    assert ask(other, "public") == ask(hub.client(), "public") == (200, None)
    assert ask(other, "public", "/write") == (403, None)
    assert ask(other, "private") == ask(other, "missing") == (404, "RepoNotFound")
    assert ask(hub.client(), "private") == ask(hub.client(), "missing") == (401, "RepoNotFound")
    assert ask(other, "gated") == (403, "GatedRepo")
    assert ask(hub.client(), "gated") == (401, "GatedRepo")
    assert ask(hub.client(hub.add_token("alice", role="read")), "public", "/write") == (403, None)


def test_duplicate_shares_large_files(hub_on_both: HubUnderTest) -> None:
    hub = hub_on_both
    client = hub.client(hub.add_user("alice"))
    other = hub.client(hub.add_user("bob"))
    create(client, "m", license="mit")
    data = b"weights" * 1000
    upload(client, "alice/m", data)
    sha = commit(client, "alice/m", {"f": b"1"})
    client.post("/api/models/alice/m/branch/side", json={})
    stored = len(list(hub.sv.objects.list("lfs/")))
    made = other.post("/api/models/alice/m/duplicate", json={"repository": "bob/copy", "private": True})
    assert made.status_code == 200
    assert made.json()["url"] == "http://hub.test/bob/copy"
    assert made.json()["filesCopyPending"] is False
    info = other.get("/api/models/bob/copy").json()
    assert (info["sha"], info["private"], info["cardData"]) == (sha, True, {"license": "mit"})
    assert other.get("/bob/copy/resolve/side/f").content == b"1"
    assert download(other, "bob/copy", data) == data
    assert len(list(hub.sv.objects.list("lfs/"))) == stored
    hub.run_jobs()
    assert other.get("/api/models/bob/copy/tree/main?expand=true").json()[0]["lastCommit"]["title"]
    again = other.post("/api/models/alice/m/duplicate", json={"repository": "bob/copy"})
    assert again.status_code == 409
    assert again.json()["url"] == "http://hub.test/bob/copy"
    # The copy lives on by itself.
    client.request("DELETE", "/api/repos/delete", json={"name": "m"})
    hub.clock.advance(3 * 86400)
    hub.run_jobs()
    assert download(other, "bob/copy", data) == data
    assert other.get("/bob/copy/resolve/main/f").content == b"1"


def test_duplicate_refuses(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    other = hub.client(hub.add_user("bob"))
    create(client, "m", private=True)
    create(client, "gated")
    client.put("/api/models/alice/gated/settings", json={"gated": "auto"})

    def copy(who: httpx.Client, source: str, target: str, **body: object) -> int:
        url = f"/api/models/{source}/duplicate"
        return who.post(url, json={"repository": target, **body}).status_code

    assert copy(other, "alice/m", "bob/m") == 404
    assert copy(other, "alice/gated", "bob/m") == 403
    assert copy(client, "alice/m", "bob/m") == 403
    assert copy(client, "alice/m", "m") == 400
    assert copy(client, "alice/m", "alice/x", visibility="protected") == 400
    assert copy(client, "alice/m", "alice/copy") == 200
    assert client.get("/api/models/alice/copy").json()["private"] is True


def test_storage_lists(hub: HubUnderTest) -> None:
    hub.add_user("alice")
    hub.add_user("bob")
    hub.add_org("acme", {"alice": "admin", "bob": "write"})
    client = hub.client(hub.add_token("alice"))
    for name in ("a", "b", "c"):
        create(client, name)
        hub.clock.advance(1)
    create(client, "d", type="dataset", private=True)
    create(client, "o", organization="acme")
    hub.clock.advance(10)
    hub.run_jobs()
    first = client.get("/api/settings/repositories?limit=3")
    assert [item["id"] for item in first.json()] == ["alice/d", "alice/c", "alice/b"]
    assert first.json()[0]["visibility"] == "private"
    assert first.json()[0]["storage"] > 0
    assert first.json()[0]["type"] == "dataset"
    rest = client.get(first.links["next"]["url"])
    assert [item["id"] for item in rest.json()] == ["alice/a"]
    assert "link" not in rest.headers
    assert len(client.get("/api/settings/repositories?type=dataset").json()) == 1
    assert len(client.get("/api/settings/repositories?search=ice/B").json()) == 1
    assert client.get("/api/settings/repositories?sort=storage&direction=1").status_code == 200
    assert client.get("/api/settings/repositories?sort=x").status_code == 400
    assert hub.client().get("/api/settings/repositories").status_code == 401
    url = "/api/organizations/acme/settings/repositories"
    assert [item["id"] for item in client.get(url).json()] == ["acme/o"]
    assert hub.client(hub.add_token("bob")).get(url).status_code == 403
    assert hub.client().get(url).status_code == 401


def test_aliases(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "real", private=True)
    target = RepoId("alice", "real")
    aliases.set_alias(hub.sv, SYSTEM, repo_type=RepoType.MODEL, name="gpt2", target=target)
    aliases.set_alias(hub.sv, SYSTEM, repo_type=RepoType.DATASET, name="squad", target=RepoId("x", "y"))
    for path, new in (
        ("/api/models/gpt2", "/api/models/alice/real"),
        ("/api/models/GPT2?expand=sha", "/api/models/alice/real?expand=sha"),
        ("/api/models/gpt2/revision/main", "/api/models/alice/real/revision/main"),
        ("/api/models/gpt2/tree/main/a%2Fb", "/api/models/alice/real/tree/main/a%2Fb"),
        ("/api/models/gpt2/refs", "/api/models/alice/real/refs"),
        ("/api/models/gpt2/auth-check", "/api/models/alice/real/auth-check"),
        ("/gpt2/resolve/main/config.json", "/alice/real/resolve/main/config.json"),
        ("/gpt2/raw/refs%2Fpr%2F1/a/b", "/alice/real/raw/refs%2Fpr%2F1/a/b"),
        ("/api/datasets/squad/revision/main", "/api/datasets/x/y/revision/main"),
        ("/datasets/squad/resolve/main/a", "/datasets/x/y/resolve/main/a"),
        ("/gpt2.git/info/refs?service=git-upload-pack", None),
    ):
        for method in ("GET", "HEAD"):
            answer = hub.client().request(method, path)
            assert answer.status_code == 307, path
            if new is not None:
                assert answer.headers["location"] == new
    paths_info = hub.client().post("/api/models/gpt2/paths-info/main", data={"paths": "a"})
    assert paths_info.headers["location"] == "/api/models/alice/real/paths-info/main"
    # Access is asked where it leads.
    assert hub.client().get("/api/models/alice/real").status_code == 401
    missing = hub.client(hub.add_token("alice")).get("/api/models/bert/revision/main")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "RepoNotFound")
    assert hub.client().get("/bert/resolve/main/x").headers["x-error-code"] == "RepoNotFound"
    assert "x-error-code" not in hub.client().get("/bert/what/is/this").headers
    assert [alias.name for alias in aliases.list_aliases(hub.sv, SYSTEM)] == ["squad", "gpt2"]
    assert aliases.delete_alias(hub.sv, SYSTEM, repo_type=RepoType.MODEL, name="Gpt2") is True
    assert hub.client().get("/api/models/gpt2").status_code == 401


def test_alias_named_as_a_prefix_of_the_path_regression(hub: HubUnderTest) -> None:
    for name in ("m", "models", "api"):
        target = RepoId("x", "y")
        aliases.set_alias(hub.sv, SYSTEM, repo_type=RepoType.MODEL, name=name, target=target)
        assert hub.client().get(f"/api/models/{name}").headers["location"] == "/api/models/x/y"


def test_aliases_never_lead_to_each_other(hub: HubUnderTest) -> None:
    def alias(name: str, target: str) -> None:
        parsed = RepoId.parse(target)
        aliases.set_alias(hub.sv, SYSTEM, repo_type=RepoType.MODEL, name=name, target=parsed)

    alias("gpt2", "openai/gpt2")
    alias("gpt2", "openai-community/gpt2")
    for name, target in (("x", "x/y"), ("y", "gpt2/z"), ("openai-community", "a/b")):
        with pytest.raises(BadRequest):
            alias(name, target)
    with pytest.raises(Unauthorized):
        aliases.set_alias(hub.sv, ANONYMOUS, repo_type=RepoType.MODEL, name="a", target=RepoId("b", "c"))


def test_pages_of_a_repository(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "m")
    create(client, "p", private=True)
    sha = commit(client, "alice/m", {"dir/<b>.txt": b"1"})
    shows = {
        "": "Model card",
        "/tree/main": "dir",
        "/tree/main/dir": "&lt;b&gt;.txt",
        "/blob/main/dir/%3Cb%3E.txt": "&lt;b&gt;.txt",
        f"/commit/{sha}": "dir/&lt;b&gt;.txt",
    }
    for tail, text in shows.items():
        shown = hub.client().get("/alice/m" + tail)
        assert shown.status_code == 200, tail
        assert shown.headers["content-type"] == "text/html; charset=utf-8"
        assert text in shown.text, tail
        assert "<b>" not in shown.text
    assert hub.client().get("/alice/m/blob/main/none").status_code == 404
    assert hub.client().get("/alice/m/discussions/7").status_code == 404
    hidden, missing = hub.client().get("/alice/p"), hub.client().get("/alice/none")
    assert hidden.status_code == missing.status_code == 401
    assert client.get("/alice/p").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/jobs/alice/1"),
        ("GET", "/api/papers/search"),
        ("PUT", "/api/buckets/alice/b/settings"),
        ("POST", "/api/models/alice/m/scan"),
        ("GET", "/api/models/alice/m/jwt"),
        ("GET", "/api/buckets/alice/b/xet-read-token"),
        ("GET", "/api/buckets/alice/b/xet-write-token"),
        ("GET", "/api/spaces/hardware"),
    ],
)
def test_unbuilt_says_so(hub: HubUnderTest, method: str, path: str) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "m")
    answer = client.request(method, path)
    assert answer.status_code == 501
    assert "not supported" in answer.json()["error"]
    assert "not supported" in answer.headers["x-error-message"]


def test_unbuilt_does_not_tell_private_from_missing(hub: HubUnderTest) -> None:
    client = hub.client(hub.add_user("alice"))
    create(client, "p", private=True)
    for method, path in (("GET", "jwt"), ("POST", "scan")):
        hidden = hub.client().request(method, f"/api/models/alice/p/{path}")
        missing = hub.client().request(method, f"/api/models/alice/none/{path}")
        assert hidden.status_code == missing.status_code == 401
        assert hidden.content == missing.content
        assert client.request(method, f"/api/models/alice/p/{path}").status_code == 501

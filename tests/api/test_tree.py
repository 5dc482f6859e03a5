"""Listings: pages, order, LFS facts, last commits, and the revisions clients leave unencoded."""

from __future__ import annotations

import httpx
import pytest

from api.content import Content, Large, Link, blob_oid, paths
from openhood.base.names import RepoType
from openhood.testing.hub import HubUnderTest

WEIGHTS = Large(b"w" * 5000)
TREE = "/api/models/alice/m/tree/main"


@pytest.fixture
def content(hub: HubUnderTest) -> Content:
    hub.add_user("alice")
    made = Content(hub.sv, "alice/m")
    made.commit(
        {
            "README.md": b"# Hello\n",
            "model.safetensors": WEIGHTS,
            "sub/a.txt": b"a",
            "sub/dir/b.txt": b"bb",
            "link": Link("README.md"),
        },
        message="First\n\nWith a body",
    )
    return made


def get(hub: HubUnderTest, url: str) -> httpx.Response:
    return hub.client().get(url)


def test_a_listing_has_what_clients_read(hub: HubUnderTest, content: Content) -> None:
    answer = get(hub, TREE)
    assert answer.status_code == 200
    assert "link" not in answer.headers
    assert answer.headers["content-type"].startswith("application/json")
    items = {item["path"]: item for item in answer.json()}
    assert list(items) == ["README.md", "link", "model.safetensors", "sub"]
    assert items["README.md"] == {
        "type": "file",
        "oid": blob_oid(b"# Hello\n"),
        "size": 8,
        "path": "README.md",
    }
    pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{WEIGHTS.sha256}\nsize 5000\n".encode()
    assert items["model.safetensors"] == {
        "type": "file",
        "oid": blob_oid(pointer),
        "size": 5000,
        "path": "model.safetensors",
        "lfs": {"oid": WEIGHTS.sha256, "size": 5000, "pointerSize": len(pointer)},
    }
    assert items["sub"]["type"] == "directory"
    assert len(items["sub"]["oid"]) == 40
    assert (items["link"]["type"], items["link"]["size"]) == ("file", 9)


def test_recursive_and_by_path(hub: HubUnderTest, content: Content) -> None:
    assert paths(get(hub, f"{TREE}?recursive=true").json()) == [
        "README.md",
        "link",
        "model.safetensors",
        "sub",
        "sub/a.txt",
        "sub/dir",
        "sub/dir/b.txt",
    ]
    for url in (f"{TREE}/sub", f"{TREE}/sub/", f"{TREE}/sub?recursive=False"):
        assert paths(get(hub, url).json()) == ["sub/a.txt", "sub/dir"]
    for url in (f"{TREE}/sub/dir", f"{TREE}/sub%2Fdir"):
        assert paths(get(hub, url).json()) == ["sub/dir/b.txt"]
    assert paths(get(hub, f"{TREE}/sub?recursive=1").json()) == ["sub/a.txt", "sub/dir", "sub/dir/b.txt"]


def test_revisions_with_slashes_encoded_or_not(hub: HubUnderTest, content: Content) -> None:
    main = content.ref("refs/heads/main").commit_oid
    content.commit({"sub/pr.txt": b"1"}, ref="refs/pr/1", start=main)
    content.commit({"sub/branch.txt": b"1"}, ref="refs/heads/feature/x", start=main)
    base = "/api/models/alice/m/tree"
    for revision in ("refs/pr/1", "refs%2Fpr%2F1"):
        assert "sub/pr.txt" in paths(get(hub, f"{base}/{revision}/sub").json())
        assert "sub" in paths(get(hub, f"{base}/{revision}").json())
    for revision in ("feature/x", "feature%2Fx", "refs/heads/feature/x"):
        assert "sub/branch.txt" in paths(get(hub, f"{base}/{revision}/sub").json())
    assert "sub/branch.txt" not in paths(get(hub, f"{base}/{main}/sub").json())
    assert get(hub, f"{base}/feature").headers["x-error-code"] == "RevisionNotFound"
    assert get(hub, f"{base}/feature/y/sub").headers["x-error-code"] == "RevisionNotFound"


def test_pages_follow_each_other_on_one_commit(hub: HubUnderTest, content: Content) -> None:
    content.commit({f"data/{number:03}.bin": b"%d" % number for number in range(25)}, message="Data")
    url: str | None = f"{TREE}/data?limit=10&recursive=true&expand=false"
    seen: list[object] = []
    pages = 0
    while url is not None:
        answer = get(hub, url)
        assert answer.status_code == 200
        seen += paths(answer.json())
        pages += 1
        if pages == 1:  # the branch moves while the client lists
            content.commit({"data/000a.bin": b"new", "data/024.bin": None})
        url = answer.links.get("next", {}).get("url")
        if url is not None:
            assert url.startswith(f"{hub.url}/api/models/alice/m/tree/main/data?")
            assert "recursive=true" in url
            assert "limit=10" in url
    assert pages == 3
    assert seen == [f"data/{number:03}.bin" for number in range(25)]
    assert paths(get(hub, f"{TREE}/data?limit=25").json())[:2] == ["data/000.bin", "data/000a.bin"]


@pytest.mark.parametrize(
    "cursor", ["x", "%ff", "AAAA", "MDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMGFhYQ=="]
)
def test_foreign_cursors_are_refused(hub: HubUnderTest, content: Content, cursor: str) -> None:
    answer = get(hub, f"{TREE}?cursor={cursor}")
    assert answer.status_code == 400
    assert answer.headers["x-error-message"]


def test_refusals(hub: HubUnderTest, content: Content) -> None:
    for path in ("none", "sub/none", "README.md", "README.md/x", "model.safetensors", "sub/a.txt"):
        answer = get(hub, f"{TREE}/{path}")
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "EntryNotFound"), path
        assert answer.headers["x-repo-commit"] == content.ref("refs/heads/main").commit_oid
    assert get(hub, "/api/models/alice/m/tree/none").headers["x-error-code"] == "RevisionNotFound"
    assert get(hub, f"{TREE}?limit=x").status_code == 400
    Content(hub.sv, "alice/secret", visibility="private").commit({"f": b""})
    for route in ("tree/main", "commits/main", "compare/main..main", "treesize/main/f", "storage"):
        hidden = get(hub, f"/api/models/alice/secret/{route}")
        missing = get(hub, f"/api/models/alice/nosuch/{route}")
        assert hidden.status_code == missing.status_code == 401
        assert hidden.content == missing.content
        assert hidden.headers["x-error-code"] == "RepoNotFound"
    posted = hub.client().post("/api/models/alice/secret/paths-info/main", data={"paths": "f"})
    assert (posted.status_code, posted.headers["x-error-code"]) == (401, "RepoNotFound")


def test_a_gated_repository_shows_its_tree_but_not_its_differences(
    hub: HubUnderTest, content: Content
) -> None:
    content.set(gated="auto")
    assert get(hub, TREE).status_code == 200
    answer = get(hub, "/api/models/alice/m/compare/main..main")
    assert (answer.status_code, answer.headers["x-error-code"]) == (401, "GatedRepo")


@pytest.mark.parametrize("indexed", [True, False])
def test_expand_tells_the_last_commit_of_every_path(
    hub: HubUnderTest, content: Content, indexed: bool
) -> None:
    first = content.ref("refs/heads/main").commit_oid
    second = content.commit({"sub/dir/b.txt": b"changed"}, message="Second\n\nbody", indexed=indexed)
    third = content.commit({"README.md": b"# Again\n"}, message="Third", indexed=indexed)
    assert content.ref("refs/heads/main").indexed is indexed
    expected = {
        "README.md": third,
        "link": first,
        "model.safetensors": first,
        "sub": second,
        "sub/a.txt": first,
        "sub/dir": second,
        "sub/dir/b.txt": second,
    }
    for _ in range(2):  # the second time from memory
        items = {item["path"]: item for item in get(hub, f"{TREE}?recursive=true&expand=true").json()}
        assert {path: item["lastCommit"]["id"] for path, item in items.items()} == expected
    assert items["README.md"]["lastCommit"] == {
        "id": third,
        "title": "Third",
        "date": "2024-01-02T06:04:05.000Z",
    }
    assert items["README.md"]["securityFileStatus"] == {
        "status": "unscanned",
        "avScan": None,
        "pickleImportScan": None,
    }
    assert "securityFileStatus" not in items["sub"]
    # An older commit has no index of its own.
    old = get(hub, f"/api/models/alice/m/tree/{second}?recursive=true&expand=true").json()
    assert {item["path"]: item["lastCommit"]["id"] for item in old} == expected | {"README.md": first}


def test_an_expanded_page_is_shorter(hub: HubUnderTest, content: Content) -> None:
    content.commit({f"data/{number:03}": b"x" for number in range(150)})
    assert len(get(hub, f"{TREE}/data?expand=true&limit=1000").json()) == 100
    assert len(get(hub, f"{TREE}/data?limit=1000").json()) == 150


def test_paths_info_takes_a_form_and_json(hub: HubUnderTest, content: Content) -> None:
    client = hub.client()
    url = "/api/models/alice/m/paths-info/main"
    wanted = ["sub", "model.safetensors", "nothing", "README.md", "sub/none", "", "/", "a\0b", "../x"]
    form = client.post(url, data={"paths": wanted, "expand": "False"})
    json = client.post(url, json={"paths": wanted, "expand": False})
    assert form.status_code == json.status_code == 200
    assert form.json() == json.json()
    assert paths(form.json()) == ["sub", "model.safetensors", "README.md"]
    assert form.json()[1]["lfs"]["oid"] == WEIGHTS.sha256
    assert "lastCommit" not in form.json()[0]
    expanded = client.post(url, data={"paths": ["sub", "README.md"], "expand": "True"}).json()
    first = content.ref("refs/heads/main").commit_oid
    assert [item["lastCommit"]["id"] for item in expanded] == [first, first]
    assert (
        client.post(url, json={"paths": ["README.md"], "expand": True}).json()[0]["lastCommit"]["id"] == first
    )
    assert client.post(url, json={"paths": "README.md"}).json()[0]["path"] == "README.md"
    assert client.post(url, data={}).json() == []


def test_paths_info_refuses_nonsense(hub: HubUnderTest, content: Content) -> None:
    client = hub.client()
    url = "/api/models/alice/m/paths-info/main"
    assert client.post(url, json={"paths": ["x"] * 2001}).status_code == 400
    assert client.post(url, json={"paths": ["x"] * 2000}).json() == []
    assert client.post(url, json={"paths": 5}).status_code == 400
    assert client.post(url, json=[1]).status_code == 400
    assert client.post(url, content=b"{", headers={"Content-Type": "application/json"}).status_code == 400
    wrong = client.post("/api/models/alice/m/paths-info/none", data={"paths": "x"})
    assert (wrong.status_code, wrong.headers["x-error-code"]) == (404, "RevisionNotFound")
    assert client.post("/api/models/alice/m/paths-info/refs%2Fheads%2Fmain", data={"paths": "link"}).json()


def test_treesize_counts_the_content_of_large_files(hub: HubUnderTest, content: Content) -> None:
    base = "/api/models/alice/m/treesize/main"
    assert get(hub, base).json() == {"path": "", "size": 8 + 9 + 5000 + 1 + 2}
    assert get(hub, f"{base}/sub").json() == {"path": "sub", "size": 3}
    assert get(hub, f"{base}/model.safetensors").json() == {"path": "model.safetensors", "size": 5000}
    assert get(hub, f"{base}/none").headers["x-error-code"] == "EntryNotFound"


def test_storage(hub: HubUnderTest, content: Content) -> None:
    found = get(hub, "/api/models/alice/m/storage").json()
    assert found["lfs"] == {"size": 5000, "count": 1}
    assert found["git"]["size"] > 0
    assert found["usedStorage"] == 5000 + found["git"]["size"]


def test_odd_names_survive(hub: HubUnderTest, content: Content) -> None:
    names = ["é.txt", "a b/c+d & e.txt", "100%.txt", "#x?y", "日本/語.bin", "-dash", "a'b\"c"]
    content.commit(dict.fromkeys(names, b"x"))
    listed = paths(get(hub, f"{TREE}?recursive=true").json())
    assert set(names) <= set(listed)
    posted = hub.client().post("/api/models/alice/m/paths-info/main", data={"paths": names, "expand": "true"})
    assert paths(posted.json()) == names
    one = [item for item in listed if item == "日本/語.bin"]
    pages = httpx.URL(hub.url + TREE, params={"recursive": "true", "limit": "1"})
    seen = []
    url: str | None = str(pages)
    while url:
        answer = get(hub, url)
        seen += paths(answer.json())
        url = answer.links.get("next", {}).get("url")
    assert seen == listed
    assert one


def test_datasets_spaces_and_unknown_kinds(hub: HubUnderTest, content: Content) -> None:
    for kind in (RepoType.DATASET, RepoType.SPACE):
        Content(hub.sv, "alice/m", kind=kind).commit({f"{kind.value}.txt": b"x"})
        assert paths(get(hub, f"/api/{kind.plural}/alice/m/tree/main").json()) == [f"{kind.value}.txt"]
    assert get(hub, "/api/kernels/alice/m/tree/main").status_code == 404


def test_a_hundred_thousand_files_are_listed_by_the_page(hub: HubUnderTest, content: Content) -> None:
    names = [f"flat/{number:06}.txt" for number in range(100_000)]
    content.commit({name: b"%d" % (number % 100) for number, name in enumerate(names)}, indexed=False)
    client = hub.client()
    first = client.get("/api/models/alice/m/tree/main/flat?limit=1000")
    assert paths(first.json()) == names[:1000]
    assert 'rel="next"' in first.headers["link"]
    whole = client.get("/api/models/alice/m/tree/main?recursive=true&limit=1000")
    assert paths(whole.json()) == ["README.md", "flat", *names[:998]]

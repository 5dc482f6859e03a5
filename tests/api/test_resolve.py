"""Reading files: every header of HEAD and GET, refusals with their codes, gates, redirects to the store."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import pytest

from api.content import Content, Large, Link, blob_oid
from openhood.base.names import RepoType
from openhood.http.resolve import disposition, media_type
from openhood.infra.db.tables import lfs_objects, repo_lfs
from openhood.testing.hub import HubUnderTest

CONFIG = b'{"model_type": "llama"}\n'
WEIGHTS = Large(bytes(range(256)) * 5000)


@pytest.fixture
def content(hub: HubUnderTest) -> Content:
    """A public model with a small file, an LFS object and a README."""
    hub.add_user("alice")
    made = Content(hub.sv, "alice/m")
    made.commit(
        {
            "README.md": b"# Hello\n",
            "config.json": CONFIG,
            "model.safetensors": WEIGHTS,
            "sub/dir/page.html": b"<script>alert(1)</script>",
            "empty.bin": b"",
            "link": Link("config.json"),
        },
        message="First",
    )
    return made


def test_head_of_a_file_in_git_has_every_header(hub: HubUnderTest, content: Content) -> None:
    answer = hub.client().head("/alice/m/resolve/main/config.json")
    assert answer.status_code == 200
    assert answer.content == b""
    commit = content.ref("refs/heads/main").commit_oid
    expected = {
        "x-repo-commit": commit,
        "etag": f'"{blob_oid(CONFIG)}"',
        "x-linked-etag": f'"{blob_oid(CONFIG)}"',
        "x-linked-size": str(len(CONFIG)),
        "content-length": str(len(CONFIG)),
        "accept-ranges": "bytes",
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": "inline; filename*=UTF-8''config.json; filename=\"config.json\";",
        "x-content-type-options": "nosniff",
        "content-security-policy": "sandbox; default-src 'none'",
    }
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert not [name for name in answer.headers if "xet" in name]
    assert "location" not in answer.headers


def test_head_of_a_large_file_names_its_sha256_and_real_size(hub: HubUnderTest, content: Content) -> None:
    answer = hub.client().head("/alice/m/resolve/main/model.safetensors")
    assert answer.status_code == 200
    assert answer.headers["etag"] == answer.headers["x-linked-etag"] == f'"{WEIGHTS.sha256}"'
    assert answer.headers["content-length"] == answer.headers["x-linked-size"] == str(len(WEIGHTS.data))
    assert answer.headers["content-type"] == "application/octet-stream"


@pytest.mark.parametrize(("path", "data"), [("config.json", CONFIG), ("model.safetensors", WEIGHTS.data)])
def test_get_returns_the_bytes_with_the_headers_of_head(
    hub: HubUnderTest, content: Content, path: str, data: bytes
) -> None:
    client = hub.client()
    head, got = client.head(f"/alice/m/resolve/main/{path}"), client.get(f"/alice/m/resolve/main/{path}")
    assert got.status_code == 200
    assert got.content == data
    ignored = {"x-request-id"}
    assert {k: v for k, v in got.headers.items() if k not in ignored} == {
        k: v for k, v in head.headers.items() if k not in ignored
    }


def test_raw_returns_the_pointer_and_the_text(hub: HubUnderTest, content: Content) -> None:
    client = hub.client()
    pointer = client.get("/alice/m/raw/main/model.safetensors")
    text = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{WEIGHTS.sha256}\nsize {len(WEIGHTS.data)}\n"
    )
    assert pointer.status_code == 200
    assert pointer.text == text
    assert pointer.headers["etag"] == f'"{blob_oid(text.encode())}"'
    assert client.get("/alice/m/raw/main/config.json").content == CONFIG
    head = client.head("/alice/m/raw/main/model.safetensors")
    assert (head.status_code, head.headers["content-length"]) == (200, str(len(text)))


def test_a_link_is_served_as_its_target_and_an_empty_file_as_nothing(
    hub: HubUnderTest, content: Content
) -> None:
    client = hub.client()
    assert client.get("/alice/m/resolve/main/link").content == b"config.json"
    empty = client.get("/alice/m/resolve/main/empty.bin")
    assert (empty.status_code, empty.content, empty.headers["content-length"]) == (200, b"", "0")


def test_user_content_is_never_active_on_the_hubs_origin(hub: HubUnderTest, content: Content) -> None:
    answer = hub.client().get("/alice/m/resolve/main/sub/dir/page.html")
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["content-security-policy"].startswith("sandbox")
    dangerous = (
        "html",
        "htm",
        "xhtml",
        "svg",
        "xml",
        "xsl",
        "js",
        "mjs",
        "css",
        "swf",
        "mht",
        "hta",
        "unknown",
        "",
    )
    for ending in dangerous:
        kind = media_type(f"dir/file.{ending}" if ending else "file")
        assert kind in ("text/plain; charset=utf-8", "application/octet-stream"), ending
    assert media_type("a/b.PNG") == "image/png"
    assert media_type("LICENSE") == "text/plain; charset=utf-8"


def test_every_name_of_a_revision_leads_to_its_commit(hub: HubUnderTest, content: Content) -> None:
    first = content.ref("refs/heads/main").commit_oid
    content.point("refs/heads/feature/x", first)
    content.point("refs/tags/v1.0", first)
    second = content.commit({"config.json": b"{}"}, message="Second")
    pr = content.commit({"config.json": b"pr"}, ref="refs/pr/1", start=second)
    client = hub.client()
    cases = {
        "main": (second, b"{}"),
        "HEAD": (second, b"{}"),
        "refs%2Fheads%2Fmain": (second, b"{}"),
        "feature%2Fx": (first, CONFIG),
        "v1.0": (first, CONFIG),
        "refs%2Fpr%2F1": (pr, b"pr"),
        "refs/pr/1": (pr, b"pr"),
        first: (first, CONFIG),
        first[:7]: (first, CONFIG),
    }
    for revision, (commit, data) in cases.items():
        answer = client.get(f"/alice/m/resolve/{revision}/config.json")
        assert (answer.status_code, answer.headers.get("x-repo-commit"), answer.content) == (
            200,
            commit,
            data,
        ), revision


def test_prefixes_of_datasets_and_spaces(hub: HubUnderTest, content: Content) -> None:
    for kind in (RepoType.DATASET, RepoType.SPACE):
        Content(hub.sv, "alice/m", kind=kind).commit({"f.txt": kind.value.encode()})
        answer = hub.client().get(f"/{kind.plural}/alice/m/resolve/main/f.txt")
        assert (answer.status_code, answer.text) == (200, kind.value)
    assert hub.client().get("/kernels/alice/m/resolve/main/f.txt").status_code == 404
    doubled = hub.client().get("/", extensions={"target": b"//datasets/alice/m/resolve/main/f.txt"})
    assert doubled.text == "dataset"  # some clients keep a trailing slash in their endpoint
    commit = content.ref("refs/heads/main").commit_oid
    cached = hub.client().get(f"/api/resolve-cache/models/alice/m/{commit}/config.json")
    assert (cached.status_code, cached.content) == (200, CONFIG)


def refusal(answer: object) -> tuple[int, str | None, str | None]:
    """What clients read of an error."""
    headers: Mapping[str, str] = answer.headers  # type: ignore[attr-defined]
    return answer.status_code, headers.get("x-error-code"), headers.get("x-error-message")  # type: ignore[attr-defined]


def test_refusals_have_the_codes_and_sentences_clients_know(hub: HubUnderTest, content: Content) -> None:
    bob = hub.client(hub.add_user("bob"))
    nobody = hub.client()
    commit = content.ref("refs/heads/main").commit_oid
    missing = nobody.head("/alice/m/resolve/main/nothing.bin")
    assert refusal(missing) == (404, "EntryNotFound", "Entry not found")
    assert missing.headers["x-repo-commit"] == commit
    assert refusal(nobody.get("/alice/m/resolve/main/sub/dir"))[:2] == (404, "EntryNotFound")
    assert refusal(nobody.get("/alice/m/resolve/main/config.json/x"))[:2] == (404, "EntryNotFound")
    assert refusal(nobody.get("/alice/m/resolve/xyz/config.json")) == (
        404,
        "RevisionNotFound",
        "Invalid rev id: xyz",
    )
    assert refusal(nobody.get(f"/alice/m/resolve/{'0' * 40}/config.json"))[:2] == (404, "RevisionNotFound")
    assert refusal(nobody.get("/alice/none/resolve/main/config.json")) == (
        401,
        "RepoNotFound",
        "Invalid username or password.",
    )
    assert refusal(bob.get("/alice/none/resolve/main/config.json")) == (
        404,
        "RepoNotFound",
        "Repository not found",
    )
    wrong = hub.client("hf_wrong").get("/alice/m/resolve/main/config.json")
    assert refusal(wrong) == (401, None, "Invalid credentials in Authorization header")
    assert wrong.json()["error"] == "Invalid credentials in Authorization header"


@pytest.mark.parametrize(
    "path",
    [
        b"%00",
        b"a%00b",
        b"..",
        b"%2e%2e/config.json",
        b"sub//..%2fconfig.json",
        b"config.json%00",
        b"x" * 2000,
    ],
)
def test_odd_paths_are_missing_entries(hub: HubUnderTest, content: Content, path: bytes) -> None:
    answer = hub.client().get("/", extensions={"target": b"/alice/m/resolve/main/" + path})
    assert refusal(answer)[:2] == (404, "EntryNotFound")
    broken = hub.client().get("/", extensions={"target": b"/alice/m/resolve/main/%ff%fe"})
    assert broken.status_code == 400


def test_a_private_repository_cannot_be_told_from_a_missing_one(hub: HubUnderTest, content: Content) -> None:
    bob = hub.client(hub.add_user("bob"))
    secret = Content(hub.sv, "alice/secret", visibility="private")
    secret.commit({"README.md": b"secret", "config.json": CONFIG})
    for client in (bob, hub.client()):
        for word in ("resolve", "raw"):
            for tail in ("main/README.md", "main/nothing", "nothing/README.md", f"{'0' * 40}/x"):
                hidden = client.get(f"/alice/secret/{word}/{tail}")
                missing = client.get(f"/alice/nosuch/{word}/{tail}")
                assert refusal(hidden) == refusal(missing)
                assert hidden.content == missing.content
                assert "x-repo-commit" not in hidden.headers
    alice = hub.client(hub.add_token("alice", role="read"))
    assert alice.get("/alice/secret/resolve/main/config.json").content == CONFIG


def test_the_gate_lets_through_only_the_card_and_the_license(hub: HubUnderTest, content: Content) -> None:
    gated = Content(hub.sv, "alice/gated", gated="manual")
    gated.commit(
        {
            "README.md": b"card",
            "LICENSE": b"l1",
            "LICENSE.md": b"l2",
            "LICENSE.txt": b"l3",
            "sub/README.md": b"no",
            "config.json": CONFIG,
        }
    )
    nobody, bob = hub.client(), hub.client(hub.add_user("bob"))
    for client in (nobody, bob):
        for path in ("README.md", "LICENSE", "LICENSE.md", "LICENSE.txt"):
            assert client.get(f"/alice/gated/resolve/main/{path}").status_code == 200
    # The gate comes before revision and entry.
    for tail in (
        "main/config.json",
        "main/sub/README.md",
        "main/nothing",
        "nothing/config.json",
        "main/readme.md",
    ):
        assert refusal(nobody.head(f"/alice/gated/resolve/{tail}")) == (
            401,
            "GatedRepo",
            "Access to model alice/gated is restricted. You must have access to it and be authenticated to "
            "access it. Please log in.",
        )
        assert refusal(bob.head(f"/alice/gated/resolve/{tail}"))[:2] == (403, "GatedRepo")
    assert refusal(nobody.get("/alice/gated/raw/main/README.md"))[:2] == (401, "GatedRepo")
    alice = hub.client(hub.add_token("alice"))
    assert alice.get("/alice/gated/resolve/main/config.json").content == CONFIG


def test_a_disabled_repository_says_the_sentence_clients_compare(hub: HubUnderTest, content: Content) -> None:
    content.set(is_disabled=True)
    answer = hub.client().get("/alice/m/resolve/main/config.json")
    assert refusal(answer) == (403, None, "Access to this resource is disabled.")


def test_a_pointer_to_an_object_of_another_repository_leads_nowhere_regression(
    hub: HubUnderTest, content: Content
) -> None:
    hub.add_user("bob")
    other = Content(hub.sv, "bob/m")
    text = (
        f"version https://git-lfs.github.com/spec/v1\noid sha256:{WEIGHTS.sha256}\nsize {len(WEIGHTS.data)}\n"
    )
    other.commit({"stolen.bin": text.encode()})
    for method in ("HEAD", "GET"):
        answer = hub.client().request(method, "/bob/m/resolve/main/stolen.bin")
        assert refusal(answer)[:2] == (404, "EntryNotFound")
        assert "x-repo-commit" not in answer.headers


def test_a_deleted_object_is_gone_at_once(hub: HubUnderTest, content: Content) -> None:
    client = hub.client()
    assert client.get("/alice/m/resolve/main/model.safetensors").status_code == 200
    with hub.sv.db.write() as tx:
        tx.execute(repo_lfs.delete())
        tx.execute(lfs_objects.delete())
    assert client.head("/alice/m/resolve/main/model.safetensors").status_code == 404
    assert client.get("/alice/m/resolve/main/model.safetensors").status_code == 404


def test_names_in_content_disposition() -> None:
    assert disposition("a/b.txt", kind="inline") == "inline; filename*=UTF-8''b.txt; filename=\"b.txt\";"
    assert disposition('é "x"\n.txt', kind="attachment") == (
        "attachment; filename*=UTF-8''%C3%A9%20%22x%22%0A.txt; filename=\"_ _x__.txt\";"
    )


def test_download_asks_for_an_attachment_and_no_disposition_for_none(
    hub: HubUnderTest, content: Content
) -> None:
    client = hub.client()
    for query, start in (("download=true", "attachment;"), ("download=1", "attachment;"), ("x=1", "inline;")):
        answer = client.get(f"/alice/m/resolve/main/config.json?{query}")
        assert answer.headers["content-disposition"].startswith(start)
    answer = client.get("/alice/m/resolve/main/config.json?noContentDisposition=1")
    assert "content-disposition" not in answer.headers


def test_large_files_in_git_are_streamed(hub: HubUnderTest, content: Content) -> None:
    data = hashlib.sha256(b"seed").digest() * 100_000
    content.commit({"big.csv": data})
    client = hub.client()
    assert client.get("/alice/m/resolve/main/big.csv").content == data
    part = client.get("/alice/m/resolve/main/big.csv", headers={"Range": "bytes=3000001-3000009"})
    assert (part.status_code, part.content) == (206, data[3000001:3000010])


def test_on_both_databases(hub_on_both: HubUnderTest) -> None:
    hub_on_both.add_user("alice")
    made = Content(hub_on_both.sv, "alice/m")
    made.commit({"config.json": CONFIG, "model.bin": WEIGHTS})
    client = hub_on_both.client()
    assert client.get("/alice/m/resolve/main/config.json").content == CONFIG
    assert client.get("/Alice/M/resolve/main/model.bin").content == WEIGHTS.data
    assert client.head("/alice/m/resolve/main/none").status_code == 404

"""History and differences: paging, counting, authors, formatted messages, unified and raw diffs."""

from __future__ import annotations

import httpx
import pytest

from api.content import Content, blob_oid
from openhood.testing.hub import HubUnderTest

COMMITS = "/api/models/alice/m/commits"
COMPARE = "/api/models/alice/m/compare"


@pytest.fixture
def content(hub: HubUnderTest) -> Content:
    hub.add_user("alice", email="alice@example.org")
    hub.add_user("bob")
    return Content(hub.sv, "alice/m")


def get(hub: HubUnderTest, url: str) -> httpx.Response:
    return hub.client().get(url)


def test_commits_newest_first(hub: HubUnderTest, content: Content) -> None:
    first = content.commit({"a": b"1"}, message="First <one>\n\nBody & more\nsecond line\n\n* item")
    second = content.commit({"a": b"2"}, message="Second")
    answer = get(hub, f"{COMMITS}/main")
    assert answer.status_code == 200
    assert answer.headers["x-total-count"] == "2"
    assert "link" not in answer.headers
    newest, oldest = answer.json()
    assert newest == {
        "id": second,
        "title": "Second",
        "message": "",
        "authors": [{"user": "alice", "avatar": newest["authors"][0]["avatar"]}],
        "date": "2024-01-02T05:04:05.000Z",
        "parents": [first],
    }
    assert newest["authors"][0]["avatar"].startswith("http")
    assert (oldest["id"], oldest["title"], oldest["parents"]) == (first, "First <one>", [])
    assert oldest["message"] == "Body & more\nsecond line\n\n* item"


def test_formatted_messages_are_escaped(hub: HubUnderTest, content: Content) -> None:
    content.commit({"a": b"1"}, message="A <b>title</b>\n\n<script>alert(1)</script>\nline\n\npara")
    for query in ("expand[]=formatted", "expand=formatted", "expand%5B%5D=formatted"):
        item = get(hub, f"{COMMITS}/main?{query}").json()[0]
        assert item["formatted"] == {
            "title": "A &lt;b&gt;title&lt;/b&gt;",
            "message": "<p>&lt;script&gt;alert(1)&lt;/script&gt;<br>line</p><p>para</p>",
        }
    assert "formatted" not in get(hub, f"{COMMITS}/main").json()[0]


def test_paging_by_number(hub: HubUnderTest, content: Content) -> None:
    oids = [content.commit({"a": b"%d" % number}, message=f"Commit {number}") for number in range(7)]
    url: str | None = f"{COMMITS}/main?limit=3&expand%5B%5D=formatted"
    seen: list[str] = []
    pages = 0
    while url:
        answer = get(hub, url)
        assert answer.headers["x-total-count"] == "7"
        assert all("formatted" in item for item in answer.json())
        seen += [item["id"] for item in answer.json()]
        url = answer.links.get("next", {}).get("url")
        pages += 1
    assert (seen, pages) == (oids[::-1], 3)
    assert get(hub, f"{COMMITS}/main?p=1&limit=2").json()[0]["id"] == oids[4]
    assert get(hub, f"{COMMITS}/main?p=100").json() == []
    assert get(hub, f"{COMMITS}/main?p=-1&limit=0").status_code == 200
    assert get(hub, f"{COMMITS}/main?limit=x").status_code == 400


def test_commits_of_any_revision(hub: HubUnderTest, content: Content) -> None:
    first = content.commit({"a": b"1"})
    content.commit({"a": b"2"})
    pr = content.commit({"a": b"3"}, ref="refs/pr/1", start=first)
    branch = content.commit({"a": b"4"}, ref="refs/heads/feature/x", start=first)
    for revision, tip in (
        ("refs/pr/1", pr),
        ("refs%2Fpr%2F1", pr),
        ("feature/x", branch),
        ("feature%2Fx", branch),
        (first, first),
    ):
        assert get(hub, f"{COMMITS}/{revision}").json()[0]["id"] == tip
    wrong = get(hub, f"{COMMITS}/none")
    assert (wrong.status_code, wrong.headers["x-error-code"]) == (404, "RevisionNotFound")


def test_authors_are_accounts_where_they_can_be_found(hub: HubUnderTest, content: Content) -> None:
    content.commit({"a": b"1"}, author=("Someone Else", "Alice@Example.org"))
    content.commit({"a": b"2"}, author=("bob", "bob@elsewhere.test"))
    content.commit({"a": b"3"}, author=("Carol C", "carol@elsewhere.test"))
    assert [item["authors"][0]["user"] for item in get(hub, f"{COMMITS}/main").json()] == [
        "Carol C",
        "bob",
        "alice",
    ]
    assert "elsewhere.test" not in get(hub, f"{COMMITS}/main").text


def test_compare(hub: HubUnderTest, content: Content) -> None:
    first = content.commit({"a.txt": b"one\n", "b.txt": b"b\n"})
    second = content.commit({"a.txt": b"two\n"})
    branch = content.commit({"c.txt": b"c\n"}, ref="refs/heads/feature/x", start=first)
    answer = get(hub, f"{COMPARE}/{first}..{second}")
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+two\n" in answer.text
    assert get(hub, f"{COMPARE}/main^..main").text == answer.text
    assert get(hub, f"{COMPARE}/main..main").text == ""
    assert get(hub, f"{COMPARE}/refs%2Fheads%2Fmain%5E..main").text == answer.text
    two = get(hub, f"{COMPARE}/main..feature/x").text
    assert "-two\n+one" in two
    assert "+c" in two
    three = get(hub, f"{COMPARE}/main...feature/x").text
    assert "a.txt" not in three
    assert "+c" in three
    raw = get(hub, f"{COMPARE}/{first}..{second}?raw=true").text
    assert (
        raw == f":100644 100644 {blob_oid(b'one' + bytes([10]))} {blob_oid(b'two' + bytes([10]))} M\ta.txt\n"
    )
    assert branch


@pytest.mark.parametrize(
    "spec", ["main", "..main", "main..", "...", "main..none", "none..main", "main^^^..main"]
)
def test_compare_refuses_nonsense(hub: HubUnderTest, content: Content, spec: str) -> None:
    content.commit({"a": b"1"})
    answer = get(hub, f"{COMPARE}/{spec}")
    assert answer.status_code in (400, 404)
    if answer.status_code == 404:
        assert answer.headers["x-error-code"] == "RevisionNotFound"


def test_options_of_git_cannot_be_smuggled_in_regression(hub: HubUnderTest, content: Content) -> None:
    content.commit({"a": b"1"})
    for spec in ("--output=%2Ftmp%2Fx..main", "main..--output=%2Ftmp%2Fx", "-p..main"):
        answer = get(hub, f"{COMPARE}/{spec}")
        assert (answer.status_code, answer.headers["x-error-code"]) == (404, "RevisionNotFound")

"""Preupload: which file goes how, what is left out, and what is there already."""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import pytest

from api.desk import Desk, file, lfs_file
from openhood.testing.hub import HubUnderTest


@pytest.fixture
def desk(hub: HubUnderTest) -> Desk:
    return Desk(hub)


def ask(desk: Desk, *files: tuple[str, int, bytes], rev: str = "main", **more: Any) -> Any:
    query = more.pop("query", {})
    client = more.pop("client", desk.client)
    body = {
        "files": [
            {"path": path, "size": size, "sample": base64.b64encode(sample).decode()}
            for path, size, sample in files
        ],
        **more,
    }
    return client.post(f"{desk.api}/preupload/{rev}", json=body, params=query)


def modes(answer: Any) -> dict[str, str]:
    assert answer.status_code == 200, answer.text
    return {item["path"]: item["uploadMode"] for item in answer.json()["files"]}


def test_rules_size_and_content_decide(desk: Desk) -> None:
    answer = ask(
        desk,
        ("a.txt", 5, b"hello"),
        ("w.safetensors", 5, b"hello"),
        ("deep/w.bin", 5, b"hello"),
        ("empty.bin", 0, b""),
        ("large.txt", 10_000_001, b"text"),
        ("limit.txt", 10_000_000, b"text"),
        ("raw.dat", 600, b"\0\1\2"),
        ("latin.txt", 4, b"gr\xfc\xdfe"),
        ("cut.txt", 600, "ä".encode() * 255 + b"a\xc3"),
        (".gitattributes", 5, b"hello"),
    )
    assert modes(answer) == {
        "a.txt": "regular",
        "w.safetensors": "lfs",
        "deep/w.bin": "lfs",
        "empty.bin": "regular",
        "large.txt": "lfs",
        "limit.txt": "regular",
        "raw.dat": "lfs",
        "latin.txt": "lfs",
        "cut.txt": "regular",
        ".gitattributes": "regular",
    }
    body = answer.json()
    assert body["commitOid"] == desk.tip()
    assert [item["path"] for item in body["files"]][:2] == ["a.txt", "w.safetensors"]
    assert all(item["shouldIgnore"] is False for item in body["files"])
    assert "oid" not in body["files"][0]
    present = desk.git("rev-parse", "main:.gitattributes").strip()
    assert body["files"][-1]["oid"] == present


def test_rules_that_come_along_win(desk: Desk) -> None:
    rules = "*.txt filter=lfs diff=lfs merge=lfs -text\n"
    assert modes(ask(desk, ("a.txt", 5, b"x"), ("w.bin", 5, b"x"), gitAttributes=rules)) == {
        "a.txt": "lfs",
        "w.bin": "regular",
    }
    desk.done(file(".gitattributes", rules.encode()))
    assert modes(ask(desk, ("a.txt", 5, b"x"), ("w.bin", 5, b"x"))) == {"a.txt": "lfs", "w.bin": "regular"}


def test_ignored_files(desk: Desk) -> None:
    desk.done(file(".gitignore", b"*.log\n/build/\n"))
    ignored = {
        item["path"]: item["shouldIgnore"]
        for item in ask(desk, ("a.log", 1, b"x"), ("build/x", 1, b"x"), ("a.txt", 1, b"x")).json()["files"]
    }
    assert ignored == {"a.log": True, "build/x": True, "a.txt": False}
    told = ask(desk, ("a.log", 1, b"x"), ("a.txt", 1, b"x"), gitIgnore="*.txt").json()["files"]
    assert [item["shouldIgnore"] for item in told] == [False, True]


def test_what_is_there_already_is_named(desk: Desk) -> None:
    sha256 = desk.add_lfs(b"weights")
    desk.done(file("d/a.txt", b"hello"), lfs_file("w.bin", sha256))
    answer = ask(
        desk, ("d/a.txt", 5, b"hello"), ("w.bin", 7, b"weights"), ("d", 1, b"x"), ("new", 1, b"x")
    ).json()
    oids = {item["path"]: item.get("oid") for item in answer["files"]}
    blob = hashlib.sha1(b"blob 5\0hello").hexdigest()
    assert oids == {"d/a.txt": blob, "w.bin": sha256, "d": None, "new": None}


def test_who_may_ask(desk: Desk) -> None:
    bob = desk.hub.client(desk.hub.add_user("bob"))
    assert ask(desk, ("a", 1, b"x"), client=bob).status_code == 403
    assert ask(desk, ("a", 1, b"x"), client=bob, query={"create_pr": "1"}).status_code == 200
    desk.done(file("b", b"x"), client=bob, create_pr="1")
    assert ask(desk, ("a", 1, b"x"), client=bob, rev="refs%2Fpr%2F1").status_code == 200
    missing = ask(desk, ("a", 1, b"x"), rev="nope")
    assert (missing.status_code, missing.headers["x-error-code"]) == (404, "RevisionNotFound")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({"files": [{"path": "../x", "size": 1, "sample": ""}]}, 422, "'..'"),
        ({"files": [{"path": "x", "size": -1}]}, 400, "size"),
        ({"files": [{"path": "x"}]}, 400, "size"),
        ({"files": "x"}, 400, "files"),
        ({}, 400, "files"),
        ({"files": [{"path": f"{n}", "size": 1} for n in range(1001)]}, 400, "At most 1000"),
    ],
)
def test_bad_questions(desk: Desk, body: dict[str, Any], status: int, words: str) -> None:
    answer = desk.client.post(f"{desk.api}/preupload/main", json=body)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]


def test_datasets_send_media_to_lfs(hub: HubUnderTest) -> None:
    desk = Desk(hub, kind="dataset", name="d")
    assert modes(ask(desk, ("a.png", 5, b"x"), ("b.mp3", 5, b"x"), ("c.csv", 5, b"x"))) == {
        "a.png": "lfs",
        "b.mp3": "lfs",
        "c.csv": "regular",
    }

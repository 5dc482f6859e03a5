"""Names and paths: what may exist, what is refused, and that nothing harmful passes whatever it looks like."""

from __future__ import annotations

import re
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from openhood.base.errors import InvalidName, InvalidPath
from openhood.base.names import (
    MAX_PATH_BYTES,
    MAX_SEGMENT_BYTES,
    RepoId,
    RepoType,
    branch_ref,
    check_account_name,
    check_any_account_name,
    check_ref_tail,
    check_repo_name,
    is_oid,
    is_short_oid,
    parse_path,
    parse_sha256,
    tag_ref,
)


@pytest.mark.parametrize("name", ["a", "gpt2", "Llama-3.1-8B_q4", "x" * 96, "_x_", "0", "a.b"])
def test_repository_names_that_may_be(name: str) -> None:
    assert check_repo_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "a--b", "a..b", "-a", "a-", ".a", "a.", "x" * 97, "a.git", "a.GIT", "a/b", "a b", "é", "a\n", "a%"],
)
def test_repository_names_that_may_not(name: str) -> None:
    with pytest.raises(InvalidName):
        check_repo_name(name)


@pytest.mark.parametrize("name", ["alice", "a1", "acme-labs", "A" * 42])
def test_account_names_people_may_take(name: str) -> None:
    assert check_account_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "a",
        "A" * 43,
        "1234",
        "0123456789abcdef01234567",
        "a--b",
        "-ab",
        "ab-",
        "a_b",
        "__robot__",
        "api",
        "Datasets",
        "é",
    ],
)
def test_account_names_people_may_not_take(name: str) -> None:
    with pytest.raises(InvalidName):
        check_account_name(name)


def test_administrators_are_freer() -> None:
    assert check_any_account_name("__robot__") == "__robot__"
    assert check_any_account_name("a") == "a"
    for name in ("", "..", "a..b", "a/b", "x" * 97, "-a", "a b"):
        with pytest.raises(InvalidName):
            check_any_account_name(name)


def test_ids_are_a_namespace_and_a_name() -> None:
    assert RepoId.parse("Acme/Model") == RepoId("Acme", "Model")
    assert RepoId.parse("Acme/Model").key == ("acme", "model")
    for text in ("model", "a/b/c", "/b", "a/", ""):
        with pytest.raises(InvalidName):
            RepoId.parse(text)


def test_types_know_their_spellings() -> None:
    assert [kind.plural for kind in RepoType] == ["models", "datasets", "spaces"]
    assert RepoType.from_plural("datasets") is RepoType.DATASET
    assert RepoType.from_plural("dataset") is None
    assert RepoType.MODEL.web_prefix == ""
    assert RepoType.SPACE.web_prefix == "spaces/"


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/a",
        "a//b",
        "a/",
        ".",
        "..",
        "a/../b",
        "./a",
        "a\0b",
        "a\nb",
        "a\x7f",
        ".git",
        ".git/config",
        "a/.GIT/hooks",
        ".git.",
        ".git ",
        "GIT~1",
        ".git::$INDEX_ALLOCATION",
        "x" * (MAX_SEGMENT_BYTES + 1),
        "é" * (MAX_SEGMENT_BYTES // 2 + 1),
        "/".join(["abcdefghi"] * 101),
        "\ud800",
    ],
)
def test_paths_that_would_hurt_somebody(path: str) -> None:
    with pytest.raises(InvalidPath) as refused:
        parse_path(path)
    assert refused.value.status == 422
    refused.value.message.encode("ascii")


@pytest.mark.parametrize(
    "path", ["a", ".gitattributes", ".gitignore", "a/b/c.txt", "...", "a b", "日本/é", "git", "-a", "a:b"]
)
def test_paths_that_are_fine(path: str) -> None:
    assert parse_path(path) == path


@given(st.text(max_size=60))
@example("a/..")
@example("\u200c.git")
def test_what_passes_stays_inside(path: str) -> None:
    try:
        parsed = parse_path(path)
    except InvalidPath:
        return
    segments = parsed.split("/")
    assert parsed == path
    assert not parsed.startswith("/")
    assert all(segment not in ("", ".", "..") for segment in segments)
    assert all(segment.lower().rstrip(". ") != ".git" for segment in segments)
    assert not re.search(r"[\x00-\x1f\x7f]", parsed)
    assert len(parsed.encode()) <= MAX_PATH_BYTES


@given(st.lists(st.text("ab./~^:?*[\\@{- ", min_size=1, max_size=6), min_size=1, max_size=3).map("/".join))
@settings(max_examples=40, deadline=None)
@example("a.lock")
@example("a/.b")
@example("@")
@example("HEAD")
@example("a.")
def test_branch_names_are_those_git_takes(name: str) -> None:
    git = subprocess.run(["git", "check-ref-format", f"refs/heads/{name}"], check=False).returncode == 0
    try:
        check_ref_tail(name)
    except InvalidName:
        # Stricter than git where a name is a trap at the command line, or means something else.
        assert (
            not git or name.startswith("-") or name in ("@", "HEAD") or name.startswith("/") or "//" in name
        )
    else:
        assert git


def test_refs_may_be_given_in_full() -> None:
    assert branch_ref("main") == branch_ref("refs/heads/main") == "refs/heads/main"
    assert tag_ref("v1") == tag_ref("refs/tags/v1") == "refs/tags/v1"
    with pytest.raises(InvalidName):
        branch_ref("refs/heads/")


def test_hashes() -> None:
    assert is_oid("0" * 40)
    assert not is_oid("A" * 40)
    assert not is_oid("0" * 40 + "\n")
    assert is_short_oid("abcde")
    assert not is_short_oid("abcd")
    assert parse_sha256("a" * 64) == "a" * 64
    for text in ("A" * 64, "a" * 63, "a" * 65, ""):
        with pytest.raises(InvalidName):
            parse_sha256(text)

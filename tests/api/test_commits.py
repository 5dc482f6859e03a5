"""Commits through the API: every key, every refusal, retries, races, and memory."""

from __future__ import annotations

import gzip
import hashlib
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import select

from api.desk import NDJSON, Desk, delete, file, header, lfs_file, ndjson
from openhood.base.names import MAIN, RepoId, RepoType, parse_path
from openhood.base.settings import Limits
from openhood.domain.access import Need
from openhood.domain.repos import commits, lookup
from openhood.domain.repos.operations import AddFile, CommitHeader
from openhood.infra.db.tables import discussions, last_commits, lfs_files, packs
from openhood.testing.hub import HubUnderTest

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize {}\n"


@pytest.fixture
def desk(hub: HubUnderTest) -> Desk:
    return Desk(hub)


def refused(answer: Any, status: int, words: str, code: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"], answer.text
    assert answer.headers.get("x-error-code") == code
    assert answer.headers["x-error-message"]


def test_a_commit_answers_with_the_keys_clients_read_and_git_agrees(desk: Desk) -> None:
    before = desk.tip()
    answer = desk.commit(
        header("Add two", "because"), file("a.txt", b"hello\n"), file("d/e/b.txt", b"deep\n")
    )

    assert answer.status_code == 200
    body = answer.json()
    oid = body["commitOid"]
    assert body == {
        "success": True,
        "commitOid": oid,
        "commitUrl": f"http://hub.test/alice/m/commit/{oid}",
        "hookOutput": "",
    }
    assert desk.tip() == oid
    assert desk.content("a.txt") == "hello\n"
    assert desk.content("d/e/b.txt") == "deep\n"
    assert desk.git("log", "-1", "--format=%an|%ae|%B|%P", "main").strip() == (
        f"alice|alice@users.noreply.localhost|Add two\n\nbecause\n|{before}"
    )
    assert desk.complaints() == []


def test_who_gave_no_address_gets_one_that_reaches_nobody(hub: HubUnderTest) -> None:
    desk = Desk(hub)
    plain = hub.client(hub.add_user("bob"))
    desk.done(file("x", b"x"), client=plain, create_pr="1")
    assert desk.git("log", "-1", "--format=%ae", "refs/pr/1").strip() == "bob@users.noreply.localhost"


def test_every_operation_in_one_commit(desk: Desk) -> None:
    sha256 = desk.add_lfs(b"weights")
    desk.done(
        file("keep.txt", b"keep"),
        file("gone.txt", b"gone"),
        file("old/name.txt", b"moved"),
        file("dir/a.txt", b"a"),
        file("dir/sub/b.txt", b"b"),
        file("either", b"e"),
        lfs_file("w.bin", sha256, size=7),
    )
    desk.done(
        delete("gone.txt"),
        delete("dir/", "Folder"),
        delete("either", "Entry"),
        file("new/name.txt", b"moved", oldPath="old/name.txt"),
        lfs_file("v/w.bin", sha256, oldPath="w.bin"),
        {"key": "file", "value": {"path": "plain.txt", "content": "grüße", "encoding": "utf-8"}},
    )
    assert desk.files() == [".gitattributes", "keep.txt", "new/name.txt", "plain.txt", "v/w.bin"]
    assert desk.content("plain.txt") == "grüße"
    assert desk.content("v/w.bin") == POINTER.format(sha256, 7)
    assert desk.complaints() == []


def test_a_pointer_is_recorded_with_its_path(desk: Desk) -> None:
    sha256 = desk.add_lfs(b"weights")
    desk.done(lfs_file("w.bin", sha256))
    with desk.hub.sv.db.read() as tx:
        found = tx.execute(select(lfs_files.c.sha256, lfs_files.c.path, lfs_files.c.size_bytes)).all()
    assert found == [(sha256, "w.bin", 7)]


def test_gitattributes_grow_by_what_they_do_not_cover(desk: Desk) -> None:
    sha256 = desk.add_lfs(b"\0binary")
    before = desk.content(".gitattributes")
    desk.done(lfs_file("covered.bin", sha256))
    assert desk.content(".gitattributes") == before
    desk.done(lfs_file("odd name.xyz", sha256), lfs_file("sub/odd.xyz", sha256))
    rules = desk.content(".gitattributes").removeprefix(before)
    assert rules == (
        "/odd[[:space:]]name.xyz filter=lfs diff=lfs merge=lfs -text\n"
        "sub/odd.xyz filter=lfs diff=lfs merge=lfs -text\n"
    )
    desk.done(
        file(".gitattributes", b"*.xyz filter=lfs\n"), lfs_file("third.xyz", sha256), lfs_file("a.q", sha256)
    )
    assert desk.content(".gitattributes") == "*.xyz filter=lfs\n/a.q filter=lfs diff=lfs merge=lfs -text\n"


def test_lfs_files_must_be_here_and_have_their_size(desk: Desk) -> None:
    other = Desk(desk.hub, user="bob", name="private")
    theirs = other.add_lfs(b"secret weights")
    mine = desk.add_lfs(b"weights")
    unknown = hashlib.sha256(b"never").hexdigest()
    before = desk.tip()

    refused(desk.commit(lfs_file("a.bin", unknown, size=5)), 422, "was never uploaded to this repository")
    stolen = desk.commit(lfs_file("a.bin", theirs, size=14))
    refused(stolen, 422, "was never uploaded to this repository")
    # Word for word what an unknown object gets.
    assert stolen.json()["error"].replace(theirs, "X") == (
        desk.commit(lfs_file("a.bin", unknown, size=5)).json()["error"].replace(unknown, "X")
    )
    refused(desk.commit(lfs_file("a.bin", mine, size=8)), 422, "has 8 bytes, but it has 7")
    text = POINTER.format(theirs, 14).encode()
    refused(desk.commit(file("a.bin", text)), 422, "was never uploaded to this repository")
    refused(desk.commit(lfs_file("a.bin", "xyz")), 400, "SHA-256")
    refused(desk.commit(lfs_file("a.bin", mine, size=-1)), 400, "'size'")
    refused(desk.commit(lfs_file(".gitattributes", mine)), 422, "cannot be stored with git LFS")
    assert desk.tip() == before
    desk.done(file("a.bin", POINTER.format(mine, 7).encode()))


@pytest.mark.parametrize(
    ("lines", "status", "words"),
    [
        ([file("../up", b"x")], 422, "'..'"),
        ([file("/abs", b"x")], 422, "relative"),
        ([file("a//b", b"x")], 422, "segment"),
        ([file("a/.git/config", b"x")], 422, ".git"),
        ([file("a/.GIT /config", b"x")], 422, ".git"),
        ([file("nul\0", b"x")], 422, "control"),
        ([file("", b"x")], 422, "empty"),
        ([file("..\\up", b"x")], 422, "segment '..'"),
        ([file("a/..\\..\\up", b"x")], 422, "segment '..'"),
        ([file("\\root", b"x")], 422, "segment ''"),
        ([file("a/" + "x" * 300, b"x")], 422, "longer than 255"),
        ([file("x/" * 600 + "y", b"x")], 422, "longer than 1000"),
        ([file("README.md/x", b"x")], 422, "is a file"),
        ([file("a", b"x"), file("a/b", b"y")], 422, "is a directory"),
        ([file("dir", b"x")], 422, "is a directory"),
        ([file("readme.md", b"x")], 422, "letter case"),
        ([file("Dir/x", b"x")], 422, "letter case"),
        ([file("q", b"x"), file("Q", b"x")], 422, "letter case"),
        ([file("q", b"x"), file("q", b"y")], 422, "two different contents"),
        ([file("q", b"x"), delete("q")], 422, "deletes it again"),
        ([file("q/r", b"x"), delete("q", "Folder")], 422, "deletes it again"),
        ([delete("nope")], 404, "A file with this name doesn't exist"),
        ([delete("README.md", "Folder")], 404, "A file with this name doesn't exist"),
        ([delete("nope", "Entry")], 404, "A file with this name doesn't exist"),
        ([file("n", b"x", oldPath="nope")], 404, "A file with this name doesn't exist"),
        ([{"key": "file", "value": {"path": "x", "content": "%%%", "encoding": "base64"}}], 400, "base64"),
        ([{"key": "file", "value": {"path": "x", "content": "a", "encoding": "rot13"}}], 400, "encoding"),
        ([{"key": "file", "value": {"path": "x"}}], 400, "'content'"),
        ([{"key": "file", "value": {"path": 3, "content": ""}}], 400, "'path'"),
        ([{"key": "copyFile", "value": {"path": "x"}}], 400, "Unknown key"),
        ([{"key": "file", "value": "x"}], 400, "must be an object"),
        ([header(), header(), file("x", b"x")], 400, "two headers"),
        ([header(""), file("x", b"x")], 400, "summary"),
        ([header("x", parentCommit="zzz"), file("x", b"x")], 400, "parentCommit"),
        ([header("x", parentCommit=5), file("x", b"x")], 400, "parentCommit"),
    ],
)
def test_bad_operations_are_refused_and_change_nothing(
    desk: Desk, lines: list[dict[str, Any]], status: int, words: str
) -> None:
    before = desk.done(file("README.md", b"hi"), file("dir/x", b"x"))
    refused(desk.commit(*lines), status, words, "EntryNotFound" if status == 404 else None)
    assert desk.tip() == before


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "no header"),
        (b"\n\n", 400, "no header"),
        (b"garbage", 400, "Line 1 of the commit is not valid JSON"),
        (b'{"key": "header"', 400, "not valid JSON"),
        (ndjson(header()) + b"\n\xff\xfe", 400, "Line 2 of the commit is not valid JSON"),
        (
            ndjson(header()) + b'\n{"key":"file","value":{"path":"\\ud800","content":""}}',
            400,
            "not valid JSON",
        ),
        (b"[]", 400, "must be an object"),
        (ndjson(file("x", b"x")), 400, "no header"),
    ],
)
def test_garbage_is_refused(desk: Desk, body: bytes, status: int, words: str) -> None:
    before = desk.tip()
    refused(desk.client.post(f"{desk.api}/commit/main", content=body, headers=NDJSON), status, words)
    assert desk.tip() == before


def test_a_file_may_become_a_directory_and_back(desk: Desk) -> None:
    desk.done(file("a", b"file"))
    desk.done(delete("a"), file("a/b", b"inside"), file("a/c/d", b"deeper"))
    assert desk.files() == [".gitattributes", "a/b", "a/c/d"]
    desk.done(delete("a", "Folder"), file("a", b"file again"))
    assert desk.content("a") == "file again"
    desk.done(delete("a"), file("a", b"replaced"))
    assert desk.content("a") == "replaced"
    assert desk.complaints() == []


def test_a_folder_may_be_deleted_as_if_it_were_a_file(desk: Desk) -> None:
    # What huggingface_hub sends for CommitOperationDelete("dir").
    desk.done(file("dir/a", b"1"), file("dir/sub/b", b"2"), file("c", b"3"))
    desk.done(delete("dir"))
    assert desk.files() == [".gitattributes", "c"]
    desk.done(file("dir/a", b"1"), file("dir/b", b"2"))
    desk.done(delete("dir"), file("dir/new", b"3"))
    assert desk.files() == [".gitattributes", "c", "dir/new"]
    desk.done(delete("dir"), file("dir", b"now a file"))
    assert desk.content("dir") == "now a file"
    assert desk.complaints() == []


def test_a_script_stays_executable(desk: Desk) -> None:
    from openhood.domain.access import SYSTEM
    from openhood.domain.repos import gitdb, publish, refs
    from openhood.domain.repos.types import Consequences, RefUpdate
    from openhood.engines.git.objects import Signature, TreeEntry, encode_commit, encode_tree
    from openhood.engines.git.packs import PackWriter

    sv, repo = desk.hub.sv, desk.repo
    with publish.bench(sv) as directory, PackWriter(directory / "pack") as writer:
        blob = writer.add("blob", b"#!/bin/sh\n")
        tree = writer.add("tree", encode_tree([TreeEntry("run.sh", 0o100755, blob)]))
        who = Signature("x", "x@y", sv.clock.now())
        raw = encode_commit(tree=tree, parents=[desk.tip()], author=who, committer=who, message="m")
        oid = writer.add("commit", raw)
        with publish.Landing(sv, repo) as landing:
            landing.put(writer.finish())
            with landing.unit() as tx:
                update = RefUpdate(MAIN, repo.head_oid, oid, oid)
                refs.move(tx, SYSTEM, repo, [update], consequences=Consequences(), now=sv.clock.now())
    assert gitdb.objects_dir(sv, desk.repo).exists()

    desk.done(file("run.sh", b"#!/bin/sh\necho hi\n"))
    assert desk.git("ls-tree", "main", "run.sh").startswith("100755 blob")


def test_only_the_tip_may_be_the_parent(desk: Desk) -> None:
    first = desk.done(file("a", b"1"))
    second = desk.done(header("x", parentCommit=first), file("a", b"2"))
    refused(
        desk.commit(header("y", parentCommit=first), file("a", b"3")),
        412,
        "The branch was updated since you opened",
    )
    third = desk.done(header("z", parentCommit=second[:7]), file("a", b"3"))
    refused(desk.commit(header("z", parentCommit="0" * 40), file("a", b"4")), 412, "The branch was updated")
    assert desk.tip() == third


def test_the_same_commit_twice_is_one_commit(desk: Desk) -> None:
    parent = desk.tip()
    lines = [header("once", "well", parentCommit=parent), file("a", b"1"), file("b/c", b"2")]
    first = desk.done(*lines)
    assert desk.done(*lines) == first, "a retry whose first answer was lost"
    assert desk.done(file("a", b"1")) == first, "nothing changes"
    assert desk.done() == first, "no operations"
    gone = desk.done(header("rm", parentCommit=first), delete("a"))
    assert desk.done(header("rm", parentCommit=first), delete("a")) == gone
    assert desk.git("rev-list", "--count", "main").strip() == "3"
    refused(
        desk.commit(header("other words", parentCommit=first), delete("a")), 412, "The branch was updated"
    )
    refused(desk.commit(delete("a")), 404, "doesn't exist", "EntryNotFound")


def test_nothing_is_stored_for_a_commit_that_changes_nothing(desk: Desk) -> None:
    desk.done(file("a", b"1"))
    with desk.hub.sv.db.read() as tx:
        before = tx.execute(select(packs.c.name)).all()
    desk.done(file("a", b"1"))
    with desk.hub.sv.db.read() as tx:
        assert tx.execute(select(packs.c.name)).all() == before


def test_where_commits_may_go(desk: Desk) -> None:
    tip = desk.done(file("a", b"1"))
    desk.client.post(f"{desk.api}/tag/main", json={"tag": "v1"})
    refused(desk.commit(file("b", b"1"), rev="nope"), 404, "Invalid rev id", "RevisionNotFound")
    refused(desk.commit(file("b", b"1"), rev="refs%2Fpr%2F7"), 404, "Invalid rev id", "RevisionNotFound")
    refused(desk.commit(file("b", b"1"), rev="v1"), 400, "not a branch")
    refused(desk.commit(file("b", b"1"), rev=tip), 400, "not a branch")
    for base in ("v1", tip):
        refused(
            desk.commit(file("b", b"1"), rev=base, create_pr="1"), 404, "not a branch", "RevisionNotFound"
        )
    assert desk.tip() == tip
    assert desk.done(file("b", b"1"), rev="refs%2Fheads%2Fmain") == desk.tip()
    assert desk.done(file("b", b"2"), rev="HEAD") == desk.tip()
    kernels = desk.client.post("/api/kernels/alice/m/commit/main", content=ndjson(header()), headers=NDJSON)
    assert kernels.status_code == 404


def test_who_may_commit(desk: Desk) -> None:
    before = desk.tip()
    bob = desk.hub.client(desk.hub.add_user("bob"))
    reader = desk.hub.client(desk.hub.add_token("alice", role="read"))
    refused(desk.commit(file("b", b"1"), client=bob), 403, "pass create_pr=1 as a query parameter")
    refused(desk.commit(file("b", b"1"), client=reader), 403, "role 'read'")
    refused(desk.commit(file("b", b"1"), client=desk.hub.client("hf_wrong")), 401, "Invalid credentials")
    anonymous = desk.commit(file("b", b"1"), client=desk.hub.client())
    assert anonymous.status_code in (401, 403)
    assert desk.tip() == before


def test_a_private_repository_is_as_good_as_missing(desk: Desk) -> None:
    hub = desk.hub
    made = desk.client.post("/api/repos/create", json={"name": "hidden", "private": True})
    assert made.status_code == 200
    bob = hub.client(hub.add_user("bob"))
    body = ndjson(header(), file("a", b"1"))
    for client in (bob, hub.client()):
        answers = [
            client.post(f"/api/models/alice/{name}/{what}", content=body, headers=NDJSON)
            for name in ("hidden", "missing")
            for what in ("commit/main", "commit/main?create_pr=1", "preupload/main", "branch/x", "tag/main")
        ]
        halves = answers[:5], answers[5:]
        for hidden, missing in zip(*halves, strict=True):
            assert hidden.status_code == missing.status_code
            assert hidden.text == missing.text
            assert hidden.headers.get("x-error-code") == missing.headers.get("x-error-code")


def test_a_pull_request_by_someone_who_may_not_write(desk: Desk) -> None:
    bob = desk.hub.client(desk.hub.add_user("bob"))
    base = desk.done(file("a", b"1"))
    answer = desk.commit(header("Fix it", "Because."), file("b", b"1"), client=bob, create_pr="1")
    assert answer.status_code == 200
    assert answer.json()["pullRequestUrl"] == "http://hub.test/alice/m/discussions/1"
    oid = answer.json()["commitOid"]
    assert desk.tip("refs/pr/1") == oid
    assert desk.tip() == base
    assert desk.git("log", "-1", "--format=%P", "refs/pr/1").strip() == base
    more = desk.done(file("c", b"1"), client=bob, rev="refs%2Fpr%2F1")
    assert desk.tip("refs/pr/1") == more
    owner = desk.done(file("d", b"1"), rev="refs%2Fpr%2F1")
    assert desk.tip("refs/pr/1") == owner
    carol = desk.hub.client(desk.hub.add_user("carol"))
    refused(desk.commit(file("e", b"1"), client=carol, rev="refs%2Fpr%2F1"), 403, "create_pr=1")
    with desk.hub.sv.db.read() as tx:
        row = tx.execute(select(discussions)).one()
    assert (row.number, row.title, row.description, row.status, row.base_ref) == (
        1,
        "Fix it",
        "Because.",
        "open",
        MAIN,
    )
    with desk.hub.sv.db.write() as tx:
        tx.execute(discussions.update().values(status="closed"))
    refused(desk.commit(file("f", b"1"), client=bob, rev="refs%2Fpr%2F1"), 409, "is closed")
    assert desk.complaints() == []


def test_a_pull_request_may_start_from_an_older_commit_and_numbers_go_on(desk: Desk) -> None:
    first = desk.done(file("a", b"1"))
    desk.done(file("a", b"2"))
    old = desk.done(header("old", parentCommit=first), file("b", b"1"), create_pr="1")
    assert desk.git("log", "-1", "--format=%P", "refs/pr/1").strip() == first
    empty = desk.commit(file("a", b"2"), create_pr="1")
    assert empty.json()["pullRequestUrl"].endswith("/discussions/2")
    assert desk.tip("refs/pr/2") == desk.tip()
    missing = desk.commit(header("x", parentCommit="1" * 40), file("b", b"1"), create_pr="1")
    refused(missing, 404, "Invalid rev id", "RevisionNotFound")
    assert desk.tip("refs/pr/1") == old
    assert desk.tip("refs/pr/3") is None


def test_a_repository_may_refuse_pull_requests(desk: Desk) -> None:
    told = desk.client.put(f"{desk.api}/settings", json={"discussionsDisabled": True})
    assert told.status_code == 200, told.text
    refused(desk.commit(file("a", b"1"), create_pr="1"), 403, "pull requests are disabled")
    assert desk.tip("refs/pr/1") is None


def test_the_last_commit_of_every_path_is_kept(desk: Desk) -> None:
    first = desk.done(file("a", b"1"), file("d/x", b"1"), file("d/y", b"1"))
    second = desk.done(file("d/y", b"2"))
    third = desk.done(delete("a"))
    pr = desk.done(file("d/x", b"3"), create_pr="1")
    with desk.hub.sv.db.read() as tx:
        found = tx.execute(
            select(last_commits.c.ref, last_commits.c.dir, last_commits.c.name, last_commits.c.commit_oid)
        )
        index = {(row.ref, row.dir, row.name): row.commit_oid for row in found}
    assert ("refs/heads/main", "", "a") not in index
    assert index["refs/heads/main", "d", "x"] == first
    assert index["refs/heads/main", "d", "y"] == second
    assert index["refs/heads/main", "", "d"] == second
    assert index["refs/pr/1", "d", "x"] == pr
    assert index["refs/pr/1", "", "d"] == pr
    assert index["refs/pr/1", "d", "y"] == second
    assert third == desk.tip()


def test_the_document_form_of_old_clients(desk: Desk) -> None:
    sha256 = desk.add_lfs(b"weights")
    desk.done(file("old", b"1"), file("dir/x", b"1"))
    answer = desk.client.post(
        f"{desk.api}/commit/main",
        json={
            "summary": "legacy",
            "description": "d",
            "files": [
                {"path": "a.txt", "content": "aGk=", "encoding": "base64"},
                {"path": "b.txt", "content": "hö"},
            ],
            "lfsFiles": [{"path": "w.bin", "oid": sha256, "algo": "sha256", "size": 7}],
            "deletedFiles": [{"path": "old"}],
            "deletedFolders": ["dir/"],
        },
    )
    assert answer.status_code == 200, answer.text
    assert desk.files() == [".gitattributes", "a.txt", "b.txt", "w.bin"]
    assert desk.content("b.txt") == "hö"
    bad = desk.client.post(f"{desk.api}/commit/main", json={"summary": "x", "files": {"path": "a"}})
    refused(bad, 400, "must be a list")


def test_compressed_bodies(desk: Desk) -> None:
    lines = ndjson(header(), file("a", b"packed"))
    sent = desk.client.post(
        f"{desk.api}/commit/main",
        content=gzip.compress(lines),
        headers={**NDJSON, "Content-Encoding": "gzip"},
    )
    assert sent.status_code == 200, sent.text
    assert desk.content("a") == "packed"


def test_limits_are_named(make_hub: Any) -> None:
    limits = Limits(regular_file_bytes=4000, commit_operations=50, commit_body_bytes=400_000)
    desk = Desk(make_hub(limits=limits))
    before = desk.tip()
    refused(desk.commit(file("big", b"x" * 4001)), 413, "git LFS")
    refused(desk.commit(file("big", b"x" * 200_000)), 413, "git LFS")
    refused(desk.commit(*[file(f"{n}", b"x") for n in range(51)]), 413, "at most 50 operations")
    refused(desk.commit(*[file(f"{n}", b"x" * 999) for n in range(400)]), 413, "")
    bomb = gzip.compress(b" " * 50_000_000)
    headers = {**NDJSON, "Content-Encoding": "gzip"}
    refused(desk.client.post(f"{desk.api}/commit/main", content=bomb, headers=headers), 413, "larger than")
    lines = ndjson(header()) + b"\n" + b"\n".join([ndjson(delete("x"))] * 100_000)
    refused(
        desk.client.post(f"{desk.api}/commit/main", content=lines[:390_000], headers=NDJSON),
        413,
        "operations",
    )
    assert desk.tip() == before
    desk.done(file("fits", b"x" * 4000))


def test_100_000_lines_are_one_clear_refusal(desk: Desk) -> None:
    line = ndjson(delete("x"))
    body = ndjson(header()) + b"\n" + b"\n".join(line.replace(b'"x"', b'"%d"' % n) for n in range(100_000))
    refused(
        desk.client.post(f"{desk.api}/commit/main", content=body, headers=NDJSON),
        413,
        "at most 25000 operations",
    )


def test_a_closed_draft_leaves_nothing_behind(desk: Desk) -> None:
    refused(desk.commit(file("a", b"x" * 5_000_000), delete("nope")), 404, "doesn't exist", "EntryNotFound")
    desk.done(file("a", b"1"))
    assert list(desk.hub.sv.packs.scratch.iterdir()) == []


def test_twenty_clients_commit_to_one_branch_and_none_is_lost(hub_on_both: HubUnderTest) -> None:
    desk = Desk(hub_on_both)
    clients = [hub_on_both.client(desk.token) for _ in range(20)]

    def work(number: int) -> list[str]:
        return [
            desk.done(header(f"{number}.{turn}"), file(f"{number}/{turn}.txt", b"x"), client=clients[number])
            for turn in range(5)
        ]

    with ThreadPoolExecutor(20) as pool:
        made = [oid for oids in pool.map(work, range(20)) for oid in oids]
    assert len(set(made)) == 100
    assert set(desk.git("rev-list", "main").split()) >= set(made)
    assert desk.git("rev-list", "--count", "main").strip() == "101"
    assert len(desk.files()) == 101
    assert desk.complaints() == []


def test_with_a_parent_each_commit_lands_once_or_is_told_so(desk: Desk) -> None:
    parent = desk.tip()
    barrier = threading.Barrier(8)

    def work(number: int) -> int:
        client = desk.hub.client(desk.token)
        barrier.wait()
        return desk.commit(
            header(f"{number}", parentCommit=parent), file(f"{number}", b"x"), client=client
        ).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(work, range(8)))
    assert statuses == [200] + [412] * 7
    assert desk.git("rev-list", "--count", "main").strip() == "2"


def test_two_replicas_race_for_one_branch(make_hub: Any, postgres_url: str, tmp_path: Any) -> None:
    store = f"file://{tmp_path}/objects"
    first = Desk(make_hub(database_url=postgres_url, objects_url=store))
    second = make_hub(database_url=postgres_url, objects_url=store).client(first.token)
    clients = [first.client, second]

    def work(number: int) -> list[str]:
        client = clients[number % 2]
        return [
            first.done(header(f"{number}.{turn}"), file(f"{number}/{turn}", b"x"), client=client)
            for turn in range(8)
        ]

    with ThreadPoolExecutor(4) as pool:
        made = [oid for oids in pool.map(work, range(4)) for oid in oids]
    assert len(set(made)) == 32
    assert first.git("rev-list", "--count", "main").strip() == "33"
    assert first.complaints() == []


def test_memory_stays_flat_while_200_mb_stream_in(desk: Desk) -> None:
    sv = desk.hub.sv
    repo_id, repo_type = RepoId("alice", "m"), RepoType.MODEL
    content = bytes(range(256)) * (4 * 1024 * 1024 // 256)

    def operations() -> Any:
        for number in range(50):
            yield AddFile(parse_path(f"{number}.dat"), number.to_bytes(4, "big") + content)

    from openhood.domain.accounts import sign_in

    viewer = sign_in.by_token(sv, desk.token)
    tracemalloc.start()
    commits.create_commit(
        sv,
        viewer,
        repo_type=repo_type,
        repo_id=repo_id,
        revision="main",
        header=CommitHeader("big"),
        operations=operations(),
    )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40_000_000, peak
    at = lookup.locate(sv, viewer, repo_type, repo_id, revision="main", need=Need.READ)
    assert at.commit == desk.tip()
    assert len(desk.files()) == 51

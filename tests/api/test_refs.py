"""Refs: listing, branches, tags, squashing, and the index of last commits that goes with them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from api.desk import Desk, delete, file, header
from openhood.domain.repos import indexing
from openhood.infra.db.tables import last_commits, refs
from openhood.testing.hub import HubUnderTest


@pytest.fixture
def desk(hub: HubUnderTest) -> Desk:
    return Desk(hub)


def refused(answer: Any, status: int, words: str, code: str | None = None) -> None:
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"], answer.text
    assert answer.headers.get("x-error-code") == code


def branch(desk: Desk, name: str, **body: object) -> Any:
    return desk.client.post(f"{desk.api}/branch/{name}", json=body)


def tag(desk: Desk, rev: str, **body: object) -> Any:
    return desk.client.post(f"{desk.api}/tag/{rev}", json=body)


def index(desk: Desk, ref: str) -> dict[str, str]:
    repo = desk.repo
    with desk.hub.sv.db.read() as tx:
        found = tx.execute(
            select(last_commits.c.dir, last_commits.c.name, last_commits.c.commit_oid).where(
                last_commits.c.repo_id == repo.id, last_commits.c.ref == ref
            )
        ).all()
    return {f"{row.dir}/{row.name}".lstrip("/"): row.commit_oid for row in found}


def is_indexed(desk: Desk, ref: str) -> bool:
    repo = desk.repo
    with desk.hub.sv.db.read() as tx:
        return bool(
            tx.execute(
                select(refs.c.indexed).where(refs.c.repo_id == repo.id, refs.c.name == ref)
            ).scalar_one()
        )


def index_by_git(desk: Desk, rev: str) -> dict[str, str]:
    """The last commit of every file and folder, asked of git one by one."""
    paths = set(desk.git("ls-tree", "-r", "-t", "--name-only", "-z", rev).rstrip("\0").split("\0"))
    return {
        path: desk.git("log", "-1", "--first-parent", "--format=%H", rev, "--", path).strip()
        for path in paths
    }


def test_every_kind_of_ref_is_listed(desk: Desk) -> None:
    tip = desk.done(file("a", b"1"))
    assert branch(desk, "dev").status_code == 200
    assert tag(desk, "main", tag="v1", message="first").status_code == 200
    assert tag(desk, "main", tag="v0").status_code == 200
    pr = desk.done(file("b", b"1"), create_pr="1")

    plain = desk.client.get(f"{desk.api}/refs").json()
    assert plain == {
        "branches": [
            {"name": "dev", "ref": "refs/heads/dev", "targetCommit": tip},
            {"name": "main", "ref": "refs/heads/main", "targetCommit": tip},
        ],
        "converts": [],
        "tags": [
            {"name": "v0", "ref": "refs/tags/v0", "targetCommit": tip},
            {"name": "v1", "ref": "refs/tags/v1", "targetCommit": tip},
        ],
    }
    asked = desk.client.get(f"{desk.api}/refs", params={"include_prs": "1"}).json()
    assert asked["pullRequests"] == [{"name": "1", "ref": "refs/pr/1", "targetCommit": pr}]
    missing = desk.client.get("/api/models/alice/nope/refs")
    refused(missing, 404, "Repository not found", "RepoNotFound")


def test_branches_start_where_they_are_told(desk: Desk) -> None:
    first = desk.done(file("a", b"1"))
    second = desk.done(file("a", b"2"))
    tag(desk, first, tag="v1", message="m")
    for name, start, expected in [
        ("plain", None, second),
        ("by-oid", first, first),
        ("by-short-oid", first[:8], first),
        ("by-tag", "v1", first),
        ("feat%2Fslash", "main", second),
        ("feat/raw", "main", second),
    ]:
        answer = branch(desk, name, **({} if start is None else {"startingPoint": start}))
        assert answer.status_code == 200, answer.text
        assert desk.tip("refs/heads/" + name.replace("%2F", "/")) == expected
    refused(branch(desk, "x", startingPoint="nope"), 404, "Invalid rev id: nope", "RevisionNotFound")
    refused(branch(desk, "plain"), 409, "Reference refs/heads/plain already exists")
    refused(branch(desk, "refs%2Fpr%2F1"), 400, "Invalid branch name")
    refused(branch(desk, "refs%2Ftags%2Fx"), 400, "Invalid branch name")
    refused(branch(desk, "a..b"), 400, "Invalid branch or tag name")
    refused(branch(desk, "a b"), 400, "Invalid branch or tag name")
    refused(branch(desk, "x.lock"), 400, "Invalid branch or tag name")
    refused(branch(desk, "feat"), 409, "beside the existing refs/heads/feat/raw")
    refused(branch(desk, "plain%2Fdeeper"), 409, "beside the existing refs/heads/plain")
    assert branch(desk, "Plain").status_code == 200, "branches differ by case, as in git"


def test_overwriting_a_branch(desk: Desk) -> None:
    first = desk.done(file("README.md", b"---\nlicense: mit\n---\n"))
    desk.done(file("README.md", b"---\nlicense: apache-2.0\n---\n"))
    branch(desk, "dev")
    assert branch(desk, "dev", startingPoint=first, overwrite=True).status_code == 200
    assert desk.tip("refs/heads/dev") == first
    assert branch(desk, "main", startingPoint=first, overwrite=True).status_code == 200
    assert desk.tip() == first == desk.repo.head_oid
    assert "license:mit" in desk.client.get(desk.api).json()["tags"]


def test_an_empty_branch_has_no_history_and_sends_large_files_to_lfs(desk: Desk) -> None:
    desk.done(file("a", b"1"))
    assert branch(desk, "empty", emptyBranch=True).status_code == 200
    assert desk.files("empty") == [".gitattributes"]
    assert desk.git("rev-list", "--count", "empty").strip() == "1"
    assert is_indexed(desk, "refs/heads/empty")
    desk.done(file("b", b"1"), rev="empty")
    assert desk.files("empty") == [".gitattributes", "b"]
    assert branch(desk, "main", emptyBranch=True, overwrite=True).status_code == 200
    assert desk.files() == [".gitattributes"]
    assert desk.complaints() == []


def test_deleting_branches(desk: Desk) -> None:
    branch(desk, "dev")
    path = f"{desk.api}/branch"
    assert desk.client.delete(f"{path}/dev").status_code == 200
    assert desk.tip("refs/heads/dev") is None
    assert index(desk, "refs/heads/dev") == {}
    refused(desk.client.delete(f"{path}/dev"), 404, "Invalid rev id: dev", "RevisionNotFound")
    refused(desk.client.delete(f"{path}/main"), 403, "Cannot delete refs/heads/main")
    refused(desk.client.delete(f"{path}/refs%2Fpr%2F1"), 400, "Invalid branch name")


def test_tags_plain_and_annotated(desk: Desk) -> None:
    tip = desk.done(file("a", b"1"))
    assert tag(desk, "main", tag="light").status_code == 200
    assert tag(desk, "main", tag="empty-message", message="").status_code == 200
    assert tag(desk, tip[:10], tag="rel/v1", message="first release").status_code == 200
    assert desk.git("cat-file", "-t", "light").strip() == "commit"
    assert desk.git("cat-file", "-t", "empty-message").strip() == "commit"
    assert desk.git("cat-file", "-t", "rel/v1").strip() == "tag"
    shown = desk.git(
        "for-each-ref", "--format=%(taggername)|%(contents:subject)|%(*objectname)", "refs/tags/rel"
    )
    assert shown.strip() == f"alice|first release|{tip}"
    refused(tag(desk, "main", tag="light"), 409, "refs/tags/light already exists")
    refused(tag(desk, "main", tag="rel/v1", message="x"), 409, "refs/tags/rel/v1 already exists")
    refused(tag(desk, "nope", tag="x"), 404, "Invalid rev id", "RevisionNotFound")
    refused(tag(desk, "main", tag="a..b"), 400, "Invalid branch or tag name")
    refused(tag(desk, "main"), 400, "'tag'")
    assert desk.client.delete(f"{desk.api}/tag/rel%2Fv1").status_code == 200
    refused(desk.client.delete(f"{desk.api}/tag/rel%2Fv1"), 404, "Invalid rev id", "RevisionNotFound")
    assert desk.client.get(f"{desk.api}/refs").json()["tags"] == [
        {"name": name, "ref": f"refs/tags/{name}", "targetCommit": tip} for name in ("empty-message", "light")
    ]
    assert desk.complaints() == []


def test_squashing_keeps_the_files_and_drops_the_past(desk: Desk) -> None:
    desk.done(file("a", b"1"), file("d/b", b"1"))
    desk.done(file("a", b"2"))
    pr = desk.done(file("c", b"1"), create_pr="1")
    tree = desk.git("rev-parse", "main^{tree}")
    answer = desk.client.post(f"{desk.api}/super-squash/main", json={"message": "one"})
    assert answer.status_code == 200
    tip = desk.tip()
    assert answer.json() == {"commitOid": tip}
    assert desk.git("rev-list", "--count", "main").strip() == "1"
    assert desk.git("rev-parse", "main^{tree}") == tree
    assert desk.git("log", "-1", "--format=%B", "main").strip() == "one"
    again = desk.client.post(f"{desk.api}/super-squash/main", json={"message": "one"})
    assert again.json() == {"commitOid": tip}

    assert (
        desk.client.post(f"{desk.api}/super-squash/refs%2Fpr%2F1", json={"message": "p"}).status_code == 200
    )
    assert desk.tip("refs/pr/1") != pr
    assert desk.git("rev-list", "--count", "refs/pr/1").strip() == "1"
    tag(desk, "main", tag="v1")
    refused(desk.client.post(f"{desk.api}/super-squash/v1", json={"message": "x"}), 400, "not a branch")
    refused(
        desk.client.post(f"{desk.api}/super-squash/nope", json={"message": "x"}),
        404,
        "Invalid rev id",
        "RevisionNotFound",
    )
    desk.hub.run_jobs()
    assert set(index(desk, "refs/heads/main").values()) == {tip}
    assert desk.complaints() == []


def test_reading_refs_needs_less_than_changing_them(desk: Desk) -> None:
    bob = desk.hub.client(desk.hub.add_user("bob"))
    assert bob.get(f"{desk.api}/refs").status_code == 200
    assert desk.hub.client().get(f"{desk.api}/refs").status_code == 200
    for method, path, body in [
        ("POST", "branch/x", {}),
        ("DELETE", "branch/main", None),
        ("POST", "tag/main", {"tag": "x"}),
        ("DELETE", "tag/x", None),
        ("POST", "super-squash/main", {"message": "x"}),
    ]:
        answer = bob.request(method, f"{desk.api}/{path}", json=body)
        assert answer.status_code == 403, (path, answer.text)


def test_a_new_branch_inherits_the_index_at_once(desk: Desk) -> None:
    first = desk.done(file("a", b"1"))
    desk.done(file("d/b", b"1"))
    branch(desk, "dev")
    assert is_indexed(desk, "refs/heads/dev")
    assert index(desk, "refs/heads/dev") == index(desk, "refs/heads/main") == index_by_git(desk, "main")
    branch(desk, "old", startingPoint=first)
    assert not is_indexed(desk, "refs/heads/old")
    desk.hub.run_jobs()
    assert is_indexed(desk, "refs/heads/old")
    assert index(desk, "refs/heads/old") == index_by_git(desk, "old")


def test_the_job_builds_the_index_git_would_give(desk: Desk) -> None:
    desk.done(*[file(f"d{n % 3}/s/{n}.txt", b"1") for n in range(30)], file("top", b"1"))
    desk.done(file("d0/s/0.txt", b"2"), delete("d1/", "Folder"))
    desk.done(header("back"), file("d1/new", b"1"), delete("d2/s/2.txt"))
    with desk.hub.sv.db.write() as tx:
        tx.execute(refs.update().values(indexed=False))
        tx.execute(last_commits.update().values(commit_oid="0" * 40))
    # A commit on a ref without index leaves it to the job.
    desk.done(file("d1/new", b"2"))
    assert not is_indexed(desk, "refs/heads/main")
    indexing.index_last_commits(desk.hub.sv, {"repo": desk.repo.id})
    assert is_indexed(desk, "refs/heads/main")
    assert index(desk, "refs/heads/main") == index_by_git(desk, "main")
    # From then on commits carry it along.
    desk.done(file("d1/other", b"1"))
    assert is_indexed(desk, "refs/heads/main")
    assert index(desk, "refs/heads/main") == index_by_git(desk, "main")


def test_a_large_index_is_written_in_several_units(desk: Desk) -> None:
    tip = desk.done(*[file(f"{n % 10}/{n}", b"1") for n in range(4500)])
    with desk.hub.sv.db.write() as tx:
        tx.execute(refs.update().values(indexed=False))
        tx.execute(last_commits.delete())
    indexing.index_last_commits(desk.hub.sv, {"repo": desk.repo.id})
    assert is_indexed(desk, "refs/heads/main")
    found = index(desk, "refs/heads/main")
    assert len(found) == 4511
    assert set(found.values()) == {tip, desk.git("rev-parse", "main~1").strip()}


def test_the_index_job_of_a_deleted_repository_does_nothing(desk: Desk) -> None:
    indexing.index_last_commits(desk.hub.sv, {"repo": 12345})
    assert is_indexed(desk, "refs/heads/main")

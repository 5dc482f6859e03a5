"""Pull requests from their first commit to their merge: refs, histories, patches, conflicts, races."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from sqlalchemy import select

from api.content import Content
from api.desk import Desk, delete, file, header, lfs_file
from openhood.base.names import RepoId
from openhood.infra.db.community_tables import events
from openhood.testing.hub import HubUnderTest

LINES = "".join(f"line {number}\n" for number in range(20)).encode()


class Board(Desk):
    """A repository of alice's, and bob, who may only propose."""

    def __init__(self, hub: HubUnderTest, **options: Any) -> None:
        super().__init__(hub, **options)
        self.bob = hub.client(hub.add_user("bob", email="bob@example.org"))

    def propose(self, *lines: dict[str, Any], title: str = "Better", **options: Any) -> int:
        """Bob opens a pull request with one commit."""
        more = {"client": self.bob, **options}
        answer = self.commit(header(title, "Because."), *lines, create_pr="1", **more)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["pullRequestUrl"].rsplit("/", 1)[1])

    def draft(self, title: str = "Draft", client: httpx.Client | None = None) -> int:
        """Bob opens a draft."""
        body = {"title": title, "description": "", "pullRequest": True}
        answer = (client or self.bob).post(f"{self.api}/discussions", json=body)
        assert answer.status_code == 200, answer.text
        return int(answer.json()["num"])

    def status(self, number: int, status: str, client: httpx.Client | None = None) -> None:
        """Change a status."""
        url = f"{self.api}/discussions/{number}/status"
        answer = (client or self.client).post(url, json={"status": status})
        assert answer.status_code == 200, answer.text

    def merge(
        self, number: int, client: httpx.Client | None = None, comment: str | None = None
    ) -> httpx.Response:
        """Merge; without a body unless there is something to say."""
        url = f"{self.api}/discussions/{number}/merge"
        more = {} if comment is None else {"json": {"comment": comment}}
        return (client or self.client).post(url, **more)

    def merged(self, number: int, comment: str | None = None) -> str:
        """Merge what can be; returns the new commit."""
        answer = self.merge(number, comment=comment)
        assert answer.status_code == 200, answer.text
        assert answer.json()["mergeCommitId"] == self.details(number)["changes"]["mergeCommitId"]
        return str(answer.json()["mergeCommitId"])

    def details(self, number: int, client: httpx.Client | None = None) -> dict[str, Any]:
        """A pull request as `get_discussion_details` asks for it."""
        answer = (client or self.client).get(f"{self.api}/discussions/{number}", params={"diff": "1"})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def told(self, number: int) -> list[tuple[str, Any]]:
        """What happened, as (type, what matters of it)."""
        keys = {"commit": "subject", "status-change": "status"}
        return [
            (each["type"], each["data"][keys[each["type"]]] if each["type"] in keys else None)
            for each in self.details(number)["events"]
        ]

    def show(self, number: int, what: str, client: httpx.Client | None = None) -> httpx.Response:
        """GET something below a pull request."""
        return (client or self.client).get(f"{self.api}/discussions/{number}/{what}")


@pytest.fixture
def board(hub: HubUnderTest) -> Board:
    board = Board(hub)
    board.done(file("a.txt", LINES), file("b.txt", b"b\n"), file("gone.txt", b"x"))
    return board


PR = quote("refs/pr/1", safe="")


# Opening, and commits to it


def test_a_draft_is_where_its_base_is_and_takes_commits(board: Board) -> None:
    number = board.draft("Two parts")
    assert board.tip("refs/pr/1") == board.tip()
    assert board.details(number)["status"] == "draft"
    assert board.told(number) == [("comment", None)]

    first = board.done(header("Part one"), file("one", b"1"), rev=PR, client=board.bob)
    second = board.done(header("Part two", "more"), file("two", b"2"), rev=PR, client=board.bob)

    assert board.told(number) == [("comment", None), ("commit", "Part one"), ("commit", "Part two")]
    commits = [each for each in board.details(number)["events"] if each["type"] == "commit"]
    assert [each["data"]["oid"] for each in commits] == [first, second]
    assert {each["author"]["name"] for each in commits} == {"bob"}
    assert board.files("refs/pr/1") == [".gitattributes", "a.txt", "b.txt", "gone.txt", "one", "two"]
    assert "one" not in board.files()


def test_a_commit_that_opens_one_is_open_and_is_told(board: Board) -> None:
    number = board.propose(file("n", b"1"), title="Mine")
    assert board.details(number)["status"] == "open"
    assert board.told(number) == [("comment", None), ("commit", "Mine")]


def test_a_squashed_pull_request_tells_of_the_one_commit(board: Board) -> None:
    number = board.propose(file("n", b"1"), title="Mine")
    answer = board.bob.post(f"{board.api}/super-squash/{PR}", json={"message": "All in one"})
    assert answer.status_code == 200, answer.text
    assert board.told(number)[-1] == ("commit", "All in one")


def test_on_a_repository_that_has_no_commit(board: Board) -> None:
    Content(board.hub.sv, "alice/empty")
    board.repo_id, board.api = RepoId("alice", "empty"), "/api/models/alice/empty"
    number = board.draft()
    board.done(file("a", b"1\n"), rev=PR, client=board.bob)
    assert "+1\n" in board.details(number)["diff"]
    board.status(number, "open")
    board.merged(number)
    assert board.files() == ["a"]
    assert board.git("rev-list", "--count", "main").strip() == "1"
    assert "+1\n" in board.show(number, "diff").text
    assert board.complaints() == []


# What it changes


def test_patch_and_files(board: Board) -> None:
    data = b"weights" * 1000
    sha256 = board.add_lfs(data)
    number = board.propose(
        file("a.txt", LINES + b"more\n"), delete("gone.txt"), lfs_file("w.bin", sha256, size=len(data))
    )
    board.done(file("later.txt", b"on main only"))

    patch = board.details(number)["diff"]
    assert "+more\n" in patch
    assert "later.txt" not in patch
    assert board.show(number, "diff").text == patch
    page = board.client.get(f"/alice/m/discussions/{number}/files.diff")
    assert (page.status_code, page.text) == (200, patch)
    assert page.headers["content-type"] == "text/plain; charset=utf-8"
    assert page.headers["x-content-type-options"] == "nosniff"

    shown = board.show(number, "files").json()
    found = {each["path"]: each for each in shown["files"]}
    assert {path: each["status"] for path, each in found.items()} == {
        "a.txt": "modified",
        "gone.txt": "deleted",
        "w.bin": "added",
    }
    assert (found["a.txt"]["additions"], found["a.txt"]["deletions"]) == (1, 0)
    assert (found["a.txt"]["old"]["size"], found["a.txt"]["new"]["size"]) == (len(LINES), len(LINES) + 5)
    assert found["gone.txt"]["new"] is None
    assert found["w.bin"]["old"] is None
    assert found["w.bin"]["new"]["lfs"] == {"oid": sha256, "size": len(data)}
    assert found["w.bin"]["new"]["size"] == len(data)
    assert found["w.bin"]["additions"] is None
    assert (shown["count"], shown["truncated"], shown["additions"], shown["deletions"]) == (3, False, 1, 1)


def test_git_takes_the_patch(board: Board, tmp_path: Path) -> None:
    number = board.propose(
        file("a.txt", LINES.replace(b"line 7\n", b"")), delete("gone.txt"), file("d/ü.txt", b"new\n")
    )
    patch = board.show(number, "diff").text
    (tmp_path / "a.txt").write_bytes(LINES)
    (tmp_path / "gone.txt").write_bytes(b"x")
    done = subprocess.run(["git", "apply", "-"], input=patch.encode(), cwd=tmp_path, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "d/ü.txt").read_bytes() == b"new\n"
    assert not (tmp_path / "gone.txt").exists()
    assert b"line 7" not in (tmp_path / "a.txt").read_bytes()


def test_a_merged_one_still_shows_what_it_brought(board: Board) -> None:
    number = board.propose(file("a.txt", LINES + b"more\n"))
    before = board.show(number, "diff").text
    board.done(file("later.txt", b"1"))
    board.merged(number)
    board.done(file("a.txt", b"all new"))
    assert board.show(number, "diff").text == before
    assert board.details(number)["filesWithConflicts"] in (False, [])
    assert board.files("refs/pr/1").count("a.txt") == 1


def test_a_large_patch_is_cut(board: Board) -> None:
    number = board.propose(file("big.txt", b"0123456789abcdef\n" * 200_000))
    text = board.show(number, "diff").text
    assert text.endswith("bytes]\n")
    assert len(text) < 2.1 * 1024 * 1024


@pytest.mark.parametrize("what", ["diff", "files"])
def test_who_may_see_what_one_changes(hub: HubUnderTest, board: Board, what: str) -> None:
    number = board.propose(file("n", b"secret"))
    assert board.show(number, what, client=hub.client()).status_code == 200
    assert board.client.put(f"{board.api}/settings", json={"gated": "manual"}).status_code == 200
    assert board.show(number, what, client=hub.client()).status_code == 401
    assert board.show(number, what, client=board.bob).status_code == 403
    assert "secret" not in str(board.details(number, client=board.bob))
    assert board.client.put(f"{board.api}/settings", json={"private": True}).status_code == 200
    assert board.show(number, what, client=board.bob).status_code == 404
    for odd in ("0", "7", "x", "9" * 40, "%C2%B2"):
        assert board.show(odd, what).status_code == 404, odd  # type: ignore[arg-type]  # no numbers at all


# Conflicts


def test_conflicts_are_named(board: Board) -> None:
    number = board.propose(file("a.txt", b"theirs\n"), file("b.txt", b"b2\n"), file("n", b"1"))
    assert board.details(number)["filesWithConflicts"] in (False, [])
    board.done(file("a.txt", b"ours\n"), delete("b.txt"))
    before = board.tip()

    assert board.details(number)["filesWithConflicts"] == ["a.txt", "b.txt"]
    refused = board.merge(number)

    assert refused.status_code == 409
    assert "'a.txt', 'b.txt'" in refused.json()["error"]
    assert board.tip() == before
    assert board.details(number)["status"] == "open"
    # Bringing it up to date by hand ends the conflict.
    board.done(file("a.txt", b"ours\n"), delete("b.txt"), rev=PR, client=board.bob)
    board.merged(number)
    assert board.files() == [".gitattributes", "a.txt", "gone.txt", "n"]


def test_a_folder_where_the_base_has_a_file_is_a_conflict(board: Board) -> None:
    number = board.propose(file("d/x", b"1"))
    board.done(file("d", b"a file"))
    assert board.details(number)["filesWithConflicts"] == ["d"]
    assert board.merge(number).status_code == 409


def test_merging_lines_never_breaks_what_programs_read(board: Board) -> None:
    text = b'{\n  "a": 1,\n  "b": 2,\n  "c": 3,\n  "d": 4,\n  "e": 5\n}\n'
    board.done(file("config.json", text))
    number = board.propose(file("config.json", text.replace(b'  "e": 5\n', b'  "e": 5,\n  "f": 6\n')))
    board.done(file("config.json", text.replace(b"1,", b'1,\n  "x": 0,')))
    board.merged(number)
    assert '"x": 0' in board.content("config.json")
    assert '"f": 6' in board.content("config.json")

    text = board.content("config.json").encode()
    number = board.propose(file("config.json", text.replace(b"{\n", b'{\n "q": [\n', 1)))
    board.done(file("config.json", text.replace(b"}\n", b"]}\n")))
    assert board.details(number)["filesWithConflicts"] == ["config.json"]


# Merging


def test_the_fast_path(board: Board) -> None:
    number = board.propose(file("a.txt", LINES + b"more\n"), delete("gone.txt"), title="Better")
    before = board.tip()

    commit = board.merged(number)

    assert board.tip() == commit
    assert board.git("rev-parse", f"{commit}^@").split() == [before]
    assert board.git("rev-parse", f"{commit}^{{tree}}") == board.git("rev-parse", "refs/pr/1^{tree}")
    proposed = board.tip("refs/pr/1")
    assert board.git("log", "-1", "--format=%an <%ae>%n%B", commit).strip() == (
        "alice <alice@users.noreply.localhost>\n"
        f"Better (#1)\n\nBecause.\n\n- Better ({proposed})\n\nCo-authored-by: bob <bob@users.noreply.localhost>"
    )
    assert board.details(number)["status"] == "merged"
    assert board.told(number)[-1] == ("status-change", "merged")
    assert board.complaints() == []
    assert board.tip("refs/pr/1") == proposed


def test_both_sides_changed_different_things(hub: HubUnderTest, board: Board) -> None:
    data = b"weights" * 1000
    sha256 = board.add_lfs(data)
    number = board.propose(
        file("README.md", b"---\nlicense: mit\n---\nHello\n"),
        lfs_file("w.bin", sha256, size=len(data)),
        file("a.txt", LINES + b"theirs\n"),
    )
    board.done(file("a.txt", b"ours\n" + LINES), delete("gone.txt"), file("d/new", b"1"))

    commit = board.merged(number, comment="Thanks!")

    assert board.files() == [".gitattributes", "README.md", "a.txt", "b.txt", "d/new", "w.bin"]
    assert board.content("a.txt").encode() == b"ours\n" + LINES + b"theirs\n"
    assert board.told(number)[-2:] == [("comment", None), ("status-change", "merged")]
    # What any commit to main brings about: the card, the listing's last commits, the pointer's object.
    info = board.client.get(board.api).json()
    assert info["sha"] == commit
    assert "license:mit" in info["tags"]
    tree = board.client.get(f"{board.api}/tree/main", params={"expand": "true"}).json()
    last = {each["path"]: each["lastCommit"]["id"] for each in tree}
    assert last["w.bin"] == last["README.md"] == last["a.txt"] == commit
    assert last["d"] != commit
    assert board.client.get(f"/{board.repo_id}/resolve/main/w.bin", follow_redirects=True).content == data
    assert board.complaints() == []


def test_what_merging_tells_others(hub: HubUnderTest, board: Board) -> None:
    number = board.propose(file("n", b"1"))
    commit = board.merged(number, comment="Thanks @bob")
    with hub.sv.db.read() as tx:
        found = tx.execute(select(events.c.kind, events.c.facts).order_by(events.c.id.desc()).limit(3)).all()
    kinds = {row.kind: row.facts for row in found}
    assert set(kinds) == {"repo.content", "comment.create", "discussion.update"}
    assert kinds["discussion.update"]["change"] == "merge"
    assert kinds["discussion.update"]["discussion"]["status"] == "merged"
    assert kinds["discussion.update"]["discussion"]["merge_oid"] == commit
    assert kinds["discussion.update"]["repo"]["head"] == commit
    assert kinds["comment.create"]["comment"]["content"] == "Thanks @bob"
    assert kinds["repo.content"]["refs"][0][2] == commit


def test_a_base_other_than_main(board: Board) -> None:
    assert board.client.post(f"{board.api}/branch/dev", json={}).status_code == 200
    number = board.propose(file("n", b"1"), rev="dev")
    main = board.tip()
    commit = board.merged(number)
    assert board.tip("refs/heads/dev") == commit
    assert board.tip() == main
    again = board.propose(file("m", b"1"), rev="dev")
    assert board.client.delete(f"{board.api}/branch/dev").status_code == 200
    refused = board.merge(again)
    assert refused.status_code == 409
    assert "'dev' does not exist" in refused.json()["error"]


def test_nothing_to_merge_is_merged_all_the_same(board: Board) -> None:
    number = board.draft()
    board.status(number, "open")
    tree = board.git("rev-parse", "main^{tree}")
    board.merged(number)
    assert board.git("rev-parse", "main^{tree}") == tree
    assert board.details(number)["status"] == "merged"
    assert board.show(number, "diff").text == ""


def test_what_cannot_be_merged(hub: HubUnderTest, board: Board) -> None:
    draft = board.draft()
    refused = board.merge(draft)
    assert (refused.status_code, "draft" in refused.json()["error"]) == (409, True)
    closed = board.propose(file("n", b"1"))
    board.status(closed, "closed")
    refused = board.merge(closed)
    assert (refused.status_code, "closed" in refused.json()["error"]) == (409, True)
    board.status(closed, "open")
    board.merged(closed)
    refused = board.merge(closed)
    assert (refused.status_code, "merged" in refused.json()["error"]) == (409, True)
    assert board.merge(99).status_code == 404
    talk = board.client.post(f"{board.api}/discussions", json={"title": "A talk", "description": ""})
    assert board.merge(talk.json()["num"]).status_code == 404


def test_who_may_merge(hub: HubUnderTest, board: Board) -> None:
    number = board.propose(file("n", b"1"))
    refused = board.merge(number, client=board.bob)
    assert refused.status_code == 403
    assert "may not merge" in refused.json()["error"]
    assert board.merge(number, client=hub.client()).status_code == 401
    reads = hub.client(hub.add_token("alice", role="read", name="reads"))
    assert board.merge(number, client=reads).status_code == 403
    assert board.client.put(f"{board.api}/settings", json={"private": True}).status_code == 200
    assert board.merge(number, client=board.bob).status_code == 404
    assert board.details(number)["status"] == "open"


def test_a_merged_one_takes_no_commits(board: Board) -> None:
    number = board.propose(file("n", b"1"))
    board.merged(number)
    before = board.tip("refs/pr/1")
    refused = board.commit(file("m", b"2"), rev=PR, client=board.bob)
    assert refused.status_code == 409
    assert board.tip("refs/pr/1") == before


def test_a_pointer_whose_object_was_deleted_is_not_merged(board: Board) -> None:
    data = b"weights" * 1000
    sha256 = board.add_lfs(data)
    number = board.propose(lfs_file("w.bin", sha256, size=len(data)))
    gone = board.client.post(f"{board.api}/lfs-files/batch", json={"deletions": {"sha": [sha256]}})
    assert gone.status_code == 200, gone.text
    refused = board.merge(number)
    assert refused.status_code == 422
    assert sha256 in refused.json()["error"]
    assert board.details(number)["status"] == "open"


# Races


def test_two_replicas_merge_into_a_moving_branch(
    make_hub: Callable[..., HubUnderTest], postgres_url: str, tmp_path: Path
) -> None:
    store = f"file://{tmp_path}/objects"
    board = Board(make_hub(database_url=postgres_url, objects_url=store))
    other = make_hub(database_url=postgres_url, objects_url=store).client(board.token)
    board.done(file("a.txt", b"a"))
    numbers = [board.propose(file(f"pr{place}", b"%d" % place)) for place in range(6)]

    def merge(number: int) -> int:
        return board.merge(number, client=other).status_code

    def commit(place: int) -> int:
        return board.commit(file(f"c{place}", b"%d" % place)).status_code

    with ThreadPoolExecutor(4) as pool:
        merges = [pool.submit(merge, number) for number in numbers]
        commits = [pool.submit(commit, place) for place in range(6)]
        assert [each.result() for each in merges] == [200] * 6
        assert [each.result() for each in commits] == [200] * 6
    wanted = {"a.txt", *(f"pr{place}" for place in range(6)), *(f"c{place}" for place in range(6))}
    assert set(board.files()) - {".gitattributes"} == wanted
    assert board.complaints() == []


def test_nothing_is_lost_when_everybody_merges_and_commits_at_once(hub_on_both: HubUnderTest) -> None:
    board = Board(hub_on_both)
    board.done(file("a.txt", b"a"))
    numbers = [board.propose(file(f"pr{place}", b"%d" % place)) for place in range(5)]
    start = threading.Barrier(15)

    def merge(number: int) -> int:
        start.wait(30)
        return board.merge(number).status_code

    def commit(place: int) -> int:
        start.wait(30)
        return board.commit(file(f"c{place}", b"%d" % place)).status_code

    def add(number: int) -> int:
        start.wait(30)
        ref = quote(f"refs/pr/{number}", safe="")
        return board.commit(file(f"late{number}", b"1"), rev=ref, client=board.bob).status_code

    with ThreadPoolExecutor(15) as pool:
        merges = [pool.submit(merge, number) for number in numbers]
        commits = [pool.submit(commit, place) for place in range(5)]
        late = {number: pool.submit(add, number) for number in numbers}
        assert [each.result() for each in merges] == [200] * 5
        assert [each.result() for each in commits] == [200] * 5
        taken = {number: each.result() for number, each in late.items()}
    assert set(taken.values()) <= {200, 409}
    # Everything that was acknowledged is there, the late commits where their pull request took them.
    wanted = {"a.txt", *(f"pr{place}" for place in range(5)), *(f"c{place}" for place in range(5))}
    wanted |= {f"late{number}" for number, code in taken.items() if code == 200}
    assert set(board.files()) - {".gitattributes"} == wanted
    assert int(board.git("rev-list", "--count", "main")) == 2 + 5 + 5
    for number in numbers:
        assert board.details(number)["status"] == "merged"
        assert [kind for kind, _ in board.told(number)].count("status-change") == 1
    assert board.complaints() == []


def test_two_who_merge_the_same_one(board: Board) -> None:
    number = board.propose(file("n", b"1"))
    before = int(board.git("rev-list", "--count", "main"))
    with ThreadPoolExecutor(4) as pool:
        codes = sorted(pool.map(lambda _: board.merge(number).status_code, range(4)))
    assert codes == [200, 409, 409, 409]
    assert int(board.git("rev-list", "--count", "main")) == before + 1


# Many files


def test_a_thousand_files(board: Board) -> None:
    number = board.propose(*(file(f"d{place % 10}/f{place}", b"%d" % place) for place in range(1000)))
    board.done(file("main.txt", b"moved"))
    board.merged(number)
    assert len(board.files()) == 1005
    shown = board.show(number, "files").json()
    assert (shown["count"], shown["truncated"]) == (1000, False)

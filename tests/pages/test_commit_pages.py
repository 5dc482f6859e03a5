"""The pages of commits and comparisons: their diffs, what they mean, their bounds, and that no text becomes markup."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from html import unescape

import httpx
import pytest

from api.desk import delete, file, header, lfs_file
from api.test_reviews import CONFIG, NEW, OLD
from openhood.base.names import Oid
from openhood.engines.git.objects import CommitInfo, Signature
from openhood.http.pages.commits.graph import MAX_LANES, Stroke, draw
from openhood.http.pages.commits.patches import read_patch
from openhood.testing.hub import HubUnderTest
from pages.test_community import EVIL, Forum, page
from unit.tensor_files import safetensors_file


def commit_url(forum: Forum, revision: str = "main") -> str:
    return f"{forum.web}/commit/{revision}"


def test_a_commit_with_everything(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    old, new = safetensors_file(OLD), safetensors_file(NEW)
    forum.done(
        lfs_file("model.safetensors", forum.add_lfs(old), size=len(old)),
        file("config.json", json.dumps(CONFIG).encode()),
        file("notes.txt", b"a\nb\n"),
        file("gone.txt", b"x\n"),
    )
    answer = forum.commit(
        header("Recast", "With a reason."),
        lfs_file("model.safetensors", forum.add_lfs(new), size=len(new)),
        file("config.json", json.dumps({**CONFIG, "hidden_size": 16}).encode()),
        file("notes.txt", b"a\nc\n"),
        delete("gone.txt"),
    )
    oid = answer.json()["commitOid"]
    url = answer.json()["commitUrl"].removeprefix(hub.url)
    shown = page(forum.nobody, url)
    assert oid in shown
    assert "Recast" in shown
    assert "With a reason." in shown
    assert 'href="/alice"' in shown
    assert "4 files changed" in shown
    assert "still being compared" in shown
    assert "data-waiting" in shown
    hub.run_jobs()
    shown = page(forum.nobody, url)
    assert "data-waiting" not in shown
    assert "hidden_size" in shown
    assert "must match the weights" in shown
    for word in ("fresh", "gone", "F32 → BF16"):
        assert word in shown
    part = page(forum.nobody, f"{url}?part=review")
    assert part.lstrip().startswith("<section")
    # A large file is told of by its size and hash, never by the pointer that stands for it.
    assert hashlib.sha256(new).hexdigest()[:10] in shown
    assert "git-lfs.github.com" not in shown
    assert 'class="diff split"' in page(forum.nobody, f"{url}?view=split")
    assert "the first commit" in page(forum.nobody, commit_url(forum, _root(forum)))
    assert forum.nobody.get(commit_url(forum, "nothing")).status_code == 404


def _root(forum: Forum) -> str:
    found = forum.client.get(f"{forum.api}/commits/main").json()
    return str(found[-1]["id"])


def test_tables_are_compared_by_rows(hub: HubUnderTest) -> None:
    forum = Forum(hub, kind="dataset")
    forum.done(file("train.csv", b"id,label\n1,a\n2,b\n3,c\n"))
    forum.done(file("train.csv", b"id,label\n1,a\n2,x\n4,d\n"))
    page(forum.nobody, commit_url(forum))
    hub.run_jobs()
    shown = page(forum.nobody, commit_url(forum))
    assert "Rows are matched by id." in shown
    assert "Changed rows" in shown
    assert "Added rows" in shown


@pytest.mark.parametrize("dots", ["..", "..."])
def test_two_revisions_side_by_side(hub: HubUnderTest, dots: str) -> None:
    forum = Forum(hub)
    forum.done(file("a.txt", b"one\n"))
    assert forum.client.post(f"{forum.api}/branch/feature%2Fx", json={}).status_code == 200
    forum.done(file("b.txt", b"two\n"), rev="feature%2Fx")
    forum.done(file("c.txt", b"three\n"))
    chosen = forum.nobody.get(
        f"{forum.web}/compare",
        params={"base": "main", "head": "feature/x", **({"direct": "1"} if dots == ".." else {})},
    )
    target = chosen.headers["location"]
    assert target == f"{forum.web}/compare/main{dots}feature%2Fx"
    shown = page(forum.nobody, target)
    assert "b.txt" in shown
    assert ("c.txt" in shown) is (dots == "..")
    assert "1 commit" in shown
    assert 'value="feature/x"' in shown
    assert "Choose two revisions" in page(forum.nobody, f"{forum.web}/compare")
    assert "Nothing differs" in page(forum.nobody, f"{forum.web}/compare/main{dots}main")
    assert "These cannot be compared" in page(forum.nobody, f"{forum.web}/compare/main{dots}no", status=404)
    assert forum.nobody.get(f"{forum.web}/compare/main").status_code == 400


def test_long_differences_are_cut_with_a_link(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.done(file("long.txt", b"".join(b"line %d\n" % each for each in range(2000))))
    shown = page(forum.nobody, commit_url(forum))
    assert "line 399" not in shown
    link = re.search(r'href="([^"]+)">Show all lines of this file', shown)
    assert link is not None
    assert "line 1999" in page(forum.nobody, unescape(link[1]))


def test_many_files_come_in_pages(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.done(*(file(f"f{each:03}.txt", b"x\n") for each in range(60)))
    shown = page(forum.nobody, commit_url(forum))
    assert "f049.txt" in shown
    assert "f050.txt" not in shown
    assert "f059.txt" in page(forum.nobody, commit_url(forum) + "?p=1")


def test_a_gate_hides_the_lines_only(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.done(file("secret.txt", b"hidden words\n"))
    assert forum.owner.put(f"{forum.api}/settings", json={"gated": "manual"}).status_code == 200
    for url in (commit_url(forum), f"{forum.web}/compare/{_root(forum)}..main"):
        for client in (forum.nobody, forum.carol):
            shown = page(client, url)
            assert "The files are behind a gate." in shown
            assert "hidden words" not in shown
    assert forum.nobody.get(commit_url(forum) + "?part=review").status_code in (401, 403)
    assert "hidden words" in page(forum.owner, commit_url(forum))


def test_no_text_of_a_commit_becomes_markup(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    name = EVIL.replace("/", "_")
    forum.done(file("x.csv", f"id,{EVIL.replace(',', '')}\n1,a\n".encode()))
    answer = forum.commit(
        header(EVIL, EVIL),
        file(f"{name}.py", EVIL.encode() + b"\n"),
        file("config.json", json.dumps({EVIL: EVIL}).encode()),
        file("x.csv", f"id,{EVIL.replace(',', '')}\n1,{EVIL}\n".encode()),
    )
    assert answer.status_code == 200, answer.text
    for _turn in range(2):
        for url in (
            commit_url(forum),
            f"{commit_url(forum)}?view=split",
            f"{forum.web}/compare/{_root(forum)}..main",
        ):
            shown = page(forum.nobody, url)
            assert "<script>alert" not in shown
            assert "<img src=x" not in shown
            assert " style=" not in shown
        hub.run_jobs()


def test_odd_paths_are_found_in_the_patch(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    names = ["très long.md", 'quo"te.txt', "tab\u00a0.txt", "a b/c d.txt", "back\\slash.txt"]
    answer = forum.commit(header(), *(file(name, f"in {at}\n".encode()) for at, name in enumerate(names)))
    assert answer.status_code == 200, answer.text
    shown = page(forum.nobody, commit_url(forum))
    for at in range(len(names)):
        assert f"in {at}" in shown
    assert "This difference is long" not in shown


def commit(oid: str, *parents: str) -> CommitInfo:
    who = Signature("a", "a@example.org", datetime(2026, 1, 1, tzinfo=UTC))
    return CommitInfo(Oid(oid * 40), Oid("0" * 40), tuple(Oid(each * 40) for each in parents), who, who, oid)


def test_a_merge_is_drawn_as_two_lanes() -> None:
    graph = draw([commit("d", "c", "b"), commit("c", "a"), commit("b", "a"), commit("a")], {})
    assert graph.lanes == 2
    left, right = graph.rows[Oid("d" * 40)].x, graph.rows[Oid("b" * 40)].x
    assert graph.rows[Oid("c" * 40)].x == left < right
    assert Stroke(left, 50, right, 100) in graph.rows[Oid("d" * 40)].strokes
    assert Stroke(right, 0, right, 100) in graph.rows[Oid("c" * 40)].strokes
    assert Stroke(right, 50, right, 100) in graph.rows[Oid("b" * 40)].strokes
    assert graph.rows[Oid("a" * 40)].strokes == (Stroke(left, 0, left, 50), Stroke(right, 0, left, 50))
    assert draw([commit("b", "a"), commit("a")], {}).lanes == 1
    wide = draw([commit("f", "0", "1", "2", "3", "4", "5", "6", "7")], {})
    assert wide.lanes == MAX_LANES


def test_the_history_names_the_refs_at_its_commits(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.done(file("a.txt", b"x\n"))
    assert forum.client.post(f"{forum.api}/tag/main", json={"tag": "v1"}).status_code == 200
    url = forum.propose(file("b.txt", b"y\n"))
    shown = page(forum.nobody, f"{forum.web}/commits/main")
    assert f'href="{forum.web}/tree/v1"' in shown
    assert f'class="chip" href="{forum.web}/tree/main"' in shown
    assert "<circle" not in shown
    pulled = page(forum.nobody, commit_url(forum, "refs%2Fpr%2F1"))
    assert f'class="chip" href="{url}"' in pulled


PATCH = """diff --git a/a.txt b/a.txt
index 1..2 100644
--- a/a.txt
+++ b/a.txt
@@ -1,3 +1,3 @@ head
 same
-the old word
+the new word
 end
\\ No newline at end of file
diff --git a/old name b/new name
similarity index 90%
rename from old name
rename to new name
diff --git a/bin b/bin
index 1..2 100644
Binary files a/bin and b/bin differ
"""


def test_a_patch_is_read_line_by_line() -> None:
    wanted = frozenset(("a.txt", "new name", "bin"))
    found = read_patch(PATCH, wanted=wanted, line_limit=100, total_limit=100)
    assert set(found) == wanted
    lines = found["a.txt"].lines
    assert [(each.kind, each.old, each.new) for each in lines] == [
        ("hunk", None, None),
        ("same", 1, 1),
        ("removed", 2, None),
        ("added", None, 2),
        ("same", 3, 3),
        ("note", None, None),
    ]
    assert str(lines[2].text) == "the <mark>old</mark> word"
    assert [
        (each.left and each.left.kind, each.right and each.right.kind) for each in found["a.txt"].pairs
    ] == [
        ("hunk", None),
        ("same", "same"),
        ("removed", "added"),
        ("same", "same"),
        ("note", None),
    ]
    assert found["bin"].is_binary
    assert not found["new name"].lines
    cut = read_patch(PATCH, wanted=wanted, line_limit=2, total_limit=100)["a.txt"]
    assert cut.is_cut
    assert len(cut.lines) == 2


def test_commits_of_private_repositories_are_not_told_of(hub: HubUnderTest) -> None:
    forum = Forum(hub)
    forum.owner.put(f"{forum.api}/settings", json={"private": True})
    client: httpx.Client = forum.nobody
    for url in (commit_url(forum), f"{forum.web}/compare", f"{forum.web}/compare/main..main"):
        assert client.get(url).status_code == 401

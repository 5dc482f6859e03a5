"""Three trees put together as git would, and conflicts wherever both sides meant something else."""

from __future__ import annotations

from pathlib import Path

import pytest

from openhood.base.names import Oid
from openhood.engines.git.compare import compare_files
from openhood.engines.git.edit import PathConflict, apply_edits, compare_trees
from openhood.engines.git.merge import MAX_TEXT_BYTES, Merged, merge_text, merge_trees
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import iter_files
from openhood.engines.lfs import Pointer, format_pointer
from unit.git_judge import Judge

LINES = b"".join(b"line %d\n" % number for number in range(20))
Files = dict[str, bytes | None]


class Fork:
    """A history that divides after its first commit."""

    def __init__(self, path: Path, *, base: Files, ours: Files, theirs: Files) -> None:
        self.judge = Judge(path)
        start = self.judge.commit("base", base)
        ours_oid = self.judge.commit("ours", ours)
        self.judge("checkout", "-q", "-b", "theirs", start)
        theirs_oid = self.judge.commit("theirs", theirs)
        self.db: ObjectDb = self.judge.db()
        self.trees = {
            name: self.db.commit(oid).tree
            for name, oid in {"base": start, "ours": ours_oid, "theirs": theirs_oid}.items()
        }

    def merge(self) -> Merged:
        return merge_trees(self.db, **self.trees)

    def files(self) -> list[str]:
        """Every path of the merged tree."""
        merged = self.merge()
        assert merged.conflicts == []
        done = apply_edits(self.db, self.trees["ours"], merged.edits)
        return sorted(
            {found.path for found in iter_files(self.db, self.trees["ours"])}
            - {change.path for change in done.changes if change.kind == "deleted"}
            | {change.path for change in done.changes if change.kind == "added"}
        )


def test_each_side_has_its_own_files(tmp_path: Path) -> None:
    fork = Fork(
        tmp_path / "r",
        base={"a": b"1", "b": b"2", "d/c": b"3", "d/e": b"4"},
        ours={"a": b"ours", "ours/new": b"5"},
        theirs={"b": None, "d/c": b"theirs", "theirs/new": b"6"},
    )
    merged = fork.merge()
    assert merged.conflicts == []
    assert sorted(merged.edits) == ["b", "d/c", "theirs/new"]
    done = apply_edits(fork.db, fork.trees["ours"], merged.edits)
    judge = fork.judge
    judge("merge-base", "main", "theirs")
    assert done.tree == judge.text("merge-tree", "--write-tree", "main", "theirs")


def test_the_same_change_on_both_sides_is_none(tmp_path: Path) -> None:
    same: Files = {"a": b"new", "b": None, "c": b"added"}
    fork = Fork(tmp_path / "r", base={"a": b"1", "b": b"2", "k": b"k"}, ours=same, theirs={**same, "d": b"4"})
    assert sorted(fork.merge().edits) == ["d"]
    assert fork.files() == ["a", "c", "d", "k"]


def test_one_text_changed_in_two_places(tmp_path: Path) -> None:
    fork = Fork(
        tmp_path / "r",
        base={"t": LINES},
        ours={"t": b"first\n" + LINES},
        theirs={"t": LINES + b"last\n"},
    )
    merged = fork.merge()
    assert merged.conflicts == []
    assert list(merged.blobs.values()) == [b"first\n" + LINES + b"last\n"]


POINTERS = [format_pointer(Pointer(char * 64, 10)) for char in "abc"]  # type: ignore[arg-type]  # a made-up hash


@pytest.mark.parametrize(
    ("base", "ours", "theirs", "where"),
    [
        pytest.param({"t": LINES}, {"t": b"o\n" + LINES}, {"t": b"t\n" + LINES}, "t", id="same line"),
        pytest.param({"t": b"1"}, {"t": None, "k": b""}, {"t": b"2"}, "t", id="deleted here"),
        pytest.param({"t": b"1"}, {"t": b"2"}, {"t": None, "k": b""}, "t", id="deleted there"),
        pytest.param({"k": b""}, {"t": b"1\n"}, {"t": b"2\n"}, "t", id="added on both sides"),
        pytest.param(
            {"t": b"\0" + LINES}, {"t": b"\0a" + LINES}, {"t": b"\0" + LINES + b"b"}, "t", id="binary"
        ),
        pytest.param({"t": POINTERS[0]}, {"t": POINTERS[1]}, {"t": POINTERS[2]}, "t", id="pointers"),
        pytest.param({"t": LINES}, {"t": POINTERS[1]}, {"t": LINES + b"x\n"}, "t", id="moved to lfs"),
        pytest.param(
            {"t": LINES + b"x" * MAX_TEXT_BYTES},
            {"t": b"o\n" + LINES + b"x" * MAX_TEXT_BYTES},
            {"t": LINES + b"x" * MAX_TEXT_BYTES + b"\nt"},
            "t",
            id="too large",
        ),
    ],
)
def test_conflicts(tmp_path: Path, base: Files, ours: Files, theirs: Files, where: str) -> None:
    fork = Fork(tmp_path / "r", base=base, ours=ours, theirs=theirs)
    merged = fork.merge()
    assert merged.conflicts == [where]
    assert where not in merged.edits


def test_a_file_where_the_other_side_has_a_folder(tmp_path: Path) -> None:
    fork = Fork(tmp_path / "r", base={"k": b""}, ours={"d": b"file"}, theirs={"d/a": b"in a folder"})
    merged = fork.merge()
    with pytest.raises(PathConflict, match="d"):
        apply_edits(fork.db, fork.trees["ours"], merged.edits)


def test_rules_of_both_sides_are_kept(tmp_path: Path) -> None:
    fork = Fork(
        tmp_path / "r",
        base={".gitattributes": b"*.bin lfs\n"},
        ours={".gitattributes": b"*.bin lfs\na.x lfs\n"},
        theirs={".gitattributes": b"*.bin lfs\nb.x lfs\n"},
    )
    merged = fork.merge()
    assert merged.conflicts == []
    assert sorted(next(iter(merged.blobs.values())).splitlines()) == [b"*.bin lfs", b"a.x lfs", b"b.x lfs"]


def test_an_executable_bit_and_a_new_content(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    start = judge.commit("base", {"run": b"echo\n"})
    (judge.path / "run").chmod(0o755)
    ours = judge.commit("ours", {})
    judge("checkout", "-q", "-b", "theirs", start)
    theirs = judge.commit("theirs", {"run": b"echo 2\n"})
    db = judge.db()
    base_tree, our_tree, their_tree = (db.commit(oid).tree for oid in (start, ours, theirs))
    merged = merge_trees(db, base=base_tree, ours=our_tree, theirs=their_tree)
    done = apply_edits(db, our_tree, merged.edits)
    assert [(change.path, change.new and change.new.mode) for change in done.changes] == [("run", 0o100755)]


def test_text_merges() -> None:
    assert merge_text(b"a\nb\nc\n", b"A\nb\nc\n", b"a\nb\nC\n", union=False, timeout_s=10) == b"A\nb\nC\n"
    assert merge_text(b"a\n", b"b\n", b"c\n", union=False, timeout_s=10) is None


def test_compared_trees_are_what_git_says(tmp_path: Path) -> None:
    fork = Fork(
        tmp_path / "r",
        base={"a": b"1", "b": b"2", "d/c": b"3"},
        ours={"a": b"ours", "b": None, "e/f": b"4"},
        theirs={},
    )
    found = compare_trees(fork.db, fork.trees["base"], fork.trees["ours"])
    assert [(change.path, change.kind) for change in found] == [
        ("a", "modified"),
        ("b", "deleted"),
        ("e/f", "added"),
    ]
    assert compare_trees(fork.db, fork.trees["base"], fork.trees["base"]) == []


def test_compared_files_have_renames_and_line_counts(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    start = judge.commit("one", {"a": LINES, "old ü": b"x\n" * 30, "gone": b"1\n2\n", "b.bin": b"\0\1"})
    end = judge.commit(
        "two",
        {
            "a": LINES + b"more\n",
            "old ü": None,
            "new\tname": b"x\n" * 30,
            "gone": None,
            "b.bin": b"\0\2",
            "n": b"1",
        },
    )
    gitdir = judge.path / ".git"
    found = compare_files(gitdir, start, end, limit=100)
    assert [(each.status, each.path, each.old_path, each.additions, each.deletions) for each in found] == [
        ("M", "a", None, 1, 0),
        ("M", "b.bin", None, None, None),
        ("D", "gone", None, 0, 2),
        ("A", "n", None, 1, 0),
        ("R", "new\tname", "old ü", 0, 0),
    ]
    cut = compare_files(gitdir, start, end, limit=2)
    assert [each.path for each in cut] == ["a", "b.bin"]
    whole = compare_files(gitdir, None, start, limit=100)
    assert {each.status for each in whole} == {"A"}
    assert {each.old_oid for each in whole} == {Oid("0" * 40)}


def test_new_commits_of_a_fork(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    start = judge.commit("base", {"a": b"1"})
    judge("checkout", "-q", "-b", "theirs")
    made = [judge.commit(f"theirs {number}", {"b": b"%d" % number}) for number in range(3)]
    judge("checkout", "-q", "main")
    main = judge.commit("main", {"c": b"1"})
    db = judge.db()
    assert [commit.oid for commit in db.log_between([main], made[-1], limit=10)] == made[::-1]
    assert [commit.oid for commit in db.log_between([main, made[0]], made[-1], limit=10)] == made[:0:-1]
    assert [commit.oid for commit in db.log_between([main], made[-1], limit=1)] == [made[-1]]
    assert db.log_between([start], start, limit=5) == []

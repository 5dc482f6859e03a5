"""Edits make the tree git itself would make, touch no other tree, and refuse impossible ones."""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path

import pytest

from openhood.base.errors import EntryNotFound
from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git.edit import Delete, Edit, EditedTree, PathConflict, Put, apply_edits
from openhood.engines.git.objects import MODE_EXEC, MODE_FILE, object_oid
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import iter_files
from unit.git_judge import Judge

FILES = {"a": b"1", "d/b": b"2", "d/e/f": b"3", "d/e/g": b"4", "x/y/z": b"5"}


def put(text: str, mode: int = MODE_FILE) -> Put:
    return Put(object_oid("blob", text.encode()), mode)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    judge = Judge(tmp_path_factory.mktemp("edit"))
    judge.commit("one", dict(FILES))
    judge.pack()
    return judge


@pytest.fixture
def db(judge: Judge, tmp_path: Path) -> ObjectDb:
    (tmp_path / "pack").mkdir()
    return ObjectDb(judge.objects, alternates=[tmp_path])


def edit(judge: Judge, db: ObjectDb, edits: Mapping[str, Edit]) -> tuple[EditedTree, dict[str, str]]:
    """Apply, store the new trees, and list the result's files."""
    done = apply_edits(db, judge.oid("main^{tree}"), edits)
    with PackWriter(db._alternates[0] / "pack") as pack:
        for oid, data in done.new_trees.items():
            pack.add_known(oid, "tree", data)
        pack.finish()
    return done, {found.path: found.oid for found in iter_files(db, done.tree)}


def expected(judge: Judge, changes: dict[str, Put | None]) -> dict[str, str]:
    files = {path: object_oid("blob", data) for path, data in FILES.items()}
    for path, change in changes.items():
        if change is None:
            del files[path]
        else:
            files[path] = change.oid
    return dict(files)


def summary(done: EditedTree) -> list[tuple[str, str]]:
    return [(change.path, change.kind) for change in done.changes]


def test_add_modify_delete(judge: Judge, db: ObjectDb) -> None:
    edits = {
        "a": put("new"),
        "d/e/h": put("h", MODE_EXEC),
        "n/m": put("nm"),
        "x/y/z": Delete(recursive=False),
    }
    done, files = edit(judge, db, edits)
    assert files == expected(judge, {"a": put("new"), "d/e/h": put("h"), "n/m": put("nm"), "x/y/z": None})
    assert summary(done) == [("a", "modified"), ("d/e/h", "added"), ("n/m", "added"), ("x/y/z", "deleted")]
    assert done.changes[0].old is not None
    assert done.changes[0].old.oid == judge.oid("main:a")
    assert done.changes[1].new is not None
    assert (done.changes[1].new.name, done.changes[1].new.mode) == ("h", MODE_EXEC)
    assert len(done.new_trees) == 4  # root, d, d/e, n; x is gone
    assert db.entry_at(done.tree, "x") is None


def test_nothing_changes(judge: Judge, db: ObjectDb) -> None:
    done, _ = edit(judge, db, {"a": put("1")})
    assert (done.tree, done.new_trees, done.changes) == (judge.oid("main^{tree}"), {}, [])
    done, _ = edit(judge, db, {})
    assert done.tree == judge.oid("main^{tree}")


def test_only_the_mode_changes(judge: Judge, db: ObjectDb) -> None:
    done, _ = edit(judge, db, {"a": put("1", MODE_EXEC)})
    assert summary(done) == [("a", "modified")]


def test_delete_folder(judge: Judge, db: ObjectDb) -> None:
    done, files = edit(
        judge, db, {"d": Delete(recursive=True), "d/e/f": Delete(recursive=False), "d/new": put("n")}
    )
    assert set(files) == {"a", "x/y/z", "d/new"}
    assert summary(done) == [
        ("d/b", "deleted"), ("d/e/f", "deleted"), ("d/e/g", "deleted"), ("d/new", "added"),
    ]  # fmt: skip


def test_delete_and_put_back_is_a_modification(judge: Judge, db: ObjectDb) -> None:
    done, files = edit(judge, db, {"d": Delete(recursive=True), "d/b": put("2"), "d/e/f": put("33")})
    assert set(files) == {"a", "x/y/z", "d/b", "d/e/f"}
    assert summary(done) == [("d/e/f", "modified"), ("d/e/g", "deleted")]


def test_everything_deleted(judge: Judge, db: ObjectDb) -> None:
    done, files = edit(judge, db, {name: Delete(recursive=True) for name in ("a", "d", "x")})
    assert done.tree == EMPTY_TREE
    assert done.new_trees == {EMPTY_TREE: b""}
    assert files == {}
    assert len(done.changes) == 5


def test_first_commit(db: ObjectDb) -> None:
    done = apply_edits(db, EMPTY_TREE, {"a/b": put("1")})
    assert len(done.new_trees) == 2
    assert summary(done) == [("a/b", "added")]
    assert apply_edits(db, EMPTY_TREE, {}).tree == EMPTY_TREE


def test_file_becomes_directory_and_back(judge: Judge, db: ObjectDb) -> None:
    done, files = edit(judge, db, {"a": Delete(recursive=False), "a/b": put("ab")})
    assert "a/b" in files
    assert summary(done) == [("a", "deleted"), ("a/b", "added")]
    done, files = edit(judge, db, {"x": put("file"), "x/y/z": Delete(recursive=False)})
    assert files["x"] == put("file").oid
    assert summary(done) == [("x", "added"), ("x/y/z", "deleted")]


@pytest.mark.parametrize(
    "edits",
    [
        {"a/b": put("x")},
        {"a/b/c/d": put("x")},
        {"a": put("x"), "a/b": put("x")},
        {"new": put("x"), "new/b": put("x")},
        {"d": put("x")},
        {"d/e": put("x"), "d/e/f": Delete(recursive=False)},
        {"A": put("x")},
        {"D/b": put("x")},
        {"d/B": put("x")},
        {"n/q": put("x"), "n/Q": put("x")},
        {"n/q": put("x"), "N/r": put("x")},
        {"\xc9": put("x"), "\xe9": put("x")},
    ],
)
def test_conflicts(judge: Judge, db: ObjectDb, edits: Mapping[str, Edit]) -> None:
    with pytest.raises(PathConflict):
        edit(judge, db, edits)


def test_renaming_only_the_case_is_allowed(judge: Judge, db: ObjectDb) -> None:
    _, files = edit(judge, db, {"a": Delete(recursive=False), "A": put("1")})
    assert "A" in files
    assert "a" not in files


def test_case_twins_that_exist_already_can_be_edited(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    judge.commit("twins", {"t": b"1", "T": b"2"})
    db = judge.db()
    done = apply_edits(db, judge.oid("main^{tree}"), {"t": put("3"), "u": put("4")})
    assert summary(done) == [("t", "modified"), ("u", "added")]


@pytest.mark.parametrize(
    ("edits", "path"),
    [
        ({"nope": Delete(recursive=False)}, "nope"),
        ({"nope/x": Delete(recursive=True)}, "nope/x"),
        ({"a/x": Delete(recursive=False)}, "a/x"),
        ({"d": Delete(recursive=False)}, "d"),
        ({"d": Delete(recursive=True), "d/q": Delete(recursive=False)}, "d/q"),
    ],
)
def test_deleting_what_is_not_there(judge: Judge, db: ObjectDb, edits: Mapping[str, Edit], path: str) -> None:
    with pytest.raises(EntryNotFound) as caught:
        edit(judge, db, edits)
    assert caught.value.message == "A file with this name doesn't exist"
    assert caught.value.facts["path"] == path


def test_random_edits_give_the_tree_git_writes(judge: Judge, db: ObjectDb, tmp_path: Path) -> None:
    dice = random.Random(3)
    names = ["a", "b", "d", "e", "x"]
    for _ in range(60):
        files: dict[str, Oid] = {path: object_oid("blob", data) for path, data in FILES.items()}
        edits: dict[str, Edit] = {}
        for _ in range(dice.randint(1, 6)):
            if dice.random() < 0.4:
                edits[dice.choice(list(FILES))] = Delete(recursive=False)
            else:
                path = "/".join(dice.choice(names) for _ in range(dice.randint(1, 3)))
                edits[path] = put(str(dice.random()))
        for path, change in edits.items():
            if isinstance(change, Delete):
                files.pop(path)
        for path, change in edits.items():
            if isinstance(change, Put):
                files[path] = change.oid
        blocked = any(one.startswith(other + "/") for one in files for other in files)
        if blocked:
            with pytest.raises(PathConflict):
                apply_edits(db, judge.oid("main^{tree}"), edits)
            continue
        done, found = edit(judge, db, edits)
        assert found == files
        judge("read-tree", "--empty")
        lines = "".join(f"100644 {oid}\t{path}\n" for path, oid in files.items())
        judge("update-index", "--index-info", stdin=lines.encode())
        assert judge.text("write-tree", "--missing-ok") == done.tree

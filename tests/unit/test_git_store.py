"""Reading objects, trees and history gives what the git program gives."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from openhood.base.errors import CorruptObject
from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git.objects import MissingGitObject
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from unit.git_judge import Judge

MISSING = Oid("12" * 20)


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    judge = Judge(tmp_path_factory.mktemp("store"))
    judge.commit("one", {"a": b"1", "d/b": b"2", "d/e/f": b"3"})
    judge.commit("two", {"a": b"11"})
    judge("tag", "-a", "-m", "t", "v1")
    judge("tag", "-a", "-m", "tt", "v2", "v1")
    judge("checkout", "-q", "-b", "side", "HEAD~1")
    judge.commit("side one", {"s": b"s"})
    judge("checkout", "-q", "main")
    judge.commit("three", {"d/b": b"22"})
    judge("checkout", "-q", "side")
    judge.commit("side two", {"s": b"ss"})
    judge("checkout", "-q", "main")
    judge.clock_s += 60
    judge("merge", "-q", "--no-edit", "side")
    judge.commit("four", {"a": None})
    judge("checkout", "-q", "--orphan", "alone")
    judge.commit("alone", {"z": b"z"})
    judge("checkout", "-q", "main")
    judge.pack()
    return judge


@pytest.fixture
def db(judge: Judge) -> ObjectDb:
    return ObjectDb(judge.objects)


def test_single_objects(judge: Judge, db: ObjectDb) -> None:
    blob = judge.oid("main:d/b")
    assert db.exists(blob)
    assert not db.exists(MISSING)
    assert db.kind_and_size(blob) == ("blob", 2)
    assert db.read(blob) == ("blob", b"22")
    assert db.kind_and_size(judge.oid("v1"))[0] == "tag"
    for call in (db.kind_and_size, db.read, db.commit, db.tree, db.peel_to_commit):
        with pytest.raises(MissingGitObject):
            call(MISSING)
    with pytest.raises(CorruptObject):
        db.commit(blob)
    with pytest.raises(CorruptObject):
        db.tree(blob)


def test_the_empty_tree_needs_no_storage(db: ObjectDb) -> None:
    assert db.exists(EMPTY_TREE)
    assert db.read(EMPTY_TREE) == ("tree", b"")
    assert db.tree(EMPTY_TREE) == ()


def test_tags_peel(judge: Judge, db: ObjectDb) -> None:
    wanted = judge.oid("v2^{commit}")
    assert db.peel_to_commit(judge.oid("v2")) == wanted
    assert db.peel_to_commit(wanted) == wanted
    with pytest.raises(CorruptObject):
        db.peel_to_commit(judge.oid("main:d/b"))


def test_entry_at(judge: Judge, db: ObjectDb) -> None:
    root = judge.oid("main^{tree}")
    for path in ("d", "d/b", "d/e", "d/e/f", "s"):
        entry = db.entry_at(root, path)
        assert entry is not None
        assert entry.oid == judge.oid(f"main:{path}")
    for path in ("a", "d/x", "s/x", "d/b/x", "", "d/", "/d"):
        assert db.entry_at(root, path) is None


def test_log_is_git_log(judge: Judge, db: ObjectDb) -> None:
    wanted = judge.text("log", "--format=%H", "main").split()
    tip = judge.oid("main")
    assert [commit.oid for commit in db.log(tip, skip=0, limit=100)] == wanted
    assert [commit.oid for commit in db.log(tip, skip=2, limit=3)] == wanted[2:5]
    assert db.log(tip, skip=100, limit=3) == []
    with pytest.raises(MissingGitObject):
        db.log(MISSING, skip=0, limit=1)


def test_ancestry(judge: Judge, db: ObjectDb) -> None:
    main, side, alone = judge.oid("main"), judge.oid("side"), judge.oid("alone")
    assert db.is_ancestor(side, main)
    assert db.is_ancestor(main, main)
    assert not db.is_ancestor(main, side)
    assert not db.is_ancestor(alone, main)
    assert db.merge_base(judge.oid("v1^{commit}"), side) == judge.text("merge-base", "v1", "side")
    assert db.merge_base(main, alone) is None
    with pytest.raises(MissingGitObject):
        db.merge_base(main, MISSING)
    with pytest.raises(MissingGitObject):
        db.is_ancestor(MISSING, main)


def test_expand_short(judge: Judge, db: ObjectDb) -> None:
    tip = judge.oid("main")
    assert db.expand_short(tip[:7]) == [tip]
    assert db.expand_short(tip.upper()) == [tip]
    assert db.expand_short(judge.oid("main:d/b")[:10]) == []
    every = judge.text("rev-list", "--all").split()
    for byte in range(256):
        prefix = f"{byte:02x}"
        assert db.expand_short(prefix) == sorted(oid for oid in every if oid.startswith(prefix))


def test_new_packs_alternates_refresh_and_close(tmp_path: Path) -> None:
    first, second = tmp_path / "1", tmp_path / "2"
    for directory in (first, second):
        (directory / "pack").mkdir(parents=True)
    db = ObjectDb(first, alternates=[second])
    oids = []
    for directory in (first, second):
        with PackWriter(directory / "pack") as pack:
            oids.append(pack.add("blob", str(directory).encode()))
            pack.finish()
        assert db.exists(oids[-1])
    for path in (first / "pack").iterdir():
        path.unlink()
    db.refresh()
    assert [db.exists(oid) for oid in oids] == [False, True]
    db.close()
    with pytest.raises(MissingGitObject):
        db.read(oids[1])


def test_one_db_serves_many_threads(judge: Judge) -> None:
    db = ObjectDb(judge.objects, cache_bytes=500)
    root, failures = judge.oid("main^{tree}"), []
    wanted = judge.oid("main:d/e/f")

    def read() -> None:
        for _ in range(200):
            entry = db.entry_at(root, "d/e/f")
            if entry is None or entry.oid != wanted or len(db.tree(root)) != 2:
                failures.append(entry)
            db.log(judge_tip, skip=0, limit=2)

    judge_tip = judge.oid("main")
    threads = [threading.Thread(target=read) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures

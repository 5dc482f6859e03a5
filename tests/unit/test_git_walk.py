"""Listings come in git's order, page by page, reading no more than a page needs."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from openhood.base.errors import EntryNotFound
from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git.objects import MODE_DIR, MODE_FILE, TreeEntry, encode_tree
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import iter_file_oids, iter_files, walk
from unit.git_judge import Judge

FILES = [
    "a",
    "a.txt",
    "a-b/c",
    "ab/c/d",
    "ab/c.d",
    "ab/c0",
    "b/\xe9/1",
    "b/\xe9/2",
    "b/f",
    "c",
    "d/x/y/z",
    "z",
]


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    judge = Judge(tmp_path_factory.mktemp("walk"))
    judge.commit("one", {name: name.encode() for name in FILES})
    judge.pack()
    return judge


def listed(judge: Judge, *args: str) -> list[tuple[str, str]]:
    lines = judge("ls-tree", "-z", *args).decode().split("\0")[:-1]
    return [(line.split("\t")[1], line.split()[2]) for line in lines]


@pytest.mark.parametrize("prefix", ["", "ab", "b/\xe9", "d"])
@pytest.mark.parametrize("recursive", [True, False])
def test_every_page_size_gives_ls_tree(judge: Judge, prefix: str, recursive: bool) -> None:
    db, root = ObjectDb(judge.objects), judge.oid("main^{tree}")
    options = ["-r", "-t"] if recursive else []
    wanted = listed(judge, *options, f"main:{prefix}")
    start = prefix + "/" if prefix else ""
    wanted = [(start + path, oid) for path, oid in wanted]
    for limit in (1, 2, 3, 1000):
        found: list[tuple[str, str]] = []
        after = None
        while page := walk(db, root, prefix=prefix, recursive=recursive, after=after, limit=limit):
            assert len(page) <= limit
            found += [(entry.path, entry.oid) for entry in page]
            after = page[-1].path
        assert found == wanted


def test_a_cursor_need_not_exist(judge: Judge) -> None:
    db, root = ObjectDb(judge.objects), judge.oid("main^{tree}")
    paths = [entry.path for entry in walk(db, root, prefix="", recursive=True, after=None, limit=1000)]
    keys = {
        path: (path + "/" if path in {"a-b", "ab", "ab/c", "b", "b/\xe9", "d", "d/x", "d/x/y"} else path)
        for path in paths
    }
    for gone in ("aa", "ab/c/e", "ab/c1", "b/a/b/c", "zz", "", "a/x", "b/f/g", "c/"):
        found = [e.path for e in walk(db, root, prefix="", recursive=True, after=gone, limit=1000)]
        assert found == [path for path in paths if keys[path].encode() > gone.encode()], gone
    assert walk(db, root, prefix="ab", recursive=True, after="z", limit=9) == []
    assert len(walk(db, root, prefix="ab", recursive=True, after="a", limit=9)) == 4
    assert walk(db, root, prefix="", recursive=True, after=None, limit=0) == []


def test_missing_prefix(judge: Judge) -> None:
    db, root = ObjectDb(judge.objects), judge.oid("main^{tree}")
    for prefix in ("nope", "a", "a/b"):
        with pytest.raises(EntryNotFound):
            walk(db, root, prefix=prefix, recursive=False, after=None, limit=9)
        with pytest.raises(EntryNotFound):
            next(iter_files(db, root, prefix))
    assert walk(db, EMPTY_TREE, prefix="", recursive=True, after=None, limit=9) == []


def test_iter_files(judge: Judge) -> None:
    db, root = ObjectDb(judge.objects), judge.oid("main^{tree}")
    assert [(f.path, f.oid) for f in iter_files(db, root)] == listed(judge, "-r", "main")
    assert [f.path for f in iter_files(db, root, "b")] == ["b/f", "b/\xe9/1", "b/\xe9/2"]


def test_all_files_at_once(judge: Judge) -> None:
    judge.commit("two", {"ab/c/new": b"new", "zz/y": b"y"})
    (judge.path / "zz" / "link").symlink_to("y")
    judge("add", "zz/link")
    judge("commit", "-qm", "link")
    judge("update-index", "--add", "--cacheinfo", f"160000,{judge.oid('main')},ab/module")
    judge("commit", "-qm", "module")
    db, root = ObjectDb(judge.objects), judge.oid("main^{tree}")
    links = {"zz/link", "ab/module"}
    assert list(iter_file_oids(db, root)) == [
        each for each in listed(judge, "-r", "main") if each[0] not in links
    ]
    assert links < {entry.path for entry in iter_files(db, root)}
    assert list(iter_file_oids(db, EMPTY_TREE)) == []


def test_pages_read_only_their_own_trees(tmp_path: Path) -> None:
    read: list[Oid] = []

    class Counting(ObjectDb):
        def read(self, oid: Oid) -> tuple[str, bytes]:
            read.append(oid)
            return super().read(oid)

    (tmp_path / "pack").mkdir()
    with PackWriter(tmp_path / "pack") as pack:
        blob = pack.add("blob", b"")
        dirs = []
        for number in range(50):
            files = [TreeEntry(f"{number}-{i}", MODE_FILE, blob) for i in range(20)]
            dirs.append(TreeEntry(f"d{number:02}", MODE_DIR, pack.add("tree", encode_tree(files))))
        root = pack.add("tree", encode_tree(dirs))
        pack.finish()
    db = Counting(tmp_path, cache_bytes=0)
    page = walk(db, root, prefix="", recursive=True, after=None, limit=22)
    assert page[-1].path == "d01"
    assert len(read) == 2
    read.clear()
    assert walk(db, root, prefix="", recursive=True, after="d40/40-9", limit=3)[0].path == "d41"
    assert len(read) == 3


def test_random_trees_page_like_ls_tree(tmp_path: Path) -> None:
    dice = random.Random(7)
    names = ["a", "b", "a.", "a-", "a0", "B"]
    judge = Judge(tmp_path / "r")
    files: dict[str, bytes | None] = {}
    for _ in range(60):
        path = "/".join(dice.choice(names) for _ in range(dice.randint(1, 4)))
        parents = {path.rsplit("/", n)[0] for n in range(1, path.count("/") + 1)}
        if not parents & files.keys() and not any(known.startswith(path + "/") for known in files):
            files[path] = path.encode()
    judge.commit("x", files)
    db, root = judge.db(), judge.oid("HEAD^{tree}")
    wanted = [path for path, _ in listed(judge, "-r", "-t", "HEAD")]
    for at in range(len(wanted)):
        page = walk(db, root, prefix="", recursive=True, after=wanted[at], limit=5)
        assert [entry.path for entry in page] == wanted[at + 1 : at + 6]

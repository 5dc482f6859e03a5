"""The git program does what the hub asks of it, within bounds, in repositories made for the moment."""

from __future__ import annotations

import io
import os
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from openhood.base.errors import BadRequest, PayloadTooLarge, Unavailable
from openhood.base.names import ZERO_OID, Oid
from openhood.engines.git import commands as c
from openhood.engines.git.objects import MODE_FILE, TreeEntry, encode_tree
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from unit.git_judge import ENV, Judge

LIMITS = {"max_bytes": 1 << 20, "timeout_s": 30.0}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Judge:
    judge = Judge(tmp_path_factory.mktemp("commands"))
    judge.commit("one", {"a": b"1\n", "d/b": b"2\n", "d/e/f": b"3\n", "d/sp ace\n": b"4\n"})
    judge.commit("two", {"a": b"11\n", "d/e/g": b"5\n"})
    judge("checkout", "-q", "-b", "side", "HEAD~1")
    judge.commit("side", {"s": b"s\n"})
    judge("checkout", "-q", "main")
    judge.clock_s += 60
    judge("merge", "-q", "--no-edit", "side")
    judge.commit("three", {"d/b": None, "d/e/f": b"33\n"})
    judge.commit("empty", {})
    judge("tag", "-a", "-m", "t", "v1")
    judge("update-ref", "refs/pr/1", "side")
    judge.pack()
    return judge


@contextmanager
def snapshot(judge: Judge, workdir: Path, hide_refs: Sequence[str] = ()) -> Iterator[Path]:
    lines = judge.text("for-each-ref", "--format=%(refname) %(objectname) %(*objectname)").splitlines()
    refs = []
    for line in lines:
        name, oid, *peeled = line.split()
        refs.append(c.SnapshotRef(name, Oid(oid), Oid(peeled[0]) if peeled else None))
    with c.SnapshotRepo(judge.objects, refs, workdir=workdir, hide_refs=hide_refs) as opened:
        yield opened.gitdir


def quarantined(
    pack: Path, objects_dir: Path, workdir: Path, *, max_bytes: int, timeout_s: float
) -> c.IndexedPack | None:
    """Index a pack as a push does, in a snapshot that stays: its directory is pytest's to remove."""
    opened = c.SnapshotRepo(objects_dir, (), workdir=workdir).__enter__()
    return c.index_pack(opened.gitdir, pack, offset=0, max_bytes=max_bytes, timeout_s=timeout_s)


# Running


def test_run_git_bounds(tmp_path: Path) -> None:
    echo = ["stripspace"]
    spool = tmp_path / "spool"
    spool.write_bytes(b"--hello")
    with spool.open("rb") as file:
        file.read(2)
        for stdin in (b"hello", io.BytesIO(b"hello"), file):
            assert c.run_git(echo, stdin=stdin, timeout_s=10, limit_bytes=100) == b"hello\n"
    with pytest.raises(c.GitOutputTooLarge):
        c.run_git(echo, stdin=b"0123456789", timeout_s=10, limit_bytes=10)
    with pytest.raises(c.GitFailed) as caught:
        c.run_git(["rev-parse", "nope"], gitdir=tmp_path, timeout_s=10, limit_bytes=10)
    assert "not a git repository" in caught.value.stderr
    assert "not a git" not in caught.value.message
    started = time.monotonic()
    with pytest.raises(c.GitTimedOut), c.popen_git(["cat-file", "--batch"], gitdir=tmp_path / "x"):
        c.run_git(["-c", "alias.x=!sleep 60", "x"], timeout_s=0.2, limit_bytes=10)
    assert time.monotonic() - started < 30  # it would have slept for a minute


def test_popen_git_kills_children() -> None:
    with c.popen_git(["-c", "alias.x=!sleep 61 & echo $!; wait", "x"]) as running:
        child = int(running.stdout.read(100))
        assert running.poll() is None
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            state = Path(f"/proc/{child}/stat").read_text().split()[2]
        except FileNotFoundError:
            return
        if state == "Z":
            return
        time.sleep(0.01)
    raise AssertionError("the child lives on")


def test_environment_is_hermetic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_DIR", "/elsewhere")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    out = c.run_git(
        ["-c", "alias.x=!env", "x"],
        cwd=tmp_path,
        env={"GIT_PROTOCOL": "version=2"},
        timeout_s=9,
        limit_bytes=9999,
    )
    assert b"SECRET_TOKEN" not in out
    assert b"/elsewhere" not in out
    assert b"GIT_PROTOCOL=version=2" in out


def test_heavy_limits_how_many_run() -> None:
    running, peak, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal running, peak
        with c.heavy(2):
            with lock:
                running += 1
                peak = max(peak, running)
            time.sleep(0.01)
            with lock:
                running -= 1

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert peak == 2
    with c.heavy(1), pytest.raises(Unavailable), c.heavy(1, timeout_s=0.01):
        pass


# Snapshots


def test_snapshot_serves_clones_and_pull_request_refs(judge: Judge, tmp_path: Path) -> None:
    with snapshot(judge, tmp_path) as gitdir:
        for protocol in ("0", "2"):
            clone = tmp_path / f"clone{protocol}"
            config = ["-c", f"protocol.version={protocol}"]
            subprocess.run(
                ["git", *config, "clone", "-q", f"file://{gitdir}", clone],
                env=ENV,
                check=True,
                capture_output=True,
            )
            tool = Judge(clone)
            tool(*config, "fetch", "-q", "origin", "refs/pr/1:pr1")
            assert tool.oid("pr1") == judge.oid("side")
            assert tool.oid("HEAD") == judge.oid("main")
            assert tool.oid("v1^{}") == judge.oid("main")
            tool("-c", "protocol.version=2", "fetch", "-q", "origin", judge.oid("side"))
        subprocess.run(
            ["git", "clone", "-q", "--filter=blob:none", "--no-checkout", f"file://{gitdir}", tmp_path / "partial"],
            env=ENV, check=True, capture_output=True,
        )  # fmt: skip
        advertised = judge("ls-remote", str(gitdir))
        assert b"refs/tags/v1^{}" in advertised
        assert c.fsck(gitdir) == []
    assert not gitdir.exists()


def test_hidden_refs_are_hidden(judge: Judge, tmp_path: Path) -> None:
    with snapshot(judge, tmp_path, hide_refs=["refs/pr"]) as gitdir:
        assert b"refs/pr" not in judge("ls-remote", str(gitdir))
        # Why the hub does not hide them: a hidden ref cannot be fetched by name.
        assert judge("fetch", "-q", str(gitdir), "refs/pr/1", ok=False) == b""


def test_empty_snapshot(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    with c.SnapshotRepo(tmp_path, [], workdir=tmp_path) as opened:
        subprocess.run(
            ["git", "clone", "-q", opened.gitdir, tmp_path / "clone"],
            env=ENV,
            check=True,
            capture_output=True,
        )
        assert c.fsck(opened.gitdir) == []


# Taking packs


def pushed_pack(judge: Judge, path: Path, revisions: str) -> Path:
    path.write_bytes(judge("pack-objects", "--stdout", "--revs", "--thin", "-q", stdin=revisions.encode()))
    return path


def test_thin_pack_is_completed_and_connected(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    big = b"".join(b"%d\n" % number for number in range(5000))
    old = judge.commit("one", {"big": big})
    judge.pack()
    hub = tmp_path / "hub"
    (hub / "pack").mkdir(parents=True)
    for file in (judge.objects / "pack").iterdir():
        os.link(file, hub / "pack" / file.name)
    new = judge.commit("two", {"big": big + b"more\n", "p": b"small"})
    pack = pushed_pack(judge, tmp_path / "push.pack", f"{new}\n^{old}\n")
    assert pack.stat().st_size < 2000
    work = tmp_path / "work"
    work.mkdir()
    indexed = quarantined(pack, hub, work, **LIMITS)
    assert indexed is not None
    assert indexed.object_count == 5  # commit, tree, two blobs and the completing base
    judge("verify-pack", str(indexed.idx_path))
    db = ObjectDb(hub, alternates=[indexed.objects_dir])
    assert db.commit(new).parents == (old,)
    refs = [c.SnapshotRef("refs/heads/main", old)]
    with c.SnapshotRepo(hub, refs, workdir=work, extra_objects=[indexed.objects_dir]) as opened:
        c.check_connected(opened.gitdir, [new])
        blobs = {(blob.path, blob.size_bytes) for blob in c.new_blobs(opened.gitdir, [new], [old])}
        assert blobs == {("big", len(big) + 5), ("p", 5)}
        assert {path for _, _, path in c.new_blobs(opened.gitdir, [new], [])} == {"big", "p"}
        assert not list(c.new_blobs(opened.gitdir, [new], [new]))
        with pytest.raises(c.NotConnected):
            c.check_connected(opened.gitdir, [Oid("12" * 20)])
        with pytest.raises(c.GitFailed):
            list(c.new_blobs(opened.gitdir, [Oid("12" * 20)], [old]))
    assert [path.name for path in work.iterdir()] == [indexed.objects_dir.parent.name]


def test_missing_blobs_are_not_connected(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    with PackWriter(judge.objects / "pack") as pack:
        tree = pack.add("tree", encode_tree([TreeEntry("a", MODE_FILE, Oid("12" * 20))]))
        pack.finish()
    commit = Oid(judge.text("commit-tree", "-m", "x", tree))
    with c.SnapshotRepo(judge.objects, [], workdir=tmp_path) as opened, pytest.raises(c.NotConnected):
        c.check_connected(opened.gitdir, [commit])


def test_packs_git_refuses(judge: Judge, tmp_path: Path) -> None:
    def take(data: bytes) -> c.IndexedPack | None:
        path = tmp_path / "p.pack"
        path.write_bytes(data)
        return quarantined(path, judge.objects, tmp_path, **LIMITS)

    for junk in (b"", b"PACK", b"junk" * 10, b"PACK" + bytes(7) + b"\1" + bytes(30)):
        with pytest.raises(BadRequest):
            take(junk)
    with pytest.raises(PayloadTooLarge):
        take(bytes((1 << 20) + 1))
    assert take(judge("pack-objects", "--stdout", "-q")) is None
    with PackWriter(tmp_path) as pack:
        blob = pack.add("blob", b"x")
        pack.add("tree", encode_tree([TreeEntry(".git", MODE_FILE, blob)]))
        built = pack.finish()
    assert built is not None
    with pytest.raises(BadRequest, match="hasDotgit"):
        take(built.pack_path.read_bytes())
    whole = pushed_pack(judge, tmp_path / "whole", "main\n").read_bytes()
    for bad in (whole[:-30], whole[:-1] + b"\0"):
        with pytest.raises(BadRequest):
            take(bad)


def test_old_oddities_are_let_in(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    with PackWriter(tmp_path) as pack:
        empty = pack.add("tree", b"")
        tree = pack.add("tree", b"040000 d\0" + bytes.fromhex(empty))
        pack.add("commit", f"tree {tree}\nauthor A <a> 1 +051800\ncommitter A <a> 1 +0000\n\nx".encode())
        built = pack.finish()
    assert built is not None
    assert quarantined(built.pack_path, judge.objects, tmp_path, **LIMITS) is not None


# Comparing and history


def test_changed_files(judge: Judge, tmp_path: Path) -> None:
    with snapshot(judge, tmp_path) as gitdir:
        first = judge.oid("main~4")
        found = {change.path: change for change in c.changed_files(gitdir, first, judge.oid("main"))}
        assert {path: change.status for path, change in found.items()} == {
            "a": "M", "d/b": "D", "d/e/f": "M", "d/e/g": "A", "s": "A",
        }  # fmt: skip
        assert found["d/b"].new_oid == ZERO_OID
        assert found["a"].new_oid == judge.oid("main:a")
        assert (found["s"].old_mode, found["s"].new_mode) == (0, MODE_FILE)
        every = [change.path for change in c.changed_files(gitdir, None, first)]
        assert every == ["a", "d/b", "d/e/f", "d/sp ace\n"]
        with pytest.raises(c.GitFailed):
            list(c.changed_files(gitdir, first, Oid("12" * 20)))


def test_diffs(judge: Judge, tmp_path: Path) -> None:
    with snapshot(judge, tmp_path) as gitdir:
        old, new = judge.oid("main~4"), judge.oid("main")
        text = c.unified_diff(gitdir, old, new, limit_bytes=10_000)
        assert text == judge("diff", "-M", "--full-index", old, new).decode()
        cut = c.unified_diff(gitdir, old, new, limit_bytes=300)
        assert text.startswith(cut.rsplit("[cut", 1)[0])
        assert cut.endswith("[cut: the difference is longer than 300 bytes]\n")
        assert c.raw_diff(gitdir, old, new) == judge("diff", "--raw", "-M", "--no-abbrev", old, new).decode()
        assert c.unified_diff(gitdir, None, old, limit_bytes=10_000).count("new file") == 4


def test_count_and_log_changes(judge: Judge, tmp_path: Path) -> None:
    with snapshot(judge, tmp_path) as gitdir:
        tip = judge.oid("main")
        assert c.count_commits(gitdir, tip) == int(judge.text("rev-list", "--count", "main"))
        log = [(commit, changes) for commit, changes in c.log_changes(gitdir, None, tip)]
        assert [commit for commit, _ in log] == judge.text("rev-list", "--first-parent", "main").split()
        assert [sorted(changes) for _, changes in log] == [
            [],
            [("D", "d/b"), ("M", "d/e/f")],
            [("A", "s")],
            [("A", "d/e/g"), ("M", "a")],
            [("A", "a"), ("A", "d/b"), ("A", "d/e/f"), ("A", "d/sp ace\n")],
        ]
        assert list(c.log_changes(gitdir, judge.oid("main~2"), tip)) == [
            c.CommitChanges(*log[0]),
            c.CommitChanges(*log[1]),
        ]
        assert list(c.log_changes(gitdir, tip, tip)) == []


@pytest.mark.parametrize("pathspecs", [0, 200])
def test_log_last_commits(
    judge: Judge, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pathspecs: int
) -> None:
    monkeypatch.setattr(c, "_MAX_PATHSPECS", pathspecs)
    with snapshot(judge, tmp_path) as gitdir:
        tip = judge.oid("main")
        for directory, names in (
            ("", ["a", "d", "s"]),
            ("d", ["e", "sp ace\n"]),
            ("d/e", ["f", "g", "nope"]),
        ):
            found = c.log_last_commits(gitdir, tip, directory, names)
            for name in names:
                path = f"{directory}/{name}" if directory else name
                wanted = judge.text("log", "-1", "--first-parent", "-m", "--format=%H", "main", "--", path)
                assert found.get(name, "") == wanted
        assert c.log_last_commits(gitdir, tip, "", []) == {}


# Care of packs


def test_fold_packs(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    out = tmp_path / "out"
    out.mkdir()
    names, oids = [], []
    for number in range(4):
        with PackWriter(tmp_path / "pack") as pack:
            oids.append(pack.add("blob", os.urandom(10) + b"same text all over " * 500))
            oids.append(pack.add("blob", b"%d" % number))
            built = pack.finish()
            assert built is not None
            names.append(built.name)
    folded = c.fold_packs(tmp_path, names[:3], out)
    assert folded is not None
    assert folded.object_count == 6
    assert folded.size_bytes == folded.pack_path.stat().st_size
    assert sorted(path.name for path in out.iterdir()) == [
        f"pack-{folded.name}.idx",
        f"pack-{folded.name}.pack",
    ]
    subprocess.run(["git", "verify-pack", folded.idx_path], env=ENV, check=True)
    (out / "pack").mkdir()
    for path in (folded.pack_path, folded.idx_path):
        path.rename(out / "pack" / path.name)
    db = ObjectDb(out)
    assert [db.exists(oid) for oid in oids] == [True] * 6 + [False] * 2
    with pytest.raises(c.GitFailed):
        c.fold_packs(tmp_path, ["12" * 20], out)


def test_fsck_tells_what_is_wrong(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    with PackWriter(judge.objects / "pack") as pack:
        tree = pack.add("tree", encode_tree([TreeEntry("a", MODE_FILE, Oid("12" * 20))]))
        pack.finish()
    commit = Oid(judge.text("commit-tree", "-m", "x", tree))
    with c.SnapshotRepo(
        judge.objects, [c.SnapshotRef("refs/heads/main", commit)], workdir=tmp_path
    ) as opened:
        assert any("missing blob" in line for line in c.fsck(opened.gitdir))

"""Taking files out of history: what must go goes, and everything else keeps its id."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git.objects import MODE_DIR, MODE_EXEC, MODE_FILE, TreeEntry, encode_tree
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.rewrite import HistoryRewriter, list_commits, repack_reachable
from openhood.engines.git.snapshot import SnapshotRef, SnapshotRepo
from openhood.engines.git.store import ObjectDb

WHO = b"A U Thor <a@example.org> 1700000000 +0100"
SIGNATURE = b"gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQEzBAABCAAdFiEE\n -----END PGP SIGNATURE-----\n"


class _Past:
    """A small history being written, and read back once it is rewritten."""

    def __init__(self, root: Path) -> None:
        self.dir = root / "objects"
        (self.dir / "pack").mkdir(parents=True)
        self.new = root / "new"
        (self.new / "pack").mkdir(parents=True)
        self.writer = PackWriter(self.dir / "pack")

    def blob(self, data: bytes) -> Oid:
        return self.writer.add("blob", data)

    def tree(self, **entries: tuple[int, Oid]) -> Oid:
        return self.writer.add(
            "tree", encode_tree(TreeEntry(name, mode, oid) for name, (mode, oid) in entries.items())
        )

    def commit(self, tree: Oid, *parents: Oid, extra: bytes = b"", message: bytes = b"words\n") -> Oid:
        lines = b"".join(b"parent " + parent.encode() + b"\n" for parent in parents)
        head = b"tree " + tree.encode() + b"\n" + lines + b"author " + WHO + b"\ncommitter " + WHO + b"\n"
        return self.writer.add("commit", head + extra + b"\n" + message)

    def tag(self, target: Oid, kind: bytes, name: bytes, message: bytes) -> Oid:
        head = (
            b"object " + target.encode() + b"\ntype " + kind + b"\ntag " + name + b"\ntagger " + WHO + b"\n\n"
        )
        return self.writer.add("tag", head + message)

    def rewrite(
        self, drop: dict[Oid, set[str] | None], tips: list[Oid]
    ) -> tuple[dict[Oid, Oid], set[Oid], ObjectDb]:
        """Rewrite all that ``tips`` reach; ``drop`` maps blobs to the paths that go (None: all)."""
        self.writer.finish()
        db = ObjectDb(self.dir)
        with PackWriter(self.new / "pack") as writer, SnapshotRepo(self.dir, ()) as snapshot:
            rewriter = HistoryRewriter(
                db, writer, blobs=drop, drop=lambda path, blob: (paths := drop[blob]) is None or path in paths
            )
            for commit in list_commits(snapshot.gitdir, set(tips), timeout_s=60):
                rewriter.commit(commit)
            moved = {tip: rewriter.tip(tip) for tip in tips}
            writer.finish()
        return moved, rewriter.kept, ObjectDb(self.dir, alternates=[self.new])


@pytest.fixture
def past(tmp_path: Path) -> _Past:
    return _Past(tmp_path)


def test_a_file_goes_from_everywhere_and_the_rest_keeps_its_id(past: _Past) -> None:
    big, small = past.blob(b"big"), past.blob(b"small")
    clean = past.tree(small=(MODE_FILE, small))
    first = past.commit(past.tree(clean=(MODE_DIR, clean)))
    only_big = past.tree(big=(MODE_EXEC, big))
    second = past.commit(
        past.tree(clean=(MODE_DIR, clean), sub=(MODE_DIR, only_big), x=(MODE_FILE, small)), first
    )
    side = past.commit(past.tree(clean=(MODE_DIR, clean), side=(MODE_FILE, small)), first)
    merge = past.commit(
        past.tree(clean=(MODE_DIR, clean), sub=(MODE_DIR, only_big), side=(MODE_FILE, small)), second, side
    )

    moved, kept, db = past.rewrite({big: None}, [merge, side])

    assert moved[side] == side
    new = db.commit(moved[merge])
    assert (new.parents[1], new.message, new.author.name) == (side, "words\n", "A U Thor")
    assert db.commit(new.parents[0]).parents == (first,)
    assert [entry.name for entry in db.tree(new.tree)] == ["clean", "side"]
    assert db.entry_at(new.tree, "clean") == TreeEntry("clean", MODE_DIR, clean)
    assert [entry.name for entry in db.tree(db.commit(new.parents[0]).tree)] == ["clean", "x"]
    assert kept == set()


def test_one_path_goes_and_another_stays(past: _Past) -> None:
    big = past.blob(b"big")
    folder = past.tree(big=(MODE_FILE, big))
    tip = past.commit(past.tree(a=(MODE_DIR, folder), b=(MODE_DIR, folder), big=(MODE_FILE, big)))

    moved, kept, db = past.rewrite({big: {"a/big", "big"}}, [tip])

    tree = db.commit(moved[tip]).tree
    assert [entry.name for entry in db.tree(tree)] == ["b"]
    assert kept == {big}


def test_nothing_left_is_the_empty_tree(past: _Past) -> None:
    big = past.blob(b"big")
    tip = past.commit(past.tree(sub=(MODE_DIR, past.tree(big=(MODE_FILE, big)))))

    moved, _kept, db = past.rewrite({big: None}, [tip])

    assert db.commit(moved[tip]).tree == EMPTY_TREE


def test_signatures_go_only_where_they_are_broken(past: _Past) -> None:
    big, small = past.blob(b"big"), past.blob(b"small")
    first = past.commit(past.tree(small=(MODE_FILE, small)), extra=SIGNATURE)
    odd = b"encoding ISO-8859-1\n" + SIGNATURE + b"custom some\n value\n"
    second = past.commit(
        past.tree(big=(MODE_FILE, big)), first, extra=odd, message=b"gr\xfc\xdfe\n\ngpgsig in the text\n"
    )

    moved, _kept, db = past.rewrite({big: None}, [second])

    _kind, raw = db.read(moved[second])
    assert b"PGP" not in raw
    assert b"encoding ISO-8859-1\ncustom some\n value\n\ngr\xfc\xdfe\n\ngpgsig in the text\n" in raw
    assert db.commit(moved[second]).parents == (first,)


def test_tags_follow_their_commits(past: _Past) -> None:
    big = past.blob(b"big")
    clean = past.commit(past.tree(small=(MODE_FILE, past.blob(b"small"))))
    tip = past.commit(past.tree(big=(MODE_FILE, big)), clean)
    still = past.tag(clean, b"commit", b"v0", b"Old\n")
    inner = past.tag(
        tip, b"commit", b"v1", b"New\n-----BEGIN PGP SIGNATURE-----\nabc\n-----END PGP SIGNATURE-----\n"
    )
    outer = past.tag(inner, b"tag", b"v2", b"Outer\n")

    moved, _kept, db = past.rewrite({big: None}, [still, outer, tip])

    assert moved[still] == still
    assert db.peel_to_commit(moved[outer]) == moved[tip] != tip
    text = db.read(Oid(db.read(moved[outer])[1].split()[1].decode()))[1]
    assert text.endswith(b"\n\nNew\n")


def test_a_pack_of_what_is_reachable(past: _Past, tmp_path: Path) -> None:
    big, small = past.blob(b"big"), past.blob(b"small")
    tip = past.commit(past.tree(big=(MODE_FILE, big), small=(MODE_FILE, small)))
    tag = past.tag(tip, b"commit", b"v1", b"Tagged\n")
    moved, _kept, _db = past.rewrite({big: None}, [tip, tag])
    out = tmp_path / "out"
    (out / "pack").mkdir(parents=True)

    with SnapshotRepo(past.dir, (), extra_objects=[past.new]) as snapshot:
        pack = repack_reachable(snapshot.gitdir, set(moved.values()), out / "pack", timeout_s=60)

    assert pack is not None
    assert pack.object_count == 4  # commit, tree, blob, tag
    assert pack.size_bytes == pack.pack_path.stat().st_size
    alone = ObjectDb(out)
    assert not alone.exists(big)
    assert not alone.exists(tip)
    assert alone.exists(small)
    with SnapshotRepo(
        out, [SnapshotRef("refs/heads/main", moved[tip]), SnapshotRef("refs/tags/v1", moved[tag])]
    ) as repo:
        done = subprocess.run(
            ["git", f"--git-dir={repo.gitdir}", "fsck", "--full", "--strict"],
            capture_output=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")

"""Packs written here are whole in git's eyes."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from openhood.engines.git import packs
from openhood.engines.git.objects import MODE_FILE, TreeEntry, encode_tree, object_oid
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from unit.git_judge import Judge


def test_git_verifies_a_pack(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    blobs = [b"", b"x", b"y" * 15, b"z" * 16, b"w" * 2048, os.urandom(70_000)]
    with PackWriter(judge.objects / "pack") as pack:
        oids = [pack.add("blob", data) for data in blobs]
        assert oids == [object_oid("blob", data) for data in blobs]
        assert pack.add("blob", b"x") == oids[1]
        entries = [TreeEntry(f"f{number}", MODE_FILE, oid) for number, oid in enumerate(oids)]
        tree = pack.add("tree", encode_tree(entries))
        built = pack.finish()
    assert built is not None
    assert built.object_count == 7
    assert built.size_bytes == built.pack_path.stat().st_size
    assert built.pack_path.name == f"pack-{built.name}.pack"
    judge("verify-pack", str(built.idx_path))
    theirs = tmp_path / "theirs.idx"
    judge("index-pack", "--strict", "-o", str(theirs), str(built.pack_path))
    assert theirs.read_bytes() == built.idx_path.read_bytes()
    judge("update-ref", "refs/heads/main", judge.text("commit-tree", "-m", "x", tree))
    assert judge("fsck", "--strict", "--full") == b""
    db = ObjectDb(judge.objects)
    for oid, data in zip(oids, blobs, strict=True):
        assert db.read(oid) == ("blob", data)
    assert len(list((judge.objects / "pack").iterdir())) == 2


def test_nothing_added_gives_no_pack(tmp_path: Path) -> None:
    with PackWriter(tmp_path) as pack:
        assert pack.finish() is None
    assert list(tmp_path.iterdir()) == []


def test_abandoned_packs_leave_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        with PackWriter(tmp_path) as pack:
            pack.add("blob", b"x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    with PackWriter(tmp_path) as pack:
        pack.add("blob", b"x")
    assert list(tmp_path.iterdir()) == []


def test_same_content_same_name(tmp_path: Path) -> None:
    names = set()
    for _ in range(2):
        with PackWriter(tmp_path) as pack:
            pack.add("blob", b"x")
            built = pack.finish()
            assert built is not None
            names.add(built.name)
    assert len(names) == 1


def test_offsets_over_two_gib_go_to_the_wide_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with PackWriter(tmp_path) as pack:
        oids = [bytes.fromhex(pack.add("blob", bytes([number]))) for number in range(3)]
        far = [5, 1 << 31, 1 << 40]
        for number, offset in enumerate(far):
            pack._offsets[number] = offset
        pack._write_idx(tmp_path / "wide.idx", bytes(20))
    raw = (tmp_path / "wide.idx").read_bytes()
    narrow = struct.unpack_from(">3I", raw, 8 + 1024 + 3 * 24)
    wide = struct.unpack_from(">2Q", raw, 8 + 1024 + 3 * 28)
    assert len(raw) == 8 + 1024 + 3 * 28 + 2 * 8 + 40
    for position, oid in enumerate(sorted(oids)):
        value = narrow[position]
        assert (wide[value & 0x7FFFFFFF] if value >> 31 else value) == far[oids.index(oid)]


def test_kinds_are_all_there() -> None:
    assert set(packs._KINDS) == {"commit", "tree", "blob", "tag"}


def test_what_does_not_deflate_is_stored(tmp_path: Path) -> None:
    judge = Judge(tmp_path / "r")
    noise, text = os.urandom(400_000), b"tensor weights\n" * 40_000
    with PackWriter(judge.objects / "pack") as pack:
        oids = [pack.add("blob", noise), pack.add("blob", text)]
        built = pack.finish()
    assert built is not None
    judge("verify-pack", str(built.idx_path))
    packed = built.pack_path.read_bytes()
    assert noise[:1000] in packed
    assert 400_000 < len(packed) < 420_000
    db = ObjectDb(judge.objects)
    assert [db.read(oid)[1] for oid in oids] == [noise, text]

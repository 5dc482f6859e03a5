"""Git objects encode and decode as the git program does."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from openhood.base.errors import CorruptObject
from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git import objects as o
from unit.git_judge import Judge

WHEN = datetime(2024, 5, 6, 7, 8, 9, tzinfo=timezone(timedelta(hours=-3, minutes=-30)))
ADA = o.Signature("Ada", "ada@example.org", WHEN)


def test_object_oid_is_hash_object(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    for data in (b"", b"hello\n", bytes(range(256))):
        assert o.object_oid("blob", data) == judge.text("hash-object", "--stdin", stdin=data)
    assert o.object_oid("tree", b"") == EMPTY_TREE


def test_encoded_objects_are_taken_by_git(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    blob = judge.text("hash-object", "-w", "--stdin", stdin=b"x")
    entries = [
        o.TreeEntry("a.txt", o.MODE_FILE, Oid(blob)),
        o.TreeEntry("a", o.MODE_DIR, EMPTY_TREE),
        o.TreeEntry("a-b", o.MODE_EXEC, Oid(blob)),
        o.TreeEntry("caf\xe9", o.MODE_LINK, Oid(blob)),
        o.TreeEntry("\udcff", o.MODE_FILE, Oid(blob)),
    ]
    judge("hash-object", "-w", "-t", "tree", "--stdin", stdin=b"")
    lines = b"".join(
        b"%06o %s %s\t%s\0" % (e.mode, b"tree" if e.is_dir else b"blob", e.oid.encode(), o.name_bytes(e.name))
        for e in entries
    )
    tree = o.encode_tree(entries)
    assert judge.text("mktree", "-z", stdin=lines) == o.object_oid("tree", tree)
    commit = o.encode_commit(
        tree=o.object_oid("tree", tree),
        parents=[],
        author=o.Signature("E<v>il\nName\0", "<a@b>\n", WHEN),
        committer=o.Signature("", "", datetime(1960, 1, 1, tzinfo=UTC)),
        message="Title\n\nBody \U0001f917\0\ud800",
    )
    oid = Oid(judge.text("hash-object", "-w", "-t", "commit", "--stdin", stdin=commit))
    assert oid == o.object_oid("commit", commit)
    tag = o.encode_tag(target=oid, target_type="commit", name="v1", tagger=ADA, message="one")
    tag_oid = judge.text("hash-object", "-w", "-t", "tag", "--stdin", stdin=tag)
    judge("update-ref", "refs/tags/v1", tag_oid)
    assert judge("fsck", "--strict") == b""
    assert o.decode_tag(Oid(tag_oid), tag) == (oid, "commit")
    info = o.decode_commit(oid, commit)
    assert (info.title, info.body) == ("Title", "Body \U0001f917?")
    assert info.author == o.Signature("EvilName", "a@b", WHEN)
    assert info.committer.name == "unknown"
    assert info.committer.when == datetime(1970, 1, 1, tzinfo=UTC)


def test_decode_commit_written_by_git(tmp_path: Path) -> None:
    judge = Judge(tmp_path)
    first = judge.commit("one", {"a": b"1"})
    second = judge.commit("two\n\nlong\ntext", {"b": b"2"})
    info = o.decode_commit(second, judge("cat-file", "commit", second))
    assert info.parents == (first,)
    assert info.tree == judge.oid("HEAD^{tree}")
    assert (info.title, info.body) == ("two", "long\ntext")
    assert info.author.when.isoformat() == judge.text("log", "-1", "--format=%aI")
    again = o.encode_commit(
        tree=info.tree,
        parents=info.parents,
        author=info.author,
        committer=info.committer,
        message=info.message,
    )
    assert o.object_oid("commit", again) == second


@pytest.mark.parametrize(
    ("ident", "name", "email", "iso"),
    [
        (b"A <a@b> 12 +0100", "A", "a@b", "1970-01-01T01:00:12+01:00"),
        (b"<a@b> 12 +9999", "", "a@b", "1970-01-01T00:00:12+00:00"),
        (b"A <a@b>", "A", "a@b", "1970-01-01T00:00:00+00:00"),
        (b"A <a@b> 99999999999999999999 +0000", "A", "a@b", None),
        (b"A <a@b> -5 -0000", "A", "a@b", "1970-01-01T00:00:00+00:00"),
        (b"no email at all", "no email at all", "", "1970-01-01T00:00:00+00:00"),
        (b"caf\xe9 <a@b> 1 +0000", "caf\xe9", "a@b", None),
    ],
)
def test_odd_identities(ident: bytes, name: str, email: str, iso: str | None) -> None:
    raw = b"tree " + EMPTY_TREE.encode() + b"\nauthor " + ident + b"\nencoding latin-1\n\nm\xe9"
    info = o.decode_commit(Oid("0" * 40), raw)
    assert (info.author.name, info.author.email) == (name, email)
    assert info.committer == info.author
    assert info.message == "m\xe9"
    if iso:
        assert info.author.when.isoformat() == iso


def test_unknown_encoding_and_signed_commit() -> None:
    raw = (
        b"tree " + EMPTY_TREE.encode() + b"\nauthor A <a> 1 +0000\nencoding hex\ngpgsig x\n tree y\n\n\xff\n"
    )
    assert o.decode_commit(Oid("0" * 40), raw).message == "\ufffd\n"
    with pytest.raises(CorruptObject):
        o.decode_commit(Oid("0" * 40), b"blob")


def test_display_name_survives_json() -> None:
    name = o.name_text(b"a\xff\xc3\xa9")
    assert o.name_bytes(name) == b"a\xff\xc3\xa9"
    assert o.display_name(name).encode() == "a\ufffd\xe9".encode()


def test_decode_tree_tolerates_padded_modes_and_refuses_garbage() -> None:
    raw = b"040000 d\0" + bytes(20) + b"100664 f\0" + bytes(20)
    assert [(e.name, e.is_dir) for e in o.decode_tree(raw)] == [("d", True), ("f", False)]
    found = o.RawTree(raw).find("d")
    assert found is not None
    assert found.mode == o.MODE_DIR
    for bad in (raw[:-1], b"junk", raw + b"x", b"9 a\0" + bytes(20)):
        with pytest.raises(CorruptObject):
            o.decode_tree(bad)


def test_raw_tree_finds_what_a_scan_for_bytes_would_mistake() -> None:
    entries = [
        o.TreeEntry("100644 a", o.MODE_FILE, Oid("11" * 20)),
        o.TreeEntry("a", o.MODE_FILE, Oid("22" * 20)),
        o.TreeEntry("x a", o.MODE_DIR, Oid("33" * 20)),
        o.TreeEntry("z", o.MODE_FILE, Oid("206100" + "44" * 17)),
    ]
    tree = o.RawTree(o.encode_tree(entries))
    for entry in entries:
        assert tree.find(entry.name) == entry
    assert tree.find("b") is None
    assert tree.find("") is None
    assert list(tree.read_from(0)) == entries


def test_git_is_installed() -> None:
    assert subprocess.run(["git", "--version"], check=True, capture_output=True).returncode == 0

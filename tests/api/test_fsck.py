"""`openhood fsck` finds every kind of damage, and nothing where there is none."""

from __future__ import annotations

import os
import random
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from api.desk import Desk, file, lfs_file
from api.xet_content import name_of, split, store_file, store_simple, store_xorb
from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain.fsck import Finding, check_all, check_one, leftovers, sweep
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import rows as xet_rows
from openhood.domain.xet.types import Grant, Xorb
from openhood.engines.xet.hashing import to_text
from openhood.engines.xet.terms import Term, pack_terms, unpack_terms
from openhood.infra import keys
from openhood.infra.db.tables import (
    lfs_objects,
    packs,
    refs,
    repo_lfs,
    repos,
    xet_file_xorbs,
    xet_files,
    xorbs,
)
from openhood.testing.hub import HubUnderTest

LARGE = b"large file " * 1000


@pytest.fixture
def desk(hub: HubUnderTest) -> Desk:
    """A repository with a few commits, a tag and a large file."""
    made = Desk(hub)
    made.done(file("a.txt", b"a"), file("sub/b.txt", b"b" * 5000))
    made.done(lfs_file("model.bin", made.add_lfs(LARGE)))
    made.client.post(f"{made.api}/tag/main", json={"tag": "v1", "message": "first"})
    assert found(made, deep=True) == []
    return made


def found(desk: Desk, *, deep: bool = False) -> list[Finding]:
    return list(check_all(desk.hub.sv, deep=deep, step=lambda what: None))


def only(findings: list[Finding]) -> Finding:
    assert len(findings) == 1, findings
    assert findings[0].level == "error"
    assert findings[0].remedy
    return findings[0]


def stored(desk: Desk, key: str) -> Path:
    path = desk.hub.sv.objects.local_path(key)
    assert path is not None
    return path


def last_pack(desk: Desk) -> str:
    with desk.hub.sv.db.read() as tx:
        return str(tx.execute(packs.select().order_by(packs.c.created_at.desc())).first().name)  # type: ignore[union-attr]


def large_key(desk: Desk) -> str:
    with desk.hub.sv.db.read() as tx:
        return str(tx.execute(lfs_objects.select()).one().key)


def overwrite(path: Path, content: bytes) -> None:
    """Replace a file's content, read-only or hard-linked as it may be."""
    path.unlink()
    path.write_bytes(content)


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 0xFF
    overwrite(path, bytes(content))


def test_a_missing_pack(desk: Desk) -> None:
    name = last_pack(desk)
    stored(desk, keys.git_pack(desk.repo.id, name)).unlink()
    finding = only(found(desk))
    assert finding.subject == "model alice/m"
    assert f"pack {name} is missing" in finding.problem


def test_a_missing_index(desk: Desk) -> None:
    stored(desk, keys.git_index(desk.repo.id, last_pack(desk))).unlink()
    assert "missing" in only(found(desk)).problem


def test_a_pack_that_rotted(desk: Desk) -> None:
    flip(stored(desk, keys.git_pack(desk.repo.id, last_pack(desk))), 20)
    assert "checksum" in only(found(desk)).problem


def test_a_pack_that_was_cut(desk: Desk) -> None:
    path = stored(desk, keys.git_pack(desk.repo.id, last_pack(desk)))
    overwrite(path, path.read_bytes()[:-1])
    assert "bytes, not" in only(found(desk)).problem


@pytest.mark.parametrize("at", [9, -30, -1])
def test_an_index_that_rotted(desk: Desk, at: int) -> None:
    flip(stored(desk, keys.git_index(desk.repo.id, last_pack(desk))), at)
    assert "index" in only(found(desk)).problem


def test_the_index_of_another_pack(desk: Desk) -> None:
    with desk.hub.sv.db.read() as tx:
        names = [row.name for row in tx.execute(packs.select())]
    first, second = (stored(desk, keys.git_index(desk.repo.id, name)) for name in names[:2])
    overwrite(first, second.read_bytes())
    assert "another pack" in only(found(desk)).problem


def test_a_pack_whose_row_was_lost(desk: Desk) -> None:
    """Refs name what no pack of the rows holds."""
    with desk.hub.sv.db.write() as tx:
        tx.execute(delete(packs).where(packs.c.name == last_pack_in(tx)))
        tx.execute(update(repos).values(pack_epoch=repos.c.pack_epoch + 1))
    desk.hub.sv.packs.forget(desk.repo.id)
    findings = found(desk)
    assert findings
    assert {finding.subject for finding in findings if finding.level == "error"} == {"model alice/m"}


def last_pack_in(tx: object) -> str:
    return str(tx.execute(packs.select().order_by(packs.c.created_at.desc())).first().name)  # type: ignore[attr-defined]


def test_a_ref_that_names_nothing(desk: Desk) -> None:
    with desk.hub.sv.db.write() as tx:
        tx.execute(update(refs).where(refs.c.name == "refs/tags/v1").values(oid="1" * 40))
    findings = found(desk)
    assert any("1" * 40 in finding.problem for finding in findings)


def test_a_tag_that_comes_down_to_another_commit(desk: Desk) -> None:
    first = desk.git("rev-list", "--max-parents=0", "main").strip()
    with desk.hub.sv.db.write() as tx:
        tx.execute(update(refs).where(refs.c.name == "refs/tags/v1").values(commit_oid=first))
    assert "refs/tags/v1 does not come down to" in only(found(desk)).problem


def test_a_head_that_is_not_main(desk: Desk) -> None:
    first = desk.git("rev-list", "--max-parents=0", "main").strip()
    with desk.hub.sv.db.write() as tx:
        tx.execute(update(repos).values(head_oid=first))
    assert "head" in only(found(desk)).problem


def test_a_missing_large_file(desk: Desk) -> None:
    stored(desk, large_key(desk)).unlink()
    finding = only(found(desk))
    assert finding.subject.startswith("large file ")
    assert "missing" in finding.problem


def test_a_large_file_of_another_size(desk: Desk) -> None:
    overwrite(stored(desk, large_key(desk)), LARGE + b"x")
    assert f"it has {len(LARGE) + 1} bytes, not {len(LARGE)}" in only(found(desk)).problem


def test_a_large_file_that_rotted_is_found_by_reading_it(desk: Desk) -> None:
    flip(stored(desk, large_key(desk)), 77)
    assert found(desk) == []
    assert "rotted" in only(found(desk, deep=True)).problem


def test_a_pointer_to_nothing(desk: Desk) -> None:
    with desk.hub.sv.db.write() as tx:
        tx.execute(delete(repo_lfs))
    finding = only(found(desk))
    assert finding.subject == "model alice/m"
    assert "model.bin points to" in finding.problem


def test_a_pointer_to_nothing_in_an_old_commit(desk: Desk) -> None:
    desk.done({"key": "deletedFile", "value": {"path": "model.bin"}})
    with desk.hub.sv.db.write() as tx:
        tx.execute(delete(repo_lfs))
    assert "model.bin points to" in only(found(desk)).problem


def test_leftovers_are_notes_and_can_be_swept(desk: Desk) -> None:
    sv = desk.hub.sv
    old = [
        keys.git_pack(desk.repo.id, "a" * 40),
        keys.git_index(99, "b" * 40),
        keys.lfs_object("c" * 64, "upload"),  # type: ignore[arg-type]
    ]
    young = keys.git_pack(desk.repo.id, "d" * 40)
    for key in (*old, young):
        sv.objects.put(key, b"left over")
    for key in old:
        os.utime(stored(desk, key), (1, 1))
    findings = found(desk)
    assert {(each.level, each.subject) for each in findings} == {("note", key) for key in old}
    assert "9 bytes" in findings[0].problem
    assert set(sweep(sv, older_than_s=3600)) == set(old)
    assert [sv.objects.size(key) for key in (*old, young)] == [None, None, None, 9]
    assert found(desk, deep=True) == []


def test_what_rows_name_is_no_leftover(desk: Desk) -> None:
    """Old packs, large files, and those waiting for their deletion."""
    sv = desk.hub.sv
    for each in sv.objects.list(""):
        os.utime(stored(desk, each.key), (1, 1))
    assert list(leftovers(sv, older_than_s=0)) == []
    desk.client.request("DELETE", "/api/repos/delete", json={"name": "m", "type": "model"})
    assert list(leftovers(sv, older_than_s=0)) == []


def test_one_repository_is_checked_alone(desk: Desk) -> None:
    other = desk.client.post("/api/repos/create", json={"name": "other", "type": "dataset"})
    assert other.status_code == 200
    stored(desk, large_key(desk)).unlink()
    sv = desk.hub.sv

    def check(kind: RepoType, name: str) -> list[Finding]:
        wanted = RepoId("alice", name)
        return list(check_one(sv, repo_type=kind, repo_id=wanted, deep=False, step=lambda what: None))

    assert check(RepoType.DATASET, "other") == []
    assert "missing" in only(check(RepoType.MODEL, "m")).problem
    with pytest.raises(NotFound, match="no model alice/none"):
        check(RepoType.MODEL, "none")


def test_it_says_what_it_looks_at(desk: Desk) -> None:
    said: list[str] = []
    list(check_all(desk.hub.sv, deep=False, step=said.append))
    assert said == ["model alice/m", "xorbs", "large files", "the object store"]


def test_histories_that_other_hubs_let_in_are_no_damage(desk: Desk, tmp_path: Path) -> None:
    """Old commits with odd time zones may be pushed, so they must not be reported for ever after."""
    import subprocess

    from openhood.engines.git.commands import fsck

    def git(*args: str, **more: object) -> str:
        done = subprocess.run(
            ["git", "-C", str(tmp_path), *args], check=True, capture_output=True, text=True, **more
        )  # type: ignore[call-overload]
        return str(done.stdout).strip()

    git("init", "--quiet", "--bare")
    tree = git("hash-object", "-t", "tree", "-w", "--stdin", input="")
    raw = f"tree {tree}\nauthor a <a@b> 1 +051800\ncommitter a <a@b> 1 +051800\n\nodd\n"
    commit = git("hash-object", "-t", "commit", "-w", "--literally", "--stdin", input=raw)
    git("update-ref", "refs/heads/main", commit)
    assert fsck(tmp_path) == []


# --- large files kept as chunks ---------------------------------------------------------------


class Chunked:
    """A repository with one large file of three xorbs."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.sv = desk.hub.sv
        self.data = random.Random(7).randbytes(1_500_000)
        self.made: LfsObject = store_simple(self.sv, desk.repo.id, self.data, per_xorb=10)
        desk.done(lfs_file("chunks.bin", self.made.sha256))
        assert len(self.xorbs) == 3
        assert found(desk, deep=True) == []

    @property
    def xorbs(self) -> list[Xorb]:
        with self.sv.db.read() as tx:
            file = xet_rows.get_file(tx, name_of(self.made))
            assert file is not None
            names = list(dict.fromkeys(to_text(term.xorb) for term in unpack_terms(file.terms)))
            by_name = xet_rows.find_xorbs(tx, names)
        return [by_name[name] for name in names if name in by_name]

    def path(self, number: int) -> Path:
        return stored(self.desk, self.xorbs[number].key)

    def set_terms(self, terms: list[Term]) -> None:
        with self.sv.db.write() as tx:
            tx.execute(update(xet_files).values(terms=pack_terms(terms)))

    @property
    def terms(self) -> list[Term]:
        with self.sv.db.read() as tx:
            file = xet_rows.get_file(tx, name_of(self.made))
        assert file is not None
        return list(unpack_terms(file.terms))


@pytest.fixture
def chunked(desk: Desk) -> Chunked:
    return Chunked(desk)


def test_a_missing_xorb(chunked: Chunked) -> None:
    xorb = chunked.xorbs[1]
    chunked.path(1).unlink()
    for deep in (False, True):
        finding = only(found(chunked.desk, deep=deep))
        assert finding.subject == f"xorb {xorb.hash}"
        assert "missing from the object store; this damages chunks.bin of model alice/m" in finding.problem
        assert xorb.key in finding.remedy


def test_a_xorb_of_another_size(chunked: Chunked) -> None:
    overwrite(chunked.path(0), chunked.path(0).read_bytes()[:-1])
    size = chunked.xorbs[0].size_bytes
    assert f"it has {size - 1} bytes, not {size}" in only(found(chunked.desk)).problem


def test_a_xorb_that_rotted_is_found_by_reading_it(chunked: Chunked) -> None:
    flip(chunked.path(2), 3000)
    assert found(chunked.desk) == []
    assert "rotted" in only(found(chunked.desk, deep=True)).problem


def test_a_xorb_that_is_known_to_be_damaged(chunked: Chunked) -> None:
    number = chunked.xorbs[0].id
    with chunked.sv.db.write() as tx:
        tx.execute(update(xorbs).where(xorbs.c.id == number).values(state="damaged", state_since=_NOW))
    assert "it was found damaged on 2024-05-06" in only(found(chunked.desk)).problem


_NOW = datetime(2024, 5, 6, tzinfo=UTC)


def test_damage_that_hits_no_file_is_a_note(desk: Desk) -> None:
    _id, index = store_xorb(desk.hub.sv, split(b"nobody needs this" * 9000))
    with desk.hub.sv.db.read() as tx:
        xorb = xet_rows.get_xorb(tx, to_text(index.digest))
    assert xorb is not None
    desk.hub.sv.objects.delete(xorb.key)
    (finding,) = found(desk)
    assert (finding.level, finding.subject) == ("note", f"xorb {xorb.hash}")
    assert "no file needs it" in finding.problem


def test_terms_that_do_not_fit_their_xorb(chunked: Chunked) -> None:
    first, *rest = chunked.terms
    chunked.set_terms([Term(first.xorb, first.raw_bytes, 0, first.end + 1), *rest])
    assert "chunks that their xorbs do not have" in only(found(chunked.desk)).problem


def test_terms_of_another_length(chunked: Chunked) -> None:
    chunked.set_terms(chunked.terms[:-1])
    problems = [each.problem for each in found(chunked.desk)]
    assert len(problems) == 2
    assert "add up to" in problems[0]
    assert "noted as needed that it does not name" in problems[1]


def test_terms_in_another_order_are_found_by_reading(chunked: Chunked) -> None:
    chunked.set_terms(chunked.terms[::-1])
    assert found(chunked.desk) == []
    assert "another SHA-256" in only(found(chunked.desk, deep=True)).problem


def test_a_term_whose_length_is_not_that_of_its_chunks(chunked: Chunked) -> None:
    first, second, *rest = chunked.terms
    chunked.set_terms(
        [
            Term(first.xorb, first.raw_bytes + 1, first.first, first.end),
            Term(second.xorb, second.raw_bytes - 1, second.first, second.end),
            *rest,
        ]
    )
    assert found(chunked.desk) == []
    assert "cannot be read" in only(found(chunked.desk, deep=True)).problem


def test_terms_that_are_no_terms(chunked: Chunked) -> None:
    with chunked.sv.db.write() as tx:
        tx.execute(update(xet_files).values(terms=b"x" * 45))
    assert "its terms are damaged" in only(found(chunked.desk)).problem


def test_a_xorb_that_is_not_noted_as_needed(chunked: Chunked) -> None:
    number = chunked.xorbs[0].id
    with chunked.sv.db.write() as tx:
        tx.execute(delete(xet_file_xorbs).where(xet_file_xorbs.c.xorb_id == number))
    assert "1 of its xorbs are not noted as needed" in only(found(chunked.desk)).problem


def test_a_xorb_without_a_row(chunked: Chunked) -> None:
    gone = chunked.xorbs[0]
    with chunked.sv.db.write() as tx:
        tx.execute(delete(xet_file_xorbs).where(xet_file_xorbs.c.xorb_id == gone.id))
        tx.execute(delete(xorbs).where(xorbs.c.id == gone.id))
    assert gone.hash in only(found(chunked.desk)).problem


def test_a_file_of_another_length_than_its_object(chunked: Chunked) -> None:
    with chunked.sv.db.write() as tx:
        tx.execute(
            update(lfs_objects).where(lfs_objects.c.sha256 == chunked.made.sha256).values(size_bytes=7)
        )
    assert "its row says 1500000 bytes, not 7" in only(found(chunked.desk)).problem


def test_a_xet_file_without_a_row(chunked: Chunked) -> None:
    with chunked.sv.db.write() as tx:
        tx.execute(delete(xet_files))
    assert "which has no row" in only(found(chunked.desk)).problem


def test_an_object_without_any_bytes(chunked: Chunked) -> None:
    with chunked.sv.db.write() as tx:
        tx.execute(delete(xet_files))
    raw = sqlite3.connect(chunked.desk.hub.data_dir / "openhood.db")
    with raw:
        raw.execute("PRAGMA ignore_check_constraints = 1")
        raw.execute("UPDATE lfs_objects SET xet_hash = NULL WHERE sha256 = ?", (chunked.made.sha256,))
    raw.close()
    assert "names no bytes at all" in only(found(chunked.desk)).problem


def test_an_object_kept_whole_and_as_chunks_needs_both(chunked: Chunked) -> None:
    with chunked.sv.db.write() as tx:
        tx.execute(
            update(lfs_objects)
            .where(lfs_objects.c.sha256 == chunked.made.sha256)
            .values(key=keys.lfs_object(chunked.made.sha256, "whole"))
        )
    assert "missing from the object store" in only(found(chunked.desk)).problem
    chunked.sv.objects.put(keys.lfs_object(chunked.made.sha256, "whole"), chunked.data)
    assert found(chunked.desk, deep=True) == []


def test_chunks_of_other_repositories_are_not_looked_at(chunked: Chunked) -> None:
    other = Desk(chunked.desk.hub, user="bob")
    chunks = split(random.Random(8).randbytes(300_000))
    _id, index = store_xorb(chunked.sv, chunks)
    store_file(chunked.sv, other.repo.id, b"".join(chunks), [(index, 0, index.chunk_count)])
    chunked.path(0).unlink()

    def check(desk: Desk) -> list[Finding]:
        return list(
            check_one(
                chunked.sv, repo_type=desk.type, repo_id=desk.repo_id, deep=True, step=lambda what: None
            )
        )

    assert check(other) == []
    assert "missing" in only(check(chunked.desk)).problem


def test_xorbs_and_granted_writes_are_no_leftovers(chunked: Chunked) -> None:
    sv, repo, xorb = chunked.sv, chunked.desk.repo.id, chunked.xorbs[0].hash
    left = keys.xorb(xorb, "crashed"), keys.staging("c" * 32)
    granted = keys.staging("d" * 32)
    for key in (*left, granted):
        sv.objects.put(key, b"left over")
    with sv.db.write() as tx:
        xet_rows.insert_grant(tx, Grant("d" * 32, repo, xorb, 9, sv.clock.now()))
    for each in sv.objects.list(""):
        os.utime(stored(chunked.desk, each.key), (1, 1))
    assert {each.key for each in leftovers(sv, older_than_s=3600)} == set(left)
    assert set(sweep(sv, older_than_s=3600)) == set(left)
    assert found(chunked.desk, deep=True) == []

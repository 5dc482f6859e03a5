"""`openhood fsck` finds every kind of damage, and nothing where there is none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from sqlalchemy import delete, update

from api.desk import Desk, file, lfs_file
from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain.fsck import Finding, check_all, check_one, leftovers, sweep
from openhood.infra import keys
from openhood.infra.db.tables import lfs_objects, packs, refs, repo_lfs, repos
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
    assert said == ["model alice/m", "large files", "the object store"]


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

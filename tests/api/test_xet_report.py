"""The storage report: every number of it, on repositories that share chunks in all ways."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from sqlalchemy import delete, insert, update
from typer.testing import CliRunner, Result

from api.content import Content, Large
from api.xet_content import split, store_file, store_simple, store_xorb
from openhood.cli.main import app
from openhood.cli.storage import size_text
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import gc, report, rows
from openhood.engines.xet.hashing import to_text
from openhood.infra.db.tables import lfs_files, repo_lfs, xorbs
from openhood.testing.hub import HubUnderTest


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


class Shelves:
    """Three repositories: ``one`` and ``two`` share a file and a xorb, ``three`` has a whole file."""

    def __init__(self, hub: HubUnderTest) -> None:
        self.hub, sv = hub, hub.sv
        hub.add_user("alice")
        self.one, self.two, self.three = (Content(sv, f"alice/{name}") for name in ("one", "two", "three"))
        # Own to one: a xorb of its own.
        self.own = store_simple(sv, self.one.repo.id, noise(500_000, 1))
        # In both: the same content.
        self.both = store_simple(sv, self.one.repo.id, noise(600_000, 2))
        self.link(self.two, self.both)
        # Two different contents of one xorb, one in each repository, and a second of it in one.
        chunks = split(noise(900_000, 3))
        _id, index = store_xorb(sv, chunks)
        self.shared = to_text(index.digest)
        end = index.chunk_count
        self.head = store_file(sv, self.one.repo.id, b"".join(chunks[:3]), [(index, 0, 3)])
        self.tail = store_file(sv, self.two.repo.id, b"".join(chunks[2:]), [(index, 2, end)])
        # Two contents of one repository of one xorb.
        chunks = split(noise(400_000, 4))
        _id, index = store_xorb(sv, chunks)
        end = index.chunk_count
        self.twin = to_text(index.digest)
        self.left = store_file(sv, self.one.repo.id, b"".join(chunks[:2]), [(index, 0, 2)])
        self.right = store_file(sv, self.one.repo.id, b"".join(chunks[1:]), [(index, 1, end)])
        self.whole = Large(b"kept whole" * 100)
        self.three.store_large(self.three.repo, self.whole)

    def link(self, content: Content, made: LfsObject) -> None:
        repo = content.repo.id
        with self.hub.sv.db.write() as tx:
            storage_rows.link(tx, repo, made, now=self.hub.sv.clock.now())

    def size(self, *made: LfsObject | str) -> int:
        """What the xorbs of files, or named ones, take in the store."""
        total = 0
        with self.hub.sv.db.read() as tx:
            for each in made:
                if isinstance(each, str):
                    found = rows.get_xorb(tx, each)  # type: ignore[arg-type]
                    assert found is not None
                    total += found.size_bytes
                else:
                    assert each.xet_hash is not None
                    file = rows.get_file(tx, each.xet_hash)
                    assert file is not None
                    names = {to_text(file.terms[at : at + 32]) for at in range(0, len(file.terms), 44)}
                    total += sum(xorb.size_bytes for xorb in rows.find_xorbs(tx, names).values())
        return total


@pytest.fixture
def shelves(hub: HubUnderTest) -> Shelves:
    return Shelves(hub)


def by_name(made: report.Report) -> dict[str, report.Use]:
    return {each.holder.repo_id.name: each.use for each in made.repositories}


def test_every_byte_is_counted_as_defined(hub_on_both: HubUnderTest) -> None:
    shelves = Shelves(hub_on_both)
    made = report.report_all(hub_on_both.sv)
    uses = by_name(made)
    one, two, three = uses["one"], uses["two"], uses["three"]
    s = shelves

    assert one.files == 5
    assert one.logical_bytes == sum(each.size_bytes for each in (s.own, s.both, s.head, s.left, s.right))
    assert one.stored_bytes == one.xorb_bytes == s.size(s.own, s.both, s.shared, s.twin)
    assert one.unique_bytes == s.size(s.own, s.twin)
    assert one.shared_bytes == s.size(s.both, s.shared)
    assert (two.files, two.unique_bytes, two.shared_bytes) == (2, 0, s.size(s.both, s.shared))
    assert (three.whole_bytes, three.unique_bytes, three.xorbs) == (1000, 1000, 0)
    assert three.ratio == 1.0
    assert three.dedup_ratio is None

    total = made.total
    assert total.files == 8
    assert total.logical_bytes == one.logical_bytes + two.logical_bytes + three.logical_bytes
    assert total.xorb_bytes == s.size(s.own, s.both, s.shared, s.twin)
    assert total.whole_bytes == 1000
    assert total.unique_bytes == one.unique_bytes + three.unique_bytes
    assert total.shared_bytes == s.size(s.both, s.shared)
    assert (made.contents, made.content_bytes) == (7, total.logical_bytes - s.both.size_bytes)
    assert total.dedup_ratio == (total.logical_bytes - 1000) / total.raw_bytes
    assert total.compression_ratio == total.raw_bytes / total.xorb_bytes


def test_one_repository_is_reported_as_among_all(shelves: Shelves) -> None:
    sv = shelves.hub.sv
    shelves.one.commit({"a.txt": b"a"})
    shelves.one.commit({"b.txt": b"b" * 10_000})
    for each in report.report_all(sv).repositories:
        assert report.report_repo(sv, each.holder) == each
    (found,) = (each for each in report.report_all(sv).repositories if each.holder.repo_id.name == "one")
    assert found.use.git_bytes > 0
    assert found.use.freed_bytes == found.use.unique_bytes + found.use.git_bytes


def test_what_a_report_says_of_deleting_comes_true(shelves: Shelves) -> None:
    """Delete, wait for leases and graces, and compare."""
    hub = shelves.hub
    (one,) = (each for each in report.report_all(hub.sv).repositories if each.holder.repo_id.name == "one")
    before = report.report_all(hub.sv).total.stored_bytes
    stored = {each.key: each.size_bytes for each in hub.sv.objects.list("xorbs/")}
    with hub.sv.db.write() as tx:
        tx.execute(delete(repo_lfs).where(repo_lfs.c.repo_id == one.holder.number))
    assert before - report.report_all(hub.sv).total.stored_bytes == one.use.unique_bytes
    hub.clock.advance(30 * 86400)
    gc.collect(hub.sv)
    hub.clock.advance(4 * 86400)
    gc.collect(hub.sv)
    hub.clock.advance(7 * 3600)
    hub.run_jobs()
    for each in hub.sv.objects.list("xorbs/"):
        stored.pop(each.key, None)
    assert sum(stored.values()) == one.use.unique_bytes


def test_a_file_says_what_deleting_it_frees(hub_on_both: HubUnderTest) -> None:
    s = Shelves(hub_on_both)
    sv = hub_on_both.sv
    now, repo = sv.clock.now(), s.one.repo.id
    with sv.db.write() as tx:
        for number, path in enumerate(("old/own.bin", "new/own.bin")):
            tx.execute(
                insert(lfs_files).values(
                    repo_id=repo,
                    file_oid=f"{number:040x}",
                    sha256=s.own.sha256,
                    path=path,
                    size_bytes=s.own.size_bytes,
                    pushed_at=now.replace(year=2020 + number),
                )
            )
    found = {
        each.sha256: each
        for each in report.report_files(sv, report.find_holder(sv, s.one.kind, s.one.repo_id))
    }
    assert len(found) == 5
    assert (found[s.own.sha256].path, found[s.own.sha256].freed_bytes) == ("new/own.bin", s.size(s.own))
    assert (found[s.both.sha256].is_elsewhere, found[s.both.sha256].freed_bytes) == (True, 0)
    assert found[s.head.sha256].freed_bytes == 0, "another repository needs its xorb"
    assert found[s.left.sha256].freed_bytes == 0, "another file needs its xorb"
    assert found[s.left.sha256].path is None
    with sv.db.write() as tx:
        tx.execute(delete(repo_lfs).where(repo_lfs.c.sha256 == s.right.sha256))
    found = {
        each.sha256: each
        for each in report.report_files(sv, report.find_holder(sv, s.one.kind, s.one.repo_id))
    }
    assert found[s.left.sha256].freed_bytes == s.size(s.twin), "what nobody names needs nothing"
    three = report.find_holder(sv, s.three.kind, s.three.repo_id)
    (whole,) = report.report_files(sv, three)
    assert (whole.is_whole, whole.freed_bytes, whole.xorbs) == (True, 1000, 0)


def test_what_leaves_is_told_apart(shelves: Shelves) -> None:
    hub, sv = shelves.hub, shelves.hub.sv
    with sv.db.write() as tx:
        tx.execute(delete(repo_lfs).where(repo_lfs.c.sha256.in_([shelves.whole.sha256, shelves.own.sha256])))
    made = report.report_all(sv)
    assert (made.unnamed.count, made.unnamed.size_bytes) == (2, 1000)
    assert (made.leased.count, made.leased.size_bytes) == (1, shelves.size(shelves.own))
    assert made.condemned.count == made.doomed_keys == 0
    hub.clock.advance(24 * 86400)
    gc.collect(sv)
    made = report.report_all(sv)
    assert made.unnamed.count == made.leased.count == 0
    assert made.condemned.count == 1
    assert made.condemned.last_at is not None
    assert abs((made.condemned.last_at - sv.clock.now()).total_seconds() - 3 * 86400) < 60
    assert made.doomed_keys == 1


# --- the command ----------------------------------------------------------------------------


def run(hub: HubUnderTest, *arguments: str) -> Result:
    return CliRunner().invoke(
        app,
        ["storage", "report", *arguments],
        env={"OPENHOOD_DATA": str(hub.data_dir), "OPENHOOD_CONFIG": ""},
    )


def read(hub: HubUnderTest, *arguments: str) -> Any:
    done = run(hub, *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_machines_read_one_document(shelves: Shelves) -> None:
    made = read(shelves.hub)
    assert [each["id"] for each in made["repositories"]] == ["alice/one", "alice/two", "alice/three"]
    one = made["repositories"][0]
    assert one["stored_bytes"] == one["unique_bytes"] + one["shared_bytes"]
    assert one["freed_bytes"] == one["unique_bytes"]
    assert made["total"]["contents"] == 7
    assert made["leased"] == {"count": 0, "size_bytes": 0, "first_at": None, "last_at": None}
    assert read(shelves.hub, "alice/one") == one
    contents = read(shelves.hub, "alice/one", "--files")["contents"]
    assert len(contents) == 5
    assert [each["freed_bytes"] for each in contents] == sorted(
        (each["freed_bytes"] for each in contents), reverse=True
    )


def test_people_read_tables(shelves: Shelves) -> None:
    said = run(shelves.hub).stdout
    assert "deleting frees" in said
    assert "alice/three" in said
    assert "8 large files in 3 repositories, 7 different ones" in said
    said = run(shelves.hub, "--limit", "1").stdout
    assert "alice/one" in said
    assert "alice/two" not in said
    assert "and 2 more" in said
    said = run(shelves.hub, "alice/one", "--files").stdout
    assert f"(no commit names it) {shelves.own.sha256[:16]}" in said
    assert size_text(shelves.size(shelves.own)) in said


def test_damage_is_shown_with_the_files_it_hits(shelves: Shelves) -> None:
    with shelves.hub.sv.db.write() as tx:
        tx.execute(
            update(xorbs)
            .where(xorbs.c.hash == shelves.shared)
            .values(state="damaged", state_since=shelves.hub.sv.clock.now())
        )
    (damaged,) = read(shelves.hub)["damaged"]
    assert damaged["xorb"] == shelves.shared
    assert {(each["id"], each["sha256"]) for each in damaged["files"]} == {
        ("alice/one", shelves.head.sha256),
        ("alice/two", shelves.tail.sha256),
    }
    assert f"model alice/two: {shelves.tail.sha256}" in run(shelves.hub).stdout


def test_questions_that_make_no_sense_are_refused(shelves: Shelves) -> None:
    for arguments, words in (
        (["--files"], "one repository"),
        (["alice/one", "--type", "kernel"], "Unknown repository type"),
        (["alice/none"], "no model alice/none"),
        (["alice/one", "--type", "dataset"], "no dataset alice/one"),
    ):
        done = run(shelves.hub, *arguments)
        assert done.exit_code == 2
        assert words in done.stderr


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (5 * 10**18, "5000.0 PB"),
    ],
)
def test_sizes_are_written_for_people(size: int, text: str) -> None:
    assert size_text(size) == text

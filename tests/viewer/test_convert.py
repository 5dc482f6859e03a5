"""Conversions and ``refs/convert/parquet``: what is published when, what is not, and who may touch it."""

from __future__ import annotations

import io
import json
import re
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import func, select

from api import lfs_client
from openhood.base.errors import HubError, TableCastFailed, ViewerNotReady
from openhood.base.names import Oid, RepoId, Sha256
from openhood.base.settings import TableViewer
from openhood.domain.access import SYSTEM
from openhood.domain.repos.push_rules import Ground, judge
from openhood.domain.storage import rows as storage_rows
from openhood.domain.viewer import conversion_rows, converting, planning, published, publishing, tables
from openhood.domain.viewer.types import DataFile, MadeFile
from openhood.engines.git.wire import RefCommand
from openhood.infra.db.community_tables import events
from openhood.infra.db.tables import lfs_objects, repo_lfs
from openhood.testing.hub import HubUnderTest
from viewer import samples
from viewer.conftest import Desk, open_desk

REF = "refs%2Fconvert%2Fparquet"


def _convert(desk: Desk) -> None:
    """Let the jobs run that a commit has led to."""
    # The event is spread, which queues the conversion for a moment later.
    desk.hub.run_jobs()
    desk.hub.clock.advance(5)
    desk.hub.run_jobs()


def _converts(desk: Desk, repo: str) -> str | None:
    """Return the commit of the ref, None where there is none."""
    found = desk.alice.get(f"/api/datasets/{repo}/refs").json()["converts"]
    assert len(found) <= 1
    return str(found[0]["targetCommit"]) if found else None


def _files(desk: Desk, repo: str) -> dict[str, dict[str, Any]]:
    listed = desk.alice.get(f"/api/datasets/{repo}/tree/{REF}", params={"recursive": "1"}).json()
    return {item["path"]: item for item in listed if item["type"] == "file"}


def _download(client: httpx.Client, repo: str, path: str, **headers: str) -> httpx.Response:
    answer = client.get(f"/datasets/{repo}/resolve/{REF}/{path}", headers=headers)
    while answer.status_code in (302, 307):
        answer = client.get(answer.headers["location"], headers=headers)
    return answer


def _read(desk: Desk, repo: str, path: str) -> pa.Table:
    answer = _download(desk.alice, repo, path)
    assert answer.status_code == 200, answer.text
    return pq.read_table(io.BytesIO(answer.content))


def _place(
    desk: Desk, repo: str, *, revision: str = "main", config: str = "default", split: str = "train"
) -> Any:
    return planning.split_at(desk.hub.sv, SYSTEM, RepoId.parse(repo), revision, config, split)


def _links(desk: Desk, repo: str) -> set[str]:
    """Return the LFS objects that a dataset may name."""
    number = _place(desk, repo).repo.id
    with desk.hub.sv.db.read() as tx:
        return set(tx.execute(select(repo_lfs.c.sha256).where(repo_lfs.c.repo_id == number)).scalars())


def _csv(rows: int, *, start: int = 0) -> bytes:
    return samples.csv(samples.table(rows, start=start))


# --- what is published ----------------------------------------------------------------------


def test_a_csv_is_published_after_its_commit(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(300), "test.csv": _csv(20, start=300)})
    assert _converts(desk, repo) is None
    _convert(desk)
    assert list(_files(desk, repo)) == ["default/test/0000.parquet", "default/train/0000.parquet"]
    got = _read(desk, repo, "default/train/0000.parquet")
    assert got["id"].to_pylist() == list(range(300))
    assert got.column_names == ["id", "value", "flag", "category", "text"]
    said = json.loads(got.schema.metadata[b"huggingface"])
    assert said["info"]["features"]["id"] == {"dtype": "int64", "_type": "Value"}

    whole = _download(desk.alice, repo, "default/train/0000.parquet").content
    part = _download(desk.alice, repo, "default/train/0000.parquet", Range="bytes=-8")
    assert (part.status_code, part.content) == (206, whole[-8:])
    head = desk.alice.head(f"/datasets/{repo}/resolve/{REF}/default/train/0000.parquet")
    assert head.status_code in (200, 302)
    assert int(head.headers.get("x-linked-size") or head.headers["content-length"]) == len(whole)


def test_nothing_is_written_where_nothing_changed(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(100)})
    _convert(desk)
    first = _converts(desk, repo)
    desk.commit(repo, {"README.md": "# Words only\n"})
    _convert(desk)
    assert _converts(desk, repo) == first
    before = _links(desk, repo)

    desk.commit(repo, {"train.csv": _csv(120)})
    _convert(desk)
    second = _converts(desk, repo)
    assert second != first
    assert len(_read(desk, repo, "default/train/0000.parquet")) == 120
    log = desk.alice.get(f"/api/datasets/{repo}/commits/{REF}").json()
    assert [(each["id"], each["title"]) for each in log] == [(second, publishing.MESSAGE)]
    assert [each["user"] for each in log[0]["authors"]] == ["system"] or log[0]["authors"]
    assert before.isdisjoint(_links(desk, repo))


def test_objects_go_when_the_ref_moves_on(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(90)})
    _convert(desk)
    (old,) = _links(desk, repo)
    used = desk.alice.get(f"/api/datasets/{repo}", params={"expand": "usedStorage"}).json()["usedStorage"]
    assert used > 0
    desk.commit(repo, {"train.csv": _csv(91)})
    _convert(desk)
    assert old not in _links(desk, repo)
    desk.hub.clock.advance(7 * 3600)
    desk.hub.run_jobs()
    with desk.hub.sv.db.read() as tx:
        assert storage_rows.get_object(tx, Sha256(old)) is None
        sizes = tx.execute(
            select(lfs_objects.c.size_bytes).where(lfs_objects.c.sha256.in_(_hashes(desk, repo)))
        ).scalars()
        stored = sum(sizes)
    after = desk.alice.get(f"/api/datasets/{repo}", params={"expand": "usedStorage"}).json()["usedStorage"]
    assert after >= stored > 0


def _hashes(desk: Desk, repo: str) -> set[str]:
    return {item["lfs"]["oid"] for item in _files(desk, repo).values()}


def test_an_object_that_the_dataset_names_too_stays(desk: Desk) -> None:
    """A person may commit the very file that was published; it must not go with the ref."""
    repo = desk.make({"train.csv": _csv(80)})
    _convert(desk)
    data = _download(desk.alice, repo, "default/train/0000.parquet").content
    said = {
        "path": "copies/train.parquet.bak",
        "algo": "sha256",
        "oid": lfs_client.sha256(data),
        "size": len(data),
    }
    lines = (
        {"key": "header", "value": {"summary": "x", "description": ""}},
        {"key": "lfsFile", "value": said},
    )
    answer = desk.alice.post(
        f"/api/datasets/{repo}/commit/main",
        content="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/x-ndjson"},
    )
    assert answer.status_code == 200, answer.text
    desk.commit(repo, {"train.csv": _csv(81)})
    _convert(desk)
    desk.hub.clock.advance(7 * 3600)
    desk.hub.run_jobs()
    answer = desk.alice.get(f"/datasets/{repo}/resolve/main/copies/train.parquet.bak", follow_redirects=True)
    assert answer.content == data


def test_parquet_files_are_named_as_they_are(desk: Desk) -> None:
    large, small = samples.parquet(samples.table(10_000)), samples.parquet(samples.table(10, start=10_000))
    repo = desk.make({"data/train-00000-of-00002.parquet": large, "data/train-00001-of-00002.parquet": small})
    _convert(desk)
    got = _files(desk, repo)
    assert list(got) == ["default/train/0000.parquet", "default/train/0001.parquet"]
    assert got["default/train/0000.parquet"]["lfs"]["oid"] == lfs_client.sha256(large)
    assert "lfs" not in got["default/train/0001.parquet"]
    assert _download(desk.alice, repo, "default/train/0001.parquet").content == small
    assert _links(desk, repo) == {lfs_client.sha256(large)}
    place = _place(desk, repo)
    assert tables.tables_of(desk.hub.sv, place).files == place.split.files

    # The dataset's own object stays when the ref goes.
    desk.commit(repo, {"README.md": "---\nviewer: false\n---\n"})
    _convert(desk)
    assert _converts(desk, repo) is None
    assert desk.alice.get(
        f"/datasets/{repo}/resolve/main/data/train-00000-of-00002.parquet", follow_redirects=True
    ).content == large  # fmt: skip


def test_several_configs_and_splits(desk: Desk) -> None:
    card = """---
configs:
- config_name: tables
  data_files: [{split: train, path: t/*.csv}]
  sep: ";"
- config_name: lines
  data_files:
  - {split: train, path: l/train.csv}
  - {split: test, path: l/test.csv}
---
"""
    repo = desk.make(
        {
            "README.md": card,
            "t/a.csv": "a;b\n1;2\n",
            "t/b.csv": "a;b\n3;4\n",
            "l/train.csv": "n,s\n1.5,x\n",
            "l/test.csv": "n,s\n2,y\n,\n",
        }
    )
    _convert(desk)
    assert list(_files(desk, repo)) == [
        "lines/test/0000.parquet",
        "lines/train/0000.parquet",
        "tables/train/0000.parquet",
    ]
    assert _read(desk, repo, "tables/train/0000.parquet").to_pylist() == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
    # The first split says the types of all, as in the library.
    got = _read(desk, repo, "lines/test/0000.parquet").to_pylist()
    assert got == [{"n": 2.0, "s": "y"}, {"n": None, "s": None}]
    assert isinstance(got[0]["n"], float)


def test_folders_name_the_files_of_their_commit(desk: Desk) -> None:
    repo = desk.make(
        {f"train/{name}/{n}.png": samples.png(4 + n) for n, name in enumerate(["cat", "dog", "cat"])}
    )
    _convert(desk)
    commit = desk.alice.get(f"/api/datasets/{repo}/revision/main").json()["sha"]
    rows = _read(desk, repo, "default/train/0000.parquet").to_pylist()
    assert [row["label"] for row in rows] == [0, 0, 1]
    assert rows[0]["image"] == {"bytes": None, "path": f"hf://datasets/{repo}@{commit}/train/cat/0.png"}
    # Here they are named by their paths alone, which is good for every commit that has them.
    got = tables.tables_of(desk.hub.sv, _place(desk, repo))
    (file,) = got.files
    assert isinstance(file, MadeFile)
    assert pq.read_table(file.path).to_pylist()[0]["image"]["path"] == "train/cat/0.png"


def test_what_cannot_be_read_is_left_out(desk: Desk) -> None:
    card = "---\nconfigs:\n- {config_name: good, data_files: a.csv}\n- {config_name: bad, data_files: b.csv}\n---\n"
    bad = "a\n" + "1\n" * 10_000 + "x\n"
    repo = desk.make({"README.md": card, "a.csv": "a\n1\n", "b.csv": bad})
    _convert(desk)
    assert list(_files(desk, repo)) == ["good/train/0000.parquet"]
    number = _place(desk, repo, config="bad").repo.id
    with desk.hub.sv.db.read() as tx:
        found = conversion_rows.get(tx, number, config="bad", split="train")
    assert found is not None
    assert found.state == conversion_rows.FAILED
    assert found.facts["code"] == "DatasetGenerationCastError"
    with pytest.raises(TableCastFailed, match="column 'a'"):
        tables.tables_of(desk.hub.sv, _place(desk, repo, config="bad"))
    # Mended, it comes.
    desk.commit(repo, {"b.csv": "a\n1\n2\n"})
    _convert(desk)
    assert len(_files(desk, repo)) == 2


def test_splits_that_are_gone_leave_the_ref(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(10), "test.csv": _csv(5)})
    _convert(desk)
    assert len(_links(desk, repo)) == 2
    desk.commit(repo, {"test.csv": None})
    _convert(desk)
    assert list(_files(desk, repo)) == ["default/train/0000.parquet"]
    assert len(_links(desk, repo)) == 1
    desk.commit(repo, {"train.csv": None})
    _convert(desk)
    assert _converts(desk, repo) is None


def test_what_is_published_is_known_by_commit(desk: Desk) -> None:
    card = "---\nconfigs:\n- {config_name: good, data_files: a.csv}\n- {config_name: bad, data_files: b.csv}\n---\n"
    repo = desk.make({"README.md": card, "a.csv": "a\n1\n", "b.csv": "a\n" + "1\n" * 10_000 + "x\n"})

    def seen() -> published.Published:
        place = _place(desk, repo, config="good")
        return published.published_of(desk.hub.sv, place.repo, place.plan)

    assert seen().pending == (("good", "train"), ("bad", "train"))
    _convert(desk)
    got = seen()
    assert got.commit == _converts(desk, repo)
    assert [file.path for file in got.of("good", "train")] == ["good/train/0000.parquet"]
    assert got.files[0].size_bytes == len(_download(desk.alice, repo, "good/train/0000.parquet").content)
    assert [(each.config, each.code) for each in got.failed] == [("bad", "DatasetGenerationCastError")]
    assert got.pending == got.partial == ()
    desk.commit(repo, {"a.csv": "a\n2\n"})
    assert seen().files == ()
    assert seen().pending == (("good", "train"),)


def test_parquet_that_is_not_named_yet_is_pending(desk: Desk) -> None:
    repo = desk.make({"train.parquet": samples.parquet(samples.table(5))})
    place = _place(desk, repo)
    assert published.published_of(desk.hub.sv, place.repo, place.plan).pending == (("default", "train"),)
    _convert(desk)
    place = _place(desk, repo)
    got = published.published_of(desk.hub.sv, place.repo, place.plan)
    assert [file.path for file in got.files] == ["default/train/0000.parquet"]
    assert got.pending == ()


def test_paths() -> None:
    assert publishing.path_of("a", "train", 3, 4, is_partial=False) == "a/train/0003.parquet"
    assert publishing.path_of("a", "train", 3, 4, is_partial=True) == "a/partial-train/0003.parquet"
    assert publishing.path_of("a", "train", 20_003, 30_000, is_partial=False) == "a/train-part2/0003.parquet"
    odd = publishing.path_of("../x", "a/b", 0, 1, is_partial=False)
    assert re.fullmatch(r"\.\._x-[0-9a-f]{8}/a_b-[0-9a-f]{8}/0000\.parquet", odd)
    # Names that differ in what no path may hold, or far behind, are still two paths.
    names = ("a/b", "a_b", "a:b", "n" * 250, "n" * 251, "n" * 200)
    assert len({publishing.path_of(name, "train", 0, 1, is_partial=False) for name in names}) == len(names)
    assert publishing.path_of("..", ".git", 0, 1, is_partial=False) == "_../_.git/0000.parquet"


# --- who may do what ------------------------------------------------------------------------


def test_nobody_writes_to_it(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(10)})
    _convert(desk)
    before = _converts(desk, repo)
    line = {"key": "header", "value": {"summary": "x", "description": ""}}
    file = {"key": "file", "value": {"path": "x", "content": "eA==", "encoding": "base64"}}
    body = "\n".join(map(json.dumps, (line, file)))
    headers = {"Content-Type": "application/x-ndjson"}
    for ref in (REF, "refs%2Fconvert%2Fother"):
        url = f"/api/datasets/{repo}/commit/{ref}"
        assert desk.alice.post(url, content=body, headers=headers).status_code in (400, 404)
        pull = desk.alice.post(url, params={"create_pr": "1"}, content=body, headers=headers)
        assert pull.status_code in (400, 404)
        assert desk.alice.post(f"/api/datasets/{repo}/branch/{ref}", json={}).status_code == 400
        assert desk.alice.delete(f"/api/datasets/{repo}/branch/{ref}").status_code in (400, 404)
        squash = desk.alice.post(f"/api/datasets/{repo}/super-squash/{ref}", json={"message": "x"})
        assert squash.status_code in (400, 404)
    assert _converts(desk, repo) == before


def test_nobody_pushes_to_it() -> None:
    command = RefCommand(Oid("0" * 40), Oid("1" * 40), publishing.REF)
    ground = Ground({}, {}, may_write=True, user_id=1)
    assert set(judge([command], ground)) == {publishing.REF}


def test_it_is_no_news_to_anybody(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(10)})
    number = _place(desk, repo).repo.id

    def count() -> int:
        with desk.hub.sv.db.read() as tx:
            chosen = select(func.count()).select_from(events).where(events.c.repo_id == number)
            return int(tx.execute(chosen).scalar_one())

    before = count()
    modified = desk.alice.get(f"/api/datasets/{repo}").json()["lastModified"]
    _convert(desk)
    assert _converts(desk, repo) is not None
    assert count() == before
    assert desk.hub.run_jobs() == 0
    after = desk.alice.get(f"/api/datasets/{repo}").json()
    assert after["lastModified"] == modified
    # Not one of the dataset's own branches, files or commits.
    assert [item["rfilename"] for item in after["siblings"]] == [".gitattributes", "train.csv"]
    assert len(desk.alice.get(f"/api/datasets/{repo}/commits/main").json()) == 2


def test_it_obeys_who_may_read(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(10)}, private=True)
    _convert(desk)
    path = "default/train/0000.parquet"
    assert _download(desk.alice, repo, path).status_code == 200
    for client in (desk.bob, desk.stranger):
        assert _download(client, repo, path).status_code in (401, 404)
        assert client.get(f"/api/datasets/{repo}/refs").status_code in (401, 404)


def test_it_follows_a_rename_and_a_deletion(desk: Desk) -> None:
    repo = desk.make({"train/a/1.png": samples.png(), "train/b/2.png": samples.png(9)})
    _convert(desk)
    moved = f"{repo}-moved"
    answer = desk.alice.post("/api/repos/move", json={"fromRepo": repo, "toRepo": moved, "type": "dataset"})
    assert answer.status_code == 200, answer.text
    _convert(desk)
    rows = _read(desk, moved, "default/train/0000.parquet").to_pylist()
    assert rows[0]["image"]["path"].startswith(f"hf://datasets/{moved}@")
    number = _place(desk, moved).repo.id
    owner, _, name = moved.partition("/")
    gone = desk.alice.request(
        "DELETE", "/api/repos/delete", json={"type": "dataset", "name": name, "organization": owner}
    )
    assert gone.status_code == 200
    _convert(desk)
    with desk.hub.sv.db.read() as tx:
        assert conversion_rows.list_all(tx, number) == []


# --- crashes --------------------------------------------------------------------------------


def test_a_job_that_died_is_done_again(desk: Desk) -> None:
    """Objects came, rows say so, the ref was not moved: as after a kill at the worst moment."""
    repo = desk.make({"train.csv": _csv(70)})
    place = _place(desk, repo)
    run = publishing._Run(desk.hub.sv, place.repo, place.plan)
    run._keep(place.config, place.split)
    assert len(_links(desk, repo)) == 1
    assert _converts(desk, repo) is None
    # What was to be published is another thing by the time that the job runs again.
    desk.commit(repo, {"train.csv": _csv(71)})
    _convert(desk)
    assert len(_read(desk, repo, "default/train/0000.parquet")) == 71
    assert _links(desk, repo) == _hashes(desk, repo)


def test_a_pending_row_is_no_promise(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(60)})
    _convert(desk)
    number = _place(desk, repo).repo.id
    with desk.hub.sv.db.write() as tx:
        (found,) = conversion_rows.list_all(tx, number)
        pending = conversion_rows.Conversion("default", "train", found.made_from, "pending", found.facts)
        conversion_rows.put(tx, number, pending, now=desk.hub.clock.now())
        storage_rows.unlink(tx, number, found.hashes)
    publishing.convert_split(desk.hub.sv, {"repo": number})
    assert len(_read(desk, repo, "default/train/0000.parquet")) == 60


def test_jobs_of_what_is_gone_do_nothing(desk: Desk) -> None:
    publishing.convert_split(desk.hub.sv, {"repo": 10**9})
    publishing.convert_split(desk.hub.sv, {})


# --- here and now ---------------------------------------------------------------------------


def test_any_revision_is_converted_when_asked(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(40)})
    first = desk.alice.get(f"/api/datasets/{repo}/revision/main").json()["sha"]
    desk.commit(repo, {"train.csv": _csv(50)})
    sv = desk.hub.sv
    for revision, count in ((first, 40), ("main", 50)):
        place = _place(desk, repo, revision=revision)
        got = tables.tables_of(sv, place)
        (file,) = got.files
        assert isinstance(file, MadeFile)
        assert len(pq.read_table(file.path)) == count
        assert got.features is not None
        assert tables.is_ready(sv, place)
        assert tables.tables_of(sv, place, wait_s=0) == got


def test_what_is_published_serves_where_nothing_lies_here(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(45)})
    _convert(desk)
    sv, place = desk.hub.sv, _place(desk, repo)
    wanted = converting.want(sv, place.repo, place.plan.commit, place.config, place.split)
    made = sv.blocks.find_made(wanted.key, converting.WHAT)
    assert made is not None
    made.rename(made.with_name("aside"))
    got = tables.tables_of(sv, place, wait_s=0)
    assert [type(file) for file in got.files] == [DataFile]
    assert {file.key for file in got.files} == _hashes(desk, repo)


def test_many_who_ask_wait_for_one(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(20_000)})
    place = _place(desk, repo)
    got: list[Any] = []
    threads = [
        threading.Thread(target=lambda: got.append(tables.tables_of(desk.hub.sv, place))) for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(got) == 6
    assert all(each == got[0] for each in got)


def test_a_part_is_shown_while_the_rest_comes(desk: Desk) -> None:
    line = b'{"id": %d, "text": "' + b"word " * 200 + b'"}\n'
    repo = desk.make({"train.jsonl": b"".join(line % n for n in range(120_000))})
    sv, place = desk.hub.sv, _place(desk, repo)
    with pytest.raises(ViewerNotReady):
        tables.tables_of(sv, place, wait_s=0)
    counts = set()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            got = tables.tables_of(sv, place, wait_s=0)
        except ViewerNotReady:
            time.sleep(0.01)
            continue
        if not got.is_partial:
            break
        try:
            rows = sum(pq.read_metadata(str(file.path)).num_rows for file in got.files)
        except FileNotFoundError:
            continue  # it was finished at this moment, and lies elsewhere
        counts.add(rows)
        time.sleep(0.01)
    assert not got.is_partial
    assert sum(pq.read_metadata(str(file.path)).num_rows for file in got.files) == 120_000
    assert counts
    assert min(counts) < 120_000


def test_why_it_failed_is_told_at_once_the_next_time(desk: Desk) -> None:
    repo = desk.make({"train.csv": "a\n" + "1\n" * 10_000 + "x\n"})
    place = _place(desk, repo)
    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(TableCastFailed):
            tables.tables_of(desk.hub.sv, place)
        took = time.monotonic() - started
    assert took < 0.1


# --- limits ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def capped() -> Iterator[Desk]:
    """A hub that converts half a megabyte of a split, and whose processes may take little memory."""
    with HubUnderTest(viewer=TableViewer(convert_bytes=500_000, memory_bytes=512 * 1024**2)) as hub:
        yield open_desk(hub)


def test_a_cap_gives_a_part(capped: Desk) -> None:
    repo = capped.make({"train.csv": _csv(40_000)})
    _convert(capped)
    assert list(_files(capped, repo)) == ["default/partial-train/0000.parquet"]
    place = _place(capped, repo)
    got = tables.tables_of(capped.hub.sv, place)
    assert got.is_partial
    with capped.hub.sv.db.read() as tx:
        found = conversion_rows.get(tx, place.repo.id, config="default", split="train")
    assert found is not None
    assert found.facts["partial"] is True
    assert found.facts["rows"] < 40_000 < found.facts["estimated_rows"] * 2


def test_a_document_that_needs_too_much_memory_ends_its_worker_only(capped: Desk) -> None:
    repo = capped.make(
        {"train.json": b"[" + b",".join([b'{"a": [1,2,3,4,5,6,7,8,9,10]}'] * 1_500_000) + b"]"}
    )
    with pytest.raises(HubError) as error:
        tables.tables_of(capped.hub.sv, _place(capped, repo), wait_s=60)
    assert "memory" in error.value.message
    other = capped.make({"train.csv": "a\n1\n"})
    assert not tables.tables_of(capped.hub.sv, _place(capped, other)).is_partial

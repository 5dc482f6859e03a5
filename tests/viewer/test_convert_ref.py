"""``refs/convert/parquet`` through the life of its dataset: moved, hidden, deleted while it is made, read while it grows."""

from __future__ import annotations

import gzip
import io
import time
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
from sqlalchemy import select

from openhood.base.errors import TableCastFailed, ViewerNotReady
from openhood.base.names import RepoId
from openhood.domain.access import SYSTEM
from openhood.domain.viewer import conversion_rows, converting, planning, publishing, running, tables
from openhood.domain.viewer.types import MadeFile
from openhood.infra.db.tables import repo_lfs
from viewer import samples
from viewer.conftest import Desk

REF = "refs%2Fconvert%2Fparquet"
ROWS = 700_000
PATH = "default/train/0000.parquet"


def _csv(rows: int, *, start: int = 0) -> bytes:
    return samples.csv(samples.table(rows, start=start))


def _convert(desk: Desk) -> None:
    """Let the jobs run that a change has led to."""
    desk.hub.run_jobs()
    desk.hub.clock.advance(5)
    desk.hub.run_jobs()


def _get(client: httpx.Client, repo: str, path: str = PATH, *, revision: str = REF) -> httpx.Response:
    return client.get(f"/datasets/{repo}/resolve/{revision}/{path}", follow_redirects=True)


def _rows(answer: httpx.Response) -> int:
    assert answer.status_code == 200, answer.text
    return int(pq.read_metadata(io.BytesIO(answer.content)).num_rows)


def _target(desk: Desk, repo: str) -> str:
    (found,) = desk.alice.get(f"/api/datasets/{repo}/refs").json()["converts"]
    return str(found["targetCommit"])


def _place(desk: Desk, repo: str) -> Any:
    return planning.split_at(desk.hub.sv, SYSTEM, RepoId.parse(repo), "main", "default", "train")


def test_what_it_held_before_is_gone(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(210)})
    _convert(desk)
    old = _target(desk, repo)
    assert _rows(_get(desk.alice, repo, revision=old)) == 210
    desk.commit(repo, {"train.csv": _csv(220)})
    _convert(desk)
    desk.hub.clock.advance(7 * 3600)
    desk.hub.run_jobs()
    assert _rows(_get(desk.alice, repo)) == 220
    answer = _get(desk.alice, repo, revision=old)
    assert answer.status_code == 404, answer.text


def test_it_goes_along_to_another_owner(desk: Desk) -> None:
    repo = desk.make({"train/a/1.png": samples.png(), "train/b/2.png": samples.png(9)})
    _convert(desk)
    desk.hub.add_org("lab", {"alice": "admin"})
    moved = f"lab/{repo.partition('/')[2]}"
    answer = desk.alice.post("/api/repos/move", json={"fromRepo": repo, "toRepo": moved, "type": "dataset"})
    assert answer.status_code == 200, answer.text
    # Before the job has run, what was published is there by both names.
    for name in (repo, moved):
        assert _rows(_get(desk.alice, name)) == 2
    _convert(desk)
    rows = pq.read_table(io.BytesIO(_get(desk.alice, moved).content)).to_pylist()
    assert rows[0]["image"]["path"].startswith(f"hf://datasets/{moved}@")


def test_it_is_hidden_with_its_dataset(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(230)})
    _convert(desk)
    commit = _target(desk, repo)
    assert _rows(_get(desk.bob, repo)) == 230
    assert desk.alice.put(f"/api/datasets/{repo}/settings", json={"private": True}).status_code == 200
    urls = (
        f"/datasets/{repo}/resolve/{REF}/{PATH}",
        f"/datasets/{repo}/resolve/{commit}/{PATH}",
        f"/api/datasets/{repo}/tree/{REF}",
        f"/api/datasets/{repo}/parquet",
        f"/api/datasets/{repo}/parquet/default/train/0.parquet",
        f"/api/datasets/{repo}/viewer/parquet",
        f"/api/datasets/{repo}/viewer/rows?config=default&split=train",
    )
    for url in urls:
        for client in (desk.bob, desk.stranger):
            assert client.get(url, follow_redirects=True).status_code in (401, 404), url
        assert desk.alice.get(url, follow_redirects=True).status_code == 200, url
    # Nor is it there for who knows the hash of what was published, and asks for that by another dataset.
    number = _place(desk, repo).repo.id
    with desk.hub.sv.db.read() as tx:
        chosen = select(repo_lfs.c.sha256).where(repo_lfs.c.repo_id == number)
        (sha256,) = tx.execute(chosen).scalars()
    body = {"operation": "download", "objects": [{"oid": sha256, "size": 1}], "transfers": ["basic"]}
    for other in (repo, desk.make({"a.csv": "a\n1\n"})):
        answer = desk.bob.post(f"/datasets/{other}.git/info/lfs/objects/batch", json=body)
        assert answer.status_code in (401, 404) or "error" in answer.json()["objects"][0]


def test_deleted_while_it_is_made(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(240)})
    place = _place(desk, repo)
    run = publishing._Run(desk.hub.sv, place.repo, place.plan)
    owner, _, name = repo.partition("/")
    body = {"type": "dataset", "name": name, "organization": owner}
    assert desk.alice.request("DELETE", "/api/repos/delete", json=body).status_code == 200
    # As the job does it: nothing of it is left, and no job is reported as broken.
    run.run()
    with desk.hub.sv.db.read() as tx:
        assert conversion_rows.list_all(tx, place.repo.id) == []
    again = desk.make({"train.csv": _csv(3)})
    _convert(desk)
    assert _rows(_get(desk.alice, again)) == 3


def test_answers_are_partial_while_it_grows(desk: Desk) -> None:
    line = b'{"id": %d, "text": "' + b"word " * 200 + b'"}\n'
    lines = b"".join(line % n for n in range(ROWS))
    repo = desk.make({"train.jsonl.gz": gzip.compress(lines, 1)})
    ask = {"config": "default", "split": "train"}
    assert desk.rows(repo, length=1)["partial"] is True
    assert desk.get(repo, "size")["pending"] != []
    counts = set()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        answer = desk.ask(repo, "filter", **ask, where='"id" >= 0', length=1)
        if answer.status_code != 200:
            assert answer.headers["x-error-code"] == "ResponseNotReady"
            continue
        made = answer.json()
        counts.add(made["num_rows_total"])
        if not made["partial"]:
            break
        assert answer.headers["cache-control"] == "no-store"
    assert max(counts) == ROWS
    last = desk.rows(repo, offset=ROWS - 1)
    assert (last["rows"][0]["row"]["id"], last["num_rows_total"], last["partial"]) == (
        ROWS - 1,
        ROWS,
        False,
    )


def test_a_part_that_was_replaced_is_asked_for_again(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(250)})
    place = _place(desk, repo)
    ready = tables.tables_of(desk.hub.sv, place)
    (file,) = ready.files
    assert isinstance(file, MadeFile)
    Path(file.path).parent.rename(Path(file.path).parent.with_name("elsewhere"))
    with pytest.raises(ViewerNotReady, match="replaced"):
        running.run(desk.hub.sv, place.repo, "declared", files=ready.files, params={"declared": {}})
    # What the cache has no more is made again.
    assert desk.rows(repo)["num_rows_total"] == 250


def test_a_failure_that_passes_is_no_verdict(desk: Desk) -> None:
    repo = desk.make({"train.csv": _csv(260)})
    place = _place(desk, repo)
    key = publishing.wanted_of(desk.hub.sv, place.repo, place.plan, place.config, place.split).key
    for code, is_tried in (
        ("StreamingRowsError", False),
        ("QuotaExceeded", True),
        ("ResponseTimeoutError", True),
    ):
        facts = {"code": code, "error": "x", "left": []}
        failed = conversion_rows.Conversion("default", "train", key, conversion_rows.FAILED, facts)
        with desk.hub.sv.db.write() as tx:
            conversion_rows.put(tx, place.repo.id, failed, now=desk.hub.clock.now())
        publishing.convert_split(desk.hub.sv, {"repo": place.repo.id})
        with desk.hub.sv.db.read() as tx:
            (found,) = conversion_rows.list_all(tx, place.repo.id)
        assert (found.state == conversion_rows.DONE) is is_tried, code


def test_why_it_failed_is_told_to_the_readers_of_one_dataset_only(desk: Desk) -> None:
    """The same bytes in two datasets are converted once; what is said of them may name files."""
    broken = b"a\n" + b"1\n" * 10_000 + b"x\n"
    for name in ("train.csv", "train-secret.csv"):
        repo = desk.make({name: broken})
        place = _place(desk, repo)
        commit = desk.alice.get(f"/api/datasets/{repo}/revision/main").json()["sha"]
        answer = desk.ask(repo, "filter", config="default", split="train", where='"a" > 1')
        assert answer.headers["x-error-code"] == "DatasetGenerationCastError"
        assert answer.headers["x-revision"] == commit
        with pytest.raises(TableCastFailed):
            tables.tables_of(desk.hub.sv, place)


@pytest.mark.parametrize("said", [b"{", b'{"files": [{"name": "../../../secret", "size": 1, "rows": 1}]}'])
def test_nothing_is_believed_of_files_that_a_conversion_cannot_have_made(desk: Desk, said: bytes) -> None:
    """Who converts a file may have been taken over by it, and writes what is read here."""
    repo = desk.make({"train.csv": _csv(270 + len(said))})
    place = _place(desk, repo)
    (file,) = tables.tables_of(desk.hub.sv, place).files
    assert isinstance(file, MadeFile)
    manifest = Path(file.path).with_name(converting.MANIFEST)
    manifest.write_bytes(said)
    assert (
        converting.find(
            desk.hub.sv,
            converting.key_of(desk.hub.sv, place.repo, place.plan.commit, place.config, place.split),
        )
        is None
    )
    # It is made again, and then as it should be.
    assert desk.rows(repo)["num_rows_total"] == 270 + len(said)
    assert b"secret" not in manifest.read_bytes()

"""Files that are no harm and still not what one expects: Parquet within others, and files with nothing in them."""

from __future__ import annotations

import gzip
import io
import zipfile
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq
import pytest

from viewer import samples
from viewer.conftest import Desk

QUESTIONS: Mapping[str, Mapping[str, Any]] = {
    "first-rows": {},
    "rows": {},
    "statistics": {},
    "filter": {},
    "search": {"query": "row"},
    "size": {"config": None, "split": None},
    "info": {"config": None, "split": None},
    "parquet": {"config": None, "split": None},
    "is-valid": {"config": None, "split": None},
    "croissant-crumbs": {"config": None, "split": None},
}


def _zip(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def _published(desk: Desk) -> None:
    desk.hub.run_jobs()
    desk.hub.clock.advance(5)
    desk.hub.run_jobs()


def _ask_all(desk: Desk, repo: str) -> dict[str, Any]:
    answers = {}
    for endpoint, more in QUESTIONS.items():
        answer = desk.ask(repo, endpoint, **{"config": "default", "split": "train", **more})
        assert answer.status_code == 200, (endpoint, answer.text)
        answers[endpoint] = answer.json()
    return answers


@pytest.mark.parametrize("name", ["train.zip", "train.parquet.gz"])
def test_parquet_within_other_files(desk: Desk, name: str) -> None:
    first, second = samples.parquet(samples.table(30)), samples.parquet(samples.table(20, start=30))
    if name.endswith("zip"):
        data, count = _zip({"a.parquet": first, "sub/b.parquet": second}), 50
    else:
        data, count = gzip.compress(first), 30
    repo = desk.make({name: data})
    assert len(desk.first_rows(repo)["rows"]) == count
    _published(desk)
    answers = _ask_all(desk, repo)
    ids = [each["row"]["id"] for each in answers["rows"]["rows"]]
    assert ids == list(range(count))
    assert answers["statistics"]["num_examples"] == count
    (file,) = answers["parquet"]["parquet_files"]
    made = desk.alice.get(file["url"].removeprefix("http://hub.test"), follow_redirects=True)
    assert pq.read_table(io.BytesIO(made.content))["id"].to_pylist() == ids


@pytest.mark.parametrize("name", ["train.csv", "train.jsonl", "train.txt", "train.csv.gz", "train.json"])
def test_files_with_nothing_in_them(desk: Desk, name: str) -> None:
    repo = desk.make({name: gzip.compress(b"") if name.endswith("gz") else b""})
    _published(desk)
    answers = _ask_all(desk, repo)
    for endpoint in ("first-rows", "rows", "filter", "search"):
        assert answers[endpoint]["rows"] == []
    assert answers["size"]["size"]["dataset"]["num_rows"] == 0
    assert answers["statistics"] == {"num_examples": 0, "statistics": [], "partial": False}
    assert answers["parquet"]["parquet_files"] == []
    assert answers["parquet"]["pending"] == []

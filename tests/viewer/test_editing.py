"""Editing rows over HTTP: what becomes of the files, who may, and what is refused with nothing changed."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from viewer import samples
from viewer.conftest import Desk


def _edit(desk: Desk, repo: str, *, by: httpx.Client | None = None, **body: Any) -> httpx.Response:
    given = {"config": "default", "split": "train", **body}
    return (by or desk.alice).post(f"/api/datasets/{repo}/viewer/edit", json=given)


def _file(desk: Desk, repo: str, path: str, revision: str = "main") -> bytes:
    answer = desk.alice.get(
        f"/datasets/{repo}/resolve/{revision.replace('/', '%2F')}/{path}", follow_redirects=True
    )
    assert answer.status_code == 200, answer.text
    return answer.content


def test_a_change_is_a_pull_request_unless_said_otherwise(desk: Desk) -> None:
    repo = desk.make({"train.csv": "n,word\n1,a\n2,b\n"})
    answer = _edit(
        desk,
        repo,
        by=desk.bob,
        changes=[{"row_idx": 1, "column": "word", "value": "é"}],
        added=[{"n": 3}],
        summary="Mend a word",
        description="It was wrong.",
    )
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert made["changed"] == ["train.csv"]
    assert made["pullRequestUrl"].endswith(f"/datasets/{repo}/discussions/1")
    assert _file(desk, repo, "train.csv", "refs/pr/1").decode() == "n,word\n1,a\n2,é\n3,\n"
    assert _file(desk, repo, "train.csv").decode() == "n,word\n1,a\n2,b\n"
    shown = desk.alice.get(f"/api/datasets/{repo}/discussions/1").json()
    assert (shown["title"], shown["author"]["name"]) == ("Mend a word", "bob")


def test_a_writer_may_commit_to_the_branch(desk: Desk) -> None:
    repo = desk.make({"train.jsonl": '{"n": 1}\n{"n": 2}\n'})
    assert _edit(desk, repo, deleted=[0], create_pr=False).json()["pullRequestUrl"] is None
    assert _file(desk, repo, "train.jsonl") == b'{"n": 2}\n'
    assert desk.rows(repo)["num_rows_total"] == 1
    assert _edit(desk, repo, by=desk.bob, deleted=[0], create_pr=False).status_code == 403
    assert _edit(desk, repo, by=desk.stranger, deleted=[0]).status_code == 401
    assert _file(desk, repo, "train.jsonl") == b'{"n": 2}\n'


def test_large_files_stay_large_files(desk: Desk) -> None:
    table = samples.table(300)
    repo = desk.make({"data/train.parquet": samples.parquet(table)}, lfs=True)
    answer = _edit(
        desk, repo, changes=[{"row_idx": 299, "column": "text", "value": "new"}], deleted=[0], create_pr=False
    )
    assert answer.status_code == 200, answer.text
    rows = pq.read_table(io.BytesIO(_file(desk, repo, "data/train.parquet"))).to_pylist()
    expected = table.to_pylist()[1:]
    expected[-1]["text"] = "new"
    assert rows == expected
    tree = desk.alice.get(f"/api/datasets/{repo}/tree/main/data").json()
    assert "lfs" in tree[0]


def test_a_branch_that_moved_on_is_not_overwritten(desk: Desk) -> None:
    repo = desk.make({"train.csv": "n\n1\n"})
    seen = desk.commit(repo, {"train.csv": "n\n1\n2\n"})
    desk.commit(repo, {"train.csv": "n\n0\n1\n2\n"})
    answer = _edit(desk, repo, deleted=[0], create_pr=False, parent_commit=seen)
    assert answer.status_code == 412
    assert _file(desk, repo, "train.csv") == b"n\n0\n1\n2\n"
    # A proposal begins where its author saw the rows, so that it undoes nothing.
    proposed = _edit(desk, repo, deleted=[0], parent_commit=seen)
    assert proposed.status_code == 200, proposed.text
    assert _file(desk, repo, "train.csv", "refs/pr/1") == b"n\n2\n"


def test_what_others_did_to_other_files_is_no_obstacle(desk: Desk) -> None:
    repo = desk.make({"train.csv": "n\n1\n"})
    seen = desk.commit(repo, {"train.csv": "n\n1\n2\n"})
    desk.commit(repo, {"NOTES.txt": "theirs"})
    answer = _edit(desk, repo, deleted=[0], create_pr=False, parent_commit=seen)
    assert answer.status_code == 200, answer.text
    assert _file(desk, repo, "train.csv") == b"n\n2\n"
    assert _file(desk, repo, "NOTES.txt") == b"theirs"


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({}, 422, "from 1 to"),
        ({"deleted": [7]}, 422, "There is no row 7: the split has 2 rows."),
        ({"changes": [{"row_idx": 0, "column": "nope", "value": 1}]}, 422, "There is no column 'nope'"),
        ({"changes": [{"row_idx": 0, "column": "n"}]}, 400, "'value'"),
        ({"changes": "all"}, 400, "must be lists"),
        ({"deleted": [-1]}, 400, "numbers of rows"),
        ({"deleted": [0], "split": "nope"}, 404, "has no split"),
        ({"deleted": [0], "revision": "nope"}, 404, ""),
    ],
)
def test_what_cannot_be_done_changes_nothing(
    desk: Desk, body: dict[str, Any], status: int, said: str
) -> None:
    repo = desk.make({"train.csv": "n\n1\n2\n"})
    answer = _edit(desk, repo, create_pr=False, **body)
    assert answer.status_code == status, answer.text
    assert said in answer.json()["error"]
    assert _file(desk, repo, "train.csv") == b"n\n1\n2\n"
    assert not list(desk.hub.sv.blocks.root.glob(".edit-*"))


def test_folders_of_pictures_are_not_edited_here(desk: Desk) -> None:
    repo = desk.make({"train/a.png": samples.png(), "train/b.png": samples.png()})
    answer = _edit(desk, repo, deleted=[0])
    assert answer.status_code == 422
    assert "imagefolder" in answer.json()["error"]


def test_what_one_may_not_see_cannot_be_edited(desk: Desk) -> None:
    repo = desk.make({"train.csv": "n\n1\n"}, private=True)
    assert _edit(desk, repo, by=desk.bob, deleted=[0]).status_code == 404

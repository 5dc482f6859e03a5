"""The SQL console over HTTP: views, joins, formats, rights and refusals. What is refused at all is a unit's test."""

from __future__ import annotations

import io
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from viewer.conftest import Desk


@pytest.fixture(scope="module")
def repo(desk: Desk) -> str:
    """A dataset of two splits."""
    return desk.make({"train.csv": "n,word\n1,a\n2,b\n3,c\n", "test.csv": "n,word\n9,z\n"})


def _run(
    desk: Desk, repo: str, sql: object, *, by: httpx.Client | None = None, **more: Any
) -> httpx.Response:
    return (by or desk.alice).post(f"/api/datasets/{repo}/viewer/sql", json={"sql": sql, **more})


def test_views_are_listed_and_can_be_named(desk: Desk, repo: str) -> None:
    views = desk.get(repo, "sql")["views"]
    assert [view["name"] for view in views] == ["train", "test", '"default"."train"', '"default"."test"']
    for view in views:
        answer = _run(desk, repo, f"SELECT count(*) AS n FROM {view['name']}").json()
        assert answer["rows"] == [[3 if view["split"] == "train" else 1]]


def test_statements_about_no_split_at_all_regression(desk: Desk, repo: str) -> None:
    """A result that was not read to its end kept the connection, unless views were made in between."""
    assert _run(desk, repo, "SELECT 1 + 1 AS two").json()["rows"] == [[2]]
    assert _run(desk, repo, "SELECT range AS n FROM range(3)").json()["rows"] == [[0], [1], [2]]


def test_splits_are_joined(desk: Desk, repo: str) -> None:
    answer = _run(
        desk, repo, "SELECT word FROM train UNION ALL SELECT word FROM test ORDER BY word DESC"
    ).json()
    assert answer["columns"] == [{"name": "word", "type": "VARCHAR"}]
    assert answer["rows"] == [["z"], ["c"], ["b"], ["a"]]
    assert (answer["num_rows"], answer["truncated"]) == (4, False)


def test_datasets_are_joined_if_one_may_read_them(desk: Desk, repo: str) -> None:
    other = desk.make({"train.csv": "n,price\n2,0.5\n"}, private=True)
    sql = f'SELECT word, price FROM train JOIN "{other}".train USING (n)'
    assert _run(desk, repo, sql).json()["rows"] == [["b", 0.5]]
    for viewer in (desk.bob, desk.stranger):
        answer = _run(desk, repo, sql, by=viewer)
        assert (answer.status_code, answer.headers["X-Error-Code"]) == (422, "SqlError")
        assert "price" not in answer.text
        assert "0.5" not in answer.text
    missing = _run(desk, repo, 'FROM "alice/no-such-thing".train')
    assert "alice/no-such-thing" in missing.json()["error"]


def test_results_as_files(desk: Desk, repo: str) -> None:
    answer = _run(desk, repo, "FROM train ORDER BY n", format="parquet")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="result.parquet"'
    assert pq.read_table(io.BytesIO(answer.content)).to_pylist()[2] == {"n": 3, "word": "c"}
    csv = _run(desk, repo, "FROM train ORDER BY n LIMIT 1", format="csv")
    assert (csv.text, csv.headers["Content-Type"]) == ('"n","word"\n1,"a"\n', "text/csv; charset=utf-8")
    assert _run(desk, repo, "FROM train", format="arrow").headers["X-Num-Rows"] == "3"


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ({"sql": "DROP VIEW train"}, "SqlError", "Only SELECT"),
        ({"sql": "FROM nope"}, "SqlError", "There is no view 'nope' here. There is: train, test"),
        ({"sql": "SELECT nope FROM train"}, "SqlError", "nope"),
        ({"sql": ""}, "MissingRequiredParameter", "required"),
        ({"sql": "FROM train", "format": "xlsx"}, "InvalidParameter", "one of: json, csv, parquet, arrow"),
        ({"sql": "FROM train", "config": "nope"}, "ConfigNotFoundError", "has no config 'nope'"),
    ],
)
def test_refusals_say_what_to_do(
    desk: Desk, repo: str, body: dict[str, object], code: str, said: str
) -> None:
    answer = desk.alice.post(f"/api/datasets/{repo}/viewer/sql", json=body)
    assert answer.status_code in (404, 422)
    assert answer.headers["X-Error-Code"] == code
    assert said in answer.json()["error"]
    assert str(desk.hub.data_dir) not in answer.text


def test_a_private_dataset_is_not_there_for_others(desk: Desk) -> None:
    private = desk.make({"train.csv": "n\n1\n"}, private=True)
    assert _run(desk, private, "FROM train").json()["rows"] == [[1]]
    assert _run(desk, private, "FROM train", by=desk.bob).status_code == 404
    assert desk.ask(private, "sql", by=desk.stranger).status_code == 401


def test_what_a_gate_hides_is_kept_by_no_shared_cache_regression(desk: Desk) -> None:
    gated = desk.make({"train.csv": "n\n1\n"}, gated="auto")
    mine = desk.ask(gated, "sql")
    assert mine.headers["Cache-Control"] == "private, max-age=120"
    refused = desk.ask(gated, "sql", by=desk.bob)
    assert refused.status_code == 404
    assert refused.headers["Cache-Control"] == "no-store"
    accepted = desk.bob.post(f"/datasets/{gated}/ask-access", json={})
    assert accepted.status_code < 400, accepted.text
    assert desk.ask(gated, "sql", by=desk.bob).json()["views"][0]["name"] == "train"

"""``/filter``: the rows that hold a condition, in an order, with their numbers, against doing the same in Python."""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any

import pyarrow as pa
import pytest

from openhood.testing.hub import HubUnderTest
from viewer import samples
from viewer.conftest import Desk

ROWS = 3000
Row = Mapping[str, Any]

# As in the original's own tests.
QUOTES = [
    {"col_1": "There goes another one.", "col_2": 0, "col_3": 0.0, "col_4": "B", "col_5": True},
    {"col_1": "Vader turns round and round.", "col_2": 1, "col_3": 1.0, "col_4": "B", "col_5": False},
    {
        "col_1": "We count thirty Rebel ships, Lord Vader.",
        "col_2": 2,
        "col_3": 2.0,
        "col_4": "A",
        "col_5": True,
    },
    {"col_1": "The wingman spots the pirateship.", "col_2": 3, "col_3": 3.0, "col_4": "B", "col_5": None},
]


@pytest.fixture(scope="module")
def quotes(desk: Desk) -> str:
    return desk.make({"data.parquet": samples.parquet(pa.Table.from_pylist(QUOTES))})


@pytest.fixture(scope="module")
def big(desk: Desk) -> str:
    """Three files, of small row groups."""
    third = ROWS // 3
    files = {
        f"data/train-0000{at}-of-00003.parquet": samples.parquet(
            samples.table(third, start=at * third), group=250
        )
        for at in range(3)
    }
    return desk.make(files)


@pytest.fixture(scope="module")
def rows() -> list[dict[str, Any]]:
    made = [row for at in range(3) for row in samples.table(ROWS // 3, start=at * (ROWS // 3)).to_pylist()]
    return [{**row, "row": at} for at, row in enumerate(made)]


def _filter(desk: Desk, repo: str, **params: Any) -> Any:
    return desk.get(repo, "filter", config="default", split="train", **params)


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("", 4),
        ('"col_2"=3', 1),
        ('"col_2"<3', 3),
        ('"col_2">3', 0),
        ("\"col_4\"='B'", 3),
        ("\"col_4\"<'B'", 1),
        ("\"col_4\">='A'", 4),
        ('"col_2"<3 AND "col_4"=\'B\'', 2),
        ('"col_2"<3 OR "col_4"=\'B\'', 4),
    ],
)
def test_conditions_of_the_original(desk: Desk, quotes: str, where: str, expected: int) -> None:
    assert len(_filter(desk, quotes, where=where)["rows"]) == expected


@pytest.mark.parametrize(("orderby", "first"), [("", 1), ('"col_4"', 2), ('"col_3" DESC', 3)])
def test_orders_of_the_original(desk: Desk, quotes: str, orderby: str, first: int) -> None:
    assert _filter(desk, quotes, where='"col_2">0', orderby=orderby)["rows"][0]["row_idx"] == first


def test_the_whole_answer_of_the_original(desk: Desk, quotes: str) -> None:
    answer = desk.ask(
        quotes,
        "filter",
        config="default",
        split="train",
        where="\"col_4\"='B'",
        orderby='"col_2" DESC',
        offset=1,
        length=2,
    )
    assert answer.status_code == 200
    assert answer.headers["x-revision"]
    assert "etag" in answer.headers
    body = answer.json()
    assert sorted(body) == ["features", "num_rows_per_page", "num_rows_total", "partial", "rows"]
    assert body["num_rows_total"] == 3
    assert body["num_rows_per_page"] == 100
    assert body["partial"] is False
    assert body["rows"] == [{"row_idx": at, "row": QUOTES[at], "truncated_cells": []} for at in (1, 0)]
    assert body["features"][:2] == [
        {"feature_idx": 0, "name": "col_1", "type": {"dtype": "string", "_type": "Value"}},
        {"feature_idx": 1, "name": "col_2", "type": {"dtype": "int64", "_type": "Value"}},
    ]


CONDITIONS: dict[str, Callable[[Row], bool]] = {
    '"id" = 1234': lambda row: row["id"] == 1234,
    '"id" between 990 and 1010': lambda row: 990 <= row["id"] <= 1010,
    '"value" > 100.5': lambda row: row["value"] is not None and row["value"] > 100.5,
    '"value" is null': lambda row: row["value"] is None,
    '"flag" = true and "category" <> \'red\'': lambda row: row["flag"] and row["category"] != "red",
    '"flag"': lambda row: row["flag"],
    "\"text\" ilike '%EMBER violet%'": lambda row: "ember violet" in row["text"].lower(),
    "\"text\" like 'row 1%stone'": lambda row: (
        row["text"].startswith("row 1") and row["text"].endswith("stone")
    ),
    '"numbers".len() = 3': lambda row: len(row["numbers"]) == 3,
    "\"tags\".contains('amber')": lambda row: "amber" in row["tags"],
    "not (\"category\" in ('red', 'blue')) or \"id\" < 10": lambda row: (
        row["category"] not in ("red", "blue") or row["id"] < 10
    ),
}
ORDERS: dict[str, Callable[[Row], Any]] = {
    "": lambda row: row["row"],
    '"value" desc': lambda row: (row["value"] is None, -(row["value"] or 0), row["row"]),
    '"category", "value" nulls first': lambda row: (
        row["category"],
        row["value"] is not None,
        row["value"] or 0,
        row["row"],
    ),
    '"numbers".len() desc': lambda row: (-len(row["numbers"]), row["row"]),
}


@pytest.mark.parametrize("orderby", ORDERS)
@pytest.mark.parametrize("where", CONDITIONS)
def test_same_as_in_python(
    desk: Desk, big: str, rows: list[dict[str, Any]], where: str, orderby: str
) -> None:
    expected = sorted((row for row in rows if CONDITIONS[where](row)), key=ORDERS[orderby])
    for offset, length in ((0, 20), (len(expected) // 2, 7)):
        page = _filter(desk, big, where=where, orderby=orderby, offset=offset, length=length)
        assert page["num_rows_total"] == len(expected)
        wanted = expected[offset : offset + length]
        assert [item["row_idx"] for item in page["rows"]] == [row["row"] for row in wanted]
        for item, row in zip(page["rows"], wanted, strict=True):
            assert item["row"] == {name: row[name] for name in row if name != "row"}


def test_pages_are_one_list(desk: Desk, big: str, rows: list[dict[str, Any]]) -> None:
    """Also beyond the rows that one search finds at once."""
    expected = [row["row"] for row in rows if row["id"] % 3 != 1]
    found: list[int] = []
    for offset in (0, 100, 900, 1000, 1500, 1950):
        page = _filter(desk, big, where="\"category\" <> 'green'", offset=offset)
        assert page["num_rows_total"] == len(expected)
        assert [item["row_idx"] for item in page["rows"]] == expected[offset : offset + 100]
        found += [item["row_idx"] for item in page["rows"]]
    assert len(found) == 550
    beyond = _filter(desk, big, where="\"category\" <> 'green'", offset=5000)
    assert beyond["rows"] == []
    assert beyond["num_rows_total"] == len(expected)
    beyond = _filter(desk, big, where="\"category\" <> 'green'", orderby='"id" desc', offset=5000)
    assert beyond["num_rows_total"] == len(expected)


def test_equal_values_keep_the_order_of_rows(desk: Desk, big: str) -> None:
    for direction in ("asc", "desc"):
        page = _filter(
            desk, big, orderby=f'"category" {direction}', where="\"category\" = 'blue'", offset=300
        )
        numbers = [item["row_idx"] for item in page["rows"]]
        assert numbers == sorted(numbers)
        assert numbers[0] == 902


def test_nothing_found(desk: Desk, big: str) -> None:
    page = _filter(desk, big, where='"id" = -1', orderby='"value"')
    assert page["rows"] == []
    assert page["num_rows_total"] == 0
    assert len(page["features"]) == 7


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"where": '"nobody" = 1'}, 'no column "nobody"'),
        ({"where": '"id" = 1; drop table x'}, "; is not allowed"),
        ({"where": '"text" = 30'}, "in single quotes"),
        ({"orderby": "id"}, "double quotes"),
        ({"where": "\"text\" ~ '('"}, "cannot be applied"),
        ({"where": '"id" = 1', "length": 101}, "length"),
        ({"where": '"id" = 1', "offset": -1}, "offset"),
    ],
)
def test_mistakes(desk: Desk, big: str, params: dict[str, Any], message: str) -> None:
    answer = desk.ask(big, "filter", config="default", split="train", **params)
    assert answer.status_code == 422, answer.text
    assert answer.headers["x-error-code"] == "InvalidParameter"
    assert message in answer.json()["error"]


def test_missing_names(desk: Desk, big: str) -> None:
    answer = desk.ask(big, "filter", config="default", where='"id" = 1')
    assert answer.headers["x-error-code"] == "MissingRequiredParameter"
    answer = desk.ask(big, "filter", config="default", split="nope", where='"id" = 1')
    assert answer.status_code == 404


def test_private_rows_are_hidden(desk: Desk) -> None:
    repo = desk.make({"data.parquet": samples.parquet(samples.table(50))}, private=True)
    params = {"config": "default", "split": "train", "where": '"id" = 3'}
    assert desk.ask(repo, "filter", by=desk.stranger, **params).status_code in (401, 404)
    assert desk.ask(repo, "filter", by=desk.bob, **params).status_code == 404
    answer = desk.ask(repo, "filter", **params)
    assert answer.json()["num_rows_total"] == 1
    assert answer.headers["cache-control"].startswith("private")


def test_an_answer_is_known_again(desk: Desk, big: str) -> None:
    params = {"config": "default", "split": "train", "where": '"id" < 3'}
    first = desk.ask(big, "filter", **params)
    again = desk.alice.get(
        f"/api/datasets/{big}/viewer/filter", params=params, headers={"If-None-Match": first.headers["etag"]}
    )
    assert again.status_code == 304


def test_strange_names_and_types(desk: Desk) -> None:
    """Names with dots and quotes, names that differ by case, and every type that the engine has."""
    made = pa.table(
        {
            "a.b": pa.array([1, 2, 3], pa.int8()),
            'say "hi"': pa.array(["x", "y", None]),
            "Name": pa.array([1, 2, 3]),
            "name": pa.array(["p", "q", "r"]),
            "file_row_number": pa.array([7, 8, 9]),
            "__row": pa.array([3, 2, 1]),
            "select": pa.array([0.5, math.nan, None], pa.float32()),
            "when": pa.array([datetime.datetime(2024, 1, day, tzinfo=datetime.UTC) for day in (1, 2, 3)]),
            "money": pa.array([1, 2, 3], pa.decimal128(20, 2)),
            "nested": pa.array([{"list": [{"deep": 1}]}, None, {"list": []}]),
            "small": pa.array([1, None, 3], pa.uint16()),
            "large": pa.array([2**63, 0, 2**64 - 1], pa.uint64()),
            "raw": pa.array([b"\x00\xff", b"b", None]),
            "half": pa.array([0.5, 1.5, None], pa.float16()),
        }
    )
    repo = desk.make({"data.parquet": samples.parquet(made)})
    expected = {item["row_idx"]: item["row"] for item in desk.rows(repo)["rows"]}
    for where, numbers in {
        '"a.b" >= 2': [1, 2],
        '"say ""hi""" = \'y\'': [1],
        '"Name" = 3': [2],
        "\"name\" = 'p'": [0],
        '"file_row_number" = 8': [1],
        '"__row" > 1': [0, 1],
        '"select".isnan()': [1],
        "\"when\" >= '2024-01-02'": [1, 2],
        '"money" = 2': [1],
        '"nested"."list".len() = 0': [2],
        '"nested" is null': [1],
        '"large" > 9223372036854775807': [0, 2],
        '"raw".len() = 2': [0],
        '"half" > 1': [1],
        '"small" is not null': [0, 2],
    }.items():
        page = _filter(desk, repo, where=where)
        assert [item["row_idx"] for item in page["rows"]] == numbers, where
        assert [item["row"] for item in page["rows"]] == [expected[number] for number in numbers], where


def test_of_a_split_that_is_converted(desk: Desk) -> None:
    repo = desk.make({"data.csv": samples.csv(samples.table(500))})
    page = _filter(desk, repo, where='"id" >= 490', orderby='"id" desc')
    assert [item["row"]["id"] for item in page["rows"]] == list(range(499, 489, -1))


def test_pictures_are_links(desk: Desk) -> None:
    made = pa.table(
        {"rating": [1, 2, 3], "image": samples.media([samples.png(width) for width in (5, 6, 7)])}
    )
    features = {"rating": {"dtype": "int64", "_type": "Value"}, "image": {"_type": "Image"}}
    repo = desk.make({"data.parquet": samples.parquet(samples.with_features(made, features))})
    cell = _filter(desk, repo, where='"rating" = 3')["rows"][0]["row"]["image"]
    assert (cell["width"], cell["height"]) == (7, 6)
    assert desk.alice.get(cell["src"]).status_code == 200


def test_time_is_limited(desk: Desk, hub: HubUnderTest) -> None:
    """A question that is too much is refused with words, and the next one is answered."""
    made = pa.table({"text": ["ab" * 20_000] * 2000})
    repo = desk.make({"data.parquet": samples.parquet(made)})
    limits = hub.sv.settings.viewer
    before = limits.query_timeout_s
    object.__setattr__(limits, "query_timeout_s", 0.05)
    try:
        where = " or ".join(f"\"text\" ~ '(a|b|ab)*(ba|b)*(a{at})'" for at in range(50))
        answer = desk.ask(repo, "filter", config="default", split="train", where=where)
    finally:
        object.__setattr__(limits, "query_timeout_s", before)
    assert answer.status_code == 422, answer.text
    assert "took longer" in answer.json()["error"]
    assert _filter(desk, repo, where='"text".len() = 40000', length=1)["num_rows_total"] == 2000

"""Tables that are damaged or strange: a clear refusal or the rows, in time, and the hub goes on.

Those that were made to harm are in `test_hostile_files`.
"""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from viewer import hostile, samples
from viewer.conftest import Desk

GOOD_CODES = {"StreamingRowsError", "TooBigContentError", "ResponseTimeoutError", "InvalidParameter"}


@pytest.fixture(scope="module")
def good(desk: Desk) -> str:
    """A dataset that must be readable whatever happened before."""
    return desk.make({"train.parquet": samples.parquet(samples.table(200))})


def ask_all(desk: Desk, repo: str, **params: Any) -> list[Any]:
    common = {"config": "default", "split": "train", **params}
    return [desk.ask(repo, "rows", **common), desk.ask(repo, "first-rows", **common)]


def check_refused(desk: Desk, good: str, data: bytes, name: str = "train.parquet") -> list[str]:
    repo = desk.make({name: data}, lfs=True)
    answers = ask_all(desk, repo)
    for answer in answers:
        assert answer.status_code == 500, answer.text[:300]
        assert answer.headers["x-error-code"] in GOOD_CODES
        assert "/tmp" not in answer.text
        assert "Traceback" not in answer.text
    assert desk.rows(good)["num_rows_total"] == 200
    return [answer.json()["error"] for answer in answers]


def test_what_is_cut_off(desk: Desk, good: str) -> None:
    data = samples.parquet(samples.table(5000))
    for bad in (
        data[:-1],
        data[: len(data) // 2],
        data[:4],
        b"PAR1" * 3,
        b"\0" * 100,
        data[:-8] + b"\xff\xff\xff\x7fPAR1",
    ):
        for message in check_refused(desk, good, bad):
            assert len(message) > 20
    hole = data[:2000] + bytes(len(data) - 60_000) + data[len(data) - 58_000 :]
    check_refused(desk, good, hole)


def test_random_damage(desk: Desk, good: str) -> None:
    data = bytearray(samples.parquet(samples.table(300), compression="none"))
    chance = random.Random(7)
    for _time in range(12):
        bad = bytearray(data)
        for _byte in range(20):
            bad[chance.randrange(4, len(bad) - 8)] = chance.randrange(256)
        repo = desk.make({"train.parquet": bytes(bad)}, lfs=True)
        for answer in ask_all(desk, repo):
            assert answer.status_code in (200, 500), answer.text[:300]
            if answer.status_code == 500:
                assert answer.headers["x-error-code"] in GOOD_CODES
    assert desk.rows(good)["num_rows_total"] == 200


def test_a_bomb_of_one_repeated_text(desk: Desk, good: str) -> None:
    made = pa.table(
        {"x": pa.DictionaryArray.from_arrays(pa.array([0] * 3000, pa.int32()), pa.array(["a" * 2_000_000]))}
    )
    repo = desk.make({"train.parquet": samples.parquet(made, compression="zstd")}, lfs=True)
    first = desk.first_rows(repo)
    assert len(first["rows"]) == 10
    assert first["rows"][-1]["truncated_cells"] == ["x"]
    answer = desk.ask(repo, "rows", config="default", split="train", offset=0, length=100)
    assert answer.status_code == 500
    assert answer.headers["x-error-code"] in GOOD_CODES
    assert desk.rows(good)["num_rows_total"] == 200


def test_a_thousand_and_ten_thousand_columns(desk: Desk) -> None:
    for count in (1000, 10_000):
        made = pa.table({f"c{number}": pa.array([number, None]) for number in range(count)})
        repo = desk.make({"train.parquet": samples.parquet(made)})
        page = desk.rows(repo)
        assert len(page["features"]) == count
        assert page["rows"][0]["row"][f"c{count - 1}"] == count - 1
        answer = desk.ask(repo, "first-rows", config="default", split="train")
        if count == 1000:
            assert answer.status_code == 200
        else:
            assert (answer.status_code, answer.headers["x-error-code"]) == (500, "TooManyColumnsError")


def test_deep_nesting(desk: Desk, good: str) -> None:
    inner: Any = 7
    for _level in range(40):
        inner = [inner]
    repo = desk.make({"train.parquet": hostile.deep_lists(40)})
    for answer in ask_all(desk, repo):
        assert answer.status_code == 200, answer.text[:300]
        assert answer.json()["rows"][0]["row"]["x"] == inner
    for message in check_refused(desk, good, hostile.deep_lists(100)):
        assert "deeply" in message


def test_tables_of_nothing(desk: Desk) -> None:
    for made in (samples.table(0), pa.table({"x": pa.nulls(3)}), pa.table({"x": pa.array([], pa.null())})):
        repo = desk.make({"train.parquet": samples.parquet(made)})
        for answer in ask_all(desk, repo):
            assert answer.status_code == 200, answer.text
            assert len(answer.json()["rows"]) == len(made)


def test_two_columns_of_one_name(desk: Desk, good: str) -> None:
    made = pa.Table.from_arrays([pa.array([1]), pa.array([2])], names=["x", "x"])
    for message in check_refused(desk, good, samples.parquet(made)):
        assert "'x'" in message


def test_names_that_are_odd(desk: Desk) -> None:
    names = ["", " ", "a.b", "a", 'quote"', "é", "x" * 400, "row_idx", "\n"]
    made = pa.table({name: [name] for name in names})
    repo = desk.make({"train.parquet": samples.parquet(made)})
    for answer in ask_all(desk, repo):
        assert answer.status_code == 200, answer.text
        assert answer.json()["rows"][0]["row"] == {name: name for name in names}


def test_types_that_only_some_libraries_know(desk: Desk) -> None:
    made = pa.table(
        {
            "decimal256": pa.array([10**50, None], pa.decimal256(60, 2)),
            "zone": pa.array([0, None], pa.timestamp("us", tz="+05:30")),
            "map": pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int8())),
            "time": pa.array([1, None], pa.time32("s")),
            "half": pa.array([0.5, None], pa.float16()),
            "view": pa.array(["a", None], pa.string_view()),
        }
    )
    repo = desk.make({"train.parquet": samples.parquet(made)})
    (first, second) = desk.rows(repo)["rows"]
    assert first["row"] == {
        "decimal256": f"{10**50}.00",
        "zone": "1970-01-01T05:30:00+05:30",
        "map": [{"key": "k", "value": 1}],
        "time": "00:00:01",
        "half": 0.5,
        "view": "a",
    }
    assert set(second["row"].values()) == {None}

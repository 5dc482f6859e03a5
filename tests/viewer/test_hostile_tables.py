"""Tables that were made to harm: a clear refusal or the rows, in time, and the hub goes on."""

from __future__ import annotations

import random
import struct
from typing import Any

import pyarrow as pa
import pytest

from openhood.engines.tables import thrift
from viewer import samples
from viewer.conftest import Desk

GOOD_CODES = {"StreamingRowsError", "TooBigContentError", "ResponseTimeoutError", "InvalidParameter"}


@pytest.fixture(scope="module")
def good(desk: Desk) -> str:
    """A dataset that must be readable whatever happened before."""
    return desk.make({"train.parquet": samples.parquet(samples.table(200))})


def edited(data: bytes, change: Any) -> bytes:
    """Return a Parquet file whose footer was changed by a function of its parsed form."""
    size = struct.unpack("<I", data[-8:-4])[0]
    footer = thrift.Reader(data[-8 - size : -8]).struct()
    change(footer)
    written = thrift.write_struct(footer)
    return data[: -8 - size] + written + struct.pack("<I", len(written)) + b"PAR1"


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


def lie_about_rows(footer: Any) -> None:
    footer[3] = (thrift.I64, 2**40)
    for group in footer[4][1][1]:
        group[3] = (thrift.I64, 2**40)


def lie_about_pages(footer: Any) -> None:
    for group in footer[4][1][1]:
        for column in group[1][1][1]:
            column[3][1][9] = (thrift.I64, 2**50)


def lie_about_sizes(footer: Any) -> None:
    for group in footer[4][1][1]:
        for column in group[1][1][1]:
            column[3][1][7] = (thrift.I64, 2**62)


def lie_negatively(footer: Any) -> None:
    for group in footer[4][1][1]:
        group[3] = (thrift.I64, -5)


@pytest.mark.parametrize("lie", [lie_about_rows, lie_about_pages, lie_about_sizes, lie_negatively])
def test_footers_that_lie(desk: Desk, good: str, lie: Any) -> None:
    data = edited(samples.parquet(samples.table(1000)), lie)
    repo = desk.make({"train.parquet": data}, lfs=True)
    for answer in ask_all(desk, repo, offset=500):
        if answer.status_code != 200:
            assert answer.headers["x-error-code"] in GOOD_CODES
    assert desk.rows(good)["num_rows_total"] == 200


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


def nested(levels: int) -> tuple[pa.Table, Any]:
    kind, inner = pa.int8(), 7
    for _level in range(levels):
        kind, inner = pa.list_(kind), [inner]
    return pa.table({"x": pa.array([inner], kind)}), inner


def test_deep_nesting(desk: Desk, good: str) -> None:
    made, inner = nested(40)
    repo = desk.make({"train.parquet": samples.parquet(made)})
    for answer in ask_all(desk, repo):
        assert answer.status_code == 200, answer.text[:300]
        assert answer.json()["rows"][0]["row"]["x"] == inner
    for message in check_refused(desk, good, samples.parquet(nested(100)[0])):
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

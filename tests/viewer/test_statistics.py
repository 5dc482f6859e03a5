"""``/statistics``: the numbers of the original for its own examples, and for others those of a slow computation here."""

from __future__ import annotations

import datetime
import math
import statistics as slow
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import pyarrow as pa
import pytest

from openhood.engines.tables import histograms
from openhood.engines.tables.moments import form_of
from openhood.engines.tables.statistics import spread
from viewer import samples
from viewer.conftest import Desk

DAY = 24 * 60 * 60
Numbers = Sequence[Any]


def _ask(desk: Desk, repo: str, **params: Any) -> Any:
    return desk.get(repo, "statistics", config="default", split="train", **params)


def _columns(desk: Desk, made: pa.Table, *, group: int = 7) -> dict[str, Any]:
    repo = desk.make({"data.parquet": samples.parquet(made, group=group)})
    answer = _ask(desk, repo)
    assert answer["num_examples"] == len(made)
    assert answer["partial"] is False
    names = [column["column_name"] for column in answer["statistics"]]
    assert names == sorted(names)
    return {column["column_name"]: column for column in answer["statistics"]}


def _expected(values: Numbers, *, is_whole: bool) -> dict[str, Any]:
    """Return what the documentation says of numbers, computed value by value."""
    known = [value for value in values if value is not None and not math.isnan(value)]
    missing = len(values) - len(known)
    if not known:
        return {
            "nan_count": missing,
            "nan_proportion": 1.0,
            **dict.fromkeys(("min", "max", "mean", "median", "std", "histogram")),
        }
    edges = _edges(min(known), max(known), is_whole=is_whole)
    hist = [0] * (len(edges) - 1)
    for value in known:
        at = sum(value >= edge for edge in edges[1:-1])
        hist[at] += 1
    shown = edges if is_whole else [round(edge, 5) for edge in edges]
    least, greatest = min(known), max(known)
    return {
        "nan_count": missing,
        "nan_proportion": round(missing / len(values), 5),
        "min": least if is_whole else round(least, 5),
        "max": greatest if is_whole else round(greatest, 5),
        "mean": round(slow.fmean(known), 5),
        "median": round(slow.median(known), 5),
        "std": round(slow.stdev(known), 5) if len(known) > 1 else None,
        "histogram": {"hist": hist, "bin_edges": shown},
    }


def _assert_same(got: dict[str, Any], expected: dict[str, Any]) -> None:
    """Histograms to the row, the rest to a rounding."""
    got, expected = dict(got), dict(expected)
    hist, wanted = got.pop("histogram"), expected.pop("histogram")
    assert (hist is None) == (wanted is None)
    if hist is not None:
        assert hist["hist"] == wanted["hist"]
        assert hist["bin_edges"] == pytest.approx(wanted["bin_edges"])
    assert {name for name, value in got.items() if value is None} == {
        name for name, value in expected.items() if value is None
    }
    for name, value in expected.items():
        assert got[name] == (None if value is None else pytest.approx(value, rel=1e-9)), name
    assert set(got) == set(expected)


def _edges(least: Any, greatest: Any, *, is_whole: bool) -> list[Any]:
    if least == greatest:
        return [least, greatest]
    if not is_whole:
        least, greatest = round(least, 5), round(greatest, 5)
        return [least + at * (greatest - least) / 10 for at in range(10)] + [greatest]
    # A float cannot hold the width of bins of the largest numbers.
    width = math.ceil(Fraction(greatest - least + 1, 10))
    edges = [*range(least, greatest, width), greatest]
    return edges if len(edges) > 2 else [*edges, greatest]


@pytest.mark.parametrize(
    ("least", "greatest", "edges"),
    [
        (0, 1, [0, 1, 1]),
        (0, 12, [0, 2, 4, 6, 8, 10, 12]),
        (-10, 15, [-10, -7, -4, -1, 2, 5, 8, 11, 14, 15]),
        (0, 9, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]),
        (0, 10, [0, 2, 4, 6, 8, 10]),
        (7, 7, [7, 7]),
    ],
)
def test_edges_of_whole_numbers(least: int, greatest: int, edges: list[int]) -> None:
    assert histograms.int_edges(least, greatest) == edges


@pytest.mark.parametrize(("least", "greatest"), [(0.0, 10.0), (0.0, 0.1), (-0.5, 0.5), (-100.0, 100.0)])
def test_edges_of_other_numbers(least: float, greatest: float) -> None:
    edges = histograms.float_edges(least, greatest)
    assert edges == pytest.approx([least + at * (greatest - least) / 10 for at in range(11)])
    assert (edges[0], edges[-1]) == (least, greatest)


def test_the_example_of_the_original(desk: Desk) -> None:
    """Its e2e test has these rows, and these numbers."""
    made = pa.table(
        {
            "col_1": ["There goes another one.", "Vader turns.", "We count thirty.", "The wingman spots."],
            "col_2": [0, 1, 2, 3],
            "col_3": [0.0, 1.0, 2.0, 3.0],
            "col_4": ["B", "B", "A", "B"],
            "col_5": [True, False, True, None],
            "col_6": [[1, 2, 3], [1, 2, 3, 4], [1, 2, 3, 4, 5], None],
        }
    )
    found = _columns(desk, made)
    labels = {"nan_count": 0, "nan_proportion": 0.0, "no_label_count": 0, "no_label_proportion": 0.0}
    assert {name: column["column_type"] for name, column in found.items()} == {
        "col_1": "string_label",
        "col_2": "int",
        "col_3": "float",
        "col_4": "string_label",
        "col_5": "bool",
        "col_6": "list",
    }
    assert found["col_2"]["column_statistics"] == {
        "nan_count": 0,
        "nan_proportion": 0.0,
        "min": 0,
        "max": 3,
        "mean": 1.5,
        "median": 1.5,
        "std": 1.29099,
        "histogram": {"hist": [1, 1, 2], "bin_edges": [0, 1, 2, 3]},
    }
    assert found["col_3"]["column_statistics"] == {
        "nan_count": 0,
        "nan_proportion": 0.0,
        "min": 0.0,
        "max": 3.0,
        "mean": 1.5,
        "median": 1.5,
        "std": 1.29099,
        "histogram": {
            "hist": [1, 0, 0, 1, 0, 0, 1, 0, 0, 1],
            "bin_edges": [0.0, 0.3, 0.6, 0.9, 1.2, 1.5, 1.8, 2.1, 2.4, 2.7, 3.0],
        },
    }
    assert found["col_4"]["column_statistics"] == {**labels, "n_unique": 2, "frequencies": {"B": 3, "A": 1}}
    assert found["col_5"]["column_statistics"] == {
        "nan_count": 1,
        "nan_proportion": 0.25,
        "frequencies": {"False": 1, "True": 2},
    }
    assert found["col_6"]["column_statistics"] == {
        "nan_count": 1,
        "nan_proportion": 0.25,
        "min": 3,
        "max": 5,
        "mean": 4.0,
        "median": 4.0,
        "std": 1.0,
        "histogram": {"hist": [1, 2], "bin_edges": [3, 4, 5]},
    }


WHOLE: dict[str, list[int | None]] = {
    "plain": [0, 0, 1, 1, 2, 2, 2, 3, 4, 4, 5, 5, 5, 5, 5, 6, 7, 8, 8, 8],
    "nulls": [0, None, 1, None, 2, None, 2, None, 4, None, 5, None, 5, 5, 5, 6, 7, 8, 8, 8],
    "none": [None] * 20,
    "negative": [-10, -9, -8, -7, -5, -4, -4, -3, -2, -2, -1, -1, -1, -1, 0, -5, -6, -7, -8, -9],
    "crossing": [-10, -9, -8, 0, 0, 1, 1, 5, 6, 10, 14, 11, 12, 13, 15, 2, 3, 4, -1, -2],
    "large": [
        1101,
        1178,
        1197,
        1200,
        1202,
        1210,
        1220,
        1325,
        1350,
        1396,
        1399,
        2900,
        3000,
        4000,
        5000,
        5,
        6,
        7,
        8,
        9,
    ],
    "one": [3] * 20,
    "two": [0, 1] * 10,
    "huge": [2**62, -(2**62), 2**53 + 1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, None],
    "wide": [at * at * 100_003 - 5_000_000 for at in range(20)],
}
OTHER: dict[str, list[float | None]] = {
    "plain": [
        0.1,
        0.2,
        0.3,
        0.4,
        0.5,
        1.1,
        2.2,
        2.3,
        2.6,
        4.7,
        5.1,
        6.2,
        6.7,
        6.8,
        7.0,
        8.3,
        8.4,
        9.2,
        9.7,
        9.9,
    ],
    "nulls": [
        None,
        0.2,
        None,
        0.4,
        0.5,
        1.1,
        None,
        2.3,
        2.6,
        4.7,
        5.1,
        None,
        6.7,
        6.8,
        7.0,
        8.3,
        8.4,
        9.2,
        9.7,
        9.9,
    ],
    "nan": [math.nan, 0.2, None, 0.4, math.nan, 1.1, 2.2, 2.3, 2.6, 4.7, 5.1, 1, 2, 3, 4, 5, 6, 7, 8, 9.9],
    "none": [None] * 20,
    "all nan": [math.nan] * 20,
    "negative": [-7.221, -5.333, -15.154, -15.392, -15.054, -10.176, -10.072, -10.59, -6.0, -14.951] * 2,
    "crossing": [-7.221, -5.333, -15.154, -15.392, 10.054, 10.176, 10.072, 10.59, 6.0, 0.0] * 2,
    "large": [101.34, 171.34, 154.02, 110.9, 1e7, 123456.789, 3.0, 4.0, 5.5, 6.25] * 2,
    "one": [0.7] * 20,
    "tiny": [1e-7 * at for at in range(20)],
}


def test_whole_numbers(desk: Desk) -> None:
    found = _columns(desk, pa.table({name: pa.array(values, pa.int64()) for name, values in WHOLE.items()}))
    for name, values in WHOLE.items():
        assert found[name]["column_type"] == "int"
        _assert_same(found[name]["column_statistics"], _expected(values, is_whole=True))


def test_other_numbers(desk: Desk) -> None:
    found = _columns(desk, pa.table({name: pa.array(values, pa.float64()) for name, values in OTHER.items()}))
    for name, values in OTHER.items():
        assert found[name]["column_type"] == "float"
        got = found[name]["column_statistics"]
        if name == "tiny":  # with five decimals there is one value
            assert got["histogram"] == {"hist": [20], "bin_edges": [0.0, 0.0]}
        else:
            _assert_same(got, _expected(values, is_whole=False))


def test_infinity(desk: Desk) -> None:
    made = pa.table({"x": [1.0, 2.0, math.inf, -math.inf, 3.0]})
    item = _columns(desk, made)["x"]["column_statistics"]
    assert item["min"] is None
    assert item["max"] is None
    assert item["median"] == 2.0
    assert sum(item["histogram"]["hist"]) == 5


def test_labels(desk: Desk) -> None:
    values = [0, 1, 0, 0, 0, -1, 0, -1, 0, None, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0]
    feature = {"label": {"_type": "ClassLabel", "names": ["cat", "dog", "cow"]}}
    made = samples.with_features(pa.table({"label": pa.array(values, pa.int64())}), feature)
    column = _columns(desk, made)["label"]
    assert column["column_type"] == "class_label"
    assert column["column_statistics"] == {
        "nan_count": 1,
        "nan_proportion": 0.05,
        "no_label_count": 2,
        "no_label_proportion": 0.1,
        "n_unique": 3,
        "frequencies": {"cat": 14, "dog": 3, "cow": 0},
    }


def test_when_texts_are_labels(desk: Desk) -> None:
    """At most 1000 values that are a fifth of the rows at most, or at most ten; a missing one counts as a value."""
    rows = 6000
    texts: dict[str, list[str | None]] = {
        "ten": [f"v{at % 10}" for at in range(rows)],
        "all_none": [None] * rows,
        "thousand": [f"v{at % 1000}" for at in range(rows)],
        "more": [f"v{at % 1001}" for at in range(rows)],
        "thousand_and_none": [None if at == 5 else f"v{at % 1000}" for at in range(rows)],
        "late": ["same"] * (rows - 1500) + [f"v{at}" for at in range(1500)],
        "accents": [f"été {'ñ' * (at % 37)} {at}" for at in range(rows)],
    }
    found = _columns(
        desk, pa.table({name: pa.array(values, pa.string()) for name, values in texts.items()}), group=1000
    )
    for name in ("ten", "all_none", "thousand"):
        item = found[name]["column_statistics"]
        counts = Counter(text for text in texts[name] if text is not None)
        assert found[name]["column_type"] == "string_label"
        assert item["frequencies"] == counts
        assert item["n_unique"] == len(counts)
    for name in ("more", "thousand_and_none", "late", "accents"):
        lengths = [None if text is None else len(text) for text in texts[name]]
        assert found[name]["column_type"] == "string_text", name
        _assert_same(found[name]["column_statistics"], _expected(lengths, is_whole=True))


def test_few_rows_of_different_texts(desk: Desk) -> None:
    made = pa.table(
        {"few": [f"v{at % 21}" for at in range(100)], "label": [f"v{at % 20}" for at in range(100)]}
    )
    found = _columns(desk, made)
    assert found["few"]["column_type"] == "string_text"
    assert found["label"]["column_type"] == "string_label"


def _moments(zone: str, hist: list[int]) -> dict[str, Any]:
    """What the original's test says of eleven days."""
    days = [f"2024-01-{day:02} 00:00:{day - 1:02}{zone}" for day in range(1, 11)]
    return {
        "nan_count": 0,
        "nan_proportion": 0.0,
        "min": f"2024-01-01 00:00:00{zone}",
        "max": f"2024-01-11 00:00:00{zone}",
        "mean": f"2024-01-06 00:00:00{zone}",
        "median": f"2024-01-06 00:00:00{zone}",
        "histogram": {"hist": hist, "bin_edges": [*days, f"2024-01-11 00:00:00{zone}"]},
    }


def test_moments(desk: Desk) -> None:
    days = [datetime.datetime(2024, 1, day) for day in range(1, 12)]
    zone = datetime.timezone(datetime.timedelta(hours=2))
    made = pa.table(
        {
            "plain": pa.array(days, pa.timestamp("us")),
            "seconds": pa.array(days, pa.timestamp("s")),
            "zoned": pa.array([day.replace(tzinfo=zone) for day in days], pa.timestamp("us", tz="+02:00")),
            "none": pa.array([None] * 11, pa.timestamp("us")),
            "nulls": pa.array(
                [day if at % 2 == 0 else None for at, day in enumerate(days)], pa.timestamp("us")
            ),
            "text": [day.strftime("%Y-%m-%d %H:%M:%S") for day in days],
            "text_z": [day.strftime("%Y-%m-%d %H:%M:%SZ") for day in days],
            "text_tz": [day.strftime("%Y-%m-%d %H:%M:%S+0200") for day in days],
            "text_t": [day.strftime("%Y-%m-%dT%H:%M:%S") for day in days],
            "text_day": [day.strftime("%d/%m/%Y") for day in days],
            "mixed": [day.strftime("%Y-%m-%d" if at % 2 else "%Y/%m/%d") for at, day in enumerate(days)],
            "late_word": [day.strftime("%Y-%m-%d") for day in days[:-1]] + ["tomorrow"],
        }
    )
    found = _columns(desk, made)
    hist = [2, 1, 1, 1, 1, 1, 1, 1, 1, 1]
    spread_of = slow.stdev(at * DAY for at in range(11))
    for name in ("plain", "seconds", "zoned", "text", "text_z", "text_tz", "text_t"):
        assert found[name]["column_type"] == "datetime", name
        item = found[name]["column_statistics"]
        assert item.pop("std").split(".")[0] == str(datetime.timedelta(seconds=spread_of)).split(".")[0]
        assert item == _moments("+0200" if name in ("zoned", "text_tz") else "", hist), name
    assert found["text_day"]["column_statistics"]["min"] == "2024-01-01 00:00:00"
    assert found["none"]["column_statistics"]["histogram"] is None
    assert found["nulls"]["column_statistics"]["histogram"]["hist"] == [1, 1, 0, 1, 0, 1, 0, 1, 0, 1]
    assert found["nulls"]["column_statistics"]["nan_count"] == 5
    assert found["mixed"]["column_type"] == "string_text"
    assert found["late_word"]["column_type"] == "string_text"


def test_ways_of_writing_moments() -> None:
    assert form_of(["2024-01-01", "2024-05-31"]) is not None
    assert form_of([]) is None
    assert form_of(["2024-01-01", "12:00"]) is None
    assert form_of(["12", "13"]) is None
    assert form_of(["river", "stone"]) is None


def test_pictures_and_sounds(desk: Desk) -> None:
    pictures = [samples.png(640), samples.png(1440), None, samples.jpeg(520), samples.png(1240)]
    sounds = [samples.wav(1.0), samples.wav(2.0), samples.wav(3.0), None, samples.wav(4.0)]
    made = pa.table(
        {
            "image": samples.media(pictures),
            "audio": samples.media(sounds),
            "broken": samples.media([b"not a picture"] * 5),
            "elsewhere": samples.media([None] * 5),
        }
    )
    features = {
        "image": {"_type": "Image"},
        "audio": {"_type": "Audio"},
        "broken": {"_type": "Image"},
        "elsewhere": {"_type": "Image"},
    }
    found = _columns(desk, samples.with_features(made, features))
    assert found["image"]["column_type"] == "image"
    _assert_same(found["image"]["column_statistics"], _expected([640, 1440, None, 520, 1240], is_whole=True))
    assert found["audio"]["column_type"] == "audio"
    assert found["audio"]["column_statistics"]["histogram"]["hist"] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert found["audio"]["column_statistics"]["max"] == 4.0
    assert "broken" not in found
    assert found["elsewhere"]["column_statistics"]["histogram"] is None


def test_nested_and_other_columns(desk: Desk) -> None:
    made = pa.table(
        {
            "structs": [{"a": 1}, {"a": 2}],
            "lists": [[{"a": 1}], [{"a": 2}, {"a": 3}]],
            "money": pa.array([1, 2], pa.decimal128(10, 2)),
            "raw": [b"a", b"b"],
            "small": pa.array([1, 2], pa.uint8()),
            "half": pa.array([0.5, 1.5], pa.float16()),
            "Name": [1, 2],
            "name": [3, 4],
        }
    )
    found = _columns(desk, made)
    assert sorted(found) == ["Name", "half", "lists", "name", "small"]
    assert found["lists"]["column_statistics"]["max"] == 2
    assert found["name"]["column_statistics"]["max"] == 4
    assert found["Name"]["column_statistics"]["max"] == 2


def test_a_few_columns_and_several_files(desk: Desk) -> None:
    files = {
        f"data/train-0000{at}-of-00002.parquet": samples.parquet(samples.table(400, start=at * 400))
        for at in (0, 1)
    }
    repo = desk.make(files)
    few = _ask(desk, repo, columns=["value", "category"])
    assert [column["column_name"] for column in few["statistics"]] == ["category", "value"]
    assert few["num_examples"] == 800
    whole = _ask(desk, repo)
    assert [
        column for column in whole["statistics"] if column["column_name"] in ("category", "value")
    ] == few["statistics"]
    values = [*samples.table(400)["value"].to_pylist(), *samples.table(400, start=400)["value"].to_pylist()]
    got = next(column for column in whole["statistics"] if column["column_name"] == "value")[
        "column_statistics"
    ]
    expected = _expected(values, is_whole=False)
    assert got["histogram"]["hist"] == expected["histogram"]["hist"]
    assert got["median"] == pytest.approx(expected["median"])
    answer = desk.ask(repo, "statistics", config="default", split="train", columns="nobody")
    assert answer.status_code == 422
    assert answer.headers["x-error-code"] == "InvalidParameter"


def test_of_a_split_that_is_converted(desk: Desk) -> None:
    repo = desk.make({"data.jsonl": samples.jsonl(samples.table(300))})
    found = {column["column_name"]: column for column in _ask(desk, repo)["statistics"]}
    assert found["id"]["column_statistics"]["max"] == 299
    assert found["numbers"]["column_type"] == "list"


def test_the_median_of_many_is_found_in_narrowing_ranges() -> None:
    values = sorted([0.0] * 500 + [at / 7 for at in range(2000)] + [1e6] * 300)

    def count_below(edges: Sequence[float]) -> list[int]:
        return [sum(value < edge for value in values) for edge in edges]

    for rank in (0, 100, 777, 1399, 1400, 2100, len(values) - 1):
        low, high, below = histograms.find_rank(count_below, values[0], values[-1], rank, most=50)
        inside = [value for value in values if low <= value <= high]
        assert inside[rank - below] == values[rank]


def test_files_that_stand_for_all_are_spread() -> None:
    assert spread([10] * 4, 100) == [0, 1, 2, 3]
    assert spread([10] * 10, 30) == [1, 5, 8]
    assert spread([1000], 10) == [0]

"""Comparing two revisions of a split row by row, against what plain Python finds."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openhood.base.errors import InvalidParameter
from openhood.engines.tables.rowdiff import Change, Comparison, Side, compare, rows_of
from openhood.engines.tables.task import Source

COLUMNS = ("id", "word", "deep", "x")
SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("word", pa.string()),
        ("deep", pa.struct([("k", pa.list_(pa.int8()))])),
        ("x", pa.float64()),
    ]
)
Row = dict[str, Any]


def _side(place: Path, name: str, rows: Sequence[Row], *, columns: Sequence[str] = COLUMNS) -> Side:
    """Write rows into two files."""
    sources, starts = [], []
    cut = len(rows) // 3
    for number, (start, part) in enumerate(((0, rows[:cut]), (cut, rows[cut:]))):
        path = place / f"{name}-{number}.parquet"
        schema = pa.schema([SCHEMA.field(column) for column in columns])
        pq.write_table(pa.Table.from_pylist(list(part), schema=schema), path)
        sources.append(
            Source(path.name, path.name, path.stat().st_size, str(path), True, lambda ranges: None)
        )
        starts.append(start)
    return Side(sources, starts, list(columns))


def _row(number: int, word: str = "a") -> Row:
    return {
        "id": number,
        "word": word,
        "deep": {"k": [number % 3, None]},
        "x": float("nan") if number % 2 else 0.5,
    }


def _compare(place: Path, old: Sequence[Row], new: Sequence[Row], **more: Any) -> Comparison:
    options = {"key": None, "offset": 0, "length": 100, **more}
    return compare(duckdb.connect(), _side(place, "old", old), _side(place, "new", new), **options)


def test_a_key_is_found_and_rows_are_compared_by_it(tmp_path: Path) -> None:
    old = [_row(number) for number in range(20)]
    new = [_row(0), *(_row(number) for number in range(3, 20)), _row(50)]
    new[5] = {**new[5], "word": "b"}
    found = _compare(tmp_path, old, new)
    assert found.key == ("id",)
    assert found.counts == {"added": 1, "removed": 2, "changed": 1}
    assert found.changes == (
        Change("removed", 1, None),
        Change("removed", 2, None),
        Change("changed", 7, 5),
        Change("added", None, 18),
    )


def test_rows_that_moved_did_not_change(tmp_path: Path) -> None:
    rows = [_row(number) for number in range(30)]
    assert _compare(tmp_path, rows, rows[::-1]).counts == {"added": 0, "removed": 0, "changed": 0}
    assert _compare(tmp_path, rows, rows[::-1], key=()).counts == {"added": 0, "removed": 0, "changed": 0}


@pytest.mark.parametrize("seed", range(4))
def test_contents_are_compared_as_bags(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    old, new = ([_row(chance.randrange(12), chance.choice("ab")) for _ in range(40)] for _side in (0, 1))
    found = _compare(tmp_path, old, new, key=())
    before, after = (Counter(repr(row) for row in rows) for rows in (old, new))
    assert found.key == ()
    assert found.counts == {
        "added": (after - before).total(),
        "removed": (before - after).total(),
        "changed": 0,
    }
    assert (
        Counter(repr(new[change.row]) for change in found.changes if change.row is not None) == after - before
    )
    assert (
        Counter(repr(old[change.base_row]) for change in found.changes if change.base_row is not None)
        == before - after
    )


def test_pages_follow_one_another(tmp_path: Path) -> None:
    old, new = [], [_row(number) for number in range(25)]
    pages = [_compare(tmp_path, old, new, offset=start, length=10).changes for start in (0, 10, 20, 30)]
    assert [change.row for page in pages for change in page] == list(range(25))
    assert len(pages[3]) == 0


def test_only_common_columns_are_compared(tmp_path: Path) -> None:
    rows = [_row(number) for number in range(6)]
    old = _side(tmp_path, "old", rows, columns=("id", "word"))
    new = _side(tmp_path, "new", rows)
    found = compare(duckdb.connect(), old, new, key=None, offset=0, length=10)
    assert found.counts == {"added": 0, "removed": 0, "changed": 0}


def test_a_key_of_several_columns_and_none(tmp_path: Path) -> None:
    old = [_row(1, "a"), _row(1, "b")]
    new = [_row(1, "a"), {**_row(1, "b"), "x": 9.0}]
    assert _compare(tmp_path, old, new, key=("id", "word")).changes == (Change("changed", 1, 1),)
    assert _compare(tmp_path, old, new).key == ()
    with pytest.raises(InvalidParameter, match="is no key: some rows of the old revision"):
        _compare(tmp_path, old, new, key=("id",))
    with pytest.raises(InvalidParameter, match="'nope' cannot be a key"):
        _compare(tmp_path, old, new, key=("nope",))


def test_rows_are_given_by_their_numbers(tmp_path: Path) -> None:
    rows = [{**_row(number), "x": 1.0} for number in range(9)]
    side = _side(tmp_path, "s", rows)
    assert rows_of(duckdb.connect(), side, [8, 0, 4]) == {number: rows[number] for number in (0, 4, 8)}
    assert rows_of(duckdb.connect(), side, []) == {}

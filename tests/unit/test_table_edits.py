"""Editing tables: what is touched changes, and everything else keeps its bytes."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from openhood.base.errors import HubError, InvalidParameter
from openhood.engines.tables import editing
from openhood.engines.tables.edit_csv import CsvFile
from openhood.engines.tables.task import Source, Task


def _edit(
    tmp_path: Path,
    files: dict[str, bytes],
    form: str,
    *,
    options: dict[str, Any] | None = None,
    features: dict[str, Any] | None = None,
    **edits: Any,
) -> dict[str, bytes]:
    """Edit files and return those that were written, by their names."""
    sources = []
    for name, data in files.items():
        place = tmp_path / name
        place.write_bytes(data)
        sources.append(Source(name, name, len(data), str(place), True, lambda ranges: None))
    out = tmp_path / "out"
    out.mkdir()
    params = {"format": form, "options": options or {}, "features": features}
    params |= {"changes": [], "added": [], "deleted": [], **edits}
    reply = editing.edit(Task("edit", params, sources, out, 30))
    return {sources[number].name: (out / str(number)).read_bytes() for number in reply.facts["files"]}


def _cell(row: int, column: str, value: object) -> dict[str, object]:
    return {"row_idx": row, "column": column, "value": value}


CSV = b'id,text,n\r\n1,"a ""quoted"" word",1.50\r\n\r\n2,"two\r\nlines",2\r\n3,plain,  3'


def test_only_touched_lines_of_a_csv_change(tmp_path: Path) -> None:
    made = _edit(tmp_path, {"a.csv": CSV}, "csv", changes=[_cell(1, "text", 'new, "x"')])["a.csv"]
    assert made == CSV.replace(b'"two\r\nlines"', b'"new, ""x"""')


def test_rows_of_a_csv_go_and_come(tmp_path: Path) -> None:
    made = _edit(tmp_path, {"a.csv": CSV}, "csv", deleted=[0], added=[{"id": 4, "n": None, "text": "é"}])[
        "a.csv"
    ]
    assert made.startswith(b"id,text,n\r\n\r\n2,")
    assert made.endswith("3,plain,  3\r\n4,é,\r\n".encode())


def test_a_row_belongs_to_the_file_that_holds_it(tmp_path: Path) -> None:
    files = {"a.csv": b"x\n1\n2\n", "b.csv": b"x\n3\n", "c.csv": b"x\n4\n5\n"}
    made = _edit(tmp_path, files, "csv", changes=[_cell(2, "x", 30)], added=[{"x": 6}])
    assert made == {"b.csv": b"x\n30\n", "c.csv": b"x\n4\n5\n6\n"}


def test_csv_without_a_header_and_with_another_separator(tmp_path: Path) -> None:
    made = _edit(
        tmp_path,
        {"a.csv": b"1;one\n2;two\n"},
        "csv",
        options={"sep": ";", "names": ["n", "word"]},
        changes=[_cell(0, "word", "a;b")],
    )
    assert made == {"a.csv": b'1;"a;b"\n2;two\n'}


@pytest.mark.parametrize("data", [b"", b"a,b\n", b'"a\n', b"a\n\n\n", b'a,b\n1\n1,2,3\n""\n'])
def test_odd_csv_files_are_counted_without_harm(data: bytes) -> None:
    counted = CsvFile({}).count(io.StringIO(data.decode(), newline=""))
    assert 0 <= counted <= data.count(b"\n")


def test_lines_of_json_keep_their_bytes(tmp_path: Path) -> None:
    data = b'{"a":1,"b":"x"}\n\n{"b":"y", "a":2}\n{"a": 3}'
    made = _edit(
        tmp_path, {"a.jsonl": data}, "json", changes=[_cell(1, "b", {"n": [1, None]})], added=[{"a": 4}]
    )["a.jsonl"]
    assert made == b'{"a":1,"b":"x"}\n\n{"b": {"n": [1, null]}, "a": 2}\n{"a": 3}\n{"a": 4}\n'


def test_one_json_document_is_rewritten(tmp_path: Path) -> None:
    data = json.dumps({"version": 1, "rows": [{"a": 1}, {"a": 2}]}).encode()
    made = _edit(
        tmp_path,
        {"a.json": data},
        "json",
        options={"field": "rows"},
        deleted=[0],
        changes=[_cell(1, "a", "é")],
    )["a.json"]
    assert json.loads(made) == {"version": 1, "rows": [{"a": "é"}]}


@pytest.fixture
def table() -> bytes:
    """A Parquet file of two row groups with one column of each kind that is written in its own way."""
    rows = pa.table(
        {
            "n": pa.array([1, 2, None, 4], pa.int32()),
            "x": pa.array([0.5, None, 1.5, 2.5], pa.float32()),
            "word": pa.array(["a", "b", "c", "d"], pa.large_string()),
            "when": pa.array([0, 1, 2, 3], pa.timestamp("us", tz="UTC")),
            "label": pa.array([0, 1, 0, 1], pa.int64()),
            "many": pa.array([[1], [2, 3], [], None], pa.list_(pa.int16())),
            "deep": pa.array([{"k": 1}, {"k": 2}, None, {"k": 4}], pa.struct([("k", pa.int64())])),
        }
    )
    sink = io.BytesIO()
    pq.write_table(rows, sink, row_group_size=2, compression="snappy")
    return sink.getvalue()


FEATURES = {
    "label": {"_type": "ClassLabel", "names": ["no", "yes"]},
    "word": {"_type": "Value", "dtype": "large_string"},
}


def test_parquet_keeps_types_groups_and_other_rows(tmp_path: Path, table: bytes) -> None:
    changes = [
        _cell(1, "n", "7"),
        _cell(2, "word", "ü"),
        _cell(2, "when", "2026-01-02T03:04:05+00:00"),
        _cell(3, "label", "no"),
        _cell(0, "many", [9, 8]),
        _cell(3, "deep", {"k": 5}),
        _cell(3, "x", None),
    ]
    made = _edit(
        tmp_path,
        {"t.parquet": table},
        "parquet",
        features=FEATURES,
        changes=changes,
        deleted=[0],
        added=[{"n": 5, "label": "yes"}],
    )["t.parquet"]
    old, new = pq.ParquetFile(io.BytesIO(table)), pq.ParquetFile(io.BytesIO(made))
    assert new.schema_arrow.equals(old.schema_arrow)
    assert [new.metadata.row_group(at).num_rows for at in range(new.num_row_groups)] == [1, 2, 1]
    assert new.metadata.row_group(0).column(0).compression == "SNAPPY"
    rows = new.read().to_pylist()
    before = old.read().to_pylist()
    assert rows[0] == {**before[1], "n": 7}
    assert rows[1]["word"] == "ü"
    assert rows[1]["when"].isoformat() == "2026-01-02T03:04:05+00:00"
    assert rows[2] == {**before[3], "label": 0, "deep": {"k": 5}, "x": None}
    assert rows[3] == {**dict.fromkeys(before[0]), "n": 5, "label": 1}


@pytest.mark.parametrize(
    ("column", "value", "said"),
    [
        ("n", "many", "does not fit the column 'n' of row 0, which holds int32"),
        ("n", 2**40, "does not fit"),
        ("n", True, "does not fit"),
        ("n", 1.5, "does not fit"),
        ("word", 5, "does not fit"),
        ("when", "yesterday", "does not fit"),
        ("label", "maybe", "is no label of the column 'label' of row 0. Labels: no, yes"),
        ("label", 2, "is no label"),
        ("many", "x", "does not fit"),
        ("nope", 1, "There is no column 'nope'. There is: n, x, word"),
    ],
)
def test_values_that_do_not_fit_are_refused(
    tmp_path: Path, table: bytes, column: str, value: object, said: str
) -> None:
    with pytest.raises(InvalidParameter) as refused:
        _edit(tmp_path, {"t.parquet": table}, "parquet", features=FEATURES, changes=[_cell(0, column, value)])
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("form", "data", "options", "edits"),
    [
        ("csv", b"a\n1\n", {}, {"deleted": [1]}),
        ("csv", b"a\n1\n", {}, {"changes": [_cell(0, "b", 1)]}),
        ("csv", b"a\n1\n", {"skiprows": 3}, {"deleted": [0]}),
        ("csv", b"a\n1\n", {}, {"changes": [_cell(0, "a", "\0")]}),
        ("json", b'{"a": 1}\n', {}, {"changes": [_cell(5, "a", 1)]}),
        ("json", b"[1]", {}, {"changes": [_cell(0, "a", 1)]}),
        ("json", b'{"rows": 5}', {"field": "rows"}, {"deleted": [0]}),
    ],
)
def test_what_cannot_be_done_is_said(
    tmp_path: Path, form: str, data: bytes, options: dict[str, Any], edits: Any
) -> None:
    with pytest.raises(HubError) as refused:
        _edit(tmp_path, {"f": data}, form, options=options, **edits)
    assert refused.value.status == 422 or refused.value.code == "StreamingRowsError"

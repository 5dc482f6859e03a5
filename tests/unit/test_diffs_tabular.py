"""What is said of changed tables: counts are checked against a plain computation of them."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import Counter
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.engines.diffs import tabular
from openhood.engines.diffs.parts import Budget, Part, Unreadable
from unit.tensor_files import budget, part


def compare(name: str, old: bytes, new: bytes, limits: Budget | None = None) -> Any:
    return tabular.compare_rows(
        name, [part(old, f"old.{name}")], [part(new, f"new.{name}")], limits or budget()
    )


def jsonl(*records: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in records)


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def test_rows_are_matched_by_a_column_of_unique_values() -> None:
    said = compare("csv", b"id,label\n1,a\n2,b\n3,c\n", b"id,label\n3,c\n1,z\n4,d\n")
    assert said["rows"] == {"old": 3, "new": 3, "added": 1, "removed": 1, "changed": 1}
    assert (said["matchedBy"], said["key"], said["reordered"]) == ("key", "id", True)
    assert said["samples"]["added"] == [{"row": 2, "values": {"id": "4", "label": "d"}}]
    assert said["samples"]["removed"] == [{"row": 1, "values": {"id": "2", "label": "b"}}]
    assert said["samples"]["changed"] == [
        {"row": 1, "oldRow": 0, "key": "1", "cells": [{"column": "label", "old": "a", "new": "z"}]}
    ]
    assert said["changedByColumn"] == [{"column": "label", "rows": 1}]
    assert said["summary"] == "1 row added; 1 row removed; 1 row changed; rows in another order"


def test_a_column_with_repeated_or_missing_values_is_no_key() -> None:
    said = compare("csv", b"id,x\n1,a\n1,b\n", b"id,x\n1,a\n1,c\n")
    assert (said["matchedBy"], said["rows"]["changed"]) == ("position", 1)
    said = compare("jsonl", jsonl({"id": 1}, {"id": None}), jsonl({"id": 1}, {"id": None}, {"id": 2}))
    assert (said["matchedBy"], said["rows"]["added"]) == ("content", 1)


def test_without_a_key_rows_are_matched_by_content() -> None:
    said = compare("csv", b"a,b\n1,2\n3,4\n3,4\n", b"a,b\n3,4\n5,6\n1,2\n7,8\n")
    assert (said["rows"]["added"], said["rows"]["removed"]) == (2, 1)
    assert [each["row"] for each in said["samples"]["added"]] == [1, 3]


def test_columns_that_come_and_go_do_not_make_every_row_a_changed_one() -> None:
    old = jsonl({"id": 1, "a": 1, "b": "x"}, {"id": 2, "a": 2, "b": "y"})
    new = jsonl({"id": 1, "a": 1.5, "c": []}, {"id": 2, "a": 2, "c": [1]})
    said = compare("jsonl", old, new)
    assert said["columns"] == {
        "added": [{"name": "c", "type": "list"}],
        "removed": [{"name": "b", "type": "string"}],
        "retyped": [{"name": "a", "old": "integer", "new": "number"}],
        "reordered": False,
    }
    assert said["rows"]["changed"] == 1
    assert said["summary"] == (
        "1 row changed; 1 column added ('c'); 1 column removed ('b'); 1 column retyped ('a' integer → number)"
    )


def test_the_types_of_texts_are_judged_by_their_values() -> None:
    said = compare("csv", b"a,b,c,d\n1,2,x,true\n", b"a,b,c,d\n1,2.5,,yes\n")
    assert [(each["name"], each["old"], each["new"]) for each in said["columns"]["retyped"]] == [
        ("b", "integer", "number"),
        ("c", "string", "empty"),
        ("d", "boolean", "string"),
    ]


def test_separators_quotes_line_ends_and_bytes_of_any_kind() -> None:
    said = compare("csv", b'\xef\xbb\xbfid;t\r\n1;"a;\nb"\r\n2;c\r\n', b'id,t\n1,"a;\nb"\n2,d\n')
    assert (said["rows"]["changed"], said["columns"]["added"]) == (1, [])
    said = compare("tsv", b"id\tt\n1\ta,b\n", b"id\tt\n1\ta,c\n\n2\t\xff\xfe\n")
    assert (said["rows"]["changed"], said["rows"]["added"]) == (1, 1)
    assert said["samples"]["added"][0]["values"]["t"] == "\ufffd\ufffd"


def test_gzip_is_read_and_a_bomb_is_only_read_for_so_long() -> None:
    old, new = (gzip.compress(b"id,x\n1,a\n" + more) for more in (b"", b"2,b\n"))
    said = tabular.compare_rows("csv", [part(old, "a.csv.gz")], [part(new, "a.csv.gz")], budget())
    assert said["rows"]["added"] == 1
    bomb = gzip.compress(b"x\n" + b"\n" * 500_000)
    with pytest.raises(Unreadable, match="gzip"):
        tabular.compare_rows(
            "csv", [part(bomb[:-9] + b"garbage!!", "a.csv.gz")], [part(new, "a.csv.gz")], budget()
        )
    endless = gzip.compress(b"y" * 40_000_000)
    with pytest.raises(Unreadable, match="line"):
        tabular.compare_rows("csv", [part(endless, "a.csv.gz")], [part(new, "a.csv.gz")], budget())


def test_parquet_of_any_type() -> None:
    import datetime
    import decimal

    table = pa.table(
        {
            "id": [1, 2],
            "when": [datetime.datetime(2024, 1, 1), None],
            "price": [decimal.Decimal("1.10"), decimal.Decimal("2.20")],
            "raw": [b"\0\1" * 3000, b"x"],
            "nested": [{"a": [1, 2]}, {"a": []}],
            "far": pa.array([2**63, 1], pa.uint64()),
        }
    )
    other = table.set_column(3, "raw", pa.array([b"\0\1" * 3000 + b"!", b"x"]))
    said = compare("parquet", parquet(table), parquet(other))
    assert said["rows"]["changed"] == 1
    assert said["changedByColumn"] == [{"column": "raw", "rows": 1}]
    json.dumps(said)
    retyped = compare("parquet", parquet(table), parquet(table.set_column(0, "id", pa.array(["1", "2"]))))
    assert retyped["columns"]["retyped"] == [{"name": "id", "old": "int64", "new": "string"}]
    same = compare("parquet", parquet(table), parquet(table, compression="zstd", row_group_size=1))
    assert same["summary"] == "no row changed (2 rows, only how the file is written)"


def test_shards_are_one_table() -> None:
    old = [part(jsonl({"id": 1}, {"id": 2})), part(jsonl({"id": 3}))]
    new = [part(jsonl({"id": 1})), part(jsonl({"id": 2})), part(jsonl({"id": 3}, {"id": 4}))]
    said: Any = tabular.compare_rows("jsonl", old, new, budget())
    assert said["summary"] == "1 row added"
    assert said["samples"]["added"] == [{"row": 3, "values": {"id": 4}}]


def test_json_is_a_table_or_settings() -> None:
    rows = [b'[{"id": 1}]', b'[{"id": 1}, {"id": 2}]']
    said = tabular.compare_json_file([part(rows[0])], [part(rows[1])], budget())
    assert (said["kind"], said["summary"]) == ("rows", "1 row added")
    said = tabular.compare_json_file([part(b'{"a": 1}')], [part(b'{"a": 2}')], budget())
    assert ("kind" in said, said["summary"]) == (False, "1 value changed (a: 1 → 2)")


def test_of_too_much_the_first_is_compared_and_the_answer_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    old = b"id\n" + b"".join(b"%d\n" % n for n in range(5000))
    monkeypatch.setattr(tabular, "MAX_ROWS", 1024)
    said = compare("csv", old, b"id\n" + b"".join(b"%d\n" % n for n in range(1, 5000)))
    assert said["sampled"] is True
    assert said["rows"]["old"] == said["rows"]["new"] == 1024
    assert said["summary"].endswith("compared the first 1,024 rows")
    monkeypatch.setattr(tabular, "MAX_ROWS", 10**6)
    late = compare("csv", old, old + b"5000\n", Budget(1 << 30, 0))
    assert late["sampled"] is True
    assert late["rows"]["old"] == 512


def test_reading_stays_within_the_budget() -> None:
    reads = []

    def counting(data: bytes) -> Part:
        def read(start: int, length: int) -> bytes:
            reads.append(length)
            return data[start : start + length]

        return Part("a.csv", len(data), read)

    data = b"id,x\n" + b"".join(b"%07d,%s\n" % (n, b"x" * 90) for n in range(200_000))
    said: Any = tabular.compare_rows(
        "csv", [counting(data)], [counting(data + b"1,2\n")], Budget(1 << 20, 60)
    )
    assert said["sampled"] is True
    assert sum(reads) < 8 * 4 * 1024 * 1024, "a window for each pass and each look at a header"


def test_a_new_table_is_described() -> None:
    said: Any = tabular.compare_rows("csv", [], [part(b"a,b\n1,x\n")], budget())
    assert said["summary"] == "1 row, 2 columns"
    assert said["columns"] == [{"name": "a", "type": "integer"}, {"name": "b", "type": "string"}]


_TABLE = st.lists(st.tuples(st.integers(0, 8), st.sampled_from("abc")), max_size=12)


@settings(deadline=None, max_examples=150)
@given(_TABLE, _TABLE, st.sampled_from(["csv", "jsonl", "parquet"]), st.booleans())
def test_counts_agree_with_a_plain_computation(
    old: list[tuple[int, str]], new: list[tuple[int, str]], name: str, is_keyed: bool
) -> None:
    column = "id" if is_keyed else "n"

    def written(rows: list[tuple[int, str]]) -> bytes:
        if name == "csv":
            sink = io.StringIO()
            csv.writer(sink).writerows([(column, "x"), *rows])
            return sink.getvalue().encode()
        if name == "jsonl":
            return jsonl(*({column: n, "x": x} for n, x in rows))
        return parquet(
            pa.table({column: pa.array([n for n, _ in rows], pa.int64()), "x": [x for _, x in rows]})
        )

    said = compare(name, written(old), written(new))
    rows = said["rows"]
    assert (rows["old"], rows["new"]) == (len(old), len(new))
    if is_keyed and said["matchedBy"] == "key":
        before, after = dict(old), dict(new)
        assert rows["added"] == len(after.keys() - before.keys())
        assert rows["removed"] == len(before.keys() - after.keys())
        assert rows["changed"] == sum(after[key] != before[key] for key in before.keys() & after.keys())
    elif said["matchedBy"] == "position":
        assert rows["changed"] == sum(a != b for a, b in zip(old, new, strict=True))
    elif old and new:
        first, second = Counter(old), Counter(new)
        assert rows["added"] == (second - first).total()
        assert rows["removed"] == (first - second).total()

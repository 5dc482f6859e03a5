"""The SQL console: what people ask of their data is answered, and nothing else is."""

from __future__ import annotations

import io
import time
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq
import pytest

from openhood.base.errors import SqlRefused, TableTimeout, TableTooLarge
from openhood.engines.tables import console
from openhood.engines.tables.task import Reply, Source, Task


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Source]:
    """Two small tables; the second has a value of each kind that JSON has no word for."""
    place = tmp_path_factory.mktemp("sql")
    first = pa.table({"a": [1, 2, 3], "t": ["x", "y", "z"]})
    second = pa.table(
        {
            "a": [2, 3],
            "when": pa.array([0, None], pa.timestamp("us")),
            "raw": [b"\xff", b"ok"],
            "x": [float("nan"), 1.5],
            "deep": [{"k": [1, 2]}, None],
        }
    )
    sources = []
    for name, table in (("one", first), ("two", second)):
        path = place / f"{name}.parquet"
        pq.write_table(table, path)
        sources.append(Source(path.name, name, path.stat().st_size, str(path), True, lambda ranges: None))
    return sources


def _run(files: list[Source], sql: str, *, form: str = "json", rows: int = 100, seconds: float = 20) -> Reply:
    views = [
        {"schema": "main", "name": "train", "sources": [0]},
        {"schema": "default", "name": "train", "sources": [0]},
        {"schema": "bob/other", "name": "te-st", "sources": [1]},
    ]
    return console.sql(
        Task(
            "sql",
            {"sql": sql, "views": views, "known": ["train"], "rows": rows, "format": form},
            files,
            None,
            seconds,
        )
    )


def _rows(files: list[Source], sql: str, **more: Any) -> list[list[Any]]:
    rows: list[list[Any]] = orjson.loads(_run(files, sql, **more).body)["rows"]
    return rows


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT a, t FROM train ORDER BY a DESC LIMIT 1", [[3, "z"]]),
        ('FROM "default".train WHERE a = 2', [[2, "y"]]),
        ("SELECT count(*) FROM TRAIN", [[3]]),
        ('SELECT t FROM train JOIN "bob/other"."te-st" USING (a) ORDER BY a', [["y"], ["z"]]),
        ("WITH c AS (SELECT a FROM train WHERE a > 1) SELECT sum(a) FROM c", [[5]]),
        (
            "WITH RECURSIVE r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < 3) SELECT sum(n) FROM r",
            [[6]],
        ),
        ("SELECT list_transform([1, 2], lambda x: x + 1)", [[[2, 3]]]),
        ("SELECT * FROM range(2)", [[0], [1]]),
        ("SELECT unnest([1, 2])", [[1], [2]]),
        (
            "SELECT 1.50::DECIMAL(9, 2), 12345678901234567890.123::DECIMAL(38, 3)",
            [[1.5, "12345678901234567890.123"]],
        ),
        ("VALUES (1, 'é')", [[1, "é"]]),
        ("SELECT (SELECT max(a) FROM train) AS m;", [[3]]),
        ("SELECT column_name FROM (DESCRIBE train)", [["a"], ["t"]]),
        ("SELECT a -- a comment\nFROM train /* another */ LIMIT 1", [[1]]),
        ("SELECT ';' AS s", [[";"]]),
    ],
)
def test_questions_are_answered(files: list[Source], sql: str, expected: list[list[Any]]) -> None:
    assert _rows(files, sql) == expected


def test_values_that_json_has_no_word_for(files: list[Source]) -> None:
    rows = _rows(files, 'FROM "bob/other"."te-st" ORDER BY a')
    assert rows == [[2, "1970-01-01T00:00:00", "ff", None, {"k": [1, 2]}], [3, None, "ok", 1.5, None]]


def test_a_long_result_is_cut_and_says_so(files: list[Source]) -> None:
    reply = _run(files, "SELECT * FROM range(5000)", rows=1500)
    assert orjson.loads(reply.body)["rows"][-1] == [1499]
    assert reply.facts["truncated"] is True
    assert _run(files, "SELECT * FROM range(1500)", rows=1500).facts["truncated"] is False


def test_results_as_files(files: list[Source]) -> None:
    sql = "SELECT a, {'k': t} AS deep FROM train ORDER BY a"
    assert _run(files, sql, form="csv").body.decode() == '"a","deep"\n' + "".join(
        f'{a},"{{""k"":""{t}""}}"\n' for a, t in ((1, "x"), (2, "y"), (3, "z"))
    )
    expected = [{"a": a, "deep": {"k": t}} for a, t in ((1, "x"), (2, "y"), (3, "z"))]
    assert pq.read_table(io.BytesIO(_run(files, sql, form="parquet").body)).to_pylist() == expected
    assert pyarrow.ipc.open_stream(_run(files, sql, form="arrow").body).read_all().to_pylist() == expected


ESCAPES = (
    "SELECT * FROM read_text('/etc/passwd')",
    "SELECT * FROM read_blob('/proc/self/environ')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM read_json('/etc/passwd')",
    "SELECT * FROM read_parquet('/tmp/x.parquet')",
    "SELECT * FROM parquet_metadata('/tmp/x.parquet')",
    "SELECT * FROM sniff_csv('/etc/passwd')",
    "SELECT * FROM glob('/*')",
    "SELECT * FROM '/etc/passwd'",
    "SELECT * FROM 'https://example.org/x.parquet'",
    "SELECT * FROM train WHERE a IN (SELECT a FROM read_csv('/etc/passwd'))",
    "SELECT EXISTS (FROM duckdb_secrets())",
    "WITH c AS (FROM read_text('/etc/passwd')) FROM c",
    "FROM (DESCRIBE FROM duckdb_settings())",
    "SELECT * FROM query('SELECT * FROM duckdb_settings()')",
    "SELECT * FROM query_table('duckdb_settings')",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM duckdb_settings",
    "SELECT * FROM main.duckdb_tables",
    "SELECT * FROM system.main.duckdb_views",
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM pg_catalog.pg_tables",
    "SELECT * FROM sqlite_master",
    "SELECT * FROM pragma_database_list",
    "SELECT * FROM duckdb_logs()",
    "WITH duckdb_views AS (SELECT 1) FROM duckdb_views",
    'WITH "/etc/passwd" AS (SELECT 1) FROM "/etc/passwd"',
    "SELECT current_setting('allowed_paths')",
    "SELECT getenv('HOME')",
    "SELECT getvariable('x')",
    "SELECT write_log('x')",
    "SHOW TABLES",
    "SHOW ALL TABLES",
    "SHOW DATABASES",
    "EXPLAIN SELECT 1",
    "EXPLAIN ANALYZE SELECT 1",
    "COPY train TO '/tmp/x.csv'",
    "COPY (SELECT 1) TO '/tmp/x.csv'",
    "EXPORT DATABASE '/tmp/x'",
    "IMPORT DATABASE '/tmp/x'",
    "ATTACH '/tmp/x.db'",
    "DETACH memory",
    "USE memory",
    "INSTALL httpfs",
    "LOAD httpfs",
    "FORCE INSTALL spatial FROM community",
    "SET threads = 1",
    "RESET threads",
    "SET VARIABLE x = 1",
    "PRAGMA database_list",
    "PRAGMA enable_profiling",
    "CALL pragma_version()",
    "CHECKPOINT",
    "CREATE TABLE x (a INT)",
    "CREATE SECRET s (TYPE s3)",
    "CREATE MACRO m() AS 1",
    "CREATE OR REPLACE VIEW train AS SELECT 1",
    "DROP VIEW train",
    "INSERT INTO train VALUES (1, 'x')",
    "UPDATE train SET a = 1",
    "DELETE FROM train",
    "PREPARE p AS SELECT 1",
    "EXECUTE p",
    "BEGIN",
    "VACUUM",
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP VIEW train",
    "",
    "   -- nothing",
    "SELECT",
    "SELECT 1 \0",
    "SELECT " + "(" * 5000 + "1" + ")" * 5000,
    "SELECT '" + "x" * 60_000 + "'",
)


@pytest.mark.parametrize("sql", ESCAPES, ids=lambda sql: sql[:40] or "nothing")
def test_everything_else_is_refused(files: list[Source], sql: str) -> None:
    with pytest.raises(SqlRefused) as refused:
        _run(files, sql)
    assert refused.value.message
    assert str(Path(files[0].path).parent) not in refused.value.message


@pytest.mark.parametrize("sql", ["SELECT nope FROM train", "SELECT a + t FROM train", "SELECT 1 / 'x'::INT"])
def test_mistakes_are_explained_without_paths(files: list[Source], sql: str) -> None:
    with pytest.raises(SqlRefused, match="Error") as refused:
        _run(files, sql)
    assert str(Path(files[0].path).parent) not in refused.value.message


def test_time_and_memory_are_bounded(files: list[Source]) -> None:
    started = time.monotonic()
    with pytest.raises(TableTimeout, match="longer than"):
        _run(
            files,
            "SELECT count(*) FROM range(1000000000000) a, range(1000000) b WHERE hash(a.range, b.range) = 1",
            seconds=1,
        )
    assert time.monotonic() - started < 20
    with pytest.raises((TableTooLarge, TableTimeout, SqlRefused)):
        _run(files, "SELECT string_agg(repeat('x', 1000000), '') FROM range(100000)", seconds=15)

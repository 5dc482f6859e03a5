"""Running one statement of the SQL console over the views of datasets, and writing its result as what was asked for."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import duckdb
import orjson
import pyarrow as pa
import pyarrow.csv
import pyarrow.ipc
import pyarrow.parquet as pq

from openhood.base.errors import SqlRefused
from openhood.engines.tables import duck
from openhood.engines.tables.jail import hide_paths
from openhood.engines.tables.sql_rules import check_statement
from openhood.engines.tables.task import Reply, Task

FORMATS = {
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
    "arrow": "application/vnd.apache.arrow.stream",
}
"""What results are written as, and the media types of these."""
_MAX_RESULT_BYTES = 64 * 1024 * 1024
_MAX_COLUMNS = 2000
_BATCH_ROWS = 1024


@dataclass(frozen=True, slots=True)
class _Result:
    table: pa.Table
    types: Sequence[str]
    is_cut: bool


def sql(task: Task) -> Reply:
    """Run a statement.

    Parameters: ``sql``; ``views``, each with ``schema``, ``name`` and ``sources`` (numbers of the task's); ``known``,
    names of views to tell people of; ``rows``, the most that are given; ``format``, one of `FORMATS`. The facts hold ``rows`` and ``truncated``.
    Raises: SqlRefused, TableTimeout, TableTooLarge.
    """
    params = task.params
    started = time.monotonic()
    views = {(view["schema"], view["name"]): view["sources"] for view in params["views"]}
    con = duck.connect(task)
    try:
        check_statement(con, params["sql"], views=list(views), known=params["known"])
        _make_views(con, task, views)
        with duck.answering(task):
            result = _run(con, params["sql"], rows=int(params["rows"]))
    finally:
        con.close()
    elapsed_ms = round((time.monotonic() - started) * 1000, 1)
    facts = {"rows": result.table.num_rows, "truncated": result.is_cut, "elapsed_ms": elapsed_ms}
    return Reply(facts, _written(result, str(params["format"]), elapsed_ms))


def _make_views(con: duckdb.DuckDBPyConnection, task: Task, views: dict[tuple[str, str], list[int]]) -> None:
    for (schema, name), numbers in views.items():
        sources = [task.sources[number] for number in numbers]
        duck.bring(sources)
        if schema != "main":
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {duck.quote_name(schema)}")
        place = f"{duck.quote_name(schema)}.{duck.quote_name(name)}"
        con.execute(f"CREATE VIEW {place} AS SELECT * FROM {duck.scan(sources)}")


def _run(con: duckdb.DuckDBPyConnection, statement: str, *, rows: int) -> _Result:
    try:
        relation = con.sql(statement)
        types = [str(kind) for kind in relation.types]
        if len(types) > _MAX_COLUMNS:
            raise SqlRefused(f"A result may have {_MAX_COLUMNS} columns at most; this has {len(types)}.")
        reader = relation.to_arrow_reader(_BATCH_ROWS)
        batches, is_cut = _taken(reader, rows)
        table = pa.Table.from_batches(batches, reader.schema)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException):
        raise
    except duckdb.Error as error:
        raise SqlRefused(hide_paths("\n".join(str(error).splitlines()[:4])[:800])) from None
    return _Result(table, types, is_cut)


def _taken(reader: Iterator[pa.RecordBatch], rows: int) -> tuple[list[pa.RecordBatch], bool]:
    """Return the first batches of a result, and whether there was more."""
    taken: list[pa.RecordBatch] = []
    left, size = rows, 0
    for batch in reader:
        size += batch.nbytes
        if batch.num_rows > left or size > _MAX_RESULT_BYTES:
            kept = min(left, batch.num_rows) if size <= _MAX_RESULT_BYTES else 0
            return [*taken, batch.slice(0, kept)], True
        taken.append(batch)
        left -= batch.num_rows
    return taken, False


def _written(result: _Result, form: str, elapsed_ms: float) -> bytes:
    if form == "json":
        return _as_json(result, elapsed_ms)
    sink = io.BytesIO()
    if form == "csv":
        pyarrow.csv.write_csv(_flat(result.table), sink)
    elif form == "parquet":
        pq.write_table(result.table, sink, compression="zstd")
    else:
        with pyarrow.ipc.new_stream(sink, result.table.schema) as writer:
            writer.write_table(result.table)
    return sink.getvalue()


def _as_json(result: _Result, elapsed_ms: float) -> bytes:
    names = result.table.column_names
    columns = [{"name": name, "type": kind} for name, kind in zip(names, result.types, strict=True)]
    values = [column.to_pylist() for column in result.table.columns]
    document = {
        "columns": columns,
        "rows": list(zip(*values, strict=True)) if values else [],
        "num_rows": result.table.num_rows,
        "truncated": result.is_cut,
        "elapsed_ms": elapsed_ms,
    }
    return orjson.dumps(document, default=_plain, option=orjson.OPT_NON_STR_KEYS)


def _flat(table: pa.Table) -> pa.Table:
    """Return a table of what CSV can hold: nested values as JSON text."""
    for number, column in enumerate(table.columns):
        if (
            pa.types.is_nested(column.type)
            or pa.types.is_binary(column.type)
            or pa.types.is_large_binary(column.type)
        ):
            texts = [None if value is None else _text(value) for value in column.to_pylist()]
            table = table.set_column(number, table.column_names[number], pa.array(texts, pa.string()))
    return table


def _text(value: Any) -> str:  # Any: a value of any column
    return (
        str(_plain(value))
        if isinstance(value, bytes)
        else orjson.dumps(value, default=_plain, option=orjson.OPT_NON_STR_KEYS).decode()
    )


def _plain(value: Any) -> Any:
    """Return what JSON can hold of a value that it has no word for."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()
    if isinstance(value, Decimal):
        return _number(value)
    return list(value) if isinstance(value, set | frozenset) else str(value)


def _number(value: Decimal) -> int | float | str:
    """Return a decimal (sums of integers are some) as a number where that loses nothing, else as text."""
    if value == value.to_integral_value() and abs(value) < 2**63:
        return int(value)
    nearest = float(value)
    return nearest if Decimal(repr(nearest)) == value else str(value)

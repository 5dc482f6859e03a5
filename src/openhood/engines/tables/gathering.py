"""Whole rows by their numbers, from anywhere in a split: what a search or an order has found."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from openhood.engines.tables import duck
from openhood.engines.tables.task import Source, Task

_ROW = "__row"
_Wanted = tuple[Source, list[int], int]
"""A source, numbers of rows in it, and the number of its first row in all sources together."""


def gather(
    task: Task, rows: Sequence[int], *, counts: Sequence[int], columns: Sequence[str] | None = None
) -> pa.Table:
    """Return rows of the task's sources in the order of ``rows``, numbers in all of them together.

    ``counts`` are the rows of each source. Far-away files give the row groups that are needed.
    """
    wanted = _by_source(task.sources, rows, counts)
    is_plain = bool(wanted) and duck.has_plain_names(duck.footer(wanted[0][0]).schema.to_arrow_schema().names)
    if not wanted:
        return _empty(task.sources, columns)
    tables = _from_all(task, wanted, columns, is_plain=is_plain)
    table = pa.concat_tables(tables, promote_options="permissive") if len(tables) > 1 else tables[0]
    last = table.num_columns - 1
    places = {number: at for at, number in enumerate(table.column(last).to_pylist())}
    return table.remove_column(last).take([places[row] for row in rows])


def _by_source(sources: Sequence[Source], rows: Sequence[int], counts: Sequence[int]) -> list[_Wanted]:
    found, start = [], 0
    for source, count in zip(sources, counts, strict=True):
        numbers = sorted({row - start for row in rows if start <= row < start + count})
        if numbers:
            found.append((source, numbers, start))
        start += count
    return found


def _from_all(
    task: Task, wanted: Sequence[_Wanted], columns: Sequence[str] | None, *, is_plain: bool
) -> list[pa.Table]:
    """Read from all sources, several at once: a few rows of a file do not keep DuckDB's threads busy."""
    for source, numbers, _start in wanted:
        _bring_groups(source, numbers, columns)
    if not is_plain:
        return [_by_pyarrow(*each, columns) for each in wanted]
    with ExitStack() as stack:
        opened = [stack.enter_context(closing(duck.connect(task, is_ours=True))) for _each in wanted]
        with ThreadPoolExecutor(min(len(wanted), os.cpu_count() or 1)) as pool:
            return list(pool.map(partial(_from_one, task, columns), opened, wanted))


def _from_one(
    task: Task, columns: Sequence[str] | None, connection: duckdb.DuckDBPyConnection, wanted: _Wanted
) -> pa.Table:
    try:
        return _by_duckdb(task, connection, *wanted, columns)
    except duckdb.NotImplementedException:
        return _by_pyarrow(*wanted, columns)


def _by_duckdb(
    task: Task,
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    numbers: list[int],
    start: int,
    columns: Sequence[str] | None,
) -> pa.Table:
    names = "*" if columns is None else ", ".join(map(duck.quote_name, columns))
    listed = ", ".join(map(str, numbers))
    with duck.answering(task):
        query = (
            f"SELECT {names}, (file_row_number + {start})::BIGINT AS {_ROW} FROM {duck.scan([source])} "
            f"WHERE file_row_number IN ({listed})"
        )
        return connection.sql(query).to_arrow_table()


def _by_pyarrow(source: Source, numbers: list[int], start: int, columns: Sequence[str] | None) -> pa.Table:
    """The same for types and names that DuckDB does not have."""
    tables, first = [], 0
    with source.open() as file:
        parquet = pq.ParquetFile(file)
        for group in range(parquet.num_row_groups):
            count = parquet.metadata.row_group(group).num_rows
            inside = [number for number in numbers if first <= number < first + count]
            if inside:
                read = parquet.read_row_group(group, columns=None if columns is None else list(columns))
                taken = read.take([number - first for number in inside])
                tables.append(
                    taken.append_column(_ROW, pa.array([number + start for number in inside], pa.int64()))
                )
            first += count
    return pa.concat_tables(tables)


def _bring_groups(source: Source, numbers: Sequence[int], columns: Sequence[str] | None) -> None:
    if source.is_whole:
        return
    known = duck.footer(source)
    groups, first = [], 0
    for group in range(known.num_row_groups):
        count = known.row_group(group).num_rows
        if any(first <= number < first + count for number in numbers):
            groups.append(group)
        first += count
    source.need(duck.chunk_ranges(known, None if columns is None else set(columns), groups))


def _empty(sources: Sequence[Source], columns: Sequence[str] | None) -> pa.Table:
    if not sources:
        return pa.table({})
    schema = duck.footer(sources[0]).schema.to_arrow_schema()
    if columns is not None:
        schema = pa.schema([schema.field(name) for name in columns])
    return schema.empty_table()

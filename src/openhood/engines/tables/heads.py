"""The first rows of a split that is no Parquet, read from the beginning of its files and nothing more.

Types are guessed from less than what a conversion guesses them from, so they may still change when one is made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from openhood.engines.tables.features import features_of
from openhood.engines.tables.readers.casting import cast_table
from openhood.engines.tables.readers.formats import open_stream
from openhood.engines.tables.readers.given import Given, Stream
from openhood.engines.tables.task import Reply, Source, Task

CHUNK_BYTES = 1 << 20
"""How much text is read for the first table; where it has too few rows, as much again."""
_MAX_TABLE_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class Head:
    """The first rows, their features (as ``Features.to_dict``), and whether there are no others."""

    table: pa.Table
    features: dict[str, Any]
    is_all: bool


def read_head(
    fmt: str,
    options: Mapping[str, Any],
    features: Mapping[str, Any] | None,
    sources: Sequence[Source],
    rows: int,
    task: Task | None = None,
) -> Head:
    """Return the first rows of files, at least one where there is one, at most ``rows``.

    Raises: FormatNotSupported; TableUnreadable, TableCastFailed, TooManyColumns, TableTooLarge for what the files are.
    """
    given = Given(
        sources=sources,
        options=options,
        features=features,
        check=_nothing if task is None else task.check_time,
        chunk_bytes=CHUNK_BYTES,
    )
    stream = open_stream(fmt, given)
    tables, known, is_all = _take(stream, rows)
    if not tables:
        empty = cast_table(pa.table({}), known) if known else pa.table({})
        return Head(empty, dict(known or {}), True)
    whole = pa.concat_tables(tables)
    return Head(whole.slice(0, rows), dict(known or {}), is_all and len(whole) <= rows)


def _take(stream: Stream, rows: int) -> tuple[list[pa.Table], Mapping[str, Any] | None, bool]:
    tables: list[pa.Table] = []
    known = stream.features
    count = size = 0
    for table in stream.tables:
        if known is None:
            known = features_of(table.schema)
        table = cast_table(table, known)
        tables.append(table)
        count += len(table)
        size += table.nbytes
        if count > rows or (count and size > _MAX_TABLE_BYTES):
            return tables, known, False
    return tables, known, True


def _nothing() -> None:
    """Check nothing."""


def head(task: Task) -> Reply:
    """Return the first rows as an Arrow stream.

    Params: ``table`` {format, options, features}, ``rows``. Facts: features, is_all, rows.
    """
    table = task.params["table"]
    found = read_head(
        table["format"],
        table.get("options") or {},
        table.get("features"),
        task.sources,
        int(task.params.get("rows", 100)),
        task,
    )
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, found.table.schema) as writer:
        writer.write_table(found.table)
    facts = {"features": found.features, "is_all": found.is_all, "rows": len(found.table)}
    return Reply(facts, sink.getvalue().to_pybytes())


def infer(task: Task) -> Reply:
    """Return the features that files have by their first table, as ``datasets`` finds them for all splits of a config.

    Params: ``table`` {format, options, features}. Facts: features (null where there are no rows).
    """
    table = task.params["table"]
    given = Given(task.sources, table.get("options") or {}, table.get("features"), task.check_time)
    stream = open_stream(table["format"], given)
    if stream.features is not None:
        return Reply({"features": dict(stream.features)})
    first = next(stream.tables, None)
    return Reply({"features": None if first is None else features_of(first.schema)})

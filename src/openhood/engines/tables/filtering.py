"""The operation behind ``/filter``: which rows hold a condition and in what order, then the rows of one page.

First the rows' numbers are found by reading only the columns that are asked about, all files at once; then the page's
rows are fetched whole. What was found is kept for the next page, as long as the worker lives.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from openhood.base.errors import InvalidParameter
from openhood.engines.tables import cells, duck, pages
from openhood.engines.tables.conditions import (
    TABLE,
    Bound,
    Compiled,
    Ordering,
    compile_orderby,
    compile_where,
)
from openhood.engines.tables.gathering import gather
from openhood.engines.tables.grammar import parse_orderby, parse_where
from openhood.engines.tables.shapes import Shape, shapes_of
from openhood.engines.tables.task import Reply, Task

_ROW = "__row"
_COUNTED = "\x01row"
"""A name that no column has."""
_MAX_SPANS = 3
_NEAR_ROWS = 50
"""Rows so near to each other are read together; in more spans, a query that skips what lies between is faster."""
_WINDOW = 1000
"""Rows whose numbers are found at once: they cost nothing more than those of a page."""
_KEPT_HITS = 64
_KEPT_SHAPES = 8
_ONE_PASS_ROWS = 20_000_000
"""In splits with more rows, ordering and counting are two passes rather than one that holds all hits."""


@dataclass(frozen=True, slots=True)
class Question:
    """A condition and an order, compiled. None: no such thing was asked for."""

    where: Compiled | None
    orderby: Ordering | None

    @property
    def columns(self) -> frozenset[str]:
        """The top-level columns that are read to answer it."""
        asked = [each.columns for each in (self.where, self.orderby) if each is not None]
        return frozenset(name for each in asked for name in each)


@dataclass(slots=True)
class Hits:
    """How many rows there are, and the numbers of those from ``start`` on in their order."""

    total: int
    start: int
    rows: list[int]

    def has(self, offset: int, length: int) -> bool:
        """Tell whether a page is among them."""
        stop = min(offset + length, self.total)
        return self.start <= offset and stop <= self.start + len(self.rows)

    def page(self, offset: int, length: int) -> list[int]:
        """Return the numbers of the rows of a page."""
        return self.rows[offset - self.start : offset - self.start + length]


_hits: OrderedDict[tuple[object, ...], Hits] = OrderedDict()
_shapes: OrderedDict[tuple[object, ...], dict[str, Shape]] = OrderedDict()


def filter_rows(task: Task) -> Reply:
    """Return a page of the rows that hold a condition, in an order, as ``/rows`` writes them.

    Parameters: ``where`` and ``orderby`` (text, may be empty), ``offset``, ``length``, ``features``, ``counts`` (rows
    of each source), ``links``, ``partial``. The facts hold ``total``. Raises InvalidParameter, TableTimeout.
    """
    params = task.params
    offset, length = int(params["offset"]), int(params["length"])
    counts: list[int] = params["counts"]
    found = find(task, params["where"], params["orderby"], counts=counts, offset=offset, length=length)
    rows = found.page(offset, length)
    table = whole_rows(task, rows, counts=counts, features=params["features"])
    body = cells.page(
        table, params["features"], rows, params["links"], total=found.total, partial=bool(params["partial"])
    )
    return Reply({"total": found.total}, body)


def whole_rows(
    task: Task, rows: Sequence[int], *, counts: Sequence[int], features: Mapping[str, Any]
) -> pa.Table:
    """Return rows by their numbers in the split, in the order of ``rows``; those that lie together are one read."""
    spans: list[list[int]] = []
    for row in sorted(rows):
        if spans and row - spans[-1][1] <= _NEAR_ROWS:
            spans[-1][1] = row
        else:
            spans.append([row, row])
    if len(spans) > _MAX_SPANS:
        return gather(task, rows, counts=counts)
    parts = [part for first, last in spans for part in _parts(task, counts, first, last + 1)]
    table = pages.read_parts(task, parts, features)
    places: dict[int, int] = {}
    start = 0
    for first, last in spans:
        places |= {row: start + row - first for row in range(first, last + 1)}
        start += last + 1 - first
    return table.take(pa.array([places[row] for row in rows], pa.int64()))


def _parts(task: Task, counts: Sequence[int], first: int, stop: int) -> list[pages.Part]:
    found, start = [], 0
    for source, count in zip(task.sources, counts, strict=True):
        low, high = max(first, start), min(stop, start + count)
        if low < high:
            found.append(pages.Part(source, low - start, high - low))
        start += count
    return found


def find(task: Task, where: str, orderby: str, *, counts: Sequence[int], offset: int, length: int) -> Hits:
    """Return the numbers of the rows of a page at least, and how many rows there are in all."""
    tree, orders = parse_where(where), parse_orderby(orderby)
    total = sum(counts)
    if tree is None and not orders:
        stop = min(offset + length, total)
        return Hits(total, offset, list(range(offset, stop)))
    key = (tuple(source.key for source in task.sources), where, orderby)
    kept = _hits.get(key)
    if kept is not None and kept.has(offset, length):
        _hits.move_to_end(key)
        return kept
    connection = duck.connect(task, is_ours=True)
    try:
        with duck.answering(task):
            shapes = shapes_for(task, connection)
            question = Question(
                None if tree is None else compile_where(tree, shapes),
                compile_orderby(orders, shapes) if orders else None,
            )
            duck.bring(task.sources, question.columns)
            known = total if tree is None else None if kept is None else kept.total
            found = _Search(task, connection, question, counts).run(offset, max(length, _WINDOW), known)
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException) as error:
        raise InvalidParameter(
            f"The condition cannot be applied to this data: {_first_line(error)}"
        ) from None
    finally:
        connection.close()
    _hits[key] = found
    while len(_hits) > _KEPT_HITS:
        _hits.popitem(last=False)
    return found


def shapes_for(task: Task, connection: duckdb.DuckDBPyConnection) -> dict[str, Shape]:
    """Return the shapes of the columns of the task's sources, with the labels of its ``features``; kept by content."""
    key = tuple(source.key for source in task.sources)
    known = _shapes.get(key)
    if known is None:
        for source in task.sources:
            if not source.is_whole:
                duck.footer(source)
        names = list(duck.footer(task.sources[0]).schema.to_arrow_schema().names)
        known = shapes_of(connection, duck.scan(task.sources), names, task.params.get("features"))
        _shapes[key] = known
        while len(_shapes) > _KEPT_SHAPES:
            _shapes.popitem(last=False)
    return known


class _Search:
    """Runs a question. Rows without an order come as they lie in the files, equal ones too."""

    def __init__(
        self, task: Task, connection: duckdb.DuckDBPyConnection, question: Question, counts: Sequence[int]
    ) -> None:
        self._connection = connection
        self._question = question
        self._row = duck.row_number(counts)
        self._count = sum(counts)
        table = duck.scan(task.sources)
        if not duck.has_plain_names(duck.footer(task.sources[0]).schema.to_arrow_schema().names):
            # A column of the file hides the engine's own numbers of rows: these are counted.
            self._row = f"{TABLE}.{duck.quote_name(_COUNTED)}"
            table = f"(SELECT *, row_number() OVER () - 1 AS {duck.quote_name(_COUNTED)} FROM {table})"
        self._from = f"FROM {table} AS {TABLE}"

    def run(self, offset: int, length: int, known: int | None) -> Hits:
        if self._question.orderby is None:
            return self._unordered(offset, length, known)
        if known is not None:
            return Hits(known, offset, self._ordered(offset, length))
        if self._count > _ONE_PASS_ROWS:
            return Hits(self._total(), offset, self._ordered(offset, length))
        return self._ordered_and_counted(offset, length)

    def _unordered(self, offset: int, length: int, known: int | None) -> Hits:
        if known is None and offset + length <= 4 * _WINDOW:
            # One pass: the least numbers are kept while rows are counted.
            sql = f"SELECT count(*), min({self._row}, {offset + length}) {self._from} {self._where}"
            total, rows = self._query(sql, self._where_values)[0]
            return Hits(total, offset, list(rows or ())[offset:])
        total = self._total() if known is None else known
        sql = f"SELECT {self._row} {self._from} {self._where} LIMIT {length} OFFSET {offset}"
        return Hits(total, offset, [row for (row,) in self._query(sql, self._where_values)])

    def _ordered(self, offset: int, length: int) -> list[int]:
        order = ", ".join(
            f"{key} {direction}"
            for key, direction in zip(self._order.keys, self._order.directions, strict=True)
        )
        sql = (
            f"SELECT {self._row} AS {_ROW} {self._from} {self._where} "
            f"ORDER BY {order}, {_ROW} LIMIT {length} OFFSET {offset}"
        )
        return [row for (row,) in self._query(sql, (*self._where_values, *self._order.values))]

    def _ordered_and_counted(self, offset: int, length: int) -> Hits:
        keys = ", ".join(f"{key} AS k{at}" for at, key in enumerate(self._order.keys))
        order = ", ".join(f"k{at} {direction}" for at, direction in enumerate(self._order.directions))
        sql = (
            f"WITH hits AS MATERIALIZED (SELECT {self._row} AS {_ROW}, {keys} {self._from} {self._where}) "
            f"SELECT {_ROW}, (SELECT count(*) FROM hits) FROM hits "
            f"ORDER BY {order}, {_ROW} LIMIT {length} OFFSET {offset}"
        )
        found = self._query(sql, (*self._order.values, *self._where_values))
        if found:
            return Hits(found[0][1], offset, [row for row, _total in found])
        return Hits(self._total() if offset else 0, offset, [])

    def _total(self) -> int:
        total: int = self._query(f"SELECT count(*) {self._from} {self._where}", self._where_values)[0][0]
        return total

    @property
    def _order(self) -> Ordering:
        assert self._question.orderby is not None
        return self._question.orderby

    @property
    def _where(self) -> str:
        return "" if self._question.where is None else f"WHERE {self._question.where.sql}"

    @property
    def _where_values(self) -> tuple[Bound, ...]:
        return () if self._question.where is None else self._question.where.values

    def _query(self, sql: str, values: Sequence[Bound]) -> list[Any]:
        return self._connection.execute(sql, list(values)).fetchall()


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:300]

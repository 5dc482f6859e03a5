"""The operation behind ``/statistics``: what the values of each column are like, a column at a time.

One or two queries tell of a column, so that a question about a few columns reads nothing else, and no column's median
waits in memory for another's. The types of columns and their rules are the original's.

=============  ==================================================================================
column_type    rule
=============  ==================================================================================
int, float     of numbers; NaN is counted as missing
bool           how many are true and false
class_label    how many have each label; -1 is no label
string_label   texts with at most 1000 values which are at most 20 % of the rows, or at most 10
string_text    other texts: their lengths in characters
list           the lengths
datetime       moments, also those in texts that are all written in one known way
image          the widths in pixels; audio and video: the seconds
=============  ==================================================================================
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from openhood.base.errors import TableTimeout
from openhood.engines.tables import duck, histograms, measures, moments
from openhood.engines.tables.column_types import column_type
from openhood.engines.tables.filtering import shapes_for
from openhood.engines.tables.histograms import Item, Number, Summary
from openhood.engines.tables.shapes import BYTES, STRUCT, Shape
from openhood.engines.tables.task import Reply, Source, Task

MAX_LABELS = 1000
MAX_LABEL_SHARE = 0.2
MAX_BYTES = 200 * 1000**3
"""Of larger splits, files spread over the split are read, and the answer is partial."""
_DENSE = 100_000
"""Whole numbers that lie in so small a range are counted one by one."""
_FIRST_TEXTS = 20_000
_MAYBE_LABELS = 4 * MAX_LABELS
_MEDIAN_ROWS = 20_000_000


def statistics(task: Task) -> Reply:
    """Return the statistics of some columns.

    Parameters: ``features``, ``counts`` (rows of each source), ``columns`` (names), ``max_bytes``. Facts:
    ``num_examples``, ``statistics`` by column (None where a column has none) and ``partial``: not all rows were read.
    """
    params = task.params
    picked = spread([source.size_bytes for source in task.sources], int(params.get("max_bytes") or MAX_BYTES))
    counts: list[int] = [params["counts"][at] for at in picked]
    sources = [task.sources[at] for at in picked]
    part = Task(task.op, params, sources, task.out, task.left_s)
    found: dict[str, Item | None] = {}
    connection = duck.connect(part, is_ours=True)
    try:
        with duck.answering(task):
            shapes = shapes_for(part, connection)
            for name in params["columns"]:
                task.check_time()
                asked = _Asked(part, connection, sources, sum(counts), name)
                found[name] = _of_column(asked, params["features"].get(name), shapes.get(name))
    finally:
        connection.close()
    facts = {"num_examples": sum(counts), "statistics": found, "partial": len(picked) < len(task.sources)}
    return Reply(facts)


def spread(sizes: Sequence[int], most_bytes: int) -> list[int]:
    """Return which files are read: all, or as many as ``most_bytes`` allow, evenly spread over all of them."""
    total = sum(sizes)
    if total <= most_bytes or len(sizes) < 2:
        return list(range(len(sizes)))
    count = max(1, int(len(sizes) * most_bytes / total))
    return sorted({int((at + 0.5) * len(sizes) / count) for at in range(count)})


@dataclass(frozen=True, slots=True)
class _Asked:
    """One column of some files. ``total`` counts their rows."""

    task: Task
    connection: duckdb.DuckDBPyConnection
    sources: Sequence[Source]
    total: int
    name: str

    def bring(self) -> None:
        duck.bring(self.sources, [self.name])

    def rows(self, select: str, values: Sequence[object] = (), *, after: str = "") -> list[Any]:
        sql = f"SELECT {select} FROM {duck.scan(self.sources)} AS t {after}"  # of this module's parts
        return self.connection.execute(sql, list(values)).fetchall()


def _of_column(asked: _Asked, feature: object, shape: Shape | None) -> Item | None:
    kind = column_type(feature)
    if kind is None or shape is None:
        return None
    asked.bring()
    try:
        made = _measured(asked, kind, feature, shape)
    except (duckdb.InterruptException, duckdb.OutOfMemoryException, TableTimeout):
        raise
    except duckdb.Error:
        return None  # what the engine cannot read has no statistics; the other columns have
    if made is None:
        return None
    name, item = made
    return {"column_name": asked.name, "column_type": name, "column_statistics": item}


def _measured(asked: _Asked, kind: str, feature: Any, shape: Shape) -> tuple[str, Item] | None:
    column = f"t.{duck.quote_name(shape.name)}"
    match kind, shape.kind:
        case ("int" | "float", "number"):
            is_whole = kind == "int" and shape.is_integer
            return kind, _of_integers(asked, column) if is_whole else _of_floats(asked, column)
        case "bool", "bool":
            return kind, _of_truths(asked, column)
        case "class_label", "number":
            return kind, _of_labels(asked, column, feature.get("names") or [])
        case "string", "text":
            return _of_texts(asked, f"CAST({column} AS VARCHAR)" if shape.sql != "VARCHAR" else column)
        case "list", "list":
            return kind, _of_lengths(asked, f"len({column})")
        case "datetime", "datetime":
            return kind, _of_moments(asked, column, moments.zone_in(str(feature.get("dtype"))))
        case ("image" | "audio" | "video", "struct" | "bytes"):
            return _of_media(asked, kind, column, shape)
    return None


def _of_integers(asked: _Asked, number: str) -> Item:
    count, least, greatest = asked.rows(f"count({number}), min({number}), max({number})")[0]
    if not count:
        return histograms.nothing(asked.total)
    if greatest - least <= _DENSE:
        return _of_lengths(asked, number)
    edges = histograms.int_edges(least, greatest)
    wide = f"CAST({number} AS HUGEINT)" if greatest - least >= 2**62 else number
    return _summed(asked, wide, (count, least, greatest), edges)


def _of_floats(asked: _Asked, column: str) -> Item:
    number = f"CASE WHEN isnan({column}::DOUBLE) THEN NULL ELSE {column}::DOUBLE END"
    count, least, greatest = asked.rows(f"count({number}), min({number}), max({number})")[0]
    if not count:
        return histograms.nothing(asked.total)
    low, high = least, greatest
    if not (math.isfinite(least) and math.isfinite(greatest)):
        finite = f"CASE WHEN isfinite({column}::DOUBLE) THEN {column}::DOUBLE END"
        low, high = asked.rows(f"min({finite}), max({finite})")[0]
        if low is None:
            low = high = 0.0
    edges = histograms.float_edges(histograms.rounded(low), histograms.rounded(high))
    item = _summed(asked, number, (count, least, greatest), edges)
    return {**item, "min": _known(least), "max": _known(greatest)}


def _known(number: float) -> float | None:
    return histograms.rounded(number) if math.isfinite(number) else None


def _summed(asked: _Asked, number: str, known: tuple[int, Number, Number], edges: Sequence[Number]) -> Item:
    """Return the statistics of numbers whose count and ends are known."""
    count, least, greatest = known
    inner = edges[1:-1]
    is_large = count > _MEDIAN_ROWS
    parts = [f"avg({number})", "NULL" if is_large else f"median({number})"]
    values = []
    if math.isfinite(least) and math.isfinite(greatest):
        parts.append(f"stddev_samp({number})")
    else:
        parts.append("NULL")
    for edge in inner:
        parts.append(f"count_if({number} < ?)")
        values.append(edge)
    mean, median, std, *below = asked.rows(", ".join(parts), values)[0]
    if is_large:
        median = _median_of_many(asked, number, known)
    summary = Summary(count, least, greatest, float(mean), float(median), None if std is None else float(std))
    return histograms.numbers(summary, asked.total, hist=histograms.cumulated(below, count), edges=edges)


def _median_of_many(asked: _Asked, number: str, known: tuple[int, Number, Number]) -> float:
    count, least, greatest = known

    def count_below(edges: Sequence[Number]) -> Sequence[int]:
        finite = [edge for edge in edges if math.isfinite(edge)]
        rest = [count] * (len(edges) - len(finite))
        parts = ", ".join([f"count_if({number} < ?)"] * len(finite))
        return [*(asked.rows(parts, finite)[0] if finite else ()), *rest]

    def at(rank: int) -> float:
        low, high, below = histograms.find_rank(count_below, least, greatest, rank, most=_MEDIAN_ROWS)
        sql = f"n BETWEEN ? AND ? ORDER BY n LIMIT 1 OFFSET {rank - below}"
        rows = asked.rows(f"{number} AS n", [low, high], after=f"WHERE {sql}")
        return float(rows[0][0])

    return (at((count - 1) // 2) + at(count // 2)) / 2


def _of_lengths(asked: _Asked, number: str) -> Item:
    """Return the statistics of whole numbers of which there are few different ones."""
    rows = asked.rows(f"{number} AS n, count(*)", after="GROUP BY n")
    counts = [(int(value), count) for value, count in rows if value is not None]
    return histograms.of_counts(counts, asked.total)


def _of_truths(asked: _Asked, column: str) -> Item:
    yes, no = asked.rows(f"count_if({column}), count_if(NOT {column})")[0]
    return histograms.truths(yes, no, asked.total)


def _of_labels(asked: _Asked, column: str, names: Sequence[str]) -> Item:
    counts = dict(asked.rows(f"{column} AS n, count(*)", after=f"WHERE {column} IS NOT NULL GROUP BY n"))
    frequencies = {str(name): counts.get(at, 0) for at, name in enumerate(names)}
    return histograms.categories(
        frequencies,
        asked.total,
        missing=asked.total - sum(counts.values()),
        unlabelled=counts.get(-1, 0),
        unique=len(names),
    )


def _of_texts(asked: _Asked, column: str) -> tuple[str, Item]:
    form = moments.form_of(
        [text for (text,) in asked.rows(column, after=f"WHERE {column} IS NOT NULL LIMIT 100")]
    )
    if form is not None:
        item = _of_written_moments(asked, column, form)
        if item is not None:
            return "datetime", item
    labels = _labels_in(asked, column)
    if labels is not None:
        missing = asked.total - sum(labels.values())
        return "string_label", histograms.categories(labels, asked.total, missing=missing)
    return "string_text", _of_lengths(asked, f"length({column})")


def _labels_in(asked: _Asked, column: str) -> dict[str, int] | None:
    """Return how often each text is there, None where they are too many to be labels."""
    first = f"(SELECT DISTINCT x FROM (SELECT {column} AS x FROM {duck.scan(asked.sources)} AS t LIMIT {_FIRST_TEXTS}))"
    if asked.connection.execute(f"SELECT count(*) FROM {first}").fetchall()[0][0] > MAX_LABELS:  # quoted
        return None
    if asked.rows(f"approx_count_distinct({column})")[0][0] > _MAYBE_LABELS:
        return None
    rows = asked.rows(f"{column} AS x, count(*) AS n", after="GROUP BY x ORDER BY n DESC, x")
    # A missing text counts as one here, as in the original.
    unique, total = len(rows), asked.total
    if unique > histograms.BINS and (unique > MAX_LABELS or unique > MAX_LABEL_SHARE * total):
        return None
    return {text: count for text, count in rows if text is not None}


def _of_moments(asked: _Asked, column: str, zone: str | None) -> Item:
    micros = f"epoch_us({column})"
    first = asked.rows(f"min({micros})")[0][0]
    if first is None:
        return histograms.nothing(asked.total)
    item = _of_integers(asked, f"(({micros} - {int(first)}) // 1000000)")
    return histograms.moments(item, moments.at(int(first), zone))


def _of_written_moments(asked: _Asked, column: str, form: moments.Form) -> Item | None:
    """Return the statistics of texts that are moments; None where one of them is not."""
    moment = form.sql(column)
    count, parsed = asked.rows(f"count({column}), count({moment})")[0]
    if count != parsed:
        return None
    micros = f"epoch_us({moment})"
    first = asked.rows(f"min({micros})")[0][0]
    item = _of_integers(asked, f"(({micros} - {int(first)}) // 1000000)")
    return histograms.moments(item, form.at(int(first)))


def _of_media(asked: _Asked, kind: str, column: str, shape: Shape) -> tuple[str, Item] | None:
    """Return the statistics of what the heads of media files say; None where some do not say it."""
    if shape.kind == STRUCT and "bytes" not in shape.fields:
        return None
    data = column if shape.kind == BYTES else f"{column}.bytes"
    missing = f"{column} IS NULL"
    asked.connection.execute(
        f"SELECT {missing}, {data} FROM {duck.scan(asked.sources)} AS t"  # quoted
    )
    found: list[int | float] = []
    while batch := asked.connection.fetchmany(measures.BATCH_ROWS):
        asked.task.check_time()
        for is_missing, content in batch:
            if is_missing:
                continue
            measured = None if content is None else measures.measure(kind, content)
            if measured is None:
                return None
            found.append(measured)
    return kind, _of_measured(found, asked.total, is_whole=kind == "image")


def _of_measured(found: Sequence[Number], total: int, *, is_whole: bool) -> Item:
    if not found:
        return histograms.nothing(total)
    if is_whole:
        counts: dict[int, int] = {}
        for value in found:
            counts[int(value)] = counts.get(int(value), 0) + 1
        return histograms.of_counts(list(counts.items()), total)
    return histograms.of_floats(found, total)

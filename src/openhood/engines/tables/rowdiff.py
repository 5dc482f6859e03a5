"""Which rows of a split were added, removed or changed between two revisions.

With a key (columns that name a row on both sides) rows are compared one by one; without, by their content: a row that
is there more often than before was added so many times. Contents are compared by 64-bit hashes of all common columns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import pyarrow as pa

from openhood.base.errors import InvalidParameter
from openhood.engines.tables.task import Source

ROW = "__row"
KEY_NAMES = (
    "id",
    "_id",
    "uid",
    "uuid",
    "key",
    "guid",
    "idx",
    "index",
    "row_id",
    "example_id",
    "sample_id",
    "doc_id",
)
"""Columns that are tried as a key where none is named."""
ADDED, REMOVED, CHANGED = "added", "removed", "changed"


@dataclass(frozen=True, slots=True)
class Side:
    """One revision: its files, the number of each one's first row, and its columns."""

    sources: Sequence[Source]
    starts: Sequence[int]
    columns: Sequence[str]


@dataclass(frozen=True, slots=True)
class Change:
    """One row that differs; the row of a side on which it is not there is None."""

    kind: str
    base_row: int | None
    row: int | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """A page of what differs, and how much there is of each kind. ``key`` is empty where contents were compared."""

    key: tuple[str, ...]
    counts: dict[str, int]
    changes: tuple[Change, ...]


def compare(
    con: duckdb.DuckDBPyConnection,
    base: Side,
    new: Side,
    *,
    key: Sequence[str] | None,
    offset: int,
    length: int,
) -> Comparison:
    """Compare two sides. ``key`` None: look for one; empty: by content. Raises InvalidParameter for a wrong key."""
    common = [name for name in new.columns if name in set(base.columns)]
    for name, side in (("old_side", base), ("new_side", new)):
        con.execute(f"CREATE OR REPLACE TEMP VIEW {name} AS {_select(side, common)}")
    chosen = _find_key(con, common) if key is None else tuple(key)
    if chosen:
        _check_key(con, chosen, common, is_asked=key is not None)
        found = _by_key(chosen, common)
    else:
        found = _by_content(common)
    con.execute(f"CREATE OR REPLACE TEMP TABLE differences AS {found}")
    counts = dict.fromkeys((ADDED, REMOVED, CHANGED), 0)
    counts |= {
        str(kind): int(count)
        for kind, count in con.execute("SELECT kind, count(*) FROM differences GROUP BY kind").fetchall()
    }
    page = con.execute(
        "SELECT kind, base_row, new_row FROM differences ORDER BY coalesce(new_row, base_row), kind LIMIT ? OFFSET ?",
        [length, offset],
    ).fetchall()
    return Comparison(chosen, counts, tuple(Change(*row) for row in page))


def rows_of(con: duckdb.DuckDBPyConnection, side: Side, rows: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Return whole rows of a side by their numbers."""
    if not rows:
        return {}
    table = rows_table(con, side, rows)
    numbers = table.column(ROW).to_pylist()
    return dict(zip(numbers, table.drop_columns([ROW]).to_pylist(), strict=True))


def rows_table(con: duckdb.DuckDBPyConnection, side: Side, rows: Sequence[int]) -> pa.Table:
    """Return whole rows of a side, with their numbers in the column ``__row``."""
    listed = ", ".join(str(int(row)) for row in rows)
    query = f"SELECT * FROM ({_select(side, side.columns)}) WHERE {ROW} IN ({listed}) ORDER BY {ROW}"
    return con.sql(query).to_arrow_table()


def quote(name: str) -> str:
    """Return a name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def _select(side: Side, columns: Sequence[str]) -> str:
    """Return SQL for the columns of all files of a side, with the number of each row."""
    names = ", ".join(map(quote, columns)) + ", " if columns else ""
    parts = [
        f"SELECT {names}file_row_number + {int(start)} AS {ROW} FROM read_parquet('{_escaped(source.path)}', file_row_number = true)"
        for source, start in zip(side.sources, side.starts, strict=True)
    ]
    empty = ", ".join(f"NULL AS {quote(name)}" for name in columns)
    return (
        " UNION ALL ".join(parts) or f"SELECT {empty + ', ' if empty else ''}0::BIGINT AS {ROW} WHERE false"
    )


def _escaped(path: str) -> str:
    return path.replace("'", "''")


def _hash(columns: Sequence[str]) -> str:
    return f"hash({', '.join(map(quote, columns))})" if columns else "0"


def _by_content(columns: Sequence[str]) -> str:
    """Return SQL for the rows of which one side has more than the other."""
    return f"""
        WITH o AS (SELECT {_hash(columns)} AS h, {ROW} AS r FROM old_side),
             n AS (SELECT {_hash(columns)} AS h, {ROW} AS r FROM new_side),
             d AS (
                SELECT coalesce(x.h, y.h) AS h, coalesce(x.c, 0) AS was, coalesce(y.c, 0) AS now_
                FROM (SELECT h, count(*) AS c FROM o GROUP BY h) AS x
                FULL JOIN (SELECT h, count(*) AS c FROM n GROUP BY h) AS y ON x.h = y.h
                WHERE coalesce(x.c, 0) <> coalesce(y.c, 0)
             )
        SELECT '{REMOVED}' AS kind, r AS base_row, NULL::BIGINT AS new_row FROM (
            SELECT o.r, d.now_, row_number() OVER (PARTITION BY o.h ORDER BY o.r) AS k FROM o JOIN d ON o.h = d.h
        ) WHERE k > now_
        UNION ALL
        SELECT '{ADDED}', NULL, r FROM (
            SELECT n.r, d.was, row_number() OVER (PARTITION BY n.h ORDER BY n.r) AS k FROM n JOIN d ON n.h = d.h
        ) WHERE k > was
    """


def _by_key(key: Sequence[str], columns: Sequence[str]) -> str:
    """Return SQL for rows whose key one side does not have, or whose other columns differ."""
    rest = [name for name in columns if name not in key]
    keys = ", ".join(f"{quote(name)} AS k{number}" for number, name in enumerate(key))
    same = " AND ".join(f"o.k{number} IS NOT DISTINCT FROM n.k{number}" for number in range(len(key)))
    return f"""
        SELECT CASE WHEN o.r IS NULL THEN '{ADDED}' WHEN n.r IS NULL THEN '{REMOVED}' ELSE '{CHANGED}' END AS kind,
               o.r AS base_row, n.r AS new_row
        FROM (SELECT {keys}, {_hash(rest)} AS h, {ROW} AS r FROM old_side) AS o
        FULL JOIN (SELECT {keys}, {_hash(rest)} AS h, {ROW} AS r FROM new_side) AS n ON {same}
        WHERE o.r IS NULL OR n.r IS NULL OR o.h <> n.h
    """


def _find_key(con: duckdb.DuckDBPyConnection, common: Sequence[str]) -> tuple[str, ...]:
    """Return the first column with the name of a key that is one on both sides, or nothing."""
    for name in common:
        if name.lower() in KEY_NAMES and all(_is_key(con, side, [name]) for side in ("old_side", "new_side")):
            return (name,)
    return ()


def _check_key(
    con: duckdb.DuckDBPyConnection, key: Sequence[str], common: Sequence[str], *, is_asked: bool
) -> None:
    if not is_asked:
        return
    for name in key:
        if name not in common:
            raise InvalidParameter(f"'{name[:100]}' cannot be a key: it is not a column of both revisions.")
    for side, words in (("old_side", "the old revision"), ("new_side", "the new revision")):
        if not _is_key(con, side, key):
            raise InvalidParameter(
                f"{', '.join(key)} is no key: some rows of {words} share it. Name more columns, or key=none to compare contents."
            )


def _is_key(con: duckdb.DuckDBPyConnection, side: str, key: Sequence[str]) -> bool:
    names = ", ".join(map(quote, key))
    row = con.execute(
        f"SELECT count(*), count(DISTINCT ({names})), count({quote(key[0])}) FROM {side}"
    ).fetchone()
    return row is not None and row[0] == row[1] and (len(key) > 1 or row[0] == row[2])

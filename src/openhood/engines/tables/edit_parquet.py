"""Changing cells and rows of a Parquet file, row group by row group; types stay what they were.

Pages are cut by content, as ``datasets`` writes them, so that storage by chunks keeps what did not change.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from openhood.base.errors import InvalidParameter
from openhood.engines.tables.edits import FileEdits, unknown_column
from openhood.engines.tables.task import Source


def rewrite(source: Source, target: Path, edits: FileEdits, features: Mapping[str, Any]) -> None:
    """Write the file with the changes to ``target``. Raises InvalidParameter for values that do not fit."""
    with source.open() as file:
        parquet = pq.ParquetFile(file)
        schema = parquet.schema_arrow
        _check_columns(schema, edits)
        with pq.ParquetWriter(
            target,
            schema,
            compression=_compression(parquet.metadata),
            write_page_index=True,
            use_content_defined_chunking=True,
        ) as writer:
            first = 0
            for number in range(parquet.num_row_groups):
                table = parquet.read_row_group(number)
                writer.write_table(
                    _changed(table, first, edits, features), row_group_size=max(1, table.num_rows)
                )
                first += table.num_rows
            if edits.added:
                writer.write_table(_rows(edits, schema, features))


def _check_columns(schema: pa.Schema, edits: FileEdits) -> None:
    for values in (*edits.cells.values(), *edits.added):
        for name in values:
            if name not in schema.names:
                raise unknown_column(name, schema.names)


def _compression(known: pq.FileMetaData) -> str:
    if known.num_row_groups == 0 or known.num_columns == 0:
        return "zstd"
    name = str(known.row_group(0).column(0).compression).lower()
    return {"uncompressed": "none"}.get(name, name)


def _changed(table: pa.Table, first: int, edits: FileEdits, features: Mapping[str, Any]) -> pa.Table:
    inside = {
        row - first: values for row, values in edits.cells.items() if first <= row < first + table.num_rows
    }
    for name in dict.fromkeys(name for values in inside.values() for name in values):
        at = table.column_names.index(name)
        field = table.schema.field(name)
        asked = {
            row: _scalar(values[name], field, features, row + first)
            for row, values in inside.items()
            if name in values
        }
        table = table.set_column(at, field, _replaced(table.column(name), asked, field))
    gone = [row - first for row in edits.deleted if first <= row < first + table.num_rows]
    if gone:
        mask = pa.array([True] * table.num_rows).to_numpy(zero_copy_only=False).copy()
        mask[gone] = False
        table = table.filter(pa.array(mask))
    return table


def _replaced(column: pa.ChunkedArray, values: Mapping[int, pa.Scalar], field: pa.Field) -> pa.ChunkedArray:
    """Return a column with some cells replaced: the pieces between them stay as they are."""
    parts: list[pa.Array] = []
    start = 0
    for row in sorted(values):
        parts += column.slice(start, row - start).chunks
        parts.append(
            pa.array([values[row].as_py()], field.type)
            if not _is_null(values[row])
            else pa.nulls(1, field.type)
        )
        start = row + 1
    parts += column.slice(start).chunks
    return pa.chunked_array(parts, field.type)


def _is_null(value: pa.Scalar) -> bool:
    return not value.is_valid


def _rows(edits: FileEdits, schema: pa.Schema, features: Mapping[str, Any]) -> pa.Table:
    columns = []
    for field in schema:
        cells = [_scalar(row.get(field.name), field, features, None).as_py() for row in edits.added]
        columns.append(pa.array(cells, field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _scalar(value: Any, field: pa.Field, features: Mapping[str, Any], row: int | None) -> pa.Scalar:
    """Return a JSON value as one of a column. Raises InvalidParameter."""
    where = f"column '{field.name}'" + ("" if row is None else f" of row {row}")
    if value is None:
        if not field.nullable:
            raise InvalidParameter(f"The {where} cannot be empty.")
        return pa.scalar(None, field.type)
    feature = features.get(field.name)
    if isinstance(feature, dict) and feature.get("_type") in ("Image", "Audio", "Video", "Pdf"):
        raise InvalidParameter(f"The {where} holds a file; files are changed by uploading them.")
    if isinstance(feature, dict) and feature.get("_type") == "ClassLabel":
        value = _label(value, feature, where)
    try:
        return _typed(value, field.type)
    except (pa.ArrowException, ValueError, TypeError, OverflowError, InvalidOperation) as error:
        raise InvalidParameter(
            f"{str(value)[:80]!r} does not fit the {where}, which holds {field.type}."
        ) from error


def _label(value: Any, feature: Mapping[str, Any], where: str) -> int:
    names = feature.get("names") or []
    if isinstance(value, str):
        if value not in names:
            raise InvalidParameter(
                f"{value[:80]!r} is no label of the {where}. Labels: {', '.join(map(str, names[:30]))}."
            )
        return int(names.index(value))
    if isinstance(value, bool) or not isinstance(value, int) or not -1 <= value < len(names):
        raise InvalidParameter(f"{str(value)[:80]} is no label of the {where}, which has {len(names)}.")
    return value


def _typed(value: Any, kind: pa.DataType) -> pa.Scalar:
    if isinstance(value, str):
        if pa.types.is_timestamp(kind):
            return pa.scalar(datetime.fromisoformat(value), kind)
        if pa.types.is_date(kind):
            return pa.scalar(date.fromisoformat(value), kind)
        if pa.types.is_time(kind):
            return pa.scalar(time.fromisoformat(value), kind)
        if pa.types.is_decimal(kind):
            return pa.scalar(Decimal(value), kind)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return pa.scalar(value.encode(), kind)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind):
            # What was typed into a form is text.
            return pc.cast(pa.scalar(value.strip()), kind)
    if isinstance(value, bool) and not (pa.types.is_boolean(kind) or pa.types.is_nested(kind)):
        raise TypeError("a truth value")
    if isinstance(value, float) and pa.types.is_integer(kind) and not value.is_integer():
        raise TypeError("not a whole number")
    if not isinstance(value, str) and (pa.types.is_string(kind) or pa.types.is_large_string(kind)):
        raise TypeError("not a text")
    return pa.scalar(value, kind)

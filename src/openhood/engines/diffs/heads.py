"""The first rows of a Parquet file, its columns and how many rows there are, for people who look at it.

Runs where files are compared: in a process of its own, since the library that reads Parquet is large and native.
"""

from __future__ import annotations

import json

from openhood.engines.diffs.parts import Budget, Part, Side, Unreadable, clip
from openhood.engines.diffs.tables import RangeFile

MAX_ROWS = 100
MAX_COLUMNS = 60
_MAX_CELL_CHARS = 400
_MAX_GROUP_BYTES = 512 * 1024 * 1024


def parquet_head(_old: Side, new: Side, budget: Budget) -> dict[str, object]:
    """Return columns and first rows of the one file there is, as JSON-like values. Raises Unreadable."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    pa.set_cpu_count(1)
    part = new[0]
    try:
        file = pq.ParquetFile(pa.PythonFile(RangeFile(part), mode="r"), buffer_size=1 << 20, pre_buffer=False)
        about, schema = file.metadata, file.schema_arrow
        fields = [(field.name, str(field.type)) for field in list(schema)[:MAX_COLUMNS]]
        said: dict[str, object] = {
            "rows": about.num_rows,
            "row_groups": about.num_row_groups,
            "created_by": clip(str(about.created_by or "")),
            "column_count": len(schema),
            "columns": [{"name": clip(name), "type": clip(kind)} for name, kind in fields],
            "first": _rows(file, [name for name, _kind in fields], part, budget),
        }
    except (pa.ArrowException, OSError) as error:
        raise Unreadable(f"'{clip(part.path)}' is not valid Parquet: {clip(str(error))}") from error
    return said


def _rows(file: object, columns: list[str], part: Part, budget: Budget) -> list[list[str | None]]:
    about = file.metadata  # type: ignore[attr-defined]  # pyarrow has no types
    if not about.num_row_groups or about.row_group(0).total_byte_size > min(
        _MAX_GROUP_BYTES, budget.read_bytes
    ):
        return []
    batches = file.iter_batches(batch_size=MAX_ROWS, columns=columns, use_threads=False)  # type: ignore[attr-defined]
    for batch in batches:
        found = [[_cell(value) for value in batch.column(at).to_pylist()] for at in range(batch.num_columns)]
        return [list(row) for row in zip(*found, strict=True)]
    return []


def _cell(value: object) -> str | None:
    if value is None:
        return None
    if isinstance(value, dict | list):
        return clip(json.dumps(_light(value), ensure_ascii=False, default=str), limit=_MAX_CELL_CHARS)
    return clip(str(_light(value)), limit=_MAX_CELL_CHARS)


def _light(value: object) -> object:
    """Return a value less what no cell would show of it."""
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    if isinstance(value, dict):
        return {str(key): _light(inner) for key, inner in list(value.items())[:20]}
    if isinstance(value, list):
        return [_light(inner) for inner in value[:50]]
    return value

"""Pages of rows out of Parquet files, wherever the files are, and the first rows of splits of any format.

=============================================  ================================================================
the wanted columns of the row group are        how its rows are read
=============================================  ================================================================
on this machine, up to 64 MiB                  by Polars, which decodes dictionaries and the pages it needs;
                                               columns whose every leaf has a mebibyte or more by
                                               their page index, if they have one
far away, up to 16 MiB                         whole columns are brought here, then by Polars
larger, with a page index                      only the pages that hold the rows (`slicer`)
larger, without, among the first rows of it    by pyarrow from the beginning of the columns on
larger, without, further on                    whole columns, by Polars; see `recut`
of types that Polars lacks, or refuses         by pyarrow, the whole row group or batch by batch
=============================================  ================================================================
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import InvalidParameter, TableUnreadable
from openhood.engines.tables import slicer, truncating
from openhood.engines.tables.cells import page as page_of
from openhood.engines.tables.cells import render_rows
from openhood.engines.tables.columns import Ends, ends_of
from openhood.engines.tables.features import MEDIA, Feature, features_of, kind_of
from openhood.engines.tables.heads import read_head
from openhood.engines.tables.task import Reply, Source, Task

NEAR_BYTES = 64 * 1024**2
FAR_BYTES = 16 * 1024**2
_SLICED_BYTES = 1024**2
_HEAVY_BYTES = 64 * 1024**2
"""Media of one page that are larger are not read: what is shown of them is a link."""
_WHOLE_GROUP_BYTES = 256 * 1024**2
_BATCH_ROWS = 1000
_FIRST_ROWS = 2000
_BEGINNING_BYTES = 1024**2
_BUFFER_BYTES = 64 * 1024
_RECUT_ROWS = 10_000
_MAX_POLARS_PRECISION = 38


@dataclass(frozen=True, slots=True)
class Part:
    """Rows of one file: ``start`` counts from its first row."""

    source: Source
    start: int
    count: int


def page(task: Task) -> Reply:
    """Return rows as ``/rows`` answers them.

    Params: ``parts`` ``[[source, start, count], …]``, ``offset`` (of the first row in the split), ``columns`` (or
    null: all), ``features`` of the split, ``links``, ``total``, ``partial``.
    """
    asked = task.params
    shown = _shown(asked["features"], asked.get("columns"))
    parts = [Part(task.sources[at], start, count) for at, start, count in asked["parts"]]
    table = read_parts(task, parts, shown)
    offset = asked["offset"]
    body = page_of(
        table,
        shown,
        range(offset, offset + len(table)),
        asked["links"],
        total=asked["total"],
        partial=asked["partial"],
    )
    return Reply({}, body)


def first_rows(task: Task) -> Reply:
    """Return the first rows as ``/first-rows`` answers them.

    Params: ``names`` (dataset, config, split), ``links``, ``is_whole`` (the sources are all files of the split); of
    Parquet ``declared``, of other formats ``table`` as the operation ``head`` has it. Facts: features, and rows,
    which may be less than there are where sources are missing.
    """
    asked = task.params
    if "table" in asked:
        table, features, is_all = _head_of(task)
    else:
        features = features_of(ends_of(task.sources[0]).schema, asked.get("declared"))
        truncating.check_columns(features)
        table, is_all = _first_of(task, features)
    items = render_rows(table, features, range(len(table)), asked["links"])
    body = truncating.first_rows(features, items, names=asked["names"], is_all=is_all and asked["is_whole"])
    return Reply({"features": features, "rows": len(table)}, body)


def head_rows(task: Task) -> Reply:
    """Return rows out of the head of a split that is no Parquet as ``/rows`` answers them; no body if they lie beyond.

    Params: ``table``, ``offset``, ``length``, ``columns``, ``links``. Facts: features, is_all, rows (of the head).
    """
    asked = task.params
    table, features, is_all = _head_of(task)
    offset, length = asked["offset"], asked["length"]
    facts = {"features": features, "is_all": is_all, "rows": len(table)}
    if not is_all and offset + length > len(table):
        return Reply(facts)
    shown = _shown(features, asked.get("columns"))
    cut = table.slice(offset, length)
    numbers = range(offset, offset + len(cut))
    return Reply(facts, page_of(cut, shown, numbers, asked["links"], total=len(table), partial=not is_all))


def recut(task: Task) -> Reply:
    """Write a row group again as a file of small row groups with a page index: ``group.parquet`` in ``task.out``.

    Params: ``group``. So a page out of a giant costs as much as any other from then on.
    """
    source, group = task.sources[0], int(task.params["group"])
    ends = ends_of(source)
    source.need(ends.spans(group, ends.numbers()))
    opened = pq.ParquetFile(source.path, memory_map=True)
    assert task.out is not None
    rows = 0
    with pq.ParquetWriter(
        task.out / "group.parquet",
        opened.schema_arrow,
        compression="zstd",
        compression_level=1,
        write_page_index=True,
    ) as writer:
        for batch in opened.iter_batches(_RECUT_ROWS, row_groups=[group], use_threads=False):
            task.check_time()
            writer.write_batch(batch, row_group_size=_RECUT_ROWS)
            rows += len(batch)
    return Reply({"rows": rows})


def read_parts(task: Task, parts: Sequence[Part], features: Mapping[str, Feature]) -> pa.Table:
    """Return rows of several files, one after the other, with the columns that the features name.

    A column that a file lacks is null there. Raises: TableUnreadable, TableTooLarge, TableTimeout.
    """
    tables = []
    for part in parts:
        task.check_time()
        tables.append(_read_part(part, features))
    if not tables:
        return pa.table({name: pa.nulls(0) for name in features})
    return tables[0] if len(tables) == 1 else _joined(tables)


def _head_of(task: Task) -> tuple[pa.Table, dict[str, Feature], bool]:
    asked = task.params["table"]
    given = asked.get("options") or {}, asked.get("features"), task.sources, truncating.MAX_ROWS, task
    found = read_head(asked["format"], *given)
    return found.table, found.features, found.is_all


def _first_of(task: Task, features: Mapping[str, Feature]) -> tuple[pa.Table, bool]:
    """Return the first rows of the sources, and whether they have no others."""
    parts, wanted = [], truncating.MAX_ROWS
    for source in task.sources:
        rows = ends_of(source).footer.num_rows
        if rows > wanted:
            parts.append(Part(source, 0, wanted))
            return read_parts(task, parts, features), False
        parts.append(Part(source, 0, rows))
        wanted -= rows
    return read_parts(task, parts, features), True


def _shown(features: Mapping[str, Feature], columns: Collection[str] | None) -> dict[str, Feature]:
    if columns is None:
        return dict(features)
    for name in columns:
        if name not in features:
            raise InvalidParameter(f"Parameter 'columns': the split has no column '{name[:100]}'.")
    return {name: features[name] for name in columns}


def _joined(tables: Sequence[pa.Table]) -> pa.Table:
    try:
        return pa.concat_tables(tables, promote_options="permissive")
    except (pa.ArrowException, NotImplementedError) as error:
        said = str(error).splitlines()[0][:300]
        raise TableUnreadable(f"The files of this split have columns of different types: {said}") from error


# --- one file -------------------------------------------------------------------------------


def _read_part(part: Part, features: Mapping[str, Feature]) -> pa.Table:
    ends = ends_of(part.source)
    columns = [name for name in features if name in ends.leaves]
    if not columns:
        return pa.table({name: pa.nulls(part.count) for name in features})
    pieces = _pieces(ends, part)
    heavy = [name for name in columns if _is_heavy(ends, pieces, name, features[name])]
    light = [name for name in columns if name not in heavy]
    table = _read_columns(part, ends, pieces, light)
    for name in heavy:
        named = pa.table({name: _paths(part.source, ends, pieces, name)})
        table = named if table is None else table.append_column(name, named.column(0))
    if table is None or len(table) != part.count:
        raise TableUnreadable(f"'{part.source.name}' has fewer rows than it says.")
    return table


def _pieces(ends: Ends, part: Part) -> list[tuple[int, int, int]]:
    """Return which rows of which row groups a part is: group, start in it, count."""
    found, first = [], 0
    stop = part.start + part.count
    for group in range(ends.footer.num_row_groups):
        rows = ends.footer.row_group(group).num_rows
        low, high = max(part.start, first), min(stop, first + rows)
        if low < high:
            found.append((group, low - first, high - low))
        first += rows
        if first >= stop:
            break
    return found


def _read_columns(
    part: Part, ends: Ends, pieces: Sequence[tuple[int, int, int]], columns: Sequence[str]
) -> pa.Table | None:
    """Return the rows; None where no columns are asked for."""
    source = part.source
    if not columns:
        return None
    if not pieces:
        return pa.schema([ends.schema.field(name) for name in columns]).empty_table()
    leaves = ends.numbers(columns)
    spans = {group: ends.spans(group, leaves) for group, _start, _count in pieces}
    size = sum(length for each in spans.values() for _start, length in each)
    is_large = size > (NEAR_BYTES if source.is_whole else FAR_BYTES)
    if is_large and all(slicer.has_index(ends, group, leaves) for group, _start, _count in pieces):
        return _joined([slicer.read_slice(source, ends, *piece, columns) for piece in pieces])
    if is_large and all(start + count <= _FIRST_ROWS for _group, start, count in pieces):
        return _joined([_by_stream(source, ends, piece, leaves) for piece in pieces])
    source.need([span for each in spans.values() for span in each])
    sliced = [name for name in columns if _is_sliced(source, ends, pieces, name)]
    if sliced:
        with suppress(TableUnreadable):  # the index may make no sense, and the data still
            found = _joined([slicer.read_slice(source, ends, *piece, sliced) for piece in pieces])
            rest = [name for name in columns if name not in sliced]
            if not rest:
                return found
            return _side_by_side(columns, [found, _read_whole(part, ends, pieces, rest)])
    return _read_whole(part, ends, pieces, columns)


def _read_whole(
    part: Part, ends: Ends, pieces: Sequence[tuple[int, int, int]], columns: Sequence[str]
) -> pa.Table:
    if all(_polars_has(ends.schema.field(name).type) for name in columns):
        try:
            return _by_polars(part.source, part.start, part.count, columns)
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            pass  # what it cannot read may still be read, or is refused in other words
    leaves = ends.numbers(columns)
    return _joined([_by_arrow(part.source, ends, piece, leaves) for piece in pieces])


def _is_sliced(source: Source, ends: Ends, pieces: Sequence[tuple[int, int, int]], name: str) -> bool:
    """Tell whether the pages of a column are worth to be looked up.

    Leaves of one column are read together: where one of them is a single page, so are all rows of the others.
    """
    leaves = ends.leaves[name]
    return source.is_whole and all(
        min((length for _start, length in ends.spans(group, leaves)), default=0) >= _SLICED_BYTES
        and slicer.has_index(ends, group, leaves)
        for group, _start, _count in pieces
    )


def _side_by_side(columns: Sequence[str], tables: Sequence[pa.Table]) -> pa.Table:
    found = {name: table.column(name) for table in tables for name in table.column_names}
    fields = {field.name: field for table in tables for field in table.schema}
    return pa.table([found[name] for name in columns], pa.schema([fields[name] for name in columns]))


def _by_polars(source: Source, start: int, count: int, columns: Sequence[str]) -> pa.Table:
    lazy = pl.scan_parquet(source.path, glob=False, hive_partitioning=False, use_statistics=False)
    table: pa.Table = lazy.slice(start, count).select(*map(pl.col, columns)).collect().to_arrow()
    return table


def _by_stream(source: Source, ends: Ends, piece: tuple[int, int, int], leaves: Sequence[int]) -> pa.Table:
    """Read rows at the beginning of a row group, and no more of its columns than that takes."""
    group = piece[0]
    source.need([(first, min(length, _BEGINNING_BYTES)) for first, length in ends.spans(group, leaves)])
    with source.open() as file:
        opened = pq.ParquetFile(file, buffer_size=_BUFFER_BYTES, pre_buffer=False)
        return _first_batches(opened, piece, leaves)


def _by_arrow(source: Source, ends: Ends, piece: tuple[int, int, int], leaves: Sequence[int]) -> pa.Table:
    group, start, count = piece
    opened = pq.ParquetFile(source.path, memory_map=True, pre_buffer=False)
    if ends.footer.row_group(group).total_byte_size <= _WHOLE_GROUP_BYTES:
        table: pa.Table = opened.reader.read_row_group(group, column_indices=list(leaves), use_threads=False)
        return table.slice(start, count)
    return _first_batches(opened, piece, leaves)


def _first_batches(opened: pq.ParquetFile, piece: tuple[int, int, int], leaves: Sequence[int]) -> pa.Table:
    """Return rows of a row group, decoding it batch by batch up to there."""
    group, start, count = piece
    found, seen = [], 0
    for batch in opened.reader.iter_batches(
        _BATCH_ROWS, row_groups=[group], column_indices=list(leaves), use_threads=False
    ):
        low, high = max(start - seen, 0), min(start + count - seen, len(batch))
        if low < high:
            found.append(batch.slice(low, high - low))
        seen += len(batch)
        if seen >= start + count:
            break
    return pa.Table.from_batches(found)


def _polars_has(kept: pa.DataType) -> bool:
    """Tell whether Polars reads a type as it is."""
    types = pa.types
    if isinstance(kept, pa.BaseExtensionType):
        return _polars_has(kept.storage_type)
    if types.is_decimal256(kept) or types.is_interval(kept) or types.is_union(kept) or types.is_time32(kept):
        return False
    if types.is_decimal(kept):
        return bool(kept.precision <= _MAX_POLARS_PRECISION)
    if types.is_timestamp(kept):
        # Zones that are offsets are not known to it.
        return kept.tz is None or kept.tz[:1] not in "+-"
    if types.is_nested(kept) and kept.num_fields:
        return all(_polars_has(kept.field(at).type) for at in range(kept.num_fields))
    return True


# --- media that are too large to be looked at -----------------------------------------------


def _is_heavy(ends: Ends, pieces: Sequence[tuple[int, int, int]], name: str, feature: Feature) -> bool:
    """Tell whether the files in a column of media are together so large that only their names are read."""
    kept = ends.schema.field(name).type
    if (
        feature is None
        or kind_of(feature) not in MEDIA
        or not pa.types.is_struct(kept)
        or kept.get_field_index("path") < 0
    ):
        return False
    size = 0.0
    for group, _start, count in pieces:
        described = ends.footer.row_group(group)
        rows = max(described.num_rows, 1)
        size += (
            sum(described.column(leaf).total_uncompressed_size for leaf in ends.leaves[name]) * count / rows
        )
    return size > _HEAVY_BYTES


def _paths(source: Source, ends: Ends, pieces: Sequence[tuple[int, int, int]], name: str) -> pa.ChunkedArray:
    leaf = ends.leaves[name][ends.schema.field(name).type.get_field_index("path")]
    source.need([span for group, _start, _count in pieces for span in ends.spans(group, [leaf])])
    tables = [_by_arrow(source, ends, piece, [leaf]) for piece in pieces]
    return pa.concat_tables(tables).column(0)

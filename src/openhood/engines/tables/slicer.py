"""Rows out of the middle of a Parquet row group by its page index: only the pages that hold them are read.

The pages are put into a small Parquet file in memory that pyarrow decodes. Pages of different columns begin at
different rows, so columns that begin later are filled up with a page of nulls (zeros where the column has none), and
likewise at the end; the rows that were asked for lie where all columns are real. Columns of one list of structs must
agree on the length of every list, so for these, bounds are chosen that all of them have.

What follows of a file is read: the footer, the offset index of the columns, their dictionary pages, and the pages.

**Source**: the Parquet format's ``parquet.thrift`` and ``PageIndex.md``.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import TableTooLarge, TableUnreadable
from openhood.engines.tables import thrift
from openhood.engines.tables.columns import Ends
from openhood.engines.tables.task import Source
from openhood.engines.tables.thrift import FALSE, I32, I64, LIST, STRUCT, Struct

MAX_PAGES_BYTES = 256 * 1024**2
_MAX_FOOTER_BYTES = 16 * 1024**2
_MAX_PADDING_ROWS = 20_000_000
_MAGIC = b"PAR1"
_DATA_PAGE_V2 = 3
_PLAIN, _RLE = 0, 3
_WIDTHS = {"INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
_KEPT_INDEXES = 16


@dataclass(frozen=True, slots=True)
class _Group:
    """A row group of the footer, and the offset indexes of its columns: offset and length, or None."""

    columns: list[tuple[int, Any]]
    indexes: list[tuple[int, int] | None]


@dataclass(frozen=True, slots=True)
class _Written:
    """What the end of a file says, apart from the row groups that were not asked for."""

    fields: Struct
    groups: list[_Group]


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A column as it lies in the file. ``top`` is the number of the top-level column that it is part of."""

    number: int
    top: int
    max_def: int
    max_rep: int
    physical: str
    width: int


@dataclass(slots=True)
class _Pages:
    """The pages of a leaf: where each begins in the file, its length, its first row; ``rows`` of the group."""

    offsets: list[int]
    sizes: list[int]
    firsts: list[int]
    rows: int
    first: int = 0
    last: int = 0

    @property
    def begins(self) -> int:
        return self.firsts[self.first]

    @property
    def ends(self) -> int:
        return self.firsts[self.last] if self.last < len(self.firsts) else self.rows

    def choose(self, start: int, stop: int) -> None:
        """Take the pages that hold some rows."""
        self.first = max(0, bisect_right(self.firsts, start) - 1)
        self.last = max(self.first + 1, bisect_left(self.firsts, stop))


def has_index(ends: Ends, group: int, leaves: Collection[int]) -> bool:
    """Tell whether the pages of these leaves can be found by the page index."""
    if ends.footer.serialized_size > _MAX_FOOTER_BYTES:
        return False
    described = ends.footer.row_group(group)
    return all(described.column(leaf).has_offset_index for leaf in leaves)


def read_slice(
    source: Source, ends: Ends, group: int, start: int, count: int, columns: Collection[str]
) -> pa.Table:
    """Return rows ``start`` to ``start + count`` of a row group, of these top-level columns.

    Raises: TableUnreadable for an index that makes no sense, TableTooLarge where the pages are too large.
    """
    written = _written(source, ends)
    leaves = _leaves(ends, columns)
    described = written.groups[group]
    rows = ends.footer.row_group(group).num_rows
    spans = [described.indexes[leaf.number] for leaf in leaves]
    source.need([span for span in spans if span is not None])
    pages = [_pages_of(source, span, rows) for span in spans]
    for each in pages:
        each.choose(start, start + count)
    _align(leaves, pages)
    first = min((each.begins for each in pages), default=start)
    last = max((each.ends for each in pages), default=start + count)
    if last - first > _MAX_PADDING_ROWS:
        raise TableTooLarge("The pages of this row group hold too many rows for some of them to be read.")
    _bring(source, described, leaves, pages)
    mini = _file(source, written, described, leaves, pages, first, last)
    opened = pq.ParquetFile(pa.BufferReader(mini))
    table: pa.Table = opened.reader.read_all(
        column_indices=[leaf.number for leaf in leaves], use_threads=False
    )
    return table.slice(start - first, count)


def _written(source: Source, ends: Ends) -> _Written:
    known = _known.pop(source.key, None)
    if known is None:
        size = ends.footer.serialized_size
        known = _read_footer(source.read(source.size_bytes - size - 8, size))
    _known[source.key] = known
    while len(_known) > _KEPT_INDEXES:
        _known.popitem(last=False)
    return known


def _read_footer(data: bytes) -> _Written:
    reader = thrift.Reader(data)
    fields: Struct = {}
    groups: list[_Group] = []
    number = 0
    while True:
        kind, number = reader.field(number)
        if kind == 0:
            return _Written(fields, groups)
        if number == 4 and kind == LIST:
            size, _struct = reader.list_head()
            groups = [_read_group(reader) for _each in range(size)]
        else:
            fields[number] = (kind, reader.value(kind))


def _read_group(reader: thrift.Reader) -> _Group:
    described = reader.struct()
    columns = described[1][1][1]
    indexes = []
    for column in columns:
        start, length = column.get(4, (I64, 0))[1], column.get(5, (I32, 0))[1]
        indexes.append((start, length) if start > 0 and length > 0 else None)
    return _Group([(STRUCT, column) for column in columns], indexes)


def _leaves(ends: Ends, columns: Collection[str]) -> list[_Leaf]:
    found = []
    for top, (name, span) in enumerate(ends.leaves.items()):
        for number in span if name in columns else ():
            column = ends.footer.schema.column(number)
            levels = column.max_definition_level, column.max_repetition_level
            width = column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0
            found.append(_Leaf(number, top, *levels, column.physical_type, width))
    return found


def _pages_of(source: Source, span: tuple[int, int] | None, rows: int) -> _Pages:
    if span is None:
        raise TableUnreadable("A column of this file has no page index.")
    index = thrift.Reader(source.read(*span)).struct()
    places = list(index[1][1][1])
    offsets = [place[1][1] for place in places]
    sizes = [place[2][1] for place in places]
    firsts = [place[3][1] for place in places]
    is_sound = (
        len(places) > 0
        and firsts[0] == 0
        and all(low < high for low, high in pairwise(firsts))
        and firsts[-1] < max(rows, 1)
        and all(
            offset >= 4 and size > 0 and offset + size <= source.size_bytes
            for offset, size in zip(offsets, sizes, strict=True)
        )
    )
    if not is_sound:
        raise TableUnreadable("The page index of this file makes no sense.")
    return _Pages(offsets, sizes, firsts, rows)


def _align(leaves: Sequence[_Leaf], pages: Sequence[_Pages]) -> None:
    """Choose pages of lists with several parts so that all parts begin and end at the same rows."""
    parts: dict[int, list[_Pages]] = {}
    is_list: set[int] = set()
    for leaf, each in zip(leaves, pages, strict=True):
        parts.setdefault(leaf.top, []).append(each)
        if leaf.max_rep > 0:
            is_list.add(leaf.top)
    for top in is_list:
        together = parts[top]
        if len(together) < 2:
            continue
        common = set(together[0].firsts).intersection(*(each.firsts for each in together[1:]))
        first = max(row for row in common if row <= min(each.begins for each in together))
        stop = max(each.ends for each in together)
        last = min((row for row in common if row >= stop), default=together[0].rows)
        for each in together:
            each.first = bisect_left(each.firsts, first)
            each.last = bisect_left(each.firsts, last)


def _bring(source: Source, group: _Group, leaves: Sequence[_Leaf], pages: Sequence[_Pages]) -> None:
    wanted = []
    for leaf, each in zip(leaves, pages, strict=True):
        wanted += _dictionary_span(group, leaf, each)
        start = each.offsets[each.first]
        wanted.append((start, each.offsets[each.last - 1] + each.sizes[each.last - 1] - start))
    if sum(length for _start, length in wanted) > MAX_PAGES_BYTES:
        raise TableTooLarge(
            f"The pages that hold these rows are larger than {MAX_PAGES_BYTES // 2**20} MiB. Ask for fewer columns, "
            "or write the file with smaller pages."
        )
    source.need(wanted)


def _dictionary_span(group: _Group, leaf: _Leaf, pages: _Pages) -> list[tuple[int, int]]:
    described: Struct = group.columns[leaf.number][1][3][1]
    start = described.get(11, (I64, 0))[1]
    if 0 < start < pages.offsets[0]:
        return [(start, pages.offsets[0] - start)]
    return []


def _file(
    source: Source,
    written: _Written,
    group: _Group,
    leaves: Sequence[_Leaf],
    pages: Sequence[_Pages],
    first: int,
    last: int,
) -> bytes:
    """Return a Parquet file of one row group that holds these pages, filled up to rows ``first`` to ``last``."""
    out = bytearray(_MAGIC)
    columns: list[Struct] = []
    wanted = {leaf.number: (leaf, each) for leaf, each in zip(leaves, pages, strict=True)}
    for number, (_kind, column) in enumerate(group.columns):
        described: Struct = dict(column[3][1])
        if number in wanted:
            _append_chunk(out, source, group, described, *wanted[number], first, last)
        else:
            described |= {5: (I64, 0), 6: (I64, 0), 7: (I64, 0), 9: (I64, 4)}
            described.pop(11, None)
        for left_out in (8, 10, 12, 13, 14, 15, 16, 17):
            described.pop(left_out, None)
        columns.append({2: (I64, described[9][1]), 3: (STRUCT, described)})
    row_group: Struct = {
        1: (LIST, (STRUCT, columns)),
        2: (I64, len(out)),
        3: (I64, last - first),
    }
    footer = thrift.write_struct({**written.fields, 3: (I64, last - first), 4: (LIST, (STRUCT, [row_group]))})
    return bytes(out) + footer + len(footer).to_bytes(4, "little") + _MAGIC


def _append_chunk(
    out: bytearray,
    source: Source,
    group: _Group,
    described: Struct,
    leaf: _Leaf,
    pages: _Pages,
    first: int,
    last: int,
) -> None:
    start = len(out)
    described.pop(11, None)
    for span in _dictionary_span(group, leaf, pages):
        described[11] = (I64, len(out))
        out += source.read(*span)
    described[9] = (I64, len(out))
    values = 0
    if pages.begins > first:
        out += _padding(leaf, pages.begins - first)
        values += pages.begins - first
    begin = pages.offsets[pages.first]
    end = pages.offsets[pages.last - 1] + pages.sizes[pages.last - 1]
    data = source.read(begin, end - begin)
    for at in range(pages.first, pages.last):
        offset = pages.offsets[at] - begin
        values += _values_in(data, offset)
        out += data[offset : offset + pages.sizes[at]]
    if last > pages.ends:
        out += _padding(leaf, last - pages.ends)
        values += last - pages.ends
    size = len(out) - start
    encodings = sorted({*described[2][1][1], _PLAIN, _RLE})
    described |= {2: (LIST, (I32, encodings)), 5: (I64, values), 6: (I64, size), 7: (I64, size)}


def _values_in(data: bytes, at: int) -> int:
    """Return how many values the page has whose header begins there."""
    header = thrift.Reader(data, at).struct()
    for number in (5, 8):
        if number in header:
            found: int = header[number][1][1][1]
            return found
    raise TableUnreadable("The page index of this file points at something that is no page.")


def _padding(leaf: _Leaf, rows: int) -> bytes:
    """Return a page of so many rows of nothing: nulls, or zeros in a column that has no nulls."""
    rep = _level_run(rows, leaf.max_rep)
    definition = _level_run(rows, leaf.max_def)
    body = b"" if leaf.max_def > 0 else _zeros(leaf, rows)
    data = rep + definition + body
    header: Struct = {
        1: (I32, _DATA_PAGE_V2),
        2: (I32, len(data)),
        3: (I32, len(data)),
        8: (
            STRUCT,
            {
                1: (I32, rows),
                2: (I32, rows if leaf.max_def > 0 else 0),
                3: (I32, rows),
                4: (I32, _PLAIN),
                5: (I32, len(definition)),
                6: (I32, len(rep)),
                7: (FALSE, False),
            },
        ),
    }
    return thrift.write_struct(header) + data


def _level_run(rows: int, highest: int) -> bytes:
    """Return one run of so many levels 0, in the hybrid encoding."""
    if highest == 0:
        return b""
    return thrift.varint(rows << 1) + bytes(-(-highest.bit_length() // 8))


def _zeros(leaf: _Leaf, rows: int) -> bytes:
    if leaf.physical == "BOOLEAN":
        return bytes(-(-rows // 8))
    return bytes(rows * (_WIDTHS.get(leaf.physical) or leaf.width))


_known: OrderedDict[str, _Written] = OrderedDict()

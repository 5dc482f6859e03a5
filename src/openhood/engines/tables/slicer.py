"""Rows out of the middle of a Parquet row group by its page index: only the pages that hold them are read.

The pages are put into small Parquet files in memory that pyarrow decodes. Pages of different columns begin at
different rows, so columns whose pages hold the same rows share a file, and others have one of their own. Where the
leaves of one column begin at different rows, or there would be too many files, those that begin later are filled up
with a page of nulls (zeros where the leaf has none), and likewise at the end; the rows that were asked for lie where
all are real. Leaves of one list of structs must agree on the length of every list, so for these, bounds are chosen
that all of them have.

What follows of a file is read: the footer, the offset index of the columns, their dictionary pages, and the pages.
Footers and indexes are kept, so that the next page out of the same row group reads nothing else.

**Source**: the Parquet format's ``parquet.thrift`` and ``PageIndex.md``.
"""

from __future__ import annotations

import base64
from array import array
from bisect import bisect_left, bisect_right
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import itemgetter
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import TableTooLarge, TableUnreadable
from openhood.engines.tables import thrift
from openhood.engines.tables.columns import Ends
from openhood.engines.tables.task import Source
from openhood.engines.tables.thrift import BINARY, FALSE, I32, I64, LIST, STRUCT, Struct

MAX_PAGES_BYTES = 256 * 1024**2
_MAX_FOOTER_BYTES = 16 * 1024**2
_MAX_PADDING_ROWS = 20_000_000
_MAGIC = b"PAR1"
_DATA_PAGE_V2 = 3
_PLAIN, _RLE = 0, 3
_BY_DICTIONARY = (2, 8)
_WIDTHS = {"INT32": 4, "INT64": 8, "INT96": 12, "FLOAT": 4, "DOUBLE": 8, "BYTE_ARRAY": 4}
_KEPT_FOOTERS = 16
_KEPT_PAGES = 500_000
_MAX_FILES = 32
"""So many files are made of one slice; of more columns whose pages differ, one is made that holds them all."""
_ARROW_SCHEMA = b"ARROW:schema"
_CHILDREN, _METADATA = 5, 5
"""Numbers of fields: of a schema's element, and of the footer."""


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
    tops: list[list[Struct]]
    """The elements of the schema that each top-level column is described by."""


@dataclass(frozen=True, slots=True)
class _Leaf:
    """A column as it lies in the file. ``top`` is the number of the top-level column that it is part of."""

    number: int
    top: int
    max_def: int
    max_rep: int
    physical: str
    width: int


_Index: TypeAlias = "tuple[array[int], array[int], array[int]]"
"""Of the pages of a leaf: where they begin in the file, their lengths, their first rows."""


@dataclass(slots=True)
class _Pages:
    """The pages of a leaf: where each begins in the file, its length, its first row; ``rows`` of the group."""

    offsets: array[int]
    sizes: array[int]
    firsts: array[int]
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
    chunks = ends.chunks(group)
    return all(chunks[leaf].has_index for leaf in leaves)


def read_slice(
    source: Source, ends: Ends, group: int, start: int, count: int, columns: Collection[str]
) -> pa.Table:
    """Return rows ``start`` to ``start + count`` of a row group, of these top-level columns.

    Raises: TableUnreadable for an index that makes no sense, TableTooLarge where the pages are too large.
    """
    written = _written(source, ends)
    leaves = _leaves(ends, written, columns)
    described = written.groups[group]
    rows = ends.footer.row_group(group).num_rows
    spans = [described.indexes[leaf.number] for leaf in leaves]
    source.need([span for span in spans if span is not None])
    pages = [_pages_of(source, span, rows) for span in spans]
    for each in pages:
        each.choose(start, start + count)
    _align(leaves, pages)
    _bring(source, described, leaves, pages)
    found: dict[str, pa.ChunkedArray] = {}
    for wanted in _together(list(zip(leaves, pages, strict=True))):
        first, last = _bounds(each for _leaf, each in wanted)
        if last - first > _MAX_PADDING_ROWS:
            raise TableTooLarge("The pages of this row group hold too many rows for some of them to be read.")
        mini = _file(source, ends, written, described, wanted)
        opened = pq.ParquetFile(pa.BufferReader(pa.py_buffer(mini)))
        table: pa.Table = opened.reader.read_all(use_threads=False)
        if len(table) != last - first:
            raise TableUnreadable("The page index of this file makes no sense.")
        cut = table.slice(start - first, count)
        found |= zip(cut.column_names, cut.columns, strict=True)
    return pa.table({name: found[name] for name in ends.leaves if name in found})


_Wanted = list[tuple[_Leaf, _Pages]]


def _bounds(pages: Iterable[_Pages]) -> tuple[int, int]:
    """Return the first row of some pages, and the row after the last."""
    each = list(pages)
    return min(one.begins for one in each), max(one.ends for one in each)


def _together(wanted: _Wanted) -> list[_Wanted]:
    """Return the leaves of columns that can share a file: those whose pages hold the same rows."""
    tops: dict[int, _Wanted] = {}
    for each in wanted:
        tops.setdefault(each[0].top, []).append(each)
    found: dict[tuple[int, int], _Wanted] = {}
    for parts in tops.values():
        found.setdefault(_bounds(map(itemgetter(1), parts)), []).extend(parts)
    return list(found.values()) if len(found) <= _MAX_FILES else [wanted]


def _written(source: Source, ends: Ends) -> _Written:
    known = _known.pop(source.key, None)
    if known is None:
        size = ends.footer.serialized_size
        known = _read_footer(source.read(source.size_bytes - size - 8, size))
    _known[source.key] = known
    while len(_known) > _KEPT_FOOTERS:
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
            return _Written(fields, groups, _tops(fields))
        if number == 4 and kind == LIST:
            size, _struct = reader.list_head()
            groups = [_read_group(reader) for _each in range(size)]
        else:
            fields[number] = (kind, reader.value(kind))


def _tops(fields: Struct) -> list[list[Struct]]:
    """Return the elements of the schema by top-level column; each is followed by its children."""
    elements = fields[2][1][1]
    found: list[list[Struct]] = []
    left = 0
    for element in elements[1:]:
        if left == 0:
            found.append([])
            left = 1
        found[-1].append(element)
        left += element.get(_CHILDREN, (I32, 0))[1] - 1
    return found


def _read_group(reader: thrift.Reader) -> _Group:
    described = reader.struct()
    columns = described[1][1][1]
    indexes = []
    for column in columns:
        start, length = column.get(4, (I64, 0))[1], column.get(5, (I32, 0))[1]
        indexes.append((start, length) if start > 0 and length > 0 else None)
    return _Group([(STRUCT, column) for column in columns], indexes)


def _leaves(ends: Ends, written: _Written, columns: Collection[str]) -> list[_Leaf]:
    tops = [
        top
        for top, elements in enumerate(written.tops)
        for element in elements
        if _CHILDREN not in element or element[_CHILDREN][1] == 0
    ]
    if len(tops) != ends.footer.num_columns or len(written.tops) != len(ends.schema):
        raise TableUnreadable("The columns of this file cannot be told apart.")
    found = []
    for name, span in ends.leaves.items():
        for number in span if name in columns else ():
            column = ends.footer.schema.column(number)
            levels = column.max_definition_level, column.max_repetition_level
            width = column.length if column.physical_type == "FIXED_LEN_BYTE_ARRAY" else 0
            found.append(_Leaf(number, tops[number], *levels, column.physical_type, width))
    return found


def _pages_of(source: Source, span: tuple[int, int] | None, rows: int) -> _Pages:
    if span is None:
        raise TableUnreadable("A column of this file has no page index.")
    key = (source.key, span[0])
    known = _indexes.pop(key, None)
    if known is None:
        known = _read_index(source, span, rows)
    _indexes[key] = known
    held = sum(len(each[0]) for each in _indexes.values()) if len(_indexes) % 64 == 0 else 0
    while held > _KEPT_PAGES and len(_indexes) > 1:
        held -= len(_indexes.popitem(last=False)[1][0])
    return _Pages(*known, rows)


def _read_index(source: Source, span: tuple[int, int], rows: int) -> _Index:
    index = thrift.Reader(source.read(*span)).struct()
    places = list(index[1][1][1])
    offsets, sizes, firsts = (array("q", [place[at][1] for place in places]) for at in (1, 2, 3))
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
    return offsets, sizes, firsts


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


def _file(source: Source, ends: Ends, written: _Written, group: _Group, wanted: _Wanted) -> bytearray:
    """Return a Parquet file of one row group that holds these pages, filled up to the rows that any of them has."""
    first, last = _bounds(map(itemgetter(1), wanted))
    out = bytearray(_MAGIC)
    columns: list[Struct] = []
    for leaf, pages in wanted:
        described: Struct = dict(group.columns[leaf.number][1][3][1])
        _append_chunk(out, source, group, described, leaf, pages, first, last)
        for left_out in (8, 10, 12, 13, 14, 15, 16, 17):
            described.pop(left_out, None)
        columns.append({2: (I64, described[9][1]), 3: (STRUCT, described)})
    row_group: Struct = {
        1: (LIST, (STRUCT, columns)),
        2: (I64, len(out)),
        3: (I64, last - first),
    }
    tops = list(dict.fromkeys(leaf.top for leaf, _pages in wanted))
    footer = thrift.write_struct(
        {
            1: written.fields[1],
            2: (LIST, (STRUCT, _schema(written, tops))),
            3: (I64, last - first),
            4: (LIST, (STRUCT, [row_group])),
            _METADATA: (LIST, (STRUCT, [_arrow_schema(ends, tops)])),
        }
    )
    out += footer + len(footer).to_bytes(4, "little") + _MAGIC
    return out


def _schema(written: _Written, tops: Sequence[int]) -> list[Struct]:
    root: Struct = dict(written.fields[2][1][1][0])
    root[_CHILDREN] = (I32, len(tops))
    return [root, *(element for top in tops for element in written.tops[top])]


def _arrow_schema(ends: Ends, tops: Sequence[int]) -> Struct:
    """Return the types of some columns as the file's writer meant them, for pyarrow to read them so."""
    said = pa.schema([ends.schema.field(top) for top in tops]).serialize()
    return {1: (BINARY, _ARROW_SCHEMA), 2: (BINARY, base64.b64encode(said))}


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
    begin = pages.offsets[pages.first]
    end = pages.offsets[pages.last - 1] + pages.sizes[pages.last - 1]
    data = source.read(begin, end - begin)
    heads = [_head(data, pages.offsets[at] - begin) for at in range(pages.first, pages.last)]
    described.pop(11, None)
    # Writers give a dictionary up when it grows too large: pages behind that are decoded without it.
    if any(encoding in _BY_DICTIONARY for _values, encoding in heads):
        for span in _dictionary_span(group, leaf, pages):
            described[11] = (I64, len(out))
            out += source.read(*span)
    described[9] = (I64, len(out))
    values = sum(count for count, _encoding in heads)
    if pages.begins > first:
        out += _padding(leaf, pages.begins - first)
        values += pages.begins - first
    for at in range(pages.first, pages.last):
        offset = pages.offsets[at] - begin
        out += data[offset : offset + pages.sizes[at]]
    if last > pages.ends:
        out += _padding(leaf, last - pages.ends)
        values += last - pages.ends
    size = len(out) - start
    encodings = sorted({*described[2][1][1], _PLAIN, _RLE})
    described |= {2: (LIST, (I32, encodings)), 5: (I64, values), 6: (I64, size), 7: (I64, size)}


def _head(data: bytes, at: int) -> tuple[int, int]:
    """Return how many values the page has whose header begins there, and their encoding."""
    header = thrift.Reader(data, at).struct()
    # The encoding is the second field of a page of version 1, the fourth of version 2.
    for number, encoding in ((5, 2), (8, 4)):
        if number in header:
            said: Struct = header[number][1]
            return said[1][1], said[encoding][1]
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
_indexes: OrderedDict[tuple[str, int], _Index] = OrderedDict()

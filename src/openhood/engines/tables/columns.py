"""Which leaves of a Parquet file belong to which column of its table, and the footer they are described in.

A column's name may hold dots, so its leaves are told by counting, never by the path that is written for them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import TableUnreadable
from openhood.engines.tables.task import Source

_KEPT = 256
_KEPT_BYTES = 64 * 1024**2
_TAIL_BYTES = 64 * 1024
_END_BYTES = 8
_KEPT_CHUNKS = 1024
"""Of each file: pages of one row group follow each other, and asking pyarrow for a thousand chunks takes a while."""


class Chunk(NamedTuple):
    """A leaf in a row group: where its bytes begin, how many they are, whether its pages are listed (offset index)."""

    start: int
    length: int
    has_index: bool


@dataclass(frozen=True, slots=True)
class Ends:
    """The end of a Parquet file. ``leaves`` are the numbers of the leaves of each column, by name.

    Where columns have one name, the last of them is meant.
    """

    footer: pq.FileMetaData
    schema: pa.Schema
    leaves: dict[str, range]
    _chunks: OrderedDict[int, tuple[Chunk, ...]] = field(default_factory=OrderedDict)

    def numbers(self, columns: Collection[str] | None = None) -> list[int]:
        """Return the leaves of some columns, of all by default, in the order of the file."""
        # One list of a thousand columns must not be looked through for each of them.
        wanted = None if columns is None else frozenset(columns)
        return [
            leaf for name, span in self.leaves.items() if wanted is None or name in wanted for leaf in span
        ]

    def chunks(self, group: int) -> tuple[Chunk, ...]:
        """Return the chunks of a row group, by leaf. Kept for the groups that were asked for last."""
        known = self._chunks.get(group)
        if known is None:
            described = self.footer.row_group(group)
            known = tuple(_chunk(described.column(leaf)) for leaf in range(described.num_columns))
            while self._chunks and (len(self._chunks) + 1) * len(known) > _KEPT_CHUNKS:
                self._chunks.popitem(last=False)
            self._chunks[group] = known
        return known

    def spans(self, group: int, leaves: Iterable[int]) -> list[tuple[int, int]]:
        """Return offset and length of the chunks of some leaves in a row group."""
        chunks = self.chunks(group)
        return [chunks[leaf][:2] for leaf in leaves]


def _chunk(described: pq.ColumnChunkMetaData) -> Chunk:
    start = described.data_page_offset
    if described.has_dictionary_page and 0 < described.dictionary_page_offset < start:
        start = described.dictionary_page_offset
    return Chunk(start, described.total_compressed_size, described.has_offset_index)


def ends_of(source: Source) -> Ends:
    """Return the end of a Parquet file, kept by content. Raises TableUnreadable."""
    known = _known.pop(source.key, None)
    if known is None:
        known = _read(source)
    _known[source.key] = known
    held = sum(each.footer.serialized_size for each in _known.values())
    while len(_known) > 1 and (len(_known) > _KEPT or held > _KEPT_BYTES):
        held -= _known.popitem(last=False)[1].footer.serialized_size
    return known


def _read(source: Source) -> Ends:
    if not source.is_whole:
        tail = source.read(max(0, source.size_bytes - _TAIL_BYTES), _TAIL_BYTES)
        size = int.from_bytes(tail[-_END_BYTES:-4], "little") + _END_BYTES
        if len(tail) < size <= source.size_bytes:
            source.need([(source.size_bytes - size, size)])
    try:
        footer = pq.read_metadata(source.path)
        schema = footer.schema.to_arrow_schema()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise TableUnreadable(
            f"'{source.name}' is not a Parquet file that can be read: {str(error).splitlines()[0][:200]}"
        ) from error
    leaves, first = {}, 0
    for each in schema:
        count = _leaves_of(each.type)
        leaves[each.name] = range(first, first + count)
        first += count
    if first != footer.num_columns:
        raise TableUnreadable(f"The columns of '{source.name}' cannot be told apart.")
    return Ends(footer, schema, leaves)


def _leaves_of(kept: pa.DataType) -> int:
    if isinstance(kept, pa.BaseExtensionType):
        return _leaves_of(kept.storage_type)
    if pa.types.is_dictionary(kept):
        return _leaves_of(kept.value_type)
    if pa.types.is_nested(kept) and not pa.types.is_run_end_encoded(kept):
        return sum(_leaves_of(kept.field(at).type) for at in range(kept.num_fields))
    return 1


_known: OrderedDict[str, Ends] = OrderedDict()

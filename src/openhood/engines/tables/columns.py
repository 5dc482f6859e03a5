"""Which leaves of a Parquet file belong to which column of its table, and the footer they are described in.

A column's name may hold dots, so its leaves are told by counting, never by the path that is written for them.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import TableUnreadable
from openhood.engines.tables.task import Source

_KEPT = 256
_KEPT_BYTES = 64 * 1024**2
_TAIL_BYTES = 64 * 1024
_END_BYTES = 8


@dataclass(frozen=True, slots=True)
class Ends:
    """The end of a Parquet file. ``leaves`` are the numbers of the leaves of each column, by name.

    Where columns have one name, the last of them is meant.
    """

    footer: pq.FileMetaData
    schema: pa.Schema
    leaves: dict[str, range]

    def numbers(self, columns: Collection[str] | None = None) -> list[int]:
        """Return the leaves of some columns, of all by default."""
        return [
            leaf for name, span in self.leaves.items() if columns is None or name in columns for leaf in span
        ]

    def spans(self, group: int, leaves: Iterable[int]) -> list[tuple[int, int]]:
        """Return offset and length of the chunks of some leaves in a row group."""
        described = self.footer.row_group(group)
        found = []
        for leaf in leaves:
            chunk = described.column(leaf)
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            found.append((start, chunk.total_compressed_size))
        return found


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
    for field in schema:
        count = _leaves_of(field.type)
        leaves[field.name] = range(first, first + count)
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

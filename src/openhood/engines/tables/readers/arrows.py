"""Arrow files and streams, which hold tables as they are; checked in full, since their offsets are trusted later.

**Source**: ``datasets/packaged_modules/arrow/arrow.py``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from openhood.base.errors import TableUnreadable
from openhood.engines.tables.features import features_of
from openhood.engines.tables.readers.casting import cast_table
from openhood.engines.tables.readers.given import Given, Stream
from openhood.engines.tables.task import Source

_MAGIC = b"ARROW1"


def read(given: Given) -> Stream:
    """Read Arrow files; the features are those that the first one states."""
    if not given.sources:
        return Stream(iter(()))
    features = given.features
    if features is None:
        with _opened(given.sources[0]) as reader:
            features = features_of(reader.schema)
    return Stream(_tables(given, features), features)


def _tables(given: Given, features: Any) -> Iterator[pa.Table]:
    for source in given.sources:
        with _opened(source) as reader:
            for batch in _batches(reader):
                given.check()
                batch.validate(full=True)
                yield cast_table(_plain(pa.Table.from_batches([batch])), features)
        given.progress.read_bytes += source.size_bytes


def _batches(reader: Any) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.ipc.RecordBatchFileReader):
        for at in range(reader.num_record_batches):
            yield reader.get_batch(at)
    else:
        yield from reader


def _plain(table: pa.Table) -> pa.Table:
    """Return dictionaries as the values they stand for, as features know no dictionaries."""
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(at, field.name, table[at].cast(field.type.value_type))
    return table


def _opened(source: Source) -> Any:  # Any: one of two readers of pyarrow
    is_file = source.read(0, len(_MAGIC)) == _MAGIC
    file: Any = pa.memory_map(source.path) if source.is_whole else pa.PythonFile(source.open(), "r")
    try:
        return pa.ipc.open_file(file) if is_file else pa.ipc.open_stream(file)
    except pa.ArrowInvalid as error:
        raise TableUnreadable(f"'{source.name}' is no Arrow file: {str(error)[:200]}") from error

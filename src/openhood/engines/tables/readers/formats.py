"""Every format that is read on this hub, by the name of the module of ``datasets`` that reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import FormatNotSupported, TableCastFailed, TableTooLarge
from openhood.engines.tables.features import features_of, normal
from openhood.engines.tables.readers import arrows, delimited, folders, jsonlines, labels, texts, webdataset
from openhood.engines.tables.readers.casting import cast_table
from openhood.engines.tables.readers.given import Features, Given, Progress, Stream
from openhood.engines.tables.readers.unpacking import entries

_MAGIC = b"PAR1"
MAX_PACKED_BYTES = 1 << 30


def _read_parquet(given: Given) -> Stream:
    """Read Parquet as a stream: where its files are compressed or in archives, or are to be brought together."""
    columns = given.option("columns", None)
    features = given.features
    if features is None:
        first = next(_parquet_files(replace(given, progress=Progress())), None)
        if first is not None:
            with first as file:
                features = features_of(pq.read_schema(file))

    def tables() -> Iterator[pa.Table]:
        for opened in _parquet_files(given):
            with opened as file:
                for batch in pq.ParquetFile(file).iter_batches(columns=columns):
                    given.check()
                    table = pa.Table.from_batches([batch])
                    yield table if features is None else cast_table(table, features)

    return Stream(tables(), features)


def _parquet_files(given: Given) -> Iterator[Any]:
    """Yield files to be opened, which must be read from end to beginning: those within others in memory."""
    for source in given.sources:
        if source.read(0, len(_MAGIC)) == _MAGIC:
            yield source.open()
            given.progress.read_bytes += source.size_bytes
            continue
        for entry in entries(source, given.check, given.progress):
            with entry.open() as file:
                data = file.read(MAX_PACKED_BYTES + 1)
            if len(data) > MAX_PACKED_BYTES:
                raise TableTooLarge(
                    f"A Parquet file that is packed in another may have {MAX_PACKED_BYTES >> 20} MiB. Store it as it is: "
                    "its columns are packed already."
                )
            yield pa.BufferReader(data)


READERS: Mapping[str, Callable[[Given], Stream]] = {
    "csv": delimited.read,
    "json": jsonlines.read,
    "text": texts.read_text,
    "xml": texts.read_xml,
    "conll": texts.read_conll,
    "arrow": arrows.read,
    "parquet": _read_parquet,
    "webdataset": webdataset.read,
    **{name: folders.reader_of(name) for name in labels.KINDS},
}


def open_stream(name: str, given: Given) -> Stream:
    """Return the tables of files of a format. Raises FormatNotSupported; see the readers."""
    reader = READERS.get(name)
    if reader is None:
        known = ", ".join(sorted(READERS))
        raise FormatNotSupported(
            f"Data of the format '{name[:40]}' is not read on this hub. These are: {known}."
        )
    if given.features is not None:
        given = replace(given, features=_normal(given.features))
    return reader(given)


def _normal(features: Features) -> Features:
    try:
        return {name: normal(feature) for name, feature in features.items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TableCastFailed("The features that the card declares cannot be understood.") from error

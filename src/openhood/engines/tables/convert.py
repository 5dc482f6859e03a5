"""A whole split as Parquet files, written in a stream: what pages, queries and ``refs/convert/parquet`` need.

Files are laid out as ``datasets`` writes them: page index, content-defined pages, features in the metadata. The first
ones are small, so that there is something to show soon; `PROGRESS` lists those that are finished.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import TableUnreadable
from openhood.engines.tables.features import MEDIA, features_of
from openhood.engines.tables.readers.casting import arrow_schema, cast_table
from openhood.engines.tables.readers.formats import open_stream
from openhood.engines.tables.readers.given import Given
from openhood.engines.tables.task import Reply, Task

PROGRESS = "progress.json"
"""``{"files": [{"name", "rows", "size"}], "rows", "read_bytes", "total_bytes", "features"}``, replaced as a whole."""

GROUP_BYTES = 64 << 20
"""Bytes of a row group in memory; ``datasets`` takes up to 100 MB."""
GROUP_ROWS = 100_000
MEDIA_GROUP_ROWS = 100
_FILE_BYTES = (16 << 20, 128 << 20, 500 << 20)
_CDC = {"min_chunk_size": 256 * 1024, "max_chunk_size": 1024 * 1024, "norm_level": 0}
_MAX_COLUMN_NAME = 500


def convert(task: Task) -> Reply:
    """Write the split as ``0000.parquet``, ``0001.parquet``… into the task's directory.

    Params: ``table`` {format, options, features, written (what another split says that rows become)}, ``prefix``
    (before paths that rows name), ``max_bytes`` (0: all).
    Facts: files [{name, rows, size, sha256}], rows, features, partial, estimated_rows, nbytes.
    """
    table, out = task.params["table"], task.out
    if out is None:
        raise TableUnreadable("There is no place for the converted files.")
    given = Given(
        sources=task.sources,
        options=table.get("options") or {},
        features=table.get("features"),
        check=task.check_time,
        prefix=str(task.params.get("prefix") or ""),
    )
    writer = _Writer(out, given, sum(source.size_bytes for source in task.sources))
    is_partial = writer.write(
        _unified(table["format"], given, writer, table.get("written")), int(task.params.get("max_bytes") or 0)
    )
    return Reply(writer.facts(is_partial))


def _unified(
    name: str, given: Given, writer: _Writer, written: Mapping[str, Any] | None
) -> Iterator[pa.Table]:
    """Yield tables that all have the columns of the first, or those that are given."""
    stream = open_stream(name, given)
    features = written or stream.features
    for table in stream.tables:
        if features is None:
            features = features_of(table.schema)
        writer.begin(features)
        yield cast_table(table, features)
    if features is not None:
        writer.begin(features)


class _Writer:
    """The files of one split: one open at a time."""

    def __init__(self, out: Path, given: Given, total_bytes: int) -> None:
        self._out = out
        self._given = given
        self._total_bytes = total_bytes
        self._features: Mapping[str, Any] | None = None
        self._schema: pa.Schema | None = None
        self._group_rows = GROUP_ROWS
        self._open: pq.ParquetWriter | None = None
        self._rows_in_file = 0
        self._bytes_in_file = 0
        self._waiting: list[pa.Table] = []
        self._waiting_rows = self._waiting_bytes = 0
        self.files: list[dict[str, Any]] = []
        self.rows = self.nbytes = self._seen = 0

    def begin(self, features: Mapping[str, Any]) -> None:
        """Take the features of all tables that will come. Raises TableUnreadable."""
        if self._features is not None:
            return
        long = next((name for name in features if len(name) > _MAX_COLUMN_NAME), None)
        if long is not None:
            raise TableUnreadable(
                f"The name of a column may have {_MAX_COLUMN_NAME} characters: {long[:60]!r}… has more."
            )
        self._features = features
        self._schema = arrow_schema(features)
        if any(_has_media(feature) for feature in features.values()):
            self._group_rows = MEDIA_GROUP_ROWS

    def write(self, tables: Iterator[pa.Table], max_bytes: int) -> bool:
        """Write tables until there are no more, or more bytes than there may be; tells whether rows are missing."""
        is_partial = False
        for table in tables:
            size = table.nbytes
            if max_bytes and self.nbytes + size > max_bytes and self.rows:
                is_partial = True
                self._seen = self.rows + len(table)
                break
            self.rows += len(table)
            self.nbytes += size
            self._wait(table, size)
        self._flush(is_last=True)
        if not self.files and self._schema is not None:
            self._file()
        self._close_file()
        return is_partial

    def facts(self, is_partial: bool) -> dict[str, Any]:
        """Return what is said of the finished split."""
        read = self._given.progress.read_bytes
        estimated = None
        if is_partial and read:
            estimated = max(self.rows, self._seen * self._total_bytes // read)
        return {
            "files": [{**file, "sha256": _hash(self._out / file["name"])} for file in self.files],
            "rows": self.rows,
            "nbytes": self.nbytes,
            "features": self._features,
            "partial": is_partial,
            "estimated_rows": estimated,
        }

    def _wait(self, table: pa.Table, size: int) -> None:
        self._waiting.append(table)
        self._waiting_rows += len(table)
        self._waiting_bytes += size
        if self._waiting_rows >= self._group_rows or self._waiting_bytes >= GROUP_BYTES:
            self._flush(is_last=False)

    def _flush(self, *, is_last: bool) -> None:
        """Write whole row groups of what waits; the last one may be small."""
        if not self._waiting_rows:
            return
        table = pa.concat_tables(self._waiting)
        per_row = max(1, self._waiting_bytes // self._waiting_rows)
        group_rows = max(1, min(self._group_rows, GROUP_BYTES // per_row))
        start = 0
        while start < len(table) and (is_last or len(table) - start >= group_rows):
            part = table.slice(start, group_rows).combine_chunks()
            self._file().write_table(part, row_group_size=group_rows)
            self._rows_in_file += len(part)
            self._bytes_in_file += part.nbytes
            start += len(part)
            if self._bytes_in_file >= _FILE_BYTES[min(len(self.files), len(_FILE_BYTES) - 1)]:
                self._close_file()
        rest = table.slice(start)
        self._waiting = [rest] if len(rest) else []
        self._waiting_rows, self._waiting_bytes = len(rest), rest.nbytes if len(rest) else 0

    def _file(self) -> pq.ParquetWriter:
        if self._open is None:
            path = self._out / f"{len(self.files):04d}.parquet"
            self._open = pq.ParquetWriter(
                path,
                self._schema,
                write_page_index=True,
                use_content_defined_chunking=_CDC,
                **_column_options(self._schema, self._features or {}),
            )
            self._rows_in_file = self._bytes_in_file = 0
        return self._open

    def _close_file(self) -> None:
        if self._open is None:
            return
        self._open.close()
        self._open = None
        name = f"{len(self.files):04d}.parquet"
        size = os.stat(self._out / name).st_size
        self.files.append({"name": name, "rows": self._rows_in_file, "size": size})
        said = {
            "files": self.files,
            "rows": sum(file["rows"] for file in self.files),
            "read_bytes": min(self._given.progress.read_bytes, self._total_bytes),
            "total_bytes": self._total_bytes,
            "features": self._features,
        }
        scratch = self._out / f".{PROGRESS}"
        scratch.write_bytes(orjson.dumps(said))
        os.replace(scratch, self._out / PROGRESS)


def _has_media(feature: Any) -> bool:
    if isinstance(feature, list):
        return any(map(_has_media, feature))
    if not isinstance(feature, dict):
        return False
    kind = feature.get("_type")
    if kind in MEDIA:
        return True
    if isinstance(kind, str):
        return _has_media(feature.get("feature"))
    return any(map(_has_media, feature.values()))


def _column_options(schema: pa.Schema, features: Mapping[str, Any]) -> dict[str, Any]:
    """Return how columns are packed: media as they are. **Source**: ``datasets`` ``get_parquet_column_options``."""
    compression: dict[str, str] = {}
    dictionary: list[str] = []
    encoding: dict[str, str] = {}
    for field in schema:
        is_media = _has_media(features.get(field.name))
        for leaf in _leaves(field.name, field.type):
            compression[leaf] = "none" if is_media else "snappy"
            if is_media:
                encoding[leaf] = "PLAIN"
            else:
                dictionary.append(leaf)
    return {"compression": compression, "use_dictionary": dictionary, "column_encoding": encoding}


def _leaves(path: str, kind: pa.DataType) -> list[str]:
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_struct(kind):
        return [leaf for field in kind for leaf in _leaves(f"{path}.{field.name}", field.type)]
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return _leaves(f"{path}.list.element", kind.value_type)
    return [path]


def _hash(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()

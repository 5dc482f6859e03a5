"""Folders of images, sounds, videos and PDFs: rows are files of the repository, with what metadata files say of them.

Nothing of the files is read: a cell holds the path. Only what lies in zip archives is copied, since nobody else could
find it there. **Source**: ``datasets/packaged_modules/folder_based_builder``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from openhood.base.errors import TableCastFailed, TableTooLarge, TableUnreadable
from openhood.engines.tables.features import features_of
from openhood.engines.tables.readers import delimited, jsonlines
from openhood.engines.tables.readers.casting import arrow_schema, cast_table
from openhood.engines.tables.readers.given import Features, Given, Stream
from openhood.engines.tables.readers.labels import KINDS, METADATA, Kind, Labels, label_of, layout_of
from openhood.engines.tables.readers.unpacking import Entry, entries
from openhood.engines.tables.task import Source

MAX_MEMBER_BYTES = 1 << 30
_ROWS_AT_ONCE = 10_000
_HEAD_ROWS = 1_000
"""Rows of metadata that are read at once where only the first rows are wanted, so smaller chunks are."""
_WHOLE_CHUNK_BYTES = 10 << 20
_ARCHIVED_AT_ONCE = 100
_BYTES_AT_ONCE = 64 << 20

# How `domain.viewer` tells a worker of files that it need not open: among the card's options, under names that no
# card can have, since its are identifiers.
PATHS, LABELS, UNLABELLED = "/paths", "/labels", "/unlabelled"


def reader_of(name: str) -> Callable[[Given], Stream]:
    """Return the reader of a folder format."""
    kind = KINDS[name]
    return lambda given: _read(kind, given)


def _read(kind: Kind, given: Given) -> Stream:
    by_name = {source.name: source for source in given.sources}
    paths = [*(given.options.get(PATHS) or ()), *by_name]
    names = given.option("metadata_filenames", list(METADATA))
    layout = layout_of(kind, dict.fromkeys(paths), names if isinstance(names, list) else METADATA)
    archives = [by_name[path] for path in layout.archives if path in by_name]
    metadata: list[tuple[str, Callable[[], Any]]] = []
    for path in layout.metadata:
        if path in by_name:
            metadata += [(path, entry.open) for entry in entries(by_name[path], given.check, given.progress)]
    drop_labels, drop_metadata = (given.option(name, None) for name in ("drop_labels", "drop_metadata"))
    if not (drop_labels and drop_metadata):
        inner = _archived_metadata(archives, names, given)
        if (metadata or inner) and not drop_metadata:
            return _Described(kind, given, metadata, inner, archives).stream()
        if metadata or inner:
            return _Rows(kind, given, layout.files, archives, None).stream()
        return _Rows(
            kind, given, layout.files, archives, _labels(kind, given, layout.files, archives)
        ).stream()
    return _Rows(kind, given, layout.files, archives, None).stream()


def _archived_metadata(
    archives: Sequence[Source], names: Sequence[str], given: Given
) -> list[tuple[Source, Entry]]:
    return [
        (source, entry)
        for source in archives
        for entry in entries(source, given.check, given.progress)
        if (entry.inner or "").rpartition("/")[2] in names
    ]


def _labels(kind: Kind, given: Given, files: Sequence[str], archives: Sequence[Source]) -> list[str] | None:
    drop = given.option("drop_labels", None)
    if drop:
        return None
    told = given.options.get(LABELS)
    if told is not None and not archives:
        return list(told) or None
    labels = Labels(set(), set())
    labels.add_all(files)
    for source in archives:
        for entry in entries(source, given.check, given.progress):
            if _is_row(kind, entry.inner or ""):
                labels.add(entry.inner or "")
    return labels.shown(drop=drop)


def _is_row(kind: Kind, path: str) -> bool:
    return path.lower().rpartition(".")[2] in kind.endings


class _Rows:
    """Rows that are files and nothing else, with the labels of their directories perhaps."""

    def __init__(
        self,
        kind: Kind,
        given: Given,
        files: Sequence[str],
        archives: Sequence[Source],
        labels: list[str] | None,
    ) -> None:
        self._kind = kind
        self._given = given
        self._files = files
        self._archives = archives
        self._labels = labels
        features: dict[str, Any] = {kind.column: {"_type": kind.feature}}
        if labels is not None:
            features["label"] = {"names": labels, "_type": "ClassLabel"}
        self._features: Features = given.features or features

    def stream(self) -> Stream:
        return Stream(self._tables(), self._features)

    def _tables(self) -> Iterator[pa.Table]:
        prefix = self._given.prefix
        for start in range(0, len(self._files), _ROWS_AT_ONCE):
            self._given.check()
            part = self._files[start : start + _ROWS_AT_ONCE]
            yield self._table([{"bytes": None, "path": prefix + path} for path in part], part)
        for source in self._archives:
            yield from self._archived(source)

    def _archived(self, source: Source) -> Iterator[pa.Table]:
        cells: list[Mapping[str, Any]] = []
        names: list[str] = []
        size = 0
        for entry in entries(source, self._given.check, self._given.progress):
            inner = entry.inner or ""
            if not _is_row(self._kind, inner):
                continue
            data = _contents(entry)
            size += len(data)
            cells.append({"bytes": data, "path": inner.rpartition("/")[2]})
            names.append(inner)
            if len(cells) >= _ARCHIVED_AT_ONCE or size >= _BYTES_AT_ONCE:
                yield self._table(cells, names)
                cells, names, size = [], [], 0
        if cells:
            yield self._table(cells, names)

    def _table(self, cells: Sequence[Mapping[str, Any]], paths: Sequence[str]) -> pa.Table:
        features = self._features
        column = next((name for name in features if name == self._kind.column), self._kind.column)
        made = {column: pa.array(cells, pa.struct({"bytes": pa.binary(), "path": pa.string()}))}
        if self._labels is not None or "label" in features:
            is_labelled = not self._given.options.get(UNLABELLED)
            made["label"] = pa.array([label_of(path) if is_labelled else None for path in paths], pa.string())
        return cast_table(pa.table(made), features)


def _contents(entry: Entry) -> bytes:
    with entry.open() as file:
        data = file.read(MAX_MEMBER_BYTES + 1)
    if len(data) > MAX_MEMBER_BYTES:
        raise TableTooLarge(
            f"A file in an archive may have {MAX_MEMBER_BYTES >> 20} MiB to be read on this hub."
        )
    return data


class _Described:
    """Rows that metadata files list: their columns, with the files that they name."""

    def __init__(
        self,
        kind: Kind,
        given: Given,
        metadata: Sequence[tuple[str, Callable[[], Any]]],
        inner: Sequence[tuple[Source, Entry]],
        archives: Sequence[Source],
    ) -> None:
        self._kind = kind
        self._given = given
        self._metadata = metadata
        self._inner = inner
        self._archives = archives
        endings = {path.rpartition(".")[2] for path, _open in metadata}
        endings |= {(entry.inner or "").rpartition(".")[2] for _source, entry in inner}
        if len(endings) > 1:
            raise TableUnreadable(f"Found metadata files with different extensions: {sorted(endings)}.")

    def stream(self) -> Stream:
        first = next(self._raw(), None)
        if first is None:
            return Stream(iter(()), self._given.features)
        features = self._given.features or self._renamed(features_of(first[1].schema))
        return Stream(self._tables(features), features)

    def _raw(self) -> Iterator[tuple[str, pa.Table, Source | None]]:
        """Yield the tables of metadata, with the directory that their names are relative to."""
        for path, opened in self._metadata:
            for table in self._read(path, opened):
                yield path.rpartition("/")[0], table, None
        for source, entry in self._inner:
            inner = entry.inner or ""
            for table in self._read(inner, entry.open):
                yield inner.rpartition("/")[0], table, source

    def _read(self, path: str, opened: Callable[[], Any]) -> Iterator[pa.Table]:
        given = self._given
        with opened() as file:
            if path.endswith(".csv"):
                chunk_rows = _ROWS_AT_ONCE if given.chunk_bytes >= _WHOLE_CHUNK_BYTES else _HEAD_ROWS
                yield from delimited.read_csv(file, chunk_rows=chunk_rows, features=None)
            elif path.endswith(".jsonl"):
                yield from jsonlines.read_lines(file, chunk_bytes=given.chunk_bytes)
            else:
                data = file.read(MAX_MEMBER_BYTES)
                for batch in pq.ParquetFile(pa.BufferReader(data)).iter_batches():
                    given.check()
                    yield pa.Table.from_batches([batch]).replace_schema_metadata(None)

    def _renamed(self, features: Features) -> dict[str, Any]:
        """Return features with media in place of the names of files."""
        found = False

        def visit(feature: Any) -> Any:
            nonlocal found
            if not isinstance(feature, dict) or isinstance(feature.get("_type"), str):
                return feature
            out: dict[str, Any] = {}
            for name, below in feature.items():
                plain, is_list = self._media_name(name, below)
                if plain is None:
                    out[name] = visit(below)
                else:
                    found = True
                    out[plain] = (
                        _listed({"_type": self._kind.feature}) if is_list else {"_type": self._kind.feature}
                    )
            return out

        renamed: dict[str, Any] = visit(dict(features))
        if not found:
            raise TableUnreadable(
                "`file_name`, `*_file_name`, `file_names` or `*_file_names` must be present as a column of metadata files."
            )
        return renamed

    def _media_name(self, name: str, feature: Any) -> tuple[str | None, bool]:
        """Return the column that a column of names becomes (None: it is no such column), and whether it lists them."""
        if (name == "file_name" or name.endswith("_file_name")) and _is_text(feature):
            return name[: -len("_file_name")] or self._kind.column, False
        is_list = (
            isinstance(feature, dict) and feature.get("_type") == "List" and _is_text(feature.get("feature"))
        )
        if (name == "file_names" or name.endswith("_file_names")) and is_list:
            return name[: -len("_file_names")] or f"{self._kind.column}s", True
        return None, False

    def _tables(self, features: Features) -> Iterator[pa.Table]:
        schema = arrow_schema(features)
        for folder, table, source in self._raw():
            self._given.check()
            members = None if source is None else _Members(source, self._given)
            for start in range(0, len(table), _ROWS_AT_ONCE if members is None else _ARCHIVED_AT_ONCE):
                part = table.slice(start, _ROWS_AT_ONCE if members is None else _ARCHIVED_AT_ONCE)
                yield self._described(part, folder, members, features, schema)

    def _described(
        self, table: pa.Table, folder: str, members: _Members | None, features: Features, schema: pa.Schema
    ) -> pa.Table:
        plain = features_of(table.schema)
        columns: dict[str, pa.Array] = {}
        rest: list[str] = []
        for name in table.column_names:
            media, is_list = self._media_name(name, plain[name])
            if media is not None and media in features:
                cells = [
                    self._cells(value, folder, members, is_list=is_list) for value in table[name].to_pylist()
                ]
                columns[media] = pa.array(cells, schema.field(media).type)
            elif _holds_names(plain[name]):
                rest.append(name)
            else:
                columns[name] = table[name]
        for name in rest:
            values = [self._nested(value, plain[name], folder, members) for value in table[name].to_pylist()]
            columns[name] = pa.array(values, schema.field(name).type)
        return cast_table(pa.table(columns), features)

    def _cells(self, value: Any, folder: str, members: _Members | None, *, is_list: bool) -> Any:
        if value is None:
            return None
        if is_list:
            return [None if each is None else self._cell(each, folder, members) for each in value]
        return self._cell(value, folder, members)

    def _nested(self, value: Any, feature: Any, folder: str, members: _Members | None) -> Any:
        if value is None or not isinstance(feature, dict) or isinstance(feature.get("_type"), str):
            return value
        out: dict[str, Any] = {}
        for name, below in feature.items():
            media, is_list = self._media_name(name, below)
            if media is None:
                out[name] = self._nested(value.get(name), below, folder, members)
            else:
                out[media] = self._cells(value.get(name), folder, members, is_list=is_list)
        return out

    def _cell(self, name: str, folder: str, members: _Members | None) -> Mapping[str, Any]:
        path = posixpath.normpath(name).replace("\\", "/")
        if "://" in name or path.startswith("/") or path == ".." or path.startswith("../"):
            raise TableUnreadable(
                f"The metadata names the file {name[:200]!r}, which does not lie below the metadata file."
            )
        path = f"{folder}/{path}" if folder else path
        if members is None:
            return {"bytes": None, "path": self._given.prefix + path}
        return {"bytes": members.read(path), "path": path.rpartition("/")[2]}


class _Members:
    """The files of an archive by their names."""

    def __init__(self, source: Source, given: Given) -> None:
        self._entries = {entry.inner: entry for entry in entries(source, given.check, given.progress)}

    def read(self, path: str) -> bytes:
        entry = self._entries.get(path)
        if entry is None:
            raise TableCastFailed(f"The metadata names the file {path[:200]!r}, which the archive has not.")
        return _contents(entry)


def _is_text(feature: Any) -> bool:
    return (
        isinstance(feature, dict)
        and feature.get("_type") == "Value"
        and feature.get("dtype")
        in (
            "string",
            "large_string",
        )
    )


def _holds_names(feature: Any) -> bool:
    """Tell whether a struct has names of files within."""
    if not isinstance(feature, dict) or isinstance(feature.get("_type"), str):
        return False
    return any("file_name" in name or _holds_names(below) for name, below in feature.items())


def _listed(feature: Any) -> dict[str, Any]:
    return {"feature": feature, "_type": "List"}

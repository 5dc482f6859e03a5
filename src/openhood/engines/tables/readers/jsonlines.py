"""JSON lines, arrays and documents as ``datasets`` reads them: by Arrow, 10 MiB at a time, what Arrow refuses by pandas.

Fields whose values differ in their structure from row to row become Json, as there.
**Source**: ``datasets/packaged_modules/json/json.py`` and ``datasets/utils/json.py``.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, BinaryIO

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.json as paj
from pandas.io.json import ujson_dumps, ujson_loads

from openhood.base.errors import TableTooLarge, TableUnreadable, TooManyColumns
from openhood.engines.tables.features import features_of
from openhood.engines.tables.readers.casting import cast_table
from openhood.engines.tables.readers.given import Features, Given, Stream
from openhood.engines.tables.readers.unpacking import Entry, all_entries

Path = list[Any]
"""Names of fields, and 0 for the items of a list."""

MAX_DOCUMENT_BYTES = 512 << 20
"""Largest JSON that is one array or document: it is held in memory, as its structure asks for."""
MAX_COLUMNS = 20_000
MAX_DEPTH = 100
"""Most levels of objects and lists; types of more are read by none of the libraries in reasonable time."""
_MIN_BLOCK_BYTES = 16 << 10


def read(given: Given) -> Stream:
    """Read JSON files; see `Stream`. Raises what `_Reading` raises."""
    return Stream(_Reading(given).tables())


def read_lines(file: BinaryIO, *, chunk_bytes: int) -> Iterator[pa.Table]:
    """Read plain JSON lines, as metadata of folders is."""
    while batch := file.read(chunk_bytes):
        batch += file.readline()
        yield _parse(batch, max(chunk_bytes // 32, _MIN_BLOCK_BYTES))[0]


class _Reading:
    """One pass over the files: the fields that were found to be Json are Json in all that follows."""

    def __init__(self, given: Given) -> None:
        self._given = given
        self._features = given.features
        self._chunk_bytes = min(int(given.option("chunksize", given.chunk_bytes)), given.chunk_bytes)
        self._encoding = str(given.option("encoding", "utf-8"))
        self._errors = str(given.option("encoding_errors", "strict"))
        self._field = given.option("field", None)
        self._may_mix = given.option("on_mixed_types", "use_json") == "use_json"
        self._paths: list[Path] = [] if self._features is None else json_paths(self._features)

    def tables(self) -> Iterator[pa.Table]:
        is_first = True
        for entry in all_entries(tuple(self._given.sources), self._given.check, self._given.progress):
            with entry.open() as file:
                found = (
                    self._field_of(file) if self._field is not None else self._lines(entry, file, is_first)
                )
                for table in found:
                    self._given.check()
                    yield self._cast(table)
            is_first = False

    def _cast(self, table: pa.Table) -> pa.Table:
        if self._features is not None:
            return cast_table(table, self._features)
        if self._paths:
            return cast_table(table, with_json(features_of(table.schema), self._paths))
        return table

    def _field_of(self, file: BinaryIO) -> Iterator[pa.Table]:
        document = ujson_loads(_whole(file).decode(self._encoding, self._errors))
        for part in str(self._field).split("\0"):
            if not isinstance(document, dict) or part not in document:
                raise TableUnreadable(
                    f"The JSON has no field {str(self._field)[:60]!r}, which the card names."
                )
            document = document[part]
        yield self._from_pandas(ujson_dumps(document))

    def _from_pandas(self, text: str) -> pa.Table:
        frame = pd.read_json(io.StringIO(text), dtype_backend="pyarrow")
        if frame.columns.tolist() == [0]:
            frame.columns = list(self._features) if self._features else ["text"]
        frame.columns = [str(name) for name in frame.columns]
        return pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata(None)

    def _lines(self, entry: Entry, file: BinaryIO, is_first_file: bool) -> Iterator[pa.Table]:
        block_bytes = max(self._chunk_bytes // 32, _MIN_BLOCK_BYTES)
        is_first = True
        while batch := file.read(self._chunk_bytes):
            if is_first:
                batch = batch.removeprefix(codecs.BOM_UTF8)
            if batch.startswith(b"["):
                batch = _as_lines(batch, file)
            batch += file.readline()
            if self._encoding.lower() not in ("utf-8", "utf8"):
                batch = batch.decode(self._encoding, self._errors).encode()
            if is_first and is_first_file and self._features is None and self._may_mix:
                self._paths += _mixed_in(batch)
            try:
                table, block_bytes = self._parsed(batch, block_bytes)
            except pa.ArrowInvalid as error:
                yield self._whole_document(entry, error)
                return
            yield table
            is_first = False

    def _parsed(self, original: bytes, block_bytes: int) -> tuple[pa.Table, int]:
        """Parse JSON lines, making Json of each field that proves to be mixed."""
        batch = encode_lines(original, self._paths) if self._paths else original
        while True:
            try:
                return _parse(batch, block_bytes)
            except pa.ArrowInvalid as error:
                said = str(error)
                is_mixed = "JSON parse error: Column(" in said and ") changed from" in said
                if not self._may_mix or not is_mixed or batch.startswith(b"["):
                    raise
                path = _path_in(said, (ujson_loads(line) for line in batch.splitlines()))
                if not path:
                    raise
                if any(path[: len(known)] == known for known in self._paths):
                    raise TableUnreadable(
                        f"The field {'.'.join(map(str, path))[:100]} has values of mixed types."
                    ) from error
                _insert(self._paths, path)
                batch = encode_lines(original, self._paths)

    def _whole_document(self, entry: Entry, error: Exception) -> pa.Table:
        """Read what is no JSON lines as one document, as pandas does."""
        with entry.open() as file:
            text = _whole(file).decode(self._encoding, self._errors)
        try:
            return self._from_pandas(text)
        except ValueError:
            raise TableUnreadable(
                f"The file is no JSON that can be read as a table: {str(error)[:300]}"
            ) from error


def _parse(batch: bytes, block_bytes: int) -> tuple[pa.Table, int]:
    """Parse JSON lines; returns the table and the size of blocks that was enough. Raises ArrowInvalid."""
    if len(batch) // 8 > block_bytes:
        block_bytes = len(batch)
    while True:
        try:
            options = paj.ReadOptions(block_size=block_bytes, use_threads=False)
            table = paj.read_json(pa.BufferReader(batch), read_options=options)
            table.validate()
            return table, block_bytes
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
            said = str(error)
            if ("straddling" in said or "JSON conversion to" in said) and block_bytes < len(batch):
                block_bytes *= 2
            elif isinstance(error, pa.ArrowInvalid):
                raise
            else:
                raise pa.ArrowInvalid(said) from error


def _whole(file: BinaryIO) -> bytes:
    data = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise TableTooLarge(
            f"A JSON file that is one document may have {MAX_DOCUMENT_BYTES >> 20} MiB to be read on this hub. Store "
            "one object per line (JSON lines) instead: of that any size is read."
        )
    return data


def _as_lines(start: bytes, file: BinaryIO) -> bytes:
    """Return an array as JSON lines, with texts as objects."""
    rest = file.read(MAX_DOCUMENT_BYTES + 1)
    if len(start) + len(rest) > MAX_DOCUMENT_BYTES:
        _whole(io.BytesIO(b"\0" * (MAX_DOCUMENT_BYTES + 1)))
    items = ujson_loads(start + rest)
    is_objects = b"{" in start[:100].split(b'"', 1)[0]
    return "\n".join(ujson_dumps(item if is_objects else {"text": item}) for item in items).encode()


# --- fields of mixed structure --------------------------------------------------------------


def _mixed_in(batch: bytes) -> list[Path]:
    """Return the fields of objects that differ in their structure, among the lines of a first batch."""
    lines = batch.splitlines()
    try:
        return mixed_paths([orjson.loads(line) for line in lines])
    except orjson.JSONDecodeError as error:
        if "limit" in str(error):
            # The only limit that there is: of levels. Arrow would be busy with so many for minutes.
            raise TableUnreadable("The data is nested too deeply to be read.") from error
    try:
        return mixed_paths([ujson_loads(line) for line in lines])
    except ValueError:
        return []  # not JSON lines: one document perhaps


def mixed_paths(examples: list[Any]) -> list[Path]:
    """**Source**: ``datasets/utils/json.py::find_mixed_struct_types_field_paths``."""
    found: list[Path] = []
    waiting: list[tuple[Path, list[Any]]] = [([], [each for each in examples if each is not None])]
    while waiting:
        path, values = waiting.pop(0)
        if not values:
            continue
        if len(path) > MAX_DEPTH:
            raise TableUnreadable(f"The data is nested too deeply to be read: more than {MAX_DEPTH} levels.")
        if all(isinstance(value, dict) for value in values):
            names = values[0].keys()
            if path and (not names or any(value.keys() != names for value in values)):
                found.append(path)
                continue
            for name, below in _by_name(values).items():
                # Plain values cannot be mixed in this sense; most are.
                if any(isinstance(value, dict | list) for value in below):
                    waiting.append(([*path, name], below))
        elif all(isinstance(value, list) for value in values):
            waiting.append(([*path, 0], [item for value in values for item in value if item is not None]))
        elif any(isinstance(value, dict | list) for value in values):
            found.append(path)
    return found


def _by_name(values: list[Any]) -> dict[str, list[Any]]:
    """Return what objects have under each of their names, but for nulls. Raises TooManyColumns."""
    found: dict[str, list[Any]] = {}
    for value in values:
        for name, below in value.items():
            known = found.setdefault(name, [])
            if below is not None:
                known.append(below)
        if len(found) > MAX_COLUMNS:
            raise TooManyColumns(
                f"The objects of the file have more than {MAX_COLUMNS:,} names in all, too many for columns."
            )
    return found


def encode_lines(batch: bytes, paths: list[Path]) -> bytes:
    """Return JSON lines with some fields as texts that hold their JSON."""
    rows = [ujson_loads(line) for line in batch.splitlines()]
    for path in paths:
        rows = [_encode(row, path) for row in rows]
    return "\n".join(ujson_dumps(row) for row in rows).encode()


def _encode(value: Any, path: Path) -> Any:
    if value is None:
        return None
    if path:
        first, *rest = path
        if first == 0:
            return [_encode(item, rest) for item in value]
        return {**value, first: _encode(value.get(first), rest)}
    try:
        ujson_loads(value)
    except Exception:  # whatever is no text of JSON; as the library decides it
        return ujson_dumps(value)
    return value


def _insert(paths: list[Path], path: Path) -> None:
    for at, known in enumerate(paths):
        if known[: len(path)] == path:
            paths[at] = path
            return
    paths.append(path)


def _path_in(said: str, examples: Iterable[Any]) -> Path:
    """Return the field that Arrow's error names; ``examples`` tell keys with slashes from nesting."""
    column = said.split("Column(", 1)[1].rsplit(") changed from", 1)[0]
    if not column:
        return []
    if "/" not in column[1:] and column != "/[]":
        return [column[1:]]
    match: Path | None = None
    for example in examples:
        pending: list[tuple[Any, str, Path]] = [(example, column, [])]
        while pending:
            value, rest, path = pending.pop()
            if not rest:
                if match is not None and path != match:
                    raise TableUnreadable(f"The field {column[:100]} has values of mixed types.")
                match = path
            elif isinstance(value, dict):
                for name, below in value.items():
                    prefix = f"/{name}"
                    if rest == prefix or rest.startswith(prefix + "/"):
                        pending.append((below, rest[len(prefix) :], [*path, name]))
            elif isinstance(value, list) and (rest == "/[]" or rest.startswith("/[]/")):
                pending.extend((item, rest[3:], [*path, 0]) for item in value)
    if match is None:
        raise TableUnreadable(f"The field {column[:100]} has values of mixed types.")
    return match


def json_paths(features: Features) -> list[Path]:
    """Return where features have Json."""
    found: list[Path] = []
    _visit(dict(features), [], found)
    return found


def _visit(feature: Any, path: Path, found: list[Path]) -> None:
    if isinstance(feature, list):
        _visit(feature[0], [*path, 0], found)
    elif isinstance(feature, Mapping):
        kind = feature.get("_type")
        if kind == "Json":
            found.append(path)
        elif isinstance(kind, str) and "feature" in feature:
            _visit(feature["feature"], [*path, 0], found)
        elif not isinstance(kind, str):
            for name, below in feature.items():
                _visit(below, [*path, name], found)


def with_json(features: Features, paths: list[Path]) -> dict[str, Any]:
    """Return features with Json at some paths."""
    return {name: _replaced(feature, [name], paths) for name, feature in features.items()}


def _replaced(feature: Any, path: Path, paths: list[Path]) -> Any:
    if path in paths:
        return {"decode": True, "_type": "Json"}
    if isinstance(feature, list):
        return [_replaced(feature[0], [*path, 0], paths)]
    if isinstance(feature, dict):
        kind = feature.get("_type")
        if isinstance(kind, str) and "feature" in feature:
            return {**feature, "feature": _replaced(feature["feature"], [*path, 0], paths)}
        if not isinstance(kind, str):
            return {name: _replaced(below, [*path, name], paths) for name, below in feature.items()}
    return feature

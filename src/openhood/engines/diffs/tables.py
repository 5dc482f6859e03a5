"""Tables read row by row under fixed bounds: CSV and TSV, JSON and JSON lines (also with gzip), and Parquet.

Several files of one side are one table, read one after the other: a dataset in shards. Nothing is kept but what the
caller keeps.
"""

from __future__ import annotations

import csv
import hashlib
import io
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Protocol

import orjson

from openhood.engines.diffs.parts import Part, Side, Unreadable, clip

_CHUNK_BYTES = 4 * 1024 * 1024
_MAX_LINE_BYTES = 32 * 1024 * 1024
_MAX_COLUMNS = 5000
_MAX_JSON_BYTES = 64 * 1024 * 1024
_BATCH_BYTES, _MAX_BATCH_ROWS = 8 * 1024 * 1024, 4096
_ODD_TYPES_SAID = 3
_MAX_FORMS = 1000

Row = Sequence[object]


class Table(Protocol):
    """A table of one side. ``types`` is complete when all rows were read once."""

    @property
    def columns(self) -> Sequence[str]:
        """The names of the columns in their order, as far as they are known."""

    @property
    def types(self) -> Mapping[str, str]:
        """A word for the type of each column."""

    def rows(self, columns: Sequence[str] | None) -> Iterator[Row]:
        """Yield the values of these columns, or of all that are known at that row. Raises Unreadable."""

    def digests(self, columns: Sequence[str] | None, keys: Sequence[str]) -> Iterator[Sequence[int]]:
        """Yield for each row a number for its values in these columns, then one for its value in each of ``keys``.

        Good within this process only. ``columns`` None: all columns, where those are not known beforehand.
        Raises Unreadable.
        """


NULL_DIGEST = -0x4F3A_91C7_55D2_0B6D
"""What stands for no value where a column may be a key."""
_PLAIN_INTEGER = 1 << 62


def packed(value: object) -> bytes:
    """Return a value of any type as bytes that are the same for the same value."""
    return orjson.dumps(value, default=_plain, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _plain(value: object) -> object:
    """Return a value that JSON knows for one that it does not."""
    if isinstance(value, bytes):
        return {"bytes": len(value), "hash": hashlib.blake2b(value, digest_size=8).hexdigest()}
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, Decimal | timedelta | datetime | date | time):
        return str(value)
    return repr(value)


def _key_digest(value: object) -> int:
    if type(value) is str:
        return hash(value)
    # An integer is a number already; of some two Python's own hash is the same.
    if type(value) is int and -_PLAIN_INTEGER < value < _PLAIN_INTEGER:
        return value
    return NULL_DIGEST if value is None else hash(packed(value))


def open_table(format_name: str, side: Side) -> Table:
    """Return the table in files of a format: ``csv``, ``tsv``, ``json``, ``jsonl`` or ``parquet``. Raises Unreadable."""
    if format_name == "parquet":
        return _ParquetTable(side)
    if format_name == "json":
        return _RecordTable(side, is_document=True)
    if format_name == "jsonl":
        return _RecordTable(side, is_document=False)
    return _TextTable(side, "\t" if format_name == "tsv" else None)


def _chunks(part: Part) -> Iterator[bytes]:
    plain = (
        part.read(start, min(_CHUNK_BYTES, part.size_bytes - start))
        for start in range(0, part.size_bytes, _CHUNK_BYTES)
    )
    return _inflated(plain) if part.path.endswith(".gz") else plain


def _inflated(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield what a gzip file holds in bounded pieces, however well it was packed. Raises Unreadable."""
    inflating = zlib.decompressobj(31)
    try:
        for chunk in chunks:
            rest = chunk
            while rest:
                yield inflating.decompress(rest, _CHUNK_BYTES)
                rest = inflating.unconsumed_tail
                if inflating.eof:
                    rest = inflating.unused_data
                    inflating = zlib.decompressobj(31)
    except zlib.error as error:
        raise Unreadable(f"The file is not valid gzip: {error}.") from error


def _lines(part: Part) -> Iterator[bytes]:
    """Yield lines with their ends. Raises Unreadable for one that is too long."""
    left: list[bytes] = []
    left_bytes = 0
    for chunk in _chunks(part):
        lines = chunk.splitlines(keepends=True) if b"\r" not in chunk else _split(chunk)
        for line in lines:
            if line.endswith(b"\n"):
                yield b"".join((*left, line)) if left else line
                left, left_bytes = [], 0
            else:
                left.append(line)
                left_bytes += len(line)
                if left_bytes > _MAX_LINE_BYTES:
                    raise Unreadable(f"A line of '{clip(part.path)}' has more than {_MAX_LINE_BYTES} bytes.")
    if left:
        yield b"".join(left)


def _split(chunk: bytes) -> list[bytes]:
    """Cut at line feeds only, which `bytes.splitlines` does not."""
    *pieces, rest = chunk.split(b"\n")
    lines = [each + b"\n" for each in pieces]
    return [*lines, rest] if rest else lines


_INTEGER = re.compile(r"[-+]?\d{1,18}")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?|[-+]?(nan|inf|infinity)", re.IGNORECASE)
_TYPED_ROWS = 20_000


class _TextTable:
    """CSV and TSV: all values are texts, their types are judged by the first rows."""

    def __init__(self, side: Side, delimiter: str | None) -> None:
        self._side = side
        self._delimiter = delimiter
        self._kinds: list[set[str]] = []
        self._typed = 0
        self._columns: list[str] = []
        for part in side:
            for name in self._head(part)[1]:
                if name not in self._columns:
                    self._columns.append(name)
        self._kinds = [set() for _ in self._columns]

    @property
    def columns(self) -> Sequence[str]:
        return self._columns

    @property
    def types(self) -> Mapping[str, str]:
        return {name: _text_type(kinds) for name, kinds in zip(self._columns, self._kinds, strict=True)}

    def _head(self, part: Part) -> tuple[str, list[str]]:
        first = next(_lines(part), b"").decode("utf-8-sig", "replace")
        delimiter = self._delimiter or max(
            (",", ";", "\t", "|"), key=lambda each: (first.count(each), each == ",")
        )
        names = next(csv.reader([first], delimiter=delimiter), [])
        if len(names) > _MAX_COLUMNS:
            raise Unreadable(f"'{clip(part.path)}' has more than {_MAX_COLUMNS} columns.")
        return delimiter, [
            name if names.count(name) == 1 else f"{name}#{at}" for at, name in enumerate(names)
        ]

    def rows(self, columns: Sequence[str] | None) -> Iterator[Row]:
        wanted = self._columns if columns is None else columns
        csv.field_size_limit(_MAX_LINE_BYTES)
        is_typing, self._typed = self._typed == 0, max(self._typed, 1)
        for part in self._side:
            delimiter, names = self._head(part)
            places = [names.index(name) if name in names else -1 for name in wanted]
            is_whole = places == list(range(len(names)))
            texts = (line.decode("utf-8", "replace") for line in _lines(part))
            reader = csv.reader(texts, delimiter=delimiter)
            try:
                next(reader, None)
                for row in reader:
                    if not row:
                        continue
                    if is_typing and self._typed <= _TYPED_ROWS:
                        self._type(names, row)
                    if is_whole and len(row) == len(names):
                        yield row
                    else:
                        yield [row[at] if 0 <= at < len(row) else None for at in places]
            except csv.Error as error:
                raise Unreadable(f"'{clip(part.path)}' is not valid CSV: {error}.") from error

    def digests(self, columns: Sequence[str] | None, keys: Sequence[str]) -> Iterator[Sequence[int]]:
        wanted = self._columns if columns is None else columns
        places = [wanted.index(name) for name in keys]
        for row in self.rows(wanted):
            # All values are texts: those are the same where their hashes are.
            yield (hash(tuple(row)), *[NULL_DIGEST if not row[at] else hash(row[at]) for at in places])

    def _type(self, names: Sequence[str], row: Sequence[str]) -> None:
        self._typed += 1
        for name, value in zip(names, row, strict=False):
            if value:
                self._kinds[self._columns.index(name)].add(_kind_of(value))


def _kind_of(value: str) -> str:
    if _INTEGER.fullmatch(value):
        return "integer"
    if _NUMBER.fullmatch(value):
        return "number"
    return "boolean" if value.lower() in ("true", "false") else "string"


def _text_type(kinds: set[str]) -> str:
    if len(kinds) == 1:
        return next(iter(kinds))
    if not kinds:
        return "empty"
    return "number" if kinds == {"integer", "number"} else "string"


_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", dict: "object", list: "list"}


class _RecordTable:
    """JSON: a record per line, or a list of records."""

    def __init__(self, side: Side, *, is_document: bool) -> None:
        self._side = side
        self._is_document = is_document
        self._kinds: dict[str, set[str]] = {}
        self._names: list[str] = []
        self._forms: set[tuple[object, ...]] = set()

    @property
    def columns(self) -> Sequence[str]:
        return self._names

    @property
    def types(self) -> Mapping[str, str]:
        return {name: _record_type(kinds) for name, kinds in self._kinds.items()}

    def rows(self, columns: Sequence[str] | None) -> Iterator[Row]:
        for part in self._side:
            for record in self._records(part):
                if columns is None:
                    self._note(part, record)
                yield [record.get(name) for name in (self._names if columns is None else columns)]

    def digests(self, columns: Sequence[str] | None, keys: Sequence[str]) -> Iterator[Sequence[int]]:
        for part in self._side:
            for record in self._records(part):
                if columns is None:
                    self._note(part, record)
                    values = record
                else:
                    values = {name: record.get(name) for name in columns}
                if None in values.values():
                    # A value that is not there is the same as one that is null.
                    values = {name: value for name, value in values.items() if value is not None}
                yield (hash(packed(values)), *[_key_digest(record.get(name)) for name in keys])

    def _note(self, part: Part, record: Mapping[str, object]) -> None:
        """Remember columns and types, each new combination of them once."""
        form = (*record, *map(type, record.values()))
        if form in self._forms:
            return
        if len(self._forms) < _MAX_FORMS:
            self._forms.add(form)
        for name, value in record.items():
            kinds = self._kinds.get(name)
            if kinds is None:
                if len(self._kinds) >= _MAX_COLUMNS:
                    raise Unreadable(f"'{clip(part.path)}' has more than {_MAX_COLUMNS} columns.")
                kinds = self._kinds[name] = set()
                self._names.append(name)
            if value is not None:
                kinds.add(_NAMES[type(value)])

    def _records(self, part: Part) -> Iterator[dict[str, object]]:
        if self._is_document:
            records: Any = _parse(part, part.whole(limit_bytes=_MAX_JSON_BYTES), "it")
            if not isinstance(records, list):
                raise Unreadable(f"'{clip(part.path)}' is not a list of records.")
            numbered: Iterator[tuple[int, object]] = enumerate(records, 1)
        else:
            numbered = (
                (at, _parse(part, line, f"line {at}"))
                for at, line in enumerate(_lines(part), 1)
                if line.strip()
            )
        for at, record in numbered:
            if not isinstance(record, dict):
                raise Unreadable(f"Record {at} of '{clip(part.path)}' is not a JSON object.")
            yield record


def _parse(part: Part, data: bytes, where: str) -> object:
    try:
        return orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"'{clip(part.path)}' is not valid JSON: {where} has {error}.") from error


def _record_type(kinds: set[str]) -> str:
    if kinds == {"integer", "number"}:
        return "number"
    return "|".join(sorted(kinds)[:_ODD_TYPES_SAID]) or "null"


class _ParquetTable:
    """Parquet, a few pages at a time."""

    def __init__(self, side: Side) -> None:
        # Loading it takes longer than most comparisons that do without.
        import pyarrow as pa
        import pyarrow.parquet as pq

        self._files = []
        self._types: dict[str, str] = {}
        pa.set_cpu_count(1)
        for part in side:
            try:
                file = pq.ParquetFile(
                    pa.PythonFile(RangeFile(part), mode="r"), buffer_size=1 << 20, pre_buffer=False
                )
            except (pa.ArrowException, OSError) as error:
                raise Unreadable(f"'{clip(part.path)}' is not valid Parquet: {clip(str(error))}") from error
            self._files.append((part, file))
            for field in file.schema_arrow:
                self._types.setdefault(field.name, clip(str(field.type), limit=200))
            if len(self._types) > _MAX_COLUMNS:
                raise Unreadable(f"'{clip(part.path)}' has more than {_MAX_COLUMNS} columns.")
        self._errors = (pa.ArrowException, OSError)

    @property
    def columns(self) -> Sequence[str]:
        return list(self._types)

    @property
    def types(self) -> Mapping[str, str]:
        return self._types

    def rows(self, columns: Sequence[str] | None) -> Iterator[Row]:
        wanted = self.columns if columns is None else columns
        for part, file in self._files:
            names = set(file.schema_arrow.names)
            try:
                batches = file.iter_batches(
                    batch_size=_batch_rows(file),
                    columns=[each for each in wanted if each in names],
                    use_threads=False,
                )
                for batch in batches:
                    empty = [None] * batch.num_rows
                    found = [batch.column(name).to_pylist() if name in names else empty for name in wanted]
                    yield from zip(*found, strict=True) if found else ([] for _ in range(batch.num_rows))
            except self._errors as error:
                raise Unreadable(f"'{clip(part.path)}' cannot be read: {clip(str(error))}") from error

    def digests(self, columns: Sequence[str] | None, keys: Sequence[str]) -> Iterator[Sequence[int]]:
        wanted = self.columns if columns is None else columns
        places = [wanted.index(name) for name in keys]
        for row in self.rows(wanted):
            yield (hash(packed(row)), *[_key_digest(row[at]) for at in places])


def _batch_rows(file: Any) -> int:  # Any: pyarrow has no types
    about = file.metadata
    size_bytes = sum(about.row_group(at).total_byte_size for at in range(min(about.num_row_groups, 50)))
    rows = sum(about.row_group(at).num_rows for at in range(min(about.num_row_groups, 50)))
    return max(1, min(_MAX_BATCH_ROWS, int(_BATCH_BYTES * max(1, rows) / max(1, size_bytes))))


class RangeFile(io.RawIOBase):
    """A part as the file object that pyarrow reads."""

    def __init__(self, part: Part) -> None:
        self._part = part
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def size(self) -> int:
        """Return its size, as pyarrow asks for it."""
        return self._part.size_bytes

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._part.size_bytes}[whence]
        self._at = max(0, base + offset)
        return self._at

    def read(self, size: int = -1) -> bytes:
        left = max(0, self._part.size_bytes - self._at)
        wanted = left if size < 0 else min(size, left)
        data = b"".join(
            self._part.read(self._at + start, min(_CHUNK_BYTES, wanted - start))
            for start in range(0, wanted, _CHUNK_BYTES)
        )
        self._at += len(data)
        return data

"""CSV and TSV as ``datasets`` reads them: by pandas, 10,000 rows at a time, the first of which give the types.

Of the parameters that a card may state, those are handed on that name no code and no file.
**Source**: ``datasets/packaged_modules/csv/csv.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import pandas as pd
import pyarrow as pa

from openhood.base.errors import TableCastFailed, TableUnreadable, TooManyColumns
from openhood.engines.tables.readers.casting import arrow_field, cast_table
from openhood.engines.tables.readers.given import Features, Given, Stream
from openhood.engines.tables.readers.unpacking import all_entries

MAX_COLUMNS = 20_000
_MAX_LINE_BYTES = 16 << 20
_PEEK_BYTES = 64 << 10

_PASSED: Mapping[str, tuple[type, ...]] = {
    "sep": (str,),
    "header": (int, str, list),
    "names": (list,),
    "index_col": (int, str, list, bool),
    "usecols": (list,),
    "true_values": (list,),
    "false_values": (list,),
    "skipinitialspace": (bool,),
    "skiprows": (int, list),
    "nrows": (int,),
    "na_values": (str, list, dict, int, float),
    "keep_default_na": (bool,),
    "na_filter": (bool,),
    "skip_blank_lines": (bool,),
    "thousands": (str,),
    "decimal": (str,),
    "lineterminator": (str,),
    "quotechar": (str,),
    "quoting": (int,),
    "escapechar": (str,),
    "comment": (str,),
    "encoding": (str,),
    "skipfooter": (int,),
    "doublequote": (bool,),
    "float_precision": (str,),
    "encoding_errors": (str,),
    "on_bad_lines": (str,),
    "date_format": (str,),
}
"""Parameters of ``pandas.read_csv`` that a card may state, with the types that their values may have."""
_ENGINES = ("c", "python")


def read(given: Given) -> Stream:
    """Read CSV files. Raises TableUnreadable for parameters of wrong types; see `Stream`."""
    options = _options(given.options)
    types = _pandas_types(given.features)
    return Stream(_tables(given, options, types))


def read_csv(file: BinaryIO, *, chunk_rows: int, features: Features | None = None) -> Iterator[pa.Table]:
    """Read one CSV with no parameters, as metadata of folders is."""
    yield from _read_one(file, {"sep": ","}, _pandas_types(features), chunk_rows)


def _tables(given: Given, options: dict[str, Any], types: dict[str, Any] | None) -> Iterator[pa.Table]:
    chunk_rows = int(given.options.get("chunksize") or given.chunk_rows)
    for entry in all_entries(tuple(given.sources), given.check, given.progress):
        with entry.open() as file:
            rows = chunk_rows
            if given.chunk_bytes < 10 << 20:
                rows = min(chunk_rows, _rows_in(file, given.chunk_bytes))
            for table in _read_one(file, options, types, rows):
                given.check()
                yield table if given.features is None else _declared(table, given.features)


def _declared(table: pa.Table, features: Features) -> pa.Table:
    """Return the columns that the card declares; others are left out, as in the library."""
    return cast_table(table.select([name for name in table.column_names if name in features]), features)


def _rows_in(file: BinaryIO, size_bytes: int) -> int:
    """Guess how many rows so many bytes hold."""
    head = file.peek(_PEEK_BYTES)  # type: ignore[attr-defined]  # entries give buffered readers
    lines: int = head.count(b"\n")
    return max(100, size_bytes * lines // max(1, len(head)))


def _read_one(
    file: BinaryIO, options: dict[str, Any], types: dict[str, Any] | None, chunk_rows: int
) -> Iterator[pa.Table]:
    _check_width(file, options)
    try:
        reader = pd.read_csv(file, iterator=True, dtype=types, chunksize=chunk_rows, **options)
    except pd.errors.EmptyDataError:
        return
    with reader:
        for frame in reader:
            try:
                table = pa.Table.from_pandas(frame)
            except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
                raise TableCastFailed(f"A column has values of several types: {str(error)[:300]}") from error
            yield table.replace_schema_metadata(None)


def _check_width(file: BinaryIO, options: dict[str, Any]) -> None:
    """Refuse what would make a table of a million columns before pandas makes it."""
    head = file.peek(_PEEK_BYTES)  # type: ignore[attr-defined]  # as above
    encoding = str(options.get("encoding") or "utf-8").lower().replace("-", "").replace("_", "")
    if encoding.startswith(("utf16", "utf32")):
        return
    separator = options.get("sep")
    if not isinstance(separator, str) or len(separator) != 1:
        return
    first, newline, _rest = head.partition(b"\n")
    if not newline and len(head) >= 8192:
        first = _long_line(file)
    count = first.count(separator.encode("utf-8", "replace")) + 1
    if count > MAX_COLUMNS:
        raise TooManyColumns(
            f"The file has about {count:,} columns; at most {MAX_COLUMNS:,} can be read on this hub."
        )


def _long_line(file: BinaryIO) -> bytes:
    """Return what is known of a first line that is longer than what lies ready, as far as it can be looked at."""
    raw = getattr(file, "raw", None)
    if raw is None or not raw.seekable():
        return bytes(file.peek(_PEEK_BYTES))  # type: ignore[attr-defined]  # as above
    line = file.readline(_MAX_LINE_BYTES)
    file.seek(0)
    return line


def _options(said: Mapping[str, Any]) -> dict[str, Any]:
    options: dict[str, Any] = {"sep": ",", "encoding_errors": "strict"}
    for name, value in said.items():
        name = {"delimiter": "sep", "column_names": "names"}.get(name, name)
        kinds = _PASSED.get(name)
        if kinds is None or value is None:
            continue
        if not isinstance(value, kinds):
            raise TableUnreadable(
                f"The card gives the parameter '{name}' a value of a wrong type: {str(value)[:60]!r}."
            )
        options[name] = value
    engine = said.get("engine")
    if engine in _ENGINES:
        options["engine"] = engine
    if isinstance(options["sep"], str) and len(options["sep"]) > 16:
        raise TableUnreadable("The separator that the card states is longer than 16 characters.")
    return options


def _pandas_types(features: Features | None) -> dict[str, Any] | None:
    """Return what pandas is to read columns as. **Source**: ``csv.py::_generate_tables``."""
    if features is None:
        return None
    types: dict[str, Any] = {}
    for name, feature in features.items():
        kind = feature.get("_type") if isinstance(feature, dict) else None
        if kind != "Value":
            types[name] = object
            continue
        try:
            types[name] = arrow_field(name, feature).type.to_pandas_dtype()
        except NotImplementedError:
            types[name] = object
    return types

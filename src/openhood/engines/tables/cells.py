"""Cells as JSON: Arrow values as the original writes them, media as objects with links.

=====================================  =========================================================================
Arrow                                  JSON
=====================================  =========================================================================
integers, floats, booleans, text       themselves; NaN and the infinities are null
binary                                 text, base64
timestamps                             ``2024-01-31T12:00:00``, with ``Z`` or the offset where there is a zone
dates, times                           ISO 8601
durations                              as Python writes a timedelta: ``1 day, 2:03:04``
decimals                               text
lists, structs                         lists and objects; a map is a list of ``{"key", "value"}``
``Json``                               what the text says, the text where it is no JSON
``Image``                              ``{"src", "height", "width"}``, the latter two null where they are not told
``Audio``                              ``[{"src", "type"}]``
``Video``                              ``{"src"}``
``Pdf``                                ``{"src", "size_bytes", "thumbnail"}``, the last always null
other files                            ``{"src"}``
=====================================  =========================================================================

**Source**: ``libcommon/viewer_utils/features.py`` and ``libcommon/utils.py`` of the original.
"""

from __future__ import annotations

import base64
import datetime
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import orjson
import pyarrow as pa

from openhood.base.errors import TableTooLarge
from openhood.engines import media
from openhood.engines.tables.features import MEDIA, Feature, arrow_type, features_list, kind_of

Links = Mapping[str, str]
"""``asset``: what cells' own bytes are found under; ``query``: what to add to such links; ``resolve``: what the
repository's files are found under. All are URLs without a slash at the end."""

ROWS_PER_PAGE = 100
MAX_BODY_BYTES = 100 * 1024**2
_MAX_JSON_DEPTH = 100
_OPTIONS = orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
_PLAIN_DTYPES: Mapping[int, str] = {
    pa.bool_().id: "bool",
    **{kind.id: str(kind) for kind in (pa.int8(), pa.int16(), pa.int32(), pa.int64(), pa.string())},
    **{kind.id: str(kind) for kind in (pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64())},
    pa.float32().id: "float32",
    pa.float64().id: "float64",
    pa.large_string().id: "large_string",
}
"""What the features call types whose values Python has as they are: most columns are of one of them."""


def render_rows(
    table: pa.Table, features: Mapping[str, Feature], row_idx: Sequence[int], links: Links
) -> list[dict[str, Any]]:
    """Return ``[{"row_idx", "row", "truncated_cells"}]``; ``row_idx`` are the rows' numbers in the split.

    Columns that the table lacks are null. A value that cannot be told is null, never an error.
    """
    names = list(features)
    columns = [_column(table, name, features[name], row_idx, links) for name in names]
    if not columns:
        return [{"row_idx": number, "row": {}, "truncated_cells": []} for number in row_idx]
    return [
        {"row_idx": number, "row": dict(zip(names, row, strict=True)), "truncated_cells": []}
        for number, row in zip(row_idx, zip(*columns, strict=True), strict=True)
    ]


def page(
    table: pa.Table,
    features: Mapping[str, Feature],
    row_idx: Sequence[int],
    links: Links,
    *,
    total: int,
    partial: bool,
) -> bytes:
    """Return the answer of ``/rows`` and its kin as JSON. Raises TableTooLarge."""
    answer = {
        "features": features_list(features),
        "rows": render_rows(table, features, row_idx, links),
        "num_rows_total": total,
        "num_rows_per_page": ROWS_PER_PAGE,
        "partial": partial,
    }
    return dumps(answer)


def dumps(answer: object) -> bytes:
    """Return JSON of what `render_rows` made. Raises TableTooLarge."""
    made = orjson.dumps(answer, default=plain, option=_OPTIONS)
    if len(made) > MAX_BODY_BYTES:
        raise TableTooLarge(
            f"These rows are {len(made) // 2**20} MiB of JSON, more than an answer may have. Ask for fewer rows or "
            "columns."
        )
    return made


def plain(value: object) -> object:
    """Return what JSON has instead of a Python value that it does not know."""
    if isinstance(value, bytes | memoryview | bytearray):
        return base64.b64encode(value).decode("ascii")
    return str(value)


def values_of(column: pa.ChunkedArray, feature: Feature = None) -> list[Any]:
    """Return the values of a column as Python objects that `dumps` writes, without links to media."""
    column = _suited(column, feature)
    try:
        found: list[Any] = column.to_pylist()
    except (ValueError, OverflowError, TypeError, pa.ArrowException):
        found = [_told(scalar) for chunk in column.chunks for scalar in chunk]
    mend = _mender(column.type, feature)
    return found if mend is None else [None if value is None else mend(value) for value in found]


def _column(table: pa.Table, name: str, feature: Feature, row_idx: Sequence[int], links: Links) -> list[Any]:
    at = table.schema.get_field_index(name)
    if at < 0:
        return [None] * len(row_idx)
    column = table.column(at)
    if kind_of(feature) in MEDIA:
        return _media_column(column, name, feature, row_idx, links)
    values = values_of(column, feature)
    if not _has_media(feature):
        return values
    found = []
    for number, value in zip(row_idx, values, strict=True):
        found.append(_nested(value, feature, _Where(number, name, links)))
    return found


# --- Arrow to Python ------------------------------------------------------------------------


def _suited(column: pa.ChunkedArray, feature: Feature) -> pa.ChunkedArray:
    """Return a column in a type whose values Python can tell, and that the card wants where it says so."""
    plain_dtype = _PLAIN_DTYPES.get(column.type.id)
    if plain_dtype is not None and isinstance(feature, dict) and feature.get("dtype") == plain_dtype:
        return column
    wished = _wished(column.type, feature)
    column = column if wished is None else _cast(column, wished)
    return _cast(column, _told_type(column.type))


def _cast(column: pa.ChunkedArray, target: pa.DataType) -> pa.ChunkedArray:
    """Return a column in another type, as it is where that cannot be."""
    if target == column.type:
        return column
    try:
        return column.cast(target, safe=False)
    except (pa.ArrowException, ValueError, NotImplementedError):
        return column


def _wished(kept: pa.DataType, feature: Feature) -> pa.DataType | None:
    """Return the type that a declared ``Value`` has where its values are written otherwise than the column's."""
    if not isinstance(feature, dict) or feature.get("_type") != "Value":
        return None
    try:
        wanted = arrow_type(feature)
    except (ValueError, KeyError):
        return None
    types = pa.types
    tests: tuple[Callable[[pa.DataType], bool], ...] = (
        types.is_integer,
        types.is_floating,
        types.is_boolean,
        types.is_timestamp,
        types.is_date,
        types.is_time,
        types.is_duration,
        types.is_decimal,
        lambda kind: types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind),
    )
    for test in tests:
        if test(wanted) and not test(kept) and types.is_primitive(kept):
            return wanted
    return None


def _told_type(kept: pa.DataType) -> pa.DataType:
    """Return a type like this one with nothing in it that Python cannot tell: packed values, nanoseconds."""
    types = pa.types
    if isinstance(kept, pa.BaseExtensionType):
        return _told_type(kept.storage_type)
    if types.is_dictionary(kept) or types.is_run_end_encoded(kept):
        return _told_type(kept.value_type)
    if types.is_timestamp(kept) and kept.unit == "ns":
        return pa.timestamp("us", kept.tz)
    if types.is_time64(kept):
        return pa.time64("us")
    if types.is_duration(kept) and kept.unit == "ns":
        return pa.duration("us")
    if types.is_map(kept):
        return pa.map_(_told_type(kept.key_type), _told_type(kept.item_type))
    if types.is_struct(kept):
        return pa.struct([field.with_type(_told_type(field.type)) for field in kept])
    if types.is_fixed_size_list(kept):
        return pa.list_(kept.value_field.with_type(_told_type(kept.value_type)), kept.list_size)
    if types.is_list(kept) or types.is_list_view(kept):
        return pa.list_(kept.value_field.with_type(_told_type(kept.value_type)))
    if types.is_large_list(kept) or types.is_large_list_view(kept):
        return pa.large_list(kept.value_field.with_type(_told_type(kept.value_type)))
    return kept


def _told(scalar: pa.Scalar) -> Any:
    """Return a value that Python cannot hold as nearly as it goes, else None."""
    try:
        return scalar.as_py()
    except (ValueError, OverflowError, TypeError, pa.ArrowException):
        pass
    try:
        if scalar.type in (pa.string(), pa.large_string(), pa.string_view()):
            return bytes(scalar.as_buffer()).decode("utf-8", "replace")
        if pa.types.is_nested(scalar.type):
            return _told_parts(scalar)
        return scalar.cast(pa.string()).as_py()
    except (ValueError, OverflowError, TypeError, KeyError, pa.ArrowException, NotImplementedError):
        return None


def _told_parts(scalar: Any) -> Any:  # Any: of nested scalars only their classes know the parts
    if pa.types.is_struct(scalar.type):
        return {field.name: _told(scalar[at]) for at, field in enumerate(scalar.type)}
    values = scalar.values
    return None if values is None else [_told(each) for each in values]


def _mender(kept: pa.DataType, feature: Feature) -> Callable[[Any], Any] | None:
    """Return what turns a value of a type into what is written, None where the value is written as it is."""
    kind = kind_of(feature) if feature is not None else None
    if kind == "Json":
        return _json
    if kind == "ClassLabel" and (pa.types.is_string(kept) or pa.types.is_large_string(kept)):
        numbers = {name: number for number, name in enumerate(feature["names"])}
        return lambda value: numbers.get(value, numbers.get(value.strip(), value))
    types = pa.types
    if types.is_map(kept):
        return _map_mender(kept, feature)
    if types.is_struct(kept):
        return _struct_mender(kept, feature if kind is None else None)
    if types.is_nested(kept) and kept.num_fields == 1:
        below = _mender(kept.field(0).type, feature.get("feature") if isinstance(feature, dict) else None)
        if below is None:
            return None
        return lambda values: [None if value is None else below(value) for value in values]
    if types.is_interval(kept):
        return lambda value: f"{value.months} months, {value.days} days, {value.nanoseconds / 1e9:g} seconds"
    if types.is_duration(kept) and isinstance(feature, dict) and feature.get("dtype") == "duration[ns]":
        return _nanoseconds
    return None


def _map_mender(kept: pa.MapType, feature: Feature) -> Callable[[Any], Any]:
    pair = feature.get("feature") if isinstance(feature, dict) else None
    pair = pair if isinstance(pair, dict) else {}
    key, item = _mender(kept.key_type, pair.get("key")), _mender(kept.item_type, pair.get("value"))

    def mend(value: Any, by: Callable[[Any], Any] | None) -> Any:
        return value if value is None or by is None else by(value)

    def mended(value: Any) -> Any:
        pairs = [(each["key"], each["value"]) if isinstance(each, dict) else each for each in value]
        return [{"key": mend(name, key), "value": mend(below, item)} for name, below in pairs]

    return mended


def _struct_mender(kept: pa.StructType, feature: Feature) -> Callable[[Any], Any] | None:
    parts = feature if isinstance(feature, dict) else {}
    menders = {field.name: _mender(field.type, parts.get(field.name)) for field in kept}
    needed = {name: mend for name, mend in menders.items() if mend is not None}
    if not needed:
        return None

    def mended(value: dict[str, Any]) -> dict[str, Any]:
        for name, mend in needed.items():
            if value.get(name) is not None:
                value[name] = mend(value[name])
        return value

    return mended


def _json(value: Any) -> Any:
    """Return what a JSON text says; the text itself where it is none, or nested more deeply than can be written."""
    if not isinstance(value, str | bytes):
        return value
    try:
        found = orjson.loads(value)
    except ValueError:
        return value
    opened = value.count("[") + value.count("{") if isinstance(value, str) else len(value)
    return value if opened > _MAX_JSON_DEPTH and _depth(found) > _MAX_JSON_DEPTH else found


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= _MAX_JSON_DEPTH:
        depth += 1
        level = [
            below
            for each in level
            if isinstance(each, dict | list)
            for below in (each.values() if isinstance(each, dict) else each)
        ]
    return depth


def _nanoseconds(value: datetime.timedelta) -> str:
    """Return a duration as pandas writes it, which the original uses for this unit."""
    days, rest = value.days, value.seconds
    sign = "+" if days < 0 else ""
    text = f"{days} days {sign}{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}"
    return f"{text}.{value.microseconds:06}" if value.microseconds else text


# --- media ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Where:
    """Where a cell is: the number of its row in the split, and its column."""

    row: int
    column: str
    links: Links

    def src(self, path: Sequence[str | int] = ()) -> str:
        """Return the link to the bytes of the cell, or of what is inside it at a JSON path."""
        parts = "/".join(quote(str(part), safe="") for part in (self.row, self.column, *path))
        query = self.links["query"]
        return f"{self.links['asset']}/{parts}{'?' + query if query else ''}"


def _media_column(
    column: pa.ChunkedArray, name: str, feature: Feature, row_idx: Sequence[int], links: Links
) -> list[Any]:
    """Return the cells of a column of media, of whose bytes no more is copied than its head."""
    found: list[Any] = []
    numbers = iter(row_idx)
    for chunk in column.chunks:
        parts = _media_parts(chunk)
        for at, number in zip(range(len(chunk)), numbers, strict=False):
            if not chunk[at].is_valid:
                found.append(None)
                continue
            data, path = (None if part is None else part[at] for part in parts)
            has_data = parts[0] is None or (data is not None and data.is_valid)
            head, size = b"", None
            if data is not None and data.is_valid:
                view = memoryview(data.as_buffer())
                head, size = bytes(view[: media.HEAD_BYTES]), len(view)
            text = path.as_py() if path is not None else None
            cell = _Media(head, size, text if isinstance(text, str) else None, has_data)
            found.append(_media_cell(cell, kind_of(feature), _Where(number, name, links), ()))
    return found


def _media_parts(chunk: pa.Array) -> tuple[pa.Array | None, pa.Array | None]:
    """Return bytes and paths of a column of media; None for bytes that were not read, or for no paths."""
    if isinstance(chunk, pa.ExtensionArray):
        chunk = chunk.storage
    kept = chunk.type
    if pa.types.is_struct(kept):
        names = {field.name for field in kept}
        return (
            chunk.field("bytes") if "bytes" in names else None,
            chunk.field("path") if "path" in names else None,
        )
    if pa.types.is_string(kept) or pa.types.is_large_string(kept) or pa.types.is_string_view(kept):
        return pa.nulls(len(chunk), pa.binary()), chunk
    return chunk, None


@dataclass(frozen=True, slots=True)
class _Media:
    """A file in a cell. ``size`` is None where its bytes were not read, which ``has_data`` may still say exist."""

    head: bytes
    size: int | None
    path: str | None
    has_data: bool


def _media_cell(cell: _Media, kind: str | None, where: _Where, path: Sequence[str | int]) -> Any:
    src = where.src(path) if cell.has_data else file_url(cell.path, where.links)
    if src is None:
        return None
    if kind == "Image":
        width, height = media.size_of(cell.head) or (None, None)
        return {"src": src, "height": height, "width": width}
    if kind == "Audio":
        return [{"src": src, "type": media.audio_type(cell.path, cell.head)}]
    if kind == "Pdf":
        return {"src": src, "size_bytes": cell.size, "thumbnail": None}
    return {"src": src}


def file_url(path: str | None, links: Links) -> str | None:
    """Return the link to a file that a cell names by its path, None where it names none of the dataset."""
    name = file_name(path)
    if name is not None:
        return f"{links['resolve']}/{quote(name)}"
    return path if path is not None and path.startswith(("http://", "https://")) else None


def file_name(path: str | None) -> str | None:
    """Return the path in the repository of the file that a cell names: ``hf://datasets/…@…/x``, or ``x``."""
    if not path:
        return None
    if path.startswith("hf://"):
        rest = path.partition("@")[2]
        return rest.partition("/")[2] or None
    if "://" in path or path.startswith(("/", "~")) or "\0" in path or ".." in path.split("/"):
        return None
    return path


def _has_media(feature: Feature) -> bool:
    kind = kind_of(feature)
    if kind is None:
        return any(map(_has_media, feature.values()))
    if kind in ("List", "LargeList"):
        return _has_media(feature["feature"])
    return kind in MEDIA


def _nested(value: Any, feature: Feature, where: _Where, path: tuple[str | int, ...] = ()) -> Any:
    """Return a value with links in place of the media in it."""
    if value is None or not _has_media(feature):
        return value
    kind = kind_of(feature)
    if kind is None and isinstance(value, dict):
        return {
            name: _nested(below, feature[name], where, (*path, name)) if name in feature else below
            for name, below in value.items()
        }
    if kind in ("List", "LargeList") and isinstance(value, list):
        return [_nested(below, feature["feature"], where, (*path, at)) for at, below in enumerate(value)]
    return _media_cell(_of_value(value), kind, where, path)


def _of_value(value: Any) -> _Media:
    data, path = value, None
    if isinstance(value, dict):
        data, path = value.get("bytes"), value.get("path")
    elif isinstance(value, str):
        data, path = None, value
    if not isinstance(data, bytes):
        return _Media(b"", None, path if isinstance(path, str) else None, has_data=False)
    return _Media(data[: media.HEAD_BYTES], len(data), path if isinstance(path, str) else None, has_data=True)

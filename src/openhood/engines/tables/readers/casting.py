"""Bringing tables into the types that features ask for, as ``datasets.table`` does.

Json and the arrays of several dimensions keep the names of their Arrow extension types, by which ``datasets`` knows
them again in a Parquet file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pandas.io.json import ujson_dumps, ujson_loads

from openhood.base.errors import TableCastFailed
from openhood.engines.tables.features import MEDIA, arrow_type, kind_of

MEDIA_TYPE = pa.struct({"bytes": pa.binary(), "path": pa.string()})
_TEXTS = (pa.types.is_string, pa.types.is_large_string, pa.types.is_string_view)


def arrow_field(name: str, feature: Any) -> pa.Field:  # Any: a feature, as `given.Features` has them
    """Return the Arrow field that keeps a feature. Raises TableCastFailed."""
    try:
        return _field_of(name, feature)
    except (ValueError, KeyError, TypeError) as error:
        raise TableCastFailed(
            f"Columns of the kind {json.dumps(feature, default=str)[:100]} cannot be read on this hub."
        ) from error


def _field_of(name: str, feature: Any) -> pa.Field:
    kind = kind_of(feature)
    if kind is None:
        return pa.field(name, pa.struct([_field_of(inner, below) for inner, below in feature.items()]))
    if kind in ("List", "LargeList"):
        item = _field_of("item", feature["feature"])
        length = feature.get("length", -1)
        return pa.field(name, pa.large_list(item) if kind == "LargeList" else pa.list_(item, length))
    if not kind.startswith("Array"):
        return pa.field(name, arrow_type(feature))
    said = {
        "ARROW:extension:name": f"datasets.features.features.{kind}ExtensionType",
        "ARROW:extension:metadata": json.dumps([feature["shape"], feature["dtype"]]),
    }
    return pa.field(name, arrow_type(feature), metadata=said)


def arrow_schema(features: Mapping[str, Any]) -> pa.Schema:
    """Return the schema of a table with these features, which its metadata names for ``datasets``."""
    said = {"huggingface": json.dumps({"info": {"features": features}})}
    return pa.schema([arrow_field(name, feature) for name, feature in features.items()], metadata=said)


def cast_table(table: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Return the table with exactly the columns and types of the features; columns it lacks become nulls.

    Raises: TableCastFailed for columns too many and for values that do not fit, in the library's words.
    """
    extra = [name for name in table.column_names if name not in features]
    if extra:
        shown = ", ".join(map(repr, extra[:10]))
        raise TableCastFailed(
            f"All data files of a split must have the same columns, but one has {len(extra)} that the first has not: "
            f"{shown}. Give the files the same columns, or put them into different configs."
        )
    schema = arrow_schema(features)
    columns = []
    for field, (name, feature) in zip(schema, features.items(), strict=True):
        if name in table.column_names:
            columns.append(_cast_column(name, table[name], feature, field.type))
        else:
            columns.append(pa.nulls(len(table), field.type))
    return pa.Table.from_arrays(columns, schema=schema)


def _cast_column(name: str, column: pa.ChunkedArray, feature: Any, wanted: pa.DataType) -> pa.ChunkedArray:
    try:
        return pa.chunked_array([cast_array(chunk, feature) for chunk in column.chunks], wanted)
    except (pa.ArrowException, ValueError, TypeError, KeyError) as error:
        said = str(error).splitlines()[0][:300] if str(error) else type(error).__name__
        raise TableCastFailed(
            f"The column {name[:100]!r} has values that do not fit the type that its first rows, or the card, give "
            f"it: {said}"
        ) from error


def cast_array(array: pa.Array, feature: Any) -> pa.Array:
    """Return an array as the storage of a feature. Raises ArrowInvalid, TypeError, ValueError.

    **Source**: ``datasets/table.py::cast_array_to_feature`` and the features' own ``cast_storage``.
    """
    kind = kind_of(feature)
    if kind == "Json":
        return _to_json(array)
    if isinstance(array, pa.ExtensionArray):
        array = array.storage
    if kind in MEDIA:
        return _to_media(array)
    if kind == "ClassLabel":
        return _to_label(array, feature.get("names") or [])
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), arrow_field("", feature).type)
    if kind in ("List", "LargeList"):
        return _to_list(array, feature)
    if pa.types.is_struct(array.type) and kind is None:
        return _to_struct(array, feature)
    return _cast_plain(array, arrow_field("", feature).type)


def _to_struct(array: pa.Array, feature: Mapping[str, Any]) -> pa.Array:
    names = [field.name for field in array.type]
    if not set(names) <= set(feature):
        raise TypeError(f"Couldn't cast array of type {array.type} to {list(feature)}"[:300])
    children = dict(zip(names, array.flatten(), strict=True))
    below = [
        cast_array(children[name], inner)
        if name in children
        else pa.nulls(len(array), arrow_field("", inner).type)
        for name, inner in feature.items()
    ]
    fields = [arrow_field(name, inner) for name, inner in feature.items()]
    if not fields:
        return array
    return pa.StructArray.from_arrays(below, fields=fields, mask=array.is_null())


def _to_list(array: pa.Array, feature: Any) -> pa.Array:
    inner = feature["feature"]
    wanted = arrow_field("", feature).type
    is_fixed = pa.types.is_fixed_size_list(array.type)
    if not (pa.types.is_list(array.type) or pa.types.is_large_list(array.type) or is_fixed):
        raise TypeError(f"Couldn't cast array of type {array.type} to {wanted}")
    if pa.types.is_fixed_size_list(wanted):
        lengths = set(pc.unique(pc.list_value_length(array)).to_pylist()) - {None}
        if lengths - {wanted.list_size}:
            raise TypeError(f"Couldn't cast array of type {array.type} to {wanted}: lists differ in length")
        if array.null_count or is_fixed:
            # A null takes as many places as any other list.
            array = pc.list_slice(array, 0, wanted.list_size, return_fixed_size_list=True)
            values = array.values.slice(array.offset * wanted.list_size, len(array) * wanted.list_size)
        else:
            values = array.flatten()
        return pa.FixedSizeListArray.from_arrays(cast_array(values, inner), type=wanted, mask=array.is_null())
    values = cast_array(pc.list_flatten(array), inner)
    lengths = pc.fill_null(pc.list_value_length(array), 0).to_numpy(zero_copy_only=False)
    offsets = np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
    made = pa.LargeListArray if pa.types.is_large_list(wanted) else pa.ListArray
    width = pa.int64() if pa.types.is_large_list(wanted) else pa.int32()
    return made.from_arrays(pa.array(offsets, width), values, type=wanted, mask=array.is_null())


def _cast_plain(array: pa.Array, wanted: pa.DataType) -> pa.Array:
    if array.type == wanted:
        return array
    if pa.types.is_nested(array.type) and not pa.types.is_nested(wanted):
        if any(check(wanted) for check in _TEXTS):
            # As the library's JSON module does with an object where text is wanted.
            return _map_texts(array, lambda value: ujson_dumps(value), wanted)
        raise TypeError(f"Couldn't cast array of type {array.type} to {wanted}")
    return array.cast(wanted)


def _to_json(array: pa.Array) -> pa.Array:
    if isinstance(array.type, pa.JsonType):
        return array
    if any(check(array.type) for check in _TEXTS):
        try:
            for text in array.slice(0, 5).to_pylist():
                if text is not None:
                    ujson_loads(text)
            texts = array.cast(pa.string())
        except ValueError:
            texts = _map_texts(array, ujson_dumps, pa.string())
    else:
        texts = _map_texts(array, ujson_dumps, pa.string())
    return pa.ExtensionArray.from_storage(pa.json_(), texts)


def _map_texts(array: pa.Array, said: Callable[[Any], str], wanted: pa.DataType) -> pa.Array:
    return pa.array([None if value is None else said(value) for value in array.to_pylist()], wanted)


def _to_media(array: pa.Array) -> pa.Array:
    nothing = pa.nulls(len(array), pa.binary())
    if pa.types.is_null(array.type):
        return pa.nulls(len(array), MEDIA_TYPE)
    if any(check(array.type) for check in _TEXTS):
        parts = [nothing, array.cast(pa.string())]
    elif pa.types.is_binary(array.type) or pa.types.is_large_binary(array.type):
        parts = [array.cast(pa.binary()), pa.nulls(len(array), pa.string())]
    elif pa.types.is_struct(array.type):
        names = [field.name for field in array.type]
        children = dict(zip(names, array.flatten(), strict=True))
        parts = [
            children["bytes"].cast(pa.binary()) if "bytes" in children else nothing,
            children["path"].cast(pa.string()) if "path" in children else pa.nulls(len(array), pa.string()),
        ]
    else:
        raise TypeError(f"Couldn't cast array of type {array.type} to {MEDIA_TYPE}")
    return pa.StructArray.from_arrays(parts, fields=list(MEDIA_TYPE), mask=array.is_null())


def _to_label(array: pa.Array, names: list[str]) -> pa.Array:
    if any(check(array.type) for check in _TEXTS):
        numbers = {name: number for number, name in enumerate(names)}
        return pa.array([_label(text, numbers) for text in array.to_pylist()], pa.int64())
    if pa.types.is_integer(array.type) and len(array):
        largest = pc.max(array).as_py()
        if largest is not None and names and largest >= len(names):
            raise ValueError(f"Class label {largest} greater than configured num_classes {len(names)}")
    return array.cast(pa.int64())


def _label(text: str | None, numbers: Mapping[str, int]) -> int | None:
    if text is None:
        return None
    found = numbers.get(text)
    if found is None:
        found = numbers.get(text.strip())
    if found is not None:
        return found
    try:
        number = int(text)
    except ValueError:
        raise ValueError(f"Invalid string class label {text[:60]}") from None
    if not -1 <= number < len(numbers):
        raise ValueError(f"Invalid string class label {text[:60]}")
    return number

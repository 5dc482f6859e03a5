"""The features of a table: what ``datasets.Features.to_dict`` would say of an Arrow schema.

A file that ``datasets`` wrote says its features in the schema's metadata, which count where they are kept as just the
column's type. What a card declares counts where the column can be taken for it.

**Source**: ``Features.from_arrow_schema``, ``from_dict`` and ``to_dict`` of ``datasets`` 5.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from openhood.base.errors import TableUnreadable

Feature = Any
"""A feature as ``to_dict`` writes it: a dict with ``_type``, or a plain dict for a struct."""

MEDIA = ("Image", "Audio", "Video", "Pdf", "Nifti", "Mesh", "BioSequence", "BioStructure")
"""Features that are kept as ``{bytes, path}``."""

_REQUIRED = object()
# Fields in the order of ``to_dict``, with what is left out since it is the default.
_FIELDS: Mapping[str, Mapping[str, Any]] = {
    "Value": {"dtype": _REQUIRED, "id": None},
    "ClassLabel": {"names": _REQUIRED, "id": None},
    "Json": {"decode": True, "id": None},
    **{f"Array{n}D": {"shape": _REQUIRED, "dtype": _REQUIRED, "id": None} for n in (2, 3, 4, 5)},
    "Image": {"mode": None, "decode": True, "id": None},
    "Audio": {"sampling_rate": None, "decode": True, "num_channels": None, "stream_index": None, "id": None},
    "Video": {
        "decode": True,
        "stream_index": None,
        "dimension_order": "NCHW",
        "num_ffmpeg_threads": 1,
        "device": "cpu",
        "seek_mode": "exact",
        "id": None,
    },
    "Pdf": {"decode": True, "id": None},
    "Nifti": {"decode": True, "id": None},
    "Mesh": {"decode": True, "id": None},
    "BioSequence": {"format": "fasta", "decode": True, "id": None},
    "BioStructure": {"format": "pdb", "decode": True, "id": None},
    "Translation": {"languages": _REQUIRED, "id": None},
    "TranslationVariableLanguages": {"languages": None, "num_languages": None, "id": None},
}
_SIMPLE = (
    *("null", "bool_", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"),
    *("float16", "float32", "float64", "date32", "date64", "binary", "large_binary", "binary_view"),
    *("string", "large_string", "string_view", "utf8", "large_utf8"),
)
_UNITS = ("s", "ms", "us", "ns")
_TIMESTAMP = re.compile(r"timestamp\[(s|ms|us|ns)(?:,\s*tz=([a-zA-Z0-9/_+\-:]*))?\]")
_UNIT = re.compile(r"(duration|time32|time64)\[(s|ms|us|ns)\]")
_DECIMAL = re.compile(r"decimal(128|256)\((\d+),\s*(-?\d+)\)")
_FIXED = re.compile(r"fixed_size_binary\[(\d+)\]")
_ARRAY = re.compile(r"datasets\.features\.features\.Array([2-5])DExtensionType")
_MAX_METADATA_BYTES = 20_000_000

Shape = tuple[Any, ...]
"""What a column is kept as, comparable: lists and structs by their parts, and Arrow types."""


def features_of(schema: pa.Schema, declared: Mapping[str, Any] | None = None) -> dict[str, Feature]:
    """Return the features of a schema by column; ``declared`` is what the card says.

    In the order of the card for the columns it names, then in that of the schema. A type that no feature is kept as
    becomes a ``Value`` named as Arrow names it. Raises: TableUnreadable where two columns have one name.
    """
    fields: dict[str, pa.Field] = {}
    for field in schema:
        if field.name in fields:
            raise TableUnreadable(f"Two columns of this table have the same name: '{field.name[:100]}'.")
        fields[field.name] = field
    known = _of_metadata(schema)
    wished = {} if declared is None else _normal_or_none(declared) or {}
    found: dict[str, Feature] = {}
    for name, feature in wished.items():
        if name in fields and fits(feature, fields[name].type):
            found[name] = feature
    for name, field in fields.items():
        if name in found:
            continue
        feature = known.get(name)
        is_kept_so = feature is not None and _kept_as(feature) == _shape_of(field)
        found[name] = feature if is_kept_so else generated(field)
    return found


def features_list(features: Mapping[str, Feature]) -> list[dict[str, Any]]:
    """Return features as answers carry them: ``[{"feature_idx", "name", "type"}]``."""
    return [
        {"feature_idx": at, "name": name, "type": kind} for at, (name, kind) in enumerate(features.items())
    ]


def normal(feature: Feature) -> Feature:
    """Return a feature as ``to_dict`` would write what ``from_dict`` makes of it. Raises ValueError, KeyError."""
    if isinstance(feature, list):
        return {"feature": normal(feature[0]), "_type": "List"}
    if not isinstance(feature, dict):
        raise ValueError("a feature is a dict or a list")
    kind = feature.get("_type")
    if kind is None or isinstance(kind, dict):
        return {str(name): normal(below) for name, below in feature.items()}
    if kind in ("List", "Sequence", "LargeList"):
        return _normal_list(kind, feature)
    fields = _FIELDS[kind]
    values = {**_computed(kind, feature)}
    said = {
        name: values.get(name, default)
        for name, default in fields.items()
        if default is _REQUIRED or values.get(name, default) != default
    }
    if any(value is _REQUIRED for value in said.values()):
        raise ValueError(f"{kind} lacks a field")
    return {**said, "_type": kind}


def arrow_type(feature: Feature) -> pa.DataType:
    """Return the Arrow type that a feature is kept as. Raises ValueError, KeyError."""
    kind = kind_of(feature)
    if kind is None:
        return pa.struct([(name, arrow_type(below)) for name, below in feature.items()])
    if kind == "List":
        return pa.list_(arrow_type(feature["feature"]), feature.get("length", -1))
    if kind == "LargeList":
        return pa.large_list(arrow_type(feature["feature"]))
    if kind in MEDIA:
        return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    if kind == "Translation":
        return pa.struct([(language, pa.string()) for language in sorted(feature["languages"])])
    if kind == "TranslationVariableLanguages":
        return pa.struct([("language", pa.list_(pa.string())), ("translation", pa.list_(pa.string()))])
    if kind.startswith("Array"):
        made = value_type(feature["dtype"])
        for _each in feature["shape"]:
            made = pa.list_(made)
        return made
    simple = {"ClassLabel": pa.int64(), "Json": pa.json_()}
    return simple[kind] if kind in simple else value_type(feature["dtype"])


def kind_of(feature: Feature) -> str | None:
    """Return the ``_type`` of a feature, None for a struct."""
    kind = feature.get("_type") if isinstance(feature, dict) else "List"
    return kind if isinstance(kind, str) else None


def fits(feature: Feature, kept: pa.DataType) -> bool:
    """Tell whether a column of a type can be taken for a feature, as ``datasets`` would cast it."""
    kept = _plain(kept)
    kind = kind_of(feature)
    if kind is None:
        return pa.types.is_struct(kept) and all(
            kept.get_field_index(name) >= 0 and fits(below, kept.field(name).type)
            for name, below in feature.items()
        )
    if kind in ("List", "LargeList"):
        return _is_list(kept) and fits(feature["feature"], kept.value_type)
    if kind in MEDIA:
        return _is_bytes(kept) or _is_text(kept) or _holds_media(kept)
    if kind == "ClassLabel":
        return pa.types.is_integer(kept) or _is_text(kept) or pa.types.is_null(kept)
    if kind == "Json":
        return True
    if kind == "Value":
        return _value_fits(feature["dtype"], kept)
    return _is_list(kept) if kind.startswith("Array") else pa.types.is_struct(kept)


def generated(field: pa.Field) -> Feature:
    """Return the feature that says no more than the type of a field does."""
    array = _array_of(field)
    if array is not None:
        return {"shape": list(array[2]), "dtype": array[3], "_type": f"Array{array[1]}D"}
    kept = field.type
    if isinstance(kept, pa.JsonType):
        return {"_type": "Json"}
    kept = _plain(kept)
    if pa.types.is_map(kept):
        pair = {"key": generated(kept.key_field), "value": generated(kept.item_field)}
        return {"feature": pair, "_type": "List"}
    if pa.types.is_struct(kept):
        return {below.name: generated(below) for below in kept}
    if pa.types.is_fixed_size_list(kept):
        return {"feature": generated(kept.value_field), "length": kept.list_size, "_type": "List"}
    if pa.types.is_large_list(kept) or pa.types.is_large_list_view(kept):
        return {"feature": generated(kept.value_field), "_type": "LargeList"}
    if _is_list(kept):
        return {"feature": generated(kept.value_field), "_type": "List"}
    return {"dtype": _dtype_of(kept), "_type": "Value"}


def value_type(dtype: str) -> pa.DataType:
    """Return the Arrow type of a ``Value``'s dtype. Raises ValueError."""
    if dtype in _SIMPLE:
        made: pa.DataType = getattr(pa, dtype)()
        return made
    if dtype == "bool":
        return pa.bool_()
    if found := _TIMESTAMP.fullmatch(dtype):
        return pa.timestamp(found[1], found[2])
    if found := _UNIT.fullmatch(dtype):
        made = getattr(pa, found[1])(found[2])
        return made
    if found := _DECIMAL.fullmatch(dtype):
        made = getattr(pa, f"decimal{found[1]}")(int(found[2]), int(found[3]))
        return made
    if found := _FIXED.fullmatch(dtype):
        return pa.binary(int(found[1]))
    raise ValueError(f"'{dtype[:100]}' is no type")


def _of_metadata(schema: pa.Schema) -> dict[str, Feature]:
    """Return the features that ``datasets`` wrote into a schema, as far as they can be understood."""
    text = (schema.metadata or {}).get(b"huggingface", b"")
    if not text or len(text) > _MAX_METADATA_BYTES:
        return {}
    try:
        said = json.loads(text)["info"]["features"]
        return {name: normal(feature) for name, feature in said.items()}
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError):
        return {}


def _normal_or_none(declared: Mapping[str, Any]) -> dict[str, Feature] | None:
    try:
        return {name: normal(feature) for name, feature in declared.items()}
    except (ValueError, KeyError, TypeError, IndexError, RecursionError):
        return None


def _normal_list(kind: str, feature: Feature) -> Feature:
    below = normal(feature["feature"])
    more = {"id": feature["id"]} if feature.get("id") is not None else {}
    if kind == "LargeList":
        return {"feature": below, **more, "_type": "LargeList"}
    length = feature.get("length", -1)
    more = {**({} if length == -1 else {"length": length}), **more}
    # ``Sequence`` of a struct was a struct of lists, as in TFDS.
    if (
        kind == "Sequence"
        and kind_of(below) is None
        and any(kind_of(each) != "List" for each in below.values())
    ):
        return {name: {"feature": each, **more, "_type": "List"} for name, each in below.items()}
    return {"feature": below, **more, "_type": "List"}


def _computed(kind: str, feature: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the fields of a feature as its class keeps them."""
    if kind == "Value":
        dtype = {"double": "float64", "float": "float32"}.get(feature["dtype"], feature["dtype"])
        value_type(dtype)
        return {**feature, "dtype": dtype}
    if kind == "ClassLabel" and feature.get("names") is None:
        return {**feature, "names": [str(number) for number in range(int(feature["num_classes"]))]}
    if kind == "TranslationVariableLanguages" and feature.get("languages"):
        languages = sorted(set(feature["languages"]))
        return {**feature, "languages": languages, "num_languages": len(languages)}
    return feature


def _kept_as(feature: Feature) -> Shape:
    """Return the shape of the type that a feature is kept as."""
    kind = kind_of(feature)
    if kind is None:
        return ("struct", tuple((name, _kept_as(below)) for name, below in feature.items()))
    if kind == "List":
        return ("list", feature.get("length", -1), _kept_as(feature["feature"]))
    if kind == "LargeList":
        return ("large_list", _kept_as(feature["feature"]))
    if kind.startswith("Array"):
        return ("array", int(kind[5]), tuple(feature["shape"]), feature["dtype"])
    return _shape_of(pa.field("", arrow_type(feature)))


def _shape_of(field: pa.Field) -> Shape:
    array = _array_of(field)
    kept = field.type
    if array is not None:
        shape = array
    elif pa.types.is_struct(kept):
        shape = ("struct", tuple((below.name, _shape_of(below)) for below in kept))
    elif pa.types.is_fixed_size_list(kept):
        shape = ("list", kept.list_size, _shape_of(kept.value_field))
    elif pa.types.is_list(kept):
        shape = ("list", -1, _shape_of(kept.value_field))
    elif pa.types.is_large_list(kept):
        shape = ("large_list", _shape_of(kept.value_field))
    else:
        shape = ("value", kept)
    return shape if field.nullable else ("required", shape)


def _array_of(field: pa.Field) -> Shape | None:
    """Return dimensions, shape and dtype of a column that ``datasets`` wrote as an array."""
    metadata = field.metadata or {}
    found = _ARRAY.fullmatch(metadata.get(b"ARROW:extension:name", b"").decode("utf-8", "replace"))
    if found is None:
        return None
    try:
        shape, dtype = json.loads(metadata[b"ARROW:extension:metadata"])
        return ("array", int(found[1]), tuple(shape), str(dtype))
    except (ValueError, KeyError, TypeError):
        return None


def _plain(kept: pa.DataType) -> pa.DataType:
    """Return the type of the values, whatever they are packed in."""
    while True:
        if isinstance(kept, pa.BaseExtensionType):
            kept = kept.storage_type
        elif pa.types.is_dictionary(kept) or pa.types.is_run_end_encoded(kept):
            kept = kept.value_type
        else:
            return kept


def _dtype_of(kept: pa.DataType) -> str:
    names = {"double": "float64", "float": "float32", "halffloat": "float16"}
    text = str(kept)
    if pa.types.is_date(kept):
        return text.partition("[")[0]
    return names.get(text, text)


def _value_fits(dtype: str, kept: pa.DataType) -> bool:
    wanted = value_type(dtype)
    if wanted == kept or pa.types.is_null(kept):
        return True
    if pa.types.is_nested(kept) or _is_bytes(kept):
        return _is_bytes(wanted) and _is_bytes(kept)
    return not _is_bytes(wanted)


def _is_list(kept: pa.DataType) -> bool:
    types = pa.types
    return any(
        test(kept)
        for test in (types.is_list, types.is_large_list, types.is_fixed_size_list, types.is_list_view)
    ) or types.is_large_list_view(kept)


def _is_text(kept: pa.DataType) -> bool:
    return bool(pa.types.is_string(kept) or pa.types.is_large_string(kept) or pa.types.is_string_view(kept))


def _is_bytes(kept: pa.DataType) -> bool:
    types = pa.types
    tests = (types.is_binary, types.is_large_binary, types.is_binary_view, types.is_fixed_size_binary)
    return any(test(kept) for test in tests)


def _holds_media(kept: pa.DataType) -> bool:
    return pa.types.is_struct(kept) and any(kept.get_field_index(name) >= 0 for name in ("bytes", "path"))

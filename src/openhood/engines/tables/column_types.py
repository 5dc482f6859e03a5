"""Which statistics a column has, by its feature; light, so that the hub itself may ask."""

from __future__ import annotations

from collections.abc import Mapping

_INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
_FLOATS = ("float16", "float32", "float64")
_TEXTS = ("string", "large_string")


def column_type(feature: object) -> str | None:
    """Return the kind of statistics that a feature has, None for none.

    One of int, float, bool, class_label, list, datetime, image, audio, video, or ``string`` for all of texts.
    """
    if isinstance(feature, list):
        return "list"
    if not isinstance(feature, Mapping):
        return None
    match feature.get("_type"):
        case "List" | "LargeList" | "Sequence":
            return "list"
        case "ClassLabel":
            return "class_label"
        case "Image" | "Audio" | "Video" as kind:
            return str(kind).lower()
        case "Value":
            return _of_value(str(feature.get("dtype")))
    return None


def _of_value(dtype: str) -> str | None:
    if dtype in _INTEGERS:
        return "int"
    if dtype in _FLOATS:
        return "float"
    if dtype in _TEXTS:
        return "string"
    if dtype == "bool":
        return "bool"
    return "datetime" if dtype.startswith("timestamp") else None

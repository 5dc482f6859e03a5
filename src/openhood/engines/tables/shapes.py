"""What the engine makes of a column: its kind, fields and items, as far as conditions and statistics ask for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import duckdb

NUMBER, TEXT, BOOL, DATETIME, DATE, TIME = "number", "text", "bool", "datetime", "date", "time"
BYTES, LIST, STRUCT, OTHER = "bytes", "list", "struct", "other"

_INTEGERS = frozenset(
    [
        "tinyint",
        "smallint",
        "integer",
        "bigint",
        "hugeint",
        "utinyint",
        "usmallint",
        "uinteger",
        "ubigint",
        "uhugeint",
    ]
)
_NUMBERS = _INTEGERS | {"float", "double", "decimal"}
_DATETIMES = frozenset(
    ("timestamp", "timestamp_s", "timestamp_ms", "timestamp_ns", "timestamp with time zone", "timestamptz")
)


@dataclass(frozen=True, slots=True)
class Shape:
    """A column, a field or an item. ``sql`` is the engine's name of the type; ``labels`` are those of a ClassLabel.

    ``name`` is what the engine calls it: names that differ by case only are two columns to a file.
    """

    kind: str
    sql: str
    name: str = ""
    is_integer: bool = False
    fields: Mapping[str, Shape] = field(default_factory=dict)
    item: Shape | None = None
    labels: tuple[str, ...] = ()


def shapes_of(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    names: list[str],
    features: Mapping[str, Any] | None = None,
) -> dict[str, Shape]:
    """Return the shapes of a `duck.scan`, by the names that the file gives its columns.

    Args: ``names`` of the file's top-level columns in their order; ``features`` as ``Features.to_dict``.
    """
    relation = connection.sql(f"SELECT * FROM {table} LIMIT 0")  # made by `duck.scan`
    found = {}
    for name, called, made in zip(names, relation.columns, relation.types, strict=False):
        found[name] = _shape(made, called, (features or {}).get(name))
    return found


def _shape(made: Any, name: str, feature: object) -> Shape:  # Any: the library's types are untyped
    kind = str(made.id).lower()
    sql = str(made)
    if kind in _NUMBERS:
        return Shape(NUMBER, sql, name, kind in _INTEGERS, labels=_labels(feature))
    if kind == "boolean":
        return Shape(BOOL, sql, name)
    if kind in ("varchar", "enum", "uuid"):
        return Shape(TEXT, sql, name)
    if kind in _DATETIMES:
        return Shape(DATETIME, sql, name)
    if kind in ("date", "time"):
        return Shape(kind, sql, name)
    if kind == "blob":
        return Shape(BYTES, sql, name)
    if kind in ("list", "array"):
        return Shape(LIST, sql, name, item=_shape(made.children[0][1], "", _item(feature)))
    if kind == "struct":
        inner = feature if isinstance(feature, Mapping) else {}
        fields = {each: _shape(child, each, inner.get(each)) for each, child in made.children}
        return Shape(STRUCT, sql, name, fields=fields)
    return Shape(OTHER, sql, name)


def _item(feature: object) -> object:
    if isinstance(feature, list):
        return feature[0] if feature else None
    return feature.get("feature") if isinstance(feature, Mapping) else None


def _labels(feature: object) -> tuple[str, ...]:
    if isinstance(feature, Mapping) and feature.get("_type") == "ClassLabel":
        return tuple(cast("list[str]", feature.get("names") or ()))
    return ()

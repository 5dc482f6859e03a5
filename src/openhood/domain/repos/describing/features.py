"""The columns of a dataset as its card's ``dataset_info`` states them, and what kind of data they are.

**Source**: the YAML that ``datasets`` writes (``features.py::Features._to_yaml_list``); the Hub's own rules
for kinds (dataset-viewer ``worker/…/dataset/modalities.py``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from openhood.domain.repos.describing.values import is_mapping

_MEDIA: Mapping[str, str] = {
    "image": "image",
    "audio": "audio",
    "video": "video",
    "pdf": "document",
    "translation": "text",
    "translation_variable_languages": "text",
    "string": "text",
    "large_string": "text",
}
_LISTS = ("list", "large_list", "sequence")
_MAX_COLUMNS = 2_000
_MAX_DEPTH = 20


def modalities_of(features: object) -> set[str]:
    """Return the kinds of data that the columns hold."""
    if not isinstance(features, list):
        return set()
    columns = [column for column in features[:_MAX_COLUMNS] if is_mapping(column)]
    found = {_MEDIA[kind] for column in columns for kind in _kinds(column, 0) if kind in _MEDIA}
    numbers = sum(1 for column in columns if _is_number(column.get("dtype")))
    if numbers >= 2 and not found & {"audio", "image"}:
        found.add("tabular")
    if any(_is_series(column) for column in columns):
        found.add("timeseries")
    return found


_MEDIA_TYPES: Mapping[str, str] = {
    "Image": "image",
    "Audio": "audio",
    "Video": "video",
    "Pdf": "document",
    "Translation": "text",
    "TranslationVariableLanguages": "text",
}


def modalities_of_features(features: Mapping[str, object]) -> set[str]:
    """Return the kinds of data of columns as ``datasets`` writes their features, by name."""
    found = {kind for feature in features.values() for kind in _types(feature, 0)}
    numbers = sum(1 for feature in features.values() if _is_value(feature, ("int", "float")))
    if numbers >= 2 and not found & {"audio", "image"}:
        found.add("tabular")
    for name, feature in features.items():
        is_list = is_mapping(feature) and feature.get("_type") in ("List", "LargeList")
        if (
            is_list
            and "emb" not in name
            and is_mapping(feature)
            and _is_value(feature["feature"], ("float32",))
        ):
            found.add("timeseries")
    return found


def _types(feature: object, depth: int) -> Iterator[str]:
    if not is_mapping(feature) or depth > _MAX_DEPTH:
        return
    kind = feature.get("_type")
    if isinstance(kind, str):
        if kind in _MEDIA_TYPES:
            yield _MEDIA_TYPES[kind]
        elif _is_value(feature, ("string",)):
            yield "text"
        yield from _types(feature.get("feature"), depth + 1)
    else:
        for below in feature.values():
            yield from _types(below, depth + 1)


def _is_value(feature: object, kinds: tuple[str, ...]) -> bool:
    if not is_mapping(feature) or feature.get("_type") != "Value":
        return False
    return any(kind in str(feature.get("dtype")) for kind in kinds)


def _kinds(feature: object, depth: int) -> Iterator[str]:
    """Yield the names of all types within a column."""
    if depth > _MAX_DEPTH:
        return
    if isinstance(feature, str):
        yield feature
    elif isinstance(feature, list):
        for part in feature[:_MAX_COLUMNS]:
            yield from _kinds(part, depth + 1)
    elif is_mapping(feature):
        dtype = feature.get("dtype")
        if isinstance(dtype, str):
            yield dtype
        elif is_mapping(dtype):
            yield from (key for key in dtype if key in _MEDIA)
        for key in (*_LISTS, "struct"):
            yield from _kinds(feature.get(key), depth + 1)


def _is_number(dtype: object) -> bool:
    return isinstance(dtype, str) and ("int" in dtype or "float" in dtype)


def _is_series(column: Mapping[str, object]) -> bool:
    """Tell whether a column holds lists of numbers that are no embeddings."""
    if "emb" in str(column.get("name", "")):
        return False
    for key in _LISTS:
        inner = column.get(key)
        if inner == "float32" or (is_mapping(inner) and inner.get("dtype") == "float32"):
            return True
    return False

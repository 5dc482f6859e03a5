"""The words of a question, and the columns of a table in which they are looked for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

MAX_WORDS = 20
MAX_COLUMNS = 200
_WORD = re.compile(r"\w+")


def words_of(query: str) -> list[str]:
    """Return the distinct words of a question, lower case, at most `MAX_WORDS`, in their order."""
    return list(dict.fromkeys(word.lower() for word in _WORD.findall(query)))[:MAX_WORDS]


def text_columns(features: Mapping[str, Any]) -> list[str]:
    """Return the columns that hold text, alone or in lists and structs, as the original's index takes them."""
    return [name for name, feature in features.items() if _has_text(feature)][:MAX_COLUMNS]


def texts_in(value: Any) -> Iterable[str]:
    """Yield every text in a value, however deep."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for below in value.values():
            yield from texts_in(below)
    elif isinstance(value, list | tuple):
        for below in value:
            yield from texts_in(below)


_STRINGS = ("string", "large_string", "string_view")


def _has_text(feature: Any) -> bool:
    if isinstance(feature, list):
        return any(map(_has_text, feature))
    if not isinstance(feature, dict):
        return False
    kind = feature.get("_type")
    if kind == "Value":
        return feature.get("dtype") in _STRINGS
    if kind in ("List", "LargeList", "Sequence"):
        return _has_text(feature.get("feature"))
    if kind in ("Translation", "TranslationVariableLanguages"):
        return True
    return kind is None and any(map(_has_text, feature.values()))

"""Reading other people's JSON and lists: only the shapes that are expected come out, bounded and clean.

What the values mean is the business of the files beside this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TypeGuard

import orjson

from openhood.engines.formats.card_rules import texts

# PostgreSQL's text and JSON hold no NUL; the other control characters have no business in a name.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff]+")
_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(?:/[A-Za-z0-9_][\w.-]{0,95})?", re.ASCII)
_MAX_LISTED = 500
_MAX_DEPTH = 50


def read_object(data: bytes | None) -> Mapping[str, object] | None:
    """Return a JSON object, None for anything else, such as invalid JSON or values nested beyond reason."""
    if data is None:
        return None
    try:
        loaded = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    return loaded if is_mapping(loaded) else None


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a value is a JSON object."""
    return isinstance(value, dict)


def mapping_at(value: Mapping[str, object] | None, key: str) -> Mapping[str, object] | None:
    """Return the object under a key, None where there is none."""
    found = None if value is None else value.get(key)
    return found if is_mapping(found) else None


def text_at(value: Mapping[str, object] | None, key: str, *, limit: int) -> str | None:
    """Return the text under a key; None where there is none, or one of more than ``limit`` characters."""
    found = None if value is None else value.get(key)
    return found if isinstance(found, str) and 0 < len(found) <= limit else None


def plain(text: str) -> str:
    """Return a name on one line: no control characters, single spaces."""
    return " ".join(_CONTROLS.sub(" ", text).split())


def names_at(card: Mapping[str, object], key: str) -> list[str]:
    """Return what a card lists under a key, at most some hundred names, plain and not empty."""
    return [name for text in texts(card.get(key))[:_MAX_LISTED] if (name := plain(text))]


def repo_ids_at(card: Mapping[str, object], key: str) -> list[str]:
    """Return those of the listed names that may be repositories: ``name`` or ``namespace/name``."""
    return [name for name in names_at(card, key) if is_repo_id(name)]


def is_repo_id(text: str) -> bool:
    """Tell whether a text may be a repository's id, and is no path such as ``./out``."""
    return _REPO_ID.fullmatch(text) is not None


def storable(value: object, depth: int = 0) -> object:
    """Return JSON-like values without NUL in any text, as databases want them; the deepest are cut off."""
    if isinstance(value, str):
        return value.replace("\x00", "") if "\x00" in value else value
    if depth > _MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [storable(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {str(storable(key)): storable(item, depth + 1) for key, item in value.items()}
    return value

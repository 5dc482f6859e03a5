"""Results that the files under ``.eval_results/`` state, in the shape that clients parse.

**Source**: hub-docs ``eval_results.yaml``; huggingface_hub ``_eval_results.py``, which passes over an entry
with ``error`` and fails on one that lacks what is required: so nothing but whole entries leaves this file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from openhood.base.errors import InvalidCard
from openhood.domain.catalog.types import Evaluation
from openhood.domain.repos.describing.clues import EVALUATIONS, Clues
from openhood.domain.repos.describing.values import (
    is_mapping,
    is_repo_id,
    mapping_at,
    plain,
    storable,
    text_at,
)
from openhood.engines.formats.card import parse_yaml

_MAX_FILES = 100
_MAX_ENTRIES = 300
_MAX_CHARACTERS = 500
_FILE = re.compile(rf"{re.escape(EVALUATIONS)}/[\w. ()+-]{{1,200}}\.ya?ml")
_SOURCE_KEYS = ("url", "name", "user", "org")


def evaluations_of(clues: Clues) -> tuple[tuple[Evaluation, ...], list[Mapping[str, object]]]:
    """Return the results to find a model by, and the entries as ``expand=evalResults`` shows them.

    An entry is ``{filename, verified, data}``, or ``{filename, error}`` for a file that is not valid.
    """
    found: list[Evaluation] = []
    shown: list[Mapping[str, object]] = []
    for path in sorted(path for path in clues.files if _FILE.fullmatch(path))[:_MAX_FILES]:
        try:
            entries = list(_entries(clues.text(path) or ""))
        except (InvalidCard, _Invalid) as error:
            shown.append({"filename": path, "error": plain(str(error))[:_MAX_CHARACTERS]})
            continue
        for dataset_id, task_id, value, data in entries[: _MAX_ENTRIES - len(found)]:
            found.append(Evaluation(dataset_id, task_id, value, path, data))
            # Signatures are not checked here, so that nothing counts as verified.
            shown.append({"filename": path, "verified": False, "data": data})
    return tuple(found), shown


class _Invalid(ValueError):
    """A file that is not as the format wants it."""


def _entries(text: str) -> Iterator[tuple[str, str, float | str, Mapping[str, object]]]:
    loaded = parse_yaml(text)
    if not isinstance(loaded, list):
        raise _Invalid("The file must hold a list of results.")
    for number, item in enumerate(loaded[:_MAX_ENTRIES]):
        if not is_mapping(item):
            raise _Invalid(f"[{number}] must be a mapping.")
        yield _entry(number, item)


def _entry(number: int, item: Mapping[str, object]) -> tuple[str, str, float | str, Mapping[str, object]]:
    dataset = mapping_at(item, "dataset")
    dataset_id = plain(text_at(dataset, "id", limit=200) or "")
    task_id = plain(text_at(dataset, "task_id", limit=200) or "")
    if not is_repo_id(dataset_id) or not task_id:
        raise _Invalid(f"[{number}].dataset needs the 'id' of a dataset and a 'task_id'.")
    value = item.get("value")
    if isinstance(value, bool) or not isinstance(value, int | float | str) or value == "":
        raise _Invalid(f"[{number}].value must be a number or a text.")
    if isinstance(value, str):
        value = plain(value)[:_MAX_CHARACTERS]
    about: dict[str, object] = {"id": dataset_id, "task_id": task_id}
    about |= _texts(dataset, ("revision",))
    data: dict[str, object] = {"dataset": about, "value": value, **_texts(item, ("date", "notes"))}
    token = text_at(item, "verifyToken", limit=8_000)
    if token:
        data["verifyToken"] = storable(token)
    if item.get("source") is not None:
        source = _texts(mapping_at(item, "source"), _SOURCE_KEYS)
        # The address becomes a link on pages.
        if not str(source.get("url", "")).startswith(("https://", "http://")):
            raise _Invalid(f"[{number}].source needs a 'url' that begins with https:// or http://.")
        data["source"] = source
    return dataset_id, task_id, value, data


def _texts(values: Mapping[str, object] | None, keys: tuple[str, ...]) -> dict[str, object]:
    found = {key: (values or {}).get(key) for key in keys}
    return {
        key: plain(str(text))[:_MAX_CHARACTERS] for key, text in found.items() if isinstance(text, str | int)
    }

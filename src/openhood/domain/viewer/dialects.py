"""Features in the words of older releases of ``datasets``, which end with an error at a kind that they do not know.

They ask ``/info`` before they read a dataset's files, and read these without it too: so a config whose features a
release cannot say is told it as one that failed. Nothing of a table is looked at here.

**Source**: ``datasets/features/features.py`` of the releases 2.21 to 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

Release = tuple[int, int]
"""Major and minor number of a release of ``datasets``."""

_NAMED = re.compile(r"(?:^|[\s;])datasets/(\d{1,4})\.(\d{1,4})")
_LISTS: Release = (4, 0)
"""The first release with the feature ``List``; before, it was ``Sequence`` or a list of one feature."""
_SINCE: Mapping[str, Release] = {
    "LargeList": (3, 1),
    "Video": (3, 1),
    "Pdf": (3, 6),
    "Nifti": (4, 5),
    "Json": (4, 7),
    "Mesh": (5, 0),
    "BioSequence": (5, 1),
    "BioStructure": (5, 1),
}
"""The first release that surely has a feature as it is written today."""


class _Unknown(Exception):
    """A feature that a release does not know."""


def release_of(user_agent: str) -> Release | None:
    """Return the release of ``datasets`` that asks; None where it is something else."""
    found = _NAMED.search(user_agent)
    return None if found is None else (int(found[1]), int(found[2]))


def info_for(document: Mapping[str, Any], release: Release) -> Mapping[str, Any]:
    """Return an answer of ``/info`` about a whole dataset as a release understands it."""
    infos: dict[str, Any] = {}
    failed = list(document.get("failed") or ())
    for name, info in document["dataset_info"].items():
        try:
            infos[name] = {**info, "features": _all_said(info["features"], release)}
        except _Unknown as unknown:
            why = f"The feature {unknown} is not known to datasets {release[0]}.{release[1]}: a newer release is needed."
            error = {"kind": "config-info", "config": name, "split": None, "error": {"error": why}}
            failed.append(error)
    return {**document, "dataset_info": infos, "failed": failed}


def _all_said(features: Mapping[str, Any], release: Release) -> dict[str, Any]:
    return {name: _said(feature, release) for name, feature in features.items()}


def _said(feature: Any, release: Release) -> Any:  # Any: a feature, as ``Features.to_dict`` writes it
    if isinstance(feature, list):
        return [_said(below, release) for below in feature]
    kind = feature.get("_type")
    if not isinstance(kind, str):
        return _all_said(feature, release)
    if release < _SINCE.get(kind, release):
        raise _Unknown(kind)
    if kind == "LargeList":
        return {**feature, "feature": _said(feature["feature"], release)}
    if kind != "List":
        return feature
    inner = _said(feature["feature"], release)
    if release >= _LISTS:
        return {**feature, "feature": inner}
    return _sequence(inner, feature.get("length", -1))


def _sequence(inner: Any, length: int) -> Any:
    """Return a list as releases before 4 write it: of a struct, ``Sequence`` meant something else there."""
    is_plain = isinstance(inner, dict) and isinstance(inner.get("_type"), str)
    if length >= 0:
        if not is_plain and not isinstance(inner, list):
            raise _Unknown("List of a length, of structs")
        return {"feature": inner, "length": length, "_type": "Sequence"}
    return {"feature": inner, "_type": "Sequence"} if is_plain else [inner]

"""The columns that a card declares in YAML, in the form in which ``datasets`` writes them as JSON.

Whether the files hold such columns is for those who read the files.

**Source**: ``features.py::Features._from_yaml_list`` of ``datasets`` 5.2.
"""

from __future__ import annotations

from collections.abc import Mapping

from openhood.domain.repos.describing.values import is_mapping

_LISTS: Mapping[str, str] = {"list": "List", "sequence": "List", "large_list": "LargeList"}
# Names that ``dtype`` may have beside those of values: features without parameters.
_PLAIN: Mapping[str, str] = {
    "image": "Image",
    "audio": "Audio",
    "video": "Video",
    "pdf": "Pdf",
    "nifti": "Nifti",
    "mesh": "Mesh",
    "json": "Json",
    "bio_sequence": "BioSequence",
    "bio_structure": "BioStructure",
    "translation_variable_languages": "TranslationVariableLanguages",
}
_NESTED: Mapping[str, str] = {
    **_PLAIN,
    "class_label": "ClassLabel",
    "translation": "Translation",
    "value": "Value",
    **{f"array{n}_d": f"Array{n}D" for n in (2, 3, 4, 5)},
    **{f"array{n}d": f"Array{n}D" for n in (2, 3, 4, 5)},
}
_MAX_COLUMNS = 10_000
_MAX_DEPTH = 40


def features_of_yaml(stated: object) -> dict[str, object] | None:
    """Return the features by column, as ``Features.from_dict`` takes them; None where they cannot be understood."""
    if not isinstance(stated, list) or not stated:
        return None
    try:
        return _struct(stated, 0)
    except (ValueError, KeyError, TypeError):
        return None


def features_of_json(stated: object) -> dict[str, object] | None:
    """Return the features that an old ``dataset_infos.json`` states, None where there are none."""
    if not is_mapping(stated) or not stated or len(stated) > _MAX_COLUMNS:
        return None
    return dict(stated)


def _struct(columns: list[object], depth: int) -> dict[str, object]:
    if depth > _MAX_DEPTH or len(columns) > _MAX_COLUMNS:
        raise ValueError("too many columns, or nested too deeply")
    found: dict[str, object] = {}
    for column in columns:
        if not is_mapping(column):
            raise TypeError("a column is a mapping")
        found[str(column["name"])] = _feature(
            {key: value for key, value in column.items() if key != "name"}, depth + 1
        )
    return found


def _feature(said: object, depth: int) -> dict[str, object]:
    if depth > _MAX_DEPTH:
        raise ValueError("nested too deeply")
    if isinstance(said, list):
        return _struct(said, depth)
    if not is_mapping(said):
        raise TypeError("a feature is a mapping")
    if not said:
        return {}
    kind = next(iter(said))
    value = said[kind]
    more = {key: other for key, other in said.items() if key != kind}
    if kind in _LISTS:
        below = _feature({"dtype": value} if isinstance(value, str) else value, depth + 1)
        if kind == "sequence" and isinstance(value, list):
            # As TFDS had it: a list of structs is a struct of lists.
            return {name: {"feature": each, **more, "_type": "List"} for name, each in below.items()}
        return {"feature": below, **more, "_type": _LISTS[kind]}
    if kind == "struct":
        return _feature(value, depth + 1)
    if kind == "dtype":
        if not isinstance(value, str):
            return _feature(value, depth + 1)
        return {"_type": _PLAIN[value]} if value in _PLAIN else {**said, "_type": "Value"}
    if not is_mapping(value):
        raise TypeError("parameters are a mapping")
    parameters = {**value, "names": _names(value["names"])} if kind == "class_label" else value
    return {"_type": _NESTED[kind], **parameters}


def _names(stated: object) -> object:
    """Return the names of a label in their order, which YAML has by number."""
    if not is_mapping(stated):
        return stated
    numbers = sorted(int(number) for number in stated)
    if numbers != list(range(len(numbers))):
        raise ValueError("numbers of labels are missing")
    by_number = {int(number): name for number, name in stated.items()}
    return [by_number[number] for number in numbers]

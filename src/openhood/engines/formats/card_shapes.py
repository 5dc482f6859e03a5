"""The shapes of what cards nest: evaluation results, and the configs and features of datasets.

Each check yields findings, whether it is an error and a sentence; which keys are checked is `card_rules`' business.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeGuard

Finding = tuple[bool, str]
"""True for an error, False for a warning; and the sentence."""

_SPLIT = re.compile(r"\w+(?:\.\w+)*")
_NO_FILE_NAME = re.compile(r'[<>:/\\|?*"]')
_SHOWN_CHARACTERS = 80


def shown(value: object) -> str:
    """Return a text short enough for a sentence."""
    text = value if isinstance(value, str) else type(value).__name__
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"


def is_mapping(value: object) -> TypeGuard[Mapping[str, object]]:
    """Tell whether a value is a YAML mapping."""
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[Sequence[object]]:
    """Tell whether a value is a YAML sequence."""
    return isinstance(value, list)


def is_number(value: object) -> bool:
    """Tell whether a value is a number and no boolean, which Python takes for one."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def text_or_texts(name: str, value: object) -> Iterator[Finding]:
    """Check a key that takes a string or a list of strings."""
    if isinstance(value, str):
        return
    if not is_list(value):
        yield True, f'"{name}" must be a string or a list of strings'
        return
    for number, item in enumerate(value):
        if not isinstance(item, str):
            yield True, f'"{name}[{number}]" must be a string'


def model_index(index: object) -> Iterator[Finding]:
    """Check evaluation results in a model's card.

    **Source**: hub-docs ``modelcard.md``; what huggingface_hub's ``model_index_to_eval_results`` needs.
    """
    if not is_list(index):
        yield True, '"model-index" must be an array'
        return
    for number, entry in enumerate(index):
        at = f"model-index[{number}]"
        if not is_mapping(entry):
            yield True, f'"{at}" must be of type object'
            continue
        yield from _required_texts(at, entry, ("name",))
        results = entry.get("results")
        if not is_list(results):
            yield True, f'"{at}.results" must be an array'
            continue
        for place, result in enumerate(results):
            yield from _result(f"{at}.results[{place}]", result)


def _result(at: str, result: object) -> Iterator[Finding]:
    if not is_mapping(result):
        yield True, f'"{at}" must be of type object'
        return
    for name, keys in (("task", ("type",)), ("dataset", ("type", "name"))):
        part = result.get(name)
        if is_mapping(part):
            yield from _required_texts(f"{at}.{name}", part, keys)
        else:
            yield True, _wanted(f"{at}.{name}", part, "of type object")
    source = result.get("source")
    if source is not None:
        if is_mapping(source):
            yield from _required_texts(f"{at}.source", source, ("url",))
        else:
            yield True, f'"{at}.source" must be of type object'
    metrics = result.get("metrics")
    if not is_list(metrics):
        yield True, _wanted(f"{at}.metrics", metrics, "an array")
        return
    for number, metric in enumerate(metrics):
        place = f"{at}.metrics[{number}]"
        if not is_mapping(metric):
            yield True, f'"{place}" must be of type object'
            continue
        yield from _required_texts(place, metric, ("type",))
        if metric.get("value") is None:
            yield True, f'"{place}.value" is required'


def _required_texts(at: str, values: Mapping[str, object], keys: Sequence[str]) -> Iterator[Finding]:
    for key in keys:
        value = values.get(key)
        if not isinstance(value, str) or not value:
            yield True, _wanted(f"{at}.{key}", value or None, "a string")


def _wanted(name: str, value: object, kind: str) -> str:
    return f'"{name}" is required' if value is None else f'"{name}" must be {kind}'


def configs(value: object) -> Iterator[Finding]:
    """Check the subsets of a dataset and where their files are.

    **Source**: what the `datasets` library refuses (``utils/metadata.py``, ``MetadataConfigs``).
    """
    if not is_list(value):
        yield True, '"configs" must be an array'
        return
    names: set[str] = set()
    defaults = 0
    for number, config in enumerate(value):
        at = f"configs[{number}]"
        if not is_mapping(config):
            yield True, f'"{at}" must be of type object'
            continue
        yield from _config_name(at, config.get("config_name"), names)
        if config.get("data_files") is not None:
            yield from _data_files(f"{at}.data_files", config["data_files"])
        is_default = config.get("default")
        if is_default is not None and not isinstance(is_default, bool):
            yield True, f'"{at}.default" must be a boolean'
        defaults += is_default is True
    if defaults > 1:
        yield False, f'"configs" has {defaults} defaults: only one can be the one that is loaded by default'


def _config_name(at: str, name: object, names: set[str]) -> Iterator[Finding]:
    # A year is a name too, and YAML reads it as a number.
    if not isinstance(name, str | int) or isinstance(name, bool) or name == "":
        yield True, f'"{at}.config_name" is required'
        return
    text = str(name)
    if text in names:
        yield (
            False,
            f'"{at}.config_name" "{shown(text)}" is taken by another config: only the last of them is read',
        )
    names.add(text)
    if _NO_FILE_NAME.search(text):
        yield False, f'"{at}.config_name" "{shown(text)}" has characters that no file name has everywhere'


def _data_files(at: str, value: object) -> Iterator[Finding]:
    if isinstance(value, str):
        return
    if not is_list(value):
        yield True, f'"{at}" must be a string or a list'
        return
    for number, item in enumerate(value):
        if isinstance(item, str):
            continue
        if not is_mapping(item) or set(item) != {"split", "path"}:
            yield True, f'"{at}[{number}]" must be a path, or an object of "split" and "path"'
            continue
        split, path = item["split"], item["path"]
        if not isinstance(split, str) or not _SPLIT.fullmatch(split):
            yield True, f'"{at}[{number}].split" must be a name of letters, digits, "_" and "."'
        if not isinstance(path, str) and not (is_list(path) and all(isinstance(each, str) for each in path)):
            yield True, f'"{at}[{number}].path" must be a string or a list of strings'


def dataset_info(value: object) -> Iterator[Finding]:
    """Check what a dataset's card says of features, splits and sizes. **Source**: hub-docs ``datasetcard.md``."""
    if is_mapping(value):
        yield from _info("dataset_info", value)
    elif is_list(value):
        names: set[str] = set()
        for number, info in enumerate(value):
            at = f"dataset_info[{number}]"
            if not is_mapping(info):
                yield True, f'"{at}" must be of type object'
                continue
            if len(value) > 1 or "config_name" in info:
                yield from _config_name(at, info.get("config_name"), names)
            yield from _info(at, info)
    else:
        yield True, '"dataset_info" must be of type object, or an array of them'


def _info(at: str, info: Mapping[str, object]) -> Iterator[Finding]:
    features = info.get("features")
    if features is not None:
        yield from _named(f"{at}.features", features)
    splits = info.get("splits")
    if splits is not None:
        yield from _named(f"{at}.splits", splits)
        for number, split in enumerate(splits if is_list(splits) else ()):
            if is_mapping(split):
                yield from _counts(f"{at}.splits[{number}]", split, ("num_bytes", "num_examples"))
    yield from _counts(at, info, ("download_size", "dataset_size"))


def _named(at: str, value: object) -> Iterator[Finding]:
    if not is_list(value):
        yield True, f'"{at}" must be an array'
        return
    for number, item in enumerate(value):
        if not is_mapping(item):
            yield True, f'"{at}[{number}]" must be of type object'
        elif not isinstance(item.get("name"), str | int):
            yield True, f'"{at}[{number}].name" is required'


def _counts(at: str, values: Mapping[str, object], keys: Sequence[str]) -> Iterator[Finding]:
    for key in keys:
        value = values.get(key)
        if value is not None and not (isinstance(value, int | float) and is_number(value) and value >= 0):
            yield True, f'"{at}.{key}" must be a number that is not negative'

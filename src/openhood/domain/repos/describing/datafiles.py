"""Which files of a dataset are which split of which config: what its card says, else what the names tell.

Pure functions over a list of paths, with the answers of the ``datasets`` library, oddities included (a file that two
patterns of a split match is read twice): tests compare with the library itself.

**Source**: hub-docs ``datasets-manual-configuration.md`` and ``datasets-file-names-and-splits.md``; ``data_files.py``,
``load.py`` and ``utils/metadata.py`` of ``datasets`` 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from openhood.base.errors import (
    BadDatasetConfig,
    DataFilesNotFound,
    EmptyDataset,
    TooManyConfigs,
    TooManySplits,
)
from openhood.domain.repos.describing.columns import features_of_json, features_of_yaml
from openhood.domain.repos.describing.globs import MAX_PATTERN_CHARACTERS, BadPattern, PathSet, has_magic
from openhood.domain.repos.describing.modules import (
    ListArchive,
    Module,
    infer_module,
    is_allowed,
    of_module,
    options_of,
)
from openhood.domain.repos.describing.splitnames import SPLIT_NAME, split_by_names
from openhood.domain.repos.describing.values import is_mapping

STANDALONE = ".huggingface.yaml"
"""A file that says what the card's front matter may say; it counts where both do."""
LEGACY_INFOS = "dataset_infos.json"
MAX_CONFIGS = 4000
MAX_SPLITS = 30
"""More splits of one config are shown by nobody."""
_MATCHED_CHARACTERS = 100_000_000
_MAX_NAME = 200
_BAD_NAME = frozenset("<>:/\\|?*")
_NOT_OPTIONS = ("config_name", "data_files", "data_dir", "default", "features")

Patterns = Mapping[str, Sequence[str]]
"""Patterns of each split, by its name."""


@dataclass(frozen=True, slots=True)
class Split:
    """A split's name, the patterns that name its files (None where names were enough) and its files."""

    name: str
    patterns: tuple[str, ...] | None
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A config (the pages say subset): how it is read, and its splits.

    ``features`` are those that are declared, ``info`` is what ``dataset_info`` says of it. ``error``: why it has no
    files, where its patterns find none.
    """

    name: str
    is_default: bool
    splits: tuple[Split, ...]
    module: str
    options: Mapping[str, object] = field(default_factory=dict)
    features: Mapping[str, object] | None = None
    info: Mapping[str, object] = field(default_factory=dict)
    error: str | None = None


def configs_of(
    card: Mapping[str, object],
    paths: Iterable[str],
    *,
    list_archive: ListArchive | None = None,
    legacy_infos: Mapping[str, object] | None = None,
) -> tuple[Config, ...]:
    """Return a dataset's configs in the order of its card, at least one.

    Args: ``card`` is what card and `STANDALONE` say together; ``list_archive`` looks into zip files where these are
    the data; ``legacy_infos`` is what `LEGACY_INFOS` holds.
    Raises: EmptyDataset, DataFilesNotFound, BadDatasetConfig, TooManyConfigs, TooManySplits.
    """
    known = PathSet(list(paths), budget=_MATCHED_CHARACTERS)
    infos = {**_infos_of_json(legacy_infos), **infos_of(card)}
    stated = _stated_configs(card.get("configs"))
    found = _declared(stated, known, list_archive) if stated else [_undeclared(known, list_archive)]
    for config in found:
        if len(config.splits) > MAX_SPLITS:
            raise TooManySplits(
                f"The config '{config.name[:100]}' has {len(config.splits)} splits. Only configs with at most "
                f"{MAX_SPLITS} splits can be shown."
            )
    if len(infos) == 1 and not any(config.is_default for config in found):
        found = [replace(config, is_default=config.name in infos) for config in found]
    return tuple(_informed(config, infos.get(config.name)) for config in found)


def infos_of(card: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    """Return what the card's ``dataset_info`` says of each config."""
    stated = card.get("dataset_info")
    items = stated if isinstance(stated, list) else [stated]
    return {
        str(item.get("config_name", "default"))[:200]: item
        for item in items[:MAX_CONFIGS]
        if is_mapping(item)
    }


def with_standalone(card: Mapping[str, object] | None, standalone: object) -> Mapping[str, object]:
    """Return what card and `STANDALONE` say together."""
    return {**(card or {}), **(standalone if is_mapping(standalone) else {})}


def _infos_of_json(legacy: Mapping[str, object] | None) -> dict[str, Mapping[str, object]]:
    items = [(name, item) for name, item in (legacy or {}).items() if is_mapping(item)][:MAX_CONFIGS]
    # An old config's name held that of the repository.
    return {
        "default" if len(items) == 1 else name: {**item, "features": features_of_json(item.get("features"))}
        for name, item in items
    }


def _informed(config: Config, info: Mapping[str, object] | None) -> Config:
    if info is None:
        return config
    features = info.get("features")
    declared = features_of_yaml(features) if isinstance(features, list) else features_of_json(features)
    return replace(config, info=info, features=declared or config.features)


def _undeclared(known: PathSet, list_archive: ListArchive | None) -> Config:
    """Return the one config of a dataset whose card declares none: all files of the kind that most are of."""
    by_names = _by_names(known, "")
    files = {split: [path for path in paths if _is_allowed(path)] for split, paths in by_names.items()}
    module = infer_module(files.values(), list_archive=list_archive)
    splits = tuple(Split(name, None, tuple(of_module(module.name, paths))) for name, paths in files.items())
    return Config("default", True, splits, module.name, options_of(module.name, module.options))


def _by_names(known: PathSet, folder: str) -> Mapping[str, list[str]]:
    found = split_by_names(known, folder)
    if found is None:
        where = f"The folder '{folder}'" if folder else "The dataset"
        raise EmptyDataset(f"{where} doesn't contain any data files.")
    return found


def _stated_configs(stated: object) -> list[Mapping[str, object]]:
    """Return the items of ``configs:``, as far as the library accepts them. Raises BadDatasetConfig."""
    if not stated:
        return []
    if not isinstance(stated, list):
        raise BadDatasetConfig("The field 'configs' of the card must be a list.")
    if len(stated) > MAX_CONFIGS:
        raise TooManyConfigs(
            f"The card declares {len(stated)} configs. Only datasets with at most {MAX_CONFIGS} can be shown."
        )
    names = set()
    for item in stated:
        name = item.get("config_name") if is_mapping(item) else None
        if not isinstance(name, str):
            raise BadDatasetConfig("Each of the 'configs' of the card needs a 'config_name' that is text.")
        if len(name) > _MAX_NAME:
            raise BadDatasetConfig(
                f"The name of the config '{name[:100]}…' has more than {_MAX_NAME} characters."
            )
        if _BAD_NAME & set(name):
            raise BadDatasetConfig(
                f"The name of the config '{name[:100]}' has one of the characters <>:/\\|?*"
            )
        _check_data_files(name, item.get("data_files"))
        names.add(name)
    if len(names) < len(stated):
        by_name = {str(item["config_name"]): item for item in stated}
        return list(by_name.values())
    return stated


def _check_data_files(config: str, stated: object) -> None:
    problem = f"The 'data_files' of the config '{config[:100]}' must be a pattern, a list of patterns, or a list of "
    problem += "{split: name, path: one pattern or a list of them}; names of splits have letters, digits, _ and dots."
    if stated is not None and not isinstance(stated, str | list):
        raise BadDatasetConfig(problem)
    for item in stated if isinstance(stated, list) else []:
        if isinstance(item, str):
            continue
        split = item.get("split") if is_mapping(item) and len(item) == 2 else None
        if not isinstance(split, str) or not SPLIT_NAME.match(split):
            raise BadDatasetConfig(problem)
        if not isinstance(item.get("path"), str | list):
            raise BadDatasetConfig(problem)


def _patterns(config: Mapping[str, object]) -> Patterns:
    """Return the patterns of each split of what `_check_data_files` accepted. Raises BadDatasetConfig."""
    name, stated = str(config["config_name"])[:100], config.get("data_files")
    found: dict[str, Sequence[str]] = {}
    items = stated if isinstance(stated, list) else [stated]
    if any(is_mapping(item) for item in items):
        for item in items:
            if not is_mapping(item):
                raise BadDatasetConfig(f"The 'data_files' of the config '{name}' mix patterns with splits.")
            if item["split"] in found:
                raise BadDatasetConfig(f"The config '{name}' has the split '{item['split']}' twice.")
            path = item["path"]
            found[str(item["split"])] = path if isinstance(path, list) else [str(path)]
    else:
        found["train"] = [item for item in items if isinstance(item, str)]
    for patterns in found.values():
        if any(not isinstance(pattern, str) or not pattern for pattern in patterns):
            raise BadDatasetConfig(f"The config '{name}' has a pattern that is no text.")
    return found


def _declared(
    stated: Sequence[Mapping[str, object]], known: PathSet, list_archive: ListArchive | None
) -> list[Config]:
    """Return the configs of a card. All are read as the first one's files are: the library knows no other way."""
    default = _default_name(stated)
    first = stated[0]
    if "data_files" in first:
        files = [_resolve(known, "", patterns) for patterns in _patterns(first).values()]
    else:
        files = [[path for path in paths if _is_allowed(path)] for paths in _by_names(known, "").values()]
    module = infer_module(files, list_archive=list_archive)
    return [_declared_one(item, known, module, default) for item in stated]


def _default_name(stated: Sequence[Mapping[str, object]]) -> str | None:
    names = [
        str(item["config_name"])
        for item in stated
        if len(stated) == 1 or item["config_name"] == "default" or item.get("default")
    ]
    if len(names) > 1:
        raise BadDatasetConfig(f"The dataset has several default configs: '{names[0]}' and '{names[1]}'.")
    return names[0] if names else None


def _declared_one(item: Mapping[str, object], known: PathSet, module: Module, default: str | None) -> Config:
    name = str(item["config_name"])
    given = {key: value for key, value in item.items() if key not in _NOT_OPTIONS}
    config = Config(
        name,
        name == default,
        (),
        module.name,
        options_of(module.name, {**module.options, **given}),
        features_of_yaml(item.get("features")),
    )
    folder = _folder_of(item.get("data_dir"))
    try:
        if item.get("data_files") is None:
            by_names = _by_names(known, folder)
            splits = [
                Split(split, None, tuple(path for path in paths if _is_allowed(path)))
                for split, paths in by_names.items()
            ]
        else:
            splits = [
                Split(
                    split,
                    tuple(pattern[:MAX_PATTERN_CHARACTERS] for pattern in patterns),
                    tuple(_resolve(known, folder, patterns)),
                )
                for split, patterns in _patterns(item).items()
            ]
    except DataFilesNotFound as error:
        return replace(config, error=error.message)
    if not any(split.files for split in splits):
        return replace(
            config, splits=tuple(splits), error=f"The patterns of the config '{name[:100]}' find no files."
        )
    return replace(config, splits=tuple(splits))


def _folder_of(stated: object) -> str:
    """Return a folder of the repository, without the slash at its end."""
    text = stated if isinstance(stated, str) else ""
    return text.removeprefix("./").rstrip("/")


def _resolve(known: PathSet, folder: str, patterns: Sequence[str]) -> list[str]:
    """Return the files of the patterns of a split, pattern by pattern.

    Raises: DataFilesNotFound for a path that is no file of the repository; patterns may find nothing.
    """
    found: list[str] = []
    for pattern in patterns:
        if re.match(r"[a-zA-Z][\w+.-]*:", pattern) or pattern.startswith("/") or "::" in pattern:
            raise DataFilesNotFound(
                f"'{pattern[:200]}' is outside this repository. Only its own files can be shown."
            )
        plain = pattern.removeprefix("./")
        place = f"{folder}/{plain}" if folder else plain
        try:
            matched = [path for path in known.matching(place) if _is_allowed(path)]
        except BadPattern as error:
            raise DataFilesNotFound(str(error)) from None
        if not matched and not has_magic(pattern):
            raise DataFilesNotFound(f"Unable to find '{pattern[:200]}' in this dataset.")
        found += matched
    return found


def _is_allowed(path: str) -> bool:
    return is_allowed(path.rpartition("/")[2])

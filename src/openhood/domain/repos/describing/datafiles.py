"""Which files of a dataset are which split of which config: what its card says, else what the names tell.

**Source**: hub-docs ``datasets-manual-configuration.md`` and ``datasets-file-names-and-splits.md``; the
``datasets`` library, ``data_files.py`` and ``load.py``, whose answers a test compares.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from openhood.domain.repos.describing.globs import MAX_PATTERN_CHARACTERS, PathSet
from openhood.domain.repos.describing.values import is_mapping, plain, text_at

MAX_CONFIGS = 500
_MAX_SPLITS = 100
_MAX_PATTERNS = 100
_MATCHED_CHARACTERS = 10_000_000

_MODULES: Mapping[str, str] = {
    "csv": "csv tsv",
    "json": "json jsonl ndjson",
    "parquet": "parquet geoparquet gpq",
    "arrow": "arrow",
    "text": "txt",
    "webdataset": "tar",
    "xml": "xml",
    "hdf5": "hdf5 h5",
    "lance": "lance",
    "imagefolder": "apng avif bmp dib gif icns ico jfif jp2 jpe jpeg jpg png pbm pgm ppm tga tif tiff webp",
    "audiofolder": "aiff au avr flac m4a mp3 oga ogg opus wav wma",
    "videofolder": "avi mkv mov mp4 mpeg webm",
    "pdffolder": "pdf",
}
_MODULE_OF: Mapping[str, str] = {
    ending: name for name, endings in _MODULES.items() for ending in endings.split()
}
# Where as many files have one ending as another, the first of these is meant.
_FAVOURITES = ("parquet", "lance", "arrow", "jsonl", "json", "csv")
_NO_DATA = frozenset(
    {
        "README.md",
        "config.json",
        "dataset_info.json",
        "dataset_infos.json",
        "dummy_data.zip",
        "dataset_dict.json",
    }
)
_METADATA = frozenset({"metadata.csv", "metadata.jsonl", "metadata.parquet"})
_SHARD = re.compile(r"data/(\w+(?:\.\w+)*)-\d{5}-of-\d{5}[^/]*\.[^/]*")
_SPLIT_NAME = re.compile(r"\w+(?:\.\w+)*")
_KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_WORDS = re.compile(r"[-._ 0-9]+")


@dataclass(frozen=True, slots=True)
class Split:
    """A split's name, the patterns that name its files (None where names were enough) and its files."""

    name: str
    patterns: tuple[str, ...] | None
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Config:
    """A config (the pages say subset) and its splits."""

    name: str
    is_default: bool
    splits: tuple[Split, ...]


def configs_of(card: Mapping[str, object], paths: Iterable[str]) -> tuple[Config, ...]:
    """Return a dataset's configs, the default one first, then by name; none where there is no data."""
    data = [path for path in paths if _is_data(path)]
    stated = card.get("configs")
    if isinstance(stated, list) and stated:
        known = PathSet(data, budget=_MATCHED_CHARACTERS)
        found = [config for item in stated[:MAX_CONFIGS] if (config := _stated(item, known, data))]
        return tuple(sorted(found, key=lambda config: (not config.is_default, config.name)))
    splits = _splits_by_names(data)
    return (Config("default", True, splits),) if splits else ()


def module_of(files: Iterable[str]) -> str | None:
    """Return how the ``datasets`` library reads some files: by their most frequent ending."""
    counts: Counter[tuple[bool, str]] = Counter()
    for path in files:
        name = path.rpartition("/")[2]
        for ending in name.lower().split(".")[1:]:
            counts[name not in _METADATA, ending] += 1

    def weight(item: tuple[tuple[bool, str], int]) -> tuple[bool, int, int, str]:
        (is_data, ending), count = item
        rank = -_FAVOURITES.index(ending) if ending in _FAVOURITES else -len(_FAVOURITES)
        return is_data, count, rank, ending

    ranked = sorted(counts.items(), key=weight, reverse=True)
    return next((_MODULE_OF[ending] for (_, ending), _count in ranked if ending in _MODULE_OF), None)


def _is_data(path: str) -> bool:
    name = path.rpartition("/")[2]
    return name not in _NO_DATA and "." in name and not path.isspace()


def _stated(item: object, known: PathSet, data: Sequence[str]) -> Config | None:
    if not is_mapping(item):
        return None
    named = item.get("config_name")
    name = plain(str(named))[:200] if isinstance(named, str | int) else ""
    if not name:
        return None
    folder = (text_at(item, "data_dir", limit=MAX_PATTERN_CHARACTERS) or "").strip("/")
    patterns = list(_patterns(item.get("data_files")))
    if patterns:
        splits = tuple(
            _matched(split, [f"{folder}/{path}" if folder else path for path in wanted], known)
            for split, wanted in patterns[:_MAX_SPLITS]
        )
    else:
        start = f"{folder}/" if folder else ""
        splits = _splits_by_names([path for path in data if path.startswith(start)], start)
    return Config(name, item.get("default") is True or name == "default", splits)


def _patterns(data_files: object) -> Iterator[tuple[str, list[str]]]:
    """Yield splits with their patterns, in all the shapes that ``data_files`` may have."""
    if is_mapping(data_files):
        for split, wanted in data_files.items():
            yield plain(split)[:200], _texts(wanted)
    elif isinstance(data_files, list) and any(is_mapping(item) for item in data_files):
        for item in data_files:
            if is_mapping(item) and isinstance(item.get("split"), str | int):
                yield plain(str(item["split"]))[:200], _texts(item.get("path"))
    elif data_files:
        yield "train", _texts(data_files)


def _texts(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [item for item in items[:_MAX_PATTERNS] if isinstance(item, str) and item]


def _matched(split: str, patterns: list[str], known: PathSet) -> Split:
    files = dict.fromkeys(path for pattern in patterns for path in known.matching(pattern))
    return Split(split, tuple(pattern[:MAX_PATTERN_CHARACTERS] for pattern in patterns), tuple(files))


def _splits_by_names(data: Sequence[str], start: str = "") -> tuple[Split, ...]:
    """Find the splits as the library does where nothing is said: shards, folders, file names, or all one."""
    shown = [path for path in data if not _is_hidden(path[len(start) :])]
    usual = _of_module(shown)
    for find in (_shard, _folder_split, _file_split):
        found: dict[str, list[str]] = {}
        for path in usual:
            split = find(path[len(start) :])
            if split is not None:
                found.setdefault(split, []).append(path)
        if found:
            order = [*(name for name in _KEYWORDS if name in found), *sorted(found.keys() - _KEYWORDS.keys())]
            return tuple(Split(name, None, tuple(found[name])) for name in order[:_MAX_SPLITS])
    return (Split("train", None, tuple(usual)),) if usual else ()


def _of_module(paths: Sequence[str]) -> list[str]:
    module = module_of(paths)
    endings = set(_MODULES[module].split()) if module else set()
    return [path for path in paths if endings & set(path.rpartition("/")[2].lower().split(".")[1:])]


def _is_hidden(path: str) -> bool:
    names = path.split("/")
    return any(name.startswith(".") for name in names) or any(name.startswith("__") for name in names[:-1])


def _shard(path: str) -> str | None:
    found = _SHARD.fullmatch(path)
    return found.group(1) if found else None


def _folder_split(path: str) -> str | None:
    return _keyword(path.split("/")[:-1])


def _file_split(path: str) -> str | None:
    # The keyword must be followed by something: a file named just ``train`` is no data anyway.
    return _keyword([path.rpartition("/")[2]])


def _keyword(names: Iterable[str]) -> str | None:
    words = {word for name in names for word in _WORDS.split(name)}
    return next((split for split, keywords in _KEYWORDS.items() if words & set(keywords)), None)

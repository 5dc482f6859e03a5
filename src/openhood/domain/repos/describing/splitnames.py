"""Finding splits where no card names them: shards, folders and file names with the words train, validation or test.

All files count here, whatever their kind: which of them are data is told afterwards, as in the library.

**Source**: ``data_files.py::get_data_patterns`` of ``datasets`` 5.2.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from openhood.base.errors import BadDatasetConfig
from openhood.domain.repos.describing.globs import PathSet

SPLIT_NAME = re.compile(r"^\w+(\.\w+)*$")

_KEYWORDS: Mapping[str, tuple[str, ...]] = {
    "train": ("train", "training"),
    "validation": ("validation", "valid", "dev", "val"),
    "test": ("test", "testing", "eval", "evaluation"),
}
_PLACE: Mapping[str, tuple[str, int]] = {
    keyword: (split, at) for split, keywords in _KEYWORDS.items() for at, keyword in enumerate(keywords)
}
_BETWEEN = "-._ 0-9"
_ANY_KEYWORD = "|".join(sorted(_PLACE, key=len, reverse=True))
# A keyword of a file's name is followed by something; in that of a folder it may be the last.
_IN_NAME = re.compile(rf"(?:^|(?<=[{_BETWEEN}]))(?:{_ANY_KEYWORD})(?=[{_BETWEEN}])")
_IN_FOLDER = re.compile(rf"(?:^|(?<=[{_BETWEEN}]))(?:{_ANY_KEYWORD})(?=[{_BETWEEN}]|$)")
_ANY_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_HARBOR_NAMES = ("task.toml", "instruction.md")
_SHARD = re.compile(r"(.+)-[0-9]{5}-of-[0-9]{5}(?:[^/]*)\.[^/]*", re.DOTALL)
_SPLIT_OF_SHARD = re.compile(r"(.+)-[0-9]{5}-of-[0-9]{4}[0-9]*.*")

Matches = dict[str, dict[int, list[str]]]
"""Files by split and by the number of the pattern that they match, in the library's order of patterns."""


def split_by_names(known: PathSet, folder: str) -> Mapping[str, list[str]] | None:
    """Return the files of each split below a folder, None where there is no file at all.

    In the library's order of splits and files. Raises: BadDatasetConfig for shards whose split's name cannot be one.
    """
    shown = known.shown(folder)
    start = len(folder) + 1 if folder else 0
    if not shown:
        return None
    for find in (_by_shards, _logs, _harbor, _by_folders, _by_file_names):
        found = find(shown, start)
        if found:
            return found
    return {"train": shown}


def _by_shards(paths: Sequence[str], start: int) -> dict[str, list[str]]:
    """``data/{split}-00000-of-00005*.*``"""
    found: dict[str, list[str]] = {}
    names = [
        (path, path[start + 5 :])
        for path in paths
        if path.startswith("data/", start) and "/" not in path[start + 5 :]
    ]
    shards = [(path, name) for path, name in names if _SHARD.fullmatch(name)]
    for _path, name in shards:
        split = _SPLIT_OF_SHARD.search(name)
        if split is not None:
            found.setdefault(split[1], [])
    for split_name in found:
        if not SPLIT_NAME.match(split_name):
            raise BadDatasetConfig(
                f"The name of the split '{split_name[:100]}' may hold letters, digits, _ and dots only."
            )
    for split_name, files in found.items():
        own = re.compile(rf"{re.escape(split_name)}-[0-9]{{5}}-of-[0-9]{{5}}[^/]*\.[^/]*", re.DOTALL)
        files += [path for path, name in shards if own.fullmatch(name)]
    order = [*(name for name in _KEYWORDS if name in found), *sorted(found.keys() - _KEYWORDS.keys())]
    return {name: found[name] for name in order}


def _logs(paths: Sequence[str], start: int) -> dict[str, list[str]]:
    files = [path for path in paths if path.endswith(".eval")]
    return {"logs": files} if files else {}


def _harbor(paths: Sequence[str], start: int) -> dict[str, list[str]]:
    likely = [path for path in paths if path.endswith(_HARBOR_NAMES)]
    files = [
        path for name in _HARBOR_NAMES for path in likely if path[start:] == name or path.endswith(f"/{name}")
    ]
    return {"test": files} if files else {}


def _by_folders(paths: Sequence[str], start: int) -> dict[str, list[str]]:
    """A keyword as a whole folder, at its start, at its end, or within: patterns of each keyword, in this order."""
    matches: Matches = {}
    patterns_of: dict[str, list[tuple[str, int]]] = {}
    for path in paths:
        folder = path[start : max(path.rfind("/"), start)]
        places = patterns_of.get(folder)
        if places is None:
            places = patterns_of[folder] = _patterns_of_folder(folder)
        for split, pattern in places:
            matches.setdefault(split, {}).setdefault(pattern, []).append(path)
    return _in_order(matches)


def _patterns_of_folder(folder: str) -> list[tuple[str, int]]:
    found = {}
    for name in folder.split("/"):
        for match in _IN_FOLDER.finditer(name):
            split, number = _PLACE[match[0]]
            kind = 2 * (match.start() > 0) + (match.end() < len(name))
            found[split, 4 * number + kind] = True
    return list(found)


def _by_file_names(paths: Sequence[str], start: int) -> dict[str, list[str]]:
    """A keyword at the start of a file's name, or within it."""
    matches: Matches = {}
    patterns_of: dict[bytes, list[tuple[str, int]]] = {}
    for path in paths:
        name = path[max(path.rfind("/") + 1, start) :]
        # One digit is as good as another, and most names differ by their number only.
        known_as = name.encode("utf-8", "surrogatepass").translate(_ANY_DIGIT)
        places = patterns_of.get(known_as)
        if places is None:
            places = patterns_of[known_as] = _patterns_of_name(name)
        for split, pattern in places:
            matches.setdefault(split, {}).setdefault(pattern, []).append(path)
    return _in_order(matches)


def _patterns_of_name(name: str) -> list[tuple[str, int]]:
    found = {}
    for match in _IN_NAME.finditer(name):
        split, number = _PLACE[match[0]]
        found[split, 2 * number + (match.start() > 0)] = True
    return list(found)


def _in_order(matches: Matches) -> dict[str, list[str]]:
    return {
        split: [path for _pattern, paths in sorted(matches[split].items()) for path in paths]
        for split in _KEYWORDS
        if split in matches
    }

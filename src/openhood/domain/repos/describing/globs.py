"""Matching the patterns of a dataset's ``data_files`` against paths, in time bounded whatever they are.

``*`` and ``?`` stay within one name, ``**`` as a whole name crosses folders, ``[…]`` is one of some
characters: what fsspec, and so the ``datasets`` library, makes of them. Regular expressions serve patterns with
a star or two only: hostile ones could keep them busy for hours.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Sequence

_MAGIC = "*?["
_FEW_STARS = 2
MAX_PATTERN_CHARACTERS = 500
_IGNORED = frozenset(
    {
        "README.md",
        "config.json",
        "dataset_info.json",
        "dataset_infos.json",
        "dummy_data.zip",
        "dataset_dict.json",
    }
)
# A hidden name, or a folder like ``__pycache__``.
_UNUSUAL = re.compile(r"(?:^|/)(?:\.(?!\.*(?:/|$))|__[^/]*/)")
_MAYBE_UNUSUAL = (".", "__")


class BadPattern(ValueError):
    """A pattern that cannot be matched: the message says why."""


def has_magic(pattern: str) -> bool:
    """Tell whether a pattern is more than a path."""
    return any(mark in pattern for mark in _MAGIC)


class PathSet:
    """The files of a repository, to be matched with bounded effort: ``budget`` characters in all.

    Hidden files and folders, folders that begin with two underscores, and files about the data rather than of it match
    only patterns that name them.
    """

    def __init__(self, paths: Sequence[str], *, budget: int) -> None:
        self._paths = sorted(paths)
        self._known = frozenset(paths)
        self._budget = budget

    def shown(self, folder: str) -> list[str]:
        """Return what ``**`` matches below a folder ("" for all), sorted."""
        paths = self._paths
        if folder:
            # The character after the slash ends the folder's range.
            paths = paths[bisect_left(paths, f"{folder}/") : bisect_left(paths, f"{folder}0")]
        start = len(folder) + 1 if folder else 0
        return [
            path
            for path in paths
            if path.rpartition("/")[2] not in _IGNORED
            # Nearly no path has any of these: looking for them takes a quarter of the expression's time.
            and not (
                (path.startswith(_MAYBE_UNUSUAL, start) or "/." in path or "/__" in path)
                and _UNUSUAL.search(path[start:])
            )
        ]

    def matching(self, pattern: str) -> list[str]:
        """Return the paths that match, sorted. Raises BadPattern, also once the budget is spent."""
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            raise BadPattern(f"A pattern is longer than {MAX_PATTERN_CHARACTERS} characters.")
        first = min((at for mark in _MAGIC if (at := pattern.find(mark)) >= 0), default=None)
        if first is None:
            return [pattern] if pattern in self._known else []
        parts = pattern.split("/")
        if any("**" in part and part != "**" for part in parts):
            raise BadPattern(f"Invalid pattern '{pattern}': '**' can only be an entire path component.")
        ignored = _IGNORED - {parts[-1]}
        is_plain = _unusual(parts) == (0, 0)
        match = _matcher(pattern, parts)
        found = []
        prefix = pattern[:first]
        for number in range(bisect_left(self._paths, prefix), len(self._paths)):
            path = self._paths[number]
            if not path.startswith(prefix):
                break
            self._budget -= len(pattern) + len(path)
            if self._budget <= 0:
                raise BadPattern("There are too many patterns and files to match them all.")
            if not match(path) or path.rpartition("/")[2] in ignored:
                continue
            if is_plain:
                is_shown = not _UNUSUAL.search(path)
            else:
                is_shown = _unusual(path.split("/")) == _unusual(parts)
            if is_shown:
                found.append(path)
        return found


def _matcher(pattern: str, parts: Sequence[str]) -> Callable[[str], object]:
    """Return what tells whether a path matches: an expression for simple patterns, which cannot keep it busy."""
    if pattern.count("*") - parts.count("**") > _FEW_STARS or "[" in pattern:
        return lambda path: _match_parts(parts, path.split("/"))
    last = len(parts) - 1
    written = []
    for number, part in enumerate(parts):
        end = "" if number == last else "/"
        if part == "**":
            written.append(".*" if number == last else "(?:.+/)?")
        elif part == "*":
            written.append(f"[^/]+{end}")
        else:
            written.append(re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + end)
    return re.compile("".join(written), re.DOTALL).fullmatch


def _unusual(names: Sequence[str]) -> tuple[int, int]:
    """Count names that are passed over unless a pattern asks for them: hidden ones, and folders like ``__x``."""
    hidden = sum(1 for name in names if name.startswith(".") and name.strip("."))
    return hidden, sum(1 for name in names[:-1] if name.startswith("__"))


def _match_parts(parts: Sequence[str], names: Sequence[str]) -> bool:
    """Match name by name; a ``**`` is first taken for nothing, then for one name more each time."""
    at = name_at = 0
    star = resume = -1
    while name_at < len(names):
        if at < len(parts) and parts[at] == "**":
            star, resume = at, name_at
            at += 1
        elif at < len(parts) and _match_name(parts[at], names[name_at]):
            at += 1
            name_at += 1
        elif star >= 0:
            resume += 1
            at, name_at = star + 1, resume
        else:
            return False
    return all(part == "**" for part in parts[at:])


def _match_name(pattern: str, name: str) -> bool:
    if "?" not in pattern and "[" not in pattern:
        return _match_stars(pattern.split("*"), name)
    at = char_at = 0
    star = resume = -1
    while char_at < len(name):
        if at < len(pattern) and pattern[at] == "*":
            star, resume = at, char_at
            at += 1
            continue
        end = _match_char(pattern, at, name[char_at]) if at < len(pattern) else 0
        if end:
            at, char_at = end, char_at + 1
        elif star >= 0:
            resume += 1
            at, char_at = star + 1, resume
        else:
            return False
    return not pattern[at:].strip("*")


def _match_stars(pieces: Sequence[str], name: str) -> bool:
    """Match what stands between stars, each piece at the first place it fits."""
    first, last = pieces[0], pieces[-1]
    if len(pieces) == 1:
        return name == first
    at, end = len(first), len(name) - len(last)
    if at > end or not name.startswith(first) or not name.endswith(last):
        return False
    for piece in pieces[1:-1]:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


def _match_char(pattern: str, at: int, char: str) -> int:
    """Return where the pattern goes on after matching one character, 0 where it does not match."""
    if pattern[at] == "?":
        return at + 1
    if pattern[at] == "[":
        close = pattern.find("]", at + 2)
        if close > 0:
            wanted = pattern[at + 1 : close]
            is_negated = wanted[0] in "!^"
            return close + 1 if _in_class(wanted[1:] if is_negated else wanted, char) != is_negated else 0
    return at + 1 if pattern[at] == char else 0


def _in_class(wanted: str, char: str) -> bool:
    at = 0
    while at < len(wanted):
        if at + 2 < len(wanted) and wanted[at + 1] == "-":
            if wanted[at] <= char <= wanted[at + 2]:
                return True
            at += 3
        else:
            if wanted[at] == char:
                return True
            at += 1
    return False

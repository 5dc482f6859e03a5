"""Matching the patterns of a dataset's ``data_files`` against paths, in time bounded whatever they are.

``*`` and ``?`` stay within one name, ``**`` as a whole name crosses folders, ``[…]`` is one of some
characters: what fsspec, and so the ``datasets`` library, makes of them. No regular expressions, which
hostile patterns could keep busy for hours.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

_MAGIC = "*?["
MAX_PATTERN_CHARACTERS = 500


class PathSet:
    """The files of a repository, to be matched with bounded effort: ``budget`` characters in all.

    Hidden files and folders, and folders that begin with two underscores, match only patterns that name them.
    """

    def __init__(self, paths: Sequence[str], *, budget: int) -> None:
        self._paths = sorted(paths)
        self._known = frozenset(paths)
        self._budget = budget

    def matching(self, pattern: str) -> list[str]:
        """Return the paths that match, sorted; none once the budget is spent or for endless patterns."""
        if len(pattern) > MAX_PATTERN_CHARACTERS:
            return []
        first = min((at for mark in _MAGIC if (at := pattern.find(mark)) >= 0), default=None)
        if first is None:
            return [pattern] if pattern in self._known else []
        found = []
        prefix = pattern[:first]
        parts = pattern.split("/")
        shown = _unusual(parts)
        for path in self._paths[bisect_left(self._paths, prefix) :]:
            if not path.startswith(prefix) or self._budget <= 0:
                break
            self._budget -= len(pattern) + len(path)
            names = path.split("/")
            if _unusual(names) == shown and _match_parts(parts, names):
                found.append(path)
        return found


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

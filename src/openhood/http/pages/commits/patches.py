"""A patch as tables: the lines of each file with their numbers, unified or side by side, and what changed in a line.

Pure; bounded by the caller's limits. Which files a change has, and which of them are large ones behind pointers, is
known from elsewhere: this reads only what ``git diff-tree -p`` wrote.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from markupsafe import Markup, escape

from openhood.engines.git.objects import name_text

_HUNK = re.compile(r"@@ -(\d{1,9})(?:,\d{1,9})? \+(\d{1,9})(?:,\d{1,9})? @@")
_QUOTED = re.compile(r'\\([0-7]{3}|["\\abfnrtv])')
_ESCAPES = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13, '"': 34, "\\": 92}
_MAX_LINE_CHARS = 2_000
_MAX_MARKED_CHARS = 400
_CLOSE = 0.35
"""Below this share of what two lines have in common, they are two lines and not one that was edited."""


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a patch. ``kind`` is same, added, removed, hunk or note; numbers are None where it is not there."""

    kind: str
    old: int | None
    new: int | None
    text: Markup


@dataclass(frozen=True, slots=True)
class Pair:
    """Two lines side by side; for a hunk or a note ``left`` is the line and ``right`` None."""

    left: Line | None
    right: Line | None

    @property
    def is_wide(self) -> bool:
        """Whether the line goes over both sides."""
        return self.left is not None and self.left.kind in ("hunk", "note")


@dataclass(frozen=True, slots=True)
class FilePatch:
    """The patch of one file, by its new path (its old one where it was deleted); ``is_cut``: there are more lines."""

    path: str
    lines: tuple[Line, ...]
    is_binary: bool
    is_cut: bool

    @property
    def pairs(self) -> list[Pair]:
        """The lines side by side."""
        return list(_pair(self.lines))


def read_patch(
    text: str, *, wanted: frozenset[str], line_limit: int, total_limit: int
) -> dict[str, FilePatch]:
    """Return the patches of the files that are wanted, by path. *Args*: limits are in lines, per file and in all."""
    found: dict[str, FilePatch] = {}
    room = total_limit
    for block in _blocks(text):
        path = _path_of(block)
        if path is None or path not in wanted:
            continue
        made = _read(path, block, limit=min(line_limit, room))
        room = max(0, room - len(made.lines))
        found[path] = made
    return found


def _blocks(text: str) -> Iterator[list[str]]:
    """Yield the lines of each file. Only ``\\n`` ends a line: text may hold other ends that git knows nothing of."""
    block: list[str] = []
    for line in text.split("\n"):
        if line.startswith("diff --git "):
            if block:
                yield block
            block = [line]
        elif block:
            block.append(line)
    if block:
        if block[-1] == "":
            block.pop()
        yield block


def _path_of(block: Sequence[str]) -> str | None:
    """Return the path a block is about, as `comparing` names it."""
    old = None
    for line in block[1:]:
        if line.startswith("@@ "):
            break
        if line.startswith("rename to "):
            return _unquote(line.removeprefix("rename to "))
        if line.startswith("--- ") and not line.startswith("--- /dev/null"):
            old = _unquote(line[4:].removesuffix("\t"))[2:]
        if line.startswith("+++ "):
            return old if line.startswith("+++ /dev/null") else _unquote(line[4:].removesuffix("\t"))[2:]
    # Files without lines: both names are the same then, so the first line is cut in its middle.
    names = block[0].removeprefix("diff --git ")
    half = len(names) // 2
    return _unquote(names[half + 1 :])[2:] if len(names) % 2 and names[half] == " " else None


def _unquote(name: str) -> str:
    """Return a path that git may have quoted as C does."""
    if not (len(name) > 1 and name[0] == name[-1] == '"'):
        return name
    raw = bytearray()
    at = 0
    for match in _QUOTED.finditer(name, 1, len(name) - 1):
        raw += name[max(at, 1) : match.start()].encode("utf-8", "surrogateescape")
        code = match[1]
        raw.append(_ESCAPES[code] if code in _ESCAPES else int(code, 8) & 255)
        at = match.end()
    raw += name[max(at, 1) : -1].encode("utf-8", "surrogateescape")
    return name_text(bytes(raw))


def _read(path: str, block: Sequence[str], *, limit: int) -> FilePatch:
    lines: list[Line] = []
    old = new = 0
    in_hunk = is_binary = False
    raw: list[tuple[str, int | None, int | None, str]] = []
    is_cut = False
    for line in block[1:]:
        hunk = _HUNK.match(line)
        if hunk:
            in_hunk = True
            old, new = int(hunk[1]), int(hunk[2])
            raw.append(("hunk", None, None, line))
        elif not in_hunk:
            is_binary = is_binary or line.startswith(("Binary files ", "GIT binary patch"))
            continue
        elif line.startswith("+"):
            raw.append(("added", None, new, line[1:]))
            new += 1
        elif line.startswith("-"):
            raw.append(("removed", old, None, line[1:]))
            old += 1
        elif line.startswith("\\"):
            raw.append(("note", None, None, line[1:].strip()))
        elif line.startswith("[cut: "):
            is_cut = True
        else:
            raw.append(("same", old, new, line[1:]))
            old, new = old + 1, new + 1
        if len(raw) > limit:
            raw.pop()
            is_cut = True
            break
    lines.extend(_mark(raw))
    return FilePatch(path, tuple(lines), is_binary, is_cut)


def _mark(raw: Sequence[tuple[str, int | None, int | None, str]]) -> Iterator[Line]:
    """Yield the lines, with what differs between a removed line and the added one that took its place."""
    at = 0
    while at < len(raw):
        gone = _run(raw, at, "removed")
        come = _run(raw, at + gone, "added")
        if not gone or gone != come:
            end = at + (gone or come or 1)
            yield from (Line(*each[:3], _shown(each[3])) for each in raw[at:end])
            at = end
            continue
        before, after = raw[at : at + gone], raw[at + gone : at + gone + come]
        marked = [_differences(left[3], right[3]) for left, right in zip(before, after, strict=True)]
        yield from (Line(*each[:3], pair[0]) for each, pair in zip(before, marked, strict=True))
        yield from (Line(*each[:3], pair[1]) for each, pair in zip(after, marked, strict=True))
        at += gone + come


def _run(raw: Sequence[tuple[str, int | None, int | None, str]], at: int, kind: str) -> int:
    end = at
    while end < len(raw) and raw[end][0] == kind:
        end += 1
    return end - at


def _differences(old: str, new: str) -> tuple[Markup, Markup]:
    """Return both lines with what stands between their common beginning and their common end marked."""
    most = min(len(old), len(new))
    if most > _MAX_MARKED_CHARS:
        return _shown(old), _shown(new)
    start = 0
    while start < most and old[start] == new[start]:
        start += 1
    end = 0
    while end < most - start and old[-1 - end] == new[-1 - end]:
        end += 1
    if start + end < _CLOSE * max(len(old), len(new)):
        return _shown(old), _shown(new)
    return _with_mark(old, start, end), _with_mark(new, start, end)


def _with_mark(text: str, start: int, end: int) -> Markup:
    stop = len(text) - end
    middle = Markup("<mark>{}</mark>").format(text[start:stop]) if stop > start else Markup()
    return escape(text[:start]) + middle + escape(text[stop:])


def _shown(text: str) -> Markup:
    return escape(text if len(text) <= _MAX_LINE_CHARS else text[:_MAX_LINE_CHARS] + "…")


def _pair(lines: Sequence[Line]) -> Iterator[Pair]:
    at = 0
    while at < len(lines):
        line = lines[at]
        if line.kind in ("removed", "added"):
            end = at
            while end < len(lines) and lines[end].kind in ("removed", "added"):
                end += 1
            run = lines[at:end]
            yield from (
                Pair(left, right)
                for left, right in zip_longest(
                    (each for each in run if each.kind == "removed"),
                    (each for each in run if each.kind == "added"),
                )
            )
            at = end
            continue
        yield Pair(line, None if line.kind in ("hunk", "note") else line)
        at += 1

"""The rules of one ``.gitignore`` file at the root of a repository.

Only what the file's text says; nested ignore files and ``info/exclude`` do not exist on the hub.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from openhood.engines.wildmatch import translate


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[bytes]
    is_negated: bool
    dirs_only: bool


class IgnoreRules:
    """Which paths an ignore file leaves out; made by `parse`.

    **Source**: ``gitignore(5)``; git ``dir.c::parse_path_pattern``, ``last_matching_pattern``.
    """

    __slots__ = ("_rules",)

    def __init__(self, rules: tuple[_Rule, ...]) -> None:
        self._rules = rules

    @classmethod
    def parse(cls, text: str) -> IgnoreRules:
        """Parse a whole ``.gitignore``; lines that mean nothing are skipped, never refused."""
        rules = []
        for line in text.removeprefix("\ufeff").encode("utf-8", "surrogateescape").split(b"\n"):
            rule = _parse_rule(line.removesuffix(b"\r"))
            if rule is not None:
                rules.append(rule)
        # The last rule that matches wins: kept in the order they are tried.
        return cls(tuple(reversed(rules)))

    def matches(self, path: str) -> bool:
        """Tell whether the file at ``path`` is ignored, by itself or with one of its directories.

        As in git, nothing below an ignored directory can be taken back by a later ``!`` rule.
        """
        raw = path.encode("utf-8", "surrogateescape")
        slash = raw.find(b"/")
        while slash >= 0:
            if self._verdict(raw[:slash], is_dir=True):
                return True
            slash = raw.find(b"/", slash + 1)
        return self._verdict(raw, is_dir=False)

    def _verdict(self, path: bytes, *, is_dir: bool) -> bool:
        for rule in self._rules:
            if (is_dir or not rule.dirs_only) and rule.pattern.fullmatch(path):
                return not rule.is_negated
        return False


def _parse_rule(line: bytes) -> _Rule | None:
    if line.startswith(b"#"):
        return None
    line = _strip_trailing_spaces(line)
    is_negated = line.startswith(b"!")
    if is_negated:
        line = line[1:]
    dirs_only = line.endswith(b"/")
    if dirs_only:
        line = line[:-1]
    if not line:
        return None
    is_anchored = b"/" in line
    source = translate(line.removeprefix(b"/"))
    if source is None:
        return None
    if not is_anchored:
        source = rb"(?:.*/)?+" + source
    return _Rule(re.compile(source, re.DOTALL), is_negated, dirs_only)


def _strip_trailing_spaces(line: bytes) -> bytes:
    """Drop trailing spaces, but not one that a backslash protects."""
    end = len(line)
    while end and line[end - 1 : end] == b" ":
        slashes = 0
        while end - 2 - slashes >= 0 and line[end - 2 - slashes : end - 1 - slashes] == b"\\":
            slashes += 1
        if slashes % 2:
            break
        end -= 1
    return line[:end]

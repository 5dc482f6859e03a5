"""Which paths a ``.gitattributes`` file at the root of a repository sends to LFS, and how to add one.

Only the ``filter`` attribute is understood; the texts new repositories start with are here too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from openhood.engines.wildmatch import has_glob, translate

LFS_ATTRIBUTES = "filter=lfs diff=lfs merge=lfs -text"

# git `attr.c`: longer lines are ignored.
_MAX_LINE_BYTES = 2048
_SPACE = b" \t\r\n"
_WEIGHTS = (
    "*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack *.npy "
    "*.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* "
    "*.tar.* *.tar *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*"
)
_MEDIA = (
    "*.lz4 *.mds *.sas7bdat *.pcm *.sam *.raw *.aac *.flac *.mp3 *.ogg *.wav *.bmp *.gif *.png *.tiff "
    "*.jpg *.jpeg *.webp *.mp4 *.webm"
)


def _rules_text(patterns: str) -> str:
    return "".join(f"{pattern} {LFS_ATTRIBUTES}\n" for pattern in patterns.split())


DEFAULT_MODEL = _rules_text(_WEIGHTS + " *.gguf")
"""The ``.gitattributes`` a new model starts with."""

DEFAULT_DATASET = _rules_text(_WEIGHTS + " " + _MEDIA)
"""The ``.gitattributes`` a new dataset starts with: audio, images and video go to LFS as well."""


@dataclass(frozen=True, slots=True)
class _Group:
    """Neighbouring rules with one verdict, so that a path is tried against few expressions."""

    is_lfs: bool
    suffixes: tuple[bytes, ...]
    pattern: re.Pattern[bytes] | None

    def matches(self, path: bytes) -> bool:
        return path.endswith(self.suffixes) or (
            self.pattern is not None and self.pattern.fullmatch(path) is not None
        )


class Attributes:
    """What an attributes file says about ``filter=lfs``; made by `parse`.

    **Source**: ``gitattributes(5)``; git ``attr.c::parse_attr_line``.
    """

    __slots__ = ("_groups",)

    def __init__(self, groups: tuple[_Group, ...]) -> None:
        self._groups = groups

    @classmethod
    def parse(cls, text: str) -> Attributes:
        """Parse a whole ``.gitattributes``; lines git would not understand are skipped."""
        macros: dict[bytes, bool | None] = {b"binary": None}
        rules: list[tuple[bytes, bool]] = []
        for line in text.removeprefix("\ufeff").encode("utf-8", "surrogateescape").split(b"\n"):
            pattern, words = _split_line(line)
            if not pattern:
                continue
            verdict = _filter_verdict(words, macros)
            if pattern.startswith(b"[attr]"):
                macros[pattern[len(b"[attr]") :]] = verdict
            elif verdict is not None and not pattern.endswith(b"/"):
                # Attributes belong to files: a directory's pattern gives them nothing.
                rules.append((pattern, verdict))
        return cls(_group(rules))

    def is_lfs(self, path: str) -> bool:
        """Tell whether git-lfs would store the file at ``path`` as a pointer."""
        raw = path.encode("utf-8", "surrogateescape")
        for group in self._groups:
            if group.matches(raw):
                return group.is_lfs
        return False


def add_lfs_rule(text: str, path: str) -> str:
    """Return ``text`` with a rule that sends exactly the file at ``path`` to LFS, unless one does already.

    Spaces and glob characters are escaped as ``git lfs track --filename`` does; a file in the root is
    anchored with ``/``, lest files of its name elsewhere come along.
    """
    if Attributes.parse(text).is_lfs(path):
        return text
    pattern = re.sub(r"[\\*?\[\]\"]", lambda found: "\\" + found[0], path)
    pattern = pattern.replace(" ", "[[:space:]]").replace("\t", "[[:space:]]")
    if "/" not in path:
        pattern = "/" + pattern
    elif pattern.startswith(("#", "!")):
        pattern = "\\" + pattern
    if text and not text.endswith("\n"):
        text += "\n"
    return f"{text}{pattern} {LFS_ATTRIBUTES}\n"


def _split_line(line: bytes) -> tuple[bytes, list[bytes]]:
    """Return a line's pattern and attribute words; no pattern for a line that says nothing."""
    if len(line) >= _MAX_LINE_BYTES:
        return b"", []
    line = line.strip(_SPACE)
    if not line or line.startswith(b"#"):
        return b"", []
    if line.startswith(b'"'):
        quoted = re.match(rb'"((?:[^"\\]|\\.)*)"', line)
        if quoted is not None:
            pattern, rest = _unquote(quoted[1]), line[quoted.end() :]
            return (b"", []) if pattern.startswith(b"!") else (pattern, rest.split())
    pattern, *words = line.split()
    if pattern == b"[attr]" and words:
        pattern += words.pop(0)
    # git refuses negative patterns here.
    return (b"", []) if pattern.startswith(b"!") else (pattern, words)


def _unquote(raw: bytes) -> bytes:
    """Undo C-style quoting (git ``quote.c::unquote_c_style``)."""
    letters = {b"a": b"\a", b"b": b"\b", b"f": b"\f", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"v": b"\v"}

    def replace(found: re.Match[bytes]) -> bytes:
        what = found[1]
        if what.isdigit():
            return bytes([int(what, 8) & 0xFF])
        return letters.get(what, what)

    return re.sub(rb"\\([0-3][0-7]{2}|.)", replace, raw, flags=re.DOTALL)


def _filter_verdict(words: list[bytes], macros: dict[bytes, bool | None]) -> bool | None:
    """Return True or False as the last word about ``filter`` says, None when none does."""
    verdict: bool | None = None
    for word in words:
        name = word.lstrip(b"-!") if word[:1] in (b"-", b"!") else word.partition(b"=")[0]
        if name == b"filter":
            verdict = word == b"filter=lfs"
        elif word in macros and macros[word] is not None:
            verdict = macros[word]
    return verdict


def _group(rules: list[tuple[bytes, bool]]) -> tuple[_Group, ...]:
    groups: list[_Group] = []
    at = len(rules)
    while at:
        verdict = rules[at - 1][1]
        suffixes: list[bytes] = []
        sources: list[bytes] = []
        while at and rules[at - 1][1] == verdict:
            at -= 1
            pattern = rules[at][0]
            if pattern.startswith(b"*") and not has_glob(pattern[1:]) and b"/" not in pattern:
                suffixes.append(pattern[1:])
                continue
            source = translate(pattern.removeprefix(b"/"))
            if source is not None:
                sources.append(source if b"/" in pattern else rb"(?:.*/)?+" + source)
        joined = re.compile(b"|".join(b"(?:%s)" % one for one in sources), re.DOTALL) if sources else None
        groups.append(_Group(verdict, tuple(suffixes), joined))
    return tuple(groups)

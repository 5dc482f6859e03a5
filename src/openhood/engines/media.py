"""What pictures, sounds and other files in cells are, from their first bytes and their names: type, width, height.

Nothing is decoded here. What may be shown in a page and what is only for saving is said in `is_safe`.
"""

from __future__ import annotations

import mimetypes
from collections.abc import Mapping

HEAD_BYTES = 64 * 1024
"""So much of a file is looked at."""

AUDIO_TYPES: Mapping[str, str] = {
    ".wav": "audio/wav",
    ".mp3": "audio/mpeg",
    ".opus": "audio/ogg",
    ".flac": "audio/flac",
}
"""Endings and types of sounds, in the original's words."""
_OTHER_AUDIO = {
    ".ogg": "audio/ogg",
    ".oga": "audio/ogg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".webm": "audio/webm",
}
_MARKS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG\r\n\x1a\n", "image/png"),
    (0, b"\xff\xd8\xff", "image/jpeg"),
    (0, b"GIF8", "image/gif"),
    (8, b"WEBP", "image/webp"),
    (0, b"BM", "image/bmp"),
    (0, b"II*\0", "image/tiff"),
    (0, b"MM\0*", "image/tiff"),
    (4, b"ftypavif", "image/avif"),
    (4, b"ftypheic", "image/heic"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (0, b"\xff\xfb", "audio/mpeg"),
    (0, b"\xff\xf3", "audio/mpeg"),
    (0, b"\xff\xf2", "audio/mpeg"),
    (4, b"ftypM4A", "audio/mp4"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (0, b"\x1aE\xdf\xa3", "video/webm"),
    (0, b"\0\0\1\xba", "video/mpeg"),
    (0, b"%PDF-", "application/pdf"),
)
_SAFE = frozenset(
    (
        *("image/png", "image/jpeg", "image/gif", "image/webp", "image/bmp", "image/avif"),
        *("audio/wav", "audio/flac", "audio/ogg", "audio/mpeg", "audio/mp4", "audio/aac", "audio/webm"),
        "application/pdf",
        *("video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/x-msvideo", "video/mpeg"),
    )
)
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def type_of(head: bytes, name: str | None) -> str:
    """Return the media type of a file: what its first bytes say, else its name, else unknown bytes."""
    for at, mark, kind in _MARKS:
        if head[at : at + len(mark)] == mark and (at != 8 or head[:4] == b"RIFF"):
            return kind
    guessed = mimetypes.guess_type(name.split("::")[0])[0] if name else None
    return guessed or "application/octet-stream"


def is_safe(kind: str) -> bool:
    """Tell whether a browser may show a file of a type by itself: nothing in it runs."""
    return kind in _SAFE


def audio_type(name: str | None, head: bytes) -> str:
    """Return the type of a sound, by its ending as the original does, else by its first bytes."""
    ending = ending_of(name)
    known = AUDIO_TYPES.get(ending) or _OTHER_AUDIO.get(ending)
    if known is not None:
        return known
    found = type_of(head, name)
    return found if found.startswith(("audio/", "video/")) else "audio/wav"


def ending_of(name: str | None) -> str:
    """Return the ending of a file's name with its dot, lower case; of ``a.wav::b.zip`` that of the first part."""
    base = (name or "").split("::")[0].rsplit("/", 1)[-1]
    dot = base.rfind(".")
    return base[dot:].lower() if dot > 0 else ""


def size_of(head: bytes) -> tuple[int, int] | None:
    """Return width and height of a picture from its first bytes, None where they do not say."""
    try:
        if head.startswith(b"\x89PNG") and len(head) >= 24:
            return _numbers(head, 16, 4, "big")
        if head.startswith(b"GIF8"):
            return _numbers(head, 6, 2, "little")
        if head.startswith(b"BM"):
            width, height = _numbers(head, 18, 4, "little")
            return width, height if height < 2**31 else 2**32 - height
        if head[8:12] == b"WEBP" and head.startswith(b"RIFF"):
            return _webp(head)
        if head.startswith(b"\xff\xd8"):
            return _jpeg(head)
    except IndexError:
        pass
    return None


def _numbers(head: bytes, at: int, size: int, order: str) -> tuple[int, int]:
    if len(head) < at + 2 * size:
        raise IndexError
    is_big = order == "big"
    first, second = head[at : at + size], head[at + size : at + 2 * size]
    name = "big" if is_big else "little"
    return int.from_bytes(first, name), int.from_bytes(second, name)  # type: ignore[arg-type]  # one of two words


def _webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if kind == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = _numbers(head, 26, 2, "little")
        return width & 0x3FFF, height & 0x3FFF
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 < len(head):
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker in _START_OF_FRAME:
            height, width = _numbers(head, at + 5, 2, "big")
            return width, height
        if marker in (0xFF, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 1 if marker == 0xFF else 2
            continue
        at += 2 + int.from_bytes(head[at + 2 : at + 4], "big")
    return None

"""Sizes of media by their heads: how wide a picture is, how long a sound or a film lasts. Nothing is decoded."""

from __future__ import annotations

import io
import struct
import warnings
import wave
from collections.abc import Iterator
from contextlib import suppress

from PIL import Image

BATCH_ROWS = 64
_OGG_TAIL_BYTES = 64 * 1024
_MP3_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_MP3_KBITS = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_TAG_BYTES = 10
_OPUS_RATE = 48000


def measure(kind: str, data: bytes) -> float | int | None:
    """Return the width of an image in pixels, or the seconds of audio or video; None where the head does not tell."""
    # Whatever is wrong with one file, or too much of it, says nothing of all the others in its column.
    with suppress(Exception):
        if kind == "image":
            return _width(data)
        return _audio_seconds(data) if kind == "audio" else _video_seconds(data)
    return None


def _width(data: bytes) -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with Image.open(io.BytesIO(data)) as picture:
            return int(picture.width)


def _audio_seconds(data: bytes) -> float | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WAVE":
        with wave.open(io.BytesIO(data)) as sound:
            return float(sound.getnframes() / sound.getframerate())
    if data[:4] == b"fLaC":
        packed = int.from_bytes(data[18:26], "big")
        rate, samples = packed >> 44, packed & ((1 << 36) - 1)
        return samples / rate if rate and samples else None
    if data[:4] == b"OggS":
        return _ogg_seconds(data)
    if data[4:8] == b"ftyp":
        return _video_seconds(data)
    return _mp3_seconds(data)


def _ogg_seconds(data: bytes) -> float | None:
    if data.find(b"OpusHead", 0, 200) >= 0:
        at = data.find(b"OpusHead", 0, 200)
        rate, skipped = _OPUS_RATE, int.from_bytes(data[at + 10 : at + 12], "little")
    elif (at := data.find(b"\x01vorbis", 0, 200)) >= 0:
        rate, skipped = int.from_bytes(data[at + 12 : at + 16], "little"), 0
    else:
        return None
    last = data.rfind(b"OggS", max(0, len(data) - _OGG_TAIL_BYTES))
    if last < 0 or not rate:
        return None
    samples = int.from_bytes(data[last + 6 : last + 14], "little", signed=True)
    return max(0, samples - skipped) / rate if samples > 0 else None


def _mp3_seconds(data: bytes) -> float | None:
    at = 0
    if data[:3] == b"ID3":
        sizes = data[6:10]
        at = _MP3_TAG_BYTES + (sizes[0] << 21 | sizes[1] << 14 | sizes[2] << 7 | sizes[3])
    head = int.from_bytes(data[at : at + 4], "big")
    version, layer = head >> 19 & 3, head >> 17 & 3
    if head >> 21 != 0x7FF or version == 1 or layer != 1:
        return None
    kbits, rate_at = head >> 12 & 15, head >> 10 & 3
    if kbits in (0, 15) or rate_at == 3:
        return None
    rate, frame_samples = _MP3_RATES[version][rate_at], 1152 if version == 3 else 576
    for name in (b"Xing", b"Info"):
        found = data.find(name, at, at + 200)
        if found >= 0 and data[found + 7] & 1:
            return int.from_bytes(data[found + 8 : found + 12], "big") * frame_samples / rate
    # Of one bit rate throughout, which is what there is without such a table.
    return (len(data) - at) * 8 / (_MP3_KBITS[version == 3][kbits] * 1000)


def _video_seconds(data: bytes) -> float | None:
    """Of MP4 and its kin, by the header of the movie."""
    for kind, start, stop in _boxes(data, 0, len(data)):
        if kind != b"moov":
            continue
        for inner, at, _end in _boxes(data, start, stop):
            if inner != b"mvhd":
                continue
            if data[at] == 1:
                scale, length = struct.unpack_from(">IQ", data, at + 20)
            else:
                scale, length = struct.unpack_from(">II", data, at + 12)
            return float(length / scale) if scale and length else None
    return None


def _boxes(data: bytes, at: int, stop: int) -> Iterator[tuple[bytes, int, int]]:
    while at + 8 <= stop:
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            size, head = struct.unpack_from(">Q", data, at + 8)[0], 16
        end = stop if size == 0 else at + size
        if end <= at + head - 1 or end > stop:
            return
        yield kind, at + head, end
        at = end

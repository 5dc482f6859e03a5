"""What large files of a hub look like to a chunk store: random bytes, JSON lines, and weights as bf16 and fp32.

Every seed gives other bytes, none of which repeat, so that nothing is deduplicated. No chunks or xorbs are made here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy

_WORDS = numpy.frombuffer(
    b"weights tensor  layer   head    token   batch   shape   model   train   loss    epoch   gradient"
    b"prompt  answer  context dataset sample  label   vector  encoder decoder softmax dropout bias    ",
    dtype="S8",
)
_WORDS_A_LINE = 8
_LINE = b'{"id": 0000000000, "text": "%s", "score": 0.000000, "tokens": 00000}\n' % (b"." * 8 * _WORDS_A_LINE)
_TEXT_AT = _LINE.index(b".")


def make(kind: str, seed: int, size_bytes: int) -> bytes:
    """Return ``size_bytes`` of a kind of content, a key of `KINDS`."""
    return KINDS[kind](numpy.random.Generator(numpy.random.SFC64(seed)), size_bytes)[:size_bytes]


def _random(rng: numpy.random.Generator, size: int) -> bytes:
    return rng.bytes(size)


def _json_lines(rng: numpy.random.Generator, size: int) -> bytes:
    """Lines of one length: words, a serial number and figures."""
    count = size // len(_LINE) + 1
    lines = numpy.tile(numpy.frombuffer(_LINE, numpy.uint8), (count, 1))
    words = _WORDS[rng.integers(0, len(_WORDS), (count, _WORDS_A_LINE))]
    width = _WORDS_A_LINE * 8
    lines[:, _TEXT_AT : _TEXT_AT + width] = words.view(numpy.uint8).reshape(count, width)
    for place in numpy.flatnonzero(lines[0] == ord("0")):
        lines[:, place] = rng.integers(ord("0"), ord("9") + 1, count, dtype=numpy.uint8)
    # What a fixed-width word lacks are zero bytes, which no text has.
    lines[lines == 0] = ord(" ")
    return lines.tobytes()


def _weights(rng: numpy.random.Generator, count: int) -> numpy.ndarray:
    return rng.standard_normal(count, numpy.float32) * numpy.float32(0.02)


def _bf16(rng: numpy.random.Generator, size: int) -> bytes:
    return (_weights(rng, size // 2 + 1).view(numpy.uint32) >> 16).astype(numpy.uint16).tobytes()


def _fp32(rng: numpy.random.Generator, size: int) -> bytes:
    return _weights(rng, size // 4 + 1).tobytes()


KINDS: Mapping[str, Callable[[numpy.random.Generator, int], bytes]] = {
    "random": _random,
    "json": _json_lines,
    "bf16": _bf16,
    "fp32": _fp32,
}

"""The header of a GGUF file: architecture, context, quantisation, chat template and number of parameters.

Reads forward in windows and keeps only what is asked for; every count is bounded by the bytes that could hold it.

======  =====  ========================================================
offset  bytes  meaning (little-endian, or big-endian where the version reads so)
======  =====  ========================================================
0       4      ``GGUF``
4       4      version: 1 (32-bit counts), 2 or 3
8       8      number of tensors
16      8      number of key-value pairs
24      rest   the pairs: key (length, text), type (4 bytes), value; then per tensor: name, number of dimensions
               (4 bytes), the dimensions (8 bytes each), type (4 bytes), offset (8 bytes)
======  =====  ========================================================

**Source**: ggml ``docs/gguf.md``; the keys shown are those of the Hub's ``gguf`` property.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from openhood.engines.formats.safetensors import BadWeights, ReadRange

MAX_HEADER_BYTES = 64 * 1024 * 1024
_WINDOW_BYTES = 1024 * 1024
_MAX_TEXT_BYTES = 256 * 1024
_MAX_KEY_BYTES = 65_535
_MAX_KEPT_BYTES = 2 * 1024 * 1024
_MAX_TOKEN_BYTES = 256
_MAX_TOKENS_KEPT = 400_000
_MAX_DIMENSIONS = 8
_MAX_STEPS = 500_000
"""Pairs, lists within lists and tensors that are looked at in one header: each takes some microseconds."""
_LEAST_PAIR_BYTES, _LEAST_TENSOR_BYTES = 13, 24
_TEXT, _LIST = 8, 9
_MAX_NESTING = 4
_SCALARS: Mapping[int, str] = {
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"
}  # fmt: skip

# llama.cpp's `llama_ftype`; the gaps are types that no program writes any more.
_FILE_TYPES: Mapping[int, str] = {
    0: "F32", 1: "F16", 2: "Q4_0", 3: "Q4_1", 7: "Q8_0", 8: "Q5_0", 9: "Q5_1", 10: "Q2_K", 11: "Q3_K_S",
    12: "Q3_K_M", 13: "Q3_K_L", 14: "Q4_K_S", 15: "Q4_K_M", 16: "Q5_K_S", 17: "Q5_K_M", 18: "Q6_K", 19: "IQ2_XXS",
    20: "IQ2_XS", 21: "Q2_K_S", 22: "IQ3_XS", 23: "IQ3_XXS", 24: "IQ1_S", 25: "IQ4_NL", 26: "IQ3_S", 27: "IQ3_M",
    28: "IQ2_S", 29: "IQ2_M", 30: "IQ4_XS", 31: "IQ1_M", 32: "BF16", 33: "Q4_0_4_4", 34: "Q4_0_4_8",
    35: "Q4_0_8_8", 36: "TQ1_0", 37: "TQ2_0", 38: "MXFP4_MOE", 39: "NVFP4", 40: "Q1_0", 41: "Q2_0",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class GgufHeader:
    """What a GGUF file says of itself; what it does not say is None. ``parameters`` is counted from its tensors.

    ``kind`` is ``model`` unless it says something else (``adapter``, ``mmproj``, ``imatrix``), ``quantization``
    the name of its ``general.file_type``.
    """

    parameters: int
    kind: str
    architecture: str | None
    context_length: int | None
    quantization: str | None
    imatrix_file: str | None
    chat_template: str | None
    bos_token: str | None
    eos_token: str | None


class HeaderSource:
    """The header's bytes, read in windows from the front on."""

    def __init__(self, read: ReadRange, size_bytes: int) -> None:
        self._read = read
        self._end = min(size_bytes, MAX_HEADER_BYTES)
        self._window = b""
        self._start = 0
        self._at = 0
        self._steps = 0
        self.order = "<"
        self.length_code = "Q"

    @property
    def left(self) -> int:
        """How many bytes may still come."""
        return self._end - self._start - self._at

    def step(self) -> None:
        """Count something that takes its time. Raises BadWeights where there is too much of it."""
        self._steps += 1
        if self._steps > _MAX_STEPS:
            raise BadWeights("The GGUF header holds more pairs, lists and tensors than are read of any.")

    def take(self, count: int) -> bytes:
        """Return the next bytes. Raises BadWeights at the end."""
        if count > self.left:
            raise BadWeights("The GGUF header is longer than the file, or than any header may be.")
        if self._at + count > len(self._window):
            start = self._start + self._at
            self._window = self._read(start, min(max(count, _WINDOW_BYTES), self._end - start))
            self._start, self._at = start, 0
            if len(self._window) < count:
                raise BadWeights("The GGUF header ends too early.")
        found = self._window[self._at : self._at + count]
        self._at += count
        return found

    def skip(self, count: int) -> None:
        """Pass over bytes without reading those beyond the window. Raises BadWeights at the end."""
        if count > self.left:
            raise BadWeights("The GGUF header is longer than the file, or than any header may be.")
        self._at += count
        if self._at > len(self._window):
            self._start, self._window, self._at = self._start + self._at, b"", 0

    def number(self, code: str) -> int | float | bool:
        """Return the next number of a `struct` code."""
        form = self.order + code
        found: int | float | bool = struct.unpack(form, self.take(struct.calcsize(form)))[0]
        return found

    def count(self, code: str, *, least_bytes: int) -> int:
        """Return the next number of things of which each takes ``least_bytes``. Raises BadWeights."""
        found = int(self.number(code))
        if found * least_bytes > self.left:
            raise BadWeights("The GGUF header announces more than it could hold.")
        return found

    def text(self, *, limit_bytes: int) -> str | None:
        """Return the next text, or pass over one that is over its limit and return None."""
        length = self.count(self.length_code, least_bytes=1)
        if length > limit_bytes:
            self.skip(length)
            return None
        return _decode(self.take(length))

    def texts(self, count: int, *, keep: bool) -> list[bytes]:
        """Pass over texts, of which a vocabulary has hundreds of thousands, and return them if they are to be kept."""
        kept: list[bytes] = []
        length_of = struct.Struct(self.order + self.length_code).unpack_from
        width = 4 if self.length_code == "I" else 8
        for _ in range(count):
            if self._at + width > len(self._window):
                length = self.count(self.length_code, least_bytes=1)
            else:
                (length,) = length_of(self._window, self._at)
                self._at += width
            end = self._at + length
            text = b""
            if end <= len(self._window):
                text = self._window[self._at : min(end, self._at + _MAX_TOKEN_BYTES)] if keep else text
                self._at = end
            elif keep and length <= _MAX_TOKEN_BYTES:
                text = self.take(length)
            else:
                self.skip(length)
            if keep:
                kept.append(text)
        return kept


def read_header(read: ReadRange, *, size_bytes: int) -> GgufHeader:
    """Read and check the header of a file of ``size_bytes``. Raises BadWeights."""
    source = HeaderSource(read, size_bytes)
    if size_bytes < 16 or source.take(4) != b"GGUF":
        raise BadWeights("The file does not begin as GGUF does.")
    version = int(source.number("I"))
    if version not in (1, 2, 3):
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
        source.order = ">"
        if version not in (1, 2, 3):
            raise BadWeights("The version of the GGUF file is none of 1, 2 and 3.")
    source.length_code = "I" if version == 1 else "Q"
    tensor_count = source.count(source.length_code, least_bytes=_LEAST_TENSOR_BYTES if version > 1 else 16)
    pair_count = source.count(source.length_code, least_bytes=_LEAST_PAIR_BYTES if version > 1 else 9)
    facts = _read_pairs(source, pair_count)
    parameters = sum(_read_tensor(source) for _ in range(tensor_count))
    if parameters > 8 * size_bytes:
        raise BadWeights("The GGUF file announces more parameters than it has bits.")
    return _header(facts, parameters)


def _read_pairs(source: HeaderSource, count: int) -> dict[str, object]:
    facts: dict[str, object] = {}
    kept_bytes = 0
    for _ in range(count):
        source.step()
        key = source.text(limit_bytes=_MAX_KEY_BYTES)
        if key is None:
            raise BadWeights(f"A key of the GGUF header has more than {_MAX_KEY_BYTES} bytes.")
        value = _read_value(source, int(source.number("I")), key)
        if value is not None:
            # A vocabulary is bounded by its own limit.
            kept_bytes += len(key) + (len(value) if isinstance(value, str) else 8)
            if kept_bytes > _MAX_KEPT_BYTES:
                raise BadWeights("The GGUF header says more of itself than is kept.")
            facts[key] = value
    return facts


_TOKENS = "tokenizer.ggml.tokens"
_WANTED = frozenset(
    {
        "general.type", "general.architecture", "general.file_type", "quantize.imatrix.file",
        "tokenizer.chat_template", "tokenizer.ggml.bos_token_id", "tokenizer.ggml.eos_token_id",
    }
)  # fmt: skip


def _decode(text: bytes) -> str:
    """Return text that every database takes."""
    return text.decode("utf-8", "replace").replace("\0", "")


def _read_value(source: HeaderSource, kind: int, key: str) -> object:
    """Return the next value, or pass over one that is not wanted and return None."""
    if kind == _LIST:
        return _read_list(source, keep=key == _TOKENS, depth=0)
    is_wanted = key in _WANTED or key.endswith(".context_length")
    if kind == _TEXT:
        return source.text(limit_bytes=_MAX_TEXT_BYTES if is_wanted else 0)
    code = _SCALARS.get(kind)
    if code is None:
        raise BadWeights(f"The GGUF header holds a value of the unknown type {kind}.")
    value = source.number(code)
    return value if is_wanted else None


def _read_list(source: HeaderSource, *, keep: bool, depth: int) -> list[bytes] | None:
    """Pass over a list; one of texts that is wanted is returned."""
    source.step()
    if depth >= _MAX_NESTING:
        raise BadWeights("The GGUF header holds lists within lists too deep.")
    kind = int(source.number("I"))
    if kind == _TEXT:
        count = source.count(source.length_code, least_bytes=4 if source.length_code == "I" else 8)
        is_kept = keep and count <= _MAX_TOKENS_KEPT
        found = source.texts(count, keep=is_kept)
        return found if is_kept else None
    if kind == _LIST:
        for _ in range(source.count(source.length_code, least_bytes=8)):
            _read_list(source, keep=False, depth=depth + 1)
        return None
    code = _SCALARS.get(kind)
    if code is None:
        raise BadWeights(f"The GGUF header holds a list of the unknown type {kind}.")
    width = struct.calcsize("<" + code)
    source.skip(width * source.count(source.length_code, least_bytes=width))
    return None


def _read_tensor(source: HeaderSource) -> int:
    """Pass over the description of a tensor and return its number of elements."""
    source.step()
    source.skip(source.count(source.length_code, least_bytes=1))
    dimensions = int(source.number("I"))
    if dimensions > _MAX_DIMENSIONS:
        raise BadWeights(f"A tensor of the GGUF file has {dimensions} dimensions.")
    code = source.length_code
    sizes = [int(source.number(code)) for _ in range(dimensions)]
    source.skip(12)
    return math.prod(sizes)


def _header(facts: Mapping[str, object], parameters: int) -> GgufHeader:
    def text(key: str) -> str | None:
        value = facts.get(key)
        return value if isinstance(value, str) else None

    def whole(key: str) -> int | None:
        value = facts.get(key)
        return value if type(value) is int and value >= 0 else None

    def token(key: str) -> str | None:
        place, known = whole(key), facts.get(_TOKENS)
        if place is None or not isinstance(known, list) or not 0 <= place < len(known):
            return None
        found = known[place]
        return _decode(found) if isinstance(found, bytes) else None

    architecture = text("general.architecture")
    return GgufHeader(
        parameters=parameters,
        kind=(text("general.type") or "model")[:100],
        architecture=None if architecture is None else architecture[:100],
        context_length=None if architecture is None else whole(f"{architecture}.context_length"),
        quantization=_FILE_TYPES.get(-1 if (number := whole("general.file_type")) is None else number),
        imatrix_file=text("quantize.imatrix.file"),
        chat_template=text("tokenizer.chat_template"),
        bos_token=token("tokenizer.ggml.bos_token_id"),
        eos_token=token("tokenizer.ggml.eos_token_id"),
    )

"""Everything a GGUF header says, bounded: all pairs and where each tensor lies; `gguf` reads only a few facts.

The layout of the file is described there. Lists keep their first values and a digest of all; a vocabulary is kept whole.
"""

from __future__ import annotations

import hashlib
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from openhood.engines.formats import gguf
from openhood.engines.formats.gguf import HeaderSource
from openhood.engines.formats.safetensors import BadWeights, ReadRange

_TEXT, _LIST = 8, 9
_MAX_KEY_BYTES, _MAX_TEXT_BYTES = 65_535, 1024 * 1024
_MAX_PAIRS, _MAX_TENSORS = 20_000, 200_000
_MAX_TOKENS = 1_000_000
_MAX_KEPT_BYTES = 16 * 1024 * 1024
_MAX_DIMENSIONS = 8
_FIRST = 16
_CODES = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_DEFAULT_ALIGNMENT = 32


@dataclass(frozen=True, slots=True)
class GgufList:
    """A list among the pairs: how long, the first values, and a digest by which lists can be told apart."""

    count: int
    first: tuple[object, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """A tensor: its dimensions as they stand there (the fastest first), the number of its type, its offset in the file."""

    shape: tuple[int, ...]
    type_number: int
    start: int

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class GgufLayout:
    """A whole header. Values are texts, numbers, booleans and lists; ``tokens`` is the vocabulary, if there is one."""

    is_little_endian: bool
    pairs: Mapping[str, object]
    tokens: tuple[bytes, ...] | None
    tensors: Mapping[str, GgufTensor]


def read_layout(read: ReadRange, *, size_bytes: int) -> GgufLayout:
    """Read the whole header of a file of ``size_bytes``. Raises BadWeights and what ``read`` raises."""
    source = HeaderSource(read, size_bytes)
    if size_bytes < 16 or source.take(4) != b"GGUF":
        raise BadWeights("The file does not begin as GGUF does.")
    version = int(source.number("I"))
    if version not in (1, 2, 3):
        source.order = ">"
        version = int.from_bytes(version.to_bytes(4, "little"), "big")
        if version not in (1, 2, 3):
            raise BadWeights("The version of the GGUF file is none of 1, 2 and 3.")
    source.length_code = "I" if version == 1 else "Q"
    tensor_count = source.count(source.length_code, least_bytes=16)
    pair_count = source.count(source.length_code, least_bytes=9)
    if tensor_count > _MAX_TENSORS or pair_count > _MAX_PAIRS:
        raise BadWeights("The GGUF header holds more pairs or tensors than are compared of any.")
    pairs, tokens = _read_pairs(source, pair_count)
    found = [_read_tensor(source) for _ in range(tensor_count)]
    alignment = pairs.get("general.alignment")
    step = alignment if type(alignment) is int and 0 < alignment <= 1 << 20 else _DEFAULT_ALIGNMENT
    first = -(-(min(size_bytes, gguf.MAX_HEADER_BYTES) - source.left) // step) * step
    tensors: dict[str, GgufTensor] = {}
    for name, shape, type_number, offset in found:
        if first + offset > size_bytes:
            raise BadWeights(f"The GGUF tensor {name[:80]!r} lies outside the file.")
        tensors[name] = GgufTensor(shape, type_number, first + offset)
    return GgufLayout(source.order == "<", pairs, tokens, tensors)


def _read_pairs(source: HeaderSource, count: int) -> tuple[dict[str, object], tuple[bytes, ...] | None]:
    pairs: dict[str, object] = {}
    tokens: tuple[bytes, ...] | None = None
    kept_bytes = 0
    for _ in range(count):
        source.step()
        key = source.text(limit_bytes=_MAX_KEY_BYTES)
        if key is None:
            raise BadWeights(f"A key of the GGUF header has more than {_MAX_KEY_BYTES} bytes.")
        kind = int(source.number("I"))
        value: object
        if kind == _LIST:
            is_vocabulary = key == "tokenizer.ggml.tokens"
            value, texts = _read_list(source, keep=is_vocabulary)
            tokens = texts if is_vocabulary else tokens
        elif kind == _TEXT:
            value = source.text(limit_bytes=_MAX_TEXT_BYTES)
            kept_bytes += len(value or "")
        else:
            value = source.number(_code(kind))
        kept_bytes += len(key) + 100
        if kept_bytes > _MAX_KEPT_BYTES:
            raise BadWeights("The GGUF header says more of itself than is compared.")
        pairs[key] = value
    return pairs, tokens


def _code(kind: int) -> str:
    code = _CODES.get(kind)
    if code is None:
        raise BadWeights(f"The GGUF header holds a value of the unknown type {kind}.")
    return code


def _read_list(source: HeaderSource, *, keep: bool) -> tuple[GgufList, tuple[bytes, ...] | None]:
    source.step()
    kind = int(source.number("I"))
    if kind == _LIST:
        raise BadWeights("The GGUF header holds lists within lists, which are not compared.")
    if kind == _TEXT:
        count = source.count(source.length_code, least_bytes=4 if source.length_code == "I" else 8)
        if count > _MAX_TOKENS:
            raise BadWeights(f"The GGUF header holds a list of {count} texts.")
        texts = source.texts(count, keep=True)
        digest = hashlib.blake2b(digest_size=16)
        for each in texts:
            digest.update(len(each).to_bytes(4, "little") + each)
        first = tuple(each.decode("utf-8", "replace") for each in texts[:_FIRST])
        return GgufList(count, first, digest.hexdigest()), tuple(texts) if keep else None
    code = _code(kind)
    width = struct.calcsize("<" + code)
    count = source.count(source.length_code, least_bytes=width)
    data = source.take(width * count)
    numbers = struct.unpack_from(f"{source.order}{min(count, _FIRST)}{code}", data)
    return GgufList(count, numbers, hashlib.blake2b(data, digest_size=16).hexdigest()), None


def _read_tensor(source: HeaderSource) -> tuple[str, tuple[int, ...], int, int]:
    source.step()
    name = source.text(limit_bytes=_MAX_KEY_BYTES)
    if name is None:
        raise BadWeights("The name of a tensor of the GGUF file is too long.")
    dimensions = int(source.number("I"))
    if dimensions > _MAX_DIMENSIONS:
        raise BadWeights(f"A tensor of the GGUF file has {dimensions} dimensions.")
    shape = tuple(int(source.number(source.length_code)) for _ in range(dimensions))
    if math.prod(shape) > 1 << 60:
        raise BadWeights(f"The GGUF tensor {name[:80]!r} has more elements than any file holds.")
    return name, shape, int(source.number("I")), int(source.number("Q"))

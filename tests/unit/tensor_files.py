"""Small files of weights, written by the rules of their formats, for the suites that read and compare them."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence

import numpy as np

from openhood.engines.diffs.parts import Budget, Part

Tensors = Mapping[str, tuple[str, Sequence[int], bytes]]


def f32(*values: float) -> bytes:
    return np.array(values, "<f4").tobytes()


def bf16(*values: float) -> bytes:
    """The upper halves of single-precision numbers, rounded to the nearest even."""
    bits = np.array(values, "<f4").view(np.uint32).astype(np.uint64)
    return ((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16).astype("<u2").tobytes()


def safetensors_file(tensors: Tensors, metadata: Mapping[str, str] | None = None) -> bytes:
    header: dict[str, object] = {} if metadata is None else {"__metadata__": dict(metadata)}
    data = b""
    for name, (dtype, shape, content) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [len(data), len(data) + len(content)],
        }
        data += content
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _value(value: object) -> bytes:
    if isinstance(value, bool):
        return struct.pack("<I?", 7, value)
    if isinstance(value, int):
        return struct.pack("<II", 4, value)
    if isinstance(value, float):
        return struct.pack("<If", 6, value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + _text(value)
    assert isinstance(value, list)
    if all(isinstance(each, str) for each in value):
        return struct.pack("<IIQ", 9, 8, len(value)) + b"".join(_text(each) for each in value)
    return struct.pack("<IIQ", 9, 4, len(value)) + b"".join(struct.pack("<I", each) for each in value)


def gguf_file(pairs: Mapping[str, object], tensors: Mapping[str, tuple[int, Sequence[int], bytes]]) -> bytes:
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs))
    for key, value in pairs.items():
        head += _text(key) + _value(value)
    data = b""
    for name, (kind, shape, content) in tensors.items():
        data += bytes(-len(data) % 32)
        head += _text(name) + struct.pack("<I", len(shape)) + struct.pack(f"<{len(shape)}Q", *shape)
        head += struct.pack("<IQ", kind, len(data))
        data += content
    return head + bytes(-len(head) % 32) + data


def part(data: bytes, path: str = "file") -> Part:
    return Part(path, len(data), lambda start, length: data[start : start + length])


def budget(read_bytes: int = 1 << 30, seconds: float = 60) -> Budget:
    return Budget(read_bytes, seconds)

"""Tiny models made on the spot: real safetensors and GGUF files with random weights. Pure.

Safetensors: 8 bytes length of the header (little-endian), the header as JSON, then the tensors one after the other.
GGUF: see `engines.formats.gguf`; everything is little-endian, tensors begin at multiples of 32.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from math import prod

import numpy as np

Shapes = Mapping[str, tuple[int, ...]]
Tensor = np.ndarray[tuple[int, ...], np.dtype[np.float32]]
Tensors = Mapping[str, Tensor]
_ALIGN = 32
_F32, _Q8_0 = 0, 8
_BLOCK = 32


def make(shapes: Shapes, *, seed: int) -> dict[str, Tensor]:
    """Return random tensors of these shapes, the same ones for the same seed."""
    chance = np.random.default_rng(seed)
    made: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if "norm" in name.lower() and len(shape) == 1:
            made[name] = np.ones(shape, np.float32)
        else:
            made[name] = (chance.standard_normal(shape) * 0.02).astype(np.float32)
    return made


def llama(*, hidden: int, inner: int, layers: int, words: int) -> Shapes:
    """Return the shapes of a model of the Llama family."""
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (words, hidden)}
    for number in range(layers):
        layer = f"model.layers.{number}"
        shapes |= {f"{layer}.self_attn.{part}_proj.weight": (hidden, hidden) for part in "qkvo"}
        shapes |= {f"{layer}.mlp.{part}_proj.weight": (inner, hidden) for part in ("gate", "up")}
        shapes[f"{layer}.mlp.down_proj.weight"] = (hidden, inner)
        shapes |= {f"{layer}.{part}_layernorm.weight": (hidden,) for part in ("input", "post_attention")}
    return shapes | {"model.norm.weight": (hidden,), "lm_head.weight": (words, hidden)}


def encoder(prefix: str, *, hidden: int, layers: int, inputs: Shapes, labels: int) -> Shapes:
    """Return the shapes of an encoder of the BERT or ViT family with a classifier on top."""
    shapes: dict[str, tuple[int, ...]] = {
        f"{prefix}.embeddings.{name}": shape for name, shape in inputs.items()
    }
    for number in range(layers):
        layer = f"{prefix}.encoder.layer.{number}"
        for part in ("query", "key", "value"):
            shapes[f"{layer}.attention.self.{part}.weight"] = (hidden, hidden)
            shapes[f"{layer}.attention.self.{part}.bias"] = (hidden,)
        shapes[f"{layer}.intermediate.dense.weight"] = (4 * hidden, hidden)
        shapes[f"{layer}.output.dense.weight"] = (hidden, 4 * hidden)
    return shapes | {"classifier.weight": (labels, hidden), "classifier.bias": (labels,)}


def lora(*, hidden: int, layers: int, rank: int) -> Shapes:
    """Return the shapes of an adapter for `llama`."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number in range(layers):
        for part in "qv":
            place = f"base_model.model.model.layers.{number}.self_attn.{part}_proj"
            shapes |= {f"{place}.lora_A.weight": (rank, hidden), f"{place}.lora_B.weight": (hidden, rank)}
    return shapes


def safetensors(tensors: Tensors, *, dtype: str = "BF16", note: str = "pt") -> bytes:
    """Return a safetensors file; ``dtype`` is BF16, F16 or F32."""
    header: dict[str, object] = {"__metadata__": {"format": note}}
    parts: list[bytes] = []
    at = 0
    for name, tensor in tensors.items():
        data = _encode(tensor, dtype)
        header[name] = {"dtype": dtype, "shape": list(tensor.shape), "data_offsets": [at, at + len(data)]}
        parts.append(data)
        at += len(data)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + b"".join(parts)


def sharded(tensors: Tensors, *, count: int, dtype: str = "F32") -> dict[str, bytes]:
    """Return the files of a checkpoint in several parts, with its index."""
    names = list(tensors)
    step = -(-len(names) // count)
    files: dict[str, bytes] = {}
    places: dict[str, str] = {}
    for number in range(count):
        chosen = names[number * step : (number + 1) * step]
        file = f"model-{number + 1:05}-of-{count:05}.safetensors"
        files[file] = safetensors({name: tensors[name] for name in chosen}, dtype=dtype)
        places |= dict.fromkeys(chosen, file)
    total = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": total}, "weight_map": places}
    files["model.safetensors.index.json"] = json.dumps(index, indent=2).encode() + b"\n"
    return files


def _encode(tensor: Tensor, dtype: str) -> bytes:
    if dtype == "BF16":
        # The upper half of a float of 32 bits.
        return (tensor.view(np.uint32) >> 16).astype("<u2").tobytes()
    return tensor.astype({"F16": "<f2", "F32": "<f4"}[dtype]).tobytes()


def gguf(
    tensors: Tensors, *, name: str, context: int, layers: int, hidden: int, words: Sequence[str]
) -> bytes:
    """Return a GGUF file of a Llama: matrices in blocks of 8 bits, the rest as it is."""
    facts = [
        ("general.architecture", _text_value("llama")),
        ("general.name", _text_value(name)),
        ("general.file_type", struct.pack("<II", 4, 7)),
        ("llama.context_length", struct.pack("<II", 4, context)),
        ("llama.embedding_length", struct.pack("<II", 4, hidden)),
        ("llama.block_count", struct.pack("<II", 4, layers)),
        ("tokenizer.ggml.model", _text_value("gpt2")),
        ("tokenizer.ggml.tokens", struct.pack("<IIQ", 9, 8, len(words)) + b"".join(map(_text, words))),
    ]
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(facts))
    head += b"".join(_text(key) + value for key, value in facts)
    body = b""
    for place, tensor in tensors.items():
        is_matrix = tensor.ndim == 2 and tensor.shape[1] % _BLOCK == 0
        data = _blocks(tensor) if is_matrix else tensor.astype("<f4").tobytes()
        dimensions = tensor.shape[::-1]
        head += _text(place) + struct.pack(f"<I{len(dimensions)}Q", len(dimensions), *dimensions)
        head += struct.pack("<IQ", _Q8_0 if is_matrix else _F32, len(body))
        body += data + bytes(-len(data) % _ALIGN)
    return head + bytes(-len(head) % _ALIGN) + body


def _blocks(tensor: Tensor) -> bytes:
    """Return a matrix as blocks of 32 values: a scale of 16 bits, then a byte for each value."""
    values = tensor.reshape(prod(tensor.shape) // _BLOCK, _BLOCK)
    scale = np.abs(values).max(axis=1, keepdims=True) / 127
    codes = np.round(values / np.where(scale == 0, 1, scale)).astype(np.int8)
    return b"".join(
        one.astype("<f2").tobytes() + row.tobytes() for one, row in zip(scale, codes, strict=True)
    )


def _text(value: str) -> bytes:
    data = value.encode()
    return struct.pack("<Q", len(data)) + data


def _text_value(value: str) -> bytes:
    return struct.pack("<I", 8) + _text(value)

"""Files that change as people's do: the first version, and one that came of it.

Run by a Python with numpy and pyarrow: ``python xetfiles.py CASE DIRECTORY MEGABYTES``. Prints what it made as JSON.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

MB = 1_000_000
VERSIONS = ("first", "again")


def random_bytes(directory: Path, size: int) -> dict[str, Any]:
    """A file without structure, of which 1,000 bytes in the middle are replaced."""
    data = bytearray(np.random.default_rng(1).bytes(size))
    for seed, name in enumerate(VERSIONS):
        if seed:
            data[size // 2 : size // 2 + 1000] = np.random.default_rng(seed).bytes(1000)
        (directory / name).write_bytes(data)
    return {"changed": "1,000 bytes in the middle", "share": 1000 / size}


def growing_log(directory: Path, size: int) -> dict[str, Any]:
    """Lines of JSON to which 1 % is added at the end."""
    rng = np.random.default_rng(3)
    lines = [
        b'{"id": %d, "loss": %.6f, "lr": %.8f}\n' % (number, rng.random(), rng.random() / 1000)
        for number in range(size // 52)
    ]
    whole = b"".join(lines)
    for seed, name in enumerate(VERSIONS):
        more = b"".join(
            b'{"id": %d, "loss": %.6f, "seed": %d}\n' % (number, rng.random(), seed)
            for number in range(len(lines) // 100)
        )
        (directory / name).write_bytes(whole + (more if seed else b""))
    return {"changed": "1 % appended", "share": 0.01}


def _table(rows: int) -> dict[str, Any]:
    rng = np.random.default_rng(5)
    words = np.array([f"w{number:x}" for number in rng.integers(0, 1 << 32, 20_000)])
    text = [" ".join(row) for row in words[rng.integers(0, len(words), (rows, 12))]]
    return {
        "id": np.arange(rows, dtype=np.int64),
        "text": np.array(text, dtype=object),
        "score": rng.random(rows),
        "label": rng.integers(0, 100, rows).astype(np.int32),
    }


def _parquet(
    directory: Path, size: int, *, chosen: Callable[[int, Any], Any], by_content: bool, deleted: bool = False
) -> float:
    rows = size // 110
    table = _table(rows)
    for seed, name in enumerate(VERSIONS):
        now = dict(table)
        if seed:
            which = chosen(rows, np.random.default_rng(100 + seed))
            if deleted:
                now = {column: np.delete(values, which) for column, values in now.items()}
            else:
                now["text"] = now["text"].copy()
                now["score"] = now["score"].copy()
                now["text"][which] = [f"edited {seed} {number}" for number in range(len(which))]
                now["score"][which] = np.random.default_rng(seed).random(len(which))
        pq.write_table(
            pa.table(now), directory / name, use_content_defined_chunking=by_content, compression="snappy"
        )
    return 0.01


def _one_place(rows: int, rng: Any) -> Any:
    start = int(rng.integers(0, rows - rows // 100))
    return np.arange(start, start + rows // 100)


def _everywhere(rows: int, rng: Any) -> Any:
    return np.sort(rng.choice(rows, rows // 100, replace=False))


def parquet(directory: Path, size: int) -> dict[str, Any]:
    """A table of which 1 % of the rows, one after the other, are edited."""
    share = _parquet(directory, size, chosen=_one_place, by_content=True)
    return {"changed": "1 % of the rows edited, in one place", "share": share}


def parquet_deleted(directory: Path, size: int) -> dict[str, Any]:
    """The same table with 1 % of the rows deleted: everything after them moves."""
    share = _parquet(directory, size, chosen=_one_place, by_content=True, deleted=True)
    return {"changed": "1 % of the rows deleted, in one place", "share": share}


def parquet_plain(directory: Path, size: int) -> dict[str, Any]:
    """The same, written without content-defined chunking."""
    share = _parquet(directory, size, chosen=_one_place, by_content=False, deleted=True)
    return {"changed": "the same, without content-defined chunking", "share": share}


def parquet_scattered(directory: Path, size: int) -> dict[str, Any]:
    """The same table with 1 % of the rows edited all over it: two of its columns change in every page."""
    share = _parquet(directory, size, chosen=_everywhere, by_content=True)
    return {"changed": "1 % of the rows edited, all over it", "share": share}


def _bf16(rng: Any, count: int) -> bytes:
    values = (rng.standard_normal(count, dtype=np.float32) * 0.02).view(np.uint32)
    return (values >> 16).astype("<u2").tobytes()


def safetensors(directory: Path, size: int) -> dict[str, Any]:
    """A checkpoint of 12 tensors in bf16, of which training changed two."""
    count = size // 12 // 2
    tensors = [_bf16(np.random.default_rng(number), count) for number in range(12)]
    for seed, name in enumerate(VERSIONS):
        now = list(tensors)
        for number in ((), (3, 8))[seed]:
            now[number] = _bf16(np.random.default_rng(1000 + seed * 100 + number), count)
        header = {
            f"layers.{number}.weight": {
                "dtype": "BF16",
                "shape": [count],
                "data_offsets": [number * count * 2, (number + 1) * count * 2],
            }
            for number in range(12)
        }
        text = json.dumps(header).encode()
        text += b" " * (-len(text) % 8)
        (directory / name).write_bytes(len(text).to_bytes(8, "little") + text + b"".join(now))
    return {"changed": "2 of 12 tensors", "share": 2 / 12}


def _q8_0(values: Any) -> bytes:
    blocks = values.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1) / 127
    numbers = np.round(blocks / np.where(scale, scale, 1)[:, None]).astype(np.int8)
    return np.concatenate([scale.astype("<f2")[:, None].view(np.int8), numbers], axis=1).tobytes()


def _q4_0(values: Any) -> bytes:
    blocks = values.reshape(-1, 32)
    scale = blocks[np.arange(len(blocks)), np.abs(blocks).argmax(axis=1)] / -8
    numbers = np.clip(np.round(blocks / np.where(scale, scale, 1)[:, None]) + 8, 0, 15).astype(np.uint8)
    packed = numbers[:, :16] | (numbers[:, 16:] << 4)
    return np.concatenate([scale.astype("<f2")[:, None].view(np.uint8), packed], axis=1).tobytes()


_TYPES = {"q4_0": (2, _q4_0), "q8_0": (8, _q8_0)}


def _gguf_text(text: str) -> bytes:
    return len(text).to_bytes(8, "little") + text.encode()


def _gguf(path: Path, tensors: list[tuple[str, str, int, bytes]]) -> None:
    """Write a GGUF 3 file with tensors (name, type, count, bytes). **Source**: ``ggml/docs/gguf.md``."""
    facts = [
        _gguf_text("general.architecture") + (8).to_bytes(4, "little") + _gguf_text("llama"),
        _gguf_text("general.name") + (8).to_bytes(4, "little") + _gguf_text("made up"),
        _gguf_text("llama.block_count") + (4).to_bytes(4, "little") + len(tensors).to_bytes(4, "little"),
    ]
    head = b"GGUF" + (3).to_bytes(4, "little") + len(tensors).to_bytes(8, "little")
    head += len(facts).to_bytes(8, "little") + b"".join(facts)
    body = bytearray()
    for name, kind, count, data in tensors:
        head += _gguf_text(name) + (1).to_bytes(4, "little") + count.to_bytes(8, "little")
        head += _TYPES[kind][0].to_bytes(4, "little") + len(body).to_bytes(8, "little")
        body += data + bytes(-len(data) % 32)
    path.write_bytes(head + bytes(-len(head) % 32) + body)


def gguf(directory: Path, size: int) -> dict[str, Any]:
    """A model of 24 tensors in Q8_0, of which 8 are quantised to Q4_0 instead."""
    count = size // 24 // 34 * 32
    weights = [
        np.random.default_rng(number).standard_normal(count, dtype=np.float32) * 0.02 for number in range(24)
    ]
    share = 0.0
    for seed, name in enumerate(VERSIONS):
        small = (set(), set(range(8, 16)))[seed]
        made = []
        for number, values in enumerate(weights):
            kind = "q4_0" if number in small else "q8_0"
            made.append((f"blk.{number}.weight", kind, count, _TYPES[kind][1](values)))
        _gguf(directory / name, made)
        share = sum(len(each[3]) for each in made if each[1] == "q4_0") / sum(len(each[3]) for each in made)
    return {"changed": "8 of 24 tensors from Q8_0 to Q4_0", "share": share}


CASES: dict[str, Callable[[Path, int], dict[str, Any]]] = {
    "random": random_bytes,
    "log": growing_log,
    "parquet": parquet,
    "parquet-deleted": parquet_deleted,
    "parquet-plain": parquet_plain,
    "parquet-scattered": parquet_scattered,
    "safetensors": safetensors,
    "gguf": gguf,
}


if __name__ == "__main__":
    case, where, megabytes = sys.argv[1:]
    print(json.dumps(CASES[case](Path(where), int(megabytes) * MB)))

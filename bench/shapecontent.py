"""Data as unlike a plain table as what people keep: deep lists, a thousand columns, media, thousands of files.

Made the same at every run, as files below a directory; nothing here talks to a hub. Plain tables are `tablecontent`'s.
"""

from __future__ import annotations

import io
import json
import struct
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

LABELS = ("cat", "dog", "fish", "owl")
_PIXELS = 32
_RATE_HZ = 8000
_SOUND_S = 0.1
CSV_ROWS = 20


def nested(rows: int) -> pa.Table:
    """Return rows of lists of lists of numbers, of lists of structs, and of structs that hold lists."""
    chance = np.random.default_rng(1)

    def offsets(count: int, most: int) -> pa.Array:
        return pa.array(np.concatenate(([0], np.cumsum(chance.integers(0, most, count)))), pa.int32())

    outer = offsets(rows, 4)
    inner = offsets(outer[-1].as_py(), 5)
    numbers = pa.ListArray.from_arrays(inner, pa.array(chance.integers(0, 1000, inner[-1].as_py())))
    turns = offsets(rows, 5)
    count = turns[-1].as_py()
    words = np.array([f"word{number}" for number in range(5000)])
    said = [" ".join(row) for row in words[chance.integers(0, len(words), (count, 8))]]
    turn = pa.StructArray.from_arrays(
        [pa.array(np.array(["user", "assistant"])[np.arange(count) % 2]), pa.array(said)], ["role", "content"]
    )
    tags = offsets(rows, 4)
    facts = pa.StructArray.from_arrays(
        [
            pa.array(chance.random(rows)),
            pa.ListArray.from_arrays(tags, pa.array(words[chance.integers(0, 300, tags[-1].as_py())])),
        ],
        ["weight", "tags"],
    )
    return pa.table(
        {
            "id": np.arange(rows),
            "matrix": pa.ListArray.from_arrays(outer, numbers),
            "messages": pa.ListArray.from_arrays(turns, turn),
            "facts": facts,
        }
    )


def wide(rows: int, columns: int) -> pa.Table:
    """Return numbers in many columns: whole ones, real ones, and categories."""
    chance = np.random.default_rng(2)
    makers = (
        lambda: pa.array(chance.integers(0, 1000, rows, dtype=np.int32)),
        lambda: pa.array(chance.random(rows, dtype=np.float32)),
        lambda: pa.array(np.array(LABELS)[chance.integers(0, len(LABELS), rows)]),
    )
    return pa.table({f"column {at}": makers[at % len(makers)]() for at in range(columns)})


def image(number: int) -> bytes:
    """Return a small PNG of noise, another for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (_PIXELS, _PIXELS * 3), dtype=np.uint8)
    lines = np.hstack([np.zeros((_PIXELS, 1), np.uint8), pixels]).tobytes()
    head = struct.pack(">IIBBBBB", _PIXELS, _PIXELS, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(lines, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in parts
    )


def sound(number: int) -> bytes:
    """Return a tenth of a second of noise as WAV, another for each number."""
    count = int(_RATE_HZ * _SOUND_S)
    data = np.random.default_rng(number).integers(-9000, 9000, count, dtype=np.int16).tobytes()
    form = struct.pack("<HHIIHH", 1, 1, _RATE_HZ, 2 * _RATE_HZ, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def write_table(made: pa.Table, place: Path, *, group_rows: int) -> list[Path]:
    """Write a table as one Parquet file, and return it."""
    path = place / "train.parquet"
    pq.write_table(made, path, row_group_size=group_rows, write_page_index=True)
    return [path]


def write_images(place: Path, count: int, *, files: int, group_rows: int) -> list[Path]:
    """Write images with labels as Parquet files, as ``datasets`` writes them, and return them."""
    features = {
        "image": {"_type": "Image"},
        "label": {"names": list(LABELS), "_type": "ClassLabel"},
    }
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())],
        metadata={"huggingface": json.dumps({"info": {"features": features}})},
    )
    paths: list[Path] = []
    size = -(-count // files)
    for first in range(0, count, size):
        numbers = range(first, min(first + size, count))
        shown = [{"bytes": image(number), "path": f"{number}.png"} for number in numbers]
        made = pa.table([shown, [number % len(LABELS) for number in numbers]], schema=schema)
        paths.append(place / f"train-{len(paths):05}-of-{files:05}.parquet")
        pq.write_table(made, paths[-1], row_group_size=group_rows)
    return paths


def described_images(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents of a folder of images that a table describes."""
    lines = ["file_name,text"]
    for number in range(count):
        lines.append(f"images/{number:05}.png,picture number {number}")
        yield f"train/images/{number:05}.png", image(number)
    yield "train/metadata.csv", "\n".join(lines).encode()


def labelled_images(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents of images in a folder for each label."""
    for number in range(count):
        yield f"train/{LABELS[number % len(LABELS)]}/{number:05}.png", image(count + number)


def labelled_sounds(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents of sounds in a folder for each label."""
    for number in range(count):
        yield f"train/{LABELS[number % len(LABELS)]}/{number:05}.wav", sound(number)


def csv_files(count: int) -> Iterator[tuple[str, bytes]]:
    """Yield paths and contents of many small files of one split."""
    chance = np.random.default_rng(3)
    for number in range(count):
        values = chance.integers(0, 100_000, (CSV_ROWS, 2))
        lines = [f"{number * CSV_ROWS + at},{a},name {b}" for at, (a, b) in enumerate(values.tolist())]
        yield f"data/part-{number:05}.csv", ("id,value,name\n" + "\n".join(lines) + "\n").encode()


def write_tars(place: Path, count: int, *, files: int) -> list[Path]:
    """Write images with what is said of them as the archives of a webdataset, and return them."""
    paths: list[Path] = []
    size = -(-count // files)
    for first in range(0, count, size):
        paths.append(place / f"train-{len(paths):05}.tar")
        with tarfile.open(paths[-1], "w") as archive:
            for number in range(first, min(first + size, count)):
                for suffix, data in (
                    ("png", image(number)),
                    ("json", json.dumps({"label": number % len(LABELS)}).encode()),
                ):
                    entry = tarfile.TarInfo(f"{number:06}.{suffix}")
                    entry.size = len(data)
                    archive.addfile(entry, io.BytesIO(data))
    return paths

"""Tables for the tests of the dataset viewer, small unless asked otherwise, and the same at every call."""

from __future__ import annotations

import io
import json
import math
import random
import struct
import wave
from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

WORDS = (
    "river",
    "stone",
    "cloud",
    "amber",
    "quiet",
    "north",
    "paper",
    "glass",
    "ember",
    "violet",
    "harbor",
    "meadow",
)
CATEGORIES = ("red", "green", "blue")


def table(rows: int = 1000, *, start: int = 0) -> pa.Table:
    """Return ``id, value (float with nulls and NaN), flag, category, text, numbers, tags`` of some rows."""
    chance = random.Random(start)
    ids = range(start, start + rows)
    return pa.table(
        {
            "id": pa.array(ids, pa.int64()),
            "value": pa.array([None if n % 17 == 3 else n / 7 for n in ids], pa.float64()),
            "flag": pa.array([n % 3 == 0 for n in ids], pa.bool_()),
            "category": pa.array([CATEGORIES[n % 3] for n in ids], pa.string()),
            "text": pa.array([f"row {n} " + " ".join(chance.choices(WORDS, k=8)) for n in ids], pa.string()),
            "numbers": pa.array([list(range(n % 5)) for n in ids], pa.list_(pa.int64())),
            "tags": pa.array([[CATEGORIES[n % 3], WORDS[n % 12]] for n in ids], pa.list_(pa.string())),
        }
    )


def parquet(made: pa.Table, *, group: int = 50_000, index: bool = True, **more: Any) -> bytes:
    """Return a table as a Parquet file with row groups of so many rows."""
    out = io.BytesIO()
    pq.write_table(made, out, row_group_size=group, write_page_index=index, **more)
    return out.getvalue()


def with_features(made: pa.Table, features: Mapping[str, Any]) -> pa.Table:
    """Return a table whose schema says what ``datasets`` writes of its features."""
    said = json.dumps({"info": {"features": features}})
    return made.replace_schema_metadata({**(made.schema.metadata or {}), "huggingface": said})


def csv(made: pa.Table, *, sep: str = ",") -> bytes:
    """Return the columns that are no lists as CSV."""
    rows = [name for name in made.column_names if not pa.types.is_nested(made.schema.field(name).type)]
    lines = [sep.join(rows)]
    for row in made.select(rows).to_pylist():
        lines.append(sep.join("" if row[name] is None else str(row[name]) for name in rows))
    return ("\n".join(lines) + "\n").encode()


def jsonl(made: pa.Table) -> bytes:
    """Return a table as one JSON document per line."""
    return "".join(json.dumps(row, allow_nan=False) + "\n" for row in made.to_pylist()).encode()


def png(width: int = 8, height: int = 6, *, color: Sequence[int] = (200, 30, 60)) -> bytes:
    """Return a picture of one colour."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), tuple(color)).save(out, "PNG")
    return out.getvalue()


def jpeg(width: int = 64, height: int = 48, *, color: Sequence[int] = (20, 130, 60)) -> bytes:
    """Return a picture of one colour."""
    from PIL import Image

    out = io.BytesIO()
    Image.new("RGB", (width, height), tuple(color)).save(out, "JPEG")
    return out.getvalue()


def wav(seconds: float = 0.1, *, rate: int = 8000, pitch: float = 440.0) -> bytes:
    """Return a tone, 16 bits, one channel."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        tones = (int(9000 * math.sin(2 * math.pi * pitch * at / rate)) for at in range(int(seconds * rate)))
        file.writeframes(b"".join(struct.pack("<h", tone) for tone in tones))
    return out.getvalue()


def media(files: Sequence[bytes | None], *, names: Sequence[str | None] | None = None) -> pa.Array:
    """Return a column as ``datasets`` keeps pictures and sounds: ``{bytes, path}``."""
    paths = names or [None] * len(files)
    pairs = zip(files, paths, strict=True)
    values = [
        None if data is None and path is None else {"bytes": data, "path": path} for data, path in pairs
    ]
    return pa.array(values, pa.struct({"bytes": pa.binary(), "path": pa.string()}))

"""The tables that reading datasets is measured on, the same at every run."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

_WORDS = 40_000
_PER_ROW = 40
_CATEGORIES = ("red", "green", "blue", "amber", "violet")


def table(rows: int, *, seed: int = 0) -> pa.Table:
    """Return ten columns of ``rows``: numbers, truth values, categories, about 40 words of text, lists."""
    chance = np.random.default_rng(seed)
    words = np.array([f"w{number}" for number in range(_WORDS)])
    picked = words[np.minimum(chance.zipf(1.35, size=(rows, _PER_ROW)), _WORDS) - 1]
    score = chance.random(rows) * 100
    lengths = chance.integers(0, 5, rows)
    offsets = np.concatenate(([0], np.cumsum(lengths))).astype(np.int32)
    return pa.table(
        {
            "id": np.arange(rows),
            "group": chance.integers(0, 1000, rows, dtype=np.int32),
            "year": chance.integers(1900, 2027, rows, dtype=np.int16),
            "score": pa.array(score, mask=chance.random(rows) < 0.05),
            "weight": chance.random(rows, dtype=np.float32),
            "is_good": chance.random(rows) < 0.3,
            "category": pa.array(np.array(_CATEGORIES)[chance.integers(0, len(_CATEGORIES), rows)]),
            "text": pa.array([" ".join(row) for row in picked]),
            "numbers": pa.ListArray.from_arrays(offsets, chance.integers(0, 100, int(offsets[-1]))),
            "tags": pa.ListArray.from_arrays(offsets, words[chance.integers(0, 500, int(offsets[-1]))]),
        }
    )


def rare_word(number: int) -> str:
    """Return a word that is in a few rows of a million, another for each number."""
    return f"w{38_123 + number}"


def common_word(number: int) -> str:
    """Return a word that is in every second or third row, another for each number."""
    return f"w{7 + number}"


def write_parquet(made: pa.Table, place: Path, *, files: int, group_rows: int) -> list[Path]:
    """Write a table as some Parquet files with page index, and return them."""
    paths, size = [], -(-made.num_rows // files)
    for number in range(files):
        paths.append(place / f"train-{number:05}-of-{files:05}.parquet")
        pq.write_table(
            made.slice(number * size, size),
            paths[-1],
            row_group_size=group_rows,
            write_page_index=True,
            use_content_defined_chunking=True,
        )
    return paths


def write_csv(made: pa.Table, path: Path) -> Path:
    """Write the columns that are no lists as CSV."""
    flat = [name for name in made.column_names if not pa.types.is_nested(made.schema.field(name).type)]
    pyarrow.csv.write_csv(made.select(flat), path)
    return path


def write_jsonl(made: pa.Table, path: Path) -> Path:
    """Write a table as JSON Lines."""
    with path.open("w") as file:
        for batch in made.to_batches(max_chunksize=10_000):
            file.writelines(json.dumps(row) + "\n" for row in batch.to_pylist())
    return path

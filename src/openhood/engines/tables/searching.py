"""Looking for words in the text columns of a split by reading them: no index, nothing to wait for.

Words are whole ones, upper and lower case alike; a row is found that has any of them. First come the rows with most
of the different words, then those with most hits, then the rows in their order.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from openhood.engines.tables.task import Source, Task
from openhood.engines.tables.words import is_plain_text

ROW = "__row"
_SCORE = "__score"
_WORD_WEIGHT = 1 << 20


def scan(
    task: Task,
    columns: Sequence[str],
    features: dict[str, Any],
    words: Sequence[str],
    *,
    starts: Sequence[int],
) -> pa.Table:
    """Return the rows that hold a word, best first: columns ``__row`` and ``__score``.

    ``starts`` are the numbers of the first rows of the sources.
    """
    found = [
        _scan_one(source, columns, features, words, start)
        for source, start in zip(task.sources, starts, strict=True)
    ]
    task.check_time()
    table: pa.Table = (
        pl.concat(found).sort([_SCORE, ROW], descending=[True, False]).to_arrow()
        if found
        else pa.table({ROW: pa.array([], pa.int64()), _SCORE: pa.array([], pa.int64())})
    )
    return table


def _scan_one(
    source: Source, columns: Sequence[str], features: dict[str, Any], words: Sequence[str], start: int
) -> pl.DataFrame:
    lazy = pl.scan_parquet(source.path, low_memory=True)
    texts = [_as_text(name, features.get(name)) for name in columns]
    any_word = _pattern(words)
    hit = pl.any_horizontal(text.str.contains(any_word) for text in texts)
    several = len(words) > 1 or len(texts) > 1
    score = _score(texts, words) if several else texts[0].str.count_matches(any_word).cast(pl.Int64)
    return (
        lazy.select(*dict.fromkeys(columns))
        .with_row_index(ROW, offset=start)
        .filter(hit)
        .select(pl.col(ROW).cast(pl.Int64), score.alias(_SCORE))
        .collect(engine="streaming")
    )


def _score(texts: Sequence[pl.Expr], words: Sequence[str]) -> pl.Expr:
    total = pl.lit(0, pl.Int64)
    for word in words:
        hits = pl.sum_horizontal(text.str.count_matches(_pattern([word])) for text in texts).cast(pl.Int64)
        total = total + hits + pl.when(hits > 0).then(_WORD_WEIGHT).otherwise(0)
    return total


def _pattern(words: Sequence[str]) -> str:
    return r"(?i)\b(?:" + "|".join(re.escape(word) for word in words) + r")\b"


def _as_text(name: str, feature: Any) -> pl.Expr:
    """Return a column as text; of lists and structs what they hold, as JSON writes it."""
    column = pl.col(name)
    if is_plain_text(feature):
        return column.cast(pl.String)
    return pl.struct(column).struct.json_encode()

"""Looking for words in the text columns of a split by reading them: no index, nothing to wait for.

Words are whole ones, upper and lower case alike; a row is found that has any of them. First come the rows with most
of the different words, then those with most hits, then the rows in their order.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Sequence
from itertools import product
from string import ascii_lowercase

import polars as pl
import pyarrow as pa

from openhood.engines.tables.task import Source, Task

ROW = "__row"
_SCORE = "__score"
_WORD_WEIGHT = 1 << 20
_KEPT = 4
_KEPT_BYTES = 32 * 1024**2


def scan(
    task: Task,
    columns: Sequence[str],
    words: Sequence[str],
    *,
    starts: Sequence[int],
) -> pa.Table:
    """Return the rows that hold a word, best first: columns ``__row`` and ``__score``.

    ``starts`` are the numbers of the first rows of the sources. What was found is kept for the pages that follow.
    """
    asked = (tuple(source.key for source in task.sources), tuple(columns), tuple(words), tuple(starts))
    known = _known.pop(asked, None)
    if known is None:
        known = _scan(task, columns, words, starts)
    if known.nbytes <= _KEPT_BYTES:
        _known[asked] = known
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    return known


def _scan(task: Task, columns: Sequence[str], words: Sequence[str], starts: Sequence[int]) -> pa.Table:
    found = [
        _scan_one(source, columns, words, start) for source, start in zip(task.sources, starts, strict=True)
    ]
    task.check_time()
    table: pa.Table = (
        pl.concat(found).sort([_SCORE, ROW], descending=[True, False]).to_arrow()
        if found
        else pa.table({ROW: pa.array([], pa.int64()), _SCORE: pa.array([], pa.int64())})
    )
    return table


def _scan_one(source: Source, columns: Sequence[str], words: Sequence[str], start: int) -> pl.DataFrame:
    lazy = pl.scan_parquet(source.path, low_memory=True).select(*dict.fromkeys(columns))
    kept = lazy.collect_schema()
    found = [_text_in(pl.col(name), kept[name]) for name in kept]
    texts = [text for text in found if text is not None]
    if not texts:
        return pl.DataFrame(schema={ROW: pl.Int64, _SCORE: pl.Int64})
    numbered = lazy.with_row_index(ROW, offset=start)
    if len(words) > 1:
        # One look for any of the words spares most rows the looks for each of them.
        any_word = _pattern(words)
        numbered = numbered.filter(pl.any_horizontal(text.str.contains(any_word) for text in texts))
    return (
        numbered.select(pl.col(ROW).cast(pl.Int64), _score(texts, words).alias(_SCORE))
        .filter(pl.col(_SCORE) > 0)
        .collect(engine="streaming")
    )


def _score(texts: Sequence[pl.Expr], words: Sequence[str]) -> pl.Expr:
    total = pl.lit(0, pl.Int64)
    for word in words:
        hits = pl.sum_horizontal(text.str.count_matches(_pattern([word])) for text in texts).cast(pl.Int64)
        total = total + hits + pl.when(hits > 0).then(_WORD_WEIGHT).otherwise(0)
    return total


def _pattern(words: Sequence[str]) -> str:
    """Return what matches any of these words, whole, in capitals or not."""
    return r"\b(?:" + "|".join(map(_in_any_case, words)) + r")\b"


def _in_any_case(word: str) -> str:
    """Return what matches a word in capitals or not: every spelling, where there are few of them.

    Literals are looked for many at a time, four times as fast as classes of letters in words that are short and common.
    """
    if word.isascii():
        letters = [_SPELLINGS.get(letter, (letter,)) for letter in word]
        if math.prod(map(len, letters)) <= _MAX_SPELLINGS:
            return "|".join(map("".join, product(*letters)))
    return f"(?i:{re.escape(word)})"


_MAX_SPELLINGS = 16
_SPELLINGS = {letter: (letter, letter.upper()) for letter in ascii_lowercase} | {
    # Two letters of ASCII are the lower case of others as well: the Kelvin sign, and the long s.
    "k": ("k", "K", "\u212a"),
    "s": ("s", "S", "\u017f"),
}


def _text_in(column: pl.Expr, kept: pl.DataType) -> pl.Expr | None:
    """Return a column as text, of lists and structs the texts that they hold; None where there are none."""
    if kept == pl.String:
        return column
    if isinstance(kept, pl.Categorical | pl.Enum):
        return column.cast(pl.String)
    if isinstance(kept, pl.Array):
        return _text_in(column.arr.to_list(), pl.List(kept.inner))
    if isinstance(kept, pl.List):
        below = _text_in(pl.element(), kept.inner)  # type: ignore[arg-type]  # always an instance here
        if below is None:
            return None
        return (column if kept.inner == pl.String else column.list.eval(below)).list.join("\n")
    if isinstance(kept, pl.Struct):
        parts = [_text_in(column.struct.field(field.name), field.dtype) for field in kept.fields]  # type: ignore[arg-type]
        texts = [part for part in parts if part is not None]
        return pl.concat_str(texts, separator="\n", ignore_nulls=True) if texts else None
    return None


_known: OrderedDict[tuple[tuple[object, ...], ...], pa.Table] = OrderedDict()

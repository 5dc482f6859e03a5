"""Looking for words in the text columns of a split by reading them: no index, nothing to wait for.

Words are whole ones, upper and lower case alike; a row is found that has any of them. First come the rows with most
of the different words, then those with most hits, then the rows in their order.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import product
from string import ascii_lowercase

import polars as pl

from openhood.engines.tables.task import Source, Task

ROW = "__row"
_SCORE = "__score"
_HITS = "__hits"
_NOTHING = pl.DataFrame(schema={ROW: pl.Int64, _SCORE: pl.Int64})
_WORD_WEIGHT = 1 << 20
_KEPT = 4
_KEPT_BYTES = 32 * 1024**2


def scan(
    task: Task,
    columns: Sequence[str],
    words: Sequence[str],
    *,
    starts: Sequence[int],
    offset: int,
    length: int,
) -> tuple[list[int], int]:
    """Return the numbers of a page of the rows that hold a word, best first, and how many there are in all.

    ``starts`` are the numbers of the first rows of the sources. What was found is kept for the pages that follow.
    """
    asked = (tuple(source.key for source in task.sources), tuple(columns), tuple(words), tuple(starts))
    known = _known.pop(asked, None)
    if known is None:
        known = _scan(task, columns, words, starts)
    if known.estimated_size() <= _KEPT_BYTES:
        _known[asked] = known
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    return _page(known, offset, length), known.height


def _page(found: pl.DataFrame, offset: int, length: int) -> list[int]:
    """Return rows in the order of their scores: to choose the first few is five times as fast as to sort all."""
    order: dict[str, bool] = {_SCORE: True, ROW: False}
    best = found.top_k(offset + length, by=list(order), reverse=[not falls for falls in order.values()])
    return best.sort(list(order), descending=list(order.values()))[ROW].slice(offset, length).to_list()


def _scan(task: Task, columns: Sequence[str], words: Sequence[str], starts: Sequence[int]) -> pl.DataFrame:
    found = [
        _scan_one(source, columns, words, start) for source, start in zip(task.sources, starts, strict=True)
    ]
    task.check_time()
    return pl.concat(found) if found else _NOTHING


def _scan_one(source: Source, columns: Sequence[str], words: Sequence[str], start: int) -> pl.DataFrame:
    lazy = pl.scan_parquet(source.path, low_memory=True).select(*dict.fromkeys(columns))
    kept = lazy.collect_schema()
    if all(_hits(pl.col(name), kept[name], "") is None for name in kept):
        return _NOTHING
    numbered = lazy.with_row_index(ROW, offset=start)
    if len(words) > 1:
        # One look for any of the words spares most rows the looks for each of them.
        numbered = numbered.filter(_count(kept, _pattern(words)) > 0)
    hits = [_count(kept, _pattern([word])).alias(f"{_HITS}{at}") for at, word in enumerate(words)]
    return (
        numbered.select(pl.col(ROW).cast(pl.Int64), *hits)
        .select(ROW, _score(len(words)).alias(_SCORE))
        .filter(pl.col(_SCORE) > 0)
        .collect(engine="streaming")
    )


def _score(words: int) -> pl.Expr:
    total = pl.lit(0, pl.Int64)
    for hits in (pl.col(f"{_HITS}{at}") for at in range(words)):
        total = total + hits + pl.when(hits > 0).then(_WORD_WEIGHT).otherwise(0)
    return total


def _count(kept: Mapping[str, pl.DataType], pattern: str) -> pl.Expr:
    """Return how often a pattern is found in all columns together."""
    found = [_hits(pl.col(name), kept[name], pattern) for name in kept]
    return pl.sum_horizontal(hits for hits in found if hits is not None).cast(pl.Int64)


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


def _hits(column: pl.Expr, kept: pl.DataType, pattern: str) -> pl.Expr | None:
    """Return how often a pattern is found in a column, in the texts that its lists and structs hold; None: it has none."""
    if kept == pl.String:
        return column.str.count_matches(pattern)
    if isinstance(kept, pl.Categorical | pl.Enum):
        return column.cast(pl.String).str.count_matches(pattern)
    if isinstance(kept, pl.Array):
        return _hits(column.arr.to_list(), pl.List(kept.inner), pattern)
    if isinstance(kept, pl.List):
        below = _hits(pl.element(), kept.inner, pattern)  # type: ignore[arg-type]  # always an instance here
        return None if below is None else column.list.eval(below).list.sum()
    if isinstance(kept, pl.Struct):
        parts = [_hits(column.struct.field(field.name), field.dtype, pattern) for field in kept.fields]  # type: ignore[arg-type]
        hits = [part for part in parts if part is not None]
        return pl.sum_horizontal(hits) if hits else None
    return None


_known: OrderedDict[tuple[tuple[object, ...], ...], pl.DataFrame] = OrderedDict()

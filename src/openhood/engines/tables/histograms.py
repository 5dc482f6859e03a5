"""The numbers of a column as ``/statistics`` tells them: ten bins, five decimals, and what stands for nothing.

Bins contain their lower edge, the last one its upper edge too. Bins of whole numbers are as wide as a whole number, so
there may be fewer than ten. Source: the original's documentation of ``/statistics``.
"""

from __future__ import annotations

import datetime
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

DECIMALS = 5
BINS = 10
Number = int | float
Item = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Summary:
    """What one pass over the numbers of a column tells. ``std`` is that of a sample, None of fewer than two."""

    count: int
    least: Number
    greatest: Number
    mean: float
    median: float
    std: float | None


def int_edges(least: int, greatest: int) -> list[int]:
    """Return the edges of the bins of whole numbers, at least two; both ends are edges."""
    if least == greatest:
        return [least, greatest]
    width = -(-(greatest - least + 1) // BINS)
    edges = [*range(least, greatest, width), greatest]
    # Of two neighbours each has its bin.
    return edges if len(edges) > 2 else [least, greatest, greatest]


def float_edges(least: float, greatest: float) -> list[float]:
    """Return the edges of ten equal bins, or of one where there is one value."""
    if least == greatest:
        return [least, greatest]
    width = greatest / BINS - least / BINS
    return [*(least + at * width for at in range(BINS)), greatest]


def share(count: int, total: int) -> float:
    """Return a proportion."""
    return rounded(count / total) if count and total else 0.0


def rounded(number: float) -> float:
    """Return a number with five decimals, rounded as numpy does; None of JSON stands for what is not finite."""
    made = float(np.round(number, DECIMALS)) if abs(number) < 1e290 else number
    return made + 0.0


def nothing(total: int) -> Item:
    """Return the statistics of numbers of which there is none."""
    return {
        "nan_count": total,
        "nan_proportion": 1.0 if total else 0.0,
        **dict.fromkeys(("min", "max", "mean", "median", "std", "histogram")),
    }


def numbers(summary: Summary, total: int, *, hist: Sequence[int], edges: Sequence[Number]) -> Item:
    """Return the statistics of numbers. ``total`` counts the rows; those that ``summary`` lacks are none."""
    missing = total - summary.count
    is_whole = isinstance(summary.least, int)
    return {
        "nan_count": missing,
        "nan_proportion": share(missing, total),
        "min": summary.least if is_whole else _finite(summary.least),
        "max": summary.greatest if is_whole else _finite(summary.greatest),
        "mean": _finite(summary.mean),
        "median": _finite(summary.median),
        "std": None if summary.std is None else _finite(summary.std),
        "histogram": {
            "hist": list(hist),
            "bin_edges": list(edges) if is_whole else [rounded(edge) for edge in edges],
        },
    }


def of_counts(counts: Sequence[tuple[int, int]], total: int) -> Item:
    """Return the statistics of whole numbers of which each is known with how often it is there."""
    if not counts:
        return nothing(total)
    ordered = sorted(counts)
    summary = _summary(ordered)
    edges = int_edges(int(summary.least), int(summary.greatest))
    hist = [0] * (len(edges) - 1)
    width = edges[1] - edges[0] or 1
    for value, count in ordered:
        hist[min((value - edges[0]) // width, len(hist) - 1)] += count
    return numbers(summary, total, hist=hist, edges=edges)


def of_floats(found: Sequence[Number], total: int) -> Item:
    """Return the statistics of numbers that are all there."""
    values = np.asarray(found, dtype=np.float64)
    edges = float_edges(rounded(values.min()), rounded(values.max()))
    below = [int((values < edge).sum()) for edge in edges[1:-1]]
    std = float(values.std(ddof=1)) if len(values) > 1 else None
    summary = Summary(
        len(values),
        float(values.min()),
        float(values.max()),
        float(values.mean()),
        float(np.median(values)),
        std,
    )
    return numbers(summary, total, hist=cumulated(below, len(values)), edges=edges)


def cumulated(below: Sequence[int], count: int) -> list[int]:
    """Return the bins of which it is known how many numbers are below each inner edge."""
    return [after - before for before, after in zip([0, *below], [*below, count], strict=True)]


def categories(
    frequencies: dict[str, int], total: int, *, missing: int, unlabelled: int = 0, unique: int | None = None
) -> Item:
    """Return the statistics of labels and of texts that are used like them."""
    return {
        "nan_count": missing,
        "nan_proportion": share(missing, total),
        "no_label_count": unlabelled,
        "no_label_proportion": share(unlabelled, total),
        "n_unique": len(frequencies) if unique is None else unique,
        "frequencies": frequencies,
    }


def truths(yes: int, no: int, total: int) -> Item:
    """Return the statistics of true and false."""
    missing = total - yes - no
    found = {"False": no, "True": yes}
    return {
        "nan_count": missing,
        "nan_proportion": share(missing, total),
        "frequencies": {name: count for name, count in found.items() if count},
    }


def moments(item: Item, first: datetime.datetime) -> Item:
    """Return the statistics of whole seconds since ``first`` as moments, written as the original does."""
    if item["histogram"] is None:
        return item

    def moment(seconds: Number) -> str:
        return written(first + datetime.timedelta(seconds=seconds))

    return {
        **item,
        **{name: moment(item[name]) for name in ("min", "max", "mean", "median")},
        "std": None if item["std"] is None else str(datetime.timedelta(seconds=item["std"])),
        "histogram": {
            "hist": item["histogram"]["hist"],
            "bin_edges": [moment(edge) for edge in item["histogram"]["bin_edges"]],
        },
    }


def written(moment: datetime.datetime) -> str:
    """Return a moment as text; an offset only where it is not that of UTC."""
    form = "%Y-%m-%d %H:%M:%S" + ("%z" if moment.utcoffset() else "")
    return moment.strftime(form)


def find_rank(
    count_below: Callable[[Sequence[Number]], Sequence[int]],
    least: Number,
    greatest: Number,
    rank: int,
    *,
    most: int,
) -> tuple[Number, Number, int]:
    """Return a narrow range ``(from, up to, numbers below it)`` that holds the number of a rank, counted from 0.

    ``count_below`` tells how many numbers are below each of some edges. The range holds at most ``most`` numbers, or
    cannot be made narrower. So the median of any number of rows is found in a bounded memory.
    """
    low, high, below = least, greatest, 0
    while True:
        edges = _finer(low, high)
        if not edges:
            return low, high, below
        counts = count_below([*edges, math.inf if isinstance(high, float) else high + 1])
        before = below
        for edge, count in zip(edges, counts, strict=False):
            if count > rank:
                high = edge
                after = count
                break
            low, before = edge, count
        else:
            after = counts[-1]
        below = before
        if after - below <= most:
            return low, high, below


def _finer(low: Number, high: Number) -> list[Number]:
    steps = 64
    if isinstance(low, int) and isinstance(high, int):
        width = max(1, (high - low) // steps)
        return list(range(low + width, high, width))
    width_of = high / steps - low / steps
    made = {low + at * width_of for at in range(1, steps)}
    return sorted(edge for edge in made if low < edge < high)


def _summary(ordered: Sequence[tuple[int, int]]) -> Summary:
    count = sum(times for _value, times in ordered)
    mean = sum(value * times for value, times in ordered) / count
    std = None
    if count > 1:
        spread = math.fsum(times * (value - mean) ** 2 for value, times in ordered)
        std = math.sqrt(spread / (count - 1))
    middle = (_at(ordered, (count - 1) // 2) + _at(ordered, count // 2)) / 2
    return Summary(count, ordered[0][0], ordered[-1][0], mean, middle, std)


def _at(ordered: Sequence[tuple[int, int]], rank: int) -> int:
    for value, times in ordered:
        rank -= times
        if rank < 0:
            return value
    return ordered[-1][0]


def _finite(number: float) -> float | None:
    return rounded(number) if math.isfinite(number) else None

"""How much one tensor differs from another of the same shape, added up block by block.

Sums are kept in double precision. Numbers that are no numbers (NaN, infinite) are counted and left out of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from openhood.engines.diffs.elements import ElementType, Values
from openhood.engines.diffs.parts import number

_LANE = 131_072
"""Elements that are computed with at once: few enough to stay in the processor's cache."""


@dataclass(slots=True)
class Measure:
    """The sums over all elements that were compared so far."""

    elements: int = 0
    changed: int = 0
    largest: float = 0.0
    sum_abs: float = 0.0
    square_diff: float = 0.0
    square_old: float = 0.0
    square_new: float = 0.0
    product: float = 0.0
    odd_old: int = 0
    odd_new: int = 0

    def add(self, old: bytes, new: bytes, old_type: ElementType, new_type: ElementType) -> None:
        """Add elements, as many on both sides, whole blocks of either type."""
        if old_type.decode is None or new_type.decode is None:
            self._add_patterns(old, new, old_type)
            return
        elements = len(old) // old_type.block_bytes * old_type.block
        lane = _LANE // max(old_type.block, new_type.block) * max(old_type.block, new_type.block)
        is_same_type = old_type.name == new_type.name
        for start in range(0, elements, lane):
            stop = min(start + lane, elements)
            here = old[old_type.size_of(start) : old_type.size_of(stop)]
            there = new[new_type.size_of(start) : new_type.size_of(stop)]
            if is_same_type and here == there:
                self._add_same(old_type.decode(here))
                continue
            before, after = old_type.decode(here), new_type.decode(there)
            self._add_values(before, after)
            if is_same_type and old_type.block == 1:
                width = old_type.block_bytes
                left, right = (np.frombuffer(each, f"<u{width}") for each in (here, there))
                self.changed += int(np.count_nonzero(left != right))
            else:
                same = (before == after) | (np.isnan(before) & np.isnan(after))
                self.changed += before.size - int(np.count_nonzero(same))

    def add_same(self, data: bytes, kind: ElementType) -> None:
        """Add elements that are the same on both sides."""
        if kind.decode is None:
            self.elements += len(data) // kind.block_bytes * kind.block
            return
        step = kind.size_of(_LANE)
        for start in range(0, len(data), step):
            self._add_same(kind.decode(data[start : start + step]))

    def _add_same(self, values: Values) -> None:
        self.elements += values.size
        square = float(np.dot(values, values))
        if not math.isfinite(square):
            is_odd = ~np.isfinite(values)
            odd = int(np.count_nonzero(is_odd))
            self.odd_old += odd
            self.odd_new += odd
            values = values[~is_odd]
            square = float(np.dot(values, values))
        self.square_old += square
        self.square_new += square
        self.product += square

    def _add_values(self, old: Values, new: Values) -> None:
        self.elements += old.size
        square_old, square_new = float(np.dot(old, old)), float(np.dot(new, new))
        if not math.isfinite(square_old + square_new):
            odd_old, odd_new = ~np.isfinite(old), ~np.isfinite(new)
            self.odd_old += int(np.count_nonzero(odd_old))
            self.odd_new += int(np.count_nonzero(odd_new))
            is_good = ~(odd_old | odd_new)
            old, new = old[is_good], new[is_good]
            square_old, square_new = float(np.dot(old, old)), float(np.dot(new, new))
        if not old.size:
            return
        self.square_old += square_old
        self.square_new += square_new
        self.product += float(np.dot(old, new))
        diff = np.abs(new - old)
        self.largest = max(self.largest, float(diff.max()))
        self.sum_abs += float(diff.sum())
        self.square_diff += float(np.dot(diff, diff))

    def _add_patterns(self, old: bytes, new: bytes, kind: ElementType) -> None:
        """Count blocks of which only the bytes can be compared; both sides have the same type then."""
        left, right = (np.frombuffer(each, np.uint8).reshape(-1, kind.block_bytes) for each in (old, new))
        self.elements += len(left) * kind.block
        self.changed += int(np.count_nonzero((left != right).any(axis=1))) * kind.block

    @property
    def relative(self) -> float | None:
        """The Euclidean norm of the difference over that of the old values; None where those are all zero."""
        if self.square_old == 0:
            return 0.0 if self.square_diff == 0 else None
        return math.sqrt(self.square_diff / self.square_old)

    @property
    def cosine(self) -> float | None:
        """The cosine of the angle between old and new; None where either is all zero."""
        if self.square_old == 0 or self.square_new == 0:
            return None
        return max(-1.0, min(1.0, self.product / math.sqrt(self.square_old) / math.sqrt(self.square_new)))

    def shown(self, *, has_values: bool) -> dict[str, object]:
        """Return the figures for an answer; without values only how many elements changed."""
        said: dict[str, object] = {
            "changedFraction": number(self.changed / self.elements) if self.elements else 0.0,
            "comparedElements": self.elements,
        }
        if not has_values:
            return said
        relative, cosine = self.relative, self.cosine
        measured = self.elements - max(self.odd_old, self.odd_new)
        said |= {
            "maxAbsDiff": number(self.largest),
            "meanAbsDiff": number(self.sum_abs / measured) if measured > 0 else None,
            "relativeL2": None if relative is None else number(relative),
            "cosineSimilarity": None if cosine is None else number(cosine),
        }
        if self.odd_old or self.odd_new:
            said["nonFinite"] = {"old": self.odd_old, "new": self.odd_new}
        return said

"""A year of days as small squares, a column for each week: where each stands and how strong it is. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta

STEP = 14
"""The distance between two squares, in the drawing's own units."""
_WEEKS = 53
_LEVELS = 4
_TOP = 18


@dataclass(frozen=True, slots=True)
class Day:
    """One square. ``level`` is 0 where nothing happened, else 1 to 4."""

    day: date
    count: int
    level: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Month:
    """The first day of a month, to be named above its week."""

    first: date
    x: int


@dataclass(frozen=True, slots=True)
class Calendar:
    """A year to draw: days before the first or after today have no square."""

    days: tuple[Day, ...]
    months: tuple[Month, ...]
    total: int
    width: int = _WEEKS * STEP
    height: int = _TOP + 7 * STEP


def draw(counts: Mapping[date, int], *, until: date) -> Calendar:
    """Return the year that ends with the week of ``until``; weeks begin on Sunday."""
    start = until - timedelta(days=(_WEEKS - 1) * 7 + (until.weekday() + 1) % 7)
    most = max(counts.values(), default=0)
    days, months = [], []
    for number in range((until - start).days + 1):
        day = start + timedelta(days=number)
        week, weekday = divmod(number, 7)
        if day.day == 1 and week < _WEEKS - 1:
            months.append(Month(day, week * STEP))
        count = counts.get(day, 0)
        days.append(Day(day, count, _level(count, most), week * STEP, _TOP + weekday * STEP))
    return Calendar(tuple(days), tuple(months), sum(each.count for each in days))


def _level(count: int, most: int) -> int:
    """Return how strong a day is beside the busiest; a quiet year is not made to look like a busy one."""
    if count == 0:
        return 0
    return min(_LEVELS, 1 + count * (_LEVELS - 1) // max(most, _LEVELS))

"""Numbers, sizes and times as people read them: the filters that templates use. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from openhood.engines.formats import vocabulary

_PREFIXES = ("", "k", "M", "G", "T", "P")
_PEOPLE = ("", "k", "M", "B", "T")
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MONTH, _YEAR = timedelta(days=30), timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Figures:
    """How a language writes numbers: the sign before decimals, the one between groups, and the unit of bytes."""

    decimal: str
    group: str
    byte: str


ENGLISH = Figures(decimal=".", group=",", byte="B")
"""What is written where nobody's language is known: in feeds, in pictures for other sites, in descriptions."""


def size(count: int | None, figures: Figures = ENGLISH) -> str:
    """Return a number of bytes with the ecosystem's units (1 GB = 10⁹): ``532 B``, ``4.1 MB``."""
    if count is None:
        return ""
    units = tuple(f"{prefix}{figures.byte}" for prefix in _PREFIXES)
    return _scaled(count, units, gap=" ", decimal=figures.decimal)


def count(number: int | None, figures: Figures = ENGLISH) -> str:
    """Return a number as people say it: ``981``, ``1.2k``, ``7.2B``; for likes, downloads and parameters."""
    if number is None:
        return ""
    return _scaled(number, _PEOPLE, gap="", decimal=figures.decimal)


def grouped(number: int | None, figures: Figures = ENGLISH) -> str:
    """Return the exact number in groups of three: ``1,234,567``."""
    return "" if number is None else f"{number:,}".replace(",", figures.group)


def task(tag: str) -> str:
    """Return a task as people say it: ``Text Generation``."""
    return vocabulary.label_of("pipeline_tag", tag)


def license_in(tags: Iterable[str]) -> str:
    """Return the license that some tags name, empty where they name none."""
    return next((vocabulary.label_of("license", tag) for tag in tags if tag.startswith("license:")), "")


def _scaled(number: int, units: tuple[str, ...], *, gap: str, decimal: str) -> str:
    value = float(number)
    for unit in units:
        # What would be rounded up to a thousand belongs to the next unit.
        if value < 999.5 or unit == units[-1]:
            digits = f"{value:.0f}" if value >= 100 or unit == units[0] else f"{value:.1f}".removesuffix(".0")
            return f"{digits.replace('.', decimal)}{gap if unit else ''}{unit}"
        value /= 1000
    raise AssertionError("the last unit returns")


def age(moment: datetime, now: datetime | None = None) -> tuple[str, int]:
    """Return how long ago a moment was as a unit and a number: ``("day", 3)``; ``("now", 0)`` within a minute.

    Which words say so is the language's business.
    """
    passed = max((now or datetime.now(UTC)) - moment, timedelta(0))
    for limit, unit, length in (
        (_MINUTE, "now", _MINUTE),
        (_HOUR, "minute", _MINUTE),
        (_DAY, "hour", _HOUR),
        (_MONTH, "day", _DAY),
        (_YEAR, "month", _MONTH),
    ):
        if passed < limit:
            return unit, passed // length if unit != "now" else 0
    return "year", passed // _YEAR

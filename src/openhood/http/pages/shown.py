"""Numbers, sizes and times as people read them: the filters that templates use. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from openhood.engines.formats import vocabulary

_DECIMAL = ("B", "kB", "MB", "GB", "TB", "PB")
_PEOPLE = ("", "k", "M", "B", "T")
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_MONTH, _YEAR = timedelta(days=30), timedelta(days=365)


def size(count: int | None) -> str:
    """Return a number of bytes with the ecosystem's units (1 GB = 10⁹): ``532 B``, ``4.1 MB``."""
    if count is None:
        return ""
    return _scaled(count, _DECIMAL, gap=" ")


def count(number: int | None) -> str:
    """Return a number as people say it: ``981``, ``1.2k``, ``7.2B``; for likes, downloads and parameters."""
    if number is None:
        return ""
    return _scaled(number, _PEOPLE, gap="")


def grouped(number: int | None) -> str:
    """Return the exact number with thin groups: ``1,234,567``."""
    return "" if number is None else f"{number:,}"


def task(tag: str) -> str:
    """Return a task as people say it: ``Text Generation``."""
    return vocabulary.label_of("pipeline_tag", tag)


def license_in(tags: Iterable[str]) -> str:
    """Return the license that some tags name, empty where they name none."""
    return next((vocabulary.label_of("license", tag) for tag in tags if tag.startswith("license:")), "")


def _scaled(number: int, units: tuple[str, ...], *, gap: str) -> str:
    value = float(number)
    for unit in units:
        # What would be rounded up to a thousand belongs to the next unit.
        if value < 999.5 or unit == units[-1]:
            digits = f"{value:.0f}" if value >= 100 or unit == units[0] else f"{value:.1f}".removesuffix(".0")
            return f"{digits}{gap if unit else ''}{unit}"
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

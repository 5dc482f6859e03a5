"""Moments that are written as texts: in which of the known ways, and how the engine reads it; and time zones."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from openhood.engines.tables.duck import quote_text

_DAYS = ("%Y-%m-%d", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%d/%m/%Y", "%m/%d/%Y")
_TIMES = ("", " %H:%M", " %H:%M:%S", " %H:%M:%S%z")
FORMS = (
    *("%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f"),
    *(day + time for day in _DAYS for time in _TIMES),
    *("%B %d, %Y", "%d %B %Y", "%m-%Y", "%Y-%m", "%m/%Y", "%Y/%m", "%Y"),
)
"""The ways in which the original knows moments. Where two fit the first text, the first is meant."""
_MAX_CHARS = 40
_ZONE = r"(?:Z|[+-]\d\d:?\d\d)$"
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True, slots=True)
class Form:
    """One way of writing moments, and the zone in which they are told."""

    pattern: str
    zone: datetime.tzinfo | None

    def sql(self, column: str) -> str:
        """Return the expression that reads a text as a moment in UTC, NULL where it is none."""
        if not self.pattern.endswith("%z"):
            return f"try_strptime({column}, {quote_text(self.pattern)})"
        bare = f"regexp_replace({column}, '{_ZONE}', '')"
        zone = f"regexp_extract({column}, '{_ZONE}')"
        minutes = (
            f"CASE WHEN {zone} = 'Z' THEN 0 WHEN {zone} = '' THEN NULL ELSE (CASE {zone}[1] WHEN '-' THEN -1 ELSE 1 END)"
            f" * ({zone}[2:3]::INT * 60 + right({zone}, 2)::INT) END"
        )
        return f"(try_strptime({bare}, {quote_text(self.pattern[:-2])}) - to_minutes({minutes}))"

    def at(self, micros: int) -> datetime.datetime:
        """Return a moment that was read, in the zone of the first text."""
        return _at(micros, self.zone)


def form_of(texts: Sequence[str]) -> Form | None:
    """Return the one way in which all of some texts are written, None where there is none."""
    if not texts or any(len(text) > _MAX_CHARS for text in texts):
        return None
    pattern = _pattern_of(texts[0])
    if pattern is None or any(_pattern_of(text) != pattern for text in texts[1:]):
        return None
    return Form(pattern, datetime.datetime.strptime(texts[0], pattern).tzinfo)  # naive where it is


def zone_in(dtype: str) -> str | None:
    """Return the zone of a ``timestamp[us, tz=…]``, None where it has none."""
    found = re.search(r"tz=([^\]]+)\]", dtype)
    return found[1] if found else None


def at(micros: int, zone: str | None) -> datetime.datetime:
    """Return a moment in a zone that Arrow has a name for; in UTC where this system does not know it."""
    return _at(micros, None if zone is None else _zone_of(zone))


def _at(micros: int, zone: datetime.tzinfo | None) -> datetime.datetime:
    moment = _EPOCH + datetime.timedelta(microseconds=micros)
    return moment.replace(tzinfo=None) if zone is None else moment.astimezone(zone)


def _zone_of(name: str) -> datetime.tzinfo:
    if re.fullmatch(r"[+-]\d\d:?\d\d", name):
        return datetime.datetime.strptime(name, "%z").tzinfo or datetime.UTC  # only its zone is asked
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return datetime.UTC


def _pattern_of(text: str) -> str | None:
    if not text or not (text[0].isdigit() or text[0].isalpha()):
        return None
    for pattern in FORMS:
        try:
            datetime.datetime.strptime(text, pattern)  # nothing is made of it
        except ValueError:
            continue
        return pattern
    return None

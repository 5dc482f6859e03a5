"""The time, passed in rather than asked for, so that expiry can be tested without waiting."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the present moment in UTC, aware, to the millisecond."""

    def now(self) -> datetime:
        """Return the present moment."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, cut to milliseconds: what the database keeps."""
        moment = datetime.now(UTC)
        return moment.replace(microsecond=moment.microsecond // 1000 * 1000)

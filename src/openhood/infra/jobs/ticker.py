"""Small recurring work of one process, such as writing down what was counted in memory.

Not for work on the database that any replica could do once for all: that is a job.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog


@dataclass(frozen=True, slots=True)
class Tick:
    """Work done every ``every_s`` seconds, and once more at the end."""

    name: str
    every_s: float
    work: Callable[[], object]


class Ticker:
    """Does each `Tick` in turn in one thread. A failure is logged, and tried again at the next turn."""

    def __init__(self, ticks: Sequence[Tick]) -> None:
        self._ticks = ticks
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ticker", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, *, wait_s: float = 10.0) -> None:
        """Do everything a last time and end."""
        self._stopping.set()
        self._thread.join(wait_s)

    def _run(self) -> None:
        due = [time.monotonic() + tick.every_s for tick in self._ticks]
        while not self._stopping.wait(max(0.0, min(due) - time.monotonic())):
            for number, tick in enumerate(self._ticks):
                if due[number] <= time.monotonic():
                    _do(tick)
                    due[number] = time.monotonic() + tick.every_s
        for tick in self._ticks:
            _do(tick)


def _do(tick: Tick) -> None:
    try:
        tick.work()
    except Exception as error:  # the database may be away for a while: what was counted is still there
        structlog.get_logger("ticker").warning("tick.failed", tick=tick.name, error=str(error))

"""Long computations that several ask for at once: done once, by a thread of its own, whoever waits and for how long.

A lock on a file keeps other processes of this machine from doing the same; when one dies, the lock is free again.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from openhood.base.errors import HubError, Unavailable

_REMEMBERED_S = 60.0
_REMEMBERED = 1000


@dataclass(slots=True)
class Flight:
    """One computation under way, or its end: ``error`` where it came to none."""

    over: threading.Event = field(default_factory=threading.Event)
    error: BaseException | None = None
    ended_at: float = 0.0

    def wait(self, timeout_s: float) -> bool:
        """Tell whether it is over, within a time. Raises what it raised; of a `HubError`, each who waits one of their own."""
        is_over = self.over.wait(timeout_s)
        if isinstance(self.error, HubError):
            # Whoever raises an error adds to it where it passes: what is told to one is not told to the next.
            raise _again(self.error) from self.error.__cause__
        if self.error is not None:
            raise self.error
        return is_over


@dataclass(slots=True)
class _Turn:
    """A lock, and how many have it or wait for it."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    wanted: int = 0


class Flights:
    """Computations of this process by name. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, Flight] = {}
        self._turns: dict[str, _Turn] = {}

    @contextmanager
    def turn(self, name: str) -> Iterator[None]:
        """Let those of this process who would do the same do it one after the other.

        For what takes less than a second and is done by whoever wants it: all but the first find it done.
        """
        with self._lock:
            turn = self._turns.setdefault(name, _Turn())
            turn.wanted += 1
        try:
            with turn.lock:
                yield
        finally:
            with self._lock:
                turn.wanted -= 1
                if not turn.wanted:
                    del self._turns[name]

    def join(self, name: str, work: Callable[[], None]) -> Flight:
        """Return the flight of a name, starting it where there is none.

        One that ended with a `HubError` (but Unavailable) is not tried again for a minute: its reason is told meanwhile.
        """
        now = time.monotonic()
        with self._lock:
            for key in [key for key, known in self._known.items() if self._is_old(known, now)]:
                del self._known[key]
            known = self._known.get(name)
            if known is not None:
                return known
            flight = self._known[name] = Flight()
        threading.Thread(
            target=self._fly, args=(name, flight, work), name=f"flight-{name[:20]}", daemon=True
        ).start()
        return flight

    def _fly(self, name: str, flight: Flight, work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # whoever waits raises it
            flight.error = error
        flight.ended_at = time.monotonic()
        with self._lock:
            is_lasting = isinstance(flight.error, HubError) and not isinstance(flight.error, Unavailable)
            is_told_later = is_lasting and len(self._known) < _REMEMBERED
            if not is_told_later:
                self._known.pop(name, None)
        flight.over.set()

    @staticmethod
    def _is_old(flight: Flight, now: float) -> bool:
        return flight.over.is_set() and now - flight.ended_at > _REMEMBERED_S


def _again(error: HubError) -> HubError:
    kind = type(error)
    made = kind.__new__(kind)
    made.__dict__.update(error.__dict__)
    made.args, made.facts = error.args, dict(error.facts)
    return made


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold a lock that no other process or thread of this machine holds, waiting for it.

    Its file is there only as long as somebody holds it or waits.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = _locked(path)
    try:
        yield
    finally:
        # While it is still locked: whoever waits for this file notices that it is another's by then.
        path.unlink(missing_ok=True)
        os.close(descriptor)


def _locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        try:
            if os.path.samestat(os.fstat(descriptor), os.stat(path)):
                return descriptor
        except FileNotFoundError:
            pass  # who held it took it away
        os.close(descriptor)

"""What every comparison is given and bound by: files that are read in parts, and a budget of bytes and seconds.

Also the few forms that all answers share, so that a hostile name or a huge value stays one short line.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from openhood.base.errors import Unprocessable
from openhood.engines.formats.safetensors import ReadRange

MAX_NAMED = 200
"""So many tensors, keys or tokens are named one by one of each kind; all are counted."""
MAX_TEXT = 300
_WINDOW_BYTES = 4 * 1024 * 1024


class Unreadable(Unprocessable):
    """A file does not have the format that its name says, or is more than is read of any."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of one side: its path for people, its size, and how to read a range of it."""

    path: str
    size_bytes: int
    read: ReadRange

    def whole(self, *, limit_bytes: int) -> bytes:
        """Return all of it. Raises Unreadable over the limit."""
        if self.size_bytes > limit_bytes:
            raise Unreadable(
                f"The file has {self.size_bytes} bytes; files of this kind are compared up to {limit_bytes} bytes."
            )
        return b"".join(
            self.read(start, min(_WINDOW_BYTES, self.size_bytes - start))
            for start in range(0, self.size_bytes, _WINDOW_BYTES)
        )


@dataclass(slots=True)
class Budget:
    """What a comparison may cost. Past ``seconds`` it goes on with small samples only, and says so.

    ``clock`` counts seconds from anywhere.
    """

    read_bytes: int
    seconds: float
    clock: Callable[[], float] = time.monotonic
    _end: float = 0.0

    def __post_init__(self) -> None:
        self._end = self.clock() + self.seconds

    @property
    def is_late(self) -> bool:
        """Whether the time is over."""
        return self.clock() >= self._end


Side = Sequence[Part]
"""All files of one side of a comparison; none where the other side is new or was deleted."""


def clip(text: str, *, limit: int = MAX_TEXT) -> str:
    """Return text that JSON and every database take, cut with an ellipsis."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut.encode("utf-8", "replace").decode("utf-8").replace("\0", "\ufffd")


def number(value: float) -> float | None:
    """Return a number as JSON knows it, with six significant digits; None for what it does not know."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def percent(share: float) -> str:
    """Return a share for people: ``3.1 %``, and never ``0 %`` or ``100 %`` for what is only near."""
    if share == 0:
        return "0 %"
    if share < 0.0001:
        return "less than 0.01 %"
    if 0.9995 <= share < 1:
        return "over 99.9 %"
    digits = 2 if share < 0.01 else 1 if share < 0.9995 else 0
    return f"{100 * share:.{digits}f} %"


def counted(count: int, noun: str, *, plural: str | None = None) -> str:
    """Return ``1 tensor`` or ``2,000 tensors``."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"

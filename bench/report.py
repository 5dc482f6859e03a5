"""What is measured, and how it is written down: medians, their spread, and the ratio of each round's pair.

On a shared machine only a ratio means something, so that the hub and its peer always take turns.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

HEAD = "| What | hub | peer | hub / peer | goal | |\n|---|---|---|---|---|---|"


@dataclass
class Line:
    """One row of the table.

    ``unit`` names the values; ``goal`` bounds the ratio, or the hub's own value where there is no peer:
    from below if ``more_is_better``, else from above.
    """

    label: str
    unit: str
    more_is_better: bool = False
    goal: float | None = None
    goal_is_of_ratio: bool = True
    peer_label: str = ""
    hub: list[float] = field(default_factory=list)
    peer: list[float] = field(default_factory=list)

    def ratios(self) -> list[float]:
        """Return hub / peer of each round."""
        return [mine / other for mine, other in zip(self.hub, self.peer, strict=True)] if self.peer else []

    def render(self) -> str:
        """Return the row as Markdown."""
        ratios = self.ratios()
        peer = f"{self.peer_label} {_spread(self.peer, self.unit)}" if self.peer else ""
        sign = "≥" if self.more_is_better else "≤"
        goal = "" if self.goal is None else f"{sign} {_number(self.goal)}"
        if goal and not self.goal_is_of_ratio:
            goal += f" {self.unit}"
        cells = (
            self.label,
            _spread(self.hub, self.unit),
            peer,
            _spread(ratios, ""),
            goal,
            self._verdict(ratios),
        )
        return "| " + " | ".join(cells) + " |"

    def _verdict(self, ratios: Sequence[float]) -> str:
        if self.goal is None:
            return ""
        value = statistics.median(ratios if self.goal_is_of_ratio else self.hub)
        met = value >= self.goal if self.more_is_better else value <= self.goal
        return "met" if met else "**missed**"


@dataclass
class Percentiles(Line):
    """A row of many values of the hub's, of which the middle one and the 95th percentile count, and that has no peer.

    ``cold`` are the first values, which are shown beside the others, as is ``busy``, the processor time of one;
    ``failed``: why there is none.
    """

    cold: list[float] = field(default_factory=list)
    busy: float | None = None
    failed: str = ""

    def at(self, share: float) -> float:
        """Return the value that ``share`` of all values do not exceed."""
        return sorted(self.hub)[min(len(self.hub) - 1, int(len(self.hub) * share))]

    def worst(self) -> float:
        """Return by what rows are put in order: the 95th percentile, and those that failed before all."""
        return float("inf") if self.failed else self.at(0.95)

    def render(self) -> str:
        """Return the row as Markdown."""
        goal = "" if self.goal is None else f"≤ {_number(self.goal)} {self.unit}"
        if self.failed:
            return f"| {self.label} | {self.failed} | | | {goal} | **missed** |"
        high = self.at(0.95)
        verdict = "" if self.goal is None else "met" if high <= self.goal else "**missed**"
        values = f"{_number(self.at(0.5))} {self.unit}, p95 {_number(high)}"
        shown = [f"first {_number(max(self.cold))}"] if self.cold else []
        shown += [] if self.busy is None else [f"processor {_number(self.busy)}"]
        return f"| {self.label} | {values} | {', '.join(shown)} | | {goal} | {verdict} |"


def take_turns(
    line: Line, rounds: int, *, hub: Callable[[int], float], peer: Callable[[int], float] | None = None
) -> Line:
    """Measure ``rounds`` times, changing who begins; each callable gets the round and returns a value."""
    for number in range(rounds):
        turns = [(line.hub, hub)] + ([(line.peer, peer)] if peer is not None else [])
        for values, measure in turns if number % 2 == 0 else reversed(turns):
            values.append(measure(number))
    return line


def _spread(values: Sequence[float], unit: str) -> str:
    if not values:
        return ""
    middle = f"{_number(statistics.median(values))} {unit}".strip()
    return middle if len(values) == 1 else f"{middle} ({_number(min(values))}–{_number(max(values))})"


def _number(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"

"""How soon the server is up, and how much memory it takes at rest and while large files go in and out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from bench import bulk
from bench.download import RANGES, store
from bench.plan import Plan
from bench.report import Line
from bench.site import Site

START_GOAL_S = 3.0
IDLE_GOAL_MIB = 250.0
PEAK_GOAL_MIB = 300.0


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    starts: list[float] = []
    idle: list[float] = []
    for _ in range(plan.rounds):
        site.restart()
        starts.append(site.start_s)
        idle.append(site.memory_mib())
    yield Line("start until it answers", "s", goal=START_GOAL_S, goal_is_of_ratio=False, hub=starts)
    yield Line("memory at rest", "MiB", goal=IDLE_GOAL_MIB, goal_is_of_ratio=False, hub=idle)
    content = bulk.Content(3000, plan.large_mib)
    paths: list[str] = []

    def download() -> None:
        bulk.get(site.address, paths[0])

    def ranges() -> None:
        bulk.get_ranges(site.address, paths[0], size_bytes=content.size_bytes, count=RANGES)

    works: tuple[tuple[str, Callable[[], object]], ...] = (
        (f"peak memory, LFS upload of {plan.large}", lambda: paths.append(store(site, "memory", content))),
        (f"peak memory, download of {plan.large}", download),
        (f"peak memory, {RANGES} ranges of {plan.large} at once", ranges),
    )
    for label, work in works:
        site.forget_peak()
        work()
        yield Line(label, "MiB", goal=PEAK_GOAL_MIB, goal_is_of_ratio=False, hub=[site.peak_mib()])

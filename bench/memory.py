"""How soon the server is up, and how much memory it takes at rest and while large files go in and out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from bench import bulk, xetcontent
from bench.download import RANGES, store
from bench.plan import Plan
from bench.report import Line
from bench.site import OWNER, UNCHANGED, Site

START_GOAL_S = 3.0
IDLE_GOAL_MIB = 250.0
PEAK_GOAL_MIB = 300.0


def _entry(site: Site, repo: str) -> Mapping[str, object]:
    listed = json.loads(site.call("GET", f"/api/models/{OWNER}/{repo}/tree/main"))
    found: Mapping[str, object] = next(each for each in listed if each["path"] == "large.bin")
    return found


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
    site.restart(UNCHANGED)
    content = bulk.Content(3000, plan.large_mib)
    paths: list[str] = []

    def download() -> None:
        bulk.get(site.address, paths[0])

    def ranges() -> None:
        bulk.get_ranges(site.address, paths[0], size_bytes=content.size_bytes, count=RANGES)

    def convert() -> None:
        site.restart({})
        whole = bulk.Bytes(xetcontent.make("bf16", 1, plan.large_mib * 1024 * 1024))
        store(site, "convert", whole)
        while "xetHash" not in _entry(site, "convert"):
            time.sleep(0.2)

    works: tuple[tuple[str, Callable[[], object]], ...] = (
        (f"peak memory, LFS upload of {plan.large}", lambda: paths.append(store(site, "memory", content))),
        (f"peak memory, download of {plan.large}", download),
        (f"peak memory, {RANGES} ranges of {plan.large} at once", ranges),
        (f"peak memory, turning {plan.large} into chunks", convert),
    )
    for label, work in works:
        site.forget_peak()
        work()
        yield Line(label, "MiB", goal=PEAK_GOAL_MIB, goal_is_of_ratio=False, hub=[site.peak_mib()])

"""``python -m bench [SUBJECT ...] [--quick]``: measure and print one table, in Markdown."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from bench import (
    chunkindex,
    clone,
    commits,
    discovery,
    download,
    memory,
    objects,
    pages,
    push,
    requests,
    talk,
    tree,
    upload,
    viewer,
    viewershapes,
    xetclient,
    xetdedup,
    xetingest,
    xetread,
)
from bench.plan import FULL, QUICK, Plan
from bench.report import HEAD, Line
from bench.site import Site, cpu_seconds

SUBJECTS: Mapping[str, Callable[[Site, Plan, Path], Iterator[Line]]] = {
    "memory": memory.run,
    "requests": requests.run,
    "download": download.run,
    "upload": upload.run,
    "clone": clone.run,
    "push": push.run,
    "commits": commits.run,
    "tree": tree.run,
    "talk": talk.run,
    "objects": objects.run,
    "chunkindex": chunkindex.run,
    "xetingest": xetingest.run,
    "xetclient": xetclient.run,
    "xetread": xetread.run,
    "xetdedup": xetdedup.run,
    "discovery": discovery.run,
    "pages": pages.run,
    "viewer": viewer.run,
    "viewershapes": viewershapes.run,
}


def main() -> int:
    """Run the chosen subjects, each on a fresh hub."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument(
        "subjects", nargs="*", metavar="SUBJECT", help=f"all, unless some are named: {', '.join(SUBJECTS)}"
    )
    parser.add_argument("--quick", action="store_true", help="small sizes, to see that everything runs")
    parser.add_argument("--rounds", type=int, help="how often each is measured")
    parser.add_argument("--directory", type=Path, help="on which disk; unset: the temporary directory's")
    parser.add_argument("--repos", type=int, help="discovery: how many repositories the made-up hub has")
    parser.add_argument("--full", action="store_true", help="pages: as many repositories as discovery has")
    parser.add_argument("--kept", type=Path, help="discovery: keep its SQLite file here for the next run")
    parser.add_argument(
        "--postgres", help="discovery: URL of a PostgreSQL database that it has filled before"
    )
    arguments = parser.parse_args()
    unknown = [name for name in arguments.subjects if name not in SUBJECTS]
    if unknown:
        parser.error(f"unknown subject {unknown[0]!r}; there are {', '.join(SUBJECTS)}")
    plan = QUICK if arguments.quick else FULL
    if arguments.rounds:
        plan = replace(plan, rounds=arguments.rounds)
    if arguments.repos:
        plan = replace(plan, repos=arguments.repos)
    if arguments.full:
        plan = replace(plan, page_repos=plan.repos)
    plan = replace(plan, kept=arguments.kept, filled_postgres=arguments.postgres)
    print(f"{_machine()}; median of {plan.rounds} (lowest–highest)\n\n{HEAD}", flush=True)
    for name in arguments.subjects or SUBJECTS:
        _measure(name, plan, arguments.directory)
    return 0


def _measure(name: str, plan: Plan, parent: Path | None) -> None:
    with tempfile.TemporaryDirectory(prefix="openhood-bench-", dir=parent) as made:
        directory = Path(made)
        # Peers get a directory of their own next to the hub's, on the same disk.
        (directory / "peer").mkdir()
        begun = time.perf_counter()
        site = Site(directory / "hub")
        try:
            for line in SUBJECTS[name](site, plan, directory / "peer"):
                print(line.render(), flush=True)
            note = (
                f"hub's processor time {cpu_seconds(site.pid):.1f} s, peak memory {site.peak_mib():.0f} MiB"
            )
            print(f"{name}: {time.perf_counter() - begun:.0f} s; {note}", file=sys.stderr, flush=True)
        finally:
            site.stop()


def _machine() -> str:
    memory_gib = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} processors ({platform.machine()}), {memory_gib:.0f} GiB, "
        f"Python {platform.python_version()}, load {load:.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())

"""Uploading a large LFS object in one stream, next to writing, hashing and syncing the same bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from bench import bulk
from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import UNCHANGED, Site


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    site.restart(UNCHANGED)
    repo = site.create("upload")

    def to_hub(number: int) -> float:
        content = bulk.Content(1000 + number, plan.large_mib)
        href = site.plan_upload(repo, content.sha256, content.size_bytes)
        os.sync()  # what others wrote must not be paid for here
        taken_s = seconds(lambda: bulk.put(href, content))
        site.lose_objects(content.size_bytes)
        return content.size_bytes / 1e6 / taken_s

    def to_disk(number: int) -> float:
        content = bulk.Content(2000 + number, plan.large_mib)
        os.sync()
        path = directory / "plain"
        taken_s = seconds(lambda: write_plainly(path, content))
        path.unlink()
        return content.size_bytes / 1e6 / taken_s

    to_hub(-1)
    line = Line(
        f"LFS upload {plan.large}", "MB/s", more_is_better=True, goal=0.8, peer_label="write + sha256 + fsync"
    )
    yield take_turns(line, plan.rounds, hub=to_hub, peer=to_disk)


def write_plainly(path: Path, content: bulk.Content) -> None:
    """The least that a durable, verified upload costs, one step after the other."""
    digest = hashlib.sha256()
    with path.open("wb", buffering=0) as file:
        for block in content:
            digest.update(block)
            file.write(block)
        os.fsync(file.fileno())

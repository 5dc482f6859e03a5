"""The local object store without the server: a write with its hash, parts, and small objects, next to plain files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from bench.plan import Plan, seconds
from bench.report import Line, take_turns
from bench.site import Site
from openhood.plugins.objects_local import LocalObjects

_BLOCK = os.urandom(1024 * 1024)
_PART_BLOCKS = 16
_SMALL_COUNT = 200
_SMALL = os.urandom(3000)


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    store = LocalObjects(directory / "objects")
    blocks = plan.large_mib // 4
    megabytes = blocks * len(_BLOCK) / 1e6
    for label, write in (("one writer", _write_to_store), ("parts of 16 MiB", _write_parts)):
        line = Line(f"object store, {label}", "MB/s", more_is_better=True, peer_label="write + hash + fsync")
        yield take_turns(
            line,
            plan.rounds,
            hub=partial(_rate, megabytes, partial(write, store, blocks)),
            peer=partial(_rate, megabytes, partial(_write_plainly, directory, blocks)),
        )
        store.delete("bench/object")
    line = Line("object store, small objects", "per s", more_is_better=True, peer_label="write + fsync")
    yield take_turns(
        line,
        plan.rounds,
        hub=lambda _round: _SMALL_COUNT / seconds(lambda: _put_small(store)),
        peer=lambda _round: _SMALL_COUNT / seconds(lambda: _put_small_plainly(directory)),
    )


def _write_plainly(directory: Path, blocks: int) -> None:
    digest = hashlib.sha256()
    path = directory / "plain"
    with path.open("wb", buffering=0) as file:
        for _ in range(blocks):
            digest.update(_BLOCK)
            file.write(_BLOCK)
        os.fsync(file.fileno())
    path.unlink()


def _write_to_store(store: LocalObjects, blocks: int) -> None:
    digest = hashlib.sha256()
    writer = store.open_writer("bench/object")
    for _ in range(blocks):
        digest.update(_BLOCK)
        writer.write(_BLOCK)
    writer.commit()


def _write_parts(store: LocalObjects, blocks: int) -> None:
    """The parts' own digest is MD5; each is made durable."""
    writer = store.create_parts("bench/object")
    tags = []
    for number, first in enumerate(range(0, blocks, _PART_BLOCKS), 1):
        count = min(_PART_BLOCKS, blocks - first)
        tags.append(writer.put_part(number, first * len(_BLOCK), iter([_BLOCK] * count))[0])
    writer.complete(tags)


def _put_small_plainly(directory: Path) -> None:
    for number in range(_SMALL_COUNT):
        with (directory / f"small{number}").open("wb", buffering=0) as file:
            file.write(_SMALL)
            os.fsync(file.fileno())
    for number in range(_SMALL_COUNT):
        (directory / f"small{number}").unlink()


def _put_small(store: LocalObjects) -> None:
    for number in range(_SMALL_COUNT):
        store.put(f"bench/small/{number}", _SMALL)
    for number in range(_SMALL_COUNT):
        store.delete(f"bench/small/{number}")


def _rate(amount: float, work: Callable[[], object], _round: int) -> float:
    return amount / seconds(work)

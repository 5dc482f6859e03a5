"""Write throughput of the local object store next to a plain write, sha256 and fsync of the same bytes.

Both are measured in turn in one run, for on a shared machine only their ratio means something. Run it with
``python bench/objects.py [--mib 256] [--rounds 5] [--directory DIR]`` on the disk that will hold the objects.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from openhood.plugins.objects_local import LocalObjects

_BLOCK_BYTES = 1024 * 1024
_PART_BLOCKS = 16
_SMALL_COUNT = 200
_SMALL = os.urandom(3000)


def write_plainly(directory: Path, block: bytes, blocks: int) -> None:
    """The least that a durable, verified upload costs: no temporary name, no directory."""
    digest = hashlib.sha256()
    with (directory / "plain").open("wb", buffering=0) as file:
        for _ in range(blocks):
            digest.update(block)
            file.write(block)
        os.fsync(file.fileno())
    (directory / "plain").unlink()


def write_to_store(store: LocalObjects, block: bytes, blocks: int) -> None:
    """The same as the hub does it."""
    digest = hashlib.sha256()
    writer = store.open_writer("bench/object")
    for _ in range(blocks):
        digest.update(block)
        writer.write(block)
    writer.commit()
    store.delete("bench/object")


def write_parts_to_store(store: LocalObjects, block: bytes, blocks: int) -> None:
    """The same in parts, each of them made durable; the digest is MD5, part by part."""
    writer = store.create_parts("bench/parts")
    tags = []
    for number, first in enumerate(range(0, blocks, _PART_BLOCKS), 1):
        count = min(_PART_BLOCKS, blocks - first)
        tags.append(writer.put_part(number, first * len(block), iter([block] * count))[0])
    writer.complete(tags)
    store.delete("bench/parts")


def put_small_plainly(directory: Path) -> None:
    """Small files with an fsync each, and nothing else."""
    for number in range(_SMALL_COUNT):
        with (directory / f"small{number}").open("wb", buffering=0) as file:
            file.write(_SMALL)
            os.fsync(file.fileno())
    for number in range(_SMALL_COUNT):
        (directory / f"small{number}").unlink()


def put_small_in_store(store: LocalObjects) -> None:
    """Small objects, as packs of a commit are."""
    for number in range(_SMALL_COUNT):
        store.put(f"bench/small/{number}", _SMALL)
    for number in range(_SMALL_COUNT):
        store.delete(f"bench/small/{number}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mib", type=int, default=256, help="size of the object")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--directory", type=Path, default=None, help="where to write; unset: the system's temporary one"
    )
    arguments = parser.parse_args()
    block = os.urandom(_BLOCK_BYTES)
    with tempfile.TemporaryDirectory(dir=arguments.directory) as name:
        directory = Path(name)
        store = LocalObjects(directory / "objects")
        measured: dict[str, tuple[Callable[[], None], list[float]]] = {
            "plain write + sha256 + fsync": (lambda: write_plainly(directory, block, arguments.mib), []),
            "store: writer + sha256": (lambda: write_to_store(store, block, arguments.mib), []),
            "store: parts of 16 MiB + md5": (lambda: write_parts_to_store(store, block, arguments.mib), []),
            "plain small files + fsync": (lambda: put_small_plainly(directory), []),
            "store: small objects": (lambda: put_small_in_store(store), []),
        }
        for _ in range(arguments.rounds):
            for work, seconds in measured.values():
                begun = time.perf_counter()
                work()
                seconds.append(time.perf_counter() - begun)
    print(
        f"{arguments.mib} MiB and {_SMALL_COUNT} x {len(_SMALL)} bytes, median of {arguments.rounds} (best, worst)"
    )
    for label, (_, seconds) in measured.items():
        if "small" in label:
            unit, rates = "per s", [_SMALL_COUNT / each for each in seconds]
        else:
            unit, rates = "MB/s ", [arguments.mib * _BLOCK_BYTES / each / 1e6 for each in seconds]
        middle = statistics.median(rates)
        print(f"  {label:30} {middle:7.0f} {unit}  ({max(rates):.0f}, {min(rates):.0f})")


if __name__ == "__main__":
    main()

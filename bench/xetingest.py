"""Taking xorbs in (receive, verify, store) next to the slowest of its parts alone, one and eight at a time.

The parts: receiving and dropping the same bodies with the same server; decoding and hashing them; writing and syncing
them. Each is one process with as many threads as there are uploads. Rates are of bytes on the wire.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from bench import xetcontent, xetload
from bench.plan import Plan, seconds
from bench.report import Line
from bench.site import Site
from bench.xetload import BuiltXorb
from openhood.engines.xet.compression import decode
from openhood.engines.xet.hashing import chunk_digest, root_digest, to_text
from openhood.engines.xet.xorb import XorbBuilder, footer_bytes, split_chunks

AT_ONCE = 8
GOAL = 0.6
MEMORY_GOAL_MB = 500.0
_CHUNK_BYTES = 64 * 1024
_PIECE_BYTES = 2 * 1024 * 1024


class Template:
    """The chunks of a full xorb of one kind of content, of which xorbs are made that differ in one chunk."""

    def __init__(self, kind: str, mib: int) -> None:
        data = xetcontent.make(kind, 1, mib * 1024 * 1024)
        builder = XorbBuilder()
        for at in range(0, len(data), _CHUNK_BYTES):
            chunk = data[at : at + _CHUNK_BYTES]
            builder.add(chunk, chunk_digest(chunk))
        self._body, self._index = builder.finish()
        self.chunk_count = self._index.chunk_count

    def fresh(self, path: Path) -> BuiltXorb:
        """Write a xorb that never was: its first chunk is new."""
        chunk = os.urandom(_CHUNK_BYTES)
        builder = XorbBuilder()
        builder.add(chunk, chunk_digest(chunk))
        first, _ = builder.finish()
        rest = memoryview(self._body)[self._index.stored_ends[0] :]
        with path.open("wb") as file:
            file.write(first)
            file.write(rest)
        children = [(chunk_digest(chunk), len(chunk)), *self._index.children()[1:]]
        name = to_text(root_digest(children))
        return BuiltXorb(name, str(path), len(first) + len(rest), self._index.raw_bytes)


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure."""
    access = site.xet_access(site.create("ingest"))
    with xetload.discard(directory / "discard") as nowhere:
        for kind in xetcontent.KINDS:
            measuring = _Measuring(site, directory, Template(kind, plan.xorb_mib), access, nowhere)
            for count in (1, AT_ONCE):
                yield from measuring.compare(kind, count, plan.rounds)


class _Measuring:
    """One kind of content on its way to the hub and through the parts."""

    def __init__(
        self, site: Site, directory: Path, template: Template, access: tuple[str, str], nowhere: str
    ) -> None:
        self._site = site
        self._directory = directory
        self._template = template
        self._access = access
        self._nowhere = nowhere

    def compare(self, kind: str, count: int, rounds: int) -> Iterator[Line]:
        """Take turns."""
        label = f"xorbs of {kind}, {count} at a time"
        whole = Line(label, "MB/s", more_is_better=True, goal=GOAL, peer_label="the slowest part")
        parts = [
            Line(f"{label}, the same", "MB/s", peer_label=name, hub=whole.hub)
            for name in ("receive + discard", "decode + blake3", "write + fsync")
        ]

        def to_parts() -> float:
            for line, rate in zip(parts, self._parts(self._make(count)), strict=True):
                line.peer.append(rate)
            return min(line.peer[-1] for line in parts)

        def to_hub() -> float:
            return self._send(self._make(count), *self._access)

        to_hub()
        self._site.forget_peak()
        for number in range(rounds):
            turns = ((whole.hub, to_hub), (whole.peer, to_parts))
            for values, measure in turns if number % 2 == 0 else reversed(turns):
                values.append(measure())
        yield whole
        yield from parts
        if count > 1:
            memory = [self._site.peak_mib() * 1.048576]
            yield Line(f"peak memory, {label}", "MB", goal=MEMORY_GOAL_MB, goal_is_of_ratio=False, hub=memory)

    def _make(self, count: int) -> list[BuiltXorb]:
        made = [self._template.fresh(self._directory / f"{number}.xorb") for number in range(count)]
        os.sync()  # what was written for this must not be paid for later
        return made

    def _send(self, made: Sequence[BuiltXorb], cas_url: str, token: str) -> float:
        sent = xetload.send(cas_url, token, made, parallel=len(made))
        self._site.lose_objects(made[0].stored_bytes + footer_bytes(self._template.chunk_count))
        return sum(each.stored_bytes for each in made) / 1e6 / sent.total_s

    def _parts(self, made: Sequence[BuiltXorb]) -> Iterator[float]:
        yield self._send(made, self._nowhere, "")
        bodies = [memoryview(Path(each.path).read_bytes()) for each in made]
        yield _rate(bodies, lambda _number, body: _verify(body))
        yield _rate(bodies, lambda number, body: _write(self._directory / f"{number}.plain", body))


def _rate(bodies: Sequence[memoryview], work: Callable[[int, memoryview], object]) -> float:
    """Return MB/s of ``work`` on all bodies at once."""

    def everything() -> None:
        threads = [threading.Thread(target=work, args=each) for each in enumerate(bodies)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    taken_s = seconds(everything)
    return sum(map(len, bodies)) / 1e6 / taken_s


def _verify(body: memoryview) -> None:
    """Decode and hash every chunk."""
    for scheme, stored, raw_bytes in split_chunks(body):
        chunk_digest(decode(scheme, stored, raw_bytes))


def _write(path: Path, body: memoryview) -> None:
    with path.open("wb", buffering=0) as file:
        for at in range(0, len(body), _PIECE_BYTES):
            file.write(body[at : at + _PIECE_BYTES])
        os.fsync(file.fileno())
    path.unlink()

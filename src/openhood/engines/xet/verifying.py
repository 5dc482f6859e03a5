"""Decoding and hashing the chunks of a xorb: here, or in a process of its own that shares the memory they lie in.

``python -m openhood.engines.xet.verifying DESCRIPTOR BYTES`` is that process. It reads requests from its standard
input, each 4 bytes length (little-endian) and then that much, and answers in the same form, first of all nothing to
say that it is ready. It ends when its input does, or when nothing came for a while.

A request is four numbers of 4 bytes for each chunk, as in `Place`; an answer is 4 bytes count, so many digests, and
where a chunk was refused, why.
"""

from __future__ import annotations

import mmap
import os
import select
import signal
import sys
from array import array
from collections.abc import Sequence
from typing import Protocol

from openhood.base.errors import BadXorb
from openhood.engines.xet.compression import decode_sent
from openhood.engines.xet.hashing import DIGEST_BYTES, chunk_digest

Place = tuple[int, int, int, int]
"""A chunk in memory: where its stored form begins, that form's length, its scheme, its raw length."""

Outcome = tuple[Sequence[bytes], BadXorb | None]
"""The digests of chunks, up to one that is refused, and why that is."""

IDLE_S = 60.0
MEMORY_BYTES = 2 * 1024 * 1024
"""What a lane can be given at once: a whole batch of an upload, where there are no other lanes."""
_LENGTH_BYTES = 4


class Lane(Protocol):
    """A process that does what `answer` does, with what was put into ``memory``."""

    memory: memoryview

    def begin(self, request: bytes) -> bool:
        """Let it work; False where it is gone."""

    def finish(self) -> bytes | None:
        """Return its answer; None where it is gone."""


def digest_all(view: memoryview, places: Sequence[Place]) -> Outcome:
    """Decode and hash chunks."""
    digests: list[bytes] = []
    try:
        for start, stored_bytes, scheme, raw_bytes in places:
            digests.append(chunk_digest(decode_sent(scheme, view[start : start + stored_bytes], raw_bytes)))
    except BadXorb as error:
        return digests, error
    return digests, None


def begin(lane: Lane, view: memoryview, places: Sequence[Place]) -> bool:
    """Let a lane do `digest_all`; False where it is gone, or so much does not fit into its memory."""
    first = places[0][0]
    size_bytes = places[-1][0] + places[-1][1] - first
    if size_bytes > len(lane.memory):
        return False
    lane.memory[:size_bytes] = view[first : first + size_bytes]
    numbers = array("I")
    for start, stored_bytes, scheme, raw_bytes in places:
        numbers.extend((start - first, stored_bytes, scheme, raw_bytes))
    return lane.begin(numbers.tobytes())


def finish(lane: Lane, asked: int) -> Outcome | None:
    """Return what a lane found out about so many chunks; None where it is gone."""
    data = lane.finish()
    if data is None:
        return None
    count = int.from_bytes(data[:_LENGTH_BYTES], "little")
    reason = data[_LENGTH_BYTES + DIGEST_BYTES * count :]
    digests = [
        data[at : at + DIGEST_BYTES] for at in range(_LENGTH_BYTES, len(data) - len(reason), DIGEST_BYTES)
    ]
    if not reason and count != asked:
        return None
    return digests, BadXorb(reason.decode()) if reason else None


def answer(memory: memoryview, request: bytes) -> bytes:
    """Do what a request says."""
    numbers = array("I", request)
    places = [
        (numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]) for at in range(0, len(numbers), 4)
    ]
    digests, problem = digest_all(memory, places)
    reason = b"" if problem is None else problem.message.encode()
    return b"".join((len(digests).to_bytes(_LENGTH_BYTES, "little"), *digests, reason))


def _serve(memory: memoryview) -> None:
    source, target = sys.stdin.buffer, sys.stdout.buffer
    reply = b""
    while True:
        target.write(len(reply).to_bytes(_LENGTH_BYTES, "little") + reply)
        target.flush()
        if not select.select([source], [], [], IDLE_S)[0]:
            return
        head = source.read(_LENGTH_BYTES)
        if len(head) < _LENGTH_BYTES:
            return
        reply = answer(memory, source.read(int.from_bytes(head, "little")))


if __name__ == "__main__":
    # Whoever stops the hub stops this by closing its input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _serve(memoryview(mmap.mmap(int(sys.argv[1]), int(sys.argv[2]))))
    except BrokenPipeError:
        # The hub was killed. Ended at once, since nothing is left to say and nobody to say it to.
        os._exit(0)

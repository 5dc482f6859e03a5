"""Verifying chunks in other processes finds what verifying them here does, whatever becomes of those processes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openhood.base.errors import BadXorb
from openhood.engines.xet import verifying
from openhood.engines.xet.hashing import chunk_digest
from openhood.engines.xet.xorb import MAX_CHUNKS, XorbBuilder, XorbVerifier
from openhood.infra.helpers import Helper, Helpers


@pytest.fixture(scope="module")
def helpers() -> Helpers:
    return Helpers(verifying.__name__, count=2, memory_bytes=verifying.MEMORY_BYTES)


@contextmanager
def lent(helpers: Helpers, count: int = 2) -> Iterator[list[Helper]]:
    """So many helpers, once they have started."""
    deadline = time.monotonic() + 30
    while True:
        with helpers.lend() as found:
            if len(found) == count:
                yield found
                return
        assert time.monotonic() < deadline, "the helpers do not start"
        time.sleep(0.05)


def _make(seed: int, count: int = 40) -> tuple[bytes, bytes]:
    """A xorb of chunks of all three schemes, and its hash."""
    chance, builder = random.Random(seed), XorbBuilder()
    for number in range(count):
        size = chance.randint(1, 60_000)
        raw = (
            chance.randbytes(size),
            b"the same again " * (size // 15 + 1),
            b"".join(chance.randbytes(2) + b"\x80\x3f" for _ in range(size // 4 + 1)),
        )[number % 3]
        builder.add(raw, chunk_digest(raw))
    view, index = builder.finish()
    body = bytes(view)
    return body, index.digest


def _outcome(pieces: list[memoryview], digest: bytes, lanes: list[Helper]) -> tuple[object, int, bytes]:
    """What verifying comes to: the index or the refusal, the number of chunks, and the bytes written."""
    written: list[bytes] = []
    verifier = XorbVerifier(lambda data: written.append(bytes(data)))
    try:
        for piece in pieces:
            verifier.feed(piece, lanes=lanes)
        result: object = verifier.finish(digest)
    except BadXorb as error:
        for lane in lanes:
            assert lane.settle()
        return error.message, verifier.chunk_count, b""
    return result, verifier.chunk_count, b"".join(written)


@pytest.mark.parametrize("count", [1, 2])
def test_the_same_index_and_bytes(helpers: Helpers, count: int) -> None:
    body, digest = _make(1)
    view = memoryview(body)
    cuts = sorted(random.Random(2).sample(range(len(body)), 3))
    pieces = [view[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    with lent(helpers) as lanes:
        assert _outcome(pieces, digest, lanes[:count]) == _outcome(pieces, digest, [])
        assert _outcome(pieces, digest, lanes[:count])[2] == body


def _break(body: bytes, number: int, kind: str) -> bytearray:
    """Spoil a chunk: what its header says at first sight, or what only decoding shows."""
    wrong, at = bytearray(body), 0
    for _ in range(number):
        at += 8 + int.from_bytes(body[at + 1 : at + 4], "little")
    wrong[at + (0 if kind == "header" else 4)] = 9
    return wrong


@pytest.mark.parametrize("kind", ["header", "content"])
def test_the_same_refusal(helpers: Helpers, kind: str) -> None:
    body, digest = _make(3)
    with lent(helpers) as lanes:
        for number in range(40):
            wrong = memoryview(_break(body, number, kind))
            here = _outcome([wrong], digest, [])
            assert here[1] == number
            assert _outcome([wrong], digest, lanes) == here
            # The first one counts, whichever is noticed first.
            later = _break(bytes(wrong), min(number + 7, 39), "header")
            assert _outcome([memoryview(later)], digest, lanes)[1] == number


def test_more_chunks_than_are_allowed(helpers: Helpers) -> None:
    one = XorbBuilder()
    one.add(b"x", chunk_digest(b"x"))
    body = bytes(one.finish()[0]) * (MAX_CHUNKS + 100)
    with lent(helpers) as lanes:
        message, count, _ = _outcome([memoryview(body)], bytes(32), lanes)
    assert (count, f"more than {MAX_CHUNKS} chunks" in str(message)) == (MAX_CHUNKS, True)


@pytest.mark.parametrize("when", ["before", "while it works"])
def test_a_helper_that_is_killed(helpers: Helpers, when: str) -> None:
    body, digest = _make(5)
    with lent(helpers) as lanes:
        victim = lanes[1]
        if when == "before":
            _kill(victim)
        else:
            begin = victim.begin
            victim.begin = lambda request: begin(request) and _kill(victim)  # type: ignore[method-assign]
        found = _outcome([memoryview(body)], digest, lanes)
    assert found == _outcome([memoryview(body)], digest, [])
    for _ in range(3):  # whoever gets the dead one notices
        with lent(helpers) as lanes:
            assert _outcome([memoryview(body)], digest, lanes) == found
    assert victim not in lanes


def _kill(victim: Helper) -> bool:
    os.kill(victim.pid, signal.SIGKILL)
    until_s = time.monotonic() + 30
    while Path(f"/proc/{victim.pid}").exists():  # nothing of it is left, not even a zombie
        assert time.monotonic() < until_s
        time.sleep(0.01)
    return True


def test_helpers_end_with_the_hub() -> None:
    script = (
        "import time\nfrom openhood.engines.xet import verifying\nfrom openhood.infra.helpers import Helpers\n"
        "helpers = Helpers(verifying.__name__, count=1, memory_bytes=1000)\n"
        "while True:\n"
        "    with helpers.lend() as lent:\n"
        "        for each in lent:\n            print(each.pid, flush=True)\n            time.sleep(60)\n"
        "    time.sleep(0.05)\n"
    )
    hub = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert hub.stdout is not None
    pid = int(hub.stdout.readline())
    hub.kill()
    hub.wait()
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the helper goes on without the hub"
        time.sleep(0.05)

"""The SHA-256 of files made of chunks: computed by decoding them, with decoding and hashing at the same time.

What a client says is never believed; what becomes of the sums is decided in `shards`.
"""

from __future__ import annotations

import hashlib
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from openhood.base.errors import CorruptObject, ObjectMissing
from openhood.base.names import Sha256
from openhood.domain.services import Services
from openhood.domain.xet.claims import Unreadable
from openhood.domain.xet.layout import Layout
from openhood.domain.xet.reading import Block, FileReader, usual_size

LANES = 2
"""How many files are hashed at the same time."""
_BLOCK_BYTES = 2 * 1024 * 1024
"""What is decoded at once where the store is a disk of this machine: with less, threads wait for each other."""
_AHEAD = 3
"""Blocks that are decoded while another one is hashed, for each lane."""
_WORTH_THREADS_BYTES = 8 * 1024 * 1024


class _Given(Exception):
    """Another lane failed, so this one need not go on."""


def hash_files(
    sv: Services, files: Sequence[tuple[bytes, int]], *, advance: Callable[[int], None]
) -> list[Sha256]:
    """Return the SHA-256 of files, given as packed terms and size in bytes, none of them empty.

    Opens read units and reads the store. *Args*: ``advance`` is told of every so many bytes, by several threads;
    what it raises ends everything. *Raises*: Unreadable, Unavailable.
    """
    if not files:
        return []
    if sum(size for _terms, size in files) < _WORTH_THREADS_BYTES:
        return _hash_lane(sv, files, decoders=None, advance=advance)
    lanes = _deal(files)
    has_failed = threading.Event()

    def hash_one(numbers: list[int], decoders: ThreadPoolExecutor) -> list[Sha256]:
        def step(count: int) -> None:
            if has_failed.is_set():
                raise _Given
            advance(count)

        try:
            return _hash_lane(sv, [files[each] for each in numbers], decoders=decoders, advance=step)
        except BaseException:
            has_failed.set()
            raise

    sums: dict[int, Sha256] = {}
    with (
        # One for each lane keeps up with hashing; another would only take the interpreter from it.
        ThreadPoolExecutor(len(lanes), thread_name_prefix="decode") as decoders,
        ThreadPoolExecutor(len(lanes), thread_name_prefix="hash") as hashers,
    ):
        running = [hashers.submit(hash_one, numbers, decoders) for numbers in lanes]
        failures = [each.exception() for each in running]
        for failure in failures:
            if failure is not None and not isinstance(failure, _Given):
                raise failure
        for numbers, each in zip(lanes, running, strict=True):
            sums |= zip(numbers, each.result(), strict=True)
    return [sums[number] for number in range(len(files))]


def _deal(files: Sequence[tuple[bytes, int]]) -> list[list[int]]:
    """Return the numbers of the files for each lane, so that they take about as long; the longest come first."""
    lanes: list[list[int]] = [[] for _ in range(min(LANES, len(files)))]
    loads = [0] * len(lanes)
    for number in sorted(range(len(files)), key=lambda each: -files[each][1]):
        lane = loads.index(min(loads))
        lanes[lane].append(number)
        loads[lane] += files[number][1]
    return lanes


def _hash_lane(
    sv: Services,
    files: Sequence[tuple[bytes, int]],
    *,
    decoders: ThreadPoolExecutor | None,
    advance: Callable[[int], None],
) -> list[Sha256]:
    """Hash files one after the other. They are read as one, since many small ones share a block."""
    reader = FileReader(sv, Layout(b"".join(terms for terms, _size in files)))
    sums: list[Sha256] = []
    sha256, left = hashlib.sha256(), files[0][1]
    for block in _decoded(reader, decoders):
        rest = block
        while len(rest):
            taken = min(left, len(rest))
            sha256.update(rest[:taken])
            rest = rest[taken:]
            left -= taken
            if not left:
                sums.append(Sha256(sha256.hexdigest()))
                sha256, left = hashlib.sha256(), files[len(sums)][1] if len(sums) < len(files) else 0
        advance(len(block))
    return sums


def _decoded(reader: FileReader, decoders: ThreadPoolExecutor | None) -> Iterator[memoryview]:
    """Yield the blocks of a file, some of them decoded ahead."""
    plan = _plan(reader)
    if decoders is None:
        for block in plan:
            yield _decode(reader, block)
        return
    waiting: deque[Future[memoryview]] = deque()
    try:
        for block in plan:
            waiting.append(decoders.submit(_decode, reader, block))
            if len(waiting) > _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for each in waiting:
            each.cancel()


def _plan(reader: FileReader) -> Iterator[Block]:
    try:
        yield from reader.plan(0, reader.size_bytes, size_of=_block_bytes)
    except (CorruptObject, ObjectMissing) as error:
        # It all was there a moment ago. Tried again, the checks before this one will find out what is wrong.
        raise Unreadable from error


def _block_bytes(is_local: bool) -> int:
    return _BLOCK_BYTES if is_local else usual_size(is_local=False)


def _decode(reader: FileReader, block: Block) -> memoryview:
    try:
        return reader.decode(block)
    except (CorruptObject, ObjectMissing) as error:
        raise Unreadable(*dict.fromkeys(piece.xorb for piece in block.cuts)) from error

"""What a push brings: its objects listed, its blobs looked at, and packed anew without the refused ones.

All work in a snapshot that holds the pushed pack. What may come in is decided by the domain.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import struct
import tempfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from openhood.base.names import Oid
from openhood.engines.git.commands import IndexedPack, NotConnected
from openhood.engines.git.objects import name_text
from openhood.engines.git.process import (
    GitFailed,
    GitOutputTooLarge,
    GitProcess,
    GitTimedOut,
    popen_git,
    read_records,
    run_git,
)
from openhood.engines.git.store import ObjectDb

_IDX_LAST_COUNT_AT = 8 + 4 * 255
_IDX_OIDS_AT = 8 + 4 * 256
_BLOB = 3
_DELTA_BY_OFFSET = 6
_DELTAS = (_DELTA_BY_OFFSET, 7)
# Two sizes of at most ten bytes each begin a delta; what deflates them may begin with tables of its own.
_DELTA_HEAD_BYTES = 20
_DEFLATED_HEAD_BYTES = 512
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


class BlobInPack(NamedTuple):
    """A blob worth a look: ``data`` is there for small ones only."""

    oid: Oid
    size_bytes: int
    data: bytes | None


@contextlib.contextmanager
def new_objects(
    gitdir: Path, new_oids: Iterable[Oid], *, timeout_s: float
) -> Iterator[Iterator[tuple[Oid, str]]]:
    """Start listing what is reachable from ``new_oids`` and not from the snapshot's refs: id, and one path.

    Git works from the entrance of the context on; the iterator it yields is read when the caller is ready.
    The path is '' for commits and root trees. One walk does two things: it also proves that nothing is
    missing. An object known from old history may come again. *Raises* (the iterator, at its end)
    NotConnected where something is missing; GitTimedOut.
    """
    with tempfile.TemporaryFile(prefix="openhood-git-") as spool:
        spool.write("".join(f"{oid}\n" for oid in new_oids).encode("ascii"))
        spool.seek(0)
        args = ["rev-list", "--objects", "--stdin", "--not", "--all"]
        with popen_git(args, gitdir=gitdir, stdin=spool) as lister:
            yield _read_listing(lister, timeout_s=timeout_s)


def _read_listing(lister: GitProcess, *, timeout_s: float) -> Iterator[tuple[Oid, str]]:
    try:
        for line in read_records(lister, separator=b"\n", timeout_s=timeout_s):
            yield Oid(line[:40].decode("ascii")), name_text(line[41:])
    except (GitTimedOut, GitOutputTooLarge):
        raise
    except GitFailed as error:
        raise _not_connected() from error


def scan_blobs(
    pack: IndexedPack, objects: ObjectDb, *, small: range, over_bytes: int
) -> Iterator[BlobInPack]:
    """Yield a pack's blobs whose size is in ``small``, with content, or over ``over_bytes``, without.

    Reads the pack itself, four times as fast as asking for each object; only deltas that make an object of
    such a size are asked for, from ``objects``. For the layout see `packs`.
    """
    with contextlib.ExitStack() as stack:
        idx, data = (stack.enter_context(_mapped(path)) for path in (pack.idx_path, pack.pack_path))
        count = pack.object_count
        offsets_at = _IDX_OIDS_AT + 24 * count
        far_at = offsets_at + 4 * count
        for number in range(count):
            (at,) = _U32.unpack_from(idx, offsets_at + 4 * number)
            if at & 0x80000000:
                (at,) = _U64.unpack_from(idx, far_at + 8 * (at & 0x7FFFFFFF))
            byte = data[at]
            kind, size, shift = byte >> 4 & 7, byte & 15, 4
            at += 1
            while byte & 0x80:
                byte = data[at]
                size |= (byte & 0x7F) << shift
                shift += 7
                at += 1
            if kind == _BLOB:
                if size not in small and size <= over_bytes:
                    continue
            elif kind not in _DELTAS or not _may_matter(_delta_size(data, at, kind), small, over_bytes):
                continue
            start = _IDX_OIDS_AT + 20 * number
            oid = Oid(idx[start : start + 20].hex())
            if kind != _BLOB:
                name, size = objects.kind_and_size(oid)
                if name == "blob" and (size in small or size > over_bytes):
                    yield BlobInPack(oid, size, objects.read(oid)[1] if size in small else None)
            elif size in small:
                # What does not compress grows by a few bytes; what follows the object is ignored.
                content = zlib.decompress(data[at : at + size + 64])
                yield BlobInPack(oid, size, content)
            else:
                yield BlobInPack(oid, size, None)


def _may_matter(size: int | None, small: range, over_bytes: int) -> bool:
    return size is None or size in small or size > over_bytes


def _delta_size(data: mmap.mmap, at: int, kind: int) -> int | None:
    """Return the size of what a delta makes; None where its first bytes do not tell.

    ``at`` is the position after the entry's head: of the base's id, or of its distance in 7 bits a byte.
    """
    if kind == _DELTA_BY_OFFSET:
        while data[at] & 0x80:
            at += 1
        at += 1
    else:
        at += 20
    head = zlib.decompressobj().decompress(data[at : at + _DEFLATED_HEAD_BYTES], _DELTA_HEAD_BYTES)
    try:
        position = 0
        while head[position] & 0x80:  # the size of the base
            position += 1
        position += 1
        size, shift = head[position] & 0x7F, 7
        while head[position] & 0x80:
            position += 1
            size |= (head[position] & 0x7F) << shift
            shift += 7
    except IndexError:
        return None
    return size


@contextlib.contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap]:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        yield data


def _not_connected() -> NotConnected:
    return NotConnected("The push misses objects that its commits need (missing necessary objects).")


def repack(
    gitdir: Path, new_oids: Iterable[Oid], old_oids: Iterable[Oid], out_dir: Path, *, timeout_s: float
) -> IndexedPack | None:
    """Write a pack of exactly what is reachable from ``new_oids`` and not from ``old_oids``.

    For a push that was taken in part, or whose pack holds more than its commits need. None when there
    is nothing new at all.
    """
    pack_dir = Path(tempfile.mkdtemp(prefix="repack-", dir=out_dir)) / "pack"
    pack_dir.mkdir()
    output = run_git(
        ["pack-objects", "--revs", "--delta-base-offset", "-q", str(pack_dir / "pack")],
        gitdir=gitdir,
        stdin="".join([*(f"{oid}\n" for oid in new_oids), *(f"^{oid}\n" for oid in old_oids)]).encode(
            "ascii"
        ),
        timeout_s=timeout_s,
        limit_bytes=1 << 16,
    )
    made = output.decode("ascii").split()
    if not made:
        return None
    # pack-objects names the files by what is in them; a pack of ours is named by its checksum.
    pack, idx = pack_dir / f"pack-{made[0]}.pack", pack_dir / f"pack-{made[0]}.idx"
    with pack.open("rb") as file:
        file.seek(-20, os.SEEK_END)
        name = file.read(20).hex()
    os.replace(pack, pack_dir / f"pack-{name}.pack")
    os.replace(idx, pack_dir / f"pack-{name}.idx")
    idx = pack_dir / f"pack-{name}.idx"
    with idx.open("rb") as file:
        file.seek(_IDX_LAST_COUNT_AT)
        count = int.from_bytes(file.read(4), "big")
    if count == 0:
        return None
    return IndexedPack(name, pack_dir / f"pack-{name}.pack", idx, count)

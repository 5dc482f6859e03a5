"""Writing one pack with its index: every object deflated whole (or stored), no deltas, spooled to disk.

Reading is `store`'s; folding many packs into one with deltas is `commands.fold_packs`. Nothing is
fsynced here: whoever stores the files for good does that.

Pack, version 2 (git ``Documentation/gitformat-pack.txt``):

=========  ==============================================================================
bytes      meaning
=========  ==============================================================================
0..3       ``PACK``
4..7       version 2, big-endian
8..11      number of objects
...        per object: 4 bits of size and 3 of kind, then 7 bits of size a byte; zlib data
last 20    SHA-1 of all before; names the pack
=========  ==============================================================================

Index, version 2: ``\\377tOc``, version, 256 counts by first byte of the id, sorted ids, CRC-32 of each
packed object, 31-bit offsets (the top bit points into a table of 64-bit ones), both checksums.
"""

from __future__ import annotations

import hashlib
import os
import struct
import tempfile
import zlib
from array import array
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from openhood.base.names import Oid
from openhood.engines.git.objects import object_oid

_KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4}
_BUFFER_BYTES = 1 << 20
# From here on a look at some of the bytes costs little next to deflating all of them.
_SAMPLED_FROM_BYTES = 1 << 18
_SAMPLES = 4
_SAMPLE_BYTES = 1 << 14


def _level(data: bytes) -> int:
    """Return how hard to deflate: not at all where samples say that it is in vain, as for images and weights.

    Trying takes twelve times as long as storing, and gains nothing.
    """
    if len(data) < _SAMPLED_FROM_BYTES:
        return 1
    step = len(data) // _SAMPLES
    sample = b"".join([data[start : start + _SAMPLE_BYTES] for start in range(0, step * _SAMPLES, step)])
    return 0 if len(zlib.compress(sample, 1)) >= len(sample) * 0.98 else 1


@dataclass(frozen=True, slots=True)
class BuiltPack:
    """A finished pack; ``name`` is its SHA-1 in hex, ``size_bytes`` that of the ``.pack`` file."""

    name: str
    pack_path: Path
    idx_path: Path
    object_count: int
    size_bytes: int


class PackWriter:
    """Collects objects into one pack in ``directory``; use as a context manager.

    Memory holds about 150 bytes per object. Without `finish`, leaving the context removes everything.
    Not for use by two threads at once.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file: BinaryIO | None = None
        self._path: Path | None = None
        self._offset = 0
        # Positions in the two arrays, by raw object id.
        self._index: dict[bytes, int] = {}
        self._crcs = array("L")
        self._offsets = array("Q")

    def __enter__(self) -> PackWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.abort()

    @property
    def object_count(self) -> int:
        """How many different objects were added."""
        return len(self._index)

    def add(self, kind: str, data: bytes) -> Oid:
        """Add an object unless it is in this pack already, and return its id."""
        oid = object_oid(kind, data)
        self.add_known(oid, kind, data)
        return oid

    def add_known(self, oid: Oid, kind: str, data: bytes) -> None:
        """Add an object whose id the caller computed, unless it is in this pack already."""
        raw = bytes.fromhex(oid)
        if raw in self._index:
            return
        size = len(data)
        head = bytearray()
        byte = _KINDS[kind] << 4 | size & 15
        size >>= 4
        while size:
            head.append(byte | 0x80)
            byte = size & 0x7F
            size >>= 7
        head.append(byte)
        packed = zlib.compress(data, _level(data))
        file = self._open()
        file.write(head)
        file.write(packed)
        self._index[raw] = len(self._offsets)
        self._crcs.append(zlib.crc32(packed, zlib.crc32(head)))
        self._offsets.append(self._offset)
        self._offset += len(head) + len(packed)

    def finish(self) -> BuiltPack | None:
        """Write trailer and index and return the pack, now the caller's; None when nothing was added."""
        if self._file is None or self._path is None:
            return None
        trailer = self._seal(self._file)
        name = trailer.hex()
        idx_temp = self._path.with_suffix(".tmp-idx")
        try:
            self._write_idx(idx_temp, trailer)
            pack_path = self._directory / f"pack-{name}.pack"
            idx_path = self._directory / f"pack-{name}.idx"
            # The index makes a pack visible, so that it comes last.
            os.replace(self._path, pack_path)
            os.replace(idx_temp, idx_path)
        finally:
            idx_temp.unlink(missing_ok=True)
        self._file = self._path = None
        return BuiltPack(name, pack_path, idx_path, len(self._index), self._offset + len(trailer))

    def abort(self) -> None:
        """Remove what was written. Safe after `finish` (does nothing) and when called twice."""
        if self._file is not None:
            self._file.close()
            self._file = None
        if self._path is not None:
            self._path.unlink(missing_ok=True)
            self._path = None

    def _open(self) -> BinaryIO:
        if self._file is None:
            descriptor, path = tempfile.mkstemp(prefix="tmp_pack_", dir=self._directory)
            self._path = Path(path)
            self._file = os.fdopen(descriptor, "w+b", buffering=_BUFFER_BYTES)
            self._file.write(b"PACK" + struct.pack(">II", 2, 0))
            self._offset = 12
        return self._file

    def _seal(self, file: BinaryIO) -> bytes:
        """Put the count into the header, append the checksum, close, and return the checksum."""
        file.seek(8)
        file.write(struct.pack(">I", len(self._index)))
        file.seek(0)
        digest = hashlib.sha1(usedforsecurity=False)
        while chunk := file.read(_BUFFER_BYTES):
            digest.update(chunk)
        file.write(digest.digest())
        file.close()
        return digest.digest()

    def _write_idx(self, path: Path, trailer: bytes) -> None:
        order = sorted(self._index.items())
        fanout = [0] * 256
        for raw, _ in order:
            fanout[raw[0]] += 1
        for byte in range(1, 256):
            fanout[byte] += fanout[byte - 1]
        offsets: list[int] = []
        far: list[int] = []
        for _, position in order:
            offset = self._offsets[position]
            if offset > 0x7FFFFFFF:
                offsets.append(0x80000000 | len(far))
                far.append(offset)
            else:
                offsets.append(offset)
        parts = (
            b"\377tOc" + struct.pack(">I256I", 2, *fanout),
            b"".join([raw for raw, _ in order]),
            struct.pack(f">{len(order)}I", *[self._crcs[position] for _, position in order]),
            struct.pack(f">{len(offsets)}I", *offsets),
            struct.pack(f">{len(far)}Q", *far),
            trailer,
        )
        digest = hashlib.sha1(usedforsecurity=False)
        with path.open("wb") as file:
            for part in parts:
                digest.update(part)
                file.write(part)
            file.write(digest.digest())

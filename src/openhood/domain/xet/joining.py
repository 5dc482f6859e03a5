"""Whole files out of chunks, for readers that know nothing of chunks: where to read them from, decoded or joined.

How blocks are decoded is in `reading`, how joined files are kept in `infra.decoded`. Who may read was decided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from openhood.domain.services import Services
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import reading
from openhood.domain.xet.reading import Block, FileReader
from openhood.infra.decoded import Filling


class BlockReader(Protocol):
    """A file that is decoded block by block, see `FileReader`."""

    def plan(self, start: int, length: int, *, size_of: Callable[[bool], int]) -> Iterator[Block]:
        """See `FileReader.plan`."""

    def decode(self, block: Block) -> memoryview:
        """See `FileReader.decode`."""

    def close(self) -> None:
        """See `FileReader.close`."""


class _Joining:
    """A reader of a whole file that keeps what it decodes in the cache."""

    def __init__(self, reader: FileReader, filling: Filling) -> None:
        self._reader = reader
        self._filling = filling

    def plan(self, start: int, length: int, *, size_of: Callable[[bool], int]) -> Iterator[Block]:
        """See `FileReader.plan`."""
        return self._reader.plan(start, length, size_of=size_of)

    def decode(self, block: Block) -> memoryview:
        """See `FileReader.decode`."""
        data = self._reader.decode(block)
        self._filling.write(block.start, data)
        return data

    def close(self) -> None:
        """Give up joining the file, unless it is done, and see `FileReader.close`."""
        self._filling.close()
        self._reader.close()


def open_content(sv: Services, found: LfsObject, *, start: int, length: int) -> Path | BlockReader:
    """Return where the bytes of an object kept as a Xet file are read from, of which this part is wanted first.

    A path is that of the joined file, which may be gone by the time it is opened. Opens a read unit.
    Raises: CorruptObject.
    """
    name, size_bytes = found.sha256, found.size_bytes
    joined = sv.decoded.find(name, size_bytes=size_bytes)
    return joined or open_blocks(sv, found, start=start, length=length)


def open_blocks(sv: Services, found: LfsObject, *, start: int, length: int) -> BlockReader:
    """Return a reader of an object kept as a Xet file, and join the file if it is read often. See `open_content`."""
    name, size_bytes = found.sha256, found.size_bytes
    reader = reading.open_object(sv, found)
    if sv.decoded.note_read(name, size_bytes=size_bytes, length=length):
        if start == 0 and length == size_bytes:
            filling = sv.decoded.begin(name, size_bytes=size_bytes)
            if filling is not None:
                return _Joining(reader, filling)
        else:
            sv.decoded.fill_later(name, size_bytes=size_bytes, read=lambda: reader.blocks(0, size_bytes))
    return reader

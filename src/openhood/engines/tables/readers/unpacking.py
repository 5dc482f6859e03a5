"""The files within a file: as it is, decompressed, or the members of a zip or tar archive; all of it bounded.

What a file is, its first bytes say and not its name, as in ``datasets.utils.extract``. Nothing is unpacked onto the
disk: members are streams. Links, devices and names that lead out of the archive are passed over.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, BinaryIO

import lz4.frame
import pyarrow as pa

from openhood.base.errors import TableTooLarge, TableUnreadable
from openhood.engines.tables.readers.given import Progress
from openhood.engines.tables.task import Source

MAX_MEMBERS = 1_000_000
_FREE_BYTES = 2 << 30
_MAX_RATIO = 300
_MAX_REWINDS = 1000
_STEP_BYTES = 1 << 20
_HEAD_BYTES = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """A file to be read: its path in the repository, or within the archive there; `open` gives a stream."""

    path: str
    inner: str | None
    open: Callable[[], BinaryIO]


class _Counted(io.RawIOBase):
    """A stream that ends with an error when more comes out of it than its packed size explains."""

    def __init__(self, inner: Any, budget: Budget) -> None:  # Any: each library has streams of its own
        self._inner = inner
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: whatever holds bytes, as in the base class
        view = memoryview(buffer).cast("B")
        data = self._inner.read(len(view))
        count = len(data)
        view[:count] = data
        self._budget.spend(count)
        return count

    def close(self) -> None:
        if not self.closed:
            with suppress(Exception):
                self._inner.close()
        super().close()


class _Watched(io.RawIOBase):
    """A source's own stream that notes how far it was read."""

    def __init__(self, source: Source, progress: Progress) -> None:
        self._file = source.open()
        self._progress = progress
        self._last = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:  # Any: as above
        count = self._file.readinto(buffer)
        end = self._file.tell()
        if end > self._last:
            self._progress.read_bytes += min(count, end - self._last)
            self._last = end
        return count

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


class Budget:
    """How many bytes may come out of one packed file."""

    def __init__(self, packed_bytes: int, check: Callable[[], None]) -> None:
        self._left = _FREE_BYTES + _MAX_RATIO * packed_bytes
        self._check = check
        self._unchecked = 0

    def spend(self, count: int) -> None:
        """Take note of bytes that came out. Raises TableTooLarge, TableTimeout."""
        self._left -= count
        self._unchecked += count
        if self._left < 0:
            raise TableTooLarge(
                "A compressed file unpacks to far more bytes than it has, so it is not read. Store it uncompressed."
            )
        if self._unchecked > _STEP_BYTES * 8:
            self._unchecked = 0
            self._check()


def entries(source: Source, check: Callable[[], None], progress: Progress) -> Iterator[Entry]:
    """Yield the files within a source, in the order in which ``datasets`` reads them.

    Raises: TableTooLarge for what unpacks to too much, TableUnreadable for broken archives; what libraries raise.
    """
    head = source.read(0, 8)
    if head[:4] in (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"):
        yield from _zip_entries(source, check, progress)
        return

    def opened() -> BinaryIO:
        return opened_plain(source, check, progress)

    if _is_tar(lambda: opened_plain(source, check, Progress())):
        yield from _tar_entries(source, opened, check, is_packed=_unpacker(head) is not None)
        return
    yield Entry(source.name, None, opened)


def opened_plain(source: Source, check: Callable[[], None], progress: Progress) -> BinaryIO:
    """Return a source as a stream, decompressed where it is compressed."""
    unpack = _unpacker(source.read(0, 8))
    raw = io.BufferedReader(_Watched(source, progress), _STEP_BYTES)
    if unpack is None:
        return raw
    return io.BufferedReader(_Counted(unpack(raw), Budget(source.size_bytes, check)), _STEP_BYTES)


def stream_of(ending: str) -> Callable[[Any], Any]:  # Any: file objects of several libraries
    """Return what decompresses a stream of a member with this ending of its name."""
    magic = {"gz": b"\x1f\x8b", "bz2": b"BZh", "xz": b"\xfd7zXZ\x00", "zst": b"\x28\xb5\x2f\xfd"}
    found = _unpacker(magic.get(ending, b"\x04\x22\x4d\x18"))
    if found is None:
        raise ValueError(ending)
    return found


def _unpacker(head: bytes) -> Callable[[Any], Any] | None:  # Any: file objects of several libraries
    if head.startswith(b"\x1f\x8b"):
        return lambda raw: gzip.GzipFile(fileobj=raw)
    if head.startswith(b"BZh"):
        return bz2.BZ2File
    if head.startswith(b"\xfd7zXZ\x00"):
        return lzma.LZMAFile
    if head.startswith(b"\x28\xb5\x2f\xfd"):
        return lambda raw: pa.CompressedInputStream(pa.PythonFile(raw, "rb"), "zstd")
    if head.startswith(b"\x04\x22\x4d\x18"):
        return lambda raw: lz4.frame.open(raw)
    if head.startswith((b"7z\xbc\xaf\x27\x1c", b"Rar!")):
        raise TableUnreadable(
            "7z and rar archives are not read on this hub. Use zip, tar, or single compressed files."
        )
    return None


def _is_tar(opened: Callable[[], BinaryIO]) -> bool:
    with opened() as file:
        head = file.read(_HEAD_BYTES)
    return len(head) == _HEAD_BYTES and head[257:262] == b"ustar"


def is_hidden(name: str) -> bool:
    """Tell whether ``datasets`` passes over a member: any part of its path begins with a dot or two underscores."""
    return any(part.startswith((".", "__")) for part in name.split("/"))


def safe_name(name: str) -> str | None:
    """Return a member's path without ``./``; None where it leads out of the archive."""
    if name.startswith("/") or "\\" in name or "\0" in name:
        return None
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if not parts or ".." in parts:
        return None
    return "/".join(parts)


def walk_key(name: str) -> tuple[tuple[int, str], ...]:
    """Return what sorts paths as a walk from the top does: a directory's files first, then what is below."""
    *folders, last = name.split("/")
    return (*((1, folder) for folder in folders), (0, last))


def _zip_entries(source: Source, check: Callable[[], None], progress: Progress) -> Iterator[Entry]:
    archive = zipfile.ZipFile(io.BufferedReader(_Watched(source, progress), _STEP_BYTES))
    infos = archive.infolist()
    _check_count(len(infos))
    budget = Budget(source.size_bytes, check)
    members: dict[str, zipfile.ZipInfo] = {}
    for info in infos:
        name = safe_name(info.filename)
        if name is None or info.is_dir() or is_hidden(name) or (info.external_attr >> 28) == 0xA:
            continue
        if info.flag_bits & 1:
            raise TableUnreadable("The zip archive is encrypted, so its files cannot be read.")
        members[name] = info
    for name in sorted(members, key=walk_key):

        def opened(info: zipfile.ZipInfo = members[name]) -> BinaryIO:
            return io.BufferedReader(_Counted(archive.open(info), budget), _STEP_BYTES)

        yield Entry(source.name, name, opened)


def _tar_entries(
    source: Source, opened: Callable[[], BinaryIO], check: Callable[[], None], *, is_packed: bool
) -> Iterator[Entry]:
    places: dict[str, tuple[int, int]] = {}
    with opened() as file:
        for _archive, name, member in walk_tar(file, check):
            if not is_hidden(name):
                places[name] = (member.offset_data, member.size)
    names = sorted(places, key=walk_key)
    rewinds = sum(places[name] < places[before] for before, name in pairwise(names))
    if is_packed and rewinds > _MAX_REWINDS:
        raise TableTooLarge(
            "A compressed tar holds too many files in no order. Store it as zip, or uncompressed."
        )
    for name in names:

        def at_member(place: tuple[int, int] = places[name]) -> BinaryIO:
            return io.BufferedReader(_Part(opened(), *place, is_seekable=not is_packed), _STEP_BYTES)

        yield Entry(source.name, name, at_member)


class _Part(io.RawIOBase):
    """A span of a stream."""

    def __init__(self, file: BinaryIO, start: int, size: int, *, is_seekable: bool) -> None:
        self._file = file
        self._left = size
        if is_seekable:
            file.seek(start)
        else:
            while start > 0:
                passed = len(file.read(min(start, _STEP_BYTES)))
                if not passed:
                    break
                start -= passed

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # Any: as above
        view = memoryview(buffer).cast("B")
        data = self._file.read(min(len(view), self._left))
        view[: len(data)] = data
        self._left -= len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def walk_tar(
    file: BinaryIO, check: Callable[[], None]
) -> Iterator[tuple[tarfile.TarFile, str, tarfile.TarInfo]]:
    """Yield the regular files of a tar as they come: the archive, which reads the last one, its safe name, and itself.

    Raises: TableTooLarge for too many members, TableUnreadable for a broken archive.
    """
    try:
        archive = tarfile.open(fileobj=file, mode="r|")  # noqa: SIM115  # it holds nothing but the stream
        seen = 0
        while (member := archive.next()) is not None:
            # Else every member ever seen is kept.
            archive.members = []  # type: ignore[attr-defined]  # the stubs leave it out
            seen += 1
            _check_count(seen)
            if seen % 1000 == 0:
                check()
            name = safe_name(member.name)
            if name is not None and member.isreg() and not member.issparse():
                yield archive, name, member
    except tarfile.TarError as error:
        raise TableUnreadable(f"The tar archive is broken: {str(error)[:200]}.") from error


def _check_count(count: int) -> None:
    if count > MAX_MEMBERS:
        raise TableTooLarge(f"An archive may hold at most {MAX_MEMBERS:,} files to be read on this hub.")


def all_entries(
    sources: list[Source] | tuple[Source, ...], check: Callable[[], None], progress: Progress
) -> Iterator[Entry]:
    """Yield the files within all sources."""
    for source in sources:
        yield from entries(source, check, progress)

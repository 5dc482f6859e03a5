"""The object store in a directory of this machine: every write that returned survives a power cut.

Opened as ``file:///absolute/directory``. What is stored under which key, and whether its hash is right, is
decided elsewhere.

=========================  ==========================================================================
``<root>/<key>``           one object; replaced only by ``rename``, so a reader sees one version, whole
``<root>/.tmp/<32 hex>``   a write in progress; worthless after a crash
``<root>/.parts/<32 hex>`` a multipart write in progress; mode 0400 once `complete` has sealed it
=========================  ==========================================================================

No key has a segment that begins with a dot, so the two scratch directories are in nobody's way. The order of
every write is: bytes, fsync, directories with their fsync, rename, fsync of the directory.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import unquote, urlsplit

from openhood.base.errors import Conflict, ObjectMissing, Unavailable
from openhood.base.ports import PresignedPut, StoredObject

_SEGMENT = r"[A-Za-z0-9_][A-Za-z0-9_.!$&'()+,:;=@-]{0,254}"
_KEY = re.compile(rf"(?!.*\.\.){_SEGMENT}(?:/{_SEGMENT})*")
_PREFIX = re.compile(rf"(?!.*\.\.)(?:{_SEGMENT}(?:/{_SEGMENT})*/?)?")
_KEY_BYTES_MAX = 900
_UPLOAD = re.compile(r"[0-9a-f]{32}")
_TAG = re.compile(r'"[0-9a-f]{40}-(\d+)-(\d+)"')
_COPY_BYTES = 1024 * 1024
_WRITE_AHEAD_BYTES = 4 * 1024 * 1024
_HAS_ADVICE = hasattr(os, "posix_fadvise")
_CANNOT_LINK = {errno.EXDEV, errno.EPERM, errno.EACCES, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS}
_NO_SUCH_FILE = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_DIRECTORIES_REMEMBERED = 200_000


def open_store(url: str, **options: object) -> LocalObjects:
    """Open (and make, if need be) the store in the directory of ``url``, ``file:///absolute/directory``.

    Raises: ValueError for another kind of URL or an option (there are none); Unavailable if the directory
    cannot be made.
    """
    parts = urlsplit(url)
    path = unquote(parts.path)
    if parts.scheme != "file" or parts.netloc not in ("", "localhost") or path[:1] != "/" or path == "/":
        raise ValueError(f"Expected file:///absolute/directory, not {url!r}.")
    if parts.query or parts.fragment or options:
        raise ValueError("A local object store takes no options. Quote '?' and '#' in the directory's name.")
    return LocalObjects(Path(path))


class LocalObjects:
    """`ObjectStore` in a directory; several processes and threads may share it."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._tmp = root / ".tmp"
        self._parts = root / ".parts"
        self._durable: set[Path] = set()
        self._durable_lock = threading.Lock()
        with _failures_as_unavailable():
            for directory in (self._tmp, self._parts):
                self._make_directory(directory)

    def put(self, key: str, data: bytes) -> None:
        """See `ObjectStore.put`."""
        writer = self.open_writer(key)
        try:
            writer.write(data)
            writer.commit()
        finally:
            writer.abort()

    def put_file(self, key: str, path: Path) -> None:
        """See `ObjectStore.put_file`: a hard link where the file system allows one, else a copy.

        The caller hands in a file that nothing will write to again: with a hard link a later change of the
        file would be a change of the object. Group and others lose their rights to it.
        """
        self._path(key)
        source = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        scratch = self._tmp / secrets.token_hex(16)
        try:
            with _failures_as_unavailable():
                if self._link(source, path, scratch):
                    self._publish(key, scratch)
                else:
                    self._copy(source, key)
        finally:
            os.close(source)
            scratch.unlink(missing_ok=True)

    def open_writer(self, key: str) -> LocalWriter:
        """See `ObjectStore.open_writer`."""
        self._path(key)
        return LocalWriter(self, key)

    def create_parts(self, key: str) -> LocalParts:
        """See `ObjectStore.create_parts`."""
        self._path(key)
        state = secrets.token_hex(16)
        with _failures_as_unavailable():
            os.close(_create(self._parts / state))
            _sync_directory(self._parts)
        return LocalParts(self, key, state)

    def resume_parts(self, key: str, state: str) -> LocalParts:
        """See `ObjectStore.resume_parts`. Raises ValueError for a state that no `create_parts` returned."""
        self._path(key)
        if _UPLOAD.fullmatch(state) is None:
            raise ValueError("This is not the state of a multipart write.")
        return LocalParts(self, key, state)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        descriptor = self._open(key)
        try:
            with _failures_as_unavailable():
                return _read(descriptor, 0, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.get_range`: empty from the end on. Raises ValueError for a negative ``start``."""
        if start < 0:
            raise ValueError("A range starts at 0 or later.")
        descriptor = self._open(key)
        try:
            with _failures_as_unavailable():
                length = min(length, os.fstat(descriptor).st_size - start)
                return _read(descriptor, start, length)
        finally:
            os.close(descriptor)

    def stream(self, key: str, *, chunk_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`: ObjectMissing is raised by this call, not by the first chunk."""
        chunks = _chunks(self._open(key), chunk_bytes)
        # Started now, so that its `finally` closes the file even if no chunk is ever asked for.
        next(chunks)
        return chunks

    def size(self, key: str) -> int | None:
        """See `ObjectStore.size`."""
        path = self._path(key)
        try:
            with _failures_as_unavailable(key):
                status = path.stat()
        except ObjectMissing:
            return None
        return status.st_size if stat.S_ISREG(status.st_mode) else None

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`. Directories stay: removing them would race with writers."""
        path = self._path(key)
        if self.size(key) is None:
            return
        with suppress(ObjectMissing), _failures_as_unavailable(key):
            path.unlink()
            _sync_directory(path.parent)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list`."""
        if _PREFIX.fullmatch(prefix) is None:
            raise ValueError(f"Not a prefix of object keys: {prefix[:200]!r}.")
        return self._list(prefix)

    def local_path(self, key: str) -> Path | None:
        """See `ObjectStore.local_path`."""
        return None if self.size(key) is None else self._path(key)

    def presign_get(self, key: str, *, expires_s: int, headers: Mapping[str, str]) -> str | None:
        """See `ObjectStore.presign_get`: always None, for a directory has no address."""
        self._path(key)
        return None

    def presign_range(self, key: str, start: int, length: int, *, expires_s: int) -> str | None:
        """See `ObjectStore.presign_range`: nobody else serves these files."""
        self._path(key)
        return None

    def presign_put(self, key: str, *, size_bytes: int, expires_s: int) -> PresignedPut | None:
        """See `ObjectStore.presign_put`: only the hub writes here."""
        self._path(key)
        return None

    def check(self) -> None:
        """See `ObjectStore.check`."""
        probe = self._tmp / secrets.token_hex(16)
        with _failures_as_unavailable():
            descriptor = _create(probe)
            try:
                _write(descriptor, b"check")
                os.fsync(descriptor)
                if _read(descriptor, 0, 5) != b"check":
                    raise Unavailable("The object store does not return what was written to it.")
            finally:
                os.close(descriptor)
                probe.unlink(missing_ok=True)

    def close(self) -> None:
        """See `ObjectStore.close`: nothing is held."""

    def sweep(self, older_than_s: float) -> int:
        """Remove what crashed or forgotten writes left behind, untouched for ``older_than_s`` seconds.

        Returns the number of files removed. Choose an age that no live upload reaches: days, not minutes.
        """
        removed = 0
        before_s = time.time() - older_than_s
        with _failures_as_unavailable():
            for directory in (self._tmp, self._parts):
                for path in directory.iterdir():
                    with suppress(FileNotFoundError):
                        if path.lstat().st_mtime < before_s:
                            path.unlink()
                            removed += 1
        return removed

    def _path(self, key: str) -> Path:
        if len(key) > _KEY_BYTES_MAX or _KEY.fullmatch(key) is None:
            raise ValueError(f"Not an object key: {key[:200]!r}.")
        return self._root / key

    def _open(self, key: str) -> int:
        path = self._path(key)
        with _failures_as_unavailable(key):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            if stat.S_ISREG(os.fstat(descriptor).st_mode):
                return descriptor
            os.close(descriptor)
            raise ObjectMissing(key)

    def _list(self, prefix: str) -> Iterator[StoredObject]:
        above, _, _ = prefix.rpartition("/")
        pending = [f"{above}/" if above else ""]
        while pending:
            directory = pending.pop()
            try:
                entries = os.scandir(self._root / directory)
            except _NO_SUCH_FILE:
                continue
            except OSError as error:
                raise _unavailable(error) from error
            with entries:
                for entry in entries:
                    name = directory + entry.name
                    if entry.name.startswith(".") or not name.startswith(prefix):
                        continue
                    if entry.is_dir(follow_symlinks=False):
                        pending.append(f"{name}/")
                        continue
                    try:
                        status = entry.stat(follow_symlinks=False)
                    except FileNotFoundError:
                        continue
                    if stat.S_ISREG(status.st_mode):
                        yield StoredObject(name, status.st_size, status.st_mtime)

    def _link(self, source: int, path: Path, scratch: Path) -> bool:
        """Make ``scratch`` a synced hard link to the open file ``source``; False where that cannot be."""
        status = os.fstat(source)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            return False
        # The age of an object counts from now, not from when the file was written.
        os.utime(source)
        try:
            os.link(path, scratch, follow_symlinks=False)
        except OSError as error:
            if error.errno in _CANNOT_LINK:
                return False
            raise
        linked = scratch.lstat()
        if (linked.st_dev, linked.st_ino) != (status.st_dev, status.st_ino):
            # A symbolic link, or another file took the name in between.
            return False
        os.fchmod(source, stat.S_IMODE(status.st_mode) & 0o600 | 0o400)
        os.fsync(source)
        return True

    def _copy(self, source: int, key: str) -> None:
        writer = self.open_writer(key)
        try:
            while block := os.read(source, _COPY_BYTES):
                writer.write(block)
            writer.commit()
        finally:
            writer.abort()

    def _publish(self, key: str, scratch: Path) -> None:
        """Rename the synced file ``scratch`` to its key; it is durable when this returns."""
        path = self._root / key
        self._make_directory(path.parent)
        try:
            os.rename(scratch, path)
        except FileNotFoundError:
            if not scratch.exists():
                raise
            # Somebody removed the directory by hand since we made it.
            with self._durable_lock:
                self._durable.clear()
            self._make_directory(path.parent)
            os.rename(scratch, path)
        # rename() of one hard link onto another of the same file does nothing and leaves both names.
        scratch.unlink(missing_ok=True)
        _sync_directory(path.parent)

    def _make_directory(self, directory: Path) -> None:
        """Make ``directory`` and those above it, each entry durable.

        One that is there already may have been made a moment ago by a process that died before its fsync,
        so only what this very object has synced is taken to be durable.
        """
        missing: list[Path] = []
        with self._durable_lock:
            while directory not in self._durable:
                missing.append(directory)
                if directory == self._root:
                    missing += [above for above in self._root.parents if not above.exists()]
                    break
                directory = directory.parent
        for each in reversed(missing):
            each.mkdir(mode=0o700, exist_ok=True)
            _sync_directory(each.parent)
            with self._durable_lock:
                if len(self._durable) >= _DIRECTORIES_REMEMBERED:
                    self._durable.clear()
                self._durable.add(each)


class LocalWriter:
    """`ObjectWriter` into a scratch file."""

    def __init__(self, store: LocalObjects, key: str) -> None:
        self._store = store
        self._key = key
        self._scratch = store._tmp / secrets.token_hex(16)
        with _failures_as_unavailable():
            self._descriptor: int | None = _create(self._scratch)
        self._ahead = _WriteAhead(0)

    def write(self, data: bytes | memoryview) -> None:
        """See `ObjectWriter.write`."""
        with _failures_as_unavailable():
            _write(self._open(), data)
        self._ahead.wrote(self._open(), len(data))

    def commit(self) -> None:
        """See `ObjectWriter.commit`."""
        descriptor = self._open()
        try:
            with _failures_as_unavailable():
                os.fsync(descriptor)
                self._store._publish(self._key, self._scratch)
            self._close()
        finally:
            # After a failed fsync a second one may succeed without the bytes: there is no second try.
            self.abort()

    def abort(self) -> None:
        """See `ObjectWriter.abort`."""
        if self._close():
            with _failures_as_unavailable():
                self._scratch.unlink(missing_ok=True)

    def __del__(self) -> None:
        self.abort()

    def _open(self) -> int:
        if self._descriptor is None:
            raise ValueError("This write was committed or aborted.")
        return self._descriptor

    def _close(self) -> bool:
        # Absent when __init__ failed before it was set.
        descriptor: int | None = getattr(self, "_descriptor", None)
        self._descriptor = None
        if descriptor is not None:
            os.close(descriptor)
        return descriptor is not None


class LocalParts:
    """`PartWriter` into one scratch file, each part at its offset, so that joining them is a rename.

    ``state`` is the name of the scratch file. `complete` seals the file before it is renamed: a slow
    `put_part` of another thread or process can never change an object that is already visible. Two writers of
    the same part at the same time with different bytes may mix them, which the hash of the whole will tell.
    """

    def __init__(self, store: LocalObjects, key: str, state: str) -> None:
        self.state = state
        self._store = store
        self._key = key
        self._scratch = store._parts / state

    def put_part(self, number: int, offset_bytes: int, data: Iterator[bytes]) -> tuple[str, int]:
        """See `PartWriter.put_part`. Raises Conflict if the write was completed or aborted."""
        if number < 1 or offset_bytes < 0:
            raise ValueError("Parts are numbered from 1 and lie at offset 0 or later.")
        # SHA-1, since most processors have instructions for it: MD5 is several times slower on these.
        digest = hashlib.sha1(usedforsecurity=False)
        offset = offset_bytes
        ahead = _WriteAhead(offset)
        with _failures_as_unavailable():
            try:
                descriptor = os.open(self._scratch, os.O_RDWR | os.O_CLOEXEC)
            except (FileNotFoundError, PermissionError):
                raise Conflict("The multipart write was completed or aborted.") from None
        try:
            for block in data:
                digest.update(block)
                with _failures_as_unavailable(), _locked(descriptor, fcntl.LOCK_SH):
                    if _is_sealed(os.fstat(descriptor)):
                        raise Conflict("The multipart write was completed.")
                    _write(descriptor, block, offset)
                offset += len(block)
                ahead.wrote(descriptor, len(block))
            with _failures_as_unavailable():
                os.fsync(descriptor)
        finally:
            os.close(descriptor)
        size_bytes = offset - offset_bytes
        return f'"{digest.hexdigest()}-{offset_bytes}-{size_bytes}"', size_bytes

    def complete(self, tags: Sequence[str]) -> None:
        """See `PartWriter.complete`: a second call after a first that succeeded does nothing.

        Raises: ValueError if the tags are not those of parts without gaps from 0; Conflict if bytes are
        missing or the write was aborted.
        """
        total = _total(tags)
        with _failures_as_unavailable():
            try:
                self._seal(total)
                self._store._publish(self._key, self._scratch)
            except FileNotFoundError:
                # Completed already: by another caller, or by a process that died before it could say so.
                if self._store.size(self._key) != total:
                    raise Conflict("The multipart write was aborted.") from None

    def abort(self) -> None:
        """See `PartWriter.abort`."""
        with _failures_as_unavailable():
            self._scratch.unlink(missing_ok=True)

    def _seal(self, total: int) -> None:
        """Fix the file at ``total`` bytes; done already if a process died between this and the rename."""
        descriptor = os.open(self._scratch, os.O_RDONLY | os.O_CLOEXEC)
        try:
            with _locked(descriptor, fcntl.LOCK_EX):
                status = os.fstat(descriptor)
                if status.st_size < total or (_is_sealed(status) and status.st_size != total):
                    raise Conflict("The multipart write does not have the bytes that the tags stand for.")
                if not _is_sealed(status):
                    # A last part that was written again, shorter, leaves the end of the longer one.
                    os.truncate(self._scratch, total)
                    os.fchmod(descriptor, 0o400)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class _WriteAhead:
    """Has the kernel write out a large file while it still grows, so that the fsync at its end is short.

    Linux begins to write what it is told not to keep, and forgets nothing that is still on its way to the disk;
    what fails is reported by the fsync all the same.
    """

    def __init__(self, start: int) -> None:
        self._from = self._to = start

    def wrote(self, descriptor: int, size_bytes: int) -> None:
        """Note that the next ``size_bytes`` were written."""
        self._to += size_bytes
        if _HAS_ADVICE and self._to - self._from >= _WRITE_AHEAD_BYTES:
            with suppress(OSError):  # advice that a file system does not take
                os.posix_fadvise(descriptor, self._from, self._to - self._from, os.POSIX_FADV_DONTNEED)
            self._from = self._to


def _is_sealed(status: os.stat_result) -> bool:
    return not status.st_mode & stat.S_IWUSR


@contextmanager
def _locked(descriptor: int, kind: int) -> Iterator[None]:
    fcntl.flock(descriptor, kind)
    try:
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)


def _total(tags: Sequence[str]) -> int:
    if not tags:
        raise ValueError("A multipart write has at least one part.")
    total = 0
    for tag in tags:
        found = _TAG.fullmatch(tag)
        if found is None or int(found[1]) != total:
            raise ValueError("These are not the tags of parts that follow each other without a gap.")
        total += int(found[2])
    return total


def _create(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)


def _write(descriptor: int, data: bytes | memoryview, offset: int | None = None) -> None:
    """Write all of ``data``: at ``offset``, or where the file stands."""
    rest = memoryview(data).cast("B")
    while rest:
        written = os.write(descriptor, rest) if offset is None else os.pwrite(descriptor, rest, offset)
        rest = rest[written:]
        if offset is not None:
            offset += written


def _read(descriptor: int, start: int, length: int) -> bytes:
    blocks: list[bytes] = []
    while length > 0 and (block := os.pread(descriptor, length, start)):
        blocks.append(block)
        start += len(block)
        length -= len(block)
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def _chunks(descriptor: int, chunk_bytes: int) -> Iterator[bytes]:
    offset = 0
    try:
        yield b""
        while True:
            with _failures_as_unavailable():
                chunk = _read(descriptor, offset, chunk_bytes)
            if not chunk:
                return
            offset += len(chunk)
            yield chunk
    finally:
        os.close(descriptor)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unavailable(error: OSError) -> Unavailable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return Unavailable("The object store is full.")
    return Unavailable("The object store cannot be read or written.")


@contextmanager
def _failures_as_unavailable(key: str | None = None) -> Iterator[None]:
    """Turn what the operating system refuses into what the port promises; with ``key``, no file is no object."""
    try:
        yield
    except OSError as error:
        if key is not None and isinstance(error, _NO_SUCH_FILE):
            raise ObjectMissing(key) from error
        raise _unavailable(error) from error

"""The object store behind the tripwire of `guards`: every call inside a database unit fails."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from openhood.base.ports import ObjectStore, ObjectWriter, PartWriter, PresignedPut, StoredObject
from openhood.infra.guards import outside_unit

_WHAT = "The object store"


class GuardedStore:
    """An `ObjectStore` that hands on to another one, outside database units only."""

    def __init__(self, inner: ObjectStore) -> None:
        self._inner = inner

    def put(self, key: str, data: bytes) -> None:
        """See `ObjectStore.put`."""
        outside_unit(_WHAT)
        self._inner.put(key, data)

    def put_file(self, key: str, path: Path) -> None:
        """See `ObjectStore.put_file`."""
        outside_unit(_WHAT)
        self._inner.put_file(key, path)

    def open_writer(self, key: str) -> ObjectWriter:
        """See `ObjectStore.open_writer`."""
        outside_unit(_WHAT)
        return self._inner.open_writer(key)

    def create_parts(self, key: str) -> PartWriter:
        """See `ObjectStore.create_parts`."""
        outside_unit(_WHAT)
        return self._inner.create_parts(key)

    def resume_parts(self, key: str, state: str) -> PartWriter:
        """See `ObjectStore.resume_parts`."""
        outside_unit(_WHAT)
        return self._inner.resume_parts(key, state)

    def get(self, key: str) -> bytes:
        """See `ObjectStore.get`."""
        outside_unit(_WHAT)
        return self._inner.get(key)

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStore.get_range`."""
        outside_unit(_WHAT)
        return self._inner.get_range(key, start, length)

    def stream(self, key: str, *, chunk_bytes: int) -> Iterator[bytes]:
        """See `ObjectStore.stream`."""
        outside_unit(_WHAT)
        return self._inner.stream(key, chunk_bytes=chunk_bytes)

    def size(self, key: str) -> int | None:
        """See `ObjectStore.size`."""
        outside_unit(_WHAT)
        return self._inner.size(key)

    def delete(self, key: str) -> None:
        """See `ObjectStore.delete`."""
        outside_unit(_WHAT)
        self._inner.delete(key)

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """See `ObjectStore.list`."""
        outside_unit(_WHAT)
        return self._inner.list(prefix)

    def local_path(self, key: str) -> Path | None:
        """See `ObjectStore.local_path`."""
        return self._inner.local_path(key)

    def presign_get(self, key: str, *, expires_s: int, headers: Mapping[str, str]) -> str | None:
        """See `ObjectStore.presign_get`."""
        return self._inner.presign_get(key, expires_s=expires_s, headers=headers)

    def presign_range(self, key: str, start: int, length: int, *, expires_s: int) -> str | None:
        """See `ObjectStore.presign_range`."""
        return self._inner.presign_range(key, start, length, expires_s=expires_s)

    def presign_put(self, key: str, *, size_bytes: int, expires_s: int) -> PresignedPut | None:
        """See `ObjectStore.presign_put`."""
        return self._inner.presign_put(key, size_bytes=size_bytes, expires_s=expires_s)

    def check(self) -> None:
        """See `ObjectStore.check`."""
        outside_unit(_WHAT)
        self._inner.check()

    def sweep(self, older_than_s: float) -> int:
        """See `ObjectStore.sweep`."""
        outside_unit(_WHAT)
        return self._inner.sweep(older_than_s)

    def close(self) -> None:
        """See `ObjectStore.close`."""
        self._inner.close()

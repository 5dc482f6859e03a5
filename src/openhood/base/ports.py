"""The sockets: what the hub needs from a part that can be exchanged.

Every port has at least two implementations and a conformance suite in ``openhood.testing.contracts``.
Plug-ins import this file and ``base.errors``, and nothing else of ours.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object as listed: its key, size in bytes and age in seconds since the epoch."""

    key: str
    size_bytes: int
    modified_at_s: float


@dataclass(frozen=True, slots=True)
class PresignedPut:
    """A write of one object that somebody without credentials may do: exactly this request, nothing else.

    ``headers`` must be sent as they are, beside ``Content-Length``.
    """

    method: str
    url: str
    headers: Mapping[str, str]


class ObjectWriter(Protocol):
    """A streaming write of one object: invisible until `commit`, gone after `abort`.

    Used from worker threads; one caller at a time.
    """

    def write(self, data: bytes | memoryview) -> None:
        """Append ``data``."""

    def commit(self) -> None:
        """Make the object durable and visible under its key, replacing any earlier one, atomically."""

    def abort(self) -> None:
        """Drop what was written. Safe after `commit` (does nothing) and when called twice."""


class PartWriter(Protocol):
    """A multipart write of one object whose parts arrive in any order, over several processes.

    ``state`` is an opaque string that any replica can `resume_parts` with. Part numbers start at 1;
    writing a part again replaces it.
    """

    state: str

    def put_part(self, number: int, offset_bytes: int, data: Iterator[bytes]) -> tuple[str, int]:
        """Store one part durably. Returns an opaque tag for `complete` and its size in bytes."""

    def complete(self, tags: Sequence[str]) -> None:
        """Join the parts, in order of number, into the object: durable and visible."""

    def abort(self) -> None:
        """Drop all parts. Safe when called twice or after `complete`."""


class ObjectStore(Protocol):
    """A flat store of immutable byte objects under ``/``-separated ASCII keys.

    All methods are synchronous and thread-safe. A write that returned is durable. Keys never begin
    with ``/`` or contain ``..``.

    Raises: ObjectMissing where a key must exist; Unavailable when the store does not answer.
    """

    def put(self, key: str, data: bytes) -> None:
        """Store ``data`` durably, replacing atomically."""

    def put_file(self, key: str, path: Path) -> None:
        """Store the file at ``path`` durably; the file itself stays (local stores may hard-link it)."""

    def open_writer(self, key: str) -> ObjectWriter:
        """Begin a streaming write."""

    def create_parts(self, key: str) -> PartWriter:
        """Begin a multipart write."""

    def resume_parts(self, key: str, state: str) -> PartWriter:
        """Go on with a multipart write begun by any process."""

    def get(self, key: str) -> bytes:
        """Return the whole object; for small ones only. Raises ObjectMissing."""

    def get_range(self, key: str, start: int, length: int) -> bytes:
        """Return at most ``length`` bytes from ``start``. Raises ObjectMissing."""

    def stream(self, key: str, *, chunk_bytes: int) -> Iterator[bytes]:
        """Yield the object from its beginning. Raises ObjectMissing."""

    def size(self, key: str) -> int | None:
        """Return the object's size in bytes, or None if there is no such object."""

    def delete(self, key: str) -> None:
        """Remove the object; no error if it is not there."""

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Yield every object whose key starts with ``prefix``, in no particular order."""

    def local_path(self, key: str) -> Path | None:
        """Return the file that holds the object, where there is one on this machine."""

    def presign_get(self, key: str, *, expires_s: int, headers: Mapping[str, str]) -> str | None:
        """Return a URL on another origin that serves the object, or None if the hub must serve it.

        ``headers`` may name ``content-type``, ``content-disposition`` and ``cache-control``: the
        answer to the URL carries them.
        """

    def presign_range(self, key: str, start: int, length: int, *, expires_s: int) -> str | None:
        """Return a URL on another origin that serves ``length`` bytes from ``start``, or None.

        The URL is good for a GET whose ``Range`` header is exactly ``bytes=start-end`` (end inclusive).
        """

    def presign_put(self, key: str, *, size_bytes: int, expires_s: int) -> PresignedPut | None:
        """Return the permission to write ``size_bytes`` to ``key``, once if the store can say so, or None."""

    def check(self) -> None:
        """Raise Unavailable unless the store can be read and written now."""

    def sweep(self, older_than_s: float) -> int:
        """Remove what crashed writes left half done, untouched for ``older_than_s`` seconds; returns how much.

        Choose an age that no live write reaches: days, not minutes. Objects are never touched.
        """

    def close(self) -> None:
        """Give back connections and threads."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One e-mail to one person. ``sender`` and ``recipient`` are addresses, with a name before it or without.

    ``message_id`` stays the same where a letter is sent again, so that receivers can drop the second.
    """

    sender: str
    recipient: str
    subject: str
    text: str
    html: str | None
    message_id: str
    headers: Mapping[str, str]


class Mailer(Protocol):
    """Takes letters and sees to it that they go out. All methods are synchronous and thread-safe."""

    def send(self, letter: Letter) -> None:
        """Take one letter over, durably: once this returned nobody needs to try again.

        Raises: Unavailable where a later try may help; LetterRefused where none does.
        """

    def check(self) -> None:
        """Raise Unavailable unless letters can be taken now."""

    def close(self) -> None:
        """Give back what is held."""

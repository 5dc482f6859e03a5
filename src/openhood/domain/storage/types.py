"""What large files are to the rest of the product: objects, uploads under way, listings, locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from openhood.base.names import Sha256


@dataclass(frozen=True, slots=True)
class LfsObject:
    """A verified object; ``key`` is where its bytes lie in the object store."""

    sha256: Sha256
    size_bytes: int
    key: str


@dataclass(frozen=True, slots=True)
class Upload:
    """Permission to bring one object into one repository, good until ``expires_at``.

    ``part_bytes`` 0 means a single stream, else the size of every part but the last.
    ``store_state`` is the store's handle of a multipart write once its first part arrived.
    """

    id: str
    repo: int
    user: int
    sha256: Sha256
    size_bytes: int
    part_bytes: int
    key: str
    store_state: str | None
    expires_at: datetime

    @property
    def part_count(self) -> int:
        """How many parts make up the object; 0 for an empty one."""
        return -(-self.size_bytes // self.part_bytes) if self.part_bytes else 0

    def part_span(self, number: int) -> tuple[int, int]:
        """Return offset and length in bytes of part ``number``, which is from 1 to `part_count`."""
        offset = (number - 1) * self.part_bytes
        return offset, min(self.part_bytes, self.size_bytes - offset)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one object of a batch cannot be moved; ``status`` is an HTTP status."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class PlannedUpload:
    """What a client that wants to upload an object should do: nothing when both are None."""

    sha256: Sha256
    size_bytes: int
    upload: Upload | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """The answer to a batch of wished uploads; ``is_multipart`` holds for all of them alike."""

    is_multipart: bool
    objects: tuple[PlannedUpload, ...]


@dataclass(frozen=True, slots=True)
class PlannedDownload:
    """An object to download: ``url`` on another origin, else ``token`` for the hub's own, or a refusal."""

    sha256: Sha256
    size_bytes: int
    url: str | None = None
    token: str | None = None
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class UploadTicket:
    """What the signed link of an upload says: enough to answer for an upload that is over."""

    upload: str
    repo: int
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class LfsFile:
    """One path that names or named an object; ``file_oid`` identifies the pair of both."""

    file_oid: str
    path: str
    sha256: Sha256
    size_bytes: int
    ref: str | None
    pushed_at: datetime


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody's claim to be the only one changing a path. ``number`` orders locks."""

    number: int
    id: str
    path: str
    owner: int
    owner_name: str
    locked_at: datetime

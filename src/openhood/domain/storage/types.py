"""What large files are to the rest of the product: objects, uploads under way, listings, locks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openhood.base.names import Sha256, XetHash


@dataclass(frozen=True, slots=True)
class LfsObject:
    """A verified object, wherever its bytes are: whole under ``key``, as the Xet file ``xet_hash``, or both."""

    sha256: Sha256
    size_bytes: int
    key: str | None
    xet_hash: XetHash | None = None


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
    """What a client that wants to upload an object should do: nothing when there is no other fact.

    ``by_xet``: send its chunks to the CAS.
    """

    sha256: Sha256
    size_bytes: int
    upload: Upload | None = None
    by_xet: bool = False
    refusal: Refusal | None = None


@dataclass(frozen=True, slots=True)
class UploadPlan:
    """The answer to a batch of wished uploads; ``transfer`` holds for all of them alike."""

    transfer: Literal["basic", "multipart", "xet"]
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
    """One path that names or named an object; ``file_oid`` identifies the pair of both.

    ``xet_hash`` is the object's as a Xet file, where it is one and that was asked for.
    """

    file_oid: str
    path: str
    sha256: Sha256
    size_bytes: int
    ref: str | None
    pushed_at: datetime
    xet_hash: XetHash | None = None


@dataclass(frozen=True, slots=True)
class Lock:
    """Somebody's claim to be the only one changing a path. ``number`` orders locks."""

    number: int
    id: str
    path: str
    owner: int
    owner_name: str
    locked_at: datetime

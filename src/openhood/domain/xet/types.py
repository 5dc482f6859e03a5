"""What chunk-level storage is to the rest of the product: xorbs, files made of them, and who is transferring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openhood.base.names import Sha256, XetHash
from openhood.engines.xet.xorb import footer_bytes

XorbState = Literal["live", "condemned", "damaged"]


@dataclass(frozen=True, slots=True)
class Xorb:
    """A stored, verified xorb. ``stored_bytes`` are its chunks with their headers; its footer comes after them.

    ``condemned``: no file needs it and no client may count on it, so it will be deleted unless named again.
    ``damaged``: its bytes rotted; whoever sends it again heals it.
    """

    id: int
    hash: XetHash
    chunk_count: int
    raw_bytes: int
    stored_bytes: int
    key: str
    state: XorbState
    state_since: datetime
    lease_until: datetime
    verified_at: datetime

    @property
    def size_bytes(self) -> int:
        """Its length as an object in the store: chunks and footer."""
        return self.stored_bytes + footer_bytes(self.chunk_count)


@dataclass(frozen=True, slots=True)
class XetFile:
    """A file as terms over xorbs; ``terms`` is packed as `engines.xet.terms` says."""

    hash: XetHash
    sha256: Sha256
    size_bytes: int
    terms: bytes


@dataclass(frozen=True, slots=True)
class Pass:
    """What a CAS token says: a user (0: nobody) may read, or also write, the chunks of one repository.

    ``gate`` is the number of the access request by which its user passed the gate; 0: by none.
    """

    user: int
    repo: int
    may_write: bool
    gate: int = 0


@dataclass(frozen=True, slots=True)
class Scope:
    """The repository behind a pass as it is now: its owner, and in which domains it takes part in dedup.

    ``ask`` are the domains whose chunks its uploaders may learn of; ``tell`` is the one that its own chunks are
    noted in, None for none. Domain 0 is everybody's, any other is that account's.
    """

    repo: int
    owner: int
    ask: tuple[int, ...]
    tell: int | None


@dataclass(frozen=True, slots=True)
class Grant:
    """Permission to write one xorb to the object store directly, good until ``expires_at``."""

    id: str
    repo: int
    xorb: XetHash
    size_bytes: int
    expires_at: datetime

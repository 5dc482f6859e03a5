"""Terms: the runs of chunks that a file is made of, and the form in which a list of them is kept.

A packed list has no header; each term takes 44 bytes, all numbers little-endian:

======  =====  ==========================================
offset  bytes  meaning
======  =====  ==========================================
0       32     digest of the xorb
32      4      raw bytes of the run
36      4      number of its first chunk in the xorb
40      4      number of the chunk after its last
======  =====  ==========================================
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_TERM = struct.Struct("<32sIII")
TERM_BYTES = _TERM.size


@dataclass(frozen=True, slots=True)
class Term:
    """The chunks ``first`` to ``end`` (exclusive) of xorb ``xorb`` (a digest): ``raw_bytes`` of a file."""

    xorb: bytes
    raw_bytes: int
    first: int
    end: int


def pack_terms(terms: Iterable[Term]) -> bytes:
    """Return the kept form of a list of terms."""
    return b"".join(_TERM.pack(term.xorb, term.raw_bytes, term.first, term.end) for term in terms)


def unpack_terms(packed: bytes) -> Iterator[Term]:
    """Yield the terms of a kept list."""
    for fields in _TERM.iter_unpack(packed):
        yield Term(*fields)

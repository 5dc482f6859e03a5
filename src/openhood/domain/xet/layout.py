"""Where the bytes of a file lie: its terms with their places, and runs of chunks that cover a part of it.

Pure arithmetic over terms and chunk lists; reading them is in `reading`, handing them to clients in
`reconstruction`.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy

from openhood.base.errors import CorruptObject
from openhood.engines.xet.hashing import DIGEST_BYTES, to_text
from openhood.engines.xet.terms import TERM_BYTES, Term, pack_terms, unpack_terms
from openhood.engines.xet.xorb import XorbIndex


class Layout:
    """The terms of a file, packed, with where each ends in the file."""

    __slots__ = ("_ends", "_packed", "xorbs")

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        fields = numpy.frombuffer(packed, numpy.dtype("<u4")).reshape(-1, TERM_BYTES // 4)
        self._ends = array("Q", numpy.cumsum(fields[:, DIGEST_BYTES // 4], dtype=numpy.uint64).tobytes())
        self.xorbs = tuple(
            dict.fromkeys(packed[at : at + DIGEST_BYTES] for at in range(0, len(packed), TERM_BYTES))
        )
        """The digests of the xorbs that the file needs, in the order in which it needs them first."""

    @classmethod
    def of(cls, terms: Iterable[Term]) -> Layout:
        """Return the layout of a file of these terms."""
        return cls(pack_terms(terms))

    @property
    def size_bytes(self) -> int:
        """Length of the file."""
        return self._ends[-1] if self._ends else 0

    @property
    def weight(self) -> int:
        """What it takes of memory, about, in bytes."""
        return 400 + len(self._packed) + 8 * len(self._ends) + 80 * len(self.xorbs)

    def term(self, number: int) -> Term:
        """Return a term."""
        return next(unpack_terms(self._packed[number * TERM_BYTES : (number + 1) * TERM_BYTES]))

    def terms(self, first: int, end: int) -> Iterator[Term]:
        """Yield the terms ``first`` to ``end`` (exclusive)."""
        return unpack_terms(self._packed[first * TERM_BYTES : end * TERM_BYTES])

    def start_of(self, number: int) -> int:
        """Return where a term begins in the file."""
        return self._ends[number - 1] if number else 0

    def term_at(self, offset: int) -> int:
        """Return the number of the term that holds this byte of the file."""
        return bisect_right(self._ends, offset)


class Cut(NamedTuple):
    """The chunks ``first`` to ``end`` (exclusive) of ``xorb`` (a digest): what a range needs of one term.

    ``raw_bytes`` is their length, ``skip_bytes`` how many of them lie before the range, and only the first cut
    of a range has such.
    """

    xorb: bytes
    first: int
    end: int
    raw_bytes: int
    skip_bytes: int


def cut(layout: Layout, index_of: Callable[[bytes], XorbIndex], start: int, length: int) -> Iterator[Cut]:
    """Yield what covers ``length`` bytes from ``start``, both inside the file, a term at a time.

    Raises: CorruptObject where a term does not fit its xorb, and what ``index_of`` raises.
    """
    end = start + length
    number = layout.term_at(start)
    place = layout.start_of(number)
    for term in layout.terms(number, layout.term_at(end - 1) + 1) if length else ():
        index = index_of(term.xorb)
        check_term(term, index)
        first, last, raw_bytes, skip_bytes = term.first, term.end, term.raw_bytes, 0
        # Only the first and the last term can be needed in part.
        if start > place or end < place + raw_bytes:
            base = index.raw_start(term.first) - place
            if start > place:
                first = index.chunk_at(base + start)
                skip_bytes = base + start - index.raw_start(first)
            if end < place + raw_bytes:
                last = index.chunk_at(base + end - 1) + 1
            raw_bytes = index.raw_size(first, last)
        yield Cut(term.xorb, first, last, raw_bytes, skip_bytes)
        place += term.raw_bytes


def check_term(term: Term, index: XorbIndex) -> None:
    """Raise CorruptObject unless the term names chunks that the xorb has, of the length it says."""
    if term.first < term.end <= index.chunk_count and index.raw_size(term.first, term.end) == term.raw_bytes:
        return
    raise CorruptObject(f"A term names chunks that xorb {to_text(term.xorb)} does not have like that.")

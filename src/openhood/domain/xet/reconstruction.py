"""How a file, or a part of it, is put together: its terms cut to the chunks needed, and where those lie in xorbs.

Only for files whose content the pass's repository holds; any other is like one that does not exist. The form of
the answers is the door's, the permission to fetch the bytes is made in `fetching`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from openhood.base.errors import NotFound
from openhood.base.names import XetHash
from openhood.domain.services import Services
from openhood.domain.xet import passes, reading, rows
from openhood.domain.xet.layout import cut
from openhood.domain.xet.reading import FileReader
from openhood.domain.xet.types import Pass
from openhood.engines.xet.hashing import to_text
from openhood.engines.xet.xorb import XorbIndex


class NeededTerm(NamedTuple):
    """The chunks ``first`` to ``end`` (exclusive) of a xorb, ``raw_bytes`` of the file."""

    xorb: XetHash
    raw_bytes: int
    first: int
    end: int


class NeededRun(NamedTuple):
    """The chunks ``first`` to ``end`` (exclusive), which are ``length`` bytes from ``start`` of the stored xorb."""

    first: int
    end: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class NeededXorb:
    """A xorb under its key, and the runs of it that are needed: sorted, with a gap between any two."""

    name: XetHash
    key: str
    runs: tuple[NeededRun, ...]


@dataclass(frozen=True, slots=True)
class Reconstruction:
    """What makes up a part of a file, which begins ``skip_bytes`` after the start of the first term.

    The chunks of each term lie in one run of its xorb.
    """

    skip_bytes: int
    terms: tuple[NeededTerm, ...]
    xorbs: tuple[NeededXorb, ...]


def open_file(sv: Services, given: Pass, name: XetHash) -> FileReader:
    """Return the file, if the pass's repository holds it. Opens read units. Raises NotFound, Forbidden."""
    passes.check_gate(sv, given)
    reader = reading.open_file(sv, given.repo, name)
    if reader is None:
        raise NotFound(f"This repository has no file with the Xet hash {name}.")
    return reader


def find_size(sv: Services, given: Pass, name: XetHash) -> int:
    """Return the length of a file that the pass's repository holds. Opens read units. Raises NotFound, Forbidden."""
    passes.check_gate(sv, given)
    with sv.db.read() as tx:
        size = rows.get_linked_size(tx, given.repo, name)
    if size is None:
        raise NotFound(f"This repository has no file with the Xet hash {name}.")
    return size


def reconstruct(reader: FileReader, *, start: int, length: int) -> Reconstruction:
    """Say what makes up ``length`` bytes from ``start``, both inside the file. May open read units.

    Raises: CorruptObject, ObjectMissing, Unavailable.
    """
    names: dict[bytes, XetHash] = {}
    runs: dict[bytes, list[tuple[int, int]]] = {}
    indexes: dict[bytes, XorbIndex] = {}

    def index_of(xorb: bytes) -> XorbIndex:
        found = indexes.get(xorb)
        if found is None:
            found = indexes[xorb] = reader.index_of(xorb)
        return found

    terms: list[NeededTerm] = []
    skip_bytes = 0
    for piece in cut(reader.layout, index_of, start, length):
        name = names.get(piece.xorb)
        if name is None:
            name = names[piece.xorb] = to_text(piece.xorb)
            runs[piece.xorb] = []
        if not terms:
            skip_bytes = piece.skip_bytes
        terms.append(NeededTerm(name, piece.raw_bytes, piece.first, piece.end))
        runs[piece.xorb].append((piece.first, piece.end))
    xorbs = tuple(
        NeededXorb(names[xorb], reader.xorb_of(xorb).key, _merge(indexes[xorb], wanted))
        for xorb, wanted in runs.items()
    )
    return Reconstruction(skip_bytes, tuple(terms), xorbs)


def _merge(index: XorbIndex, wanted: Iterable[tuple[int, int]]) -> tuple[NeededRun, ...]:
    """Join runs that overlap or touch: clients look for each term in one run, and fetch no byte twice."""
    merged: list[tuple[int, int]] = []
    for first, end in sorted(wanted):
        if merged and first <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((first, end))
    return tuple(NeededRun(first, end, *index.stored_span(first, end)) for first, end in merged)

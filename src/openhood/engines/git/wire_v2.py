"""The part of git's protocol version 2 the hub answers itself: listing refs.

Everything else of version 2 (fetch) is left to ``git upload-pack``. Which refs exist is the caller's.
**Source**: git ``Documentation/gitprotocol-v2.txt``, ``ls-refs.c``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from openhood.base.errors import BadRequest
from openhood.engines.git.snapshot import SnapshotRef
from openhood.engines.git.wire import FLUSH, Marker, PktReader, pkt

# git's own bound (`ls-refs.c::TOO_MANY_PREFIXES`): more prefixes than this are as good as none.
_MAX_PREFIXES = 65536


@dataclass(frozen=True, slots=True)
class LsRefs:
    """What an ``ls-refs`` command asks for; no prefixes means every ref."""

    peel: bool
    symrefs: bool
    unborn: bool
    prefixes: tuple[str, ...]

    def wants(self, name: str) -> bool:
        """Tell whether the answer includes ``name``."""
        return not self.prefixes or name.startswith(self.prefixes)

    def asks_below(self, prefix: str) -> bool:
        """Tell whether the client named ``prefix``, or something below it, on purpose."""
        return any(each.startswith(prefix) for each in self.prefixes)


def parse_ls_refs(reader: PktReader) -> LsRefs | None:
    """Read a request; None when it is another command than ``ls-refs`` (or asks for other hashes than SHA-1).

    Raises BadRequest on garbage.
    """
    words: list[str] = []
    while isinstance(line := reader.read(), bytes):
        words.append(line.decode("utf-8", "replace").removesuffix("\n"))
    if "command=ls-refs" not in words or any(
        word.startswith("object-format=") and word != "object-format=sha1" for word in words
    ):
        return None
    args: list[str] = []
    if line is Marker.DELIM:
        while isinstance(line := reader.read(), bytes):
            args.append(line.decode("utf-8", "surrogateescape").removesuffix("\n"))
    if line is not Marker.FLUSH:
        raise BadRequest("The git request ended early.")
    prefixes: list[str] = []
    for arg in args:
        if arg.startswith("ref-prefix "):
            prefixes.append(arg.removeprefix("ref-prefix "))
        elif arg not in ("peel", "symrefs", "unborn"):
            raise BadRequest(f"Unexpected argument of ls-refs: {arg[:100]!r}.")
    return LsRefs(
        peel="peel" in args,
        symrefs="symrefs" in args,
        unborn="unborn" in args,
        prefixes=tuple(prefixes) if len(prefixes) < _MAX_PREFIXES else (),
    )


def ls_refs_answer(request: LsRefs, refs: Iterable[SnapshotRef], *, head: str) -> bytes:
    """Return the answer to ``request``; ``refs`` are sorted by name, ``head`` is the ref that HEAD names."""
    lines: list[bytes] = []
    head_oid = None
    for ref in refs:
        if ref.name == head:
            head_oid = ref.oid
        if not request.wants(ref.name):
            continue
        peeled = f" peeled:{ref.peeled}" if request.peel and ref.peeled not in (None, ref.oid) else ""
        lines.append(pkt(f"{ref.oid} {ref.name}{peeled}\n"))
    first = b""
    if request.wants("HEAD"):
        target = f" symref-target:{head}" if request.symrefs else ""
        if head_oid is not None:
            first = pkt(f"{head_oid} HEAD{target}\n")
        elif request.unborn:
            first = pkt(f"unborn HEAD{target}\n")
    return b"".join([first, *lines, FLUSH])

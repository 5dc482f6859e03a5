"""Git objects as values: commits, tags, trees, and their exact bytes in both directions.

Nothing here reads a repository; `store` looks objects up and `packs` writes them.

Layout of a tree object, repeated per entry, in git order (a directory sorts as ``name/``):

========  ======================================================
bytes     meaning
========  ======================================================
5 or 6    mode in octal ASCII without leading zero
1         space
1..n      name, any bytes but NUL and ``/``
1         NUL
20        raw object id
========  ======================================================
"""

from __future__ import annotations

import hashlib
import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone

from openhood.base.errors import CorruptObject
from openhood.base.names import Oid

MODE_FILE = 0o100644
MODE_EXEC = 0o100755
MODE_LINK = 0o120000
MODE_DIR = 0o040000
MODE_SUBMODULE = 0o160000

_KIND_MASK = 0o170000
_IDENT_FORBIDDEN = re.compile(r"[<>\x00-\x1f\x7f]")
# git's own `strbuf_addstr_without_crud`: these may not begin or end a name.
_IDENT_CRUD = " .,:;<>\"\\'"
_IDENT = re.compile(rb"\s*(.*?)\s*<([^>]*)>?\s*(-?\d+)?\s*([+-]\d{1,4})?", re.DOTALL)
_TREE_ENTRY = re.compile(rb"([0-7]{1,7}) ([^\0]+)\0(.{20})", re.DOTALL)
_MAX_EPOCH_S = 253_402_300_799 - 86_400 * 2  # the end of the year 9999, in any time zone


class MissingGitObject(CorruptObject):
    """No pack of the object directory holds this object id."""

    def __init__(self, oid: str) -> None:
        super().__init__(f"The git object {oid} is missing.", oid=oid)
        self.oid = oid


@dataclass(frozen=True, slots=True)
class Signature:
    """Who wrote or committed, and when (aware, to the second)."""

    name: str
    email: str
    when: datetime


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """A parsed commit; ``message`` is text as the author wrote it, trailing newline included."""

    oid: Oid
    tree: Oid
    parents: tuple[Oid, ...]
    author: Signature
    committer: Signature
    message: str

    @property
    def title(self) -> str:
        """The first line of the message."""
        return self.message.lstrip("\n").partition("\n")[0].strip()

    @property
    def body(self) -> str:
        """The message after its first line, stripped."""
        return self.message.lstrip("\n").partition("\n")[2].strip()


@dataclass(frozen=True, slots=True)
class TreeEntry:
    """One name in a tree; bytes of ``name`` that are not UTF-8 are kept as surrogate escapes."""

    name: str
    mode: int
    oid: Oid

    @property
    def is_dir(self) -> bool:
        """Whether the entry is a sub-tree."""
        return is_dir_mode(self.mode)


def is_dir_mode(mode: int) -> bool:
    """Tell whether a tree entry's mode means a sub-tree."""
    return mode & _KIND_MASK == MODE_DIR


def is_file_mode(mode: int) -> bool:
    """Tell whether a mode means a regular or executable file (not a link, directory or submodule)."""
    return mode & _KIND_MASK == 0o100000


def name_bytes(name: str) -> bytes:
    """Return the bytes git stores for a name or path held as surrogate-escaped text."""
    return name.encode("utf-8", "surrogateescape")


def name_text(raw: bytes) -> str:
    """Return a name or path as text, keeping bytes that are not UTF-8 as surrogate escapes."""
    return raw.decode("utf-8", "surrogateescape")


def display_name(name: str) -> str:
    """Return ``name`` with bytes that are not UTF-8 shown as U+FFFD, safe for JSON and HTML."""
    if name.isascii():
        return name
    return name_bytes(name).decode("utf-8", "replace")


def object_oid(kind: str, data: bytes) -> Oid:
    """Return the id git gives to ``data`` stored as ``kind`` (blob, tree, commit or tag)."""
    digest = hashlib.sha1(b"%s %d\0" % (kind.encode("ascii"), len(data)), usedforsecurity=False)
    digest.update(data)
    return Oid(digest.hexdigest())


# Commits and tags


def encode_commit(
    *, tree: Oid, parents: Sequence[Oid], author: Signature, committer: Signature, message: str
) -> bytes:
    """Return the bytes of a commit object; unfit characters in identities and NULs are dropped.

    A final newline is added to ``message`` when it has none, as ``git commit`` does.
    """
    lines = [f"tree {tree}".encode("ascii")]
    lines += [f"parent {parent}".encode("ascii") for parent in parents]
    lines.append(b"author " + _encode_signature(author))
    lines.append(b"committer " + _encode_signature(committer))
    return b"\n".join(lines) + b"\n\n" + _encode_message(message)


def encode_tag(*, target: Oid, target_type: str, name: str, tagger: Signature, message: str) -> bytes:
    """Return the bytes of an annotated tag object; ``name`` is the tag's short name."""
    head = f"object {target}\ntype {target_type}\ntag {name}\n".encode()
    return head + b"tagger " + _encode_signature(tagger) + b"\n\n" + _encode_message(message)


def decode_commit(oid: Oid, raw: bytes) -> CommitInfo:
    """Parse the bytes of a commit; odd encodings and identities are repaired, never refused.

    Raises CorruptObject when there is no tree line.
    """
    head, _, message = raw.partition(b"\n\n")
    tree: Oid | None = None
    parents: list[Oid] = []
    author = committer = b""
    encoding = "utf-8"
    for line in head.split(b"\n"):
        key, _, value = line.partition(b" ")
        if key == b"tree" and tree is None:
            tree = Oid(value.decode("ascii", "replace"))
        elif key == b"parent":
            parents.append(Oid(value.decode("ascii", "replace")))
        elif key == b"author" and not author:
            author = value
        elif key == b"committer" and not committer:
            committer = value
        elif key == b"encoding":
            encoding = value.decode("ascii", "replace").strip()
    if tree is None:
        raise CorruptObject(f"The git object {oid} is not a commit.", oid=oid)
    return CommitInfo(
        oid=oid,
        tree=tree,
        parents=tuple(parents),
        author=_decode_signature(author, encoding),
        committer=_decode_signature(committer or author, encoding),
        message=_decode_text(message, encoding),
    )


def decode_tag(oid: Oid, raw: bytes) -> tuple[Oid, str]:
    """Return what an annotated tag points at: the target's id and its kind. Raises CorruptObject."""
    found = re.match(rb"object ([0-9a-f]{40})\ntype ([a-z]+)\n", raw)
    if found is None:
        raise CorruptObject(f"The git object {oid} is not a tag.", oid=oid)
    return Oid(found[1].decode("ascii")), found[2].decode("ascii")


def _encode_signature(signature: Signature) -> bytes:
    name = _IDENT_FORBIDDEN.sub("", signature.name).strip(_IDENT_CRUD) or "unknown"
    email = _IDENT_FORBIDDEN.sub("", signature.email).strip(_IDENT_CRUD)
    when = signature.when if signature.when.tzinfo else signature.when.replace(tzinfo=UTC)
    offset_min = int((when.utcoffset() or timedelta(0)).total_seconds()) // 60
    sign = "-" if offset_min < 0 else "+"
    hours, minutes = divmod(abs(offset_min), 60)
    epoch_s = max(0, int(when.timestamp()))
    return f"{name} <{email}> {epoch_s} {sign}{hours:02d}{minutes:02d}".encode("utf-8", "replace")


def _decode_signature(raw: bytes, encoding: str) -> Signature:
    found = _IDENT.match(raw)
    if found is None:
        return Signature(_decode_text(raw, encoding).strip(), "", datetime.fromtimestamp(0, UTC))
    epoch_s = min(max(0, int(found[3] or 0)), _MAX_EPOCH_S)
    return Signature(
        _decode_text(found[1], encoding),
        _decode_text(found[2], encoding).strip(),
        datetime.fromtimestamp(epoch_s, _zone(found[4] or b"+0000")),
    )


def _zone(raw: bytes) -> timezone:
    digits = int(raw[1:])
    minutes = digits // 100 * 60 + digits % 100
    if minutes >= 24 * 60:
        return UTC
    return timezone(timedelta(minutes=-minutes if raw[:1] == b"-" else minutes))


def _encode_message(message: str) -> bytes:
    text = message.replace("\0", "")
    if text and not text.endswith("\n"):
        text += "\n"
    return text.encode("utf-8", "replace")


def _decode_text(raw: bytes, encoding: str) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        pass
    try:
        text = raw.decode(encoding, "replace")
    except (LookupError, UnicodeError):
        # Python has no such codec, or one that is not for text (`encoding hex`).
        return raw.decode("utf-8", "replace")
    return text.encode("utf-8", "replace").decode("utf-8")


# Trees


def encode_tree(entries: Iterable[TreeEntry]) -> bytes:
    """Return the bytes of a tree object with ``entries`` in git's order."""
    return encode_raw_tree((name_bytes(e.name), e.mode, bytes.fromhex(e.oid)) for e in entries)


def encode_raw_tree(entries: Iterable[tuple[bytes, int, bytes]]) -> bytes:
    """Return the bytes of a tree from (name, mode, raw 20-byte id) in any order."""
    keyed = sorted(
        (name + b"/" if is_dir_mode(mode) else name, mode, name, oid) for name, mode, oid in entries
    )
    return b"".join([b"%o %s\0%s" % (mode, name, oid) for _, mode, name, oid in keyed])


def decode_tree(raw: bytes) -> list[TreeEntry]:
    """Return the entries of a tree in stored order. Raises CorruptObject."""
    return [TreeEntry(name_text(name), mode, Oid(oid.hex())) for name, mode, oid in decode_raw_tree(raw)]


def decode_raw_tree(raw: bytes) -> list[tuple[bytes, int, bytes]]:
    """Return (name, mode, raw 20-byte id) of each entry in stored order. Raises CorruptObject."""
    modes: dict[bytes, int] = {}
    entries = []
    size = 0
    for mode, name, oid in _TREE_ENTRY.findall(raw):
        size += len(mode) + len(name) + 22
        number = modes.get(mode)
        if number is None:
            number = modes[mode] = int(mode, 8)
        entries.append((name, number, oid))
    # findall skips what does not match; nothing may have been skipped.
    if size != len(raw):
        raise CorruptObject("A git tree does not parse.")
    return entries


class RawTree:
    """A tree's bytes with look-ups that parse only what they need.

    `find` and `seek` use a table of entry offsets built on first use (about 0.15 us per entry);
    `read_from` parses lazily, so the first page of a huge directory costs one page.
    """

    __slots__ = ("_offsets", "raw")

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self._offsets: list[int] | None = None

    @property
    def cost_bytes(self) -> int:
        """Roughly the memory this tree may take."""
        return len(self.raw) * 2 + 200

    def find(self, name: str) -> TreeEntry | None:
        """Return the entry called ``name``, or None."""
        wanted = name_bytes(name)
        for key in (wanted, wanted + b"/"):
            at = self._bisect(key)
            if at < len(self._table()) and self._key(self._table()[at]) == key:
                return next(self.read_from(self._table()[at]))
        return None

    def seek(self, key: bytes) -> tuple[int, bool]:
        """Find a sort key (``name`` for a file, ``name/`` for a directory).

        Returns the byte offset of the first entry not before ``key`` and whether it is ``key`` itself.
        """
        table = self._table()
        at = self._bisect(key)
        if at == len(table):
            return len(self.raw), False
        return table[at], self._key(table[at]) == key

    def read_from(self, offset: int) -> Iterator[TreeEntry]:
        """Yield entries lazily from a byte offset that begins one. Raises CorruptObject."""
        raw, match = self.raw, _TREE_ENTRY.match
        while offset < len(raw):
            found = match(raw, offset)
            if found is None:
                raise CorruptObject("A git tree does not parse.")
            mode, name, oid = found.groups()
            yield TreeEntry(name_text(name), int(mode, 8), Oid(oid.hex()))
            offset = found.end()

    def end_of(self, offset: int) -> int:
        """Return the offset just after the entry that begins at ``offset``."""
        return self.raw.index(b"\0", offset) + 21

    def _table(self) -> list[int]:
        # Two threads may build it at once; both build the same.
        if self._offsets is None:
            raw, offsets, position, size = self.raw, [], 0, len(self.raw)
            find = raw.find
            while position < size:
                offsets.append(position)
                end = find(b"\0", position)
                if end < 0 or end + 21 > size:
                    raise CorruptObject("A git tree does not parse.")
                position = end + 21
            self._offsets = offsets
        return self._offsets

    def _bisect(self, key: bytes) -> int:
        return bisect_left(self._table(), key, key=self._key)

    def _key(self, offset: int) -> bytes:
        space = self.raw.index(b" ", offset)
        name = self.raw[space + 1 : self.raw.index(b"\0", space)]
        return name + b"/" if is_dir_mode(int(self.raw[offset:space], 8)) else name

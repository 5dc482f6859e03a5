"""The git smart protocol's pieces the hub speaks itself: pkt-lines, and the server's half of a push.

Fetches are spoken by ``git upload-pack`` (`process`); indexing the pushed pack is `commands`'.

A pkt-line is four hex digits, the length of the whole line in bytes (digits included), and the
payload. ``0000`` is a flush, ``0001`` a delimiter, ``0002`` the end of a response.
**Source**: git ``Documentation/gitprotocol-common.txt``, ``gitprotocol-pack.txt``, ``gitprotocol-http.txt``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from openhood.base.errors import BadRequest
from openhood.base.names import ZERO_OID, Oid, RefName

FLUSH = b"0000"
DELIM = b"0001"
RESPONSE_END = b"0002"

MAX_PKT_BYTES = 65520
MAX_COMMANDS = 10_000
MAX_REF_NAME_BYTES = 1000
MAX_PUSH_OPTIONS = 100

_SIDEBAND_BYTES = MAX_PKT_BYTES - 5
_COMMAND = re.compile(rb"([0-9a-f]{40}) ([0-9a-f]{40}) ([^\x00-\x20\x7f]+)")
_SHALLOW = re.compile(rb"shallow [0-9a-f]{40}")


class Readable(Protocol):
    """A synchronous binary stream; may return fewer bytes than asked for."""

    def read(self, size: int, /) -> bytes:
        """Return at most ``size`` bytes, none at the end."""


class Marker(Enum):
    """What a pkt-line stream holds besides lines."""

    FLUSH = "flush"
    DELIM = "delim"
    RESPONSE_END = "response-end"
    END = "end of stream"


_MARKERS = {0: Marker.FLUSH, 1: Marker.DELIM, 2: Marker.RESPONSE_END}


def pkt(data: bytes | str) -> bytes:
    """Return ``data`` as one pkt-line; the caller adds a newline where the protocol wants one."""
    payload = data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data
    if len(payload) > MAX_PKT_BYTES - 4:
        raise ValueError("a pkt-line holds at most 65516 bytes")
    return b"%04x%s" % (len(payload) + 4, payload)


class PktReader:
    """Reads pkt-lines from a stream, never a byte further than the line asked for."""

    def __init__(self, stream: Readable) -> None:
        self._stream = stream

    def read(self) -> bytes | Marker:
        """Return the next line's payload as sent, or a marker. Raises BadRequest."""
        head = self._exactly(4, may_end=True)
        if not head:
            return Marker.END
        try:
            if not head.isalnum():
                raise ValueError(head)
            length = int(head, 16)
        except ValueError as error:
            raise BadRequest("Not a git pkt-line stream.") from error
        if length in _MARKERS:
            return _MARKERS[length]
        if length < 4 or length > MAX_PKT_BYTES:
            raise BadRequest(f"A git pkt-line cannot be {length} bytes long.")
        return self._exactly(length - 4, may_end=False)

    def lines(self) -> Iterator[bytes]:
        """Yield payloads, without their final newline, up to a flush. Raises BadRequest at any other end."""
        while True:
            line = self.read()
            if line is Marker.FLUSH:
                return
            if isinstance(line, Marker):
                raise BadRequest(f"The git request ended early ({line.value}).")
            yield line.removesuffix(b"\n")

    def _exactly(self, size: int, *, may_end: bool) -> bytes:
        data = b""
        while len(data) < size:
            chunk = self._stream.read(size - len(data))
            if not chunk:
                if may_end and not data:
                    return b""
                raise BadRequest("The git request ended in the middle of a line.")
            data += chunk
        return data


@dataclass(frozen=True, slots=True)
class RefCommand:
    """One wish of a push: move ``name`` from ``old`` to ``new``; ZERO_OID creates or deletes."""

    old: Oid
    new: Oid
    name: RefName

    @property
    def is_create(self) -> bool:
        """Whether the ref should not exist yet."""
        return self.old == ZERO_OID

    @property
    def is_delete(self) -> bool:
        """Whether the ref should go."""
        return self.new == ZERO_OID


@dataclass(frozen=True, slots=True)
class PushRequest:
    """What a push asks for, before its pack.

    No commands at all is git's probe for credentials before a large chunked push: answer 200, empty.
    """

    commands: tuple[RefCommand, ...]
    capabilities: frozenset[str]
    push_options: tuple[str, ...]
    pack_follows: bool


def advertise_receive(refs: Iterable[tuple[str, Oid]], capabilities: Iterable[str], agent: str) -> bytes:
    """Return the body of ``GET info/refs?service=git-receive-pack``.

    *Args*: ``refs`` in the order to show; ``agent`` without the ``agent=`` before it.
    """
    words = " ".join((*capabilities, "object-format=sha1", f"agent={agent}"))
    parts = [pkt("# service=git-receive-pack\n"), FLUSH]
    first = True
    for name, oid in refs:
        parts.append(pkt(f"{oid} {name}\0{words}\n" if first else f"{oid} {name}\n"))
        first = False
    if first:
        parts.append(pkt(f"{ZERO_OID} capabilities^{{}}\0{words}\n"))
    parts.append(FLUSH)
    return b"".join(parts)


def parse_push_commands(reader: PktReader) -> PushRequest:
    """Read a push's commands, up to the first byte of the pack (left unread in the stream).

    Ref names are not checked beyond size and control characters: each bad one deserves its own
    ``ng`` line. Raises BadRequest on garbage and over 10,000 commands.
    """
    commands: list[RefCommand] = []
    capabilities: frozenset[str] | None = None
    for line in reader.lines():
        if _SHALLOW.fullmatch(line):
            # A shallow clone tells where its history ends; connectivity is checked on our side anyway.
            continue
        if capabilities is None:
            line, _, words = line.partition(b"\0")
            line = line.removesuffix(b"\n")
            capabilities = frozenset(words.decode("utf-8", "replace").split())
        if len(commands) >= MAX_COMMANDS:
            raise BadRequest(f"A push may change at most {MAX_COMMANDS} refs.")
        commands.append(_parse_command(line))
    names = {command.name for command in commands}
    if len(names) != len(commands):
        raise BadRequest("A push may name each ref once only.")
    options: tuple[str, ...] = ()
    if capabilities and "push-options" in capabilities:
        options = _read_options(reader)
    return PushRequest(
        commands=tuple(commands),
        capabilities=capabilities or frozenset(),
        push_options=options,
        pack_follows=any(not command.is_delete for command in commands),
    )


def _parse_command(line: bytes) -> RefCommand:
    found = _COMMAND.fullmatch(line)
    if found is None or len(found[3]) > MAX_REF_NAME_BYTES:
        raise BadRequest(f"Not a git push command: {line[:120].decode('utf-8', 'replace')!r}.")
    try:
        name = found[3].decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("A ref name in the push is not UTF-8.") from error
    return RefCommand(Oid(found[1].decode()), Oid(found[2].decode()), RefName(name))


def _read_options(reader: PktReader) -> tuple[str, ...]:
    options: list[str] = []
    for line in reader.lines():
        if len(options) >= MAX_PUSH_OPTIONS:
            raise BadRequest(f"A push may have at most {MAX_PUSH_OPTIONS} options.")
        options.append(line.decode("utf-8", "replace"))
    return tuple(options)


def report_status(
    unpack_error: str | None,
    results: Sequence[tuple[str, str | None]],
    *,
    sideband: bool,
    messages: Sequence[str],
) -> bytes:
    """Return the body that answers a push: per ref ``ok``, or ``ng`` with the reason.

    *Args*: ``unpack_error`` is None when the pack was taken; ``results`` are (ref, error or None);
    ``messages`` are shown by git after ``remote:`` and only reach clients that asked for the side band.
    """
    report = [pkt(f"unpack {_one_line(unpack_error) if unpack_error else 'ok'}\n")]
    for name, error in results:
        report.append(pkt(f"ok {name}\n" if error is None else f"ng {name} {_one_line(error)}\n"))
    report.append(FLUSH)
    body = b"".join(report)
    if not sideband:
        return body
    parts = [part for message in messages for part in _band(2, _progress(message))]
    parts += _band(1, body)
    parts.append(FLUSH)
    return b"".join(parts)


def progress_pkts(messages: Sequence[str]) -> bytes:
    """Return band 2 lines alone, to send while the push is still being worked on."""
    return b"".join(part for message in messages for part in _band(2, _progress(message)))


def error_pkt(message: str) -> bytes:
    """Return the ``ERR`` line with which git shows ``message`` as *remote error* and stops.

    Fits an advertisement (instead of the refs, after the service header) and any upload-pack answer.
    """
    return pkt(f"ERR {_one_line(message)}\n")


def service_header(service: str) -> bytes:
    """Return the two lines before every smart advertisement; ``service`` is ``git-upload-pack`` or so."""
    return pkt(f"# service={service}\n") + FLUSH


def _progress(message: str) -> bytes:
    # git prefixes every line with `remote: ` itself; terminal control characters must not pass.
    lines = ["".join(c for c in line if c.isprintable()) for line in message.splitlines()]
    return "".join(line + "\n" for line in lines).encode("utf-8", "replace")


def _band(number: int, data: bytes) -> Iterator[bytes]:
    for start in range(0, len(data), _SIDEBAND_BYTES):
        yield pkt(bytes([number]) + data[start : start + _SIDEBAND_BYTES])


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000].encode("utf-8", "replace").decode("utf-8")

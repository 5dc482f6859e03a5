"""Answering with the bytes of a file: conditions, ranges, and a steady flow from memory, disk or the store.

Which file it is and who may read it is decided before; nothing here knows repositories. Framework file
responses are not used: they cost several times the processor time for a range of a large file.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO, ClassVar, Protocol, TypeVar

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from openhood.base.errors import HubError, ObjectMissing, RangeNotSatisfiable
from openhood.base.ports import ObjectStore
from openhood.domain.services import Services
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import joining
from openhood.domain.xet.joining import BlockReader
from openhood.domain.xet.reading import Block, usual_size
from openhood.http.context import Call

T = TypeVar("T")

CHUNK_BYTES = 256 * 1024
"""What is read and sent at once; larger chunks cost memory per download and gain little."""
MAX_RANGES = 64
"""A request for more ranges than this is answered with the whole file, as RFC 9110 14.2 allows."""
WINDOW_BYTES = 8 * 1024 * 1024
"""Largest piece fetched from a remote store at once; two of them are held per download."""
RELAY_BYTES = 32 * 1024 * 1024
"""Memory for pieces of a remote store, over all downloads of this process."""
_SMALLEST_WINDOW_BYTES = 512 * 1024
_FIRST_WINDOW_BYTES = 1024 * 1024
DECODED_BYTES = 48 * 1024 * 1024
"""Memory for decoded blocks, over all downloads of this process; more than that only where there are very many."""
READ_AHEAD = 2
"""Blocks of one download that are decoded while another one is sent."""
_SMALLEST_BLOCK_BYTES = 256 * 1024
_PLANNED_AT_ONCE = 16
_RANGE_GAP_BYTES = 80  # ranges closer than a part's own header are joined
_NOWAIT = getattr(os, "RWF_NOWAIT", None)


class PreconditionFailed(HubError):
    """``If-Match`` names another version of the file."""

    status = 412

    def __init__(self) -> None:
        super().__init__("The file is not the version that If-Match asks for.")


@dataclass(frozen=True, slots=True)
class Span:
    """``length`` bytes from ``start``."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first position after the span."""
        return self.start + self.length

    def content_range(self, size: int) -> str:
        """The value of ``Content-Range`` for this span of ``size`` bytes."""
        return f"bytes {self.start}-{self.end - 1}/{size}"


# --- what is asked for ----------------------------------------------------------------------


def parse_ranges(header: str | None, size: int) -> tuple[Span, ...]:
    """Return the spans a ``Range`` header asks for of ``size`` bytes; none means the whole file.

    Spans keep the client's order unless some overlap or nearly touch: then all are sorted and joined. A header that is malformed, of another unit or of too many ranges counts as absent.

    Raises: RangeNotSatisfiable when every range lies past the end.
    **Source**: RFC 9110 sections 14.1 and 14.2.
    """
    if header is None:
        return ()
    unit, equals, specs = header.partition("=")
    if not equals or unit.strip().lower() != "bytes":
        return ()
    parts = [part.strip() for part in specs.split(",")]
    parts = [part for part in parts if part]
    if not parts or len(parts) > MAX_RANGES:
        return ()
    spans: list[Span] = []
    for part in parts:
        first, dash, last = part.partition("-")
        first, last = first.strip(), last.strip()
        if not dash or not _is_number_or_empty(first) or not _is_number_or_empty(last) or not (first or last):
            return ()
        if not first:
            length = min(int(last), size)
            if length:
                spans.append(Span(size - length, length))
            elif size == 0 and int(last):
                return ()  # the last bytes of nothing are all of it
            continue
        start = int(first)
        if last and int(last) < start:
            return ()
        if start < size:
            stop = min(int(last) + 1, size) if last else size
            spans.append(Span(start, stop - start))
    if not spans:
        raise RangeNotSatisfiable("The requested range lies past the end of the file.", size=size)
    return _join(spans)


def _is_number_or_empty(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and len(text) < 20)


def _join(spans: Sequence[Span]) -> tuple[Span, ...]:
    ordered = sorted(spans, key=lambda span: span.start)
    joined: list[Span] = []
    for span in ordered:
        if joined and span.start <= joined[-1].end + _RANGE_GAP_BYTES:
            before = joined.pop()
            joined.append(Span(before.start, max(before.end, span.end) - before.start))
        else:
            joined.append(span)
    return tuple(spans) if len(joined) == len(spans) else tuple(joined)


def matches(header: str, etag: str, *, weak: bool) -> bool:
    """Tell whether an ``If-Match`` or ``If-None-Match`` header names ``etag`` (a quoted strong one).

    ``weak``: a tag marked ``W/`` counts too.
    """
    if header.strip() == "*":
        return True
    for candidate in header.split(","):
        tag = candidate.strip()
        if weak:
            tag = tag.removeprefix("W/")
        if tag == etag:
            return True
    return False


# --- where bytes come from ------------------------------------------------------------------


class Body(Protocol):
    """The bytes of a file, ready to be sent."""

    async def send(self, span: Span, out: Outlet) -> None:
        """Send the bytes of ``span``; stops early when the client is gone."""


class Outlet:
    """The way to one client: how to send, how to work in a thread, and whether anybody still listens."""

    def __init__(self, send: Send, call: Call) -> None:
        self._send = send
        self._call = call
        self.is_gone = False

    async def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send a piece of the body; waits while the client is slower than we are."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def in_thread(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a worker thread."""
        return await self._call.threads.run(work)


class InMemory:
    """Bytes at hand."""

    def __init__(self, data: bytes | memoryview) -> None:
        self._data = data

    async def send(self, span: Span, out: Outlet) -> None:
        """See `Body.send`."""
        if span.length <= CHUNK_BYTES:
            await out.write(self._data[span.start : span.end])
            return
        view = memoryview(self._data)
        for start in range(span.start, span.end, CHUNK_BYTES):
            if out.is_gone:
                return
            await out.write(view[start : min(start + CHUNK_BYTES, span.end)])


class LocalFile:
    """An open file of this machine, closed when nobody holds this object any more.

    It is not closed by hand: a worker thread may still be reading when the client's task ends, and a number
    closed under it could be another file's by then. Raises: ObjectMissing where there is no such file.
    """

    _can_ask_cache: ClassVar[bool] = _NOWAIT is not None

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError as error:
            raise ObjectMissing(path.name) from error

    @classmethod
    def spooled(cls, spool: IO[bytes]) -> LocalFile:
        """Take over an open temporary file, which is closed here."""
        made = cls.__new__(cls)
        made._descriptor = os.dup(spool.fileno())
        spool.close()
        return made

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    async def send(self, span: Span, out: Outlet) -> None:
        """See `Body.send`."""
        position = span.start
        while position < span.end and not out.is_gone:
            wanted = min(CHUNK_BYTES, span.end - position)
            data = self._read_cached(position, wanted)
            if data is None:
                data = await out.in_thread(lambda at=position, size=wanted: self._read(at, size))  # type: ignore[misc]  # mypy cannot see through the defaults
            if not data:
                raise EOFError("A file became shorter while it was sent.")
            await out.write(data)
            position += len(data)

    def _read(self, position: int, size: int) -> bytes:
        return os.pread(self._descriptor, size, position)

    def _read_cached(self, position: int, size: int) -> bytearray | bytes | memoryview | None:
        """Return what the page cache holds from ``position`` on, or None if the disk must be asked."""
        if not LocalFile._can_ask_cache or _NOWAIT is None:
            return None
        buffer = bytearray(size)
        try:
            got = os.preadv(self._descriptor, [buffer], position, _NOWAIT)
        except BlockingIOError:
            return None
        except OSError:
            LocalFile._can_ask_cache = False  # a file system that cannot tell
            return None
        return buffer if got == size else memoryview(buffer)[:got]


class Relay:
    """An object of a remote store, fetched in windows: one on its way to the client, one on its way to us.

    The first window of ``span`` is fetched at once, so that a store that fails is an error and no broken answer.
    Blocks. Raises: ObjectMissing, Unavailable.
    """

    _running: ClassVar[int] = 0

    def __init__(self, store: ObjectStore, key: str, span: Span) -> None:
        self._store = store
        self._key = key
        self._first: bytes | None = None
        self._first_at = span.start
        # Short: many downloads may begin in one moment, before any of them is counted.
        self._first = self._get(span.start, min(span.end, span.start + _FIRST_WINDOW_BYTES))

    async def send(self, span: Span, out: Outlet) -> None:
        """See `Body.send`."""
        Relay._running += 1
        ahead: asyncio.Task[bytes] | None = None
        try:
            position = span.start
            data, self._first = self._first, None
            if data is None or self._first_at != position:
                data = await out.in_thread(lambda: self._get(span.start, span.end))
            while not out.is_gone:
                if not data:
                    raise EOFError("An object became shorter while it was sent.")
                position += len(data)
                if position < span.end:
                    ahead = asyncio.ensure_future(
                        out.in_thread(lambda at=position: self._get(at, span.end))  # type: ignore[misc]  # mypy cannot see through the default
                    )
                await InMemory(data).send(Span(0, len(data)), out)
                if ahead is None or position >= span.end:
                    return
                data = await ahead
        finally:
            Relay._running -= 1
            if ahead is not None and not ahead.done():
                ahead.cancel()

    def _get(self, position: int, end: int) -> bytes:
        share = RELAY_BYTES // (2 * max(1, Relay._running))
        size = min(end - position, max(_SMALLEST_WINDOW_BYTES, min(WINDOW_BYTES, share)))
        return self._store.get_range(self._key, position, size)


class Decoded:
    """A file joined from chunks: some blocks are decoded in threads while one is on its way to the client.

    The first block is decoded at once, so that damaged bytes are an error and no broken answer; later ones break it
    off. Blocks. Raises: CorruptObject, ObjectMissing, Unavailable.
    """

    _running: ClassVar[int] = 0

    def __init__(self, reader: BlockReader, span: Span) -> None:
        self._reader = reader
        self._has_begun = False
        self._opened: tuple[Span, _Opened] | None = span, self._open(span)

    async def send(self, span: Span, out: Outlet) -> None:
        """See `Body.send`."""
        at_hand, self._opened = self._opened, None
        if at_hand is not None and at_hand[0] == span:
            opened = at_hand[1]
        else:
            opened = await out.in_thread(lambda: self._open(span))
        del at_hand
        Decoded._running += 1
        ahead = _Ahead(self._reader, opened, out)
        del opened
        left = span.length
        try:
            while left and not out.is_gone:
                data = await ahead.get(read_ahead=self._read_ahead())
                left -= len(data)
                # In one piece: the larger a piece, the more of it is sent without the interpreter's lock, and
                # the next blocks are decoded meanwhile.
                await out.write(data)
                del data
        finally:
            Decoded._running -= 1
            ahead.close()
            self._reader.close()

    def _open(self, span: Span) -> _Opened:
        plan = self._reader.plan(span.start, span.length, size_of=self._block_bytes)
        first = self._reader.decode(next(plan))
        return _Opened(plan, first, is_all=len(first) == span.length)

    def _block_bytes(self, is_local: bool) -> int:  # the one question there is
        share = DECODED_BYTES // ((2 + READ_AHEAD) * max(1, Decoded._running))
        # Short at first: nothing is sent before it is there.
        usual = usual_size(is_local=is_local or not self._has_begun)
        self._has_begun = True
        return max(_SMALLEST_BLOCK_BYTES, min(usual, share))

    @staticmethod
    def _read_ahead() -> int:
        """Return how many blocks to decode ahead: fewer where many downloads keep the processors busy anyway."""
        return max(0, min(READ_AHEAD, DECODED_BYTES // (_SMALLEST_BLOCK_BYTES * Decoded._running) - 2))


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a span consists of, the first block decoded already; ``is_all``: there are no more."""

    plan: Iterator[Block]
    first: memoryview
    is_all: bool


class _Ahead:
    """The blocks of a span in order, some of them decoded before they are asked for."""

    def __init__(self, reader: BlockReader, opened: _Opened, out: Outlet) -> None:
        self._reader = reader
        self._plan = opened.plan
        self._out = out
        self._first: memoryview | None = opened.first
        self._planned: deque[Block] = deque()
        self._planning: asyncio.Task[list[Block]] | None = None
        self._is_planned = opened.is_all
        self._decoding: deque[asyncio.Task[memoryview]] = deque()

    async def get(self, *, read_ahead: int) -> memoryview:
        """Return the next block, and have up to ``read_ahead`` more being decoded. Raises EOFError after the last."""
        data, self._first = self._first, None
        if data is None:
            self._go_on(max(1, read_ahead))
            while not self._decoding and self._planning is not None:
                await asyncio.wait((self._planning,))
                self._go_on(max(1, read_ahead))
            if not self._decoding:
                raise EOFError("A file became shorter while it was sent.")
            data = await self._decoding[0]
            self._decoding.popleft()
        self._go_on(read_ahead)
        return data

    def _go_on(self, read_ahead: int) -> None:
        if self._planning is not None and self._planning.done():
            found, self._planning = self._planning.result(), None
            self._planned += found
            self._is_planned = len(found) < _PLANNED_AT_ONCE
        if self._planning is None and not self._is_planned and len(self._planned) <= READ_AHEAD:
            work = partial(list[Block], islice(self._plan, _PLANNED_AT_ONCE))
            self._planning = asyncio.ensure_future(self._out.in_thread(work))
        while self._planned and len(self._decoding) < read_ahead:
            work_on = partial(self._reader.decode, self._planned.popleft())
            self._decoding.append(asyncio.ensure_future(self._out.in_thread(work_on)))

    def close(self) -> None:
        """Give up what is still being decoded."""
        for task in (*self._decoding, *([] if self._planning is None else [self._planning])):
            task.cancel()
            # What it raised is of no interest any more, and says so.
            task.add_done_callback(lambda done: done.cancelled() or done.exception())


def content(sv: Services, found: LfsObject, span: Span) -> Body:
    """Return the body of an object, wherever its bytes are, of which ``span`` is sent first.

    Blocks: for worker threads. Raises CorruptObject, ObjectMissing, Unavailable.
    """
    if found.key is not None:
        try:
            return stored(sv.objects, found.key, span)
        except ObjectMissing:
            # The whole copy goes some time after the file was turned into chunks.
            if found.xet_hash is None:
                raise
    source = joining.open_content(sv, found, start=span.start, length=span.length)
    if isinstance(source, Path):
        try:
            return LocalFile(source)
        except ObjectMissing:
            source = joining.open_blocks(sv, found, start=span.start, length=span.length)
    return Decoded(source, span)


def stored(store: ObjectStore, key: str, span: Span) -> Body:
    """Return the body of a stored object of which ``span`` is sent first.

    Blocks: for worker threads. Raises ObjectMissing, Unavailable.
    """
    path = store.local_path(key)
    return Relay(store, key, span) if path is None else LocalFile(path)


# --- the answer -----------------------------------------------------------------------------


class ByteReply(Response):
    """An answer whose body is some spans of a file."""

    def __init__(
        self,
        status: int,
        headers: list[tuple[bytes, bytes]],
        *,
        call: Call,
        body: Body | None = None,
        pieces: Sequence[bytes | Span] = (),
    ) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.background = None
        self.body = b""
        self._call = call
        self._source = body
        self._pieces = pieces

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the head, then the pieces one by one."""
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if self._source is not None:
            out = Outlet(send, self._call)
            if (
                sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in self._pieces)
                > CHUNK_BYTES
            ):
                await self._while_listening(out, receive)
            else:
                await self._send_pieces(out)
            if out.is_gone:
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _send_pieces(self, out: Outlet) -> None:
        source = self._source
        assert source is not None
        for piece in self._pieces:
            if out.is_gone:
                return
            if isinstance(piece, bytes):
                await out.write(piece)
            elif piece.length:
                await source.send(piece, out)

    async def _while_listening(self, out: Outlet, receive: Receive) -> None:
        """Send while a second task notices that the client hung up: servers drop such sends in silence."""

        async def listen() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            out.is_gone = True

        listener = asyncio.ensure_future(listen())
        try:
            await self._send_pieces(out)
        finally:
            listener.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listener


def answer(
    call: Call,
    *,
    size: int,
    etag: str,
    media_type: str,
    headers: Mapping[str, str],
    open_body: Callable[[Span], Body],
) -> Response:
    """Return the answer to a GET or HEAD of a file of ``size`` bytes, its conditions and ranges honoured.

    Blocks where ``open_body`` does; that is called only if bytes will be sent, with the span that comes first.
    *Args*: ``etag`` without quotes; ``headers`` go with every status. *Raises* RangeNotSatisfiable, PreconditionFailed and what
    ``open_body`` raises. Dates are not kept, so ``If-Modified-Since`` never applies.
    """
    asked = call.request.headers
    quoted = f'"{etag}"'
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    raw += [(b"etag", quoted.encode("latin-1")), (b"accept-ranges", b"bytes")]
    if_match = asked.get("if-match")
    if if_match is not None and not matches(if_match, quoted, weak=False):
        raise PreconditionFailed
    if_none_match = asked.get("if-none-match")
    if if_none_match is not None and matches(if_none_match, quoted, weak=True):
        return ByteReply(304, raw, call=call)
    wanted = asked.get("range") if call.method == "GET" else None
    if_range = asked.get("if-range")
    if wanted is not None and if_range is not None and if_range.strip() != quoted:
        wanted = None
    spans: tuple[Span, ...] = ()
    if wanted is not None and size == 0 and wanted.replace(" ", "").lower().startswith("bytes=0-"):
        # huggingface.js asks for `bytes=0-0` of every file, takes 416 for a failure, and reads the size here.
        raw.append((b"content-range", b"bytes */0"))
    else:
        spans = parse_ranges(wanted, size)
    status, length, media, pieces = _plan(spans, size=size, media_type=media_type)
    if len(spans) == 1:
        raw.append((b"content-range", spans[0].content_range(size).encode("ascii")))
    raw.append((b"content-type", media.encode("latin-1")))
    raw.append((b"content-length", b"%d" % length))
    first = next((piece for piece in pieces if isinstance(piece, Span)), None)
    body = open_body(first) if call.method != "HEAD" and first is not None and first.length else None
    return ByteReply(status, raw, call=call, body=body, pieces=pieces)


def _plan(
    spans: Sequence[Span], *, size: int, media_type: str
) -> tuple[int, int, str, Sequence[bytes | Span]]:
    """Return status, length of the body, its media type and its pieces."""
    if not spans:
        return 200, size, media_type, (Span(0, size),)
    if len(spans) == 1:
        return 206, spans[0].length, media_type, (spans[0],)
    boundary = secrets.token_hex(12)
    pieces: list[bytes | Span] = []
    for span in spans:
        head = (
            f"--{boundary}\r\nContent-Type: {media_type}\r\nContent-Range: {span.content_range(size)}\r\n\r\n"
        )
        pieces += [("\r\n" if pieces else "").encode() + head.encode("latin-1"), span]
    pieces.append(f"\r\n--{boundary}--\r\n".encode("ascii"))
    length = sum(len(piece) if isinstance(piece, bytes) else piece.length for piece in pieces)
    return 206, length, f"multipart/byteranges; boundary={boundary}", pieces

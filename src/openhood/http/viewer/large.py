"""Answers of many megabytes, which lie in a file: they are sent a piece at a time, as the client takes them.

Smaller ones are ordinary responses, and what either says is not decided here.
"""

from __future__ import annotations

import mmap
from functools import partial

from starlette.responses import Response

from openhood.http.bytes import CHUNK_BYTES, ByteReply, Outlet, Span
from openhood.http.context import Call


def reply_mapped(call: Call, made: memoryview, headers: dict[str, str], media_type: str) -> Response:
    """Return an answer whose body is a file that is mapped into memory."""
    size = len(made)
    said = {**headers, "Content-Type": media_type, "Content-Length": str(size)}
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in said.items()]
    return ByteReply(200, raw, call=call, body=_Mapped(made), pieces=[Span(0, size)])


class _Mapped:
    """A mapped file, of which no more is held in memory than what is on its way."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    async def send(self, span: Span, out: Outlet) -> None:
        """See `http.bytes.Body.send`. ``span`` starts where a page of memory does."""
        for start in range(span.start, span.end, CHUNK_BYTES):
            if out.is_gone:
                return
            await out.write(
                await out.in_thread(partial(self._read, start, min(start + CHUNK_BYTES, span.end)))
            )

    def _read(self, start: int, stop: int) -> bytes:
        """Copy a piece, and give its pages back to the system: they are in the file still."""
        data = bytes(self._data[start:stop])
        mapping = self._data.obj
        if isinstance(mapping, mmap.mmap):
            mapping.madvise(mmap.MADV_DONTNEED, start, stop - start)
        return data

"""Thrift's compact protocol, as much of it as the ends of Parquet files are written in.

A struct is a dict of field numbers to ``(type, value)``, a list is ``(type of the elements, values)``, so what was
read can be written again as it was. Nothing here knows what a field means.

==========  =================================================================================================
field       one byte ``delta << 4 | type``, for a delta of 0 followed by the number, a zigzag varint; 0 ends
integer     zigzag varint; a bool is its type: 1 true, 2 false, or in lists a byte
binary      length, varint, and the bytes
list        one byte ``size << 4 | type``, for a size of 15 followed by the size, a varint
==========  =================================================================================================
"""

from __future__ import annotations

from typing import Any

from openhood.base.errors import TableUnreadable

TRUE, FALSE, BYTE, I16, I32, I64, DOUBLE, BINARY, LIST, SET, MAP, STRUCT = range(1, 13)
_MAX_DEPTH = 32
_INTEGERS = (I16, I32, I64)

Struct = dict[int, tuple[int, Any]]


class Reader:
    """Reads values from bytes; ``at`` is where. Raises TableUnreadable for what is cut off or malformed."""

    __slots__ = ("_data", "_depth", "at")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self._data = data
        self.at = at
        self._depth = 0

    def struct(self) -> Struct:
        """Return a struct and go behind it."""
        found: Struct = {}
        self._enter()
        number = 0
        while True:
            kind, number = self.field(number)
            if kind == 0:
                self._depth -= 1
                return found
            found[number] = (kind, self.value(kind))

    def field(self, last: int) -> tuple[int, int]:
        """Return type and number of the next field of a struct; type 0 at its end. ``last`` is the number before."""
        head = self._byte()
        kind = head & 15
        if kind == 0:
            return 0, last
        return kind, last + (head >> 4) if head >> 4 else self.integer()

    def value(self, kind: int) -> Any:
        """Return a value of a type."""
        if kind in _INTEGERS:
            return self.integer()
        if kind in (TRUE, FALSE):
            return kind == TRUE
        if kind == BINARY:
            return self._take(self.varint())
        if kind == STRUCT:
            return self.struct()
        if kind in (LIST, SET):
            size, below = self.list_head()
            self._enter()
            values = [self._element(below) for _each in range(size)]
            self._depth -= 1
            return below, values
        if kind == BYTE:
            return self._byte()
        if kind == DOUBLE:
            return self._take(8)
        raise TableUnreadable("The file's description of itself is malformed.")

    def skip(self, kind: int) -> None:
        """Go behind a value of a type."""
        if kind in _INTEGERS:
            while self._byte() & 128:
                pass
        elif kind == BINARY:
            self._take(self.varint())
        elif kind == STRUCT:
            self._enter()
            while (below := self.field(0)[0]) != 0:
                self.skip(below)
            self._depth -= 1
        elif kind in (LIST, SET):
            size, below = self.list_head()
            self._enter()
            for _each in range(size):
                self.skip(BYTE if below in (TRUE, FALSE) else below)
            self._depth -= 1
        elif kind not in (TRUE, FALSE):
            self.value(kind)

    def list_head(self) -> tuple[int, int]:
        """Return how many elements a list has, and their type."""
        head = self._byte()
        size = head >> 4
        if size == 15:
            size = self.varint()
        if size > len(self._data) - self.at:  # every element is at least a byte
            raise TableUnreadable("The file's description of itself is malformed.")
        return size, head & 15

    def integer(self) -> int:
        """Return a signed integer."""
        found = self.varint()
        return (found >> 1) ^ -(found & 1)

    def varint(self) -> int:
        """Return an unsigned integer."""
        found = shift = 0
        while True:
            byte = self._byte()
            found |= (byte & 127) << shift
            if byte < 128:
                return found
            shift += 7
            if shift > 63:
                raise TableUnreadable("The file's description of itself is malformed.")

    def _element(self, kind: int) -> Any:
        return self._byte() == TRUE if kind in (TRUE, FALSE) else self.value(kind)

    def _byte(self) -> int:
        try:
            found = self._data[self.at]
        except IndexError:
            raise TableUnreadable("The file's description of itself is cut off.") from None
        self.at += 1
        return found

    def _take(self, size: int) -> bytes:
        stop = self.at + size
        if stop > len(self._data):
            raise TableUnreadable("The file's description of itself is cut off.")
        found = self._data[self.at : stop]
        self.at = stop
        return found

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise TableUnreadable("The file's description of itself is nested too deeply.")


def write_struct(struct: Struct) -> bytes:
    """Return a struct as bytes."""
    out = bytearray()
    _write(out, STRUCT, struct)
    return bytes(out)


def varint(number: int) -> bytes:
    """Return an unsigned integer as bytes."""
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def _write(out: bytearray, kind: int, value: Any) -> None:
    if kind in _INTEGERS:
        out += varint(value << 1 if value >= 0 else (-value << 1) - 1)
    elif kind == BINARY:
        out += varint(len(value)) + value
    elif kind == STRUCT:
        last = 0
        for number, (below, inner) in sorted(value.items()):
            written = (TRUE if inner else FALSE) if below in (TRUE, FALSE) else below
            if 0 < number - last < 16:
                out.append((number - last) << 4 | written)
            else:
                out.append(written)
                _write(out, I16, number)
            if below not in (TRUE, FALSE):
                _write(out, below, inner)
            last = number
        out.append(0)
    elif kind in (LIST, SET):
        below, values = value
        out += (
            bytes([len(values) << 4 | below])
            if len(values) < 15
            else bytes([240 | below]) + varint(len(values))
        )
        for each in values:
            if below in (TRUE, FALSE):
                out.append(TRUE if each else FALSE)
            else:
                _write(out, below, each)
    elif kind == BYTE:
        out.append(value)
    elif kind == DOUBLE:
        out += value
    else:
        raise ValueError(f"thrift type {kind} is not written")

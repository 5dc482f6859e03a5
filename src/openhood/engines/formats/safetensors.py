"""The header of a safetensors file, and the index of a model cut into several: which tensors, of which type and shape.

Reads by range, never the tensors; every length is bounded before it is believed, and every document before
it is parsed.

======  =====  =====================================================
offset  bytes  meaning
======  =====  =====================================================
0       8      length N of the header, little-endian
8       N      JSON: tensor name -> {dtype, shape, data_offsets}, and ``__metadata__`` (text -> text)
8 + N   rest   the tensors, at their offsets from here
======  =====  =====================================================

**Source**: the safetensors format; huggingface_hub ``hf_api.py::parse_safetensors_file_metadata``;
huggingface.js ``parse-safetensors-metadata.ts``.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson

from openhood.base.errors import Unprocessable
from openhood.engines.formats.packing import Counts, role_of

ReadRange = Callable[[int, int], bytes]
"""Reads so many bytes from an offset, all of them inside the file."""

MAX_HEADER_BYTES = 25_000_000
"""Longest header that clients read (huggingface_hub ``constants.SAFETENSORS_MAX_HEADER_LENGTH``)."""
MAX_INDEX_BYTES = 100_000_000
"""Longest index that is read; the largest of models that exist have 60 MB."""
MAX_SHARDS = 1024
_FIRST_READ_BYTES = 100_000
_LENGTH = struct.Struct("<Q")
_MAX_DIMENSIONS = 64
_MAX_DTYPES = 32
# What a document may hold before it is parsed: a few bytes of JSON can become a hundred of memory.
_MAX_TENSORS = 300_000
_MAX_VALUES = 3_000_000

_DTYPE_BITS: Mapping[str, int] = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "F8_E4M3FNUZ": 8, "F8_E5M2FNUZ": 8,
    "I16": 16, "U16": 16, "F16": 16, "BF16": 16, "I32": 32, "U32": 32, "F32": 32, "F64": 64, "I64": 64, "U64": 64,
    "C64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6,
}  # fmt: skip


class BadWeights(Unprocessable):
    """A file of weights does not have the format that its name says."""


@dataclass(frozen=True, slots=True)
class SafetensorsIndex:
    """What an index says: ``facts`` is all but its map of tensors, ``shards`` the files, relative to its folder."""

    facts: Mapping[str, object]
    shards: tuple[str, ...]


def read_header(read: ReadRange, *, size_bytes: int) -> bytes:
    """Return the header of a file of ``size_bytes`` as its JSON stands there. Raises BadWeights."""
    first = read(0, min(size_bytes, _FIRST_READ_BYTES))
    if len(first) < _LENGTH.size:
        raise BadWeights("The file is too short to be safetensors: it has no header.")
    (length,) = _LENGTH.unpack_from(first)
    if length > MAX_HEADER_BYTES or length < 2:
        raise BadWeights(f"A safetensors header has 2 to {MAX_HEADER_BYTES} bytes, not {length}.")
    if _LENGTH.size + length > size_bytes:
        raise BadWeights(f"The safetensors header of {length} bytes does not fit into the file.")
    header = first[_LENGTH.size : _LENGTH.size + length]
    if len(header) < length:
        header += read(_LENGTH.size + len(header), length - len(header))
    return header


def count_parameters(header: bytes, *, size_bytes: int) -> Counts:
    """Check the header of a file of ``size_bytes`` and count its parameters by type and role.

    Of a tensor that is named twice the last counts, as it does for clients. Raises BadWeights.
    **Source**: scalars are no parameters: huggingface.js ``computeNumOfParamsByDtypeSingleFile``.
    """
    document = _parse(header, what="header", max_objects=_MAX_TENSORS + 2)
    if not isinstance(document.pop("__metadata__", {}), dict):
        raise BadWeights("The '__metadata__' of the safetensors header is not a JSON object.")
    tensor_bytes = left_bytes = size_bytes - _LENGTH.size - len(header)
    found: dict[tuple[str, str], int] = {}
    dtypes: set[str] = set()
    for name, tensor in document.items():
        if type(tensor) is not dict:
            raise _bad(name, "is not described by an object")
        try:
            dtype, shape, (start, end) = tensor["dtype"], tensor["shape"], tensor["data_offsets"]
        except (KeyError, TypeError, ValueError) as error:
            raise _bad(name, "is not described by type, shape and offsets") from error
        if type(start) is not int or type(end) is not int or not 0 <= start <= end <= tensor_bytes:
            raise _bad(name, "lies outside the file")
        left_bytes -= end - start
        if left_bytes < 0:
            raise _bad(name, "has bytes that others have too: together they are more than the file has")
        if type(dtype) is not str or (dtype not in dtypes and not _is_dtype(dtype)):
            raise _bad(name, "has no type")
        dtypes.add(dtype)
        elements = _elements(name, shape)
        _check_bytes(name, dtype, elements, end - start)
        if shape:
            key = (dtype, role_of(name, dtype))
            found[key] = found.get(key, 0) + elements
    if len(dtypes) > _MAX_DTYPES:
        raise BadWeights(f"The safetensors header names more than {_MAX_DTYPES} types.")
    return found


def parse_index(data: bytes) -> SafetensorsIndex:
    """Return what an index says. Raises BadWeights, also where it names more than `MAX_SHARDS` files."""
    document = _parse(data, what="index", max_objects=_MAX_TENSORS)
    weight_map = document.pop("weight_map", None)
    if not isinstance(weight_map, dict):
        raise BadWeights("The safetensors index has no 'weight_map'.")
    shards = dict.fromkeys(each for each in weight_map.values() if isinstance(each, str))
    if len(shards) > MAX_SHARDS:
        raise BadWeights(f"The safetensors index names {len(shards)} files; at most {MAX_SHARDS} are read.")
    return SafetensorsIndex(document, tuple(sorted(shards)))


def _parse(data: bytes, *, what: str, max_objects: int) -> dict[str, object]:
    # Counting also those within texts costs nothing that a real file would miss.
    if data.count(b"{") > max_objects or data.count(b"[") > 2 * max_objects or data.count(b",") > _MAX_VALUES:
        raise BadWeights(f"The safetensors {what} holds more than is read of any.")
    try:
        document = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadWeights(f"The safetensors {what} is not valid JSON: {error}.") from error
    if not isinstance(document, dict):
        raise BadWeights(f"The safetensors {what} is not a JSON object.")
    return document


def _is_dtype(value: str) -> bool:
    return value in _DTYPE_BITS or (len(value) <= 20 and value.isascii() and value.replace("_", "").isalnum())


def _elements(name: str, shape: object) -> int:
    if type(shape) is not list or len(shape) > _MAX_DIMENSIONS:
        raise _bad(name, "has a shape that is not a list of sizes")
    elements = 1
    for size in shape:
        if type(size) is not int or size < 0:
            raise _bad(name, "has a shape that is not a list of sizes")
        elements *= size
    return elements


def _check_bytes(name: str, dtype: str, elements: int, size_bytes: int) -> None:
    bits = _DTYPE_BITS.get(dtype)
    if bits is not None:
        if (elements * bits + 7) // 8 != size_bytes:
            raise _bad(name, "has other bytes than its shape needs")
    elif elements > 8 * size_bytes:
        # A type that is newer than the table above is believed up to the bits it has.
        raise _bad(name, "has more elements than bits")


def _bad(name: str, why: str) -> BadWeights:
    return BadWeights(f"The safetensors tensor {name[:80]!r} {why}.")

"""How one chunk of a xorb is compressed: as it is, as an LZ4 frame, or its bytes grouped by four and then LZ4.

Chunk headers and xorbs are in `engines.xet.xorb`. Everything that takes long here releases the interpreter's lock.

An LZ4 frame, numbers little-endian:

=============  =====  ==========================================
offset         bytes  meaning
=============  =====  ==========================================
0              4      ``04 22 4D 18``
4              1      flags: 1 dictionary, 4 checksum at the end, 8 content size, 16 checksums of blocks
5              1      greatest length of a block
6              0, 8   content size
6 or 14        1      checksum of the header
7 or 15               blocks: 4 bytes length (top bit set: not compressed), data, 4 bytes checksum if flagged
end - 4, - 8   4      zero: no more blocks
end - 4        0, 4   checksum of the content
=============  =====  ==========================================

Grouped by four: first all bytes at offsets 0, 4, 8 …, then those at 1, 5, 9 …, at 2, 6, 10 … and at 3, 7, 11 ….

**Source**: the Xet protocol specification, section "Xorb format"; the LZ4 frame and block formats of the lz4
project; what hf_xet 1.8.0 writes (one independent block, no checksums, no content size).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import lz4.block
import lz4.frame
import numpy

from openhood.base.errors import BadXorb

STORED, LZ4, GROUPED = 0, 1, 2

_GROUP = 4
_WORD = struct.Struct("<I")
_MAGIC = b"\x04\x22\x4d\x18"
_DICTIONARY, _CONTENT_CHECKSUM, _CONTENT_SIZE, _BLOCK_CHECKSUMS = 1, 4, 8, 16
_NOT_COMPRESSED = 0x8000_0000
_NO_MORE_BLOCKS = bytes(4)
_LEAST_HEADER_BYTES = 7
_BLOCK_BYTES = {
    lz4.frame.BLOCKSIZE_MAX64KB: 64 * 1024,
    lz4.frame.BLOCKSIZE_MAX256KB: 256 * 1024,
    lz4.frame.BLOCKSIZE_MAX1MB: 1024 * 1024,
    lz4.frame.BLOCKSIZE_MAX4MB: 4 * 1024 * 1024,
}


def _plain_header(block_size: int) -> bytes:
    header: bytes = lz4.frame.compress_begin(
        lz4.frame.create_compression_context(), block_size=block_size, block_linked=False
    )
    return header


_PLAIN_HEADERS = {_plain_header(block_size): size_bytes for block_size, size_bytes in _BLOCK_BYTES.items()}
"""The frame headers that hf_xet writes, and how long a block may be after each."""

_SAMPLE_BYTES = 8192


def decode(scheme: int, stored: memoryview | bytes, raw_bytes: int) -> bytes | memoryview:
    """Return the raw bytes of a chunk; never makes room for more than ``raw_bytes`` + 1 of them.

    For chunks that were verified when they came; see `decode_sent` for those that come.

    Raises: BadXorb unless the scheme is known, the whole input is used and ``raw_bytes`` bytes come out.
    """
    if scheme == STORED:
        return _check_stored(stored, raw_bytes)
    expanded = _expand(stored, raw_bytes)
    return _ungroup(expanded) if _is_grouped(scheme) else expanded


def decode_into(scheme: int, stored: memoryview | bytes, out: memoryview) -> None:
    """Do as `decode`, to where the raw bytes belong; ``out`` has exactly their length. Raises BadXorb."""
    if scheme == STORED:
        out[:] = _check_stored(stored, len(out))
        return
    expanded = _expand(stored, len(out))
    if _is_grouped(scheme):
        _ungroup_into(expanded, out)
    else:
        out[:] = expanded


def decode_sent(scheme: int, stored: memoryview | bytes, raw_bytes: int) -> bytes | memoryview:
    """Do as `decode`, and refuse also what this LZ4 library reads in its own way.

    The format forbids matches at distance zero; liblz4 takes them for zeros, the decoder in hf_xet fails. A xorb
    with such chunks would have the right hash, and could be downloaded by nobody.

    Raises: BadXorb.
    """
    if scheme == STORED:
        return _check_stored(stored, raw_bytes)
    expanded = _expand(stored, raw_bytes)
    if _has_run_of_zeros(expanded) and any(_has_zero_distance(bytes(block)) for block in _blocks(stored)):
        raise BadXorb("A compressed chunk has a match at distance zero, which LZ4 forbids.")
    return _ungroup(expanded) if _is_grouped(scheme) else expanded


def _check_stored(stored: memoryview | bytes, raw_bytes: int) -> memoryview | bytes:
    if len(stored) != raw_bytes:
        raise BadXorb(f"A chunk stored as it is has {len(stored)} bytes instead of {raw_bytes}.")
    return stored


def _is_grouped(scheme: int) -> bool:
    if scheme not in (LZ4, GROUPED):
        raise BadXorb(f"A chunk has the compression scheme {scheme}; only 0, 1 and 2 are known.")
    return scheme == GROUPED


# --- LZ4 frames -----------------------------------------------------------------------------


def _expand(frame: memoryview | bytes, raw_bytes: int) -> bytes:
    # Nearly every frame is a plain header and one block: decoding just that saves a context and a copy.
    size = _plain_block_bytes(frame, raw_bytes)
    try:
        if size:
            start = _LEAST_HEADER_BYTES + _WORD.size
            raw: bytes = lz4.block.decompress(frame[start : start + size], uncompressed_size=raw_bytes)
            used, is_whole = len(frame), True
        else:
            for _ in _blocks(frame):
                pass
            context = lz4.frame.create_decompression_context()
            raw, used, is_whole = lz4.frame.decompress_chunk(context, frame, max_length=raw_bytes + 1)
    except (lz4.block.LZ4BlockError, RuntimeError, ValueError) as error:
        raise BadXorb("A compressed chunk is not valid LZ4, or longer than its raw length.") from error
    # That the frame ends where the input does is known already; here, that the library read it the same way.
    if not is_whole or used != len(frame) or len(raw) != raw_bytes:
        raise BadXorb("A compressed chunk does not decode to exactly its raw length.")
    return raw


def _plain_block_bytes(frame: memoryview | bytes, raw_bytes: int) -> int:
    """Return the length of the block that is all there is in a frame of the plain form, else 0."""
    if raw_bytes > _PLAIN_HEADERS.get(bytes(frame[:_LEAST_HEADER_BYTES]), 0):
        return 0
    if frame[-_WORD.size :] != _NO_MORE_BLOCKS:
        return 0
    size = len(frame) - _LEAST_HEADER_BYTES - 2 * _WORD.size
    return size if size > 0 and _WORD.unpack_from(frame, _LEAST_HEADER_BYTES)[0] == size else 0


def _blocks(frame: memoryview | bytes) -> Iterator[memoryview]:
    """Yield the compressed blocks of a frame, which must end with it.

    Raises: BadXorb, also for what liblz4 reads and the decoder in hf_xet does not: dictionaries, and blocks in
    which there is nothing, where that decoder stops.
    """
    view = memoryview(frame)
    if len(view) < _LEAST_HEADER_BYTES + _WORD.size or view[:4] != _MAGIC:
        raise BadXorb("A compressed chunk is not an LZ4 frame.")
    flags = view[4]
    if flags & _DICTIONARY:
        raise BadXorb("A compressed chunk needs an LZ4 dictionary.")
    at = _LEAST_HEADER_BYTES + (8 if flags & _CONTENT_SIZE else 0)
    checksum_bytes = 4 if flags & _BLOCK_CHECKSUMS else 0
    while at + _WORD.size <= len(view):
        word = _WORD.unpack_from(view, at)[0]
        at += _WORD.size
        if word == 0:
            if at + (4 if flags & _CONTENT_CHECKSUM else 0) != len(view):
                raise BadXorb("A compressed chunk does not end with its LZ4 frame.")
            return
        size = word & ~_NOT_COMPRESSED
        # One byte can only be the token of an empty last sequence.
        if size < (1 if word & _NOT_COMPRESSED else 2):
            raise BadXorb("A compressed chunk has an empty LZ4 block.")
        if not word & _NOT_COMPRESSED:
            yield view[at : at + size]
        at += size + checksum_bytes
    raise BadXorb("A compressed chunk ends inside its LZ4 frame.")


def _has_run_of_zeros(expanded: bytes) -> bool:
    """Tell whether there are four zeros in a row, the least that a match at distance zero leaves behind."""
    if numpy.frombuffer(expanded, numpy.uint16, len(expanded) // 2).all():
        return False
    zeros = numpy.frombuffer(expanded, numpy.uint8) == 0
    pairs = zeros[1:] & zeros[:-1]
    return bool((pairs[2:] & pairs[:-2]).any())


def _has_zero_distance(block: bytes) -> bool:
    """Walk the sequences of a valid block in search of a match at distance zero."""
    if b"\0\0" not in block:
        return False
    at, end = 0, len(block)
    while True:
        token = block[at]
        at += 1
        literals = token >> 4
        if literals == 15:
            while (more := block[at]) == 255:
                literals += 255
                at += 1
            literals += more
            at += 1
        at += literals
        if at >= end:
            return False
        if not block[at] and not block[at + 1]:
            return True
        at += 2
        if token & 15 == 15:
            while block[at] == 255:
                at += 1
            at += 1


# --- groups of four -------------------------------------------------------------------------


def _ungroup(grouped: bytes) -> memoryview:
    raw = numpy.empty(len(grouped), numpy.uint8)
    _ungroup_into(grouped, raw.data)
    return raw.data


def _ungroup_into(grouped: bytes, out: memoryview) -> None:
    source = numpy.frombuffer(grouped, numpy.uint8)
    raw = numpy.frombuffer(out, numpy.uint8)
    start = 0
    for offset in range(_GROUP):
        places = raw[offset::_GROUP]
        places[:] = source[start : start + len(places)]
        start += len(places)


def _regroup(raw: bytes | memoryview) -> memoryview:
    source = numpy.frombuffer(raw, numpy.uint8)
    grouped = numpy.empty(len(raw), numpy.uint8)
    start = 0
    for offset in range(_GROUP):
        group = source[offset::_GROUP]
        grouped[start : start + len(group)] = group
        start += len(group)
    return grouped.data


# --- writing --------------------------------------------------------------------------------


def encode(raw: bytes | memoryview) -> tuple[int, bytes | memoryview]:
    """Return the scheme and the stored form of a chunk, which is never longer than ``raw``.

    Whether grouping helps is judged by a sample from the middle.
    """
    is_grouped = _prefers_groups(raw)
    stored: bytes = lz4.frame.compress(
        _regroup(raw) if is_grouped else raw,
        block_size=lz4.frame.BLOCKSIZE_MAX64KB if len(raw) <= 64 * 1024 else lz4.frame.BLOCKSIZE_MAX256KB,
        block_linked=False,
        store_size=False,
    )
    if len(stored) >= len(raw):
        return STORED, raw
    return (GROUPED if is_grouped else LZ4), stored


def _prefers_groups(raw: bytes | memoryview) -> bool:
    start = max(0, len(raw) - _SAMPLE_BYTES) // 2
    sample = raw[start : start + _SAMPLE_BYTES]
    plain: bytes = lz4.block.compress(sample, store_size=False)
    grouped: bytes = lz4.block.compress(_regroup(sample), store_size=False)
    return len(grouped) < len(plain)

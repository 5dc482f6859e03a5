"""The values behind the bytes of a tensor, for every type that safetensors and GGUF name.

Types of eight bits and less are looked up in a table; blocks of quantised weights are spread out by the rule of
their type. What is not known here can still be compared as bytes.

**Source**: the safetensors format; OCP 8-bit Floating Point and Microscaling specifications; ggml ``ggml-common.h``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]
Decode = Callable[[bytes], Values]


@dataclass(frozen=True, slots=True)
class ElementType:
    """How elements lie in bytes: ``block`` of them in each ``block_bytes``; ``decode`` None where only bytes are known."""

    name: str
    block: int
    block_bytes: int
    decode: Decode | None

    def size_of(self, elements: int) -> int:
        """Return the bytes of so many elements, whole blocks."""
        return -(-elements // self.block) * self.block_bytes


def _plain(code: str) -> Decode:
    kind = np.dtype(code)
    return lambda data: np.frombuffer(data, kind).astype(np.float64)


def _bfloat16(data: bytes) -> Values:
    wide = np.frombuffer(data, "<u2").astype(np.uint32) << 16
    return wide.view(np.float32).astype(np.float64)


def _small_float(exponent_bits: int, mantissa_bits: int, *, bias: int) -> Values:
    """Return the values of all patterns of sign, exponent and mantissa, the special ones as if they were plain."""
    count = 1 << (1 + exponent_bits + mantissa_bits)
    pattern = np.arange(count)
    mantissa = pattern & ((1 << mantissa_bits) - 1)
    exponent = (pattern >> mantissa_bits) & ((1 << exponent_bits) - 1)
    sign = np.where(pattern >> (exponent_bits + mantissa_bits), -1.0, 1.0)
    fraction = mantissa / (1 << mantissa_bits)
    normal = (1 + fraction) * 2.0 ** (exponent - bias)
    tiny = fraction * 2.0 ** (1 - bias)
    return np.asarray(sign * np.where(exponent == 0, tiny, normal), dtype=np.float64)


def _e4m3() -> Values:
    table = _small_float(4, 3, bias=7)
    table[[0x7F, 0xFF]] = np.nan
    return table


def _e5m2() -> Values:
    table = _small_float(5, 2, bias=15)
    table[0x7C], table[0xFC] = np.inf, -np.inf
    table[[0x7D, 0x7E, 0x7F, 0xFD, 0xFE, 0xFF]] = np.nan
    return table


def _fnuz(table: Values) -> Values:
    table[0x80] = np.nan
    return table


def _e8m0() -> Values:
    table = 2.0 ** (np.arange(256, dtype=np.float64) - 127)
    table[0xFF] = np.nan
    return table


def _looked_up(table: Values) -> Decode:
    return lambda data: table[np.frombuffer(data, np.uint8)]


_FOUR_BITS = _small_float(2, 1, bias=1)


def _float4(data: bytes) -> Values:
    pairs = np.frombuffer(data, np.uint8)
    return _FOUR_BITS[np.stack((pairs & 15, pairs >> 4), axis=1).ravel()]


def _one(name: str, size_bytes: int, decode: Decode | None) -> tuple[str, ElementType]:
    return name, ElementType(name, 1, size_bytes, decode)


SAFETENSORS_TYPES: Mapping[str, ElementType] = dict(
    (
        _one("BOOL", 1, _plain("u1")),
        _one("U8", 1, _plain("u1")),
        _one("I8", 1, _plain("i1")),
        _one("U16", 2, _plain("<u2")),
        _one("I16", 2, _plain("<i2")),
        _one("U32", 4, _plain("<u4")),
        _one("I32", 4, _plain("<i4")),
        _one("U64", 8, _plain("<u8")),
        _one("I64", 8, _plain("<i8")),
        _one("F16", 2, _plain("<f2")),
        _one("BF16", 2, _bfloat16),
        _one("F32", 4, _plain("<f4")),
        _one("F64", 8, _plain("<f8")),
        _one("C64", 8, None),
        _one("F8_E4M3", 1, _looked_up(_e4m3())),
        _one("F8_E5M2", 1, _looked_up(_e5m2())),
        _one("F8_E4M3FNUZ", 1, _looked_up(_fnuz(_small_float(4, 3, bias=8)))),
        _one("F8_E5M2FNUZ", 1, _looked_up(_fnuz(_small_float(5, 2, bias=16)))),
        _one("F8_E8M0", 1, _looked_up(_e8m0())),
        ("F4", ElementType("F4", 2, 1, _float4)),
        ("F6_E2M3", ElementType("F6_E2M3", 4, 3, None)),
        ("F6_E3M2", ElementType("F6_E3M2", 4, 3, None)),
    )
)
"""The types that a safetensors header may name."""


def _blocks(data: bytes, size_bytes: int) -> NDArray[np.uint8]:
    return np.frombuffer(data, np.uint8).reshape(-1, size_bytes)


def _halves(blocks: NDArray[np.uint8], at: int) -> Values:
    """Return the half-precision number at one place of each block, as a column."""
    return np.ascontiguousarray(blocks[:, at : at + 2]).view("<f2").astype(np.float64)


def _nibbles(packed: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the low halves of the bytes of each block, then the high ones."""
    return np.concatenate((packed & 15, packed >> 4), axis=1)


def _fifth_bits(blocks: NDArray[np.uint8], at: int) -> NDArray[np.uint8]:
    bits = np.unpackbits(np.ascontiguousarray(blocks[:, at : at + 4]), axis=1, bitorder="little")
    return np.left_shift(bits, np.uint8(4))


def _q4_0(data: bytes) -> Values:
    blocks = _blocks(data, 18)
    return ((_nibbles(blocks[:, 2:]).astype(np.float64) - 8) * _halves(blocks, 0)).ravel()


def _q4_1(data: bytes) -> Values:
    blocks = _blocks(data, 20)
    return (_nibbles(blocks[:, 4:]) * _halves(blocks, 0) + _halves(blocks, 2)).ravel()


def _q5_0(data: bytes) -> Values:
    blocks = _blocks(data, 22)
    whole = (_nibbles(blocks[:, 6:]) | _fifth_bits(blocks, 2)).astype(np.float64)
    return ((whole - 16) * _halves(blocks, 0)).ravel()


def _q5_1(data: bytes) -> Values:
    blocks = _blocks(data, 24)
    whole = (_nibbles(blocks[:, 8:]) | _fifth_bits(blocks, 4)).astype(np.float64)
    return (whole * _halves(blocks, 0) + _halves(blocks, 2)).ravel()


def _q8_0(data: bytes) -> Values:
    blocks = _blocks(data, 34)
    return (np.ascontiguousarray(blocks[:, 2:]).view(np.int8) * _halves(blocks, 0)).ravel()


def _scales_and_mins(packed: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Return the eight scales and eight minima of six bits that twelve bytes of a super-block hold."""
    first, second, third = packed[:, 0:4], packed[:, 4:8], packed[:, 8:12]
    scales = np.concatenate((first & 63, (third & 15) | ((first >> 6) << 4)), axis=1)
    mins = np.concatenate((second & 63, (third >> 4) | ((second >> 6) << 4)), axis=1)
    return scales, mins


def _q4_k(data: bytes) -> Values:
    blocks = _blocks(data, 144)
    scales, mins = _scales_and_mins(blocks[:, 4:16])
    # Each 32 bytes hold two groups of 32: the low halves, then the high ones.
    packed = blocks[:, 16:].reshape(-1, 4, 32)
    values = np.stack((packed & 15, packed >> 4), axis=2).reshape(-1, 8, 32)
    scale = (_halves(blocks, 0) * scales)[:, :, None]
    low = (_halves(blocks, 2) * mins)[:, :, None]
    return np.asarray(values * scale - low, dtype=np.float64).ravel()


def _q5_k(data: bytes) -> Values:
    blocks = _blocks(data, 176)
    scales, mins = _scales_and_mins(blocks[:, 4:16])
    packed = blocks[:, 48:].reshape(-1, 4, 32)
    values = np.stack((packed & 15, packed >> 4), axis=2).reshape(-1, 8, 32)
    # Bit g of the i-th of these bytes is the fifth bit of the i-th value of group g.
    high = (blocks[:, None, 16:48] >> np.arange(8, dtype=np.uint8)[None, :, None]) & 1
    scale = (_halves(blocks, 0) * scales)[:, :, None]
    low = (_halves(blocks, 2) * mins)[:, :, None]
    return np.asarray((values | (high << 4)) * scale - low, dtype=np.float64).ravel()


def _q6_k(data: bytes) -> Values:
    blocks = _blocks(data, 210)
    low = blocks[:, :128].reshape(-1, 2, 2, 32)
    high = blocks[:, 128:192].reshape(-1, 2, 32)
    scales = np.ascontiguousarray(blocks[:, 192:208]).view(np.int8)
    quarters = [
        (low[:, :, 0] & 15) | ((high & 3) << 4),
        (low[:, :, 1] & 15) | (((high >> 2) & 3) << 4),
        (low[:, :, 0] >> 4) | (((high >> 4) & 3) << 4),
        (low[:, :, 1] >> 4) | ((high >> 6) << 4),
    ]
    values = np.stack(quarters, axis=2).reshape(-1, 16, 16).astype(np.float64) - 32
    return (values * (_halves(blocks, 208) * scales)[:, :, None]).ravel()


def _block(
    number: int, name: str, block: int, size_bytes: int, decode: Decode | None
) -> tuple[int, ElementType]:
    return number, ElementType(name, block, size_bytes, decode)


GGUF_TYPES: Mapping[int, ElementType] = dict(
    (
        _block(0, "F32", 1, 4, _plain("<f4")),
        _block(1, "F16", 1, 2, _plain("<f2")),
        _block(2, "Q4_0", 32, 18, _q4_0),
        _block(3, "Q4_1", 32, 20, _q4_1),
        _block(6, "Q5_0", 32, 22, _q5_0),
        _block(7, "Q5_1", 32, 24, _q5_1),
        _block(8, "Q8_0", 32, 34, _q8_0),
        _block(9, "Q8_1", 32, 36, None),
        _block(10, "Q2_K", 256, 84, None),
        _block(11, "Q3_K", 256, 110, None),
        _block(12, "Q4_K", 256, 144, _q4_k),
        _block(13, "Q5_K", 256, 176, _q5_k),
        _block(14, "Q6_K", 256, 210, _q6_k),
        _block(15, "Q8_K", 256, 292, None),
        _block(16, "IQ2_XXS", 256, 66, None),
        _block(17, "IQ2_XS", 256, 74, None),
        _block(18, "IQ3_XXS", 256, 98, None),
        _block(19, "IQ1_S", 256, 50, None),
        _block(20, "IQ4_NL", 32, 18, None),
        _block(21, "IQ3_S", 256, 110, None),
        _block(22, "IQ2_S", 256, 82, None),
        _block(23, "IQ4_XS", 256, 136, None),
        _block(24, "I8", 1, 1, _plain("i1")),
        _block(25, "I16", 1, 2, _plain("<i2")),
        _block(26, "I32", 1, 4, _plain("<i4")),
        _block(27, "I64", 1, 8, _plain("<i8")),
        _block(28, "F64", 1, 8, _plain("<f8")),
        _block(29, "IQ1_M", 256, 56, None),
        _block(30, "BF16", 1, 2, _bfloat16),
        _block(34, "TQ1_0", 256, 54, None),
        _block(35, "TQ2_0", 256, 66, None),
        _block(39, "MXFP4", 32, 17, None),
    )
)
"""The types of tensors in GGUF files, by the number that stands there."""

"""How many parameters stand in tensors that are packed: quantised weights lie several to an integer.

A header says only types, shapes and names; ``config.json`` says how the weights were quantised. What is kept
of a header is how many elements it has by type and role, so that it need not be read again for another config.

**Source**: huggingface.js ``parse-safetensors-metadata.ts``, by which the Hub counts. Lists of modules that
were left as they are need no look: those are not of an integer type.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

Counts = Mapping[tuple[str, str], int]
"""Number of elements by type (``BF16``) and role (`role_of`)."""

_CONTAINER_BITS: Mapping[str, int] = {"U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32}
_SCALE_DTYPES = frozenset({"F8_E8M0", "E8M0", "UE8"})
"""Types of nothing but exponents: no weights are kept in them."""

_ROLES: Mapping[str, str] = {
    **dict.fromkeys(
        (
            "weight_scale", "weight_scale_inv", "weight_scale_2", "weight_global_scale", "weight_zero_point",
            "input_scale", "input_global_scale", "input_zero_point", "zero_point", "weight_shape", "weight_g_idx",
        ),
        "aside",
    ),
    "qweight": "qweight",
    "qzeros": "gptq",
    "g_idx": "gptq",
    "scales": "scales",
    "biases": "biases",
    **dict.fromkeys(("absmax", "quant_map", "nested_absmax", "nested_quant_map"), "bnb"),
}  # fmt: skip
# The longer name first: each is looked for in the other.
_FORMAT_BITS = (("nvfp4", 4), ("mxfp4", 4), ("fp4", 4), ("int4", 4), ("nf4", 4), ("int2", 2))
_MLX_MODES: Mapping[str, int] = {"affine": 64, "mxfp4": 32, "nvfp4": 16, "mxfp8": 32}


def role_of(name: str, dtype: str) -> str:
    """Return what a tensor is for, as far as it matters to some way of quantising; mostly ``""``."""
    suffix = name.rpartition(".")[2]
    role = _ROLES.get(suffix)
    if role is not None:
        return role
    if dtype not in _CONTAINER_BITS:
        return ""
    if dtype == "U8":
        if suffix.endswith("_blocks"):
            return "blocks"
        if suffix.endswith("_scales"):
            return "block scales"
        if suffix.startswith("bitsandbytes__"):
            return "bnb"
    return "expert" if ".experts." in name and "shared_experts" not in name else ""


@dataclass(frozen=True, slots=True)
class Packing:
    """A way of quantising: its name in lower case, and the bits of a weight where the config says them."""

    method: str
    bits: int | None
    expert_bits: int | None
    group_size: int | None
    is_affine: bool
    is_packed: bool


def packing_of(config: Mapping[str, object] | None) -> Packing | None:
    """Return how a model's weights are packed by its ``config.json``, which may say anything; None if they are not."""
    if config is None:
        return None
    inner = _mapping(config.get("text_config"))
    found = (
        _mapping(config.get("quantization"))
        or _mapping(config.get("quantization_config"))
        or _mapping(inner.get("quantization"))
        or _mapping(inner.get("quantization_config"))
    )
    if not found:
        return None
    mode = _text(found.get("mode")) or "affine"
    group_size = _whole(found.get("group_size"), most=4096)
    method = _text(found.get("quant_method"))
    if not method and mode in _MLX_MODES and (group_size or _whole(found.get("bits"), most=32)):
        method = "mlx"  # the one that does not name itself
    experts = (
        _text(found.get("expert_dtype"))
        or _text(config.get("expert_dtype"))
        or _text(inner.get("expert_dtype"))
        or _text(found.get("store_dtype"))
    )
    bits = _whole(found.get("bits"), most=32)
    form = _text(found.get("format"))
    if method == "compressed-tensors":
        groups = [_mapping(group) for group in _mapping(found.get("config_groups")).values()]
        form = next((text for group in groups if (text := _text(group.get("format")))), form)
        said = (_whole(_mapping(group.get("weights")).get("num_bits"), most=32) for group in groups)
        bits = next((each for each in said if each), None) or _bits_in(form) or 4
    elif found.get("load_in_4bit") is True:
        bits = 4
    return Packing(
        method=method,
        bits=bits,
        expert_bits=_bits_in(experts),
        group_size=group_size or _MLX_MODES.get(mode),
        is_affine=mode == "affine",
        is_packed=form.endswith("pack-quantized"),
    )


def parameters_of(parts: Iterable[Counts], packing: Packing | None) -> dict[str, int]:
    """Return the number of parameters by type of all files of a model together, the most numerous first."""
    total: dict[tuple[str, str], int] = {}
    for part in parts:
        for key, count in part.items():
            total[key] = total.get(key, 0) + count
    found: dict[str, int] = {}
    for (dtype, role), count in total.items():
        weights = 0 if dtype in _SCALE_DTYPES else _weights(dtype, role, count, packing)
        if weights:
            found[dtype] = found.get(dtype, 0) + weights
    if packing is not None and packing.method == "mlx":
        _unpack_mlx(found, total, packing)
    return dict(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _weights(dtype: str, role: str, count: int, packing: Packing | None) -> int:
    """Return how many parameters ``count`` elements of one type and role are."""
    if packing is None:
        return count
    if role == "aside":
        return 0
    container = _CONTAINER_BITS.get(dtype, 0)
    method, bits = packing.method, packing.bits
    if method in ("gptq", "awq"):
        if role in ("gptq", "scales"):
            return 0
        if role == "qweight":
            return count * max(1, 32 // (bits or 4))
        return _unpacked(count, container, bits) if dtype == "U8" and bits in (2, 4) else count
    if method == "mxfp4":
        return 0 if role == "block scales" else count * (2 if role == "blocks" else 1)
    if method == "compressed-tensors":
        return _unpacked(count, container, bits) if packing.is_packed else count
    if method == "fp8":
        return _unpacked(count, container, packing.expert_bits) if role == "expert" else count
    if method == "bitsandbytes" and role == "bnb":
        return 0
    if method == "mlx":
        return count
    return count * 2 if dtype == "U8" and bits == 4 else count


def _unpack_mlx(found: dict[str, int], total: Counts, packing: Packing) -> None:
    """Count the weights of MLX by their scales: each stands for a group of them, whatever the bits of its layer."""
    groups = sum(count for (_dtype, role), count in total.items() if role == "scales")
    packed = sum(count for (dtype, role), count in total.items() if dtype == "U32" and role in ("", "expert"))
    if not groups or not packed or packing.group_size is None:
        return
    for (dtype, role), count in total.items():
        if (role == "scales" or (role == "biases" and packing.is_affine)) and dtype not in _SCALE_DTYPES:
            found[dtype] -= count
            if not found[dtype]:
                del found[dtype]
    found["U32"] = min(groups * packing.group_size, 32 * packed)


def _unpacked(count: int, container_bits: int, bits: int | None) -> int:
    """Return how many numbers of ``bits`` lie in ``count`` integers, which are packed without gaps."""
    if not container_bits or not bits or bits >= container_bits:
        return count
    return (count * container_bits + bits // 2) // bits


def _bits_in(form: str) -> int | None:
    return next((bits for word, bits in _FORMAT_BITS if word in form), None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value[:200].lower() if isinstance(value, str) else ""


def _whole(value: object, *, most: int) -> int | None:
    return value if type(value) is int and 0 < value <= most else None

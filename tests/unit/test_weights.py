"""Headers of weights: what is read from good files, and that nothing but a refusal comes of bad ones."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.engines.formats import gguf, packing, safetensors
from openhood.engines.formats.safetensors import BadWeights, ReadRange


def _reader(data: bytes) -> ReadRange:
    return lambda start, length: data[start : start + length]


def _safetensors(header: object, tensor_bytes: int) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(tensor_bytes)


def _read_safetensors(data: bytes) -> packing.Counts:
    header = safetensors.read_header(_reader(data), size_bytes=len(data))
    return safetensors.count_parameters(header, size_bytes=len(data))


GOOD = {
    "__metadata__": {"format": "pt"},
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "BF16", "shape": [8], "data_offsets": [24, 40]},
    "scalar": {"dtype": "F32", "shape": [], "data_offsets": [40, 44]},
}


def test_safetensors_counts_parameters_by_type() -> None:
    data = _safetensors(GOOD, 44)
    counts = _read_safetensors(data)
    assert counts == {("BF16", ""): 8, ("F32", ""): 6}, "a scalar is no parameter"
    assert list(packing.parameters_of([counts], None)) == ["BF16", "F32"], "the most numerous first"
    assert json.loads(safetensors.read_header(_reader(data), size_bytes=len(data))) == GOOD


def test_a_header_longer_than_the_first_read_is_read_whole() -> None:
    many = {f"tensor.{n:06}": {"dtype": "U8", "shape": [1], "data_offsets": [n, n + 1]} for n in range(5000)}
    data = _safetensors(many, 5000)
    reads: list[tuple[int, int]] = []

    def read(start: int, length: int) -> bytes:
        reads.append((start, length))
        return data[start : start + length]

    header = safetensors.read_header(read, size_bytes=len(data))
    assert safetensors.count_parameters(header, size_bytes=len(data)) == {("U8", ""): 5000}
    assert reads == [(0, 100_000), (100_000, 8 + len(header) - 100_000)]


def test_shards_add_up() -> None:
    parts: list[packing.Counts] = [{("F32", ""): 1, ("F16", ""): 5}, {("F32", ""): 9}]
    assert packing.parameters_of(parts, None) == {"F32": 10, "F16": 5}


def test_of_a_tensor_named_twice_the_last_counts() -> None:
    one = b'"a": {"dtype": "U8", "shape": [%d], "data_offsets": [0, %d]}'
    assert _read_safetensors(_safetensors(b"{%s, %s}" % (one % (4, 4), one % (3, 3)), 4)) == {("U8", ""): 3}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", safetensors.MAX_HEADER_BYTES + 1) + b"{}",
        struct.pack("<Q", 100) + b"{}",
        _safetensors(b"[]", 0),
        _safetensors(b"{nope}", 0),
        _safetensors({"a": 1}, 4),
        _safetensors({"a": {"shape": [1], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [True], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [2**62, 2**62], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}, 8),
        _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}}, 8),
        _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}, 3),
        _safetensors({"a": {"dtype": "NEW", "shape": [1000], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [0] * 65, "data_offsets": [0, 0]}}, 0),
        _safetensors({"a": {"dtype": "F32", "shape": [1.0], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4.0]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [-4, 0]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": "ab"}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": {"0": 1}, "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F\x0032", "shape": [1], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": ["F32"], "shape": [1], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "N" * 21, "shape": [1], "data_offsets": [0, 4]}}, 4),
        _safetensors({"a": {"dtype": "F32", "shape": [99999999999999999999], "data_offsets": [0, 4]}}, 4),
        _safetensors({n: {"dtype": "U8", "shape": [4], "data_offsets": [0, 4]} for n in "ab"}, 4),
        _safetensors({n: {"dtype": f"N{n}", "shape": [0], "data_offsets": [0, 0]} for n in range(33)}, 0),
        _safetensors({"__metadata__": "text"}, 0),
        _safetensors(b'{"\xff": 1}', 0),
        _safetensors(b'{"a": NaN}', 0),
        _safetensors(b'{"\\ud800": 1}', 0),
        _safetensors(b"[" * 100_000, 0),
        _safetensors(b'{"a":' * 100_000, 0),
    ],
)
def test_bad_safetensors_are_refused(data: bytes) -> None:
    with pytest.raises(BadWeights):
        _read_safetensors(data)


ENTRY = b'"%d":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}'


@pytest.mark.parametrize(
    ("what", "unit", "most"),
    [("{", b"{},", 400_000), ("[", b"[],", 700_000), (",", b"1,", 3_000_001)],
)
def test_what_would_take_too_much_memory_is_not_parsed(what: str, unit: bytes, most: int) -> None:
    """A header of 25 MB can be eight million lists, each of which takes twenty times its bytes."""
    data = b'{"a":[' + unit * most + b"1]}"
    with pytest.raises(BadWeights, match="more than is read"):
        _read_safetensors(_safetensors(data, 0))
    with pytest.raises(BadWeights, match="more than is read"):
        safetensors.parse_index(data)


def test_many_tensors_are_read() -> None:
    data = b"{" + b",".join(ENTRY % number for number in range(100_000)) + b"}"
    assert _read_safetensors(_safetensors(data, 0)) == {("U8", ""): 0}


def test_an_index_names_its_shards_once() -> None:
    index = {
        "metadata": {"total_size": 3},
        "weight_map": {"a": "2.safetensors", "b": "1.safetensors", "c": "2.safetensors"},
    }
    found = safetensors.parse_index(json.dumps(index).encode())
    assert found.shards == ("1.safetensors", "2.safetensors")
    assert found.facts == {"metadata": {"total_size": 3}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"weight_map": []}',
        b'{"weight_map": null}',
        json.dumps({"weight_map": {str(n): str(n) for n in range(1025)}}).encode(),
    ],
)
def test_bad_indexes_are_refused(data: bytes) -> None:
    with pytest.raises(BadWeights):
        safetensors.parse_index(data)


def _counted(config: Mapping[str, object], tensors: Mapping[str, tuple[str, int]]) -> dict[str, int]:
    counts: dict[tuple[str, str], int] = {}
    for name, (dtype, elements) in tensors.items():
        key = (dtype, packing.role_of(name, dtype))
        counts[key] = counts.get(key, 0) + elements
    return packing.parameters_of([counts], packing.packing_of(config))


QUANTISED: list[tuple[Mapping[str, object], Mapping[str, tuple[str, int]], dict[str, int]]] = [
    (
        {"quantization_config": {"quant_method": "gptq", "bits": 4}},
        {
            "a.qweight": ("I32", 100),
            "a.qzeros": ("I32", 9),
            "a.scales": ("F16", 9),
            "a.g_idx": ("I32", 9),
            "n": ("F16", 5),
        },
        {"I32": 800, "F16": 5},
    ),
    (
        {"quantization_config": {"quant_method": "AWQ", "bits": 8}},
        {"a.qweight": ("I32", 100), "a.scales": ("F16", 9)},
        {"I32": 400},
    ),
    (
        {"quantization_config": {"quant_method": "mxfp4"}},
        {
            "m.experts.down_proj_blocks": ("U8", 100),
            "m.experts.down_proj_scales": ("U8", 9),
            "n.weight": ("BF16", 5),
        },
        {"U8": 200, "BF16": 5},
    ),
    (
        {"quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}},
        {
            "a.weight": ("U8", 100),
            "a.weight.absmax": ("U8", 9),
            "a.weight.quant_state.bitsandbytes__nf4": ("U8", 9),
        },
        {"U8": 200},
    ),
    (
        {
            "quantization_config": {
                "quant_method": "compressed-tensors",
                "format": "pack-quantized",
                "config_groups": {"g": {"weights": {"num_bits": 4}}},
            }
        },
        {"a.weight_packed": ("I32", 100), "a.weight_shape": ("I64", 2), "a.weight_scale": ("BF16", 9)},
        {"I32": 800},
    ),
    (
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "nvfp4-pack-quantized"}},
        {"a.weight_packed": ("U8", 100), "a.weight_global_scale": ("F32", 1)},
        {"U8": 200},
    ),
    (
        {"quantization_config": {"quant_method": "compressed-tensors", "format": "float-quantized"}},
        {"a.weight": ("F8_E4M3", 100), "b.weight": ("I8", 7)},
        {"F8_E4M3": 100, "I8": 7},
    ),
    (
        {"expert_dtype": "fp4", "quantization_config": {"quant_method": "fp8"}},
        {
            "l.experts.0.w": ("I8", 100),
            "l.shared_experts.w": ("I8", 7),
            "l.scale": ("F8_E8M0", 9),
            "table": ("I64", 3),
        },
        {"I8": 207, "I64": 3},
    ),
    (
        {"quantization": {"bits": 4, "group_size": 64}},
        {
            "a.weight": ("U32", 100),
            "a.scales": ("BF16", 13),
            "a.biases": ("BF16", 13),
            "n.weight": ("BF16", 5),
        },
        {"U32": 832, "BF16": 5},
    ),
    (
        {"text_config": {"quantization_config": {"quant_method": "gptq"}}},
        {"a.qweight": ("I32", 2)},
        {"I32": 16},
    ),
    ({}, {"a.qweight": ("I32", 100), "a.scales": ("F16", 9), "s": ("F8_E8M0", 9)}, {"I32": 100, "F16": 9}),
    ({"quantization_config": "x"}, {"a": ("U8", 100)}, {"U8": 100}),
]


@pytest.mark.parametrize(("config", "tensors", "expected"), QUANTISED)
def test_packed_weights_are_counted_unpacked(
    config: Mapping[str, object], tensors: Mapping[str, tuple[str, int]], expected: dict[str, int]
) -> None:
    assert _counted(config, tensors) == expected


JSON_LIKE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.sampled_from(
        ["gptq", "mxfp4", "mlx", "affine", "compressed-tensors", "fp8", "fp4", "pack-quantized", "bitsandbytes"]
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.sampled_from(
            ["quantization_config", "quantization", "text_config", "quant_method", "bits", "group_size", "mode",
             "format", "config_groups", "weights", "num_bits", "expert_dtype", "load_in_4bit"]
        ),
        inner,
        max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(JSON_LIKE)
def test_any_config_counts_something(config: object) -> None:
    tensors = {
        "a.weight": ("U32", 10),
        "a.scales": ("BF16", 1),
        "e.experts.0": ("U8", 4),
        "q.qweight": ("I32", 3),
    }
    if isinstance(config, dict):
        found = _counted(config, tensors)
        assert all(type(count) is int and 0 < count <= 32 * 4096 for count in found.values())


def _text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


def _pair(key: str, kind: int, value: bytes) -> bytes:
    return _text(key) + struct.pack("<I", kind) + value


def _gguf(pairs: list[bytes], tensors: Mapping[str, tuple[int, ...]], *, tail: bytes = b"") -> bytes:
    body = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(pairs)) + b"".join(pairs)
    for name, shape in tensors.items():
        body += _text(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, 0, 0)
    return body + tail


def _read_gguf(data: bytes) -> gguf.GgufHeader:
    return gguf.read_header(_reader(data), size_bytes=len(data))


def _strings(*values: str) -> bytes:
    return struct.pack("<IQ", 8, len(values)) + b"".join(map(_text, values))


PAIRS = [
    _pair("general.architecture", 8, _text("llama")),
    _pair("llama.context_length", 4, struct.pack("<I", 4096)),
    _pair("general.file_type", 4, struct.pack("<I", 15)),
    _pair("tokenizer.ggml.tokens", 9, _strings("<unk>", "<s>", "</s>")),
    _pair("tokenizer.ggml.scores", 9, struct.pack("<IQ3f", 6, 3, 0, 1, 2)),
    _pair("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", 1)),
    _pair("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", 2)),
    _pair("tokenizer.chat_template", 8, _text("{{ messages }}")),
    _pair("nested", 9, struct.pack("<IQ", 9, 1) + struct.pack("<IQB", 0, 1, 7)),
]


def test_gguf_says_what_it_is() -> None:
    found = _read_gguf(_gguf(PAIRS, {"a": (4, 8), "b": (16,)}, tail=b"weights"))
    assert found == gguf.GgufHeader(
        parameters=48, kind="model", architecture="llama", context_length=4096, quantization="Q4_K_M",
        imatrix_file=None, chat_template="{{ messages }}", bos_token="<s>", eos_token="</s>",
    )  # fmt: skip


def test_gguf_of_other_kinds_and_ages() -> None:
    said = [_pair("general.type", 8, _text("adapter")), _pair("quantize.imatrix.file", 8, _text("a\0b.dat"))]
    found = _read_gguf(_gguf(said, {}))
    assert (found.kind, found.imatrix_file, found.architecture) == ("adapter", "ab.dat", None)
    key = b"general.architecture"
    first = b"GGUF" + struct.pack("<III", 1, 1, 1) + struct.pack("<I", len(key)) + key
    first += (
        struct.pack("<II", 8, 3) + b"bit" + struct.pack("<I", 1) + b"a" + struct.pack("<IIIIQ", 2, 4, 5, 0, 0)
    )
    assert _read_gguf(first).architecture == "bit"
    assert _read_gguf(first).parameters == 20
    big = b"GGUF" + struct.pack(">IQQ", 3, 0, 1) + struct.pack(">Q", len(key)) + key
    big += struct.pack(">IQ", 8, 3) + b"bit"
    assert _read_gguf(big).architecture == "bit"


def test_gguf_says_nothing_where_it_says_nonsense() -> None:
    found = _read_gguf(
        _gguf(
            [
                _pair("general.architecture", 8, _text("llama")),
                _pair("llama.context_length", 5, struct.pack("<i", -5)),
                _pair("general.file_type", 6, struct.pack("<f", 1.5)),
                _pair("tokenizer.ggml.tokens", 9, _strings("x" * 1000, "\0y")),
                _pair("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", 9)),
                _pair("tokenizer.ggml.eos_token_id", 4, struct.pack("<I", 1)),
                _pair("tokenizer.chat_template", 8, _text("x" * (256 * 1024 + 1))),
                _pair("general.type", 4, struct.pack("<I", 1)),
            ],
            {},
        )
    )
    assert found == gguf.GgufHeader(
        parameters=0, kind="model", architecture="llama", context_length=None, quantization=None,
        imatrix_file=None, chat_template=None, bos_token=None, eos_token="y",
    )  # fmt: skip


def test_gguf_does_not_read_what_it_skips() -> None:
    scores = _pair("scores", 9, struct.pack("<IQ", 6, 5_000_000) + bytes(20_000_000))
    data = _gguf([PAIRS[0], scores], {"a": (3,)}, tail=bytes(50_000_000))
    read_bytes = 0

    def read(start: int, length: int) -> bytes:
        nonlocal read_bytes
        read_bytes += length
        return data[start : start + length]

    assert gguf.read_header(read, size_bytes=len(data)).parameters == 3
    assert read_bytes <= 2 * 1024 * 1024


def test_gguf_in_small_reads_is_the_same() -> None:
    tokens = _pair("tokenizer.ggml.tokens", 9, _strings(*(f"token{n}" for n in range(200_000))))
    last = _pair("tokenizer.ggml.bos_token_id", 4, struct.pack("<I", 199_999))
    found = _read_gguf(_gguf([PAIRS[0], tokens, last], {"a": (3,)}))
    assert (found.bos_token, found.parameters, found.architecture) == ("token199999", 3, "llama")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"GGML" + bytes(40),
        b"GGUF" + struct.pack("<IQQ", 9, 0, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 2**60, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 2**60),
        _gguf([_pair("a", 8, struct.pack("<Q", 2**60))], {}),
        _gguf([_pair("a", 99, b"")], {}),
        _gguf([_pair("a", 9, struct.pack("<IQ", 99, 1))], {}),
        _gguf([_pair("a", 9, struct.pack("<IQ", 8, 2**40))], {}),
        _gguf([_pair("a", 9, struct.pack("<IQ", 9, 1) * 6)], {}),
        _gguf([struct.pack("<Q", 70_000) + bytes(70_000) + struct.pack("<IB", 0, 0)], {}),
        _gguf([], {"a": (1_000_000,)}),
        b"GGUF" + struct.pack("<IQQ", 3, 10_000_000, 0),
        b"GGUF" + struct.pack("<IQQ", 3, 600_000, 0) + bytes(24 * 600_000),
        b"GGUF" + struct.pack("<IQQ", 3, 0, 1_100_000) + bytes(13 * 1_100_000),
        _gguf([_pair("a", 9, struct.pack("<IQ", 9, 600_000) + struct.pack("<IQ", 0, 0) * 600_000)], {}),
        _gguf([], {"a": (2**63, 2**63)}),
        _gguf([], {"a": (1,) * 9}),
        _gguf(PAIRS, {"a": (4,)})[:-5],
    ],
)
def test_bad_gguf_is_refused(data: bytes) -> None:
    with pytest.raises(BadWeights):
        _read_gguf(data)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_damaged_gguf_is_read_or_refused(place: int, change: bytes) -> None:
    data = bytearray(_gguf(PAIRS, {"a": (4, 8), "b": (16,)}))
    place %= len(data)
    data[place : place + len(change)] = change
    with suppress(BadWeights):
        assert _read_gguf(bytes(data)).parameters >= 0


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_damaged_safetensors_are_read_or_refused(place: int, change: bytes) -> None:
    data = bytearray(_safetensors(GOOD, 44))
    place %= len(data)
    data[place : place + len(change)] = change
    with suppress(BadWeights):
        assert all(0 <= count <= 8 * len(data) for count in _read_safetensors(bytes(data)).values())


TENSOR = st.fixed_dictionaries(
    {},
    optional={
        "dtype": st.sampled_from(["F32", "BF16", "F4", "NEW", "", 1, None]),
        "shape": st.lists(st.integers(-1, 9) | st.integers(2**62, 2**65) | st.just(True), max_size=4)
        | st.none(),
        "data_offsets": st.lists(st.integers(-1, 70) | st.floats(0, 9), max_size=3) | st.just("ab"),
    },
)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.text(max_size=5), TENSOR | st.none() | st.integers() | st.lists(st.none()), max_size=4)
)
def test_any_header_claims_no_more_than_its_bytes(header: dict[str, object]) -> None:
    with suppress(BadWeights):
        counts = _read_safetensors(_safetensors(header, 64))
        assert sum(counts.values()) <= 8 * 64


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200), st.sampled_from([b"", b"GGUF\3\0\0\0", b"GGUF\0\0\0\3", b"GGUF\1\0\0\0"]))
def test_any_bytes_are_read_or_refused(data: bytes, start: bytes) -> None:
    data = start + data
    with suppress(BadWeights):
        assert 0 <= _read_gguf(data).parameters <= 8 * len(data)
    with suppress(BadWeights):
        assert sum(_read_safetensors(data).values()) <= 8 * len(data)

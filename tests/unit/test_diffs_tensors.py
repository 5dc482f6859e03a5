"""What is said of changed weights: each figure is checked against a plain computation of it."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.base.errors import HubError
from openhood.engines.diffs import weights
from openhood.engines.diffs.elements import GGUF_TYPES, SAFETENSORS_TYPES
from openhood.engines.diffs.parts import Budget, percent
from openhood.engines.formats.safetensors import BadWeights
from unit.tensor_files import Tensors, bf16, budget, f32, gguf_file, part, safetensors_file


def compare(old: Tensors, new: Tensors, limits: Budget | None = None) -> dict:  # type: ignore[type-arg]
    sides = ([part(safetensors_file(old))], [part(safetensors_file(new))])
    return weights.compare_safetensors(*sides, limits or budget())


def test_a_changed_tensor_is_measured() -> None:
    old, new = np.array([1.0, -2.0, 3.0, 0.5]), np.array([1.0, -2.5, 3.0, 0.75])
    said = compare({"w": ("F32", [2, 2], f32(*old))}, {"w": ("F32", [2, 2], f32(*new))})
    (changed,) = said["changed"]
    assert changed["changedFraction"] == 0.5
    assert changed["maxAbsDiff"] == 0.5
    assert changed["meanAbsDiff"] == pytest.approx(0.1875)
    assert changed["relativeL2"] == pytest.approx(np.linalg.norm(new - old) / np.linalg.norm(old), rel=1e-5)
    cosine = np.dot(old, new) / np.linalg.norm(old) / np.linalg.norm(new)
    assert changed["cosineSimilarity"] == pytest.approx(cosine, rel=1e-5)
    assert changed["sampled"] is False
    assert said["counts"]["changed"] == 1
    assert said["summary"] == f"1 of 1 tensor changed by {percent(changed['relativeL2'])} (relative L2)"


def test_added_removed_renamed_reshaped_and_recast() -> None:
    values = np.linspace(-1, 1, 12)
    old: Tensors = {
        "same": ("F32", [2], f32(1, 2)),
        "gone": ("F32", [3], f32(7, 8, 9)),
        "model.a": ("F32", [4], f32(1, 2, 3, 4)),
        "model.b": ("F32", [4], f32(4, 3, 2, 1)),
        "shaped": ("F32", [2, 3], f32(1, 2, 3, 4, 5, 6)),
        "cast": ("F32", [12], f32(*values)),
    }
    new: Tensors = {
        "same": ("F32", [2], f32(1, 2)),
        "fresh": ("I64", [1], struct.pack("<q", 5)),
        "lm.a": ("F32", [4], f32(1, 2, 3, 4)),
        "lm.b": ("F32", [4], f32(4, 3, 2, 1)),
        "shaped": ("F32", [3, 2], f32(1, 2, 3, 4, 5, 6)),
        "cast": ("BF16", [12], bf16(*values)),
    }
    said = compare(old, new)
    assert said["counts"] == {
        "old": 6,
        "new": 6,
        "added": 1,
        "removed": 1,
        "renamed": 2,
        "reshaped": 1,
        "recast": 1,
        "changed": 0,
        "unchanged": 1,
    }
    assert said["added"] == [{"name": "fresh", "dtype": "I64", "shape": [1]}]
    assert said["removed"] == [{"name": "gone", "dtype": "F32", "shape": [3]}]
    assert said["renamed"][0] == {"old": "model.a", "name": "lm.a", "dtype": "F32", "shape": [4]}
    assert said["reshaped"][0]["oldShape"] == [2, 3]
    (cast,) = said["recast"]
    assert (cast["oldDtype"], cast["dtype"]) == ("F32", "BF16")
    assert 0 < cast["relativeL2"] < 0.01
    assert said["summary"].startswith(
        "1 tensor added; 1 tensor removed; 2 tensors renamed ('model' → 'lm'); 1 tensor reshaped; "
        "1 tensor recast F32→BF16 ("
    ), said["summary"]


def test_a_cast_that_loses_nothing_says_so() -> None:
    said = compare({"w": ("F32", [3], f32(1, 2, 0.5))}, {"w": ("BF16", [3], bf16(1, 2, 0.5))})
    assert said["summary"] == "1 tensor recast F32→BF16 without loss"
    assert said["recast"][0]["changedFraction"] == 0


def test_values_that_became_nan_are_said() -> None:
    old = {"w": ("F32", [4], f32(1, 2, 3, math.inf))}
    said = compare(old, {"w": ("F32", [4], f32(1, math.nan, 3.5, math.inf))})
    (changed,) = said["changed"]
    assert changed["nonFinite"] == {"old": 1, "new": 2}
    assert changed["maxAbsDiff"] == 0.5
    assert changed["changedFraction"] == 0.5
    assert "1 value became NaN or infinite" in said["summary"]


def test_shards_are_one_set_however_they_are_cut() -> None:
    a, b, c = (("F32", [2], f32(n, n + 1)) for n in (1, 2, 3))
    changed = ("F32", [2], f32(3, 5))
    old = [part(safetensors_file({"a": a, "b": b, "c": c}))]
    new = [part(safetensors_file({"c": changed})), part(safetensors_file({"b": b, "a": a}))]
    said = weights.compare_safetensors(old, new, budget())
    assert said["counts"]["unchanged"] == 2
    assert [each["name"] for each in said["changed"]] == ["c"]
    assert said["counts"]["added"] == said["counts"]["removed"] == 0


def test_a_large_tensor_is_sampled_and_the_answer_says_so() -> None:
    values = np.zeros(1 << 20, "<f4")
    values += 1
    changed = values.copy()
    changed[::2] = 2
    old, new = ({"w": ("F32", [1 << 20], each.tobytes())} for each in (values, changed))
    said = compare(old, new, budget(read_bytes=1 << 20))
    assert said["sampled"] is True
    assert 0 < said["comparedBytes"] <= 1 << 20 < said["totalBytes"]
    (measured,) = said["changed"]
    assert measured["changedFraction"] == 0.5
    assert measured["relativeL2"] == pytest.approx(math.sqrt(0.5), rel=1e-5)
    assert said["summary"].endswith("measured on samples")


def test_past_its_time_a_comparison_takes_small_samples() -> None:
    values = np.ones(1 << 18, "<f4")
    old, new = ({"w": ("F32", [1 << 18], each.tobytes())} for each in (values, values * 2))
    said = compare(old, new, Budget(1 << 30, 0))
    assert said["sampled"] is True
    assert said["changed"][0]["comparedElements"] == 64 * 1024 // 4
    assert said["changed"][0]["relativeL2"] == 1


def test_parts_of_layers_are_summed_up() -> None:
    old = {f"model.layers.{n}.q.weight": ("F32", [2], f32(1, 1)) for n in range(5)}
    new = {f"model.layers.{n}.q.weight": ("F32", [2], f32(1, 1 + n / 10)) for n in range(5)}
    said = compare(old, new)
    (group,) = said["groups"]
    assert group["pattern"] == "model.layers.*.q.weight"
    assert group["tensors"] == 4, "that of layer 0 did not change"
    assert said["changed"][0]["name"] == "model.layers.4.q.weight", "the most changed first"
    assert "most 'model.layers.4.q.weight'" in said["summary"]


def test_a_new_file_is_described() -> None:
    data = part(safetensors_file({"w": ("BF16", [4, 2], bytes(16)), "b": ("F32", [1], bytes(4))}))
    said = weights.compare_safetensors([], [data], budget())
    assert said["summary"] == "2 tensors, 9 parameters (BF16, F32)"


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40),
    st.integers(0, 2**32 - 1),
    st.sampled_from(["F32", "F64", "F16", "BF16"]),
)
def test_figures_agree_with_numpy(values: list[float], seed: int, dtype: str) -> None:
    noise = np.random.default_rng(seed).normal(size=len(values))
    encode = {
        "F32": lambda each: each.astype("<f4").tobytes(),
        "F64": lambda each: each.astype("<f8").tobytes(),
        "F16": lambda each: np.clip(each, -6e4, 6e4).astype("<f2").tobytes(),
        "BF16": lambda each: bf16(*each),
    }[dtype]
    old, new = encode(np.array(values)), encode(np.array(values) + noise)
    kind = SAFETENSORS_TYPES[dtype]
    assert kind.decode is not None
    before, after = kind.decode(old), kind.decode(new)
    said = compare({"w": (dtype, [len(values)], old)}, {"w": (dtype, [len(values)], new)})
    if old == new:
        assert said["counts"]["unchanged"] == 1
        return
    (changed,) = said["changed"]
    assert changed["maxAbsDiff"] == pytest.approx(np.abs(after - before).max(), rel=1e-5)
    assert changed["meanAbsDiff"] == pytest.approx(np.abs(after - before).mean(), rel=1e-5)
    if np.any(before):
        expected = np.linalg.norm(after - before) / np.linalg.norm(before)
        assert changed["relativeL2"] == pytest.approx(expected, rel=1e-4)
    else:
        assert changed["relativeL2"] is None


@pytest.mark.parametrize(
    ("dtype", "pattern", "value"),
    [
        ("F8_E4M3", 0x7E, 448.0),
        ("F8_E4M3", 0x01, 2.0**-9),
        ("F8_E4M3", 0x7F, math.nan),
        ("F8_E5M2", 0x7B, 57344.0),
        ("F8_E5M2", 0x7C, math.inf),
        ("F8_E4M3FNUZ", 0x7F, 240.0),
        ("F8_E5M2FNUZ", 0x80, math.nan),
        ("F8_E8M0", 127, 1.0),
        ("F8_E8M0", 0, 2.0**-127),
        ("I8", 0xFF, -1.0),
        ("U8", 0xFF, 255.0),
        ("BOOL", 1, 1.0),
    ],
)
def test_types_of_one_byte(dtype: str, pattern: int, value: float) -> None:
    kind = SAFETENSORS_TYPES[dtype]
    assert kind.decode is not None
    np.testing.assert_equal(kind.decode(bytes([pattern]))[0], value)


def test_four_bits_come_two_to_a_byte_the_lower_first() -> None:
    kind = SAFETENSORS_TYPES["F4"]
    assert kind.decode is not None
    assert kind.decode(bytes([0x72, 0xF9])).tolist() == [1.0, 6.0, -0.5, -6.0]
    assert kind.size_of(5) == 3


def _q8_0(values: np.ndarray) -> bytes:  # type: ignore[type-arg]
    blocks = values.reshape(-1, 32)
    scale = (np.abs(blocks).max(axis=1, keepdims=True) / 127).astype("<f2")
    whole = np.round(blocks / np.maximum(scale.astype(float), 1e-9)).astype(np.int8)
    return b"".join(s.tobytes() + w.tobytes() for s, w in zip(scale, whole, strict=True))


def test_gguf_says_quantisation_metadata_and_vocabulary() -> None:
    values = np.sin(np.arange(64))
    old = gguf_file(
        {
            "general.architecture": "llama",
            "general.file_type": 1,
            "llama.context_length": 2048,
            "tokenizer.ggml.tokens": ["a", "b", "c"],
        },
        {"blk.0.w": (1, [32, 2], values.astype("<f2").tobytes()), "norm": (0, [2], f32(1, 1))},
    )
    new = gguf_file(
        {
            "general.architecture": "llama",
            "general.file_type": 7,
            "llama.context_length": 4096,
            "tokenizer.ggml.tokens": ["a", "c", "d"],
        },
        {"blk.0.w": (8, [32, 2], _q8_0(values)), "norm": (0, [2], f32(1, 1))},
    )
    said = weights.compare_gguf([part(old)], [part(new)], budget())
    assert said["quantization"] == {"old": "F16", "new": "Q8_0"}
    (recast,) = said["recast"]
    assert (recast["oldDtype"], recast["dtype"]) == ("F16", "Q8_0")
    assert 0 < recast["relativeL2"] < 0.01
    changes = {each["path"]: (each["old"], each["new"]) for each in said["metadata"] if "old" in each}
    assert changes["llama.context_length"] == (2048, 4096)
    assert changes["general.file_type"] == (1, 7)
    assert said["vocabulary"]["addedCount"] == 1
    assert said["vocabulary"]["removedCount"] == 1
    assert said["vocabulary"]["renumbered"] == [{"token": "c", "old": 2, "new": 1}]
    assert said["summary"].startswith("quantisation F16 → Q8_0; 1 tensor recast F16→Q8_0 (")


def _scalar_block(name: str, data: bytes) -> list[float]:
    """The values of one block by loops over its bytes, as ggml's reference code goes through them."""
    half = lambda at: float(np.frombuffer(data[at : at + 2], "<f2")[0])  # noqa: E731
    out = [0.0] * 256
    if name in ("Q4_K", "Q5_K"):
        scales, d, low = data[4:16], half(0), half(2)
        high, packed = (data[16:48], data[48:]) if name == "Q5_K" else (None, data[16:])
        for group in range(8):
            if group < 4:
                scale, minimum = scales[group] & 63, scales[group + 4] & 63
            else:
                scale = (scales[group + 4] & 15) | ((scales[group - 4] >> 6) << 4)
                minimum = (scales[group + 4] >> 4) | ((scales[group] >> 6) << 4)
            for at in range(32):
                byte = packed[32 * (group // 2) + at]
                value = byte >> 4 if group % 2 else byte & 15
                if high is not None and high[at] >> group & 1:
                    value += 16
                out[32 * group + at] = d * scale * value - low * minimum
        return out
    d, scales = half(208), np.frombuffer(data[192:208], np.int8)
    for part_ in range(2):
        low, high = data[64 * part_ : 64 * part_ + 64], data[128 + 32 * part_ : 160 + 32 * part_]
        for at in range(32):
            four = (
                (low[at] & 15) | ((high[at] & 3) << 4),
                (low[at + 32] & 15) | ((high[at] >> 2 & 3) << 4),
                (low[at] >> 4) | ((high[at] >> 4 & 3) << 4),
                (low[at + 32] >> 4) | ((high[at] >> 6 & 3) << 4),
            )
            for place, value in enumerate(four):
                scale = int(scales[8 * part_ + at // 16 + 2 * place])
                out[128 * part_ + 32 * place + at] = d * scale * (value - 32)
    return out


@pytest.mark.parametrize("number", [12, 13, 14])
def test_blocks_of_quantised_weights_are_spread_out_by_their_rule(number: int) -> None:
    kind = GGUF_TYPES[number]
    data = bytearray(np.random.default_rng(number).integers(0, 256, kind.block_bytes, np.uint8).tobytes())
    for at in (0, 2) if kind.name != "Q6_K" else (208,):
        data[at : at + 2] = np.array([0.125 * (at + 1)], "<f2").tobytes()
    assert kind.decode is not None
    expected = _scalar_block(kind.name, bytes(data))
    np.testing.assert_allclose(kind.decode(bytes(data) * 2), expected * 2, rtol=1e-12)


def test_simple_blocks_of_quantised_weights() -> None:
    d = np.array([0.5], "<f2").tobytes()
    m = np.array([-1.0], "<f2").tobytes()
    nibbles = bytes(range(16))  # low halves 0..15, high halves 0
    cases = {
        2: (d + nibbles, [(n - 8) * 0.5 for n in range(16)] + [-4.0] * 16),
        3: (d + m + nibbles, [n * 0.5 - 1 for n in range(16)] + [-1.0] * 16),
        6: (
            d + b"\x01\x00\x01\x00" + nibbles,
            [0.0] + [(n - 16) * 0.5 for n in range(1, 16)] + [0.0] + [-8.0] * 15,
        ),
        7: (d + m + b"\x00\x00\x00\x80" + nibbles, [n * 0.5 - 1 for n in range(16)] + [-1.0] * 15 + [7.0]),
        8: (d + bytes(np.arange(-16, 16, dtype=np.int8).tobytes()), [n * 0.5 for n in range(-16, 16)]),
    }
    for number, (data, expected) in cases.items():
        kind = GGUF_TYPES[number]
        assert kind.decode is not None
        assert kind.decode(data).tolist() == expected, kind.name


def test_types_without_a_rule_are_compared_as_bytes() -> None:
    block = bytes(84)
    old = gguf_file({}, {"w": (10, [256, 4], block * 4)})
    new = gguf_file({}, {"w": (10, [256, 4], block * 3 + b"\1" * 84)})
    said = weights.compare_gguf([part(old)], [part(new)], budget())
    (changed,) = said["changed"]
    assert changed["changedFraction"] == 0.25
    assert "relativeL2" not in changed
    unknown = [gguf_file({}, {"w": (999, [4], data)}) for data in (b"abcd", b"abce")]
    said = weights.compare_gguf([part(unknown[0])], [part(unknown[1])], budget())
    assert said["changed"][0]["dtype"] == "type 999"
    assert said["changed"][0]["changedFraction"] == 0.25


HOSTILE = [
    b"",
    b"GGUF",
    struct.pack("<Q", 2**62) + b"{}",
    safetensors_file({"w": ("F32", [2**40], b"1234")}),
    safetensors_file({"w": ("F32", [1], b"1234")})[:-2],
    b"GGUF" + struct.pack("<IQQ", 3, 2**40, 0) + bytes(64),
    gguf_file({}, {"w": (0, [2**40], b"1234")}),
    gguf_file({}, {"w": (0, [2**61, 8], b"1234")}),
]


@pytest.mark.parametrize("data", HOSTILE, ids=range(len(HOSTILE)))
def test_lying_headers_are_refused(data: bytes) -> None:
    good = safetensors_file({"w": ("F32", [1], b"1234")})
    for compare_files in (weights.compare_safetensors, weights.compare_gguf):
        with pytest.raises(BadWeights):
            compare_files([part(data)], [part(data)], budget())
    with pytest.raises(BadWeights):
        weights.compare_safetensors([part(good)], [part(data)], budget())


@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_files_are_refused_or_compared(data: st.DataObject) -> None:
    good = {
        "safetensors": safetensors_file({"a": ("F32", [2], f32(1, 2)), "b": ("F4", [3], b"12")}, {"x": "y"}),
        "gguf": gguf_file({"a.b": 1, "t": "x", "l": ["p", "q"]}, {"w": (8, [32], bytes(34))}),
    }
    name = data.draw(st.sampled_from(sorted(good)))
    damaged = bytearray(good[name])
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    function = weights.compare_safetensors if name == "safetensors" else weights.compare_gguf
    try:
        said = function([part(good[name])], [part(bytes(damaged))], budget())
    except HubError:
        return
    assert isinstance(said["summary"], str)


def test_shares_are_written_for_people() -> None:
    assert [percent(each) for each in (0, 1e-9, 0.0012, 0.031, 0.5, 0.99999, 1, 1.5)] == [
        "0 %",
        "less than 0.01 %",
        "0.12 %",
        "3.1 %",
        "50.0 %",
        "over 99.9 %",
        "100 %",
        "150 %",
    ]

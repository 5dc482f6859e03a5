"""What is said of changed settings, tokenizers and cards."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.engines.diffs import cards, shards, vocabularies
from openhood.engines.diffs import settings as documents
from openhood.engines.diffs.kinds import FORMATS, format_of, set_of
from openhood.engines.diffs.parts import Unreadable
from unit.tensor_files import budget, part


def paths(old: object, new: object) -> dict[str, tuple[str, object, object]]:
    said = documents.compare_documents(old, new)
    return {
        each["path"]: (each["change"], each.get("old"), each.get("new"))
        for each in said["changes"]  # type: ignore[attr-defined]
    }


def test_values_are_named_by_their_path() -> None:
    old = {
        "a": 1,
        "rope": {"type": "linear", "factor": 2.0},
        "stop": ["x"],
        "gone": None,
        "same": [1, {"b": 2}],
    }
    new = {
        "a": 2,
        "rope": {"type": "linear", "factor": 4},
        "stop": ["x", "y"],
        "new": True,
        "same": [1, {"b": 2}],
    }
    assert paths(old, new) == {
        "a": ("changed", 1, 2),
        "rope.factor": ("changed", 2.0, 4),
        "stop": ("changed", ["x"], ["x", "y"]),
        "gone": ("removed", None, None),
        "new": ("added", None, True),
    }


def test_numbers_are_the_same_however_they_are_written_and_truth_is_no_number() -> None:
    assert paths({"a": 1, "b": 0}, {"a": 1.0, "b": False}) == {"b": ("changed", 0, False)}
    assert documents.compare_documents({"a": 1}, {"a": 1.0})["summary"].startswith("no value changed")  # type: ignore[attr-defined]


def test_known_keys_come_first_with_what_they_mean() -> None:
    said: Any = documents.compare_documents(
        {"zeta": 1, "transformers_version": "4", "rope_scaling": {"factor": 1}, "vocab_size": 10},
        {"zeta": 2, "transformers_version": "5", "rope_scaling": {"factor": 2}, "vocab_size": 11},
    )
    assert [each["path"] for each in said["changes"][:2]] == ["rope_scaling.factor", "vocab_size"]
    assert "long contexts" in said["changes"][0]["note"]
    assert said["summary"] == (
        "4 values changed (rope_scaling.factor: 1 → 2, vocab_size: 10 → 11, zeta: 1 → 2, "
        "transformers_version: 4 → 5)"
    )


def test_objects_of_a_list_are_told_apart_by_their_names() -> None:
    old = {"configs": [{"config_name": "a", "x": 1}, {"config_name": "b", "x": 1}]}
    new = {"configs": [{"config_name": "b", "x": 2}, {"config_name": "c", "x": 1}]}
    assert paths(old, new) == {
        "configs[config_name=a]": ("removed", {"config_name": "a", "x": 1}, None),
        "configs[config_name=b].x": ("changed", 1, 2),
        "configs[config_name=c]": ("added", None, {"config_name": "c", "x": 1}),
    }


def test_long_lists_say_what_went_in_and_out() -> None:
    said: Any = documents.compare_documents({"l": list(range(20))}, {"l": [*range(1, 20), 99]})
    (change,) = said["changes"]
    assert (change["added"], change["removed"], change["reordered"]) == ([99], [0], False)
    said = documents.compare_documents({"l": list(range(20))}, {"l": list(reversed(range(20)))})
    assert said["changes"][0]["reordered"] is True


def test_long_texts_are_shown_by_the_lines_that_differ() -> None:
    old, new = "\n".join(f"line {n}" for n in range(50)), "\n".join(f"line {n}" for n in range(50) if n != 7)
    said: Any = documents.compare_documents({"chat_template": old}, {"chat_template": new})
    (change,) = said["changes"]
    assert (change["text"]["added"], change["text"]["removed"]) == (0, 1)
    assert "-line 7" in change["text"]["lines"]
    assert change["note"] == "conversations become other prompts"


def test_answers_stay_small() -> None:
    old = {f"k{n}": n for n in range(5000)}
    said: Any = documents.compare_documents(old, {**dict.fromkeys(old, -1), "long": "x" * 10**6})
    assert said["changeCount"] == 5001
    assert said["truncated"] is True
    assert len(json.dumps(said)) < 100_000


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)


@settings(deadline=None, max_examples=150)
@given(_JSON, _JSON)
def test_documents_differ_exactly_where_changes_are_found(old: object, new: object) -> None:
    assert documents.differ(old, old).count == 0
    found = documents.differ(old, new)
    if not found.count and old is not None and new is not None:
        assert _same(old, new)
    json.dumps(documents.compare_documents(old, new))


def _same(old: object, new: object) -> bool:
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(_same(old[key], new[key]) for key in old)
    if isinstance(old, list) and isinstance(new, list):
        return (len(old) == len(new) and all(map(_same, old, new))) or sorted(map(repr, old)) == sorted(
            map(repr, new)
        )
    return old == new and isinstance(old, bool) == isinstance(new, bool)


def tokenizer(vocab: object, merges: object, **more: object) -> bytes:
    document = {
        "version": "1.0",
        "added_tokens": [{"id": 100, "content": "<s>", "special": True}],
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
        **more,
    }
    return json.dumps(document).encode()


def test_a_tokenizer_is_compared_by_tokens_merges_and_the_rest() -> None:
    old = tokenizer({"a": 0, "b": 1, "ab": 2}, ["a b"])
    new = tokenizer(
        {"a": 0, "ab": 1, "c": 2},
        [["a", "b"], ["a", "c"]],
        added_tokens=[{"id": 100, "content": "<s>", "special": False}],
        truncation={"max_length": 512},
    )
    said: Any = vocabularies.compare_tokenizer([part(old)], [part(new)])
    assert said["vocabulary"]["added"] == [{"token": "c", "id": 2}]
    assert said["vocabulary"]["removed"] == [{"token": "b", "id": 1}]
    assert said["vocabulary"]["renumbered"] == [{"token": "ab", "old": 2, "new": 1}]
    assert said["merges"]["added"] == ["a c"]
    assert said["merges"]["removedCount"] == 0, "a pair is the same merge however it is written"
    assert said["specialTokens"][0]["path"] == "<s>.special"
    assert said["summary"] == (
        "1 token added; 1 token removed; 1 token got other ids, so embeddings no longer match; 1 merge added; "
        "1 value of special tokens changed; 1 value changed (truncation added)"
    )


def test_a_unigram_vocabulary_is_a_list_of_pieces() -> None:
    old, new = (
        tokenizer(vocab, None) for vocab in ([["<unk>", 0.0], ["a", -1.5]], [["<unk>", 0.0], ["b", -1.5]])
    )
    said: Any = vocabularies.compare_tokenizer([part(old)], [part(new)])
    assert said["vocabulary"]["added"] == [{"token": "b", "id": 1}]


def test_vocabularies_in_files_of_their_own() -> None:
    said = vocabularies.compare_vocab_json([part(b'{"a": 0}')], [part(b'{"a": 0, "b": 1}')])
    assert said["summary"] == "1 token added"
    said = vocabularies.compare_token_lines([part(b"a\nb\n")], [part(b"a\r\nc\r\n")])
    assert said["summary"] == "1 token added; 1 token removed"
    said = vocabularies.compare_merges([part(b"#version: 0.2\na b\nc d\n")], [part(b"c d\na b\n")])
    assert said["summary"] == "merges in another order"


def test_sentencepiece_models_are_compared_by_their_pieces() -> None:
    def piece(text: str) -> bytes:
        inner = (
            b"\x0a"
            + bytes([len(text.encode())])
            + text.encode()
            + b"\x15"
            + struct.pack("<f", -1.0)
            + b"\x18\x01"
        )
        return b"\x0a" + bytes([len(inner)]) + inner

    model = [piece("<unk>"), piece("▁the"), piece("x")]
    old, new = b"".join(model), b"".join((*model[:2], piece("y")))
    said: Any = vocabularies.compare_sentencepiece([part(old)], [part(new)])
    assert said["added"] == [{"token": "y", "id": 2}]
    for bad in (b"\xff" * 20, b"\x0a\x7f", old[:-3]):
        with pytest.raises(Unreadable):
            vocabularies.compare_sentencepiece([part(old)], [part(bad)])


def test_a_card_is_metadata_and_text() -> None:
    old, new = (
        b"---\nlicense: mit\ntags: [a]\n---\n# X\n\nold\n",
        b"---\nlicense: mit\ntags: [a, b]\n---\n# X\n\nnew\nmore\n",
    )
    said: Any = cards.compare_cards([part(old)], [part(new)])
    assert [(each["path"], each["new"]) for each in said["changes"]] == [("tags", ["a", "b"])]
    assert said["summary"] == "metadata: 1 value changed (tags changed); text: 2 lines added, 1 removed"
    with pytest.raises(Unreadable, match="Invalid YAML"):
        cards.compare_cards([part(old)], [part(b"---\na: [\n---\n")])
    assert cards.compare_yaml([part(b"a: 1\n")], [part(b"a: 2\n")])["summary"] == "1 value changed (a: 1 → 2)"


def test_the_index_of_shards_says_what_moved() -> None:
    def index(places: Mapping[str, str], size: int) -> bytes:
        return json.dumps({"metadata": {"total_size": size}, "weight_map": places}).encode()

    old = index({"a": "1", "b": "1", "c": "2"}, 10)
    new = index({"a": "1", "b": "2", "d": "3"}, 12)
    said: Any = shards.compare_indexes([part(old)], [part(new)])
    assert (
        said["summary"]
        == "1 tensor added; 1 tensor removed; 1 tensor moved to another file; 2 files → 3 files"
    )
    assert said["changes"][0]["path"] == "metadata.total_size"
    with pytest.raises(Unreadable):
        shards.compare_indexes([part(old)], [part(b"{}")])


@pytest.mark.parametrize(
    ("path", "name", "shared"),
    [
        ("model.safetensors", "safetensors", "model.safetensors"),
        ("m/model-00001-of-00003.safetensors", "safetensors", "m/model.safetensors"),
        ("m/model.fp16-00001-of-00003.safetensors", "safetensors", "m/model.fp16.safetensors"),
        ("model.safetensors.index.json", "shard index", None),
        ("q-00001-of-00002.gguf", "gguf", "q.gguf"),
        ("data/train-00000-of-00001-abcdef0123456789.parquet", "parquet", "data/train.parquet"),
        ("config.json", "settings", None),
        ("text_encoder/adapter_config.json", "settings", None),
        ("tokenizer.json", "tokenizer", None),
        ("unet/tokenizer/merges.txt", "merges", None),
        ("README.md", "card", None),
        ("docs/other.md", None, None),
        ("x.JSONL", "jsonl", None),
        ("x.csv.gz", "csv", None),
        ("data.json", "json", None),
        ("model.bin", None, None),
        ("chat_template.jinja", "template", None),
    ],
)
def test_which_files_are_understood(path: str, name: str | None, shared: str | None) -> None:
    assert format_of(path) == name
    assert set_of(path) == (shared or path)


@pytest.mark.parametrize("name", sorted(set(FORMATS) - {"parquet head"}))
def test_no_format_falls_over_noise_or_nothing(name: str) -> None:
    from openhood.base.errors import HubError

    for old, new in (
        (b"", b""),
        (b"x", b"{}"),
        (b"{}", b"[]"),
        (b"[]", b"[1]"),
        (b"\0\xff\n", b'"a"'),
        (b"null", b"1"),
    ):
        for sides in (([part(old)], [part(new)]), ([part(old)], []), ([], [part(new)])):
            try:
                said = FORMATS[name].compare(*sides, budget())
            except HubError:
                continue
            assert isinstance(said["summary"], str)
            json.dumps(said)

"""Whatever people write into cards, configurations and file names, the description is bounded and storable."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from openhood.base.names import RepoType
from openhood.domain.catalog.types import MAX_SUMMARY_CHARACTERS, TipFacts
from openhood.domain.repos.describe import clues_of, describe
from unit.describing import dataset, described, model

CARD_KEYS = [
    "tags",
    "language",
    "license",
    "library_name",
    "pipeline_tag",
    "datasets",
    "base_model",
    "base_model_relation",
    "arxiv",
    "doi",
    "widget",
    "model-index",
    "co2_eq_emissions",
    "sdk",
    "models",
    "task_categories",
    "size_categories",
    "dataset_info",
    "configs",
    "paperswithcode_id",
]
CONFIG_KEYS = [
    "architectures",
    "model_type",
    "auto_map",
    "quantization_config",
    "quantization",
    "sklearn",
    "architecture",
    "pretrained_cfg",
    "speechbrain_interface",
    "chat_template",
    "mask_token",
    "bos_token",
    "peft_type",
    "base_model_name_or_path",
    "_class_name",
]
WORDS = ("llama", "LlamaForCausalLM", "AutoModel", "content", "bits", "train", "**/*.csv", "config_name", "data_files",
         "split", "path", "features", "name", "dtype", "string", "~app:vllm", "a\x00b", "\ud800", "region:us", "a/b")  # fmt: skip
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.sampled_from(WORDS),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(WORDS) | st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=15,
)
paths = st.lists(
    st.from_regex(r"[a-z.]{1,6}(/[a-z.]{1,6}){0,2}\.(csv|gguf|safetensors|parquet|yaml)", fullmatch=True),
    max_size=8,
)


def check(found: TipFacts) -> None:
    """Everything can be kept by both databases, and nothing can pass for what it is not."""
    assert len(found.tags) <= 500
    assert found.tags.count("region:us") == 1
    for tag in found.tags:
        assert 0 < len(tag) <= 200
        assert not tag.startswith("~")
        assert tag.isprintable() or not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in tag)
    assert all(
        trait.startswith("~") and trait == trait.lower() and len(trait) <= 200 for trait in found.traits
    )
    assert len(found.summary) <= MAX_SUMMARY_CHARACTERS
    written = json.dumps([found.card, found.config, found.extras, found.tags, found.summary], allow_nan=False)
    # A backslash of the text itself is doubled in JSON.
    assert "\\u0000" not in written.replace("\\\\", "")
    json.dumps([found.card, found.config, found.extras], ensure_ascii=False).encode("utf-8")
    for one in found.evaluations:
        assert one.entry["dataset"] == {"id": one.dataset_id, "task_id": one.task_id} | one.entry["dataset"]  # type: ignore[operator]


@settings(max_examples=300, deadline=None)
@given(
    card=st.dictionaries(st.sampled_from(CARD_KEYS), values, max_size=6),
    config=st.dictionaries(st.sampled_from(CONFIG_KEYS), values, max_size=6),
    names=paths,
    body=st.text(alphabet="[]()!<>-`#*|\n\t a:/http.\x00\u2028&;@{}", max_size=200),
    results=values,
    kind=st.sampled_from(list(RepoType)),
)
def test_any_values(
    card: dict[str, Any], config: dict[str, Any], names: list[str], body: str, results: object, kind: RepoType
) -> None:
    # JSON is YAML too; what neither can hold becomes what a careless writer would make of it.
    front = json.dumps(card)
    files = dict.fromkeys(names, b"") | {
        "README.md": f"---\n{front}\n---\n{body}".encode("utf-8", "surrogatepass"),
        ".eval_results/x.yaml": json.dumps(results).encode(),
    }
    for name in ("config", "tokenizer_config", "adapter_config", "model_index", "special_tokens_map"):
        files[f"{name}.json"] = json.dumps(config).encode()
    check(describe(clues_of(files), kind))


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(st.text(max_size=30), st.binary(max_size=300), max_size=5),
    st.sampled_from(list(RepoType)),
)
def test_any_bytes(files: dict[str, bytes], kind: RepoType) -> None:
    for name in ("README.md", "config.json", "chat_template.jinja", ".eval_results/y.yaml"):
        if files:
            files.setdefault(name, next(iter(files.values())))
    check(describe(clues_of(files), kind))


def test_odd_cards_do_no_harm() -> None:
    assert model("tags: {a: b}\nlanguage: 5\ndatasets: [1, null, x]").tags == ("dataset:x", "region:us")
    assert model("tags: ['', '  ', a, a, " + "y" * 300 + "]").tags == ("a", "region:us")
    assert len(model("tags: [" + ",".join(f"t{n}" for n in range(5000)) + "]").tags) == 500
    assert dataset("tags: [" + ",".join(f"t{n}" for n in range(5000)) + "]").tags[0] == "region:us"
    assert described("a: [", body="x").card is None
    config = {"architectures": "x", "model_type": 5, "auto_map": {"A": "b", "C": 1}, "quantization_config": 3}
    assert model(None, config).config == {"auto_map": {"A": "b"}}
    assert model(None, b'{"model_type": NaN}').config is None


def test_tags_cannot_pass_for_traits() -> None:
    found = model("tags: ['~app:vllm', ' ~x', \"\\0~app:ollama\", ok, \"a\\tb\\nc\"]\nlicense: ~")
    assert found.tags == ("ok", "a b c", "region:us")
    assert found.traits == ()
    assert found.card is not None
    assert "\x00" not in json.dumps(found.card, ensure_ascii=False)


def test_nuls_are_stripped_everywhere() -> None:
    config = {"model_type": "ll\x00ama", "architectures": ["A\x00B"]}
    found = model(
        'title: "a\\0b"\nwidget: [{text: "x\\0y"}]', config, chat_template={"chat_template": "T\x00"}
    )
    assert found.card == {"title": "ab", "widget": [{"text": "xy"}]}
    assert found.extras["widgetData"] == [{"text": "xy"}]
    assert found.config is not None
    assert found.config["processor_config"] == {"chat_template": "T"}
    assert "\x00" not in str(found.config)


@pytest.mark.parametrize(
    "nested", ['{"a":' * 10_000 + "1" + "}" * 10_000, "[" * 10_000, '{"architectures":' + "[" * 5000]
)
def test_deeply_nested_configurations(nested: str) -> None:
    found = model("license: mit", nested, tokenizer_config=nested, adapter_config=nested)
    assert found.config is None
    assert found.tags == ("peft", "license:mit", "region:us")


def test_bombs_and_giants() -> None:
    bomb = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 40))
    assert described(bomb + "tags: *a39").card is None
    assert described("x: " + "y" * (5 * 1024 * 1024)).card is None
    wide = described("tags: [" + "a, " * 300_000 + "]", files={".eval_results/b.yaml": bomb})
    assert wide.tags in (("region:us",), ("a", "region:us"))
    assert wide.evaluations == ()


@pytest.mark.parametrize(
    "body",
    [
        "[" * 200_000, "![" * 100_000, "[](" * 80_000, "<" * 200_000, "<a " * 80_000, "<!--" * 60_000,
        "`" * 200_000, "\n" * 200_000, "\n " * 100_000, "> " * 100_000, "#" * 200_000, "http://" * 40_000,
        "[a](b(" * 50_000, "@a{" * 80_000, "@article{" + "{" * 200_000, "&" * 200_000, "|" * 200_000, "- " * 100_000,
        "arxiv:" * 50_000, "/papers/1234." * 20_000, "[x]: " * 50_000, " " * 200_000 + "x",
    ],
)  # fmt: skip
def test_hostile_texts_end(body: str) -> None:
    """A pattern that tried its starts over the same text again would need hours for these."""
    found = described("license: mit", body=body, type=RepoType.DATASET)
    check(found)
    assert found.tags[0] == "license:mit"


def test_hostile_patterns_end() -> None:
    names = [f"{'a' * 180}/{'a' * 60}{number}.csv" for number in range(900)]
    stars = "a*" * 200
    configs = "".join(f"- {{config_name: c{n}, data_files: '{stars}/{'*a' * 20}b'}}\n" for n in range(400))
    found = dataset("configs:\n" + configs, *names)
    check(found)
    assert found.tags == ("region:us",)


def test_many_configs_are_shown_in_part() -> None:
    configs = "".join(f"- {{config_name: c{n:03}, data_files: 'c{n}.csv'}}\n" for n in range(700))
    shown = dataset("configs:\n" + configs, *(f"c{n}.csv" for n in range(700))).extras["configs"]
    assert isinstance(shown, list)
    assert len(shown) == 200

"""What a commit says of its repository is drawn from its card, its config and its files' names."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openhood.base.names import EMPTY_TREE, Oid, RepoType
from openhood.domain.repos.describe import Clues, describe, describe_tip, transformers_info
from openhood.engines.git.edit import Put, apply_edits
from openhood.engines.git.objects import MODE_FILE, MODE_LINK, Signature, encode_commit
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb


def model(
    card: str | None = None, config: object = None, paths: tuple[str, ...] = (), body: str = ""
) -> tuple[str, ...]:
    return facts(card, config, paths, body).tags[:-1]


def facts(card: str | None, config: object = None, paths: tuple[str, ...] = (), body: str = ""):  # type: ignore[no-untyped-def]
    readme = None if card is None else f"---\n{card}\n---\n{body}".encode()
    data = None if config is None else json.dumps(config).encode()
    return describe(Clues(readme, data, paths), RepoType.MODEL)


def test_nothing_known() -> None:
    found = describe(Clues(None, None, ()), RepoType.MODEL)
    assert (found.card, found.config, found.pipeline_tag, found.library_name, found.sdk) == (None,) * 5
    assert found.tags == ("region:us",)


@pytest.mark.parametrize(
    ("config", "paths", "library", "pipeline"),
    [
        (
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"]},
            (),
            "transformers",
            "text-generation",
        ),
        ({"model_type": "bert", "architectures": ["BertForMaskedLM"]}, (), "transformers", "fill-mask"),
        ({"model_type": "bert"}, (), "transformers", None),
        (None, ("adapter_config.json", "config.json"), "peft", None),
        (None, ("model_index.json", "unet/config.json"), "diffusers", None),
        ({"model_type": "bert"}, ("modules.json",), "sentence-transformers", "sentence-similarity"),
        (None, ("m.gguf",), "gguf", None),
        (None, ("deep/adapter_config.json",), None, None),
        ({"other": 1}, (), None, None),
        ([1, 2], (), None, None),
    ],
)
def test_library_and_task(
    config: object, paths: tuple[str, ...], library: str | None, pipeline: str | None
) -> None:
    found = facts(None, config, paths)
    assert (found.library_name, found.pipeline_tag) == (library, pipeline)


def test_card_wins() -> None:
    card = "library_name: timm\npipeline_tag: image-classification"
    found = facts(card, {"model_type": "bert", "architectures": ["BertForMaskedLM"]})
    assert (found.library_name, found.pipeline_tag) == ("timm", "image-classification")
    for bad in ("library_name: [a]", "library_name: 'a b'", "pipeline_tag: 5", f"library_name: {'x' * 65}"):
        found = facts(bad)
        assert (found.library_name, found.pipeline_tag) == (None, None)


def test_weights() -> None:
    paths = (
        "a/model.safetensors",
        "pytorch_model-00001-of-2.bin",
        "x.onnx",
        "tf_model.h5",
        "m.pt",
        "other.bin",
    )
    assert model(paths=paths) == ("safetensors", "pytorch", "onnx", "tf")


@pytest.mark.parametrize(
    ("card", "config", "paths", "relation"),
    [
        ("", None, (), "finetune"),
        ("base_model_relation: quantized", None, (), "quantized"),
        ("base_model_relation: nonsense", None, (), "finetune"),
        ("", None, ("adapter_config.json",), "adapter"),
        ("tags: [merge]", None, (), "merge"),
        ("", None, ("m.gguf",), "quantized"),
        ("", {"quantization_config": {"bits": 4, "secret": [1]}}, (), "quantized"),
    ],
)
def test_base_models(card: str, config: object, paths: tuple[str, ...], relation: str) -> None:
    tags = model(f"base_model: a/b\n{card}", config, paths)
    assert "base_model:a/b" in tags
    assert f"base_model:{relation}:a/b" in tags


def test_odd_cards_do_no_harm() -> None:
    assert model("tags: {a: b}\nlanguage: 5\ndatasets: [1, null, x]") == ("dataset:x",)
    assert model("tags: ['', '  ', a, a, " + "y" * 300 + "]") == ("a",)
    assert len(model("tags: [" + ",".join(f"t{n}" for n in range(5000)) + "]")) == 499
    assert facts("a: [", body="x").card is None
    config = {"architectures": "x", "model_type": 5, "auto_map": {"A": "b", "C": 1}, "quantization_config": 3}
    assert facts(None, config).config == {"auto_map": {"A": "b"}}
    assert describe(Clues(None, b'{"model_type": NaN}', ()), RepoType.MODEL).config is None


def test_papers() -> None:
    body = "arXiv:1810.04805 https://arxiv.org/pdf/2101.00001v2 arxiv.org/abs/1810.04805 1234.56789"
    assert model("a: b", body=body) == ("arxiv:1810.04805", "arxiv:2101.00001")


def test_datasets_and_spaces() -> None:
    readme = b"---\nlicense: MIT\ntask_categories: [text-generation]\nlanguage: en\ntags: [x]\n---\n"
    found = describe(Clues(readme, None, ("data/a.parquet", "README.md", "b.JSONL")), RepoType.DATASET)
    assert found.tags == (
        "task_categories:text-generation", "language:en", "license:mit", "format:parquet", "format:json",
        "x", "region:us",
    )  # fmt: skip
    assert (found.pipeline_tag, found.library_name) == (None, None)
    space = describe(Clues(b"---\nsdk: gradio\ntags: [mcp]\n---\n", None, ()), RepoType.SPACE)
    assert (space.sdk, space.tags) == ("gradio", ("gradio", "mcp", "region:us"))
    assert describe(Clues(b"---\nsdk: [x]\n---\n", None, ()), RepoType.SPACE).sdk is None


def test_transformers_info() -> None:
    config = {"model_type": "llama"}
    assert transformers_info(config, "text-generation", "transformers") == {
        "auto_model": "AutoModelForCausalLM",
        "pipeline_tag": "text-generation",
        "processor": "AutoTokenizer",
    }
    assert transformers_info(config, None, "transformers") == {"auto_model": "AutoModel"}
    assert (
        transformers_info(config, None, "diffusers") is transformers_info(None, None, "transformers") is None
    )


def build(directory: Path, files: dict[str, tuple[bytes, int]]) -> tuple[ObjectDb, Oid]:
    (directory / "pack").mkdir()
    who = Signature("a", "b", datetime.now(UTC))
    with PackWriter(directory / "pack") as writer:
        edits = {path: Put(writer.add("blob", data), mode) for path, (data, mode) in files.items()}
        edited = apply_edits(ObjectDb(directory), EMPTY_TREE, edits)
        for tree in edited.new_trees.values():
            writer.add("tree", tree)
        commit = writer.add(
            "commit",
            encode_commit(tree=edited.tree, parents=(), author=who, committer=who, message="x"),
        )
        writer.finish()
    return ObjectDb(directory), commit


def test_tip(tmp_path: Path) -> None:
    objects, commit = build(
        tmp_path,
        {
            "README.md": (b"---\nlicense: mit\n---\n", MODE_FILE),
            "config.json": (b'{"model_type": "x"}', MODE_FILE),
            "sub/model.safetensors": (b"1", MODE_FILE),
            "link.gguf": (b"sub", MODE_LINK),
        },
    )
    found = describe_tip(objects, commit, RepoType.MODEL)
    assert found.card == {"license": "mit"}
    assert found.tags == ("transformers", "safetensors", "x", "license:mit", "region:us")
    assert describe_tip(objects, commit, RepoType.DATASET).config is None


def test_tip_of_links_and_giants(tmp_path: Path) -> None:
    giant = b"---\nlicense: mit\n---\n" + b"x" * (5 * 1024 * 1024)
    objects, commit = build(
        tmp_path, {"README.md": (giant, MODE_FILE), "config.json": (b"README.md", MODE_LINK)}
    )
    found = describe_tip(objects, commit, RepoType.MODEL)
    assert (found.card, found.config, found.tags) == (None, None, ("region:us",))

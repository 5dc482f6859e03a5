"""What a commit says of its repository is drawn from its card, its small files and its files' names."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from openhood.base.names import EMPTY_TREE, Oid, RepoType
from openhood.domain.catalog.types import MAX_LISTED_PATHS, MAX_SUMMARY_CHARACTERS, Evaluation
from openhood.domain.repos.describe import clues_of, describe, describe_tip
from openhood.domain.repos.describing.pipelines import transformers_info
from openhood.engines.git.edit import Put, apply_edits
from openhood.engines.git.objects import MODE_FILE, MODE_LINK, Signature, encode_commit
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from unit.describing import described, model


def test_nothing_known() -> None:
    for kind in RepoType:
        found = describe(clues_of({}), kind)
        assert (found.card, found.config, found.pipeline_tag, found.library_name, found.sdk) == (None,) * 5
        assert (found.tags, found.traits, found.evaluations) == (("region:us",), (), ())
        assert (found.extras, found.summary, found.paths) == ({}, "", ())


def test_papers() -> None:
    body = (
        "arXiv:1810.04805 https://arxiv.org/pdf/2101.00001v2 arxiv.org/abs/1810.04805 1234.56789 "
        "[paper](https://huggingface.co/papers/2305.18290) /papers/2000.123456 https://arxiv.org/html/2402.03216"
    )
    assert model("a: b", body=body).tags == (
        "arxiv:1810.04805", "arxiv:2101.00001", "arxiv:2305.18290", "arxiv:2402.03216", "region:us",
    )  # fmt: skip
    assert model("arxiv: [2101.00001x, '2101.00001']").tags[0] == "arxiv:2101.00001"


def test_identifiers() -> None:
    assert model("doi: 10.57967/hf/0039\nlicense: mit").tags[:2] == ("doi:10.57967/hf/0039", "license:mit")
    assert model("doi: [nonsense, 5]").tags == ("region:us",)


def test_the_text_of_a_card() -> None:
    body = """<!-- hidden
lines --> # Title *here*
[![Build](https://img.shields.io/x.svg)](https://ci.example.org/x)  ![logo](logo.png)

<div align="center"><b>Bold</b> words<br>apart</div>

- one [link](https://example.org/a_(b)) and <https://example.org/auto> &amp; more
1. two [ref][1]

| a | b |
|---|---|
| c_d | `e` |

```python
print("kept")
```
> quoted ~~struck~~

[1]: https://example.org/ref
"""
    found = described("license: mit", body=body, type=RepoType.DATASET)
    assert found.summary == (
        'Title here Bold words apart one link and & more two ref a b c_d e print("kept") quoted struck'
    )
    assert str(found.extras["description"]).startswith("Title here\n\nBold words\n\napart")
    long = described("a: b", body="word " * 5000, type=RepoType.DATASET)
    assert MAX_SUMMARY_CHARACTERS - 10 < len(long.summary) <= MAX_SUMMARY_CHARACTERS
    assert str(long.extras["description"]).endswith("word…")
    assert len(str(long.extras["description"])) <= 501


def test_evaluations() -> None:
    whole = """
- dataset: {id: cais/hle, task_id: default, revision: 5503434, other: 1}
  value: 20.90
  verifyToken: abc
  date: 2025-01-15
  source: {url: https://example.org/x, name: Traces, user: ann, org: acme}
  notes: no-tools
- dataset: {id: Idavidrein/gpqa, task_id: gpqa_diamond}
  value: high
"""
    files = {
        ".eval_results/b.yaml": whole,
        ".eval_results/a.yml": "- dataset: {id: x/y, task_id: t}\n  value: 3\n  notes: 5",
        ".eval_results/c.txt": whole,
        "other/d.yaml": whole,
    }
    found = described("license: mit", files=files)  # type: ignore[arg-type]
    data = {
        "dataset": {"id": "cais/hle", "task_id": "default", "revision": "5503434"},
        "value": 20.9,
        "date": "2025-01-15",
        "notes": "no-tools",
        "verifyToken": "abc",
        "source": {"url": "https://example.org/x", "name": "Traces", "user": "ann", "org": "acme"},
    }
    assert [(one.dataset_id, one.task_id, one.value, one.filename) for one in found.evaluations] == [
        ("x/y", "t", 3, ".eval_results/a.yml"),
        ("cais/hle", "default", 20.9, ".eval_results/b.yaml"),
        ("Idavidrein/gpqa", "gpqa_diamond", "high", ".eval_results/b.yaml"),
    ]
    assert found.evaluations[1] == Evaluation("cais/hle", "default", 20.9, ".eval_results/b.yaml", data)
    entries = found.extras["evalResults"]
    assert isinstance(entries, list)
    assert entries[1] == {"filename": ".eval_results/b.yaml", "verified": False, "data": data}
    assert "eval-results" in found.tags


def test_evaluations_that_are_wrong_say_so() -> None:
    for wrong in (
        "a: b", "[1]", "- {}", "- dataset: {id: a/b}\n  value: 1", "- dataset: {id: a b, task_id: t}\n  value: 1",
        "- dataset: {id: a/b, task_id: t}", "- dataset: {id: a/b, task_id: t}\n  value: true",
        "- dataset: {id: a/b, task_id: t}\n  value: [1]", "- dataset: [a]\n  value: 1", "a: [",
        "- dataset: {id: a/b, task_id: t}\n  value: 1\n  source: {name: x}",
        "- dataset: {id: a/b, task_id: t}\n  value: 1\n  source: {url: 'javascript:alert(1)'}",
    ):  # fmt: skip
        found = described(None, files={".eval_results/x.yaml": wrong})
        assert found.evaluations == ()
        entries = found.extras["evalResults"]
        assert isinstance(entries, list)
        (entry,) = entries
        assert set(entry) == {"filename", "error"}
        assert "eval-results" not in found.tags


def test_transformers_info() -> None:
    config = {"model_type": "llama"}
    assert transformers_info(config, "text-generation", "transformers") == {
        "auto_model": "AutoModelForCausalLM",
        "pipeline_tag": "text-generation",
        "processor": "AutoTokenizer",
    }
    assert transformers_info(config, None, "transformers") == {
        "auto_model": "AutoModel",
        "processor": "AutoTokenizer",
    }
    whisper = {"model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"]}
    assert transformers_info(whisper, "automatic-speech-recognition", "transformers") == {
        "auto_model": "AutoModelForSpeechSeq2Seq",
        "pipeline_tag": "automatic-speech-recognition",
        "processor": "AutoProcessor",
    }
    vit = {"model_type": "vit", "architectures": ["ViTForImageClassification"]}
    info = transformers_info(vit, "image-classification", "transformers")
    assert info is not None
    assert info["processor"] == "AutoImageProcessor"
    phi = {
        "model_type": "phi-msft",
        "architectures": ["PhiForCausalLM"],
        "auto_map": {"AutoModelForCausalLM": "m.P"},
    }
    info = transformers_info(phi, "text-generation", "transformers")
    assert info is not None
    assert info["custom_class"] == "m.P"
    assert transformers_info(config, None, "diffusers") is None
    assert transformers_info(None, None, "transformers") is None


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
            "README.md": (b"---\nlicense: mit\n---\nHello.", MODE_FILE),
            "config.json": (b'{"model_type": "x"}', MODE_FILE),
            "sub/model.safetensors": (b"1", MODE_FILE),
            "link.gguf": (b"sub", MODE_LINK),
            "chat_template.jinja": (b"T", MODE_FILE),
            ".eval_results/r.yaml": (b"- dataset: {id: a/b, task_id: t}\n  value: 1", MODE_FILE),
            ".eval_results/deep/r.yaml": (b"nonsense", MODE_FILE),
        },
    )
    found = describe_tip(objects, commit, RepoType.MODEL)
    assert found.card == {"license": "mit"}
    assert found.tags == ("transformers", "safetensors", "x", "license:mit", "eval-results", "region:us")
    assert found.config == {"model_type": "x", "chat_template_jinja": "T"}
    assert found.summary == "Hello."
    assert [one.dataset_id for one in found.evaluations] == ["a/b"]
    assert found.paths == (
        ".eval_results/deep/r.yaml", ".eval_results/r.yaml", "README.md", "chat_template.jinja", "config.json",
        "link.gguf", "sub/model.safetensors",
    )  # fmt: skip
    dataset = describe_tip(objects, commit, RepoType.DATASET)
    assert (dataset.config, dataset.evaluations) == (None, ())


def test_tip_of_links_and_giants(tmp_path: Path) -> None:
    giant = b"---\nlicense: mit\n---\n" + b"x" * (5 * 1024 * 1024)
    objects, commit = build(
        tmp_path, {"README.md": (giant, MODE_FILE), "config.json": (b"README.md", MODE_LINK)}
    )
    found = describe_tip(objects, commit, RepoType.MODEL)
    assert (found.card, found.config, found.tags) == (None, None, ("region:us",))


def test_lists_of_files_are_whole_or_none(tmp_path: Path) -> None:
    for extra in (0, 1):
        directory = tmp_path / str(extra)
        directory.mkdir()
        names = [f"d{number % 40}/f{number:04}" for number in range(MAX_LISTED_PATHS + extra)]
        objects, commit = build(directory, dict.fromkeys(names, (b"", MODE_FILE)))
        found = describe_tip(objects, commit, RepoType.DATASET).paths
        assert found == (tuple(sorted(names)) if not extra else None)
        assert describe(clues_of(dict.fromkeys(names, b"")), RepoType.DATASET).paths == found


def test_names_that_are_no_text(tmp_path: Path) -> None:
    name = b"caf\xe9.parquet".decode("utf-8", "surrogateescape")
    objects, commit = build(tmp_path, {name: (b"", MODE_FILE), "b.parquet": (b"", MODE_FILE)})
    found = describe_tip(objects, commit, RepoType.DATASET)
    assert found.paths == ("b.parquet", name)
    configs = found.extras["configs"]
    assert isinstance(configs, list)
    assert configs[0]["splits"][0]["files"] == ["b.parquet"]

"""The published lists are whole, tags fall into the Hub's categories, and the update command reads what it must."""

from __future__ import annotations

import importlib.machinery
import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openhood.engines.formats import vocabulary
from openhood.engines.formats.vocabulary import FileRule, categorise, label_of

ROOT = Path(__file__).parents[2]
DATA = Path(vocabulary.__file__).parent / "data"


def test_lists_are_whole() -> None:
    assert len(vocabulary.tasks()) > 50
    assert len(vocabulary.libraries()) > 200
    assert len(vocabulary.licenses()) > 80
    assert len(vocabulary.languages()) > 8000
    assert {"vllm", "llama.cpp", "ollama", "lmstudio"} <= set(vocabulary.apps())
    assert vocabulary.apps()["vllm"] == "vLLM"
    task = vocabulary.tasks()["text-classification"]
    assert (task.label, task.modality, task.is_for_models) == ("Text Classification", "nlp", True)
    assert task.subtasks["natural-language-inference"] == "Natural Language Inference"
    assert vocabulary.modalities()["cv"] == "Computer Vision"
    assert not vocabulary.tasks()["text-retrieval"].is_for_models
    assert vocabulary.libraries()["transformers"].is_listed
    assert not vocabulary.libraries()["chat_tts"].is_listed
    assert vocabulary.licenses()["apache-2.0"].label == "Apache license 2.0"
    assert vocabulary.licenses()["llama3"].url is not None
    assert vocabulary.languages()["fr"].name == "French"
    assert vocabulary.languages()["lut"].name == "Lushootseed"
    assert vocabulary.dataset_words()["size_categories"][1] == "n<1K"
    assert all(task.modality in vocabulary.modalities() for task in vocabulary.tasks().values())


def test_lists_cannot_be_changed() -> None:
    for mapping in (vocabulary.tasks(), vocabulary.libraries(), vocabulary.licenses(), vocabulary.apps()):
        with pytest.raises(TypeError):
            mapping["x"] = None  # type: ignore[index]


def test_files_say_where_they_are_from() -> None:
    names = {path.stem for path in DATA.glob("*.json")}
    assert names == {
        "apps",
        "dataset_libraries",
        "dataset_words",
        "languages",
        "libraries",
        "licenses",
        "tasks",
    }
    for name in names:
        text = (DATA / f"{name}.json").read_text(encoding="utf-8")
        loaded = json.loads(text)
        assert loaded["source"]
        assert loaded["version"]
        assert list(loaded["entries"]) == sorted(loaded["entries"])
        # One entry a line, so that a diff shows what came and went.
        assert len(text.splitlines()) == len(loaded["entries"]) + len(loaded) + 3


@pytest.mark.parametrize(
    ("repo_type", "tag", "category", "label"),
    [
        ("model", "text-generation", "pipeline_tag", "Text Generation"),
        ("model", "text2text-generation", "pipeline_tag", "Text2Text Generation"),
        ("model", "transformers", "library", "Transformers"),
        ("model", "safetensors", "library", "Safetensors"),
        ("model", "gguf", "library", "GGUF"),
        ("model", "en", "language", "English"),
        ("model", "lut", "language", "Lushootseed"),
        ("model", "zh-hant", "language", "Chinese (hant)"),
        ("model", "multilingual", "language", "Multilingual"),
        ("model", "code", "language", "Code"),
        ("model", "rag", "other", "rag"),
        ("model", "gan", "other", "gan"),
        ("model", "EN", "other", "EN"),
        ("model", "license:mit", "license", "mit"),
        ("model", "license:acme-1", "license", "acme-1"),
        ("model", "dataset:acme/words", "dataset", "acme/words"),
        ("model", "base_model:acme/m", "base_model", "base_model:acme/m"),
        ("model", "base_model:quantized:acme/m", "base_model", "base_model:quantized:acme/m"),
        ("model", "arxiv:2307.09288", "arxiv", "arxiv:2307.09288"),
        ("model", "doi:10.57967/hf/1", "doi", "doi:10.57967/hf/1"),
        ("model", "region:us", "region", "Region: US"),
        ("model", "endpoints_compatible", "deploy", "Inference Endpoints"),
        ("model", "8-bit", "other", "8-bit precision"),
        ("model", "conversational", "other", "conversational"),
        ("model", "other", "other", "other"),
        ("model", "license:", "other", "license:"),
        ("model", "language:en", "other", "language:en"),
        ("model", "diffusers:FluxPipeline", "other", "diffusers:FluxPipeline"),
        ("model", "", "other", ""),
        ("model", "~app:vllm", "trait", "vLLM"),
        ("space", "~model:acme/m", "trait", "acme/m"),
        ("dataset", "task_categories:text-generation", "task_categories", "Text Generation"),
        ("dataset", "task_ids:language-modeling", "task_ids", "Language Modeling"),
        ("dataset", "size_categories:n<1K", "size_categories", "< 1K"),
        ("dataset", "size_categories:10K<n<100K", "size_categories", "10K - 100K"),
        ("dataset", "size_categories:n>1T", "size_categories", "> 1T"),
        ("dataset", "language:fr", "language", "French"),
        ("dataset", "language:qqq", "language", "qqq"),
        ("dataset", "library:mlcroissant", "library", "Croissant"),
        ("dataset", "format:parquet", "format", "parquet"),
        ("dataset", "modality:3d", "modality", "3D"),
        ("dataset", "modality:text", "modality", "Text"),
        ("dataset", "multilinguality:monolingual", "multilinguality", "monolingual"),
        ("dataset", "benchmark:official", "benchmark", "official"),
        ("dataset", "source_datasets:original", "source_datasets", "original"),
        ("dataset", "text-generation", "other", "text-generation"),
        ("dataset", "en", "other", "en"),
        ("dataset", "colour:blue", "other", "colour:blue"),
        ("space", "gradio", "sdk", "Gradio"),
        ("space", "transformers", "library", "Transformers"),
        ("space", "license:mit", "license", "mit"),
        ("space", "en", "other", "en"),
    ],
)
def test_categories_and_labels(repo_type: str, tag: str, category: str, label: str) -> None:
    assert categorise(repo_type, tag) == category
    assert label_of(category, tag) == label


@given(repo_type=st.sampled_from(["model", "dataset", "space", "kernel"]), tag=st.text(max_size=300))
def test_any_text_has_a_category_and_a_label(repo_type: str, tag: str) -> None:
    category = categorise(repo_type, tag)
    assert isinstance(label_of(category, tag), str)
    if repo_type != "kernel" and not tag.startswith("~"):
        assert category in vocabulary.all_categories(repo_type)
    assert (category == vocabulary.TRAIT) == tag.startswith("~")


def test_known_tags_are_of_their_category() -> None:
    """What is offered as a filter is found again under the category it is offered in."""
    for repo_type in ("model", "dataset", "space"):
        for category in vocabulary.categories(repo_type):
            for tag, label in vocabulary.known_tags(repo_type, category).items():
                assert categorise(repo_type, tag) == category, (repo_type, tag)
                assert label
    assert vocabulary.known_tags("model", "language")["en"] == "English"
    assert "lut" not in vocabulary.known_tags("model", "language")
    assert vocabulary.known_tags("dataset", "language")["language:en"] == "English"
    assert vocabulary.known_tags("model", "nonsense") == {}


def test_groups() -> None:
    assert vocabulary.group_of("pipeline_tag", "text-to-image") == "cv"
    assert vocabulary.group_of("task_categories", "task_categories:text-generation") == "nlp"
    assert vocabulary.group_of("pipeline_tag", "nonsense") is None
    assert vocabulary.group_of("library", "text-to-image") is None


def test_suggestions() -> None:
    assert vocabulary.suggest("text_generation", vocabulary.tasks()) == "text-generation"
    assert vocabulary.suggest("Apache 2.0", vocabulary.licenses()) == "apache-2.0"
    assert vocabulary.suggest("zzzzzz", vocabulary.tasks()) is None
    assert vocabulary.suggest("x" * 1_000_000, vocabulary.tasks()) is None
    assert vocabulary.language_code("English") == "en"
    assert vocabulary.language_code(" french ") == "fr"
    assert vocabulary.language_code("nonsense") is None


@pytest.mark.parametrize(
    ("rule", "path", "is_match"),
    [
        (FileRule(path="config.json"), "config.json", True),
        (FileRule(path="config.json"), "a/config.json", False),
        (FileRule(extension="pt"), "a/b.pt", True),
        (FileRule(extension="pt"), "pt", False),
        (FileRule(extension="gz"), "a.tar.gz", True),
        (FileRule(filename="config", extension="json"), "a/config.json", True),
        (FileRule(filename="config"), "config", True),
        (FileRule(filename="config"), "config.x.json", False),
        (FileRule(prefix="checkpoints/", extension="pt"), "checkpoints/a.pt", True),
        (FileRule(prefix="checkpoints/", extension="pt"), "a.pt", False),
        (FileRule(filename="model", extension="mil", in_folder=True), "a/model.mil", True),
        (FileRule(filename="model", extension="mil", in_folder=True), "model.mil", False),
    ],
)
def test_count_rules(rule: FileRule, path: str, is_match: bool) -> None:
    assert rule.matches(path) == is_match


def test_count_rules_of_libraries() -> None:
    rules = vocabulary.libraries()["nemo"].count_rules
    assert [
        path for path in ("a.nemo", "model_config.yaml", "x.bin") if any(r.matches(path) for r in rules)
    ] == [
        "a.nemo",
        "model_config.yaml",
    ]
    assert vocabulary.libraries()["transformers"].count_rules == ()


@pytest.fixture(scope="module")
def command() -> ModuleType:
    """The update command as a module."""
    loader = importlib.machinery.SourceFileLoader(
        "update_vocabulary", str(ROOT / "scripts/update-vocabulary")
    )
    spec = importlib.util.spec_from_loader(loader.name, loader)
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def test_queries_of_counted_files(command: ModuleType) -> None:
    parse = command.parse_query
    assert parse('path_extension:".pth"') == [{"extension": "pth"}]
    assert parse('path:"a.json" OR path:"b/c.pt"') == [{"path": "a.json"}, {"path": "b/c.pt"}]
    assert parse('path_extension:"gguf" OR (path_filename:"config" AND path_extension:"json")') == [
        {"extension": "gguf"},
        {"filename": "config", "extension": "json"},
    ]
    assert parse('(path:"a" OR path:"b") AND _exists_:"path_prefix"') == [
        {"path": "a", "in_folder": True},
        {"path": "b", "in_folder": True},
    ]
    for bad in ('NOT path:"a"', "path:a", 'path:"a" path:"b"'):
        with pytest.raises(SystemExit):
            parse(bad)


def test_rows_of_licenses(command: ModuleType) -> None:
    table = (
        "| Fullname   | License identifier |\n| ---------- | ------------------ |\n"
        "| Apache license 2.0 | `apache-2.0`   |\n"
        "| Do What The F\\*ck  | `wtfpl`        | <!-- info: https://a.example/b -->\n"
        "| Own terms          | `own`          | <!-- info: https://a.example/b license: https://a.example/c -->\n"
        "| Last               | `last`         |\n"
    )
    found = [row.groupdict() for row in command.LICENSE_ROW.finditer(table)]
    assert [(row["id"], row["url"]) for row in found] == [
        ("apache-2.0", None),
        ("wtfpl", None),
        ("own", "https://a.example/c"),
        ("last", None),
    ]
    assert found[0]["label"] == "Apache license 2.0"

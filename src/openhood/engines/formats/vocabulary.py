"""The words of the field: tasks, libraries, licenses, languages, programs, and which tag is which of them.

The lists are read from ``data/``, which `scripts/update-vocabulary` writes from where they are published;
nothing is fetched here. What a card may say with these words is `card_rules`' business.
"""

from __future__ import annotations

import difflib
import functools
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from types import MappingProxyType
from typing import Any

TRAIT = "trait"
"""The category of names that are filtered by but not shown; they begin with ``~``."""

OTHER = "other"
"""The category of all tags that nothing is known of."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a model does or a dataset is for. ``subtasks`` are labels by id, which datasets name as ``task_ids``."""

    id: str
    label: str
    modality: str
    subtasks: Mapping[str, str]
    is_for_models: bool
    is_for_datasets: bool


@dataclass(frozen=True, slots=True)
class FileRule:
    """What a path must be: all of what is not None, and below a folder if ``in_folder``.

    ``prefix`` is the folder with its last slash, ``filename`` the last part without the extension.
    """

    path: str | None = None
    prefix: str | None = None
    filename: str | None = None
    extension: str | None = None
    in_folder: bool = False

    def matches(self, path: str) -> bool:
        """Tell whether a path is such a file."""
        folder, slash, last = path.rpartition("/")
        stem, dot, extension = last.rpartition(".")
        return (
            self.path in (None, path)
            and self.prefix in (None, folder + slash)
            and self.filename in (None, stem if dot else last)
            and self.extension in (None, extension if dot else "")
            and (bool(slash) or not self.in_folder)
        )


@dataclass(frozen=True, slots=True)
class Library:
    """Code that reads models.

    ``is_listed``: the Hub offers it as a filter, used or not. ``count_rules``: a request for a file that
    matches one of them is a download of a model of this library; empty where the Hub's usual files count.
    """

    id: str
    label: str
    url: str
    is_listed: bool
    count_rules: tuple[FileRule, ...]


@dataclass(frozen=True, slots=True)
class License:
    """A license a card may name. ``url`` only where the text is somebody's own page."""

    id: str
    label: str
    url: str | None


@dataclass(frozen=True, slots=True)
class Language:
    """A language of ISO 639-1 (two letters) or 639-3 (three), or one of the two words cards use beside them."""

    code: str
    name: str


# Formats of weights and older frameworks, which the Hub shows among the libraries though no package lists
# them; labels and members as its own list of tags has them.
_FORMATS = {
    "coreml": "Core ML",
    "dduf": "DDUF",
    "executorch": "ExecuTorch",
    "gguf": "GGUF",
    "jax": "JAX",
    "joblib": "Joblib",
    "llamafile": "llamafile",
    "onnx": "ONNX",
    "openvino": "OpenVINO",
    "optimum_graphcore": "Graphcore",
    "optimum_habana": "Habana",
    "paddlepaddle": "PaddlePaddle",
    "pytorch": "PyTorch",
    "rust": "Rust",
    "safetensors": "Safetensors",
    "tensorboard": "TensorBoard",
    "tf": "TensorFlow",
    "tflite": "LiteRT",
}
_FORMER_TASKS = {"text2text-generation": ("Text2Text Generation", "nlp")}
_NO_LANGUAGES = {"code": "Code", "multilingual": "Multilingual"}
_SDKS = {"docker": "Docker", "gradio": "Gradio", "static": "Static", "streamlit": "Streamlit"}
_MODALITIES = {"3d": "3D", "timeseries": "Time series"}
_OTHERS = {
    "4-bit": "4-bit precision",
    "8-bit": "8-bit precision",
    "autotrain_compatible": "AutoTrain Compatible",
    "co2_eq_emissions": "Carbon Emissions",
    "endpoints_compatible": "Inference Endpoints",
    "eval-results": "Eval Results",
    "merge": "Merge",
    "moe": "Mixture of Experts",
    "not-for-all-audiences": "Not-For-All-Audiences",
}

# A model's languages are bare tags, and so are the words of its author. These words are codes of small
# languages too (`gan` is Gan Chinese), but as a tag they mean what the field means by them.
_MEANT_OTHERWISE = (
    "ace agi aim api asr bio bot cad cot cpu csv dao dna ego esm eve gan kit knn kto law lex lid llm max med mix "
    "mlp mlx moe mri ner nmt npu ocr opt pos ppo pre rag ram rnn sam sar sdk sea seg sim sky ssm sts stt svm tao "
    "tgi toy tpu trl tts vae vit wan"
)
_NO_LANGUAGE_TAGS = frozenset(_MEANT_OTHERWISE.split())

_EVERYWHERE = ("license", "region", "arxiv", "doi")
_PREFIXES: Mapping[str, frozenset[str]] = {
    "model": frozenset({*_EVERYWHERE, "dataset", "base_model", "bucket", "deploy"}),
    "dataset": frozenset(
        {
            *_EVERYWHERE,
            "task_categories",
            "task_ids",
            "size_categories",
            "language",
            "multilinguality",
            "modality",
            "format",
            "library",
            "annotations_creators",
            "language_creators",
            "source_datasets",
            "benchmark",
        }
    ),
    "space": frozenset(_EVERYWHERE),
}
_SHOWN: Mapping[str, tuple[str, ...]] = {
    "model": (
        "pipeline_tag",
        "library",
        "dataset",
        "language",
        "license",
        "region",
        "deploy",
        "bucket",
        OTHER,
    ),
    "dataset": (
        "task_categories",
        "task_ids",
        "size_categories",
        "language",
        "license",
        "modality",
        "format",
        "library",
        "multilinguality",
        "annotations_creators",
        "language_creators",
        "source_datasets",
        "benchmark",
        "region",
        OTHER,
    ),
    "space": ("sdk", "library", "license", "region", OTHER),
}
_ON_REQUEST: Mapping[str, tuple[str, ...]] = {
    "model": ("base_model", "arxiv", "doi"),
    "dataset": ("arxiv", "doi"),
    "space": ("arxiv", "doi"),
}

_LANGUAGE = re.compile(
    r"(?P<code>[a-z]{2,3})(?:[-_](?P<rest>[A-Za-z0-9]{2,8}(?:[-_][A-Za-z0-9]{2,8}){0,3}))?"
)
_MAX_SUGGESTED = 64
_CLOSE_ENOUGH = 0.7


@functools.cache
def tasks() -> Mapping[str, Task]:
    """Return all tasks by id. **Source**: ``PIPELINE_DATA`` of ``@huggingface/tasks``."""
    found = {
        name: Task(
            id=name,
            label=entry["label"],
            modality=entry["modality"],
            subtasks=MappingProxyType(entry["subtasks"]),
            is_for_models=entry["models"],
            is_for_datasets=entry["datasets"],
        )
        for name, entry in _entries("tasks").items()
    }
    for name, (label, modality) in _FORMER_TASKS.items():
        former = Task(name, label, modality, MappingProxyType({}), is_for_models=False, is_for_datasets=False)
        found.setdefault(name, former)
    return MappingProxyType(found)


@functools.cache
def subtasks() -> Mapping[str, str]:
    """Return the labels of all subtasks by id."""
    return MappingProxyType(
        {name: label for task in tasks().values() for name, label in task.subtasks.items()}
    )


@functools.cache
def modalities() -> Mapping[str, str]:
    """Return the labels of the fields of tasks (``nlp``, ``cv``, …), in the order in which they are shown."""
    return MappingProxyType(_read("tasks")["modalities"])


@functools.cache
def libraries() -> Mapping[str, Library]:
    """Return the libraries of models by id. **Source**: ``MODEL_LIBRARIES_UI_ELEMENTS`` of ``@huggingface/tasks``."""
    return MappingProxyType(
        {
            name: Library(
                id=name,
                label=entry["label"],
                url=entry["url"],
                is_listed=entry.get("listed", False),
                count_rules=tuple(FileRule(**rule) for rule in entry.get("count", ())),
            )
            for name, entry in _entries("libraries").items()
        }
    )


def formats() -> Mapping[str, str]:
    """Return the labels of formats of weights by the tags that name them."""
    return MappingProxyType(_FORMATS)


@functools.cache
def dataset_libraries() -> Mapping[str, str]:
    """Return the labels of the libraries that read datasets, by id."""
    return MappingProxyType(_entries("dataset_libraries"))


@functools.cache
def licenses() -> Mapping[str, License]:
    """Return the licenses by id. **Source**: hub-docs ``repositories-licenses.md``."""
    return MappingProxyType(
        {
            name: License(name, entry["label"], entry.get("url"))
            for name, entry in _entries("licenses").items()
        }
    )


@functools.cache
def languages() -> Mapping[str, Language]:
    """Return some eight thousand languages by code. **Source**: ``@huggingface/languages``."""
    names = {**_entries("languages"), **_NO_LANGUAGES}
    return MappingProxyType({code: Language(code, name) for code, name in names.items()})


@functools.cache
def apps() -> Mapping[str, str]:
    """Return the names of the programs that run models, by id. **Source**: ``LOCAL_APPS`` of ``@huggingface/tasks``."""
    return MappingProxyType(_entries("apps"))


@functools.cache
def dataset_words() -> Mapping[str, tuple[str, ...]]:
    """Return the words for some keys of a dataset's card (``size_categories``, …), in order.

    **Source**: ``datasets/utils/resources`` of the `datasets` library.
    """
    return MappingProxyType({key: tuple(words) for key, words in _entries("dataset_words").items()})


def categorise(repo_type: str, tag: str) -> str:
    """Return the category that a tag of a repository is shown and counted under. Pure and fast.

    Args: ``repo_type`` ``model``, ``dataset`` or ``space``.

    **Source**: the types that the Hub's pages give tags, and the groups of ``…-tags-by-type``.
    """
    if tag.startswith("~"):
        return TRAIT
    prefix, colon, rest = tag.partition(":")
    if colon and rest and prefix in _PREFIXES.get(repo_type, ()):
        return prefix
    known = _bare_tags(repo_type).get(tag)
    if known is not None:
        return known
    if repo_type == "model" and tag not in _NO_LANGUAGE_TAGS and is_language(tag):
        return "language"
    return OTHER


def categories(repo_type: str) -> tuple[str, ...]:
    """Return the categories that are listed for a type of repository, in the order in which to show them."""
    return _SHOWN[repo_type]


def all_categories(repo_type: str) -> tuple[str, ...]:
    """Return the listed categories and those that are told only when they are asked for, as too many are in them."""
    return (*_SHOWN[repo_type], *_ON_REQUEST[repo_type])


def known_tags(repo_type: str, category: str) -> Mapping[str, str]:
    """Return the tags of a category that are offered whether any repository has them or not, with labels.

    Of the languages only those of two letters: nobody chooses from eight thousand.
    """
    return _known_tags().get((repo_type, category), _NOTHING)


def label_of(category: str, tag: str) -> str:
    """Return a tag as people read it: ``English`` for ``language:en``, ``mit`` for ``license:mit``."""
    value = tag.removeprefix(f"{category}:")
    if category == TRAIT:
        kind, _, name = tag.removeprefix("~").partition(":")
        return apps().get(name, name) if kind == "app" else name
    if category in ("pipeline_tag", "task_categories"):
        return tasks()[value].label if value in tasks() else value
    if category == "task_ids":
        return subtasks().get(value, value)
    if category == "library":
        return _library_label(tag, value)
    if category == "language":
        return language_name(value) or value
    if category == "size_categories":
        return _size_label(value)
    if category == "region":
        return f"Region: {value.upper()}"
    if category == "modality":
        return _MODALITIES.get(value, value.capitalize())
    if category in _AS_WRITTEN:
        return tag
    return _LABELS.get(category, _NOTHING).get(value, value)


_NOTHING: Mapping[str, str] = MappingProxyType({})
_AS_WRITTEN = frozenset({"arxiv", "doi", "base_model"})
_LABELS: Mapping[str, Mapping[str, str]] = {"sdk": _SDKS, OTHER: _OTHERS, "deploy": _OTHERS}


def group_of(category: str, tag: str) -> str | None:
    """Return the field (``nlp``, ``cv``, …) of a tag that names a task, None for others. The Hub's ``subType``."""
    if category not in ("pipeline_tag", "task_categories"):
        return None
    task = tasks().get(tag.removeprefix(f"{category}:"))
    return None if task is None else task.modality


def is_language(code: str) -> bool:
    """Tell whether a text is a known language, alone or with script or region (``zh-hant``)."""
    return language_name(code) is not None


def language_name(code: str) -> str | None:
    """Return the name of a language, with what follows the code in brackets; None for an unknown one."""
    known = languages().get(code)
    if known is not None:
        return known.name
    parts = _LANGUAGE.fullmatch(code)
    if parts is None or parts["rest"] is None:
        return None
    base = languages().get(parts["code"])
    return None if base is None else f"{base.name} ({parts['rest']})"


def language_code(name: str) -> str | None:
    """Return the code of a language that is called by its English name, in any case; the shortest if several."""
    return _codes().get(name.strip().lower())


def suggest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that somebody may have meant. Its time grows with the number of known words."""
    close = difflib.get_close_matches(word[:_MAX_SUGGESTED].lower(), known, n=1, cutoff=_CLOSE_ENOUGH)
    return close[0] if close else None


@functools.cache
def _bare_tags(repo_type: str) -> Mapping[str, str]:
    """Return the categories of the tags that have no prefix."""
    found: dict[str, str] = {}
    if repo_type in ("model", "space"):
        found |= dict.fromkeys([*libraries(), *_FORMATS], "library")
    if repo_type == "model":
        found |= dict.fromkeys((name for name in tasks() if name != OTHER), "pipeline_tag")
        found["endpoints_compatible"] = "deploy"
    if repo_type == "space":
        found |= dict.fromkeys(_SDKS, "sdk")
    return found


@functools.cache
def _known_tags() -> Mapping[tuple[str, str], Mapping[str, str]]:
    models = {name: task.label for name, task in tasks().items() if task.is_for_models}
    offered = {name: each.label for name, each in libraries().items() if each.is_listed} | _FORMATS
    spoken = {
        code: each.name for code, each in languages().items() if len(code) == 2 or code in _NO_LANGUAGES
    }
    agreed = {f"license:{name}": name for name in licenses()}
    return {
        ("model", "pipeline_tag"): models,
        ("model", "library"): offered,
        ("model", "language"): spoken,
        ("model", "license"): agreed,
        ("dataset", "task_categories"): {
            f"task_categories:{name}": task.label for name, task in tasks().items() if task.is_for_datasets
        },
        ("dataset", "task_ids"): {f"task_ids:{name}": label for name, label in subtasks().items()},
        ("dataset", "size_categories"): {
            f"size_categories:{name}": _size_label(name) for name in dataset_words()["size_categories"]
        },
        ("dataset", "library"): {f"library:{name}": label for name, label in dataset_libraries().items()},
        ("dataset", "language"): {f"language:{code}": name for code, name in spoken.items()},
        ("dataset", "license"): agreed,
        ("space", "sdk"): _SDKS,
        ("space", "license"): agreed,
    }


@functools.cache
def _codes() -> Mapping[str, str]:
    found: dict[str, str] = {}
    for code in sorted(languages(), key=len, reverse=True):
        found[languages()[code].name.lower()] = code
    return found


def _library_label(tag: str, value: str) -> str:
    if tag != value:
        return dataset_libraries().get(value, value)
    return libraries()[value].label if value in libraries() else _FORMATS.get(value, value)


def _size_label(size: str) -> str:
    """Return ``10K - 100K`` for ``10K<n<100K``, ``< 1K`` for ``n<1K``, as the Hub does."""
    if size.startswith(("n<", "n>")):
        return f"{size[1]} {size[2:]}"
    return size.replace("<n<", " - ")


def _entries(name: str) -> dict[str, Any]:  # Any: JSON of our own, in the shape that the script writes
    entries: dict[str, Any] = _read(name)["entries"]
    return entries


def _read(name: str) -> dict[str, Any]:  # Any: as above
    text = (files(__package__) / "data" / f"{name}.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded

"""What a commit says of its repository: card, config, tags, task, library and sdk.

Pure over git objects, called before main moves; nothing here reads LFS content or the database.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import orjson

from openhood.base.names import Oid, RepoType
from openhood.domain.repos.types import TipFacts
from openhood.engines.formats.card import read_card, split_card
from openhood.engines.formats.card_rules import PIPELINE_TAGS, SPACE_SDKS, texts
from openhood.engines.git.objects import is_file_mode
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import walk

_MAX_README_BYTES = 4 * 1024 * 1024
_MAX_CONFIG_BYTES = 1024 * 1024
_PATHS_LOOKED_AT = 1000
_MAX_TAGS = 500
_MAX_TAG_CHARACTERS = 200

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
_ARXIV = re.compile(r"arxiv(?:\.org/(?:abs|pdf)/|:\s?)(\d{4}\.\d{4,5})", re.IGNORECASE)
_ENDS_IN_PYTORCH = re.compile(r"(?:^|/)pytorch_model[^/]*\.bin$|\.pth?$")

# The end of a transformers class name tells the task (transformers `modeling_auto.py`).
_HEADS: tuple[tuple[str, str], ...] = (
    ("ForCausalLM", "text-generation"),
    ("LMHeadModel", "text-generation"),
    ("ForMaskedLM", "fill-mask"),
    ("ForSequenceClassification", "text-classification"),
    ("ForTokenClassification", "token-classification"),
    ("ForQuestionAnswering", "question-answering"),
    ("ForMultipleChoice", "multiple-choice"),
    ("ForImageClassification", "image-classification"),
    ("ForObjectDetection", "object-detection"),
    ("ForSpeechSeq2Seq", "automatic-speech-recognition"),
    ("ForCTC", "automatic-speech-recognition"),
    ("ForAudioClassification", "audio-classification"),
    ("ForSemanticSegmentation", "image-segmentation"),
    ("ForDepthEstimation", "depth-estimation"),
)
_AUTO_CLASSES: Mapping[str, tuple[str, str | None]] = {
    "text-generation": ("AutoModelForCausalLM", "AutoTokenizer"),
    "fill-mask": ("AutoModelForMaskedLM", "AutoTokenizer"),
    "text-classification": ("AutoModelForSequenceClassification", "AutoTokenizer"),
    "token-classification": ("AutoModelForTokenClassification", "AutoTokenizer"),
    "question-answering": ("AutoModelForQuestionAnswering", "AutoTokenizer"),
    "image-classification": ("AutoModelForImageClassification", "AutoImageProcessor"),
    "object-detection": ("AutoModelForObjectDetection", "AutoImageProcessor"),
    "image-segmentation": ("AutoModelForSemanticSegmentation", "AutoImageProcessor"),
    "automatic-speech-recognition": ("AutoModelForSpeechSeq2Seq", "AutoProcessor"),
    "audio-classification": ("AutoModelForAudioClassification", "AutoProcessor"),
}
_DATASET_PREFIXES = (
    "task_categories",
    "task_ids",
    "annotations_creators",
    "language_creators",
    "multilinguality",
    "source_datasets",
    "language",
    "license",
    "size_categories",
)
_DATASET_FORMATS: Mapping[str, str] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "csv",
    ".json": "json",
    ".jsonl": "json",
    ".arrow": "arrow",
    ".txt": "text",
}


@dataclass(frozen=True, slots=True)
class Clues:
    """What the description is drawn from: two files' bytes and the names of (the first thousand) files."""

    readme: bytes | None
    config: bytes | None
    paths: tuple[str, ...]


def describe_tip(objects: ObjectDb, commit: Oid, repo_type: RepoType) -> TipFacts:
    """Read and describe a commit. Never in a unit. Raises MissingGitObject."""
    tree = objects.commit(commit).tree
    listed = walk(objects, tree, prefix="", recursive=True, after=None, limit=_PATHS_LOOKED_AT)
    clues = Clues(
        readme=_small_file(objects, tree, "README.md", limit_bytes=_MAX_README_BYTES),
        config=_small_file(objects, tree, "config.json", limit_bytes=_MAX_CONFIG_BYTES)
        if repo_type is RepoType.MODEL
        else None,
        paths=tuple(entry.path for entry in listed if is_file_mode(entry.mode)),
    )
    return describe(clues, repo_type)


def describe(clues: Clues, repo_type: RepoType) -> TipFacts:
    """Describe a repository from its clues. Pure."""
    card = read_card(clues.readme) if clues.readme is not None else None
    known: Mapping[str, object] = card or {}
    text = split_card(clues.readme.decode("utf-8", "replace")).body if clues.readme is not None else ""
    if repo_type is RepoType.MODEL:
        return _model(card, known, clues, text)
    if repo_type is RepoType.DATASET:
        tags = [*_prefixed(known, _DATASET_PREFIXES), *_formats(clues.paths), *texts(known.get("tags"))]
        return _facts(card, tags=[*tags, *_arxiv(known, text)])
    sdk = known.get("sdk")
    sdk = sdk if isinstance(sdk, str) and sdk in SPACE_SDKS else None
    tags = [*([sdk] if sdk else []), *texts(known.get("tags"))]
    return _facts(card, tags=[*tags, *_prefixed(known, ("license",))], sdk=sdk)


def transformers_info(
    config: Mapping[str, object] | None, pipeline_tag: str | None, library_name: str | None
) -> dict[str, str] | None:
    """Return the Hub's ``transformersInfo``: which classes load the model; None for other libraries."""
    if library_name != "transformers" or not config:
        return None
    auto, processor = _AUTO_CLASSES.get(pipeline_tag or "", ("AutoModel", None))
    info = {"auto_model": auto}
    if pipeline_tag:
        info["pipeline_tag"] = pipeline_tag
    if processor:
        info["processor"] = processor
    return info


def _small_file(objects: ObjectDb, tree: Oid, name: str, *, limit_bytes: int) -> bytes | None:
    entry = objects.entry_at(tree, name)
    if entry is None or not is_file_mode(entry.mode) or objects.kind_and_size(entry.oid)[1] > limit_bytes:
        return None
    return objects.read(entry.oid)[1]


def _facts(
    card: Mapping[str, object] | None,
    *,
    tags: Iterable[str],
    config: Mapping[str, object] | None = None,
    pipeline_tag: str | None = None,
    library_name: str | None = None,
    sdk: str | None = None,
) -> TipFacts:
    kept = dict.fromkeys(tag.strip() for tag in tags if tag.strip() and len(tag) <= _MAX_TAG_CHARACTERS)
    chosen = [tag for tag in kept if tag != "region:us"][: _MAX_TAGS - 1]
    return TipFacts(card, config, (*chosen, "region:us"), pipeline_tag, library_name, sdk)


def _model(
    card: Mapping[str, object] | None, known: Mapping[str, object], clues: Clues, text: str
) -> TipFacts:
    config = _config(clues.config)
    library = _library(known, config, clues.paths)
    pipeline = _pipeline(known, config, library)
    formats = _weights(clues.paths)
    model_type = config.get("model_type") if config else None
    tags = [
        *([library] if library else []),
        *formats,
        *([model_type] if isinstance(model_type, str) else []),
        *([pipeline] if pipeline else []),
        *texts(known.get("tags")),
        *texts(known.get("language")),
        *(f"dataset:{name}" for name in texts(known.get("datasets"))),
        *_base_models(known, config, clues.paths, formats),
        *_arxiv(known, text),
        *_prefixed(known, ("license",)),
    ]
    return _facts(card, tags=tags, config=config, pipeline_tag=pipeline, library_name=library)


def _config(data: bytes | None) -> Mapping[str, object] | None:
    """Keep of ``config.json`` what the Hub shows, and only in the shapes it may have."""
    if data is None:
        return None
    try:
        loaded = orjson.loads(data)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(loaded, dict):
        return None
    kept: dict[str, object] = {}
    architectures = loaded.get("architectures")
    if isinstance(architectures, list):
        kept["architectures"] = [name[:200] for name in architectures[:20] if isinstance(name, str)]
    model_type = loaded.get("model_type")
    if isinstance(model_type, str) and model_type:
        kept["model_type"] = model_type[:100]
    auto_map = loaded.get("auto_map")
    if isinstance(auto_map, dict):
        kept["auto_map"] = {
            key[:200]: value[:200] for key, value in list(auto_map.items())[:50] if isinstance(value, str)
        }
    quantization = loaded.get("quantization_config")
    if isinstance(quantization, dict):
        kept["quantization_config"] = {
            key: value
            for key in ("quant_method", "bits", "load_in_4bit", "load_in_8bit")
            if isinstance(value := quantization.get(key), str | int) and len(str(value)) < 100
        }
    return kept


def _library(
    known: Mapping[str, object], config: Mapping[str, object] | None, paths: tuple[str, ...]
) -> str | None:
    named = known.get("library_name")
    if isinstance(named, str) and _PLAIN.fullmatch(named):
        return named
    root = {path for path in paths if "/" not in path}
    if "adapter_config.json" in root:
        return "peft"
    if "model_index.json" in root:
        return "diffusers"
    if root & {"modules.json", "config_sentence_transformers.json"}:
        return "sentence-transformers"
    if config and ("model_type" in config or "architectures" in config):
        return "transformers"
    if any(path.endswith(".gguf") for path in root):
        return "gguf"
    return None


def _pipeline(
    known: Mapping[str, object], config: Mapping[str, object] | None, library: str | None
) -> str | None:
    named = known.get("pipeline_tag")
    if isinstance(named, str) and _PLAIN.fullmatch(named):
        return named
    for tag in texts(known.get("tags")):
        if tag in PIPELINE_TAGS and tag != "other":
            return tag
    if library == "sentence-transformers":
        return "sentence-similarity"
    if library != "transformers" or config is None:
        return None
    for name in texts(config.get("architectures")):
        for ending, task in _HEADS:
            if name.endswith(ending):
                return task
    return None


def _weights(paths: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for path in paths:
        if path.endswith(".safetensors"):
            found["safetensors"] = None
        elif path.endswith(".gguf"):
            found["gguf"] = None
        elif path.endswith(".onnx"):
            found["onnx"] = None
        elif path.endswith("tf_model.h5"):
            found["tf"] = None
        elif path.endswith("flax_model.msgpack"):
            found["jax"] = None
        elif _ENDS_IN_PYTORCH.search(path):
            found["pytorch"] = None
    return list(found)


def _base_models(
    known: Mapping[str, object],
    config: Mapping[str, object] | None,
    paths: tuple[str, ...],
    formats: list[str],
) -> list[str]:
    bases = texts(known.get("base_model"))
    relation = known.get("base_model_relation")
    if relation not in ("adapter", "merge", "quantized", "finetune"):
        tags = texts(known.get("tags"))
        if "adapter_config.json" in paths or known.get("library_name") == "peft":
            relation = "adapter"
        elif len(bases) > 1 or "merge" in tags or "mergekit" in tags:
            relation = "merge"
        elif "gguf" in formats or (config and "quantization_config" in config):
            relation = "quantized"
        else:
            relation = "finetune"
    return [*(f"base_model:{name}" for name in bases), *(f"base_model:{relation}:{name}" for name in bases)]


def _prefixed(known: Mapping[str, object], names: Iterable[str]) -> list[str]:
    found = []
    for name in names:
        values = texts(known.get(name))
        found += [f"{name}:{value.lower() if name == 'license' else value}" for value in values]
    return found


def _formats(paths: Iterable[str]) -> list[str]:
    found: dict[str, None] = {}
    for path in paths:
        ending = path[path.rfind(".") :].lower() if "." in path else ""
        name = path.rpartition("/")[2]
        if ending in _DATASET_FORMATS and not name.startswith((".", "README", "LICENSE", "dataset_info")):
            found[f"format:{_DATASET_FORMATS[ending]}"] = None
    return list(found)


def _arxiv(known: Mapping[str, object], text: str) -> list[str]:
    named = [tag for tag in texts(known.get("arxiv")) if _ARXIV.fullmatch(f"arxiv:{tag}")]
    return [f"arxiv:{number}" for number in dict.fromkeys([*named, *_ARXIV.findall(text)])]

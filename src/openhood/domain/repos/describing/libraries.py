"""Which library a model is for, and in which formats its weights are, by its card and its files' names.

What the card says wins; the rest is how the Hub guesses (hub-docs ``model-cards.md``, "Specifying a library").
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from openhood.domain.repos.describing.clues import Clues
from openhood.domain.repos.describing.values import mapping_at, names_at, plain, read_object
from openhood.engines.formats import vocabulary

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")

# In the order in which the Hub shows them; it looks for the classic formats at the root only, since the
# folders of a diffusers pipeline hold files of the same names.
_WEIGHTS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("pytorch", re.compile(r"pytorch_model[^/]*\.bin")),
    ("tf", re.compile(r"tf_model[^/]*\.h5")),
    ("jax", re.compile(r"flax_model[^/]*\.msgpack")),
    ("tensorboard", re.compile(r"(?:.*/)?events\.out\.tfevents\.[^/]*")),
    ("tflite", re.compile(r".*\.tflite")),
    ("rust", re.compile(r"rust_model\.ot")),
    ("coreml", re.compile(r".*\.(?:mlmodel|(?:mlpackage|mlmodelc)/.*)")),
    ("onnx", re.compile(r".*\.onnx")),
    ("safetensors", re.compile(r".*\.safetensors")),
    ("openvino", re.compile(r"(?:.*/)?openvino_model[^/]*\.xml")),
    ("gguf", re.compile(r".*\.gguf")),
)
_OF_TRANSFORMERS = frozenset({"pytorch", "tf", "jax", "safetensors"})

# Files by which a library is known (verified: nemo, coreml, peft, diffusers, sentence-transformers; the
# others are what the libraries themselves save, how the Hub sees them is unverified).
_AT_ROOT: tuple[tuple[str, str], ...] = (
    ("model_index.json", "diffusers"),
    ("modular_model_index.json", "diffusers"),
    ("config_setfit.json", "setfit"),
    ("modules.json", "sentence-transformers"),
    ("config_sentence_transformers.json", "sentence-transformers"),
)
_ENDINGS: tuple[tuple[str, str], ...] = ((".nemo", "nemo"), (".mlmodel", "coreml"), (".keras", "keras"))


def weights_of(paths: Iterable[str]) -> list[str]:
    """Return the formats of weights that some of the files are in, in the Hub's order.

    **Source**: tags that the Hub gives gpt2 (pytorch, tf, jax, tflite, rust, onnx, safetensors), bert
    (with coreml before onnx), MiniLM (openvino after safetensors), bloom (tensorboard after pytorch).
    """
    found = {name for path in paths for name, pattern in _WEIGHTS if pattern.fullmatch(path)}
    return [name for name, _ in _WEIGHTS if name in found]


def library_of(card: Mapping[str, object], clues: Clues, weights: Iterable[str]) -> str | None:
    """Return the library's name: the card's word, a tag that names a library, or a guess by the files."""
    named = card.get("library_name")
    if isinstance(named, str) and _NAME.fullmatch(plain(named)):
        return plain(named)
    known = vocabulary.libraries()
    for tag in names_at(card, "tags"):
        if tag in known:
            return tag
    return _guessed(clues, frozenset(weights))


def _guessed(clues: Clues, weights: frozenset[str]) -> str | None:
    root = {path for path in clues.paths if "/" not in path}
    if "adapter_config.json" in root:
        return _adapter_library(clues)
    for name, library in _AT_ROOT:
        if name in root:
            return library
    config = read_object(clues.files.get("config.json")) or {}
    # The Hub no longer takes a mere config.json for transformers' in repositories made after August 2024,
    # but what is mirrored here is older, and people upload with plain git.
    is_transformers = isinstance(config.get("model_type"), str) or isinstance(
        config.get("architectures"), list
    )
    if is_transformers and not ("gguf" in weights and not weights & _OF_TRANSFORMERS):
        return "transformers"
    if isinstance(config.get("architecture"), str) and mapping_at(config, "pretrained_cfg") is not None:
        return "timm"
    if mapping_at(config, "sklearn") is not None:
        return "sklearn"
    if "speechbrain_interface" in config:
        return "speechbrain"
    for ending, library in _ENDINGS:
        if any(name.endswith(ending) for name in root):
            return library
    return "gguf" if "gguf" in weights else None


def _adapter_library(clues: Clues) -> str:
    adapter = read_object(clues.files.get("adapter_config.json")) or {}
    is_older = "peft_type" not in adapter and ("model_class" in adapter or "model_name" in adapter)
    return "adapter-transformers" if is_older else "peft"

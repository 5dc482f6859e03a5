"""What a model is for: its task, the classes of transformers that load it, its mask token and examples.

The card's word wins; else transformers models tell by their configuration, others by their tags
(hub-docs ``model-cards.md``, "Specifying a task", and ``models-widgets.md``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from openhood.domain.repos.describing.autoclasses import TASKS, Head, head_of, processor_of
from openhood.domain.repos.describing.clues import Clues
from openhood.domain.repos.describing.examples import examples_for
from openhood.domain.repos.describing.values import (
    is_mapping,
    mapping_at,
    names_at,
    plain,
    read_object,
    text_at,
)
from openhood.engines.formats.card_rules import PIPELINE_TAGS, texts

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")
# Words that stand among the tasks but are none: the first two are tags of their own.
_NO_TASKS = frozenset({"conversational", "other"})
# Tasks that say little: what a base model or any encoder-decoder is for. A tag of the card says more.
_WEAK_TASKS = frozenset({"feature-extraction", "text2text-generation"})
_OF_TRANSFORMERS = frozenset({"transformers", "sentence-transformers", "setfit", "span-marker"})
# Verified for StableDiffusionPipeline; the others are as plainly for one task.
_OF_DIFFUSERS: tuple[tuple[str, str], ...] = (
    ("Img2ImgPipeline", "image-to-image"),
    ("InpaintPipeline", "image-to-image"),
    ("ImageToVideoPipeline", "image-to-video"),
    ("StableVideoDiffusionPipeline", "image-to-video"),
    ("StableDiffusionPipeline", "text-to-image"),
    ("StableDiffusionXLPipeline", "text-to-image"),
    ("StableDiffusion3Pipeline", "text-to-image"),
    ("FluxPipeline", "text-to-image"),
    ("PixArtAlphaPipeline", "text-to-image"),
    ("PixArtSigmaPipeline", "text-to-image"),
    ("SanaPipeline", "text-to-image"),
    ("QwenImagePipeline", "text-to-image"),
    ("ZImagePipeline", "text-to-image"),
    ("DDPMPipeline", "unconditional-image-generation"),
    ("DDIMPipeline", "unconditional-image-generation"),
    ("CogVideoXPipeline", "text-to-video"),
    ("WanPipeline", "text-to-video"),
    ("HunyuanVideoPipeline", "text-to-video"),
    ("MochiPipeline", "text-to-video"),
)
_MASKS: Mapping[str, str] = {
    "bert": "[MASK]",
    "distilbert": "[MASK]",
    "albert": "[MASK]",
    "electra": "[MASK]",
    "deberta": "[MASK]",
    "deberta-v2": "[MASK]",
    "modernbert": "[MASK]",
    "nomic_bert": "[MASK]",
    "roberta": "<mask>",
    "xlm-roberta": "<mask>",
    "camembert": "<mask>",
    "bart": "<mask>",
    "mbart": "<mask>",
    "longformer": "<mask>",
    "mpnet": "<mask>",
    "esm": "<mask>",
    "xlm": "<special1>",
    "flaubert": "<special1>",
}
_MAX_EXAMPLES = 100


def model_head(config: Mapping[str, object] | None) -> Head | None:
    """Return what the first known class of a model's configuration is for; None where there is none.

    Custom code comes first: its ``auto_map`` says which automatic class loads it.
    """
    if config is None:
        return None
    head = next((head for name in texts(config.get("architectures")) if (head := head_of(name))), None)
    auto_map = mapping_at(config, "auto_map") or {}
    if auto_map and (head is None or head.auto_model not in auto_map):
        for auto in auto_map:
            if auto in TASKS:
                return Head(TASKS[auto], auto)
    return head


def pipeline_of(
    card: Mapping[str, object], config: Mapping[str, object] | None, library: str | None
) -> str | None:
    """Return the model's task; None where nothing tells."""
    named = card.get("pipeline_tag")
    if isinstance(named, str) and _NAME.fullmatch(plain(named)):
        return plain(named)
    tagged = next(
        (tag for tag in names_at(card, "tags") if tag in PIPELINE_TAGS and tag not in _NO_TASKS), None
    )
    head = model_head(config)
    inferred = head.task if head is not None and head.task in PIPELINE_TAGS else None
    if library == "transformers" and inferred is not None and not (tagged and inferred in _WEAK_TASKS):
        return inferred
    if tagged is not None:
        return tagged
    if library == "sentence-transformers":
        return "sentence-similarity"
    return _of_diffusers(config) if library == "diffusers" else inferred


def transformers_info(
    config: Mapping[str, object] | None, pipeline_tag: str | None, library_name: str | None
) -> dict[str, str] | None:
    """Return the Hub's ``transformersInfo``: which classes load the model; None for other libraries.

    **Source**: huggingface_hub ``TransformersInfo``; transformers ``utils/update_metadata.py``.
    """
    if library_name not in _OF_TRANSFORMERS or not config:
        return None
    model_type = text_at(config, "model_type", limit=200)
    head = model_head(config) or _head_for(pipeline_tag)
    if head is None and model_type is None:
        return None
    info = {"auto_model": head.auto_model if head else "AutoModel"}
    custom = text_at(mapping_at(config, "auto_map"), info["auto_model"], limit=200)
    if custom is not None:
        info["custom_class"] = custom
    if pipeline_tag:
        info["pipeline_tag"] = pipeline_tag
    if model_type is not None:
        info["processor"] = processor_of(model_type)
    return info


def mask_token_of(clues: Clues, config: Mapping[str, object] | None, pipeline_tag: str | None) -> str | None:
    """Return what a fill-mask model's text is to hold where a word is asked for; None for other models."""
    if pipeline_tag != "fill-mask":
        return None
    special = read_object(clues.files.get("special_tokens_map.json"))
    for tokens in (mapping_at(config, "tokenizer_config"), special):
        # A token is a text, or an object with the text and how to treat what stands around it.
        found = text_at(tokens, "mask_token", limit=200)
        found = found or text_at(mapping_at(tokens, "mask_token"), "content", limit=200)
        if found:
            return found
    return _MASKS.get(text_at(config, "model_type", limit=200) or "")


def widgets_of(
    card: Mapping[str, object], pipeline_tag: str | None, mask_token: str | None
) -> list[object] | None:
    """Return the examples to try a model with: the card's, else some of ours for its task."""
    widget = card.get("widget")
    if isinstance(widget, str):
        return [{"text": widget}]
    if isinstance(widget, list):
        return widget[:_MAX_EXAMPLES]
    if is_mapping(widget):
        return [widget]
    languages = names_at(card, "language")
    if languages and "en" not in languages and "multilingual" not in languages:
        return None
    return examples_for(pipeline_tag, mask_token)


def _head_for(pipeline_tag: str | None) -> Head | None:
    return next((Head(task, auto) for auto, task in TASKS.items() if task == pipeline_tag), None)


def _of_diffusers(config: Mapping[str, object] | None) -> str | None:
    class_name = text_at(mapping_at(config, "diffusers"), "_class_name", limit=200) or ""
    return next((task for ending, task in _OF_DIFFUSERS if class_name.endswith(ending)), None)

"""A model: its tags in the Hub's order, its configuration, and what the lists filter it by.

**Source** of the order: tags that the Hub's API returns, such as those of Llama-3.1-8B-Instruct
(``transformers safetensors llama text-generation facebook … conversational en … arxiv: base_model:
license: eval-results text-generation-inference endpoints_compatible region:us``).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos.describing import tags as tagging
from openhood.domain.repos.describing.apps import apps_for
from openhood.domain.repos.describing.clues import Clues
from openhood.domain.repos.describing.configs import chat_template_of, config_of
from openhood.domain.repos.describing.evaluations import evaluations_of
from openhood.domain.repos.describing.libraries import library_of, weights_of
from openhood.domain.repos.describing.lineage import base_models
from openhood.domain.repos.describing.pipelines import (
    mask_token_of,
    model_head,
    pipeline_of,
    transformers_info,
    widgets_of,
)
from openhood.domain.repos.describing.values import mapping_at, names_at, text_at

_CHATTING = frozenset({"text-generation", "image-text-to-text"})
_EMBEDDING = frozenset({"feature-extraction", "sentence-similarity", "text-ranking"})
# The families that text-generation-inference has code of its own for (``server/…/models/__init__.py``; that
# the Hub goes by them is inferred from its tags) and one that its tags show.
_TGI = frozenset(
    [
        "deepseek_v2",
        "deepseek_v3",
        "idefics2",
        "idefics3",
        "llava_next",
        "llama",
        "llama4",
        "phi3",
        "granite",
        "gemma",
        "paligemma",
        "gemma2",
        "gemma3",
        "gemma3_text",
        "cohere",
        "dbrx",
        "mamba",
        "mistral",
        "mixtral",
        "gpt_bigcode",
        "phi",
        "phimoe",
        "baichuan",
        "falcon",
        "RefinedWeb",
        "RefinedWebModel",
        "starcoder2",
        "qwen2",
        "qwen2_vl",
        "qwen2_5_vl",
        "qwen3",
        "opt",
        "t5",
        "galactica",
        "bloom",
        "mpt",
        "gpt2",
        "gpt_neox",
        "gptj",
        "idefics",
        "mllama",
    ]
)
# The same of text-embeddings-inference (``backends/candle/src/lib.rs``).
_TEI = frozenset(
    [
        "bert",
        "deberta-v2",
        "camembert",
        "distilbert",
        "gemma3_text",
        "gte",
        "new",
        "mpnet",
        "mistral",
        "modernbert",
        "nomic_bert",
        "qwen2",
        "qwen3",
        "roberta",
        "xlm-roberta",
        "llama",
    ]
)
_LIBRARIES_OF_ENDPOINTS = frozenset({"sentence-transformers", "diffusers", "gguf"})


def model_facts(card: Mapping[str, object] | None, clues: Clues, *, text: str) -> TipFacts:
    """Describe a model. Args: ``text`` is the card's text below its front matter."""
    known = card or {}
    weights = weights_of(clues.paths)
    library = library_of(known, clues, weights)
    config = config_of(clues)
    pipeline = pipeline_of(known, config, library)
    evaluations, entries = evaluations_of(clues)
    names = tagging.bounded(
        [
            *_first_tags(known, config, library, weights),
            *names_at(known, "tags"),
            *_chat_tags(config, library, pipeline),
            *([pipeline] if pipeline else []),
            *names_at(known, "language"),
            *(f"dataset:{name}" for name in names_at(known, "datasets")),
            *tagging.papers(known, text),
            *base_models(known, config, library=library, weights=weights, paths=clues.paths),
            *tagging.identifiers(known),
            *tagging.prefixed(known, ("license",)),
            *_result_tags(known, has_evaluations=bool(evaluations)),
            *_serving_tags(clues, config, library, pipeline, weights),
            *_quantization_tags(config),
            *_diffusers_tags(config, library),
            tagging.REGION,
        ]
    )
    apps = apps_for(names, config, pipeline_tag=pipeline, library_name=library, weights=weights)
    return TipFacts(
        card=card,
        config=config,
        tags=names,
        pipeline_tag=pipeline,
        library_name=library,
        sdk=None,
        traits=tuple(tagging.traits("app", apps)),
        extras=_extras(known, clues, config, library, pipeline, entries),
        evaluations=evaluations,
    )


def _extras(
    card: Mapping[str, object],
    clues: Clues,
    config: Mapping[str, object] | None,
    library: str | None,
    pipeline: str | None,
    entries: list[Mapping[str, object]],
) -> dict[str, object]:
    mask_token = mask_token_of(clues, config, pipeline)
    found: dict[str, object] = {
        "transformersInfo": transformers_info(config, pipeline, library),
        "mask_token": mask_token,
        "widgetData": widgets_of(card, pipeline, mask_token),
        "evalResults": entries or None,
    }
    return {key: value for key, value in found.items() if value is not None}


def _first_tags(
    card: Mapping[str, object], config: Mapping[str, object] | None, library: str | None, weights: list[str]
) -> list[str]:
    """Return library, formats, family, and the task that the configuration tells, be it a pipeline's or not."""
    model_type = text_at(config, "model_type", limit=100)
    head = model_head(config)
    return [
        *([library] if library else []),
        *weights,
        *([model_type] if model_type else []),
        *([head.task] if head and library != "gguf" else []),
    ]


def _chat_tags(config: Mapping[str, object] | None, library: str | None, pipeline: str | None) -> list[str]:
    """Tell of a chat template and of code to be trusted (the template inside a GGUF is read by a job)."""
    found = []
    if chat_template_of(config) is not None and pipeline in _CHATTING:
        found.append("conversational")
    if mapping_at(config, "auto_map") and library != "gguf":
        found.append("custom_code")
    return found


def _result_tags(card: Mapping[str, object], *, has_evaluations: bool) -> list[str]:
    found = []
    index = card.get("model-index")
    if isinstance(index, list) and any(isinstance(entry, dict) and entry.get("results") for entry in index):
        found.append("model-index")
    if has_evaluations:
        found.append("eval-results")
    if card.get("co2_eq_emissions") is not None:
        found.append("co2_eq_emissions")
    return found


def _serving_tags(
    clues: Clues,
    config: Mapping[str, object] | None,
    library: str | None,
    pipeline: str | None,
    weights: Collection[str],
) -> list[str]:
    """Tell which of Hugging Face's servers can serve the model (the Hub's own conditions are unverified)."""
    model_type = text_at(config, "model_type", limit=100)
    is_transformers = library == "transformers"
    head = model_head(config)
    writes = (
        is_transformers
        and model_type in _TGI
        and (pipeline in _CHATTING or pipeline == "text2text-generation")
    )
    embeds = model_type in _TEI and (
        library == "sentence-transformers" or (is_transformers and pipeline in _EMBEDDING)
    )
    is_known = is_transformers and head is not None and not mapping_at(config, "auto_map")
    found = []
    if writes:
        found.append("text-generation-inference")
    if embeds:
        found.append("text-embeddings-inference")
    if (
        is_known
        or writes
        or embeds
        or library in _LIBRARIES_OF_ENDPOINTS
        or "gguf" in weights
        or "handler.py" in clues.paths
    ):
        found.append("endpoints_compatible")
    return found


def _quantization_tags(config: Mapping[str, object] | None) -> list[str]:
    """Return the bits and the method, such as ``4-bit bitsandbytes`` (verified: ``8-bit fp8``)."""
    quantization = mapping_at(config, "quantization_config")
    if quantization is None:
        return []
    method = text_at(quantization, "quant_method", limit=50)
    bits = quantization.get("bits")
    if quantization.get("load_in_4bit") is True:
        bits = 4
    elif quantization.get("load_in_8bit") is True or (bits is None and method == "fp8"):
        bits = 8
    found = [f"{bits}-bit"] if isinstance(bits, int) else []
    return [*found, *([method] if method else [])]


def _diffusers_tags(config: Mapping[str, object] | None, library: str | None) -> list[str]:
    class_name = text_at(mapping_at(config, "diffusers"), "_class_name", limit=100)
    return [f"diffusers:{class_name}"] if class_name and library == "diffusers" else []

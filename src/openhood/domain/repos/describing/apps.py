"""Which programs that people run at home, or on their own servers, can run a model.

**Source**: the conditions of ``tasks/src/local-apps.ts`` in huggingface.js, where the Hub's pages and the
parameter ``apps`` of its lists have them from. They ask whether a GGUF file states its context length,
which is known only once its header is read; here any GGUF of a model that writes text counts.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from openhood.domain.repos.describing.configs import chat_template_of
from openhood.domain.repos.describing.values import mapping_at, text_at


@dataclass(frozen=True, slots=True)
class Traits:
    """What of a model decides which programs run it."""

    tags: Collection[str]
    pipeline_tag: str | None
    library_name: str | None
    is_gguf: bool
    quantization: str | None
    takes_tools: bool


_WRITERS = frozenset({"text-generation", "image-text-to-text"})
# A GGUF for one of these holds a diffusion or speech model, without a context to state.
_NOT_WRITTEN = ("to-image", "to-video", "to-audio", "to-speech", "speech-recognition", "to-3d")
_VLLM_METHODS = frozenset({"awq", "gptq", "aqlm", "marlin"})


def _gguf(model: Traits) -> bool:
    return model.is_gguf and not (model.pipeline_tag or "").endswith(_NOT_WRITTEN)


def _mlx(model: Traits) -> bool:
    return "mlx" in model.tags


def _served(model: Traits) -> bool:
    return model.pipeline_tag in _WRITERS and (
        model.quantization in _VLLM_METHODS or "transformers" in model.tags
    )


def _vllm(model: Traits) -> bool:
    return _served(model) or (model.pipeline_tag in _WRITERS and _gguf(model))


def _agent(model: Traits) -> bool:
    return (_gguf(model) or _mlx(model)) and "conversational" in model.tags and model.takes_tools


def _paints(model: Traits) -> bool:
    return model.library_name == "diffusers" and model.pipeline_tag == "text-to-image"


def _adapts_painting(model: Traits) -> bool:
    return model.library_name == "diffusers" and (_paints(model) or "lora" in model.tags)


_APPS: Mapping[str, Callable[[Traits], bool]] = {
    "llama.cpp": _gguf,
    "node-llama-cpp": _gguf,
    "vllm": _vllm,
    "sglang": _served,
    "mlx-lm": lambda model: model.pipeline_tag == "text-generation" and _mlx(model),
    "tgi": lambda model: "text-generation-inference" in model.tags,
    "lmstudio": lambda model: _gguf(model) or _mlx(model),
    "localai": _gguf,
    "jan": _gguf,
    "atomic-chat": lambda model: _gguf(model) or _mlx(model),
    "backyard": _gguf,
    "jellybox": lambda model: _gguf(model) or (_adapts_painting(model) and "safetensors" in model.tags),
    "msty": _gguf,
    "recursechat": _gguf,
    "drawthings": _adapts_painting,
    "diffusionbee": _paints,
    "joyfusion": lambda model: (
        model.pipeline_tag == "text-to-image" and {"coreml", "joyfusion"} <= set(model.tags)
    ),
    "ollama": _gguf,
    "unsloth": lambda model: "unsloth" in model.tags or _gguf(model),
    "docker-model-runner": lambda model: _gguf(model) or _vllm(model),
    "lemonade": lambda model: _gguf(model) or bool({"ryzenai-hybrid", "ryzenai-npu"} & set(model.tags)),
    "pi": _agent,
    "hermes-agent": _agent,
    "openclaw": _agent,
}


def apps_for(
    tags: Collection[str],
    config: Mapping[str, object] | None,
    *,
    pipeline_tag: str | None,
    library_name: str | None,
    weights: Collection[str],
) -> list[str]:
    """Return the names of the programs that can run a model, as the parameter ``apps`` spells them."""
    model = Traits(
        tags=tags,
        pipeline_tag=pipeline_tag,
        library_name=library_name,
        is_gguf="gguf" in weights,
        quantization=text_at(mapping_at(config, "quantization_config"), "quant_method", limit=50),
        takes_tools="tools" in (chat_template_of(config) or ""),
    )
    return [name for name, runs in _APPS.items() if runs(model)]

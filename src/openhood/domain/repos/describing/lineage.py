"""From which models a model was made, and how: fine-tuned, merged, quantised, or as an adapter.

The relations are tags, ``base_model:ns/name`` and ``base_model:relation:ns/name``; following them is
`discovery`'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from openhood.domain.repos.describing.values import (
    is_repo_id,
    mapping_at,
    names_at,
    plain,
    repo_ids_at,
    text_at,
)
from openhood.engines.formats.card_rules import RELATIONS

_MAX_BASES = 100
_ADAPTER_LIBRARIES = frozenset({"peft", "adapter-transformers"})


def base_models(
    card: Mapping[str, object],
    config: Mapping[str, object] | None,
    *,
    library: str | None,
    weights: Collection[str],
    paths: Collection[str],
) -> list[str]:
    """Return the tags of a model's bases, each with its relation right after it, sorted as the Hub does."""
    bases = sorted(set(_bases(card, config)))[:_MAX_BASES]
    if not bases:
        return []
    relation = _stated(card) or _inferred(card, config, bases, library, weights, paths)
    return [tag for base in bases for tag in (f"base_model:{base}", f"base_model:{relation}:{base}")]


def _bases(card: Mapping[str, object], config: Mapping[str, object] | None) -> list[str]:
    if "base_model" in card:
        return repo_ids_at(card, "base_model")
    named = text_at(mapping_at(config, "peft"), "base_model_name_or_path", limit=200)
    # An adapter trained from a local folder names that folder: only what has two parts is taken for an id.
    return [plain(named)] if named and named.count("/") == 1 and is_repo_id(plain(named)) else []


def _stated(card: Mapping[str, object]) -> str | None:
    relation = card.get("base_model_relation")
    return relation if isinstance(relation, str) and relation in RELATIONS else None


def _inferred(
    card: Mapping[str, object],
    config: Mapping[str, object] | None,
    bases: Collection[str],
    library: str | None,
    weights: Collection[str],
    paths: Collection[str],
) -> str:
    """Guess the relation (the Hub's own order of these rules is unverified)."""
    tags = {tag.lower() for tag in names_at(card, "tags")}
    if library in _ADAPTER_LIBRARIES or "adapter_config.json" in paths or "lora" in tags:
        return "adapter"
    if len(bases) > 1:
        return "merge"
    if "gguf" in weights or mapping_at(config, "quantization_config"):
        return "quantized"
    return "merge" if tags & {"merge", "mergekit"} else "finetune"

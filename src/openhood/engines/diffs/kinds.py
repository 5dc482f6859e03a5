"""How a file is compared, told from its path, and which comparison that is."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from openhood.engines.diffs import cards, heads, settings, shards, tabular, vocabularies, weights
from openhood.engines.diffs.parts import Budget, Side

RULES_VERSION = 1
"""Raised whenever an answer would be another for the same bytes: what was found before is found anew then."""

TENSORS, SETTINGS, ROWS = "tensors", "settings", "rows"

Compare = Callable[[Side, Side, Budget], dict[str, object]]


class Format(NamedTuple):
    """A way to compare: what it is about, and the function."""

    kind: str
    compare: Compare


def _brief(compare: Callable[[Side, Side], dict[str, object]]) -> Compare:
    """Return a comparison of files that are read whole, for which a limit of their size is budget enough."""
    return lambda old, new, _budget: compare(old, new)


def _rows(name: str) -> Compare:
    return lambda old, new, budget: tabular.compare_rows(name, old, new, budget)


FORMATS: Mapping[str, Format] = {
    "safetensors": Format(TENSORS, weights.compare_safetensors),
    "gguf": Format(TENSORS, weights.compare_gguf),
    "shard index": Format(TENSORS, _brief(shards.compare_indexes)),
    "settings": Format(SETTINGS, _brief(settings.compare_json)),
    "tokenizer": Format(SETTINGS, _brief(vocabularies.compare_tokenizer)),
    "vocab.json": Format(SETTINGS, _brief(vocabularies.compare_vocab_json)),
    "vocab.txt": Format(SETTINGS, _brief(vocabularies.compare_token_lines)),
    "merges": Format(SETTINGS, _brief(vocabularies.compare_merges)),
    "sentencepiece": Format(SETTINGS, _brief(vocabularies.compare_sentencepiece)),
    "card": Format(SETTINGS, _brief(cards.compare_cards)),
    "yaml": Format(SETTINGS, _brief(cards.compare_yaml)),
    "template": Format(SETTINGS, _brief(cards.compare_text)),
    "json": Format(SETTINGS, tabular.compare_json_file),
    "csv": Format(ROWS, _rows("csv")),
    "tsv": Format(ROWS, _rows("tsv")),
    "jsonl": Format(ROWS, _rows("jsonl")),
    "parquet": Format(ROWS, _rows("parquet")),
    "parquet head": Format(ROWS, heads.parquet_head),
}
"""Every way to compare, by the name under which what was found is kept."""

_NAMES: Mapping[str, str] = {
    "tokenizer.json": "tokenizer",
    "vocab.json": "vocab.json",
    "vocab.txt": "vocab.txt",
    "merges.txt": "merges",
    "tokenizer.model": "sentencepiece",
    "spiece.model": "sentencepiece",
    "sentencepiece.bpe.model": "sentencepiece",
    "README.md": "card",
}
_SETTINGS = re.compile(
    r"(.*_)?config\.json|config_.+\.json|special_tokens_map\.json|added_tokens\.json|model_index\.json"
    r"|preprocessor_config\.json|chat_template\.json|adapter_config\.json|trainer_state\.json|modules\.json"
)
_ENDINGS: tuple[tuple[str, str], ...] = (
    (".safetensors.index.json", "shard index"),
    (".bin.index.json", "shard index"),
    (".safetensors", "safetensors"),
    (".gguf", "gguf"),
    (".csv", "csv"),
    (".csv.gz", "csv"),
    (".tsv", "tsv"),
    (".tsv.gz", "tsv"),
    (".jsonl", "jsonl"),
    (".ndjson", "jsonl"),
    (".jsonl.gz", "jsonl"),
    (".parquet", "parquet"),
    (".yaml", "yaml"),
    (".yml", "yaml"),
    (".jinja", "template"),
    (".json", "json"),
)
_SHARD = re.compile(r"(?P<stem>.+?)[-_.]\d{4,6}-of-\d{4,6}(?P<rest>(?:-[0-9a-f]{8,40})?\.[^/]+)")


def format_of(path: str) -> str | None:
    """Return the name of the format by which a file is compared, None for one that is not understood."""
    name = path.rpartition("/")[2]
    found = _NAMES.get(name)
    if found is not None:
        return found
    if _SETTINGS.fullmatch(name):
        return "settings"
    lower = name.lower()
    return next((format_name for ending, format_name in _ENDINGS if lower.endswith(ending)), None)


def set_of(path: str) -> str:
    """Return the path that shards of one model or split have in common; other files' own.

    ``m/model-00001-of-00003.safetensors`` and ``m/model.safetensors`` are both ``m/model.safetensors``, so that a
    model that was cut anew is still compared as one.
    """
    shard = _SHARD.fullmatch(path)
    if shard is None:
        return path
    # Datasets name their shards with a part of a hash, which is another after each change.
    return shard["stem"] + re.sub(r"^-[0-9a-f]+", "", shard["rest"])

"""A model's ``config`` as the Hub returns it: a few facts of its configuration files, in fixed shapes.

**Source**: ``ModelData.config`` of huggingface.js (``tasks/src/model-data.ts``, ``tokenizer-data.ts``), which
the Hub's pages and clients read.
"""

from __future__ import annotations

from collections.abc import Mapping

from openhood.domain.repos.describing.clues import TEMPLATES, Clues
from openhood.domain.repos.describing.values import is_mapping, mapping_at, plain, read_object, text_at

MAX_TEMPLATE_CHARACTERS = 64_000
"""A longer chat template is left out: half of one is worth nothing."""

_MAX_TOKEN_CHARACTERS = 200
_MAX_NAME_CHARACTERS = 200
_MAX_ARCHITECTURES = 20
_MAX_AUTO_CLASSES = 50
_MAX_TEMPLATES = 20
_SPECIAL_TOKENS = (
    "bos_token",
    "eos_token",
    "unk_token",
    "sep_token",
    "pad_token",
    "cls_token",
    "mask_token",
)
_TOKEN_FLAGS = ("lstrip", "normalized", "rstrip", "single_word")


def config_of(clues: Clues) -> Mapping[str, object] | None:
    """Return what the configuration files say; None where there is nothing."""
    kept: dict[str, object] = {}
    config = read_object(clues.files.get("config.json"))
    if config is not None:
        kept |= _main(config)
    tokenizer = read_object(clues.files.get("tokenizer_config.json"))
    if tokenizer is not None:
        kept["tokenizer_config"] = _tokenizer(tokenizer)
    kept |= _templates(clues)
    index = read_object(clues.files.get("model_index.json"))
    class_name = text_at(index, "_class_name", limit=_MAX_NAME_CHARACTERS)
    if class_name:
        kept["diffusers"] = {"_class_name": class_name}
    adapter = read_object(clues.files.get("adapter_config.json"))
    if adapter is not None:
        kept |= _adapter(adapter)
    return kept or None


def chat_template_of(config: Mapping[str, object] | None) -> str | None:
    """Return the chat template that the configuration holds, wherever it is; the first of several."""
    found = text_at(config, "chat_template_jinja", limit=MAX_TEMPLATE_CHARACTERS)
    for place in ("tokenizer_config", "processor_config"):
        found = found or text_at(mapping_at(config, place), "chat_template", limit=MAX_TEMPLATE_CHARACTERS)
    if found is None:
        several = (mapping_at(config, "tokenizer_config") or {}).get("chat_template")
        if isinstance(several, list) and several and is_mapping(several[0]):
            return text_at(several[0], "template", limit=MAX_TEMPLATE_CHARACTERS)
    return found


def _main(config: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    architectures = config.get("architectures")
    if isinstance(architectures, list):
        names = (name for name in architectures[:_MAX_ARCHITECTURES] if isinstance(name, str))
        kept["architectures"] = [plain(name[:_MAX_NAME_CHARACTERS]) for name in names]
    model_type = text_at(config, "model_type", limit=100)
    if model_type and plain(model_type):
        kept["model_type"] = plain(model_type)
    auto_map = mapping_at(config, "auto_map")
    if auto_map is not None:
        kept["auto_map"] = _auto_map(auto_map)
    for key in ("quantization_config", "quantization"):  # MLX writes both, older ones the second
        quantization = mapping_at(config, key)
        if quantization is not None and "quantization_config" not in kept:
            kept["quantization_config"] = _quantization(quantization)
    sklearn = mapping_at(config, "sklearn")
    if sklearn is not None:
        kept["sklearn"] = _sklearn(sklearn)
    names_of_speech = ("speechbrain_interface", "vocoder_interface", "vocoder_model_id")
    speech = _texts(config, names_of_speech)
    if speech:
        kept["speechbrain"] = speech
    return kept


def _auto_map(auto_map: Mapping[str, object]) -> dict[str, str]:
    kept = {}
    for key, value in list(auto_map.items())[:_MAX_AUTO_CLASSES]:
        # A pair names a slow and a fast tokenizer, either of which may be null.
        names = value if isinstance(value, list) else [value]
        name = next((name for name in names[:2] if isinstance(name, str)), None)
        if name is not None:
            kept[plain(key[:_MAX_NAME_CHARACTERS])] = plain(name[:_MAX_NAME_CHARACTERS])
    return kept


def _quantization(quantization: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    method = text_at(quantization, "quant_method", limit=50)
    if method:
        kept["quant_method"] = plain(method)
    bits = quantization.get("bits", quantization.get("w_bit"))
    if isinstance(bits, int) and not isinstance(bits, bool) and 0 < bits <= 64:
        kept["bits"] = bits
    for key in ("load_in_4bit", "load_in_8bit"):
        if isinstance(quantization.get(key), bool):
            kept[key] = quantization[key]
    return kept


def _sklearn(sklearn: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    file = text_at(mapping_at(sklearn, "model"), "file", limit=_MAX_NAME_CHARACTERS)
    if file:
        kept["model"] = {"file": file}
    return kept | _texts(sklearn, ("model_format",))


def _tokenizer(tokenizer: Mapping[str, object]) -> dict[str, object]:
    kept: dict[str, object] = {}
    for key in _SPECIAL_TOKENS:
        if key in tokenizer:
            token = _token(tokenizer[key])
            if token is not None or tokenizer[key] is None:
                kept[key] = token
    if isinstance(tokenizer.get("use_default_system_prompt"), bool):
        kept["use_default_system_prompt"] = tokenizer["use_default_system_prompt"]
    template = tokenizer.get("chat_template")
    if isinstance(template, list):
        several = [
            {"name": name, "template": text}
            for item in template[:_MAX_TEMPLATES]
            if is_mapping(item)
            and (name := text_at(item, "name", limit=_MAX_NAME_CHARACTERS))
            and (text := text_at(item, "template", limit=MAX_TEMPLATE_CHARACTERS // _MAX_TEMPLATES * 4))
        ]
        if several:
            kept["chat_template"] = several
    elif text := text_at(tokenizer, "chat_template", limit=MAX_TEMPLATE_CHARACTERS):
        kept["chat_template"] = text
    return kept


def _token(value: object) -> object:
    """Return a special token, in the two shapes that transformers writes."""
    if isinstance(value, str) and len(value) <= _MAX_TOKEN_CHARACTERS:
        return value
    if is_mapping(value) and (content := text_at(value, "content", limit=_MAX_TOKEN_CHARACTERS)):
        flags = {key: value[key] for key in _TOKEN_FLAGS if isinstance(value.get(key), bool)}
        return {"__type": "AddedToken", "content": content, **flags}
    return None


def _templates(clues: Clues) -> dict[str, object]:
    kept: dict[str, object] = {}
    alone = clues.text("chat_template.jinja")
    if alone and len(alone) <= MAX_TEMPLATE_CHARACTERS:
        kept["chat_template_jinja"] = alone
    for name in ("processor_config.json", "chat_template.json"):
        found = text_at(read_object(clues.files.get(name)), "chat_template", limit=MAX_TEMPLATE_CHARACTERS)
        if found:
            kept["processor_config"] = {"chat_template": found}
    # How the Hub names the additional ones is unverified.
    several = {
        path.removeprefix(f"{TEMPLATES}/").removesuffix(".jinja"): text
        for path in sorted(clues.files)
        if path.startswith(f"{TEMPLATES}/")
        and path.endswith(".jinja")
        and path.isascii()
        and (text := clues.text(path) or "")
        and len(text) <= MAX_TEMPLATE_CHARACTERS // 4
    }
    if several:
        kept["additional_chat_templates"] = dict(list(several.items())[: _MAX_TEMPLATES // 2])
    return kept


def _adapter(adapter: Mapping[str, object]) -> dict[str, object]:
    if "peft_type" in adapter or "base_model_name_or_path" in adapter:
        return {"peft": _texts(adapter, ("base_model_name_or_path", "task_type"))}
    older = _texts(adapter, ("model_name", "model_class"))
    return {"adapter_transformers": older} if older else {}


def _texts(values: Mapping[str, object], keys: tuple[str, ...]) -> dict[str, object]:
    found = {key: text_at(values, key, limit=_MAX_NAME_CHARACTERS) for key in keys}
    return {key: plain(text) for key, text in found.items() if text}

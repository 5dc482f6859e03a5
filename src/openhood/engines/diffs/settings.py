"""What changed between two JSON documents, value by value, with what the change of a known key means.

Lists of settings are compared as sets where order says nothing, and lists of named objects by their names.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import orjson

from openhood.engines.diffs.parts import MAX_NAMED, Side, Unreadable, clip, counted

MAX_JSON_BYTES = 64 * 1024 * 1024
_MAX_CHANGES = 100_000
_MAX_DEPTH = 60
_MAX_VALUE_BYTES = 1000
_MAX_COMPARED_LINES = 2000
_MAX_TEXT_LINES = 120
_NAMING_KEYS = ("id", "name", "content", "token", "task_name", "config_name", "split")

NOTES: Mapping[str, str] = {
    "_name_or_path": "the name of the model this was made from; loaders ignore it",
    "activation": "the activation function changed: the same weights compute something else",
    "added_tokens_decoder": "special tokens changed; prompts may be tokenised differently",
    "add_bos_token": "whether prompts begin with the begin-of-text token changed",
    "add_eos_token": "whether texts end with the end-of-text token changed",
    "architectures": "another model class is loaded",
    "attention_bias": "attention has other parameters: the weights must have them too",
    "attn_implementation": "another attention kernel is used",
    "auto_map": "loading runs other code of the repository (trust_remote_code)",
    "base_model_name_or_path": "the adapter is put on another base model",
    "bos_token_id": "generation starts with another token",
    "chat_template": "conversations become other prompts",
    "crop_size": "images are cut differently before the model sees them",
    "do_lower_case": "text is (not) lower-cased before it is tokenised",
    "do_sample": "generation switches between sampling and greedy search",
    "dtype": "weights are loaded in another precision",
    "eos_token": "generation stops at another token",
    "eos_token_id": "generation stops at another token",
    "head_dim": "tensors must have another shape",
    "hidden_act": "the activation function changed: the same weights compute something else",
    "hidden_size": "tensors must have another shape: it must match the weights",
    "id2label": "the names of the classes changed",
    "image_mean": "images are normalised differently before the model sees them",
    "image_std": "images are normalised differently before the model sees them",
    "intermediate_size": "tensors must have another shape: it must match the weights",
    "label2id": "the names of the classes changed",
    "layer_norm_eps": "normalisation computes slightly different numbers",
    "license": "the terms under which this may be used changed",
    "lora_alpha": "the adapter has another strength",
    "lora_dropout": "matters for training only",
    "max_length": "answers are cut at another length",
    "max_new_tokens": "answers are cut at another length",
    "max_position_embeddings": "the longest context changed",
    "model_max_length": "prompts are cut at another length",
    "model_type": "another model class is loaded",
    "modules_to_save": "the adapter replaces other modules as a whole",
    "num_attention_heads": "attention is split differently: it must match the weights",
    "num_experts": "the number of experts must match the weights",
    "num_hidden_layers": "the number of layers must match the weights",
    "num_key_value_heads": "attention is split differently: it must match the weights",
    "num_local_experts": "the number of experts must match the weights",
    "pad_token": "batches are filled up with another token",
    "pad_token_id": "batches are filled up with another token",
    "padding_side": "batches are filled up on the other side",
    "peft_type": "another kind of adapter is loaded",
    "quantization_config": "the weights are read as quantised in another way",
    "r": "the rank of the adapter must match its weights",
    "repetition_penalty": "generation repeats itself more or less",
    "rms_norm_eps": "normalisation computes slightly different numbers",
    "rope_parameters": "positions are encoded differently: long contexts behave differently",
    "rope_scaling": "positions are encoded differently: long contexts behave differently",
    "rope_theta": "positions are encoded differently: the same weights compute something else",
    "size": "images are resized differently before the model sees them",
    "sliding_window": "attention reaches another distance",
    "target_modules": "the adapter changes other layers",
    "temperature": "answers become more or less random",
    "tie_word_embeddings": "input and output embeddings are (not) shared: it must match the weights",
    "tokenizer_class": "another tokenizer class is loaded",
    "top_k": "answers become more or less random",
    "top_p": "answers become more or less random",
    "torch_dtype": "weights are loaded in another precision",
    "transformers_version": "only says which release wrote the file",
    "unk_token": "unknown text becomes another token",
    "use_cache": "generation is faster or slower, with the same result",
    "vocab_size": "embeddings must have another shape: it must match tokenizer and weights",
}
"""What it means for a user when a key changes; the name of the key, wherever it stands."""

_LOUD = frozenset(NOTES) - {"_name_or_path", "transformers_version", "use_cache", "lora_dropout"}


@dataclass(frozen=True, slots=True)
class Change:
    """A value that was added, removed or changed; ``path`` as ``rope_scaling.factor`` or ``stop[0]``."""

    path: str
    change: str
    old: object = None
    new: object = None
    key: str = ""
    detail: Mapping[str, object] | None = None

    def shown(self) -> dict[str, object]:
        """Return it for an answer: long values cut, long texts as the lines that differ."""
        said: dict[str, object] = {"path": clip(self.path, limit=500), "change": self.change}
        is_text = isinstance(self.old, str) and isinstance(self.new, str) and "\n" in self.old + self.new
        if self.detail is not None:
            said |= self.detail
        elif is_text:
            said["text"] = text_lines(str(self.old), str(self.new))
        else:
            if self.change != "added":
                said["old"] = _cut(self.old)
            if self.change != "removed":
                said["new"] = _cut(self.new)
        note = NOTES.get(self.key)
        if note is not None:
            said["note"] = note
        return said


@dataclass(frozen=True, slots=True)
class Changes:
    """The first changes in order of consequence, and how many there are."""

    first: tuple[Change, ...]
    count: int


def compare_json(old: Side, new: Side) -> dict[str, object]:
    """Compare JSON files. Raises Unreadable and what reading raises."""
    return compare_documents(load_json(old), load_json(new))


def load_json(side: Side, *, limit_bytes: int = MAX_JSON_BYTES) -> object:
    """Return the document of a side's one file; None where there is none. Raises Unreadable."""
    if not side:
        return None
    data = side[0].whole(limit_bytes=limit_bytes)
    try:
        return orjson.loads(data.removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise Unreadable(f"'{clip(side[0].path)}' is not valid JSON: {error}.") from error


def compare_documents(old: object, new: object) -> dict[str, object]:
    """Return the changes between two documents, as JSON-like values with a ``summary``."""
    changes = differ(old, new)
    return {
        "changeCount": changes.count,
        "changes": [each.shown() for each in changes.first],
        "truncated": changes.count > len(changes.first),
        "summary": summarise(changes),
    }


def summarise(changes: Changes) -> str:
    """Return one line: how many values changed, and the most consequential ones by name."""
    if not changes.count:
        return "no value changed (only how the file is written)"
    named = []
    for each in changes.first[:4]:
        if each.change == "changed" and _is_short(each.old) and _is_short(each.new):
            named.append(f"{clip(each.path, limit=60)}: {_brief(each.old)} → {_brief(each.new)}")
        else:
            named.append(f"{clip(each.path, limit=60)} {each.change}")
    rest = ", …" if changes.count > len(named) else ""
    return f"{counted(changes.count, 'value')} changed ({', '.join(named)}{rest})"


def differ(old: object, new: object) -> Changes:
    """Return what differs between two documents; those changes first that mean most."""
    found: list[Change] = []
    count = 0
    for change in _differ(old, new, "", "", 0):
        count += 1
        if count <= _MAX_CHANGES:
            found.append(change)
    found.sort(key=lambda each: each.key not in _LOUD)
    return Changes(tuple(found[:MAX_NAMED]), count)


def _differ(old: object, new: object, path: str, key: str, depth: int) -> Iterator[Change]:
    if depth < _MAX_DEPTH:
        if isinstance(old, dict) and isinstance(new, dict):
            yield from _differ_objects(old, new, path, key, depth)
            return
        if isinstance(old, list) and isinstance(new, list):
            yield from _differ_lists(old, new, path, key, depth)
            return
    if type(old) is type(new) and old == new:
        return
    if old is None and depth == 0:
        yield from _differ({}, new, path, key, depth) if isinstance(new, dict) else ()
    elif new is None and depth == 0:
        yield from _differ(old, {}, path, key, depth) if isinstance(old, dict) else ()
    elif not _is_same_number(old, new):
        yield Change(path or "(document)", "changed", old, new, key)


def _is_same(old: object, new: object) -> bool:
    return (type(old) is type(new) and old == new) or _is_same_number(old, new)


def _is_same_number(old: object, new: object) -> bool:
    """Whether both are the same number, however it is written; true and 1 are not."""
    plain = (int, float)
    return type(old) in plain and type(new) in plain and old == new


def _differ_objects(
    old: dict[str, object], new: dict[str, object], path: str, key: str, depth: int
) -> Iterator[Change]:
    for name in old:
        below = f"{path}.{name}" if path else name
        # Within a known key a part has no meaning of its own: `rope_scaling.factor`.
        meant = name if name in NOTES else key
        if name not in new:
            yield Change(below, "removed", old=old[name], key=meant)
        else:
            yield from _differ(old[name], new[name], below, meant, depth + 1)
    for name in new:
        if name not in old:
            below = f"{path}.{name}" if path else name
            yield Change(below, "added", new=new[name], key=name if name in NOTES else key)


def _differ_lists(old: list[object], new: list[object], path: str, key: str, depth: int) -> Iterator[Change]:
    naming = _naming_key(old, new)
    if naming is not None:
        before, after = (
            {str(each[naming]): each for each in side if isinstance(each, dict)} for side in (old, new)
        )
        for name in before:
            below = f"{path}[{naming}={name}]"
            if name not in after:
                yield Change(below, "removed", old=before[name], key=key)
            else:
                yield from _differ(before[name], after[name], below, key, depth + 1)
        for name in after:
            if name not in before:
                yield Change(f"{path}[{naming}={name}]", "added", new=after[name], key=key)
        return
    if all(_is_scalar(each) for each in (*old, *new)):
        if len(old) == len(new) and all(map(_is_same, old, new)):
            return
        yield Change(path or "(document)", "changed", old, new, key, _scalar_lists(old, new))
        return
    for index in range(max(len(old), len(new))):
        below = f"{path}[{index}]"
        if index >= len(new):
            yield Change(below, "removed", old=old[index], key=key)
        elif index >= len(old):
            yield Change(below, "added", new=new[index], key=key)
        else:
            yield from _differ(old[index], new[index], below, key, depth + 1)


def _naming_key(old: Sequence[object], new: Sequence[object]) -> str | None:
    """Return the key by which the objects of both lists are told apart, None where there is none."""
    members = [*old, *new]
    if not members or not all(isinstance(each, dict) for each in members):
        return None
    for name in _NAMING_KEYS:
        if all(isinstance(each, dict) and isinstance(each.get(name), str | int) for each in members) and all(
            len({str(each[name]) for each in side if isinstance(each, dict)}) == len(side)
            for side in (old, new)
        ):
            return name
    return None


def _scalar_lists(old: Sequence[object], new: Sequence[object]) -> dict[str, object] | None:
    """Return what was put in and taken out; None for short lists, which are shown whole."""
    if len(old) <= 8 and len(new) <= 8:
        return None
    before, after = ({repr(each): each for each in side} for side in (old, new))
    added = [each for name, each in after.items() if name not in before]
    removed = [each for name, each in before.items() if name not in after]
    return {
        "oldLength": len(old),
        "newLength": len(new),
        "addedCount": len(added),
        "removedCount": len(removed),
        "added": [_cut(each) for each in added[:20]],
        "removed": [_cut(each) for each in removed[:20]],
        "reordered": not added and not removed and len(old) == len(new),
    }


def _is_scalar(value: object) -> bool:
    return value is None or isinstance(value, str | int | float | bool)


def _is_short(value: object) -> bool:
    return _is_scalar(value) and len(str(value)) <= 30 and "\n" not in str(value)


def _brief(value: object) -> str:
    return clip(orjson.dumps(value).decode() if not isinstance(value, str) else value, limit=40)


def _cut(value: object) -> object:
    """Return a value as it is if it is short, else the beginning of its text."""
    if isinstance(value, str):
        return clip(value, limit=_MAX_VALUE_BYTES)
    if _is_scalar(value):
        return value
    text = orjson.dumps(value).decode()
    return value if len(text) <= _MAX_VALUE_BYTES else clip(text, limit=_MAX_VALUE_BYTES)


def text_lines(old: str, new: str) -> dict[str, object]:
    """Return how many lines were added and removed, and those lines with their neighbours up to a limit."""
    before, after = old.splitlines(), new.splitlines()
    if max(len(before), len(after)) > _MAX_COMPARED_LINES:
        # Comparing in order takes quadratic time; over the limit lines are only counted.
        first, second = _tally(before), _tally(after)
        return {
            "added": sum(max(0, count - first.get(line, 0)) for line, count in second.items()),
            "removed": sum(max(0, count - second.get(line, 0)) for line, count in first.items()),
            "lines": [],
            "truncated": True,
        }
    lines = list(difflib.unified_diff(before, after, n=1, lineterm=""))[2:]
    return {
        "added": sum(each.startswith("+") for each in lines),
        "removed": sum(each.startswith("-") for each in lines),
        "lines": [clip(each) for each in lines[:_MAX_TEXT_LINES]],
        "truncated": len(lines) > _MAX_TEXT_LINES,
    }


def line_counts(text: Mapping[str, object]) -> str:
    """Return what `text_lines` counted as one line for people."""
    return f"{counted(int(str(text['added'])), 'line')} added, {int(str(text['removed'])):,} removed"


def _tally(lines: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in lines:
        found[each] = found.get(each, 0) + 1
    return found

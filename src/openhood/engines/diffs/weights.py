"""Comparing files of weights: the tensors of safetensors and GGUF files, and what their headers say beside them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import orjson

from openhood.engines.diffs import settings, vocabularies
from openhood.engines.diffs.elements import GGUF_TYPES, SAFETENSORS_TYPES
from openhood.engines.diffs.parts import Budget, Part, Side, clip, counted
from openhood.engines.diffs.tensors import Tensor, TensorSet, compare_sets, describe_set, merge
from openhood.engines.formats import safetensors
from openhood.engines.formats.gguf_layout import GgufLayout, GgufList, read_layout
from openhood.engines.formats.safetensors import BadWeights


def compare_safetensors(old: Side, new: Side, budget: Budget) -> dict[str, object]:
    """Compare sets of safetensors files. Raises BadWeights and what reading raises."""
    before, after = _read_safetensors(old), _read_safetensors(new)
    if not old or not new:
        return describe_set((after if new else before)[0])
    said = compare_sets(before[0], after[0], budget)
    changes = settings.differ(before[1], after[1])
    said["metadata"] = [each.shown() for each in changes.first]
    if changes.count:
        said["summary"] = f"{said['summary']}; {counted(changes.count, 'metadata value')} changed"
    return said


def _read_safetensors(side: Side) -> tuple[TensorSet, dict[str, object]]:
    found: list[dict[str, Tensor]] = []
    metadata: dict[str, object] = {}
    for part in side:
        header = safetensors.read_header(part.read, size_bytes=part.size_bytes)
        safetensors.count_parameters(header, size_bytes=part.size_bytes)
        document: dict[str, Any] = orjson.loads(header)  # Any: checked by the line above
        metadata |= document.pop("__metadata__", {})
        first = 8 + len(header)
        found.append({name: _tensor(part, name, each, first) for name, each in document.items()})
    return merge(found), metadata


def _tensor(part: Part, name: str, said: Mapping[str, Any], first: int) -> Tensor:
    start, end = said["data_offsets"]
    kind = SAFETENSORS_TYPES.get(said["dtype"])
    return Tensor(name, said["dtype"], tuple(said["shape"]), part, first + start, end - start, kind)


def compare_gguf(old: Side, new: Side, budget: Budget) -> dict[str, object]:
    """Compare sets of GGUF files. Raises BadWeights and what reading raises."""
    before, after = _read_gguf(old), _read_gguf(new)
    if not old or not new:
        return _describe_gguf(after if new else before)
    said = compare_sets(before.tensors, after.tensors, budget)
    changes = settings.differ(before.facts, after.facts)
    said["metadata"] = [each.shown() for each in changes.first]
    lines = [str(said["summary"])]
    if before.quantization != after.quantization:
        said["quantization"] = {"old": before.quantization, "new": after.quantization}
        lines.insert(0, f"quantisation {before.quantization} → {after.quantization}")
    if changes.count:
        lines.append(f"{counted(changes.count, 'metadata value')} changed{_keys(changes)}")
    if before.tokens is not None and after.tokens is not None and before.tokens != after.tokens:
        vocabulary = vocabularies.compare_tokens(_numbered(before.tokens), _numbered(after.tokens))
        said["vocabulary"] = vocabulary
        lines.append(str(vocabulary.pop("summary")))
    said["summary"] = "; ".join(lines)
    return said


class _Gguf:
    """The files of one side together."""

    def __init__(self, layouts: list[tuple[Part, GgufLayout]]) -> None:
        self.facts: dict[str, object] = {}
        self.tokens: tuple[bytes, ...] | None = None
        found: list[dict[str, Tensor]] = []
        for part, layout in layouts:
            self.facts |= {
                key: _shown(value) for key, value in layout.pairs.items() if not key.startswith("split.")
            }
            self.tokens = layout.tokens or self.tokens
            found.append(_gguf_tensors(part, layout))
        self.tensors = merge(found)

    @property
    def quantization(self) -> str:
        """The type that most parameters have."""
        sizes: dict[str, int] = {}
        for each in self.tensors.tensors.values():
            sizes[each.dtype] = sizes.get(each.dtype, 0) + each.elements
        return max(sizes, key=lambda each: sizes[each]) if sizes else "none"


def _read_gguf(side: Side) -> _Gguf:
    return _Gguf([(part, read_layout(part.read, size_bytes=part.size_bytes)) for part in side])


def _gguf_tensors(part: Part, layout: GgufLayout) -> dict[str, Tensor]:
    starts = sorted({each.start for each in layout.tensors.values()} | {part.size_bytes})
    ends = dict(itertools.pairwise(starts))
    found: dict[str, Tensor] = {}
    left = 2 * part.size_bytes
    for name, each in layout.tensors.items():
        kind = GGUF_TYPES.get(each.type_number)
        if kind is not None:
            size_bytes = kind.size_of(each.elements)
        else:
            size_bytes = ends.get(each.start, part.size_bytes) - each.start
        left -= size_bytes
        if each.start + size_bytes > part.size_bytes or left < 0:
            raise BadWeights(f"The GGUF tensor {name[:80]!r} lies outside the file.")
        dtype = kind.name if kind is not None else f"type {each.type_number}"
        # Numbers of a big-endian file are compared as bytes only.
        known = kind if layout.is_little_endian else None
        found[name] = Tensor(name, dtype, each.shape, part, each.start, size_bytes, known)
    return found


def _shown(value: object) -> object:
    if isinstance(value, GgufList):
        if value.count <= len(value.first):
            return [_shown(each) for each in value.first]
        return {"list": value.count, "first": [_shown(each) for each in value.first], "digest": value.digest}
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _numbered(tokens: tuple[bytes, ...]) -> dict[str, int]:
    return {each.decode("utf-8", "replace"): index for index, each in enumerate(tokens)}


def _keys(changes: settings.Changes) -> str:
    names = [each.path for each in changes.first[:3]]
    return (
        f" ({', '.join(clip(each, limit=60) for each in names)}{', …' if changes.count > len(names) else ''})"
    )


def _describe_gguf(found: _Gguf) -> dict[str, object]:
    said = describe_set(found.tensors)
    architecture = found.facts.get("general.architecture")
    if isinstance(architecture, str):
        said["architecture"] = clip(architecture, limit=100)
        said["summary"] = f"{clip(architecture, limit=40)}: {said['summary']}"
    return said

"""What a change does to the tensors of a model: added, removed, renamed, reshaped, recast, and by how much changed.

A model in shards is one set: only shards that changed need to be given, since a tensor of one that did not is on
both sides. Bytes are compared first, numbers only where bytes differ; over the budget evenly spread samples stand
for the whole, and the answer says so.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from openhood.engines.diffs.elements import ElementType
from openhood.engines.diffs.measuring import Measure
from openhood.engines.diffs.parts import MAX_NAMED, Budget, Part, clip, counted, number, percent

_CHUNK_BYTES = 4 * 1024 * 1024
_SAMPLE_BYTES = 256 * 1024
_LATE_BYTES = 64 * 1024
_MAX_GROUPS = 60
_NOTABLE = 1.2


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor and where it lies. ``kind`` None: a type that is not known, compared as bytes."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    part: Part
    start: int
    size_bytes: int
    kind: ElementType | None

    @property
    def elements(self) -> int:
        """How many elements it has."""
        return math.prod(self.shape)

    def read(self, offset: int, length: int) -> bytes:
        """Return some of its bytes."""
        return self.part.read(self.start + offset, length)


@dataclass(frozen=True, slots=True)
class TensorSet:
    """All tensors of one side, by name."""

    tensors: Mapping[str, Tensor]
    ignored: int = 0
    """Names that stood in more than one file; the last counts."""

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return sum(each.elements for each in self.tensors.values())


@dataclass(slots=True)
class _Change:
    old: Tensor
    new: Tensor
    measure: Measure = field(default_factory=Measure)
    is_sample: bool = False
    is_same: bool = False

    @property
    def is_recast(self) -> bool:
        return self.old.dtype != self.new.dtype

    @property
    def has_values(self) -> bool:
        return all(each.kind is not None and each.kind.decode is not None for each in (self.old, self.new))

    @property
    def weight(self) -> float:
        """What it is ranked by: how much it changed, most of all where there was nothing before."""
        if not self.has_values:
            return self.measure.changed / max(1, self.measure.elements)
        relative = self.measure.relative
        return math.inf if relative is None else relative


def compare_sets(old: TensorSet, new: TensorSet, budget: Budget) -> dict[str, object]:
    """Return what became of the tensors, as JSON-like values with a ``summary`` for people."""
    removed = {name: each for name, each in old.tensors.items() if name not in new.tensors}
    added = {name: each for name, each in new.tensors.items() if name not in old.tensors}
    both = [(each, new.tensors[name]) for name, each in old.tensors.items() if name in new.tensors]
    reshaped = [(a, b) for a, b in both if a.shape != b.shape]
    alike = [_Change(a, b) for a, b in both if a.shape == b.shape]
    renamed = _find_renamed(removed, added, budget)
    for a, b in renamed:
        del removed[a.name], added[b.name]
    _measure_all(alike, budget)
    recast = [each for each in alike if each.is_recast]
    changed = [each for each in alike if not each.is_recast and not each.is_same]
    unchanged = [each for each in alike if not each.is_recast and each.is_same]
    ranked = sorted(changed, key=lambda each: (-each.weight, each.new.name))
    said: dict[str, object] = {
        "counts": {
            "old": len(old.tensors),
            "new": len(new.tensors),
            "added": len(added),
            "removed": len(removed),
            "renamed": len(renamed),
            "reshaped": len(reshaped),
            "recast": len(recast),
            "changed": len(changed),
            "unchanged": len(unchanged),
        },
        "parameters": {"old": old.parameters, "new": new.parameters},
        "dtypes": {"old": _dtypes(old), "new": _dtypes(new)},
        "sampled": any(each.is_sample for each in alike),
        "comparedBytes": sum(_compared_bytes(each) for each in alike),
        "totalBytes": sum(each.old.size_bytes + each.new.size_bytes for each in alike),
        "added": [_named(each) for each in _first(added.values())],
        "removed": [_named(each) for each in _first(removed.values())],
        "renamed": [{"old": clip(a.name), **_named(b)} for a, b in renamed[:MAX_NAMED]],
        "reshaped": [
            {**_named(b), "oldShape": list(a.shape), "oldDtype": a.dtype} for a, b in reshaped[:MAX_NAMED]
        ],
        "recast": [_measured(each) for each in recast[:MAX_NAMED]],
        "changed": [_measured(each) for each in ranked[:MAX_NAMED]],
        "groups": _groups([*changed, *recast]),
    }
    total = _total([*changed, *recast])
    if total is not None:
        # Over all elements of both sides that were compared, the same ones too.
        said["overall"] = total
    said["truncated"] = (
        max(len(added), len(removed), len(renamed), len(reshaped), len(recast), len(changed)) > MAX_NAMED
    )
    said["summary"] = _summary(said, ranked, recast, added=added, removed=removed, renamed=renamed)
    return said


def describe_set(tensors: TensorSet) -> dict[str, object]:
    """Return what the tensors of a file without a counterpart are."""
    dtypes = _dtypes(tensors)
    kinds = ", ".join(sorted(dtypes, key=lambda each: -dtypes[each])[:4])
    count = counted(len(tensors.tensors), "tensor")
    return {
        "counts": {"tensors": len(tensors.tensors)},
        "parameters": tensors.parameters,
        "dtypes": dtypes,
        "summary": f"{count}, {tensors.parameters:,} parameters" + (f" ({kinds})" if kinds else ""),
    }


def _measure_all(changes: Sequence[_Change], budget: Budget) -> None:
    wanted = sum(each.old.size_bytes + each.new.size_bytes for each in changes)
    share = 1.0 if wanted <= budget.read_bytes else budget.read_bytes / wanted
    for each in changes:
        _measure(each, share, budget)


def _measure(change: _Change, share: float, budget: Budget) -> None:
    old, new = change.old, change.new
    if change.is_recast and not change.has_values:
        return  # Nothing but the types can be told apart.
    spans = list(_spans(change, share, is_late=budget.is_late))
    change.is_sample = sum(length for _at, length in spans) < _units(change)
    kinds = _kinds(change)
    same: list[tuple[int, int]] = []
    is_same = not change.is_recast
    for at, length in spans:
        here = _bytes_of(old, kinds[0], at, length)
        there = _bytes_of(new, kinds[1], at, length)
        if is_same and here == there:
            same.append((at, length))
            continue
        if is_same:
            is_same = False
            # What was passed over as the same counts too, now that something differs.
            for at_before, length_before in same:
                change.measure.add_same(_bytes_of(old, kinds[0], at_before, length_before), kinds[0])
        change.measure.add(here, there, *kinds)
        if budget.is_late and not change.is_sample:
            change.is_sample = (at, length) != spans[-1]
            break
    change.is_same = is_same
    if is_same:
        change.measure.elements = sum(length for _at, length in same)


_BYTES = ElementType("bytes", 1, 1, None)


def _kinds(change: _Change) -> tuple[ElementType, ElementType]:
    if change.old.kind is None or change.new.kind is None:
        return _BYTES, _BYTES
    return change.old.kind, change.new.kind


def _units(change: _Change) -> int:
    """Elements of both, or bytes where the type is not known."""
    if _kinds(change)[0] is not _BYTES:
        return change.old.elements
    # Of an unknown type the end is only guessed, so that one side may have padding.
    return min(change.old.size_bytes, change.new.size_bytes)


def _bytes_of(tensor: Tensor, kind: ElementType, at: int, length: int) -> bytes:
    start = kind.size_of(at)
    return tensor.read(start, min(kind.size_of(at + length), tensor.size_bytes) - start)


def _spans(change: _Change, share: float, *, is_late: bool) -> Iterator[tuple[int, int]]:
    """Yield first element and count of what is compared: all of it in turn, or pieces spread evenly."""
    total = _units(change)
    kinds = _kinds(change)
    block = max(kind.block for kind in kinds)
    density = max(kind.block_bytes / kind.block for kind in kinds)

    def aligned(size_bytes: int) -> int:
        return max(block, int(size_bytes / density) // block * block)

    if share >= 1 and not is_late:
        step = aligned(_CHUNK_BYTES)
        for at in range(0, total, step):
            yield at, min(step, total - at)
        return
    piece = aligned(_LATE_BYTES if is_late else _SAMPLE_BYTES)
    count = 1 if is_late else max(1, math.floor(total * share / piece))
    if count * piece >= total:
        yield 0, total
        return
    gap = (total - piece) / max(1, count - 1)
    last = -1
    for index in range(count):
        at = int(index * gap) // block * block
        if at > last:
            yield at, min(piece, total - at)
            last = at + piece - 1


def _compared_bytes(change: _Change) -> int:
    return sum(
        min(kind.size_of(change.measure.elements), tensor.size_bytes)
        for kind, tensor in zip(_kinds(change), (change.old, change.new), strict=True)
    )


def _find_renamed(
    removed: Mapping[str, Tensor], added: Mapping[str, Tensor], budget: Budget
) -> list[tuple[Tensor, Tensor]]:
    """Return pairs of the same content under another name; only what a quarter of the budget can prove."""
    kinds: dict[tuple[str, tuple[int, ...]], list[Tensor]] = {}
    for each in removed.values():
        kinds.setdefault((each.dtype, each.shape), []).append(each)
    candidates = [each for each in added.values() if (each.dtype, each.shape) in kinds]
    wanted = [each for key in {(each.dtype, each.shape) for each in candidates} for each in kinds[key]]
    size_bytes = sum(each.size_bytes for each in (*wanted, *candidates))
    if not candidates or size_bytes > budget.read_bytes // 4:
        return []
    known: dict[bytes, list[Tensor]] = {}
    for each in wanted:
        if budget.is_late:
            return []
        known.setdefault(_digest(each), []).append(each)
    found: list[tuple[Tensor, Tensor]] = []
    for each in candidates:
        if budget.is_late:
            break
        same = known.get(_digest(each))
        if same:
            found.append((same.pop(0), each))
    return found


def _digest(tensor: Tensor) -> bytes:
    digest = hashlib.blake2b(repr((tensor.dtype, tensor.shape)).encode(), digest_size=16)
    for start in range(0, tensor.size_bytes, _CHUNK_BYTES):
        digest.update(tensor.read(start, min(_CHUNK_BYTES, tensor.size_bytes - start)))
    return digest.digest()


def _dtypes(tensors: TensorSet) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in tensors.tensors.values():
        found[each.dtype] = found.get(each.dtype, 0) + each.elements
    return found


def _first(tensors: Iterable[Tensor]) -> list[Tensor]:
    return sorted(tensors, key=lambda each: each.name)[:MAX_NAMED]


def _named(tensor: Tensor) -> dict[str, object]:
    return {"name": clip(tensor.name), "dtype": tensor.dtype, "shape": list(tensor.shape)}


def _measured(change: _Change) -> dict[str, object]:
    said = _named(change.new)
    if change.is_recast:
        said["oldDtype"] = change.old.dtype
    if change.is_recast and not change.has_values:
        return said
    return said | change.measure.shown(has_values=change.has_values) | {"sampled": change.is_sample}


def _sum(changes: Sequence[_Change]) -> Measure:
    total = Measure()
    for each in changes:
        if each.has_values:
            total.elements += each.measure.elements
            total.changed += each.measure.changed
            total.largest = max(total.largest, each.measure.largest)
            total.sum_abs += each.measure.sum_abs
            total.square_diff += each.measure.square_diff
            total.square_old += each.measure.square_old
            total.square_new += each.measure.square_new
            total.product += each.measure.product
            total.odd_old += each.measure.odd_old
            total.odd_new += each.measure.odd_new
    return total


def _total(changes: Sequence[_Change]) -> dict[str, object] | None:
    measured = [each for each in changes if each.has_values and each.measure.elements]
    return _sum(measured).shown(has_values=True) if measured else None


_DIGITS = re.compile(r"(?<=\.)\d+(?=\.|$)|^\d+(?=\.)|(?<=_)\d+(?=[._]|$)")


def _groups(changes: Sequence[_Change]) -> list[dict[str, object]]:
    """Return figures of tensors whose names differ in their numbers only: the same part of each layer."""
    found: dict[str, list[_Change]] = {}
    for each in changes:
        if each.has_values:
            found.setdefault(_DIGITS.sub("*", each.new.name), []).append(each)
    said = []
    for pattern, members in found.items():
        if len(members) > 1:
            total = _sum(members)
            relative = total.relative
            said.append(
                {
                    "pattern": clip(pattern),
                    "tensors": len(members),
                    "changedFraction": number(total.changed / total.elements) if total.elements else 0.0,
                    "maxAbsDiff": number(total.largest),
                    "relativeL2": None if relative is None else number(relative),
                }
            )
    said.sort(
        key=lambda each: (
            -(each["relativeL2"] if isinstance(each["relativeL2"], float) else 0),
            str(each["pattern"]),
        )
    )
    return said[:_MAX_GROUPS]


def _summary(
    said: Mapping[str, object],
    ranked: Sequence[_Change],
    recast: Sequence[_Change],
    *,
    added: Mapping[str, Tensor],
    removed: Mapping[str, Tensor],
    renamed: Sequence[tuple[Tensor, Tensor]],
) -> str:
    counts = said["counts"]
    assert isinstance(counts, dict)
    lines: list[str] = []
    if added:
        lines.append(f"{counted(len(added), 'tensor')} added")
    if removed:
        lines.append(f"{counted(len(removed), 'tensor')} removed")
    if renamed:
        lines.append(f"{counted(len(renamed), 'tensor')} renamed{_renaming(renamed)}")
    if counts["reshaped"]:
        lines.append(f"{counted(counts['reshaped'], 'tensor')} reshaped")
    lines += _recast_lines(recast)
    if ranked:
        lines.append(_changed_line(ranked, counts["new"]))
    odd = sum(max(0, each.measure.odd_new - each.measure.odd_old) for each in (*ranked, *recast))
    if odd:
        lines.append(f"{counted(odd, 'value')} became NaN or infinite")
    if not lines:
        lines.append(f"no tensor changed ({counted(counts['new'], 'tensor')})")
    if said["sampled"]:
        lines.append("measured on samples")
    return "; ".join(lines)


def _renaming(renamed: Sequence[tuple[Tensor, Tensor]]) -> str:
    """Return what all new names have in place of what, where it is the same beginning for all."""
    found = set()
    for old, new in renamed:
        end = 0
        while end < min(len(old.name), len(new.name)) and old.name[-1 - end] == new.name[-1 - end]:
            end += 1
        found.add((old.name[: len(old.name) - end], new.name[: len(new.name) - end]))
    # Names may happen to share more than what was kept, as "a.b.c" and "b.c" do: the shortest pair must fit all.
    before, after = min(found, key=lambda pair: len(pair[0]) + len(pair[1]))
    if len(renamed) > 1 and all(
        old.name.startswith(before) and new.name == after + old.name[len(before) :] for old, new in renamed
    ):
        return f" ('{clip(before, limit=60)}' → '{clip(after, limit=60)}')"
    return ""


def _recast_lines(recast: Sequence[_Change]) -> Iterator[str]:
    kinds: dict[tuple[str, str], list[_Change]] = {}
    for each in recast:
        kinds.setdefault((each.old.dtype, each.new.dtype), []).append(each)
    for (before, after), members in sorted(kinds.items()):
        relative = _sum(members).relative if all(each.has_values for each in members) else None
        by = (
            ""
            if relative is None
            else " without loss"
            if relative == 0
            else f" ({percent(relative)} relative L2)"
        )
        yield f"{counted(len(members), 'tensor')} recast {before}→{after}{by}"


def _changed_line(ranked: Sequence[_Change], total: int) -> str:
    line = f"{len(ranked):,} of {counted(total, 'tensor')} changed"
    measured = [each for each in ranked if each.has_values]
    if not measured:
        return line
    relative = _sum(measured).relative
    if relative is None or not math.isfinite(relative):
        return line
    line += f" by {percent(relative)} (relative L2)"
    top = measured[0]
    if len(measured) > 1 and top.measure.relative is not None and top.measure.relative > _NOTABLE * relative:
        line += f", most '{clip(top.new.name, limit=80)}' by {percent(top.measure.relative)}"
    return line


def merge(sets: Sequence[Mapping[str, Tensor]]) -> TensorSet:
    """Join the tensors of several files of one side."""
    found: dict[str, Tensor] = {}
    for each in sets:
        found |= each
    return TensorSet(found, sum(len(each) for each in sets) - len(found))

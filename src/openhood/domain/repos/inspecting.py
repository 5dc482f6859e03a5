"""The tensors of a file of weights, or of all files that an index names: names, types, shapes and bytes.

Headers are read by range and what they say is remembered by content. What becomes of tensors between two commits
is `reviews`' business, parameters of a repository `weighing`'s.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import orjson

from openhood.domain.catalog import weights
from openhood.domain.repos import gitdb
from openhood.domain.repos.contents import Content, find_contents, opened
from openhood.domain.repos.types import At
from openhood.domain.repos.viewing import Seen, content_of
from openhood.domain.repos.weighing import at_once, entry_of
from openhood.domain.services import Services
from openhood.engines.diffs.elements import GGUF_TYPES
from openhood.engines.formats.gguf_layout import GgufLayout, GgufList, read_layout
from openhood.engines.formats.safetensors import BadWeights, ReadRange
from openhood.engines.git.store import ObjectDb

_ROW_BYTES = 260
_MAX_VALUE_CHARS = 20_000
_MAX_METADATA = 500
_LARGE_HEADER_BYTES = 64 * 1024 * 1024


class TensorRow(NamedTuple):
    """One tensor; ``file`` is the shard it lies in, empty where there is only one file."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    parameters: int
    size_bytes: int
    file: str = ""


class DtypeTotal(NamedTuple):
    """All tensors of one type together."""

    dtype: str
    tensors: int
    parameters: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Inspected:
    """What the headers say. ``format`` is safetensors or gguf; ``missing`` are files that an index names in vain."""

    format: str
    tensors: tuple[TensorRow, ...]
    metadata: tuple[tuple[str, str], ...]
    files: int = 1
    missing: tuple[str, ...] = ()

    @property
    def parameters(self) -> int:
        """Elements of all tensors."""
        return sum(each.parameters for each in self.tensors)

    @property
    def size_bytes(self) -> int:
        """Bytes of all tensors."""
        return sum(each.size_bytes for each in self.tensors)

    @property
    def totals(self) -> list[DtypeTotal]:
        """What there is of each type, the largest first."""
        sums: dict[str, list[int]] = {}
        for each in self.tensors:
            found = sums.setdefault(each.dtype, [0, 0, 0])
            found[0] += 1
            found[1] += each.parameters
            found[2] += each.size_bytes
        made = [DtypeTotal(dtype, *found) for dtype, found in sums.items()]
        return sorted(made, key=lambda total: -total.size_bytes)


def format_of(path: str) -> str | None:
    """Return ``safetensors``, ``gguf`` or ``index`` for a path whose tensors can be shown, else None."""
    lower = path.lower()
    if lower.endswith(weights.INDEX_SUFFIX):
        return "index"
    return next((kind for kind in ("safetensors", "gguf") if lower.endswith("." + kind)), None)


def inspect(sv: Services, seen: Seen) -> Inspected:
    """Return the tensors of a file that the viewer may read. Opens read units of its own.

    Raises: BadWeights; what `viewing.content_of` and reading contents raise.
    """
    kind = format_of(seen.path)
    content = content_of(sv, seen)
    objects = gitdb.open_objects(sv, seen.at.repo, expect=seen.at.commit)
    if kind == "index":
        make = partial(_of_index, sv, seen.at, objects, content, seen.path)
        key = ("tensors of index", seen.at.repo.id, seen.at.commit, seen.path)
        return sv.facts.of(key, make, weigh=_weigh)
    return _of_content(sv, seen.at, objects, content, kind or "safetensors")


def _of_content(sv: Services, at: At, objects: ObjectDb, content: Content, kind: str) -> Inspected:
    def read() -> Inspected:
        with opened(sv, at.repo, objects, content) as read_range:
            if kind == "gguf":
                return _gguf(read_layout(read_range, size_bytes=content.size_bytes), content.size_bytes)
            return _safetensors(read_range, content.size_bytes)

    return sv.facts.of(("tensors", kind, content.name), read, weigh=_weigh)


def _weigh(made: Inspected) -> int:
    names = sum(_ROW_BYTES + len(each.name) for each in made.tensors)
    return 1000 + names + sum(len(value) for _key, value in made.metadata)


def _safetensors(read: ReadRange, size_bytes: int) -> Inspected:
    header = weights.read_shard(read, size_bytes=size_bytes)
    document: dict[str, Any] = orjson.loads(header)  # Any: checked by the line above
    metadata = document.pop("__metadata__", {})
    return Inspected("safetensors", tuple(_rows(document)), _metadata(metadata.items()))


def _rows(document: dict[str, Any]) -> Iterable[TensorRow]:
    ordered = sorted(document.items(), key=lambda item: item[1]["data_offsets"][0])
    for name, said in ordered:
        start, end = said["data_offsets"]
        shape = tuple(said["shape"])
        yield TensorRow(name, said["dtype"], shape, math.prod(shape), end - start)


def _gguf(layout: GgufLayout, size_bytes: int) -> Inspected:
    starts = sorted({each.start for each in layout.tensors.values()} | {size_bytes})
    ends = dict(itertools.pairwise(starts))
    rows = []
    for name, each in layout.tensors.items():
        kind = GGUF_TYPES.get(each.type_number)
        size = ends.get(each.start, size_bytes) - each.start if kind is None else kind.size_of(each.elements)
        dtype = f"type {each.type_number}" if kind is None else kind.name
        rows.append(TensorRow(name, dtype, each.shape, each.elements, size))
    return Inspected("gguf", tuple(rows), _metadata(layout.pairs.items()))


def _of_index(sv: Services, at: At, objects: ObjectDb, content: Content, path: str) -> Inspected:
    with opened(sv, at.repo, objects, content) as read:
        index = weights.read_index(read, size_bytes=content.size_bytes)
    tree = objects.commit(at.commit).tree
    folder = path.rpartition("/")[0]
    oids = {name: entry_of(objects, tree, folder, name) for name in index.shards}
    contents = find_contents(sv, at.repo, objects, {oid for oid in oids.values() if oid is not None})
    named = [(name, contents[oid]) for name, oid in oids.items() if oid is not None and oid in contents]
    shards = _read_shards(sv, at, objects, named)
    facts = index.facts.get("metadata")
    return Inspected(
        "safetensors",
        tuple(itertools.chain.from_iterable(shards)),
        _metadata(facts.items() if isinstance(facts, dict) else ()),
        files=len(named),
        missing=tuple(name for name in index.shards if name not in dict(named)),
    )


def _read_shards(
    sv: Services, at: At, objects: ObjectDb, named: Sequence[tuple[str, Content]]
) -> list[list[TensorRow]]:
    def read(item: tuple[str, Content]) -> list[TensorRow]:
        name, content = item
        try:
            found = _of_content(sv, at, objects, content, "safetensors")
        except BadWeights as error:
            raise BadWeights(f"{name[:200]}: {error.message}") from error
        return [each._replace(file=name) for each in found.tensors]

    rows: list[list[TensorRow]] = []
    held_bytes = 0
    for each in at_once(read, named) if named else ():
        rows.append(each)
        held_bytes += sum(_ROW_BYTES + len(row.name) for row in each)
        if held_bytes > _LARGE_HEADER_BYTES:
            raise BadWeights(
                "These files hold more tensors together than are shown. Look at them one by one."
            )
    return rows


def _metadata(pairs: Iterable[tuple[str, object]]) -> tuple[tuple[str, str], ...]:
    return tuple((key, _text(value)) for key, value in itertools.islice(pairs, _MAX_METADATA))


def _text(value: object) -> str:
    if isinstance(value, GgufList):
        first = ", ".join(_text(each) for each in value.first)
        return f"[{first}{', …' if value.count > len(value.first) else ''}] ({value.count:,})"
    text = value if isinstance(value, str) else str(value)
    return text if len(text) <= _MAX_VALUE_CHARS else text[:_MAX_VALUE_CHARS] + "…"

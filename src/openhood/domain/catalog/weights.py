"""Which files of a model hold its weights, and what their headers say of it.

Only headers are read, by range, and each content's once: what it says is kept under its hash. Walking
repositories and deciding when is `repos.weighing`'s.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from openhood.base.errors import CorruptObject
from openhood.domain.services import Services
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import reading
from openhood.engines.formats import gguf, packing, safetensors
from openhood.engines.formats.packing import Packing
from openhood.engines.formats.safetensors import BadWeights, ReadRange

SAFETENSORS, GGUF = "safetensors", "gguf"
"""Kinds of headers. Whoever changes what is kept of a kind gives it another name: then it is read again."""

INDEX_SUFFIX = ".safetensors.index.json"
DIFFUSERS_FOLDERS = ("transformer", "unet")
_MAX_GGUF_SHARDS = 512
_SHARD = re.compile(r"(?P<base>.+)[-_](?P<number>\d{5,6})-of-(?P<total>\d{5,6})\.(?:safetensors|gguf)")
_NO_MODEL = re.compile(r"adapter|lora|mmproj|imatrix", re.IGNORECASE)

# Of each a hostile document takes some hundred megabytes of memory for a moment.
_parsing = threading.Semaphore(2)


@dataclass(frozen=True, slots=True)
class HeaderFacts:
    """What is kept of a header: JSON-like ``facts``, or why it could not be read."""

    kind: str
    facts: Mapping[str, object] | None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Choice:
    """The files that hold a model's weights, or the index that names them."""

    files: tuple[str, ...]
    index: str | None = None


def choose_safetensors(paths: Collection[str], *, is_diffusers: bool) -> Choice | None:
    """Return where the weights of a model are among its files, None where that cannot be told.

    The first two rules are the Hub's: ``model.safetensors`` before its index, then the main part of a pipeline
    of diffusers. The last is ours: the only file, or set of shards, of the root, unless it is but an adapter.
    **Source**: huggingface.js ``parseSafetensorsMetadata``.
    """
    stems = ["model"]
    if is_diffusers:
        stems += [f"{folder}/diffusion_pytorch_model" for folder in DIFFUSERS_FOLDERS]
        stems.append("diffusion_pytorch_model")
    for stem in stems:
        if f"{stem}.safetensors" in paths:
            return Choice((f"{stem}.safetensors",))
        if f"{stem}{INDEX_SUFFIX}" in paths:
            return Choice((), f"{stem}{INDEX_SUFFIX}")
    rest = [path for path in paths if path.endswith(".safetensors") and "/" not in path]
    sets = _sets(path for path in sorted(rest) if not _NO_MODEL.search(path))
    return Choice(sets[0]) if len(sets) == 1 and len(sets[0]) <= safetensors.MAX_SHARDS else None


def choose_gguf(paths: Collection[str]) -> list[tuple[str, ...]]:
    """Return the models among the GGUF files of a repository, each as its shards, in the order to look at them.

    They are the same model quantised in several ways as a rule, so that the first will do; those of the root
    come before those of folders.
    """
    found = (path for path in paths if path.endswith(".gguf") and not _NO_MODEL.search(path))
    sets = _sets(sorted(found, key=lambda path: (path.count("/"), path)))
    return [each for each in sets if len(each) <= _MAX_GGUF_SHARDS]


def _sets(paths: Iterable[str]) -> list[tuple[str, ...]]:
    """Return single files as they are and shards together, in their order; sets that lack one are left out."""
    found: dict[str, list[str]] = {}
    for path in paths:
        shard = _SHARD.fullmatch(path)
        found.setdefault(path if shard is None else f"{shard['base']}-of-{shard['total']}", []).append(path)
    return [tuple(files) for files in found.values() if _is_whole(files)]


def _is_whole(files: Sequence[str]) -> bool:
    shards = [_SHARD.fullmatch(path) for path in files]
    numbers = {int(shard["number"]) for shard in shards if shard is not None}
    first = shards[0]
    return first is None or numbers == set(range(1, len(files) + 1)) == set(range(1, int(first["total"]) + 1))


def open_stored(sv: Services, found: LfsObject) -> ReadRange:
    """Return how to read parts of an object, whether it is kept whole or as chunks. May open a read unit.

    The function that is returned raises ObjectMissing, CorruptObject and Unavailable.
    """
    if found.key is None:
        reader = reading.open_object(sv, found)
        return lambda start, length: b"".join(reader.blocks(start, length))
    key = found.key

    def read(start: int, length: int) -> bytes:
        data = sv.objects.get_range(key, start, length) if length else b""
        if len(data) != length:
            # Not the file's fault, so nothing that may be kept as a fact of it.
            raise CorruptObject(f"The object {key} is shorter than it should be.")
        return data

    return read


def read_facts(kind: str, read: ReadRange, *, size_bytes: int) -> HeaderFacts:
    """Read what is kept of a header. Raises only what ``read`` raises: a bad header is a fact like others."""
    try:
        if kind == GGUF:
            return HeaderFacts(kind, _gguf_facts(gguf.read_header(read, size_bytes=size_bytes)))
        header = safetensors.read_header(read, size_bytes=size_bytes)
        with _parsing:
            counts = safetensors.count_parameters(header, size_bytes=size_bytes)
    except BadWeights as error:
        return HeaderFacts(kind, None, error.message[:500])
    return HeaderFacts(kind, {"counts": [[*key, count] for key, count in counts.items()]})


def read_shard(read: ReadRange, *, size_bytes: int) -> bytes:
    """Return the header of a safetensors file as JSON that was checked. Raises BadWeights and what ``read`` raises."""
    header = safetensors.read_header(read, size_bytes=size_bytes)
    with _parsing:
        safetensors.count_parameters(header, size_bytes=size_bytes)
    return header.strip()


def read_index(read: ReadRange, *, size_bytes: int) -> safetensors.SafetensorsIndex:
    """Read the index of a model in shards. Raises BadWeights and what ``read`` raises."""
    if size_bytes > safetensors.MAX_INDEX_BYTES:
        raise BadWeights(
            f"A safetensors index of {size_bytes} bytes is more than the {safetensors.MAX_INDEX_BYTES} that are read."
        )
    with _parsing:
        return safetensors.parse_index(read(0, size_bytes))


def safetensors_weights(parts: Sequence[HeaderFacts], how: Packing | None) -> dict[str, object] | None:
    """Return the Hub's ``safetensors`` of a model; None unless all of its files could be read."""
    counts = []
    for part in parts:
        said = None if part.facts is None else part.facts["counts"]
        if not isinstance(said, list):
            return None
        counts.append({(dtype, role): count for dtype, role, count in said})
    parameters = packing.parameters_of(counts, how)
    if not parameters:
        return None
    return {"parameters": parameters, "total": sum(parameters.values()), "sharded": len(parts) > 1}


def gguf_weights(parts: Sequence[HeaderFacts]) -> dict[str, object] | None:
    """Return the Hub's ``gguf`` of a model, whose first shard describes it; None where it is none or unreadable.

    **Source**: the keys of the Hub's answers, which are in no specification; ``quantization`` is ours.
    """
    total = 0
    for part in parts:
        said = None if part.facts is None else part.facts["parameters"]
        if not isinstance(said, int):
            return None
        total += said
    first = parts[0].facts if parts else None
    if first is None or first["kind"] != "model" or not total:
        return None
    shown = {key: value for key, value in first.items() if key not in ("kind", "parameters")}
    return {"total": total, **shown}


def _gguf_facts(header: gguf.GgufHeader) -> dict[str, object]:
    said = {
        "kind": header.kind,
        "parameters": header.parameters,
        "architecture": header.architecture,
        "context_length": header.context_length,
        "quantize_imatrix_file": header.imatrix_file,
        "chat_template": header.chat_template,
        "bos_token": header.bos_token,
        "eos_token": header.eos_token,
        "quantization": header.quantization,
    }
    return {key: value for key, value in said.items() if value is not None}

"""The headers of all shards of a model at once, for clients that would else ask for each.

Only what `lookup` lets a viewer read; each content's header is read once and remembered compressed.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from openhood.base.errors import BadRequest, EntryNotFound, PayloadTooLarge
from openhood.base.names import MAIN, Oid, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.catalog import weights
from openhood.domain.repos import gitdb, lookup
from openhood.domain.repos.contents import Content, find_contents, opened
from openhood.domain.repos.types import Repo
from openhood.domain.repos.weighing import at_once, entry_of
from openhood.domain.services import Services
from openhood.engines.formats.safetensors import BadWeights, SafetensorsIndex
from openhood.engines.git.objects import display_name
from openhood.engines.git.store import ObjectDb

MAX_ANSWER_BYTES = 64 * 1024 * 1024
"""Headers that are longer together must be read one by one."""
_MAX_FACTS_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class ShardHeaders:
    """An index without its map of tensors, and the header of each file it names, as JSON."""

    commit: Oid
    index: Mapping[str, object]
    headers: Mapping[str, bytes]


def read_shard_headers(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, path: str
) -> ShardHeaders:
    """Return the headers of the files that the index at ``path`` of main names. Opens read units.

    Raises: what `lookup.locate` raises; EntryNotFound for an index or a file that is not there; BadRequest for
    what is no index; BadWeights; PayloadTooLarge over `MAX_ANSWER_BYTES`.
    **Source**: huggingface_hub ``hf_api.py::get_sharded_safetensors_metadata``.
    """
    at = lookup.locate(sv, viewer, repo_type, repo_id, revision=MAIN, need=Need.READ)
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    tree = objects.commit(at.commit).tree
    oid = entry_of(objects, tree, "", path)
    if oid is None:
        raise EntryNotFound(commit=at.commit)
    if not path.endswith(weights.INDEX_SUFFIX):
        raise BadRequest(
            f"'{display_name(path)[:200]}' is not an index of shards: give the path of a file whose name ends "
            f"in '{weights.INDEX_SUFFIX}'."
        )
    content = find_contents(sv, at.repo, objects, [oid]).get(oid)
    if content is None:
        raise EntryNotFound("The content of this file was deleted from the hub.")
    index = _index(sv, at.repo, objects, content)
    folder = path.rpartition("/")[0]
    shards: dict[str, Oid] = {}
    for name in index.shards:
        shard = entry_of(objects, tree, folder, name)
        if shard is None:
            raise _no_shard(name, at.commit)
        shards[name] = shard
    contents = find_contents(sv, at.repo, objects, set(shards.values()))
    named = []
    for name, shard in shards.items():
        if shard not in contents:
            raise _no_shard(name, at.commit)
        named.append((name, contents[shard]))
    return ShardHeaders(at.commit, index.facts, _headers(sv, at.repo, objects, named))


def _no_shard(name: str, commit: Oid) -> EntryNotFound:
    return EntryNotFound(f"The index names the file '{name[:200]}', which is not there.", commit=commit)


def _index(sv: Services, repo: Repo, objects: ObjectDb, content: Content) -> SafetensorsIndex:
    fact = ("safetensors index", content.name)
    known = sv.facts.get(fact)
    if isinstance(known, SafetensorsIndex):
        return known
    with opened(sv, repo, objects, content) as read:
        index = weights.read_index(read, size_bytes=content.size_bytes)
    facts_bytes = len(repr(index.facts))
    if facts_bytes > _MAX_FACTS_BYTES:
        raise BadWeights(f"The safetensors index says over {_MAX_FACTS_BYTES} bytes beside its 'weight_map'.")
    sv.facts.put(fact, index, weight=500 + 4 * facts_bytes + 150 * len(index.shards))
    return index


def _headers(
    sv: Services, repo: Repo, objects: ObjectDb, named: list[tuple[str, Content]]
) -> dict[str, bytes]:
    def read(item: tuple[str, Content]) -> bytes:
        name, content = item
        fact = ("safetensors header", content.name)
        known = sv.facts.get(fact)
        if isinstance(known, bytes):
            return zlib.decompress(known)
        with opened(sv, repo, objects, content) as read_range:
            try:
                header = weights.read_shard(read_range, size_bytes=content.size_bytes)
            except BadWeights as error:
                raise BadWeights(f"{name[:200]}: {error.message}") from error
        packed = zlib.compress(header, 1)
        sv.facts.put(fact, packed, weight=300 + len(packed))
        return header

    found: dict[str, bytes] = {}
    total_bytes = 0
    for (name, _content), header in zip(named, at_once(read, named), strict=True):
        total_bytes += len(header)
        if total_bytes > MAX_ANSWER_BYTES:
            raise PayloadTooLarge(
                f"The headers of these files are over {MAX_ANSWER_BYTES} bytes together. Read them one by one, "
                "as 'get_safetensors_metadata' does."
            )
        found[name] = header
    return found

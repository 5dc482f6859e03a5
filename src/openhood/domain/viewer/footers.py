"""What the footers of Parquet files say: rows, columns, groups. Read once for each content, whatever the commit.

A commit that adds one shard of a thousand has one footer read.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson

from openhood.base.errors import TableUnreadable
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.viewer import footer_rows, running
from openhood.domain.viewer.types import DataFile, MadeFile

VERSION = 1
"""Of what is read from a footer."""
_AT_ONCE = 200
"""Files of one task."""
_READERS = 12
_TAIL_BYTES = 64 * 1024
_GROUP_BYTES = 120


@dataclass(frozen=True, slots=True)
class Footer:
    """The footer of a Parquet file.

    ``features`` as ``datasets.Features.to_dict`` writes them, ``size_bytes`` of the file, ``memory_bytes`` of its
    data when it is not compressed. ``groups``: rows, offset and bytes of each row group.
    """

    rows: int
    features: Mapping[str, Any]
    size_bytes: int
    memory_bytes: int
    groups: tuple[tuple[int, int, int], ...]
    has_page_index: bool


def footers_of(sv: Services, repo: Repo, files: Sequence[DataFile | MadeFile]) -> list[Footer]:
    """Return the footers of Parquet files, in their order. Opens units of its own; never inside one.

    Raises: TableUnreadable for the first file that is none, and what `running.run` raises.
    """
    found: dict[str, Footer] = {}
    for file in files:
        known = sv.facts.get(_fact(file.key))
        if isinstance(known, Footer):
            found[file.key] = known
    missing = {file.key: file for file in files if file.key not in found}
    if missing:
        found |= _kept(sv, repo, missing)
        missing = {key: file for key, file in missing.items() if key not in found}
    if missing:
        found |= _read(sv, repo, list(missing.values()))
    return [found[file.key] for file in files]


def features_of(
    sv: Services, repo: Repo, files: Sequence[DataFile | MadeFile], declared: Mapping[str, Any] | None
) -> Mapping[str, Any]:
    """Return the features of Parquet files, which are those of the first, with what a card declares of them.

    Raises: what `footers_of` raises.
    """
    if not files:
        # Of text without a line, or JSON without an object, nothing is made.
        return dict(declared or {})
    if declared is None:
        return footers_of(sv, repo, files[:1])[0].features
    said = orjson.dumps(declared, option=orjson.OPT_NON_STR_KEYS)
    fact = ("viewer features", files[0].key, blake2b(said, digest_size=16).digest())
    known = sv.facts.get(fact)
    if known is None:
        answer = running.run(sv, repo, "declared", files=files[:1], params={"declared": declared})
        known = answer.facts["features"]
        sv.facts.put(fact, known, weight=4 * len(said))
    features: Any = known
    return dict(features)


def _fact(key: str) -> tuple[str, str]:
    return ("viewer footer", key)


def _kept(sv: Services, repo: Repo, missing: Mapping[str, DataFile | MadeFile]) -> dict[str, Footer]:
    with sv.db.read() as tx:
        documents = footer_rows.find(tx, repo.id, missing.keys(), version=VERSION)
    return {
        key: _remember(sv, key, orjson.loads(zlib.decompress(document)), missing[key].size_bytes)
        for key, document in documents.items()
    }


def _read(sv: Services, repo: Repo, files: Sequence[DataFile | MadeFile]) -> dict[str, Footer]:
    found: dict[str, Footer] = {}
    for start in range(0, len(files), _AT_ONCE):
        batch = files[start : start + _AT_ONCE]
        _bring_ends(sv, repo, batch)
        said: Any = orjson.loads(running.run(sv, repo, "footers", files=batch, params={}, beside=files).body)
        good = {}
        broken = None
        for file, document in zip(batch, said, strict=True):
            if "error" in document:
                broken = broken or TableUnreadable(document["error"])
            else:
                good[file.key] = document
                found[file.key] = _remember(sv, file.key, document, file.size_bytes)
        kept = {
            file.key: zlib.compress(orjson.dumps(good[file.key]), 3)
            for file in batch
            if file.key in good and isinstance(file, DataFile)
        }
        if kept:
            with sv.db.write() as tx:
                footer_rows.put(tx, repo.id, kept, version=VERSION)
        if broken is not None:
            raise broken
    return found


def _bring_ends(sv: Services, repo: Repo, files: Sequence[DataFile | MadeFile]) -> None:
    """Have the ends of far-away files brought here side by side: one after the other takes minutes for a thousand."""
    if len(files) < 2:
        return
    with running.opened(sv, repo, files) as places:
        far = [place for place in places if not place.is_here]
        if not far:
            return
        with ThreadPoolExecutor(_READERS, thread_name_prefix="footers") as pool:
            for _done in pool.map(lambda place: place.bring_end(_TAIL_BYTES), far):
                pass


def _remember(sv: Services, key: str, document: Mapping[str, Any], size_bytes: int) -> Footer:
    groups = tuple((rows, start, size) for rows, start, size in document["groups"])
    footer = Footer(
        document["rows"], document["features"], size_bytes, document["memory"], groups, document["page_index"]
    )
    weight = _GROUP_BYTES * (len(groups) + 4) + 200 * len(footer.features)
    sv.facts.put(_fact(key), footer, weight=weight)
    return footer

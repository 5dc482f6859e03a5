"""What the bytes of main say: parameters of a model, facts of its GGUF, size of all files; written by a job.

Outside any unit the tree is walked and headers are read by range; one short unit at the end writes what was
found, if main still is where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import orjson
import structlog

from openhood.base.errors import HubError, RepoNotFound
from openhood.base.names import MAIN, Oid, RepoType, Sha256
from openhood.domain.catalog import weights, weights_rows
from openhood.domain.catalog.weights import GGUF, SAFETENSORS, HeaderFacts
from openhood.domain.catalog.weights_rows import Weighed
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.contents import Content, find_contents, opened, sum_tree
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.engines.formats.packing import packing_of
from openhood.engines.formats.safetensors import BadWeights, ReadRange
from openhood.engines.git.objects import is_file_mode
from openhood.engines.git.store import ObjectDb

T = TypeVar("T")
R = TypeVar("R")

_READERS = 8
"""Headers that are read at once: a remote store takes its time for each."""
_MAX_READ_BYTES = 1024 * 1024 * 1024
"""So much is read for one repository at most; real ones need a hundredth."""
_MAX_NAMES = 20_000
_MAX_FOLDERS = 200
_MAX_CONFIG_BYTES = 1024 * 1024
_MAX_GGUF_TRIED = 4
_FACT_BYTES = 2000
_ENDINGS = (".safetensors", ".gguf", weights.INDEX_SUFFIX)


def weigh_tip(sv: Services, payload: Mapping[str, object]) -> None:
    """Weigh a repository (a job). Raises where bytes are missing or the store is away: it is tried again."""
    weigh_now(sv, int(str(payload["repo"])))


def weigh_now(sv: Services, repo_id: int) -> None:
    """Read what the files at the tip of main say and write it to the repository's row. Opens units of its own.

    Does nothing where the repository is gone, has no main, or moves meanwhile: then another job waits.
    Raises: ObjectMissing, CorruptObject, Unavailable, MissingGitObject.
    """
    with sv.db.read() as tx:
        repo = rows.get_repo_by_number(tx, repo_id)
        main = None if repo is None else rows.get_ref(tx, repo_id, MAIN)
        known = weights_rows.get_weighed(tx, repo_id)
    if repo is None or main is None or known is None:
        return
    before, library = known
    commit = main.commit_oid
    try:
        objects = gitdb.open_objects(sv, repo, expect=commit)
        tree = objects.commit(commit).tree
        main_bytes = sum_tree(sv, objects, tree)
        found = Weighed(None, None, main_bytes)
        if repo.type is RepoType.MODEL:
            try:
                found = _Scale(sv, repo, objects, tree).weigh(library, main_bytes=main_bytes)
            except RepoNotFound:
                raise
            except HubError:
                _write(sv, repo, commit, before, Weighed(before.weights, before.parameters, main_bytes))
                raise
    except RepoNotFound:
        return  # deleted meanwhile
    _write(sv, repo, commit, before, found)


def _write(sv: Services, repo: Repo, commit: Oid, before: Weighed, found: Weighed) -> None:
    if found != before:
        with sv.db.write() as tx:
            weights_rows.set_weighed(tx, repo.id, found, head_oid=commit)


class TooMuchToRead(HubError):
    """The headers of one repository are longer than what is read of any."""


@dataclass(slots=True)
class Meter:
    """Counts what is read, and ends it where it is too much."""

    limit_bytes: int
    read_bytes: int = 0

    def over(self, read: ReadRange) -> ReadRange:
        """Return ``read``, counted. It raises TooMuchToRead."""

        def counted(start: int, length: int) -> bytes:
            self.read_bytes += length
            if self.read_bytes > self.limit_bytes:
                raise TooMuchToRead(f"The headers of the weights are over {self.limit_bytes} bytes long.")
            return read(start, length)

        return counted


class _Scale:
    """One model being weighed."""

    def __init__(self, sv: Services, repo: Repo, objects: ObjectDb, tree: Oid) -> None:
        self._sv = sv
        self._repo = repo
        self._objects = objects
        self._tree = tree
        self._meter = Meter(_MAX_READ_BYTES)

    def weigh(self, library: str | None, *, main_bytes: int) -> Weighed:
        """Return what the weights say."""
        found: dict[str, object] = {}
        parameters: int | None = None
        paths = dict(self._candidates())
        for kind, say in (
            (SAFETENSORS, partial(self._safetensors, is_diffusers=library == "diffusers")),
            (GGUF, self._gguf),
        ):
            try:
                said = say(paths)
            except TooMuchToRead as error:
                structlog.get_logger("weighing").warning(
                    "weights.too_long", repo=str(self._repo.repo_id), kind=kind, error=error.message
                )
                continue
            if said is not None:
                found[kind] = said
                total = said["total"]
                parameters = total if parameters is None and isinstance(total, int) else parameters
        return Weighed(found or None, parameters, main_bytes)

    def _candidates(self) -> Iterator[tuple[str, Oid]]:
        """Yield files of weights in the root and in folders of the root, a bounded number of them."""
        left = _MAX_NAMES
        places = [("", self._tree)]
        for place, tree in places:  # the root adds its folders
            for entry in self._objects.raw_tree(tree).read_from(0):
                if entry.is_dir:
                    is_looked_into = len(places) <= _MAX_FOLDERS or entry.name in weights.DIFFUSERS_FOLDERS
                    if not place and is_looked_into:
                        places.append((f"{entry.name}/", entry.oid))
                elif entry.name.endswith(_ENDINGS) and is_file_mode(entry.mode) and left > 0:
                    left -= 1
                    yield place + entry.name, entry.oid

    def _safetensors(self, paths: Mapping[str, Oid], *, is_diffusers: bool) -> dict[str, object] | None:
        choice = weights.choose_safetensors(paths.keys(), is_diffusers=is_diffusers)
        if choice is None:
            return None
        oids: Sequence[Oid | None]
        if choice.index is None:
            oids = [paths[path] for path in choice.files]
        else:
            names = self._shards(paths[choice.index])
            folder = choice.index.rpartition("/")[0]
            oids = [entry_of(self._objects, self._tree, folder, name) for name in names or ()]
        parts = self._facts(SAFETENSORS, oids)
        return weights.safetensors_weights(parts, packing_of(self._config())) if parts else None

    def _shards(self, index: Oid) -> tuple[str, ...] | None:
        content = find_contents(self._sv, self._repo, self._objects, [index]).get(index)
        if content is None:
            return None
        try:
            with opened(self._sv, self._repo, self._objects, content) as read:
                return weights.read_index(self._meter.over(read), size_bytes=content.size_bytes).shards
        except BadWeights:
            return None

    def _config(self) -> Mapping[str, object] | None:
        oid = entry_of(self._objects, self._tree, "", "config.json")
        if oid is None or self._objects.kind_and_size(oid)[1] > _MAX_CONFIG_BYTES:
            return None
        try:
            config = orjson.loads(self._objects.read(oid)[1])
        except orjson.JSONDecodeError:
            return None
        return config if isinstance(config, dict) else None

    def _gguf(self, paths: Mapping[str, Oid]) -> dict[str, object] | None:
        for files in weights.choose_gguf(paths.keys())[:_MAX_GGUF_TRIED]:
            parts = self._facts(GGUF, [paths[path] for path in files])
            said = weights.gguf_weights(parts) if parts else None
            if said is not None:
                return said
        return None

    def _facts(self, kind: str, oids: Sequence[Oid | None]) -> list[HeaderFacts] | None:
        """Return the facts of files in their order, reading those not known yet; None where a file is not there."""
        wanted = [oid for oid in oids if oid is not None]
        contents = find_contents(self._sv, self._repo, self._objects, dict.fromkeys(wanted))
        if len(wanted) < len(oids) or not all(oid in contents for oid in wanted):
            return None
        stored = {each.stored.sha256 for each in contents.values() if each.stored is not None}
        with self._sv.db.read() as tx:
            kept = weights_rows.find_headers(tx, stored, kind=kind)
        known: dict[str, HeaderFacts] = dict(kept.items())
        missing = {each.name: each for each in contents.values() if each.name not in known}
        known |= self._read(kind, list(missing.values()))
        return [known[contents[oid].name] for oid in wanted]

    def _read(self, kind: str, missing: Sequence[Content]) -> dict[str, HeaderFacts]:
        """Read headers, several at once, and keep what those of stored objects say, even if one of them fails."""
        found: dict[str, HeaderFacts] = {}
        try:
            for content, facts in zip(missing, at_once(partial(self._read_one, kind), missing), strict=True):
                found[content.name] = facts
        finally:
            stored = (each.stored.sha256 for each in missing if each.stored is not None)
            self._keep({sha256: found[sha256] for sha256 in stored if sha256 in found})
        return found

    def _read_one(self, kind: str, content: Content) -> HeaderFacts:
        fact = ("weight header", kind, content.name)
        known = self._sv.facts.get(fact) if content.stored is None else None
        if isinstance(known, HeaderFacts):
            return known
        with opened(self._sv, self._repo, self._objects, content) as read:
            facts = weights.read_facts(kind, self._meter.over(read), size_bytes=content.size_bytes)
        if content.stored is None:
            self._sv.facts.put(fact, facts, weight=_FACT_BYTES)
        return facts

    def _keep(self, found: Mapping[Sha256, HeaderFacts]) -> None:
        if not found:
            return
        with self._sv.db.write() as tx:
            locked = storage_rows.lock_objects(tx, found.keys())
            weights_rows.put_headers(tx, {name: found[name] for name in locked})


def at_once(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yield what ``function`` makes of each item, in order, some items at a time. Raises what it raises."""
    if len(items) == 1:
        yield function(items[0])
        return
    with ThreadPoolExecutor(_READERS, thread_name_prefix="headers") as pool:
        for start in range(0, len(items), _READERS):
            yield from pool.map(function, items[start : start + _READERS])


def entry_of(objects: ObjectDb, tree: Oid, folder: str, name: str) -> Oid | None:
    """Return the regular file that an index means by a name, or None."""
    path = f"{folder}/{name}" if folder else name
    # No name in a tree holds a NUL, but a comparison of raw tree bytes might think so.
    if not name or "\0" in path:
        return None
    entry = objects.entry_at(tree, path)
    return entry.oid if entry is not None and is_file_mode(entry.mode) else None

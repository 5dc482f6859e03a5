"""What a dataset's configs and splits are at a commit, and which files each is made of.

Worked out from the names of the files, the card, and nothing else, once for each commit: kept in memory and as a row.
Who may read the dataset is asked before; an error that is about the whole dataset is kept like a plan.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import orjson

from openhood.base import errors
from openhood.base.errors import (
    BadDatasetConfig,
    DataFilesNotFound,
    HubError,
    InvalidCard,
    ScriptNotSupported,
    ViewerDisabled,
    ViewerError,
)
from openhood.base.names import Oid, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import gitdb, lookup, rows
from openhood.domain.repos.describing import datafiles, modules
from openhood.domain.repos.describing.clues import CARD, MAX_CARD_BYTES, MAX_JSON_BYTES
from openhood.domain.repos.describing.values import read_object
from openhood.domain.repos.types import At, Repo
from openhood.domain.services import Services
from openhood.domain.viewer import plan_rows, running
from openhood.domain.viewer.types import Config, DataFile, Plan, Split
from openhood.engines.formats.card import parse_yaml, read_card
from openhood.engines.git.objects import display_name
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import iter_file_oids
from openhood.engines.lfs import MAX_POINTER_BYTES, parse_pointer

VERSION = 1
"""Of these rules; plans that others made are made anew."""
_FILE_BYTES = 400
_MAX_FILES = 1_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """A split that was found."""

    at: At
    plan: Plan
    config: Config
    split: Split

    @property
    def repo(self) -> Repo:
        """The dataset."""
        return self.at.repo


@dataclass(frozen=True, slots=True)
class _Refused:
    """Why there is no plan: the name of the error's class, and its message."""

    kind: str
    message: str

    def error(self, commit: Oid) -> ViewerError:
        """Return the error."""
        kind = getattr(errors, self.kind, ViewerError)
        made: ViewerError = kind(self.message, commit=commit)
        return made


def locate(sv: Services, viewer: Viewer, repo_id: RepoId, revision: str) -> At:
    """Find a dataset and a commit of it that the viewer may read. Raises what `lookup.locate` raises."""
    return lookup.locate(sv, viewer, RepoType.DATASET, repo_id, revision=revision, need=Need.READ)


def plan_of(sv: Services, at: At) -> Plan:
    """Return the plan of a commit. Opens units of its own; never inside one.

    Raises, each with the fact ``commit``: ViewerDisabled, ScriptNotSupported, EmptyDataset, DataFilesNotFound,
    BadDatasetConfig, TooManyConfigs, TooManySplits; besides Unavailable and MissingGitObject.
    """
    key = ("viewer plan", at.repo.id, at.commit, VERSION)
    known = sv.facts.get(key)
    if known is None:
        # Whoever looks right after a commit comes at the same time as the job that looks ahead.
        with sv.flights.turn(f"plan-{at.repo.id}-{at.commit}"):
            known = sv.facts.get(key)
            if known is None:
                known = _kept(sv, at) or _made(sv, at)
                sv.facts.put(key, known, weight=_weigh(known))
    if isinstance(known, _Refused):
        raise known.error(at.commit)
    assert isinstance(known, Plan)  # the key says so
    return known


def split_at(sv: Services, viewer: Viewer, repo_id: RepoId, revision: str, config: str, split: str) -> Place:
    """Find a split of a dataset. Raises: what `locate` and `plan_of` raise, ConfigNotFound, SplitNotFound."""
    at = locate(sv, viewer, repo_id, revision)
    plan = plan_of(sv, at)
    with telling(at.commit):
        found = plan.config(config)
        return Place(at, plan, found, found.split(split))


@contextmanager
def telling(commit: Oid) -> Iterator[None]:
    """Give an error that passes the fact ``commit``: who is refused an answer is told of which state it would have been."""
    try:
        yield
    except HubError as error:
        error.facts.setdefault("commit", commit)
        raise


def _kept(sv: Services, at: At) -> Plan | _Refused | None:
    with sv.db.read() as tx:
        document = plan_rows.get(tx, at.repo.id, at.commit, version=VERSION)
    return None if document is None else _read(orjson.loads(zlib.decompress(document)), at.commit)


def _made(sv: Services, at: At) -> Plan | _Refused:
    try:
        made: Plan | _Refused = _make(sv, at)
    except ViewerError as error:
        if not isinstance(error, _LASTING):
            raise
        made = _Refused(type(error).__name__, error.message)
    document = zlib.compress(orjson.dumps(_written(made)), 1)
    now = sv.clock.now()
    with sv.db.write() as tx:
        if rows.get_repo_by_number(tx, at.repo.id) is not None:
            plan_rows.put(tx, at.repo.id, at.commit, version=VERSION, document=document, now=now)
    return made


_LASTING = (
    ViewerDisabled,
    ScriptNotSupported,
    errors.EmptyDataset,
    DataFilesNotFound,
    BadDatasetConfig,
    errors.TooManyConfigs,
    errors.TooManySplits,
)
"""What is so for good, since the commit says it."""


def _make(sv: Services, at: At) -> Plan:
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    entries = _entries(objects, objects.commit(at.commit).tree)
    if f"{at.repo.repo_id.name}.py" in entries:
        raise ScriptNotSupported(
            f"This dataset is made by a script, {at.repo.repo_id.name}.py, and scripts of datasets are not run. "
            "Add its data as files, Parquet for example."
        )
    card = _card(objects, entries)
    if card.get("viewer") is False:
        raise ViewerDisabled("The dataset viewer is switched off for this dataset, by its card.")
    legacy = read_object(_small(objects, entries, datafiles.LEGACY_INFOS, MAX_JSON_BYTES))
    files = _Files(objects, entries)

    def list_archive(paths: Sequence[str]) -> Sequence[str]:
        answer = running.run(sv, at.repo, "zip_names", files=[files.at(path) for path in paths], params={})
        names: Any = answer.facts["names"]
        return [str(name) for name in names]

    found = datafiles.configs_of(card, entries, list_archive=list_archive, legacy_infos=legacy)
    configs = tuple(_config(each, files) for each in found if each.error is None)
    failed = {each.name: each.error for each in found if each.error is not None}
    if not configs:
        raise DataFilesNotFound(next(iter(failed.values())))
    return Plan(at.commit, configs, failed)


def _entries(objects: ObjectDb, tree: Oid) -> dict[str, Oid]:
    """Return the regular files of a tree by path: those whose names are text, since no card can name others."""
    found = {}
    for path, oid in iter_file_oids(objects, tree):
        if path.isascii() or display_name(path) == path:
            found[path] = oid
            if len(found) > _MAX_FILES:
                raise BadDatasetConfig(f"The dataset has more than {_MAX_FILES} files, too many to be shown.")
    return found


def _card(objects: ObjectDb, entries: Mapping[str, Oid]) -> Mapping[str, object]:
    readme = _small(objects, entries, CARD, MAX_CARD_BYTES)
    standalone = _small(objects, entries, datafiles.STANDALONE, MAX_JSON_BYTES)
    try:
        more = None if standalone is None else parse_yaml(standalone.decode("utf-8", "replace"))
    except InvalidCard as error:
        raise BadDatasetConfig(f"{datafiles.STANDALONE}: {error.message}") from None
    return datafiles.with_standalone(read_card(readme) if readme is not None else None, more)


def _small(objects: ObjectDb, entries: Mapping[str, Oid], path: str, limit_bytes: int) -> bytes | None:
    oid = entries.get(path)
    if oid is None or objects.kind_and_size(oid)[1] > limit_bytes:
        return None
    return objects.read(oid)[1]


class _Files:
    """The files of a commit, with their sizes as far as they were asked for."""

    def __init__(self, objects: ObjectDb, entries: Mapping[str, Oid]) -> None:
        self._objects = objects
        self._entries = entries
        self._known: dict[str, DataFile] = {}

    def at(self, path: str) -> DataFile:
        """Return the file of a path."""
        known = self._known.get(path)
        if known is None:
            oid = self._entries[path]
            size = self._objects.kind_and_size(oid)[1]
            is_small = size < MAX_POINTER_BYTES
            pointer = parse_pointer(self._objects.read(oid)[1]) if is_small else None
            if pointer is None:
                known = DataFile(path, oid, oid, size)
            else:
                known = DataFile(path, oid, pointer.oid, pointer.size_bytes)
            self._known[path] = known
        return known


def _config(found: datafiles.Config, files: _Files) -> Config:
    splits = []
    for split in found.splits:
        own, metadata = modules.sorted_out(found.module, split.files, found.options)
        if own or metadata:
            splits.append(Split(split.name, tuple(map(files.at, own)), tuple(map(files.at, metadata))))
    return Config(
        found.name,
        found.module,
        tuple(splits),
        found.options,
        found.features,
        found.info,
        found.is_default,
    )


# --- as it is kept -------------------------------------------------------------------------


def _weigh(known: Plan | _Refused) -> int:
    if isinstance(known, _Refused):
        return _FILE_BYTES
    files = sum(len(split.files) + len(split.metadata) for config in known.configs for split in config.splits)
    return _FILE_BYTES * (files + 10 * len(known.configs) + 1)


def _written(made: Plan | _Refused) -> dict[str, Any]:
    if isinstance(made, _Refused):
        return {"kind": made.kind, "message": made.message}
    return {"configs": [_written_config(config) for config in made.configs], "failed": dict(made.failed)}


def _written_config(config: Config) -> dict[str, Any]:
    return {
        "name": config.name,
        "format": config.format,
        "options": config.options,
        "features": config.features,
        "info": config.info,
        "default": config.is_default,
        "splits": [
            [split.name, [_row(file) for file in split.files], [_row(file) for file in split.metadata]]
            for split in config.splits
        ],
    }


def _row(file: DataFile) -> list[str | int]:
    return [file.path, file.oid, "" if file.key == file.oid else file.key, file.size_bytes]


def _read(document: Mapping[str, Any], commit: Oid) -> Plan | _Refused:
    if "kind" in document:
        return _Refused(document["kind"], document["message"])
    configs = [
        Config(
            said["name"],
            said["format"],
            tuple(Split(name, _files(files), _files(metadata)) for name, files, metadata in said["splits"]),
            said["options"],
            said["features"],
            said["info"],
            said["default"],
        )
        for said in document["configs"]
    ]
    return Plan(commit, tuple(configs), document["failed"])


def _files(said: Sequence[Sequence[Any]]) -> tuple[DataFile, ...]:
    return tuple(DataFile(path, Oid(oid), key or oid, size) for path, oid, key, size in said)

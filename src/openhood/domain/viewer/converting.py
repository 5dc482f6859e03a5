"""Making Parquet of a split whose files are none: what is to be read how, and doing it once for all who wait.

What was made lies in the cache of this machine under a name that says what it was made from, so it is right for every
revision with the same files. Publishing it is `publishing`'s.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from openhood.base.errors import TableUnreadable, ViewerNotReady
from openhood.base.names import Oid
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.viewer.running import JOB, run
from openhood.domain.viewer.types import FOLDERS, Config, DataFile, MadeFile, Plan, Split, Tables
from openhood.engines.tables.readers.labels import KINDS, METADATA, Labels, layout_of
from openhood.infra import flights

VERSION = 1
"""Of the rules by which files become tables; what others made is made anew."""

# `engines.tables.readers.folders` and `engines.tables.convert` know these names too; they load what this must not.
PATHS, LABELS, UNLABELLED = "/paths", "/labels", "/unlabelled"
PROGRESS = "progress.json"
MANIFEST = "split.json"
WHAT = "parquet"
_FIRST_SPLIT_SAYS = frozenset({"csv", "json", "arrow", "parquet"})
_READ_BEFORE_CAST = frozenset({"csv", "parquet"})
"""Formats whose readers do not know what another split says: it counts when the rows are written only."""
_LAST_SPLIT_SAYS = frozenset({"webdataset"})
_NAMES_FILES = frozenset({*FOLDERS, "meshfolder", "niftifolder"})
_MADE_NAME = re.compile(r"[0-9]{4,9}\.parquet")
_POLL_S = 0.02
_KEY_WEIGHT = 300


@dataclass(frozen=True, slots=True)
class Wanted:
    """A split to be converted: files to be opened, how they are read, and the split that says the features.

    ``key`` names what is made of it.
    """

    repo: Repo
    key: str
    files: tuple[DataFile, ...]
    table: Mapping[str, Any]
    prefix: str
    first: tuple[DataFile, ...] = ()

    @property
    def params(self) -> dict[str, Any]:
        """What the operation is told."""
        return {"table": self.table, "prefix": self.prefix}


def want(sv: Services, repo: Repo, commit: Oid, config: Config, split: Split, *, prefix: str = "") -> Wanted:
    """Return what converting a split takes. ``prefix`` comes before paths of the repository that rows name."""
    files, options = reading_of(sv, repo, commit, config, split)
    first = () if config.features is not None else _says_features(config, split)
    names = config.format in _NAMES_FILES
    said = [
        VERSION,
        config.format,
        sorted(options.items()),
        config.features,
        [file.key for file in first],
        [[file.path if names or config.format == "webdataset" else "", file.key] for file in files],
        prefix if names else "",
        sv.settings.viewer.convert_bytes,
    ]
    key = hashlib.sha256(orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS, default=str)).hexdigest()
    table = {"format": config.format, "options": options, "features": config.features}
    return Wanted(repo, key, files, table, prefix if names else "", first)


def key_of(sv: Services, repo: Repo, commit: Oid, config: Config, split: Split) -> str:
    """Return the ``key`` of what `want` returns, which is remembered: with many files it takes a while."""
    name = ("viewer key", repo.id, commit, config.name, split.name)
    known = sv.facts.get(name)
    if isinstance(known, str):
        return known
    key = want(sv, repo, commit, config, split).key
    sv.facts.put(name, key, weight=_KEY_WEIGHT)
    return key


@dataclass(frozen=True, slots=True)
class Folder:
    """A split whose rows are files: their paths, the files that must be opened, and the labels of all splits.

    ``is_labelled``: whether its own rows have theirs.
    """

    rows: tuple[str, ...]
    opened: tuple[DataFile, ...]
    labels: tuple[str, ...]
    is_labelled: bool


def reading_of(
    sv: Services, repo: Repo, commit: Oid, config: Config, split: Split, *, rows: int | None = None
) -> tuple[tuple[DataFile, ...], dict[str, Any]]:
    """Return the files of a split that must be opened to read it, and the options it is read with.

    Rows of a folder are files that nobody opens: the options name them, and the labels of their directories.
    ``rows``: no more than so many rows are wanted.
    """
    if config.format not in KINDS:
        return split.files, dict(config.options)
    name = ("viewer folder", repo.id, commit, config.name, split.name)
    folder = sv.facts.get(name)
    if not isinstance(folder, Folder):
        folder = folder_of(config, split)
        sv.facts.put(name, folder, weight=_KEY_WEIGHT + 8 * len(folder.rows))
    return folder.opened, options_of(config, folder, rows=rows)


def options_of(config: Config, folder: Folder, *, rows: int | None = None) -> dict[str, Any]:
    """Return the options that a folder is read with."""
    shown = folder.rows if rows is None else folder.rows[: rows + 1]
    said = {
        PATHS: list(shown),
        LABELS: list(folder.labels),
        UNLABELLED: bool(folder.labels) and not folder.is_labelled,
    }
    return {**config.options, **said}


def folder_of(config: Config, split: Split) -> Folder:
    """Return what the paths of a folder say. Pure."""
    kind = KINDS[config.format]
    names = config.options.get("metadata_filenames")
    known = [str(name) for name in names] if isinstance(names, list) else METADATA
    by_path = {file.path: file for file in (*split.files, *split.metadata)}
    layout = layout_of(kind, by_path, known)
    opened = tuple(by_path[path] for path in (*layout.metadata, *layout.archives))
    labels, labelled = _labels(config, known)
    return Folder(layout.files, opened, labels, split.name in labelled)


def _labels(config: Config, names: Sequence[str]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the labels of all splits of a folder, and the splits whose rows have them.

    A label has one number in all splits. Whether a split has labels the library decides by what it saw up to there: of
    ``train/1.png`` and ``test/1.png``, only the second is labelled.
    """
    kind = KINDS[config.format]
    labels = Labels(set(), set())
    said = config.options.get("drop_labels")
    drop = None if said is None else bool(said)
    labelled = set()
    for split in config.splits:
        layout = layout_of(kind, (file.path for file in (*split.files, *split.metadata)), names)
        if layout.metadata:
            return (), frozenset()
        labels.add_all(layout.files)
        if labels.shown(drop=drop) is not None:
            labelled.add(split.name)
    return tuple(labels.shown(drop=drop) or ()), frozenset(labelled)


def _says_features(config: Config, split: Split) -> tuple[DataFile, ...]:
    """Return the files whose features ``datasets`` takes for all splits; none where they are this split's own."""
    if config.format in _FIRST_SPLIT_SAYS:
        saying = config.splits[0]
    elif config.format in _LAST_SPLIT_SAYS:
        saying = config.splits[-1]
    else:
        return ()
    return () if saying.name == split.name else saying.files[:1]


def converted(sv: Services, wanted: Wanted, *, wait_s: float) -> Tables:
    """Return a split as Parquet files of this machine, making them where they are not there.

    A part of them after ``wait_s`` seconds, if there is one by then; it goes on being made. Raises: ViewerNotReady,
    and what reading the files raises, until somebody asks again a minute later.
    """
    found = find(sv, wanted.key)
    if found is not None:
        return found
    flight = _flight(sv, wanted)
    if flight.wait(wait_s):
        found = find(sv, wanted.key)
        if found is not None:
            return found
    part = _part(sv, wanted.key)
    if part is not None:
        return part
    raise ViewerNotReady("This split is being converted to be shown in full. Ask again in a moment.")


def find(sv: Services, key: str) -> Tables | None:
    """Return what was made already and lies on this machine."""
    found = facts_of(sv, key)
    if found is None:
        return None
    directory, facts = found
    return _tables(directory, key, facts, is_partial=bool(facts["partial"]))


def facts_of(sv: Services, key: str) -> tuple[Path, Mapping[str, Any]] | None:
    """Return the directory of what was made, and what is known of it."""
    directory = sv.blocks.find_made(key, WHAT)
    if directory is None:
        return None
    try:
        return directory, _checked(orjson.loads((directory / MANIFEST).read_bytes()))
    except (OSError, ValueError):
        return None  # swept away at this moment


def progress_of(sv: Services, key: str) -> Mapping[str, Any] | None:
    """Return how far a conversion is: files, rows, read_bytes, total_bytes; None before its first file."""
    found = _latest(sv, key)
    return None if found is None else found[1]


def _latest(sv: Services, key: str) -> tuple[Path, Mapping[str, Any]] | None:
    best: tuple[Path, Mapping[str, Any]] | None = None
    for directory in sv.blocks.find_making(key, WHAT):
        try:
            said = _checked(orjson.loads((directory / PROGRESS).read_bytes()))
        except (OSError, ValueError):
            continue
        if said["rows"] and (best is None or said["rows"] > best[1]["rows"]):
            best = directory, said
    return best


def _checked(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a worker said of its files. Raises ValueError where they would be others than its own.

    A file may have taken the worker over that read it.
    """
    if not all(_MADE_NAME.fullmatch(str(file["name"])) for file in facts["files"]):
        raise ValueError("a name that no conversion gives")
    return facts


def _part(sv: Services, key: str) -> Tables | None:
    found = _latest(sv, key)
    return None if found is None else _tables(*_swap(found, key), is_partial=True)


def _swap(found: tuple[Path, Mapping[str, Any]], key: str) -> tuple[Path, str, Mapping[str, Any]]:
    directory, said = found
    # What is read of a part must not be taken for what is read of the whole.
    return directory, f"{key}-{len(said['files'])}", said


def _tables(directory: Path, key: str, facts: Mapping[str, Any], *, is_partial: bool) -> Tables:
    files = tuple(
        MadeFile(str(directory / file["name"]), f"{key}-{file['name']}", file["size"])
        for file in facts["files"]
    )
    return Tables(files, facts.get("features"), is_partial)


def _flight(sv: Services, wanted: Wanted) -> flights.Flight:
    """Return the making of a split, begun or joined: one for each dataset, since why it failed may name its files."""
    return sv.flights.join(f"{wanted.repo.id}-{wanted.key}", lambda: _make(sv, wanted))


def _make(sv: Services, wanted: Wanted) -> None:
    with flights.alone(sv.blocks.root / "locks" / f"{wanted.key}.lock"):
        # Another process may have made it while this one waited; what a dead one left is in nobody's way.
        if facts_of(sv, wanted.key) is not None:
            return
        broken = sv.blocks.find_made(wanted.key, WHAT)
        if broken is not None:
            shutil.rmtree(broken, ignore_errors=True)
        for left in sv.blocks.find_making(wanted.key, WHAT):
            shutil.rmtree(left, ignore_errors=True)
        wanted = _with_features(sv, wanted)
        sv.blocks.made(wanted.key, WHAT, lambda scratch: _convert(sv, wanted, scratch))


def _with_features(sv: Services, wanted: Wanted) -> Wanted:
    if not wanted.first:
        return wanted
    answer = run(sv, wanted.repo, "infer", files=wanted.first, params={"table": wanted.table}, lane=JOB)
    features = answer.facts.get("features")
    if features is None:
        return wanted
    name = "written" if wanted.table["format"] in _READ_BEFORE_CAST else "features"
    return replace(wanted, table={**wanted.table, name: features})


def _convert(sv: Services, wanted: Wanted, scratch: Path) -> None:
    params = {**wanted.params, "max_bytes": sv.settings.viewer.convert_bytes}
    answer = run(sv, wanted.repo, "convert", files=wanted.files, params=params, lane=JOB, out=scratch)
    try:
        facts = _checked(answer.facts)
    except ValueError as error:
        raise TableUnreadable("The process that converted this split was led astray by it.") from error
    (scratch / MANIFEST).write_bytes(orjson.dumps(facts))


def convert_now(sv: Services, wanted: Wanted) -> tuple[Path, Mapping[str, Any]]:
    """Return what `facts_of` returns, making it however long that takes. Raises what reading the files raises."""
    end = time.monotonic() + sv.settings.viewer.job_timeout_s * 2
    while True:
        found = facts_of(sv, wanted.key)
        if found is not None:
            return found
        flight = _flight(sv, wanted)
        flight.wait(max(0.0, end - time.monotonic()))
        if time.monotonic() > end:
            raise ViewerNotReady("Converting this split took too long.")
        time.sleep(_POLL_S)


def sources_of(plan: Plan) -> list[tuple[Config, Split]]:
    """Return all splits of a plan with their configs, in order."""
    return [(config, split) for config in plan.configs for split in config.splits]

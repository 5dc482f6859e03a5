"""How large the splits of a dataset are: rows, bytes, columns and Parquet files of each, as far as they are known now.

Of Parquet files their footers say it at once. Of other formats it is known once they were converted: until then they
are pending, and failed where they cannot be.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from openhood.base.errors import (
    FormatNotSupported,
    ObjectMissing,
    TableUnreadable,
    ViewerError,
    ViewerNotReady,
)
from openhood.base.names import Oid
from openhood.domain.repos import gitdb
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.types import At
from openhood.domain.services import Services
from openhood.domain.viewer import conversion_rows, converting, footers
from openhood.domain.viewer.conversion_rows import Conversion
from openhood.domain.viewer.publishing import REF, path_of
from openhood.domain.viewer.types import Config, Plan, Split
from openhood.engines.git.walk import iter_files
from openhood.engines.tables.readers.labels import KINDS

READABLE = frozenset({"parquet", "csv", "json", "text", "xml", "conll", "arrow", "webdataset", *KINDS})
"""Formats that are read on this hub."""
_ENTRY_BYTES = 300


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """A Parquet file of a split: its name, its bytes, and its place below the dataset's own address."""

    name: str
    size_bytes: int
    place: str
    is_published: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """A split and what is known of it. ``error``: why nothing will be; ``is_pending``: nothing is yet.

    ``memory_bytes`` are those of its values when they are not compressed. ``files`` are empty where the Parquet files
    are on this machine only. ``estimated_rows``: of all of it, where only the first part was converted.
    """

    config: Config
    split: Split
    files: tuple[ParquetFile, ...] = ()
    rows: int = 0
    memory_bytes: int = 0
    features: Mapping[str, Any] | None = None
    is_partial: bool = False
    estimated_rows: int | None = None
    is_pending: bool = False
    error: ViewerError | None = None

    @property
    def is_ready(self) -> bool:
        """Whether rows and columns are known."""
        return not self.is_pending and self.error is None

    @property
    def parquet_bytes(self) -> int:
        """Bytes of the Parquet files."""
        return sum(file.size_bytes for file in self.files)

    def check(self) -> None:
        """Raise why nothing is known: the error, or ViewerNotReady."""
        if self.error is not None:
            raise self.error
        if self.is_pending:
            raise ViewerNotReady(
                "The server is busier than usual and the response is not ready yet. Please retry later."
            )


def measure(sv: Services, at: At, plan: Plan, *, configs: Iterable[Config] | None = None) -> list[Measured]:
    """Return what is known of the splits of some configs (all of them by default), in order.

    Opens units of its own; never inside one. Raises: Unavailable and what opening a commit raises.
    """
    chosen = plan.configs if configs is None else tuple(configs)
    published = _published_paths(sv, at)
    splits = [(config, split) for config in chosen for split in config.splits]
    plain = [split for config, split in splits if config.is_parquet(split)]
    _read_footers(sv, at, plain)
    known: dict[tuple[str, str], Conversion] = {}
    if len(plain) < len(splits):
        with sv.db.read() as tx:
            known = {(each.config, each.split): each for each in conversion_rows.list_all(tx, at.repo.id)}
    found = []
    for config, split in splits:
        if config.is_parquet(split):
            found.append(_of_parquet(sv, at, config, split, published))
        else:
            kept = known.get((config.name[:200], split.name[:200]))
            found.append(_of_other(sv, at, config, split, kept, published))
    return found


def _published_paths(sv: Services, at: At) -> Mapping[str, Oid]:
    """Return the files that ``refs/convert/parquet`` holds now."""
    with sv.db.read() as tx:
        ref = repo_rows.get_ref(tx, at.repo.id, REF)
    if ref is None:
        return {}
    commit = ref.commit_oid

    def read() -> dict[str, Oid]:
        objects = gitdb.open_objects(sv, at.repo, expect=commit)
        return {entry.path: entry.oid for entry in iter_files(objects, objects.commit(commit).tree)}

    return sv.facts.of(("published", commit), read, weigh=lambda paths: _ENTRY_BYTES * (len(paths) + 1))


def _read_footers(sv: Services, at: At, splits: Sequence[Split]) -> None:
    """Read all footers at once, so that none has to be read alone; what is wrong with one is its split's business."""
    files = [file for split in splits for file in split.files]
    if files:
        try:
            footers.footers_of(sv, at.repo, files)
        except (ViewerError, ObjectMissing):
            return


def _of_parquet(sv: Services, at: At, config: Config, split: Split, published: Mapping[str, Oid]) -> Measured:
    try:
        found = footers.footers_of(sv, at.repo, split.files)
        features = footers.features_of(sv, at.repo, split.files, config.features)
    except ViewerError as error:
        return Measured(config, split, error=error)
    except ObjectMissing:
        return Measured(config, split, error=TableUnreadable("The bytes of its files were deleted."))
    count = len(split.files)
    files = []
    for number, file in enumerate(split.files):
        path = path_of(config.name, split.name, number, count, is_partial=False)
        is_published = published.get(path) == file.oid
        place = _published_place(path) if is_published else f"resolve/{at.commit}/{quote(file.path)}"
        files.append(ParquetFile(path.rpartition("/")[2], file.size_bytes, place, is_published))
    return Measured(
        config,
        split,
        tuple(files),
        sum(footer.rows for footer in found),
        sum(footer.memory_bytes for footer in found),
        features,
    )


def _published_place(path: str) -> str:
    return f"resolve/{quote(REF, safe='')}/{quote(path)}"


def _of_other(
    sv: Services,
    at: At,
    config: Config,
    split: Split,
    kept: Conversion | None,
    published: Mapping[str, Oid],
) -> Measured:
    if config.format not in READABLE:
        message = f"Data of the format '{config.format}' is not read on this hub."
        return Measured(config, split, error=FormatNotSupported(message))
    prefix = f"hf://datasets/{at.repo.repo_id}@{at.commit}/"
    wanted = [converting.want(sv, at.repo, at.commit, config, split, prefix=each) for each in (prefix, "")]
    if kept is not None and kept.made_from in {each.key for each in wanted}:
        if kept.state == conversion_rows.FAILED:
            return Measured(config, split, error=_failure(kept.facts))
        if kept.state == conversion_rows.DONE and all(
            published.get(file["path"]) == file["oid"] for file in kept.facts["files"]
        ):
            files = [
                ParquetFile(
                    file["path"].rpartition("/")[2], file["size"], _published_place(file["path"]), True
                )
                for file in kept.facts["files"]
            ]
            return _converted(config, split, kept.facts, tuple(files))
    for each in wanted:
        made = converting.facts_of(sv, each.key)
        if made is not None:
            return _converted(config, split, made[1], ())
    return Measured(config, split, is_pending=True)


def _failure(facts: Mapping[str, Any]) -> ViewerError:
    error = TableUnreadable(str(facts.get("error", "It could not be converted to Parquet.")))
    error.code = str(facts.get("code", error.code))
    return error


def _converted(
    config: Config, split: Split, facts: Mapping[str, Any], files: tuple[ParquetFile, ...]
) -> Measured:
    is_partial = bool(facts.get("partial"))
    return Measured(
        config,
        split,
        files,
        int(facts["rows"]),
        int(facts.get("nbytes") or 0),
        facts.get("features") or {},
        is_partial,
        facts.get("estimated_rows") if is_partial else None,
    )

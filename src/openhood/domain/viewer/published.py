"""What ``refs/convert/parquet`` holds of a dataset at a commit, and what it lacks: for those who want URLs of it.

The ref follows main by a job, so right after a commit it is behind; nothing of an older main is given for a newer one.
"""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.names import Oid
from openhood.domain.repos import gitdb
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.viewer import conversion_rows as rows
from openhood.domain.viewer import publishing
from openhood.domain.viewer.types import Config, Plan, Split
from openhood.engines.git.walk import iter_files


@dataclass(frozen=True, slots=True)
class PublishedFile:
    """A Parquet file of a split: its path below the ref, and its size in bytes."""

    config: str
    split: str
    path: str
    size_bytes: int

    @property
    def filename(self) -> str:
        """Its name without directories."""
        return self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class Unpublished:
    """A split that could not be converted, and why."""

    config: str
    split: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Published:
    """All of a dataset: files in the order of their rows, splits still to come, and those that never will.

    ``commit`` is the ref's, None where there is none. ``partial`` are the splits of which only a part was converted,
    with the rows that they have by estimate.
    """

    commit: Oid | None
    files: tuple[PublishedFile, ...]
    pending: tuple[tuple[str, str], ...] = ()
    failed: tuple[Unpublished, ...] = ()
    partial: tuple[tuple[str, str, int], ...] = ()

    def of(self, config: str, split: str) -> tuple[PublishedFile, ...]:
        """Return the files of one split."""
        return tuple(file for file in self.files if (file.config, file.split) == (config, split))


def published_of(sv: Services, repo: Repo, plan: Plan) -> Published:
    """Return what is published of a plan. Opens a read unit; never inside one."""
    with sv.db.read() as tx:
        ref = repo_rows.get_ref(tx, repo.id, publishing.REF)
        conversions = {(each.config, each.split): each for each in rows.list_all(tx, repo.id)}
    held: dict[str, Oid] = {}
    if ref is not None:
        objects = gitdb.open_objects(sv, repo, expect=ref.commit_oid)
        held = {entry.path: entry.oid for entry in iter_files(objects, objects.commit(ref.commit_oid).tree)}
    found = _Found(held, [], [], [], [])
    for config in plan.configs:
        for split in config.splits:
            if config.is_parquet(split):
                found.add_own(config, split)
            else:
                found.add_made(
                    sv, repo, plan, config, split, conversions.get((config.name[:200], split.name[:200]))
                )
    commit = None if ref is None else ref.commit_oid
    return Published(
        commit, tuple(found.files), tuple(found.pending), tuple(found.failed), tuple(found.partial)
    )


@dataclass(slots=True)
class _Found:
    held: dict[str, Oid]
    files: list[PublishedFile]
    pending: list[tuple[str, str]]
    failed: list[Unpublished]
    partial: list[tuple[str, str, int]]

    def add_own(self, config: Config, split: Split) -> None:
        """Take the Parquet files of the dataset itself."""
        count = len(split.files)
        named = [
            (publishing.path_of(config.name, split.name, number, count, is_partial=False), file)
            for number, file in enumerate(split.files)
        ]
        if any(self.held.get(path) != file.oid for path, file in named):
            self.pending.append((config.name, split.name))
            return
        self.files += [PublishedFile(config.name, split.name, path, file.size_bytes) for path, file in named]

    def add_made(
        self,
        sv: Services,
        repo: Repo,
        plan: Plan,
        config: Config,
        split: Split,
        known: rows.Conversion | None,
    ) -> None:
        """Take what was converted, if it was converted from these files."""
        if known is None or known.made_from != publishing.wanted_of(sv, repo, plan, config, split).key:
            self.pending.append((config.name, split.name))
        elif known.state == rows.FAILED:
            self.failed.append(
                Unpublished(config.name, split.name, str(known.facts["code"]), str(known.facts["error"]))
            )
        elif any(self.held.get(file["path"]) != file["oid"] for file in known.facts["files"]):
            self.pending.append((config.name, split.name))
        else:
            self.files += [
                PublishedFile(config.name, split.name, file["path"], file["size"])
                for file in known.facts["files"]
            ]
            if known.facts.get("partial"):
                self.partial.append((config.name, split.name, int(known.facts.get("estimated_rows") or 0)))

"""Changing cells and rows of a split: new files from a worker, committed to the branch or as a pull request."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from openhood.base.errors import BadRequest, BranchMoved, InvalidParameter
from openhood.base.names import PathInRepo, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import commits, contents, editing, gitdb, lookup
from openhood.domain.repos.operations import AddFile, AddLfsFile, CommitHeader, CommitResult, Operation
from openhood.domain.services import Services
from openhood.domain.viewer import planning, running
from openhood.domain.viewer.planning import Place
from openhood.domain.viewer.types import DataFile

FORMATS = ("csv", "json", "parquet")
"""Formats whose rows can be changed in place."""
MAX_CHANGES = 10_000
_EDIT_S = 120.0


@dataclass(frozen=True, slots=True)
class Edits:
    """What is to be changed: cells (``row_idx``, ``column``, ``value``), new rows, and rows that go."""

    changes: Sequence[Mapping[str, object]] = ()
    added: Sequence[Mapping[str, object]] = ()
    deleted: Sequence[int] = ()

    @property
    def count(self) -> int:
        """How many changes these are."""
        return len(self.changes) + len(self.added) + len(self.deleted)


@dataclass(frozen=True, slots=True)
class Edited:
    """The commit that holds the changes, and the paths of the files that are new in it."""

    result: CommitResult
    paths: tuple[str, ...]


def edit_split(
    sv: Services,
    viewer: Viewer,
    *,
    repo_id: RepoId,
    revision: str,
    config: str,
    split: str,
    edits: Edits,
    summary: str,
    description: str,
    create_pr: bool,
    parent_commit: str | None = None,
) -> Edited:
    """Change a split at the tip of a branch. Row numbers are those of ``parent_commit`` where it is named.

    A pull request begins at ``parent_commit`` wherever the branch is by now.
    Raises: what `planning.split_at` and `commits.create_commit` raise; BranchMoved where the split is another
    one than at ``parent_commit``; InvalidParameter for what cannot be changed.
    """
    if not 0 < edits.count <= MAX_CHANGES:
        raise InvalidParameter(
            f"A commit changes from 1 to {MAX_CHANGES} cells and rows; this names {edits.count}."
        )
    place = planning.split_at(sv, viewer, repo_id, revision, config, split)
    lookup.check(viewer, place.repo, need=Need.PROPOSE)  # the commit asks for more where it needs more
    if parent_commit is not None and place.at.commit != parent_commit:
        seen = planning.split_at(sv, viewer, repo_id, parent_commit, config, split)
        if create_pr:
            place = seen
        elif _contents(seen) != _contents(place):
            raise BranchMoved
    files = _editable(place)
    with _scratch(sv) as out:
        params = {
            "format": place.config.format,
            "options": dict(place.config.options),
            "features": place.config.features,
            "changes": edits.changes,
            "added": edits.added,
            "deleted": edits.deleted,
        }
        answer = running.run(
            sv, place.repo, "edit", files=files, params=params, lane=running.QUERY, seconds=_EDIT_S, out=out
        )
        numbers: list[int] = list(answer.facts["files"])  # type: ignore[call-overload]  # a list of the worker's
        operations = [_operation(sv, viewer, place, files[number], out / str(number)) for number in numbers]
    result = commits.create_commit(
        sv,
        viewer,
        repo_type=RepoType.DATASET,
        repo_id=place.repo.repo_id,
        revision=revision,
        header=CommitHeader(summary or _summary(edits), description, place.at.commit),
        operations=operations,
        create_pr=create_pr,
    )
    return Edited(result, tuple(files[number].path for number in numbers))


def _contents(place: Place) -> list[tuple[str, str]]:
    return [(file.path, file.oid) for file in place.split.files]


def is_editable(place: Place) -> bool:
    """Tell whether rows of a split can be changed by `edit_split`, whoever asks."""
    return place.config.format in FORMATS and all(_is_plain(file.path) for file in place.split.files)


def _editable(place: Place) -> Sequence[DataFile]:
    if not is_editable(place):
        raise InvalidParameter(
            "Rows can be changed in CSV, JSON and Parquet files that are not compressed. This split is made of "
            f"{place.config.format} files; change the files themselves."
        )
    return place.split.files


def _is_plain(path: str) -> bool:
    return path.lower().endswith((".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet"))


def _operation(sv: Services, viewer: Viewer, place: Place, file: DataFile, made: Path) -> Operation:
    """Return what puts a file that was made here where the old one is, kept as that was kept."""
    path = PathInRepo(file.path)
    objects = gitdb.open_objects(sv, place.repo, expect=place.at.commit)
    old = contents.find_contents(sv, place.repo, objects, [file.oid]).get(file.oid)
    size_bytes = made.stat().st_size
    is_large = (
        old is not None and old.stored is not None
    ) or size_bytes > sv.settings.limits.regular_file_bytes
    if not is_large:
        return AddFile(path, made.read_bytes())
    with made.open("rb") as content:
        kept = editing.keep_large(
            sv, viewer, repo_type=RepoType.DATASET, repo_id=place.repo.repo_id, file=content
        )
    return AddLfsFile(path, kept.sha256, kept.size_bytes)


def _summary(edits: Edits) -> str:
    parts = [
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in (
            (len(edits.changes), "changed cell"),
            (len(edits.added), "new row"),
            (len(edits.deleted), "deleted row"),
        )
        if count
    ]
    return "Edit the table: " + ", ".join(parts)


@contextmanager
def _scratch(sv: Services) -> Iterator[Path]:
    """Give a directory for what the worker writes, removed afterwards."""
    place = sv.blocks.root / f".edit-{secrets.token_hex(8)}"
    place.mkdir(mode=0o700)
    try:
        yield place
    finally:
        shutil.rmtree(place, ignore_errors=True)


def check_edits(body: Mapping[str, object]) -> Edits:
    """Return the changes that a JSON body asks for. Raises BadRequest where its shape is wrong."""
    changes, added, deleted = (body.get(name) or [] for name in ("changes", "added", "deleted"))
    if not (isinstance(changes, list) and isinstance(added, list) and isinstance(deleted, list)):
        raise BadRequest("'changes', 'added' and 'deleted' must be lists.")
    for change in changes:
        is_good = (
            isinstance(change, dict)
            and _is_row(change.get("row_idx"))
            and isinstance(change.get("column"), str)
        )
        if not is_good or "value" not in change:
            raise BadRequest(
                "Each of 'changes' must hold 'row_idx' (a number), 'column' (a text) and 'value'."
            )
    if not all(isinstance(row, dict) for row in added):
        raise BadRequest("Each of 'added' must be an object with values by column.")
    if not all(map(_is_row, deleted)):
        raise BadRequest("'deleted' must hold numbers of rows.")
    return Edits(changes, added, deleted)


def _is_row(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0

"""Leaderboards: the results that models state in a benchmark, the best first.

A dataset is a benchmark if its ``eval.yaml`` names tasks (hub-docs ``eval-results.md``; the Hub also keeps a
list of those it accepts, this hub none). Results come from ``.eval_results/`` of models, rows by then.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openhood.base.errors import BadRequest, InvalidCard, NotFound
from openhood.base.names import Oid, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.discovery import leaderboard_rows, lineage_rows
from openhood.domain.discovery.leaderboard_rows import Result
from openhood.domain.repos import gitdb, lookup
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.formats.card import parse_yaml
from openhood.engines.git.objects import is_file_mode

FILE = "eval.yaml"
MAX_PAGE = 1_000

_MAX_BYTES = 128 * 1024
_MAX_TASKS = 300
_MAX_CHARACTERS = 200
_MAX_OFFSET = 1_000_000


@dataclass(frozen=True, slots=True)
class Task:
    """A task of a benchmark. ``ascending``: smaller values are better."""

    id: str
    ascending: bool


@dataclass(frozen=True, slots=True)
class Ranked:
    """A result with its place, counted from 1."""

    rank: int
    result: Result


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """A page of the results in one task; ``cursor`` leads to the next page or is None."""

    task: Task
    entries: tuple[Ranked, ...]
    cursor: str | None


def get_leaderboard(
    sv: Services,
    viewer: Viewer,
    *,
    repo_id: RepoId,
    task_id: str | None,
    base_model_only: bool,
    cursor: str | None,
    limit: int,
) -> Leaderboard:
    """Return the results of models that the viewer may know of. Opens read units.

    Args: ``task_id`` None: the first of the benchmark's tasks; ``base_model_only``: leave out models that were made
    from others.

    Raises: what `lookup.find` raises; NotFound where the dataset is no benchmark; BadRequest for a task it does
    not have and for a bad cursor.
    """
    offset = _offset(cursor)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, RepoType.DATASET, repo_id, need=Need.READ)
        names = lineage_rows.names_of(tx, [repo])[repo.id]
    tasks = tasks_at(sv, repo, repo.head_oid) if repo.head_oid is not None else ()
    if not tasks:
        raise NotFound(
            f"The dataset {repo.repo_id} has no leaderboard. Benchmarks have one: datasets with a file {FILE} "
            "that lists their tasks."
        )
    task = _choose(tasks, task_id)
    with sv.db.read() as tx:
        found = leaderboard_rows.list_results(
            tx,
            viewer,
            datasets=names,
            task_id=task.id,
            base_model_only=base_model_only,
            ascending=task.ascending,
            offset=offset,
            limit=limit + 1,
        )
    entries = tuple(Ranked(rank, result) for rank, result in enumerate(found[:limit], start=offset + 1))
    return Leaderboard(task, entries, str(offset + limit) if len(found) > limit else None)


def tasks_at(sv: Services, repo: Repo, commit: Oid) -> tuple[Task, ...]:
    """Return the tasks of a benchmark as a commit of it says; none where it is no benchmark. Never in a unit."""
    return sv.facts.of(
        ("benchmark", commit),
        lambda: _read_tasks(sv, repo, commit),
        weigh=lambda tasks: _MAX_CHARACTERS * (1 + len(tasks)),
    )


def read_tasks(text: str) -> tuple[Task, ...]:
    """Return the tasks that an ``eval.yaml`` lists; none where it is not valid.

    ``higher_is_better: false``, of a task or of all, is this hub's own word: the format has none for it.
    **Source**: hub-docs ``eval-results.md``, "Registering a Benchmark".
    """
    try:
        loaded = parse_yaml(text)
    except InvalidCard:
        return ()
    if not isinstance(loaded, dict) or not isinstance(loaded.get("tasks"), list):
        return ()
    everywhere = loaded.get("higher_is_better")
    found: dict[str, Task] = {}
    for item in loaded["tasks"][:_MAX_TASKS]:
        name = item.get("id") if isinstance(item, Mapping) else None
        if isinstance(name, str) and 0 < len(name) <= _MAX_CHARACTERS and "\0" not in name:
            found.setdefault(name, Task(name, item.get("higher_is_better", everywhere) is False))
    return tuple(found.values())


def _read_tasks(sv: Services, repo: Repo, commit: Oid) -> tuple[Task, ...]:
    objects = gitdb.open_objects(sv, repo, expect=commit)
    entry = objects.entry_at(objects.commit(commit).tree, FILE)
    if entry is None or not is_file_mode(entry.mode) or objects.kind_and_size(entry.oid)[1] > _MAX_BYTES:
        return ()
    return read_tasks(objects.read(entry.oid)[1].decode("utf-8", "replace"))


def _choose(tasks: Sequence[Task], task_id: str | None) -> Task:
    if task_id is None:
        return tasks[0]
    for task in tasks:
        if task.id == task_id:
            return task
    known = ", ".join(task.id for task in tasks[:20])
    raise BadRequest(f"The benchmark has no task {task_id[:60]!r}. 'task_id' must be one of: {known}.")


def _offset(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not cursor.isascii() or not cursor.isdecimal() or len(cursor) > 7 or int(cursor) > _MAX_OFFSET:
        raise BadRequest(
            "The 'cursor' is not one of this leaderboard. Take it from the Link header of the page before."
        )
    return int(cursor)

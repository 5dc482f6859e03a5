"""The index of last commits per path, where no commit could carry it along: built from history by a job.

`refs` keeps the index up in the unit of each commit. Here it is given to new refs, and rebuilt outside
any unit for refs that lost it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Delete, delete, func, select

from openhood.base.errors import RepoNotFound
from openhood.base.names import Oid, RefName
from openhood.domain.repos import gitdb, publish, refs, rows
from openhood.domain.repos.types import PathChange, Ref, Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import heavy, log_changes
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import iter_files
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import last_commits
from openhood.infra.jobs import queue

MAX_PATHS = 200_000
"""Trees with more files stay without an index: readers then ask git for the page they show."""

_MAX_INHERITED = 20_000
_BATCH = 2_000
_MAX_PASSES = 20

Entry = tuple[str, str]
"""A directory (``""`` for the root) and a name in it."""


def inherit(
    tx: Tx, repo: Repo, *, source: RefName, at: Oid, target: RefName, changes: Sequence[PathChange]
) -> None:
    """Give the new ref ``target`` the index of ``source``, and then ``changes``, in the caller's unit.

    Does nothing where ``source`` has moved on from ``at``, has no index, or a large one: the job that
    `refs.move` queued does the work then.
    """
    before = rows.get_ref(tx, repo.id, source)
    if before is None or not before.indexed or before.commit_oid != at:
        return
    limited = select(last_commits.c.name).where(
        last_commits.c.repo_id == repo.id, last_commits.c.ref == source
    )
    counted = select(func.count()).select_from(limited.limit(_MAX_INHERITED + 1).subquery())
    if tx.execute(counted).scalar_one() > _MAX_INHERITED:
        return
    tx.execute(_delete(repo.id, target))
    refs.copy_index(tx, repo.id, source=source, target=target)
    refs.index_changes(tx, repo.id, target, changes)


def index_last_commits(sv: Services, payload: Mapping[str, object]) -> None:
    """Build the index of every branch and pull request of a repository that lacks it (a job).

    A ref that moves meanwhile is begun anew; the index counts only when it is complete for the tip.
    """
    number = int(str(payload["repo"]))
    for _ in range(_MAX_PASSES):
        with sv.db.read() as tx:
            repo = rows.get_repo_by_number(tx, number)
            missing = [] if repo is None else _without_index(tx, repo)
        if repo is None or not missing:
            return
        try:
            built = [_build(sv, repo, ref) for ref in missing]
        except RepoNotFound:
            return  # deleted meanwhile
        if not any(built):
            return
    now = sv.clock.now()
    with sv.db.write() as tx:
        queue.enqueue(
            tx,
            "index_last_commits",
            {"repo": number},
            now=now,
            dedup_key=f"index_last_commits:{number}",
            delay_s=30,
        )


def _without_index(tx: Tx, repo: Repo) -> list[Ref]:
    found = [ref for ref in rows.list_refs(tx, repo.id) if not ref.indexed]
    return [ref for ref in found if not ref.name.startswith("refs/tags/")]


def _build(sv: Services, repo: Repo, ref: Ref) -> bool:
    """Index one ref; tells whether it is worth looking at the repository's refs again."""
    objects = gitdb.open_objects(sv, repo, expect=ref.commit_oid)
    wanted = _entries(objects, ref.commit_oid)
    if wanted is None:
        return False
    with heavy(sv.settings.git.processes), gitdb.snapshot(sv, repo) as gitdir:
        found: dict[Entry, Oid] = {}
        history = log_changes(gitdir, None, ref.commit_oid, timeout_s=sv.settings.git.timeout_s)
        with contextlib.closing(history) as commits:
            for commit in commits:
                for _status, path in commit.changes:
                    _note(path, commit.commit, wanted=wanted, found=found)
                if not wanted:
                    break
    _write(sv, repo, ref, list(found.items()))
    return True


def _entries(objects: ObjectDb, commit: Oid) -> set[Entry] | None:
    """Return every file and directory of a commit's tree; None where there are too many."""
    wanted: set[Entry] = set()
    for count, file in enumerate(iter_files(objects, objects.commit(commit).tree)):
        if count >= MAX_PATHS:
            return None
        wanted.update(_with_parents(file.path))
    return wanted


def _with_parents(path: str) -> list[Entry]:
    found: list[Entry] = []
    while path:
        folder, _, name = path.rpartition("/")
        found.append((folder, name))
        path = folder
    return found


def _note(path: str, commit: Oid, *, wanted: set[Entry], found: dict[Entry, Oid]) -> None:
    for entry in _with_parents(path):
        if entry in wanted:
            wanted.remove(entry)
            found[entry] = commit


def _write(sv: Services, repo: Repo, ref: Ref, found: Sequence[tuple[Entry, Oid]]) -> None:
    """Replace a ref's index in short units; it stays unused until the last one, and ends if the ref moves."""
    values = [
        {"repo_id": repo.id, "ref": ref.name, "dir": folder, "name": name, "commit_oid": oid}
        for (folder, name), oid in found
        if _fits(folder, name)
    ]
    for start in range(0, max(1, len(values)), _BATCH):
        with sv.db.write() as tx:
            publish.lock_repo(tx, repo)
            present = rows.get_ref(tx, repo.id, ref.name)
            if present is None or present.commit_oid != ref.commit_oid or present.indexed:
                return
            if start == 0:
                tx.execute(_delete(repo.id, ref.name))
            batch = values[start : start + _BATCH]
            if batch:
                key = ["repo_id", "ref", "dir", "name"]
                tx.execute(upsert(tx, last_commits, key=key, update=["commit_oid"]), batch)
            if start + _BATCH >= len(values):
                rows.update_ref(
                    tx, repo.id, replace(present, indexed=True), expected=present.oid, now=sv.clock.now()
                )


def _delete(repo: int, ref: RefName) -> Delete:
    return delete(last_commits).where(last_commits.c.repo_id == repo, last_commits.c.ref == ref)


def _fits(folder: str, name: str) -> bool:
    """Tell whether a path, which a push may have brought, can be a row at all."""
    try:
        return len(folder.encode("utf-8")) <= 1000 and len(name.encode("utf-8")) <= 255
    except UnicodeEncodeError:
        return False

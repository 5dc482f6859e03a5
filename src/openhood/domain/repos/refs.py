"""Moving refs: the single end of every change of content, and all that follows from one.

API commits, pushes, merges, branches, tags and squashes end in `move`, in the write unit that also
holds their pack rows. Nothing is computed here: consequences arrive ready.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from openhood.base.errors import BranchMoved, LfsObjectMissing
from openhood.base.names import MAIN, RefName
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.repos import rows
from openhood.domain.repos.types import Consequences, LfsPointerAt, PathChange, Ref, RefUpdate, Repo, TipFacts
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import last_commits, lfs_files, lfs_objects, refs, repo_lfs, repos
from openhood.infra.jobs import queue

_BATCH = 500


class RefRaceLost(BranchMoved):
    """A ref is not what the change was built on; callers rebuild on the new tip, or report it."""

    def __init__(self, name: RefName) -> None:
        super().__init__()
        self.name = name


def move(
    tx: Tx,
    viewer: Viewer,
    repo: Repo,
    updates: Sequence[RefUpdate],
    *,
    consequences: Consequences,
    now: datetime,
) -> None:
    """Move refs by compare-and-set, all or none, with everything that follows. In the caller's write unit.

    Raises: RefRaceLost if a ref is not as expected; LfsObjectMissing if a pointer's object vanished.
    """
    # Locks the repository's row first, so that two changes of one repository queue instead of deadlock.
    tx.execute(select(repos.c.id).where(repos.c.id == repo.id).with_for_update())
    _check_pointers(tx, repo, consequences.pointers)
    for change in updates:
        _move_one(tx, repo, change, indexed=_index(tx, repo, change, consequences), now=now)
    _record_pointers(tx, repo, consequences.pointers, ref=updates[0].name if updates else None, now=now)
    main = next((change for change in updates if change.name == MAIN), None)
    if main is not None:
        _update_tip(tx, repo, main, consequences.tip, now=now)
    queue.enqueue(
        tx, "refresh_storage", {"repo": repo.id}, now=now, dedup_key=f"refresh_storage:{repo.id}", delay_s=2
    )
    if any(change.new is not None and change.name not in consequences.changes for change in updates):
        queue.enqueue(
            tx, "index_last_commits", {"repo": repo.id}, now=now, dedup_key=f"index_last_commits:{repo.id}"
        )
    for change in updates:
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="ref.move",
            subject=f"{repo.type.value}:{repo.repo_id}",
            ref=change.name,
            old=change.expected,
            new=change.new,
        )


def _move_one(tx: Tx, repo: Repo, change: RefUpdate, *, indexed: bool, now: datetime) -> None:
    if change.new is None:
        if change.expected is None or not rows.delete_ref(tx, repo.id, change.name, expected=change.expected):
            raise RefRaceLost(change.name)
        tx.execute(
            delete(last_commits).where(last_commits.c.repo_id == repo.id, last_commits.c.ref == change.name)
        )
        return
    ref = Ref(change.name, change.new, change.commit or change.new, indexed)
    if change.expected is not None:
        if not rows.update_ref(tx, repo.id, ref, expected=change.expected, now=now):
            raise RefRaceLost(change.name)
        return
    if rows.get_ref(tx, repo.id, change.name) is not None:
        raise RefRaceLost(change.name)
    try:
        rows.insert_ref(tx, repo.id, ref, now=now)
    except IntegrityError as error:
        raise RefRaceLost(change.name) from error


def _index(tx: Tx, repo: Repo, change: RefUpdate, consequences: Consequences) -> bool:
    """Bring the last-commit index of a ref up to its new tip; tells whether it is complete."""
    if change.new is None or change.name not in consequences.changes:
        return False
    before = rows.get_ref(tx, repo.id, change.name)
    if change.expected is not None and (before is None or not before.indexed):
        return False
    index_changes(tx, repo.id, change.name, consequences.changes[change.name])
    return True


def index_changes(tx: Tx, repo: int, ref: RefName, changes: Iterable[PathChange]) -> None:
    """Write the last commit of changed paths and of the directories above them.

    ``changes`` come newest first; of several on one path, or under one directory, the first counts.
    """
    gone: list[tuple[str, str]] = []
    last: dict[tuple[str, str], str] = {}
    for change in changes:
        folder, _, name = change.path.rpartition("/")
        if change.deleted:
            gone.append((folder, name))
        else:
            last.setdefault((folder, name), change.commit_oid)
        while folder:
            folder, _, name = folder.rpartition("/")
            last.setdefault((folder, name), change.commit_oid)
    for start in range(0, len(gone), _BATCH):
        for folder, name in gone[start : start + _BATCH]:
            tx.execute(
                delete(last_commits).where(
                    and_(
                        last_commits.c.repo_id == repo,
                        last_commits.c.ref == ref,
                        last_commits.c.dir == folder,
                        last_commits.c.name == name,
                    )
                )
            )
    values = [
        {"repo_id": repo, "ref": ref, "dir": folder, "name": name, "commit_oid": oid}
        for (folder, name), oid in last.items()
    ]
    statement = upsert(tx, last_commits, key=["repo_id", "ref", "dir", "name"], update=["commit_oid"])
    for start in range(0, len(values), _BATCH):
        tx.execute(statement, values[start : start + _BATCH])


def copy_index(tx: Tx, repo: int, *, source: RefName, target: RefName) -> None:
    """Give a new ref the index of the ref it starts from."""
    chosen = select(
        last_commits.c.repo_id,
        refs.c.name,
        last_commits.c.dir,
        last_commits.c.name,
        last_commits.c.commit_oid,
    ).where(
        last_commits.c.repo_id == repo,
        last_commits.c.ref == source,
        refs.c.repo_id == repo,
        refs.c.name == target,
    )
    tx.execute(insert(last_commits).from_select(["repo_id", "ref", "dir", "name", "commit_oid"], chosen))
    tx.execute(update(refs).where(refs.c.repo_id == repo, refs.c.name == target).values(indexed=True))


def _check_pointers(tx: Tx, repo: Repo, pointers: Sequence[LfsPointerAt]) -> None:
    """Every pointer names an object this repository holds: checked again where the ref moves."""
    wanted = {pointer.sha256: pointer for pointer in pointers}
    hashes = list(wanted)
    for start in range(0, len(hashes), _BATCH):
        batch = hashes[start : start + _BATCH]
        sizes = {
            row.sha256: row.size_bytes
            for row in tx.execute(
                select(repo_lfs.c.sha256, lfs_objects.c.size_bytes)
                .join(lfs_objects, lfs_objects.c.sha256 == repo_lfs.c.sha256)
                .where(repo_lfs.c.repo_id == repo.id, repo_lfs.c.sha256.in_(batch))
            )
        }
        for sha256 in batch:
            pointer = wanted[sha256]
            if sha256 not in sizes:
                raise LfsObjectMissing(
                    f"The file '{pointer.path}' points to LFS object {sha256}, which was never uploaded to "
                    "this repository. Upload it first ('git lfs push --all', or upload the file again)."
                )
            if sizes[sha256] != pointer.size_bytes:
                raise LfsObjectMissing(
                    f"The file '{pointer.path}' says that LFS object {sha256} has {pointer.size_bytes} bytes, "
                    f"but it has {sizes[sha256]}."
                )


def _record_pointers(
    tx: Tx, repo: Repo, pointers: Sequence[LfsPointerAt], *, ref: RefName | None, now: datetime
) -> None:
    values = [
        {
            "repo_id": repo.id,
            "file_oid": file_oid(pointer),
            "sha256": pointer.sha256,
            "path": pointer.path,
            "size_bytes": pointer.size_bytes,
            "ref": ref,
            "pushed_at": now,
        }
        for pointer in {file_oid(pointer): pointer for pointer in pointers}.values()
    ]
    statement = upsert(tx, lfs_files, key=["repo_id", "file_oid"], update=["ref", "pushed_at"])
    for start in range(0, len(values), _BATCH):
        tx.execute(statement, values[start : start + _BATCH])


def file_oid(pointer: LfsPointerAt) -> str:
    """Return the stable 40-hex name of (object, path) in the LFS files listing."""
    return hashlib.sha1(f"{pointer.sha256}\0{pointer.path}".encode(), usedforsecurity=False).hexdigest()


def _update_tip(tx: Tx, repo: Repo, main: RefUpdate, tip: TipFacts | None, *, now: datetime) -> None:
    values: dict[str, object] = {"head_oid": main.commit, "last_modified": now}
    if tip is not None:
        values |= {
            "card": tip.card,
            "config": tip.config,
            "tags": list(tip.tags),
            "pipeline_tag": tip.pipeline_tag,
            "library_name": tip.library_name,
            "sdk": tip.sdk,
        }
    tx.execute(update(repos).where(repos.c.id == repo.id).values(**values))

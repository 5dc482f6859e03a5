"""Moving refs: the single end of every change of content, and all that follows from one.

API commits, pushes, merges, branches, tags and squashes end in `move`, in the write unit that also
holds their pack rows. Nothing is computed here: consequences arrive ready.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from sqlalchemy import bindparam, delete, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from openhood.base.errors import BranchMoved, Conflict, LfsObjectMissing
from openhood.base.names import MAIN, RefName, Sha256
from openhood.domain import audit, events
from openhood.domain.access import Viewer
from openhood.domain.catalog import record
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos import pull_events, pulls, rows
from openhood.domain.repos.types import (
    CommitLine,
    Consequences,
    LfsPointerAt,
    PathChange,
    Ref,
    RefUpdate,
    Repo,
)
from openhood.domain.storage import rows as storage_rows
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import last_commits, lfs_files, refs, repos
from openhood.infra.jobs import queue

CONVERTED = "refs/convert/"
"""Below this lie what the hub itself makes of a repository. It is no news to anybody when they move."""
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

    Raises: RefRaceLost if a ref is not as expected; LfsObjectMissing if a pointer's object vanished; Conflict for
    a commit to a pull request that was merged or closed meanwhile.
    """
    # Locks the repository's row first, so that two changes of one repository queue instead of deadlock.
    tx.execute(select(repos.c.id).where(repos.c.id == repo.id).with_for_update(key_share=True))
    pointers = consequences.pointers
    check_pointers(pointers, lfs_sizes(tx, repo, {pointer.sha256 for pointer in pointers}))
    for change in updates:
        _move_one(tx, repo, change, indexed=_index(tx, repo, change, consequences), now=now)
        _tell_pull(tx, viewer, repo, change, consequences, now=now)
    _record_pointers(tx, repo, consequences.pointers, ref=updates[0].name if updates else None, now=now)
    main = next((change for change in updates if change.name == MAIN), None)
    if main is not None:
        _update_tip(tx, repo, main, consequences.tip, now=now)
    queue.enqueue(
        tx, "refresh_storage", {"repo": repo.id}, now=now, dedup_key=f"refresh_storage:{repo.id}", delay_s=2
    )
    if any(_lacks_index(change, consequences) for change in updates):
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
            owner_id=repo.owner_id,
            ref=change.name,
            old=change.expected,
            new=change.new,
        )
    told = [change for change in updates if not change.name.startswith(CONVERTED)]
    if told:
        after = repo.snapshot if main is None else replace(repo.snapshot, head_oid=main.commit)
        events.record(
            tx,
            "repo.content",
            at=now,
            actor_id=viewer.user_id,
            owner_id=repo.owner_id,
            repo=after,
            refs=[[change.name, change.expected, change.new] for change in told],
        )


def _lacks_index(change: RefUpdate, consequences: Consequences) -> bool:
    # Tags have none: who lists one asks git, or the branch that is at the same commit.
    is_gone_or_tag = change.new is None or change.name.startswith("refs/tags/")
    return not is_gone_or_tag and change.name not in consequences.changes


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
    _check_room(tx, repo, change.name)
    try:
        rows.insert_ref(tx, repo.id, ref, now=now)
    except IntegrityError as error:
        raise RefRaceLost(change.name) from error


def _tell_pull(
    tx: Tx, viewer: Viewer, repo: Repo, change: RefUpdate, consequences: Consequences, *, now: datetime
) -> None:
    """Write the commits that come to a pull request's ref into its history."""
    number = pulls.number_of(change.name)
    if number is None or change.commit is None:
        return
    commits = consequences.commits.get(change.name)
    if commits is None:
        commits = (CommitLine(change.commit, consequences.message.strip().partition("\n")[0].strip()),)
    pull_events.record_commits(tx, repo.id, number, change, commits, author_id=viewer.user_id, now=now)


def _check_room(tx: Tx, repo: Repo, name: RefName) -> None:
    """Refuse ``a/b`` beside ``a``: git keeps refs as files in its clones, where only one can be."""
    parts = name.split("/")
    above = [RefName("/".join(parts[:length])) for length in range(3, len(parts))]
    taken = next(iter(rows.find_refs(tx, repo.id, above)), None) if above else None
    if taken is None:
        below = rows.list_refs(tx, repo.id, prefix=f"{name}/")
        taken = below[0].name if below else None
    if taken is not None:
        raise Conflict(f"Reference {name} cannot be created beside the existing {taken}.")


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
    if gone:
        statement = delete(last_commits).where(
            last_commits.c.repo_id == repo,
            last_commits.c.ref == ref,
            last_commits.c.dir == bindparam("gone_dir"),
            last_commits.c.name == bindparam("gone_name"),
        )
        tx.execute(statement, [{"gone_dir": folder, "gone_name": name} for folder, name in gone])
    values = [
        {"repo_id": repo, "ref": ref, "dir": folder, "name": name, "commit_oid": oid}
        for (folder, name), oid in last.items()
    ]
    upserting = upsert(tx, last_commits, key=["repo_id", "ref", "dir", "name"], update=["commit_oid"])
    for start in range(0, len(values), _BATCH):
        tx.execute(upserting, values[start : start + _BATCH])


def copy_index(tx: Tx, repo: int, *, source: RefName, target: RefName) -> None:
    """Give a new ref the index of the ref it starts from."""
    chosen = select(
        last_commits.c.repo_id,
        literal(target),
        last_commits.c.dir,
        last_commits.c.name,
        last_commits.c.commit_oid,
    ).where(last_commits.c.repo_id == repo, last_commits.c.ref == source)
    tx.execute(insert(last_commits).from_select(["repo_id", "ref", "dir", "name", "commit_oid"], chosen))
    tx.execute(update(refs).where(refs.c.repo_id == repo, refs.c.name == target).values(indexed=True))


def check_pointers(pointers: Iterable[LfsPointerAt], sizes: Mapping[Sha256, int]) -> None:
    """Make sure that every pointer names an object the repository holds, and its size. Pure.

    Args: ``sizes`` as `lfs_sizes` found them. Raises: LfsObjectMissing, with the same sentence whether or
    not another repository holds the object: a hash must not tell what others have.
    """
    for pointer in pointers:
        size_bytes = sizes.get(pointer.sha256)
        if size_bytes is None:
            raise LfsObjectMissing(
                f"The file '{pointer.path}' points to LFS object {pointer.sha256}, which was never uploaded to "
                "this repository. Upload it first ('git lfs push --all', or upload the file again)."
            )
        if size_bytes != pointer.size_bytes:
            raise LfsObjectMissing(
                f"The file '{pointer.path}' says that LFS object {pointer.sha256} has {pointer.size_bytes} "
                f"bytes, but it has {size_bytes}."
            )


def lfs_sizes(tx: Tx, repo: Repo, hashes: Iterable[Sha256]) -> dict[Sha256, int]:
    """Return the size in bytes of those LFS objects that this repository may name."""
    found = storage_rows.find_linked(tx, repo.id, set(hashes))
    return {sha256: linked.size_bytes for sha256, linked in found.items()}


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
    if tip is None or main.commit is None:
        values = {"head_oid": main.commit, "last_modified": now}
        tx.execute(update(repos).where(repos.c.id == repo.id).values(**values))
        return
    record.record_tip(tx, repo.id, tip, head_oid=main.commit, modified=now)
    queue.enqueue(tx, "weigh_tip", {"repo": repo.id}, now=now, dedup_key=f"weigh_tip:{repo.id}")

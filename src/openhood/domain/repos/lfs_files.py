"""The large files of a repository as a list: reading it, deleting from it for good, lending to others.

Deleting for good takes an object away from the repository and, when asked, every pointer to it out of
all history. The new history and the rows change in one unit; old packs go after their grace.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from sqlalchemy import update

from openhood.base.errors import BadRequest, BranchMoved, QuotaExceeded, RepoNotFound
from openhood.base.names import MAIN, Oid, RepoId, RepoType, Sha256, is_oid
from openhood.domain import audit
from openhood.domain.access import Need, Viewer
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos import gitdb, lookup, publish, refs, rows
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.types import Consequences, Ref, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage import uploads
from openhood.domain.storage.types import LfsFile
from openhood.domain.xet import rows as xet_rows
from openhood.engines.git.commands import SnapshotRepo, heavy, new_blobs
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.rewrite import HistoryRewriter, list_commits, repack_reachable
from openhood.engines.git.store import ObjectDb
from openhood.engines.lfs import MAX_POINTER_BYTES, parse_pointer
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import packs
from openhood.infra.jobs import queue

MAX_DUPLICATED = 500
_TRIES = 3
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class _OutrunError(Exception):
    """Refs or packs changed while history was being rewritten."""


# --- listing --------------------------------------------------------------------------------


def list_files(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, cursor: str | None, limit: int
) -> tuple[list[LfsFile], str | None]:
    """Return a page of the large files ever named in a repository, latest first, and the next cursor.

    Raises: what `lookup.find` raises; BadRequest for a cursor that is none.
    """
    after = None if cursor is None else _parse_cursor(cursor)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.READ)
        found = storage_rows.list_files(tx, repo.id, after=after, limit=limit + 1)
        hashes = xet_rows.find_xet_hashes(tx, repo.id, {file.sha256 for file in found[:limit]})
    page = [replace(file, xet_hash=hashes.get(file.sha256)) for file in found[:limit]]
    if len(found) <= limit:
        return page, None
    return page, f"{(page[-1].pushed_at - _EPOCH) // _MS}.{page[-1].file_oid}"


def _parse_cursor(cursor: str) -> tuple[datetime, str]:
    moment, _, file_oid = cursor.partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 15 and is_oid(file_oid)):
        raise BadRequest("The cursor is not one that this hub gave out.")
    return _EPOCH + int(moment) * _MS, file_oid


# --- deleting for good ----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Doomed:
    """What is to go: these files, and these objects even if no file names them."""

    files: tuple[LfsFile, ...]
    objects: frozenset[Sha256]

    @property
    def hashes(self) -> set[Sha256]:
        """The objects that may lose their last file."""
        return {file.sha256 for file in self.files} | self.objects

    def names(self, path: str, sha256: Sha256) -> bool:
        """Tell whether a pointer at a path is to go."""
        if sha256 in self.objects:
            return True
        return any(file.path == path and file.sha256 == sha256 for file in self.files)


def delete_files(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    file_oids: Collection[str],
    sha256s: Collection[Sha256],
    rewrite_history: bool,
) -> bool:
    """Delete large files for good; tells whether there were any of them. Opens its own units.

    A file oid means one object at one path; the object goes when no other path names it. A SHA-256
    means the object with all its paths. Unknown ones are skipped, so that a retry succeeds. Without
    ``rewrite_history`` the pointers stay in git and lead nowhere.

    Raises: what `lookup.find` raises; BranchMoved when others keep changing the repository.
    """
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.WRITE)
        files = storage_rows.find_files(tx, repo.id, file_oids=file_oids, sha256s=sha256s)
        linked = storage_rows.find_linked(tx, repo.id, list(sha256s))
    doomed = _Doomed(
        tuple(files), frozenset(linked) | {file.sha256 for file in files if file.sha256 in sha256s}
    )
    if not doomed.hashes:
        return False
    if rewrite_history:
        with sv.packs.writing(repo.id):
            _rewrite(sv, viewer, repo, doomed)
    else:
        with sv.db.write() as tx:
            publish.lock_repo(tx, repo)
            _forget(tx, sv, viewer, repo, doomed, kept=frozenset(), is_rewritten=False)
    return True


def _rewrite(sv: Services, viewer: Viewer, repo: Repo, doomed: _Doomed) -> None:
    for _ in range(_TRIES):
        with sv.db.read() as tx:
            present = _History(tuple(rows.list_refs(tx, repo.id)), frozenset(rows.list_packs(tx, repo.id)))
            fresh = rows.get_repo_by_number(tx, repo.id)
        if fresh is None:
            raise RepoNotFound(anonymous=viewer.is_anonymous)
        try:
            _rewrite_once(sv, viewer, fresh, doomed, present)
        except (_OutrunError, refs.RefRaceLost):
            continue
        return
    raise BranchMoved


@dataclass(frozen=True, slots=True)
class _History:
    """The refs and packs that a rewriting started from."""

    refs: tuple[Ref, ...]
    packs: frozenset[str]


@dataclass(frozen=True, slots=True)
class _NewHistory:
    """What a rewriting made of it; ``pack`` replaces all old ones, None where nothing changed."""

    updates: tuple[RefUpdate, ...]
    pack: publish.PublishedPack | None
    tip: TipFacts | None
    kept: frozenset[Sha256]


def _rewrite_once(sv: Services, viewer: Viewer, repo: Repo, doomed: _Doomed, present: _History) -> None:
    made = _build(sv, repo, doomed, present)
    published = [] if made.pack is None else [made.pack]
    try:
        with sv.db.write() as tx:
            publish.lock_repo(tx, repo)
            _land(tx, sv, viewer, repo, present, made)
            _forget(tx, sv, viewer, repo, doomed, kept=made.kept, is_rewritten=True)
    except BaseException:
        publish.abandon(sv, repo, published)
        raise


def _build(sv: Services, repo: Repo, doomed: _Doomed, present: _History) -> _NewHistory:
    """Make the new objects, and one pack of all that the refs will then reach. Outside any unit."""
    tips = {ref.oid for ref in present.refs}
    timeout_s = sv.settings.git.timeout_s
    objects = gitdb.open_objects(sv, repo)
    with heavy(sv.settings.git.processes), publish.bench(sv) as loose, publish.bench(sv) as packed:
        objects_dir = gitdb.objects_dir(sv, repo)
        with SnapshotRepo(objects_dir, (), workdir=loose) as snapshot, PackWriter(loose / "pack") as writer:
            pointers = {
                blob.oid: pointer.oid
                for blob in new_blobs(snapshot.gitdir, tips, (), timeout_s=timeout_s)
                if blob.size_bytes < MAX_POINTER_BYTES
                and (pointer := parse_pointer(objects.read(blob.oid)[1])) is not None
                and pointer.oid in doomed.hashes
            }
            rewriter = HistoryRewriter(
                objects, writer, blobs=pointers, drop=partial(_is_doomed, doomed, pointers)
            )
            if pointers:
                for commit in list_commits(snapshot.gitdir, tips, timeout_s=timeout_s):
                    rewriter.commit(commit)
            moved = {tip: rewriter.tip(tip) for tip in tips}
            writer.finish()
        kept = frozenset(pointers[blob] for blob in rewriter.kept)
        if all(old == new for old, new in moved.items()):
            return _NewHistory((), None, None, kept)
        with SnapshotRepo(objects_dir, (), workdir=packed, extra_objects=[loose]) as snapshot:
            built = repack_reachable(
                snapshot.gitdir, set(moved.values()), packed / "pack", timeout_s=timeout_s
            )
        if built is None:
            raise _OutrunError  # refs to nothing: they are being deleted
        new_objects = ObjectDb(packed)
        try:
            updates = tuple(
                RefUpdate(
                    ref.name,
                    expected=ref.oid,
                    new=moved[ref.oid],
                    commit=new_objects.peel_to_commit(moved[ref.oid]),
                )
                for ref in present.refs
                if moved[ref.oid] != ref.oid
            )
            main = next((change.commit for change in updates if change.name == MAIN), None)
            tip = None if main is None else describe_tip(new_objects, main, repo.type)
        finally:
            new_objects.close()
        return _NewHistory(updates, publish.put_pack(sv, repo, built), tip, kept)


def _is_doomed(doomed: _Doomed, pointers: dict[Oid, Sha256], path: str, blob: Oid) -> bool:
    return doomed.names(path, pointers[blob])


def _land(tx: Tx, sv: Services, viewer: Viewer, repo: Repo, present: _History, made: _NewHistory) -> None:
    """Let the new history take the old one's place. Raises _OutrunError, RefRaceLost."""
    names = [(ref.name, ref.oid) for ref in rows.list_refs(tx, repo.id)]
    live = frozenset(rows.list_packs(tx, repo.id))
    # A branch or a pack that appeared meanwhile was not looked at: it may hold what must go.
    if names != [(ref.name, ref.oid) for ref in present.refs] or live != present.packs:
        raise _OutrunError
    if made.pack is None:
        return
    now = sv.clock.now()
    tx.execute(
        update(packs)
        .where(packs.c.repo_id == repo.id, packs.c.retired_at.is_(None), packs.c.name != made.pack.name)
        .values(retired_at=now)
    )
    publish.record_pack(tx, sv, repo, made.pack, now=now)
    queue.enqueue(
        tx,
        "drop_retired_packs",
        {"repo": repo.id},
        now=now,
        dedup_key=f"drop_retired_packs:{repo.id}",
        delay_s=sv.settings.git.retired_pack_grace_s,
    )
    refs.move(tx, viewer, repo, made.updates, consequences=Consequences(tip=made.tip), now=now)


def _forget(
    tx: Tx,
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    doomed: _Doomed,
    *,
    kept: frozenset[Sha256],
    is_rewritten: bool,
) -> None:
    """Take the files off the list, and the objects that nothing names any more from the repository."""
    now = sv.clock.now()
    storage_rows.delete_files(tx, repo.id, [file.file_oid for file in doomed.files])
    candidates = doomed.hashes - kept
    gone = candidates - storage_rows.still_named(tx, repo.id, candidates)
    storage_rows.unlink(tx, repo.id, gone)
    key = f"refresh_storage:{repo.id}"
    queue.enqueue(tx, "refresh_storage", {"repo": repo.id}, now=now, dedup_key=key)
    queue.enqueue(tx, "forget_lfs", {}, now=now, dedup_key="forget_lfs")
    audit.record(
        tx,
        at=now,
        actor=viewer.name,
        action="lfs.delete",
        subject=f"{repo.type.value}:{repo.repo_id}",
        owner_id=repo.owner_id,
        files=len(doomed.files),
        objects=sorted(gone)[:100],
        rewrite_history=is_rewritten,
    )


# --- lending to another repository ----------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Failed:
    """An object that could not be given to the other repository, and why."""

    sha256: str
    message: str


def duplicate_files(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    target_type: RepoType,
    target_id: RepoId,
    wanted: Sequence[Sha256],
) -> list[Failed]:
    """Let the target name objects of the source without moving bytes; returns those that could not be.

    Needs the right to read the source and to write, or propose, to the target. Opens one write unit.
    Raises: what `lookup.find` raises for either; QuotaExceeded.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        source = lookup.find(tx, viewer, repo_type, repo_id, need=Need.READ)
        target = lookup.find(tx, viewer, target_type, target_id, need=Need.PROPOSE)
        there = storage_rows.find_linked(tx, source.id, wanted)
        locked = storage_rows.lock_objects(tx, list(there))
        known = storage_rows.find_linked(tx, target.id, wanted)
        fresh = [each for sha256, each in locked.items() if sha256 not in known]
        room = uploads.room_left(
            tx, owner=target.owner_id, limit_bytes=sv.settings.limits.namespace_storage_bytes
        )
        added = sum(each.size_bytes for each in fresh)
        if room is not None and added > room:
            raise QuotaExceeded(f"These {added} bytes would exceed the storage quota of the namespace.")
        for each in fresh:
            storage_rows.link(tx, target.id, each, now=now)
    return [
        Failed(sha256, f"{source.repo_id} has no such object.") for sha256 in wanted if sha256 not in locked
    ]

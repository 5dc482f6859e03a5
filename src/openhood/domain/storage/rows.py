"""The queries on large files: objects, links to repositories, uploads, parts, files, doomed keys. Never commits.

Where several rows are locked, the order is: upload, objects by hash, repository. Changes of refs lock
the repository only, so the two cannot wait for each other in a circle.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlalchemy import and_, bindparam, delete, exists, func, insert, or_, select, update

from openhood.base.names import Sha256, XetHash
from openhood.domain.storage.types import LfsFile, LfsObject, Upload
from openhood.infra.db.engine import Tx, insert_ignore, upsert
from openhood.infra.db.tables import (
    doomed_objects,
    lfs_files,
    lfs_objects,
    lfs_parts,
    lfs_uploads,
    packs,
    repo_lfs,
    repos,
)

T = TypeVar("T")

BATCH = 500

_OBJECT = (
    lfs_objects.c.sha256,
    lfs_objects.c.size_bytes,
    lfs_objects.c.key,
    lfs_objects.c.xet_hash,
)


def batches(items: Iterable[T]) -> Iterator[list[T]]:
    """Yield the items in lists that fit into one statement."""
    everything = list(items)
    for start in range(0, len(everything), BATCH):
        yield everything[start : start + BATCH]


def _object(row: Any) -> LfsObject:  # Any: rows are typed differently by each SQLAlchemy
    xet_hash = None if row.xet_hash is None else XetHash(row.xet_hash)
    return LfsObject(Sha256(row.sha256), row.size_bytes, row.key, xet_hash)


# --- objects and which repository may name them ---------------------------------------------


def find_linked(tx: Tx, repo: int, wanted: Collection[Sha256]) -> dict[Sha256, LfsObject]:
    """Return those of ``wanted`` that the repository has."""
    found: dict[Sha256, LfsObject] = {}
    for batch in batches(wanted):
        rows = tx.execute(_LINKED, {"repo": repo, "wanted": batch})
        found |= {row.sha256: _object(row) for row in rows}
    return found


_LINKED = (
    select(*_OBJECT)
    .join(repo_lfs, repo_lfs.c.sha256 == lfs_objects.c.sha256)
    .where(
        repo_lfs.c.repo_id == bindparam("repo"), repo_lfs.c.sha256.in_(bindparam("wanted", expanding=True))
    )
)


def lock_objects(tx: Tx, wanted: Collection[Sha256]) -> dict[Sha256, LfsObject]:
    """Return those of ``wanted`` that exist, so that nobody forgets them before this unit ends."""
    found: dict[Sha256, LfsObject] = {}
    for batch in batches(sorted(wanted)):
        chosen = select(*_OBJECT).where(lfs_objects.c.sha256.in_(batch)).order_by(lfs_objects.c.sha256)
        found |= {row.sha256: _object(row) for row in tx.execute(chosen.with_for_update())}
    return found


def insert_objects(tx: Tx, made: Iterable[LfsObject], *, now: datetime) -> None:
    """Insert objects, in the order of their hashes, unless they are there already."""
    values = [
        {
            "sha256": each.sha256,
            "size_bytes": each.size_bytes,
            "key": each.key,
            "xet_hash": each.xet_hash,
            "created_at": now,
        }
        for each in sorted(made, key=lambda each: each.sha256)
    ]
    for batch in batches(values):
        tx.execute(insert_ignore(tx, lfs_objects), batch)


def set_xet_hash(tx: Tx, sha256: Sha256, xet_hash: XetHash) -> bool:
    """Let an object be served as a Xet file unless it is already; tells whether it was not."""
    done = tx.execute(
        update(lfs_objects)
        .where(lfs_objects.c.sha256 == sha256, lfs_objects.c.xet_hash.is_(None))
        .values(xet_hash=xet_hash)
    )
    return done.rowcount == 1


def switch_xet_hash(tx: Tx, sha256: Sha256, *, expected: XetHash, xet_hash: XetHash) -> None:
    """Let an object be served as another Xet file than the expected one."""
    tx.execute(
        update(lfs_objects)
        .where(lfs_objects.c.sha256 == sha256, lfs_objects.c.xet_hash == expected)
        .values(xet_hash=xet_hash)
    )


def drop_key(tx: Tx, sha256: Sha256, *, key: str) -> bool:
    """Forget the whole copy of an object that is there as a Xet file too; tells whether it did."""
    done = tx.execute(
        update(lfs_objects)
        .where(lfs_objects.c.sha256 == sha256, lfs_objects.c.key == key, lfs_objects.c.xet_hash.is_not(None))
        .values(key=None)
    )
    return done.rowcount == 1


def get_object(tx: Tx, sha256: Sha256) -> LfsObject | None:
    """Return an object, whoever may name it."""
    row = tx.execute(select(*_OBJECT).where(lfs_objects.c.sha256 == sha256)).first()
    return None if row is None else _object(row)


def find_objects(tx: Tx, wanted: Collection[Sha256]) -> dict[Sha256, LfsObject]:
    """Return those of ``wanted`` that exist, whoever may name them."""
    found: dict[Sha256, LfsObject] = {}
    for batch in batches(wanted):
        chosen = select(*_OBJECT).where(lfs_objects.c.sha256.in_(batch))
        found |= {row.sha256: _object(row) for row in tx.execute(chosen)}
    return found


def link(tx: Tx, repo: int, found: LfsObject, *, now: datetime) -> bool:
    """Let the repository name the object; tells whether it could not before. Its storage grows."""
    return link_all(tx, repo, [found], now=now) == 1


def link_all(tx: Tx, repo: int, found: Collection[LfsObject], *, now: datetime) -> int:
    """Do as `link` with several objects; returns how many the repository could not name before."""
    added, size_bytes = 0, 0
    statement = insert_ignore(tx, repo_lfs).returning(repo_lfs.c.sha256)
    sizes = {each.sha256: each.size_bytes for each in found}
    for batch in batches(sorted(sizes)):
        values = [{"repo_id": repo, "sha256": sha256, "created_at": now} for sha256 in batch]
        fresh = list(tx.execute(statement, values).scalars())
        added += len(fresh)
        size_bytes += sum(sizes[Sha256(sha256)] for sha256 in fresh)
    if size_bytes:
        tx.execute(
            update(repos)
            .where(repos.c.id == repo)
            .values(used_storage_bytes=repos.c.used_storage_bytes + size_bytes)
        )
    return added


def unlink(tx: Tx, repo: int, gone: Collection[Sha256]) -> None:
    """Take objects away from the repository."""
    for batch in batches(gone):
        tx.execute(delete(repo_lfs).where(repo_lfs.c.repo_id == repo, repo_lfs.c.sha256.in_(batch)))


def list_unreferenced(tx: Tx, *, after: str, limit: int) -> tuple[list[Sha256], str | None]:
    """Return objects no repository names, among the next ``limit`` by hash, and where to go on."""
    page = (
        select(lfs_objects.c.sha256)
        .where(lfs_objects.c.sha256 > after)
        .order_by(lfs_objects.c.sha256)
        .limit(limit)
    )
    hashes = list(tx.execute(page).scalars())
    if not hashes:
        return [], None
    named = exists().where(repo_lfs.c.sha256 == lfs_objects.c.sha256)
    chosen = select(lfs_objects.c.sha256).where(
        lfs_objects.c.sha256 > after, lfs_objects.c.sha256 <= hashes[-1], ~named
    )
    return [Sha256(text) for text in tx.execute(chosen).scalars()], hashes[-1]


def forget_unreferenced(tx: Tx, candidates: Collection[Sha256]) -> list[LfsObject]:
    """Remove those of ``candidates`` that still no repository names, and return them."""
    locked = lock_objects(tx, candidates)
    gone: list[LfsObject] = []
    for batch in batches(locked):
        # Asked after the lock: on PostgreSQL a statement sees what was committed before it began.
        named = set(tx.execute(select(repo_lfs.c.sha256).where(repo_lfs.c.sha256.in_(batch))).scalars())
        free = [sha256 for sha256 in batch if sha256 not in named]
        tx.execute(delete(lfs_objects).where(lfs_objects.c.sha256.in_(free)))
        gone += [locked[sha256] for sha256 in free]
    return gone


# --- storage used ---------------------------------------------------------------------------


def get_owner(tx: Tx, repo: int) -> int | None:
    """Return the account that owns the repository; None when it is gone."""
    return tx.execute(select(repos.c.owner_id).where(repos.c.id == repo)).scalar()


def namespace_bytes(tx: Tx, owner: int) -> int:
    """Return the storage that the repositories of an account use, in bytes."""
    total = select(func.coalesce(func.sum(repos.c.used_storage_bytes), 0)).where(repos.c.owner_id == owner)
    return int(tx.execute(total).scalar_one())


def measure_repo(tx: Tx, repo: int) -> tuple[int, int] | None:
    """Return the storage noted for a repository and what its objects and packs add up to."""
    noted = tx.execute(select(repos.c.used_storage_bytes).where(repos.c.id == repo)).scalar()
    if noted is None:
        return None
    objects = (
        select(func.coalesce(func.sum(lfs_objects.c.size_bytes), 0))
        .join(repo_lfs, repo_lfs.c.sha256 == lfs_objects.c.sha256)
        .where(repo_lfs.c.repo_id == repo)
    )
    live = select(func.coalesce(func.sum(packs.c.size_bytes), 0)).where(
        packs.c.repo_id == repo, packs.c.retired_at.is_(None)
    )
    return noted, int(tx.execute(objects).scalar_one()) + int(tx.execute(live).scalar_one())


def set_repo_bytes(tx: Tx, repo: int, *, size_bytes: int, expected: int) -> bool:
    """Note the storage of a repository if it still says ``expected``; tells whether it did."""
    done = tx.execute(
        update(repos)
        .where(repos.c.id == repo, repos.c.used_storage_bytes == expected)
        .values(used_storage_bytes=size_bytes)
    )
    return done.rowcount == 1


# --- uploads under way ----------------------------------------------------------------------


def _upload(row: Any) -> Upload:  # Any: see _object
    return Upload(
        id=row.id,
        repo=row.repo_id,
        user=row.user_id,
        sha256=Sha256(row.sha256),
        size_bytes=row.size_bytes,
        part_bytes=row.part_bytes,
        key=row.key,
        store_state=row.store_state,
        expires_at=row.expires_at,
    )


def insert_uploads(tx: Tx, uploads: Sequence[Upload], *, now: datetime) -> None:
    """Insert uploads. Raises IntegrityError where the repository is gone."""
    for batch in batches(uploads):
        tx.execute(
            insert(lfs_uploads),
            [
                {
                    "id": upload.id,
                    "repo_id": upload.repo,
                    "user_id": upload.user,
                    "sha256": upload.sha256,
                    "size_bytes": upload.size_bytes,
                    "part_bytes": upload.part_bytes,
                    "key": upload.key,
                    "created_at": now,
                    "expires_at": upload.expires_at,
                }
                for upload in batch
            ],
        )


def get_upload(tx: Tx, upload: str) -> Upload | None:
    """Return an upload that is neither finished nor swept away."""
    row = tx.execute(select(lfs_uploads).where(lfs_uploads.c.id == upload)).first()
    return None if row is None else _upload(row)


def take_upload(tx: Tx, upload: str) -> bool:
    """Remove an upload, its parts with it; tells whether it was there. Of several units one gets it."""
    return tx.execute(delete(lfs_uploads).where(lfs_uploads.c.id == upload)).rowcount == 1


def set_store_state(tx: Tx, upload: str, state: str) -> bool:
    """Note the store's handle of a multipart write unless one is noted; tells whether it was written."""
    done = tx.execute(
        update(lfs_uploads)
        .where(lfs_uploads.c.id == upload, lfs_uploads.c.store_state.is_(None))
        .values(store_state=state)
    )
    return done.rowcount == 1


def list_expired_uploads(tx: Tx, *, now: datetime, limit: int) -> list[Upload]:
    """Return uploads whose time is over, the oldest first."""
    chosen = select(lfs_uploads).where(lfs_uploads.c.expires_at <= now)
    return [_upload(row) for row in tx.execute(chosen.order_by(lfs_uploads.c.expires_at).limit(limit))]


def put_part(tx: Tx, upload: str, *, number: int, tag: str, size_bytes: int) -> bool:
    """Note a part that the store has; False when the upload is gone."""
    alive = select(lfs_uploads.c.id).where(lfs_uploads.c.id == upload).with_for_update(key_share=True)
    if tx.execute(alive).first() is None:
        return False
    statement = upsert(tx, lfs_parts, key=["upload_id", "number"], update=["tag", "size_bytes"])
    tx.execute(statement.values(upload_id=upload, number=number, tag=tag, size_bytes=size_bytes))
    return True


def drop_part(tx: Tx, upload: str, number: int) -> None:
    """Forget a part: it is being sent again."""
    tx.execute(delete(lfs_parts).where(lfs_parts.c.upload_id == upload, lfs_parts.c.number == number))


def has_part(tx: Tx, upload: str, number: int) -> bool:
    """Tell whether the part is noted."""
    chosen = select(lfs_parts.c.number).where(lfs_parts.c.upload_id == upload, lfs_parts.c.number == number)
    return tx.execute(chosen).first() is not None


def list_part_tags(tx: Tx, upload: str) -> dict[int, str]:
    """Return the tags of the parts that the store has, by number."""
    chosen = select(lfs_parts.c.number, lfs_parts.c.tag).where(lfs_parts.c.upload_id == upload)
    return {row.number: row.tag for row in tx.execute(chosen.order_by(lfs_parts.c.number))}


# --- paths that name objects ----------------------------------------------------------------

_FILE = (
    lfs_files.c.file_oid,
    lfs_files.c.path,
    lfs_files.c.sha256,
    lfs_files.c.size_bytes,
    lfs_files.c.ref,
    lfs_files.c.pushed_at,
)


def _file(row: Any) -> LfsFile:  # Any: see _object
    return LfsFile(row.file_oid, row.path, Sha256(row.sha256), row.size_bytes, row.ref, row.pushed_at)


def list_files(tx: Tx, repo: int, *, after: tuple[datetime, str] | None, limit: int) -> list[LfsFile]:
    """Return files of a repository, the latest pushed first, following the moment and oid of ``after``."""
    chosen = select(*_FILE).where(lfs_files.c.repo_id == repo)
    if after is not None:
        moment, file_oid = after
        chosen = chosen.where(
            or_(
                lfs_files.c.pushed_at < moment,
                and_(lfs_files.c.pushed_at == moment, lfs_files.c.file_oid > file_oid),
            )
        )
    chosen = chosen.order_by(lfs_files.c.pushed_at.desc(), lfs_files.c.file_oid).limit(limit)
    return [_file(row) for row in tx.execute(chosen)]


def find_files(
    tx: Tx, repo: int, *, file_oids: Collection[str], sha256s: Collection[Sha256]
) -> list[LfsFile]:
    """Return the files with one of these oids, and all that name one of these objects."""
    found: dict[str, LfsFile] = {}
    for column, wanted in ((lfs_files.c.file_oid, file_oids), (lfs_files.c.sha256, sha256s)):
        for batch in batches(wanted):
            chosen = select(*_FILE).where(lfs_files.c.repo_id == repo, column.in_(batch))
            found |= {row.file_oid: _file(row) for row in tx.execute(chosen)}
    return list(found.values())


def delete_files(tx: Tx, repo: int, file_oids: Collection[str]) -> None:
    """Remove files from the listing."""
    for batch in batches(file_oids):
        tx.execute(delete(lfs_files).where(lfs_files.c.repo_id == repo, lfs_files.c.file_oid.in_(batch)))


def still_named(tx: Tx, repo: int, wanted: Collection[Sha256]) -> set[Sha256]:
    """Return those of ``wanted`` that some file of the listing still names."""
    found: set[Sha256] = set()
    for batch in batches(wanted):
        chosen = select(lfs_files.c.sha256).where(lfs_files.c.repo_id == repo, lfs_files.c.sha256.in_(batch))
        found |= {Sha256(text) for text in tx.execute(chosen.distinct()).scalars()}
    return found


# --- keys nobody names any more -------------------------------------------------------------


def doom(tx: Tx, keys: Iterable[str], *, delete_after: datetime) -> None:
    """Hand keys to the sweeper; one that is there already keeps its moment."""
    for key in keys:
        tx.execute(insert_ignore(tx, doomed_objects).values(key=key, delete_after=delete_after))


def hasten_doomed(tx: Tx, *, due_until: datetime, now: datetime) -> None:
    """Let the time of the keys that would be due until a moment be over now."""
    waiting = (doomed_objects.c.delete_after > now) & (doomed_objects.c.delete_after <= due_until)
    tx.execute(update(doomed_objects).where(waiting).values(delete_after=now))


def reprieve(tx: Tx, key: str, *, now: datetime) -> bool:
    """Take a key back from the sweeper; False when its time is over or it was not there."""
    done = tx.execute(
        delete(doomed_objects).where(doomed_objects.c.key == key, doomed_objects.c.delete_after > now)
    )
    return done.rowcount == 1


def list_doomed(tx: Tx, *, now: datetime, after: str, limit: int) -> list[str]:
    """Return keys whose moment has come, by key, from beyond ``after`` on."""
    chosen = select(doomed_objects.c.key).where(
        doomed_objects.c.delete_after <= now, doomed_objects.c.key > after
    )
    return list(tx.execute(chosen.order_by(doomed_objects.c.key).limit(limit)).scalars())


def drop_doomed(tx: Tx, keys: Collection[str]) -> None:
    """Forget keys that are gone from the store."""
    for batch in batches(keys):
        tx.execute(delete(doomed_objects).where(doomed_objects.c.key.in_(batch)))

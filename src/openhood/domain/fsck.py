"""Checking that everything the rows claim is really there: every ref, pack, large file and hash.

Reads only. Each finding says what is wrong and what to do; leftovers of crashes are notes, since
nothing names them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from openhood.base.errors import HubError, ObjectMissing
from openhood.base.names import MAIN, Sha256
from openhood.base.ports import StoredObject
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import fsck as git_fsck
from openhood.engines.git.commands import new_blobs
from openhood.engines.lfs import parse_pointer
from openhood.infra import keys
from openhood.infra.db.tables import doomed_objects, lfs_objects, lfs_uploads, packs, repo_lfs, repos

LEFTOVER_AGE_S = 86400.0
_CHUNK = 4 * 1024 * 1024
_PAGE = 500
_POINTER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. ``level`` ``note`` is harmless, ``error`` is damage."""

    level: Literal["error", "note"]
    subject: str
    problem: str
    remedy: str


def check_all(sv: Services, *, deep: bool) -> Iterator[Finding]:
    """Yield every finding, repository by repository, then the large files, then what nobody names.

    Args: ``deep`` reads and hashes every large file too; otherwise its size is compared.
    """
    for repo in _repos(sv):
        yield from check_repo(sv, repo)
    yield from _check_large_files(sv, deep=deep)
    for stored in leftovers(sv, older_than_s=LEFTOVER_AGE_S):
        problem = (
            f"no row names these {stored.size_bytes} bytes: a change was cut off before it became visible"
        )
        yield Finding(
            "note", stored.key, problem, "Harmless. 'openhood fsck --sweep' removes such leftovers."
        )


def check_repo(sv: Services, repo: Repo) -> Iterator[Finding]:
    """Yield the findings of one repository: its packs, refs, git objects and LFS pointers."""
    subject = f"{repo.type.value} {repo.repo_id}"
    missing = list(_missing_packs(sv, repo, subject))
    yield from missing
    if missing:
        return  # everything else would only repeat it
    try:
        with gitdb.snapshot(sv, repo) as gitdir:
            for complaint in git_fsck(gitdir):
                yield Finding("error", subject, f"git: {complaint}", _RESTORE)
    except HubError as error:
        yield Finding("error", subject, error.message, _RESTORE)
        return
    yield from _check_refs(sv, repo, subject)
    yield from _check_pointers(sv, repo, subject)


_RESTORE = (
    "Restore the object store from a backup taken at or after the database's, or push the repository again."
)


def _repos(sv: Services) -> Iterator[Repo]:
    last = 0
    while True:
        with sv.db.read() as tx:
            numbers = list(
                tx.execute(
                    select(repos.c.id).where(repos.c.id > last).order_by(repos.c.id).limit(_PAGE)
                ).scalars()
            )
            found = [repo for number in numbers if (repo := rows.get_repo_by_number(tx, number)) is not None]
        if not numbers:
            return
        last = numbers[-1]
        yield from found


def _missing_packs(sv: Services, repo: Repo, subject: str) -> Iterator[Finding]:
    with sv.db.read() as tx:
        known = tx.execute(
            select(packs.c.name, packs.c.size_bytes).where(
                packs.c.repo_id == repo.id, packs.c.retired_at.is_(None)
            )
        ).all()
    for row in known:
        size = sv.objects.size(keys.git_pack(repo.id, row.name))
        if size is None or sv.objects.size(keys.git_index(repo.id, row.name)) is None:
            yield Finding("error", subject, f"pack {row.name} is missing from the object store", _RESTORE)
        elif size != row.size_bytes:
            yield Finding(
                "error", subject, f"pack {row.name} has {size} bytes, not {row.size_bytes}", _RESTORE
            )
        elif not _has_own_name(sv, repo.id, row.name):
            yield Finding(
                "error", subject, f"pack {row.name} does not have the checksum it is named by", _RESTORE
            )


def _has_own_name(sv: Services, repo: int, name: str) -> bool:
    """Tell whether a pack's bytes have the SHA-1 in its trailer."""
    digest = hashlib.sha1(usedforsecurity=False)
    tail = b""
    for chunk in sv.objects.stream(keys.git_pack(repo, name), chunk_bytes=_CHUNK):
        data = tail + chunk
        digest.update(data[:-20])
        tail = data[-20:]
    return digest.digest() == tail


def _check_refs(sv: Services, repo: Repo, subject: str) -> Iterator[Finding]:
    objects = gitdb.open_objects(sv, repo)
    with sv.db.read() as tx:
        refs = rows.list_refs(tx, repo.id)
        fresh = rows.get_repo_by_number(tx, repo.id)
    for ref in refs:
        if not objects.exists(ref.oid):
            yield Finding("error", subject, f"{ref.name} names {ref.oid}, which is missing", _RESTORE)
        elif objects.peel_to_commit(ref.oid) != ref.commit_oid:
            yield Finding("error", subject, f"{ref.name} does not come down to {ref.commit_oid}", _RESTORE)
    main = next((ref.commit_oid for ref in refs if ref.name == MAIN), None)
    if fresh is not None and fresh.head_oid != main:
        yield Finding("error", subject, "the row's head is not the tip of main", "Commit to main once more.")


def _check_pointers(sv: Services, repo: Repo, subject: str) -> Iterator[Finding]:
    """Every pointer that any ref reaches names an object the repository holds."""
    objects = gitdb.open_objects(sv, repo)
    wanted: dict[Sha256, str] = {}
    with gitdb.snapshot(sv, repo) as gitdir:
        with sv.db.read() as tx:
            tips = [ref.commit_oid for ref in rows.list_refs(tx, repo.id)]
        if tips:
            for blob in new_blobs(gitdir, tips, []):
                if blob.size_bytes < _POINTER_BYTES:
                    pointer = parse_pointer(objects.read(blob.oid)[1])
                    if pointer is not None:
                        wanted[pointer.oid] = blob.path
    with sv.db.read() as tx:
        held = set(tx.execute(select(repo_lfs.c.sha256).where(repo_lfs.c.repo_id == repo.id)).scalars())
    for sha256, path in wanted.items():
        if sha256 not in held:
            yield Finding(
                "error", subject, f"{path} points to {sha256}, which the repository does not hold", _UPLOAD
            )


_UPLOAD = "Upload the file again: the client will send its bytes."


def _check_large_files(sv: Services, *, deep: bool) -> Iterator[Finding]:
    last = ""
    while True:
        with sv.db.read() as tx:
            page = tx.execute(
                select(lfs_objects.c.sha256, lfs_objects.c.size_bytes, lfs_objects.c.key)
                .where(lfs_objects.c.sha256 > last)
                .order_by(lfs_objects.c.sha256)
                .limit(_PAGE)
            ).all()
        if not page:
            return
        last = page[-1].sha256
        for row in page:
            subject = f"large file {row.sha256}"
            size = sv.objects.size(row.key)
            if size is None:
                yield Finding("error", subject, "its bytes are missing from the object store", _UPLOAD)
            elif size != row.size_bytes:
                yield Finding("error", subject, f"it has {size} bytes, not {row.size_bytes}", _UPLOAD)
            elif deep and _sha256_of(sv, row.key) != row.sha256:
                yield Finding("error", subject, "its bytes have another SHA-256: they rotted", _UPLOAD)


def _sha256_of(sv: Services, key: str) -> str:
    digest = hashlib.sha256()
    try:
        for chunk in sv.objects.stream(key, chunk_bytes=_CHUNK):
            digest.update(chunk)
    except ObjectMissing:
        return ""
    return digest.hexdigest()


def leftovers(sv: Services, *, older_than_s: float) -> Iterator[StoredObject]:
    """Yield stored objects that no row names and that are older than ``older_than_s``.

    They are what a crash leaves: bytes are written before the row that makes them visible. Younger
    ones may belong to a change that is under way.
    """
    oldest = time.time() - older_than_s
    page: list[StoredObject] = []
    for stored in sv.objects.list(""):
        if stored.modified_at_s < oldest:
            page.append(stored)
        if len(page) == _PAGE:
            yield from _unknown(sv, page)
            page = []
    yield from _unknown(sv, page)


def _unknown(sv: Services, page: list[StoredObject]) -> list[StoredObject]:
    names = [stored.key for stored in page]
    packed = [found for key in names if (found := keys.parse_git(key)) is not None]
    with sv.db.read() as tx:
        known = set(tx.execute(select(lfs_objects.c.key).where(lfs_objects.c.key.in_(names))).scalars())
        known |= set(tx.execute(select(lfs_uploads.c.key).where(lfs_uploads.c.key.in_(names))).scalars())
        known |= set(
            tx.execute(select(doomed_objects.c.key).where(doomed_objects.c.key.in_(names))).scalars()
        )
        pack_names = {name for _repo, name in packed}
        rows_found = tx.execute(select(packs.c.repo_id, packs.c.name).where(packs.c.name.in_(pack_names)))
        live = {(row.repo_id, row.name) for row in rows_found}
    known |= {key for key in names if keys.parse_git(key) in live}
    return [stored for stored in page if stored.key not in known]

"""Checking that everything the rows claim is really there: every ref, pack, large file and hash.

Reads only, but for `sweep`. Each finding says what is wrong and what to do; leftovers of crashes are notes, since
nothing names them.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select

from openhood.base.errors import HubError, NotFound, ObjectMissing
from openhood.base.names import MAIN, RepoId, RepoType, Sha256
from openhood.base.ports import StoredObject
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import fsck as git_fsck
from openhood.engines.git.commands import new_blobs
from openhood.engines.lfs import MAX_POINTER_BYTES, parse_pointer
from openhood.infra import keys
from openhood.infra.db.tables import doomed_objects, lfs_objects, lfs_uploads, packs, repo_lfs, repos

LEFTOVER_AGE_S = 86400.0
_CHUNK = 4 * 1024 * 1024
_PAGE = 500
_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be. ``level`` ``note`` is harmless, ``error`` is damage."""

    level: Literal["error", "note"]
    subject: str
    problem: str
    remedy: str


Step = Callable[[str], None]
"""Told what is looked at next, for whoever watches."""


def check_all(sv: Services, *, deep: bool, step: Step) -> Iterator[Finding]:
    """Yield every finding, repository by repository, then the large files, then what nobody names.

    Args: ``deep`` reads and hashes every large file too; otherwise its size is compared. Works beside a
    running hub.
    """
    for repo in _repos(sv):
        step(_subject(repo))
        yield from check_repo(sv, repo)
    step("large files")
    yield from _check_large_files(sv, None, deep=deep)
    step("the object store")
    for stored in leftovers(sv, older_than_s=LEFTOVER_AGE_S):
        problem = (
            f"no row names these {stored.size_bytes} bytes: a change was cut off before it became visible"
        )
        yield Finding(
            "note", stored.key, problem, "Harmless. 'openhood fsck --sweep' removes such leftovers."
        )


def check_one(
    sv: Services, *, repo_type: RepoType, repo_id: RepoId, deep: bool, step: Step
) -> Iterator[Finding]:
    """Yield the findings of one repository and of its large files. Raises NotFound."""
    with sv.db.read() as tx:
        repo = rows.get_repo(tx, repo_type, repo_id)
    if repo is None:
        raise NotFound(f"There is no {repo_type.value} {repo_id}.")
    step(_subject(repo))
    yield from check_repo(sv, repo)
    step("large files")
    yield from _check_large_files(sv, repo, deep=deep)


def check_repo(sv: Services, repo: Repo) -> Iterator[Finding]:
    """Yield the findings of one repository: its packs, refs, git objects and LFS pointers."""
    findings: list[Finding] = []
    for _ in range(_ATTEMPTS):
        findings = list(_check_repo(sv, repo))
        with sv.db.read() as tx:
            now = rows.get_repo_by_number(tx, repo.id)
        if now is None:
            return  # deleted while it was looked at
        if not findings or now == repo:
            break
        repo = now  # changed while it was looked at: what was found may be neither old nor new
    yield from findings


def _check_repo(sv: Services, repo: Repo) -> Iterator[Finding]:
    subject = _subject(repo)
    missing = list(_missing_packs(sv, repo, subject))
    yield from missing
    if missing:
        return  # everything else would only repeat it
    try:
        with gitdb.snapshot(sv, repo) as gitdir:
            complaints = git_fsck(gitdir)
    except HubError as error:
        yield Finding("error", subject, error.message, _RESTORE)
        return
    for complaint in complaints:
        yield Finding("error", subject, f"git: {complaint}", _CACHE)
    if complaints:
        return  # reading further would fail on the same objects
    yield from _check_refs(sv, repo, subject)
    yield from _check_pointers(sv, repo, subject)


def _subject(repo: Repo) -> str:
    return f"{repo.type.value} {repo.repo_id}"


_CACHE = (
    "The stored packs have their checksums, so delete the hub's cache directory while it is stopped and check again. "
    "If git still complains, push the repository anew."
)
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
        problem = _problem_of_pack(sv, repo, row.name, row.size_bytes)
        if problem is not None:
            yield Finding("error", subject, f"pack {row.name} {problem}", _RESTORE)


def _problem_of_pack(sv: Services, repo: Repo, name: str, size_bytes: int) -> str | None:
    key, index = keys.git_pack(repo.id, name), keys.git_index(repo.id, name)
    size = sv.objects.size(key)
    if size is None or sv.objects.size(index) is None:
        return "is missing from the object store"
    if size != size_bytes:
        return f"has {size} bytes, not {size_bytes}"
    # A pack ends with the SHA-1 of all before, which is its name; its index ends with the pack's and its own.
    digest, end = _digest_and_end(sv, key)
    if digest != end[-20:] or digest.hex() != name:
        return "does not have the checksum it is named by"
    digest, end = _digest_and_end(sv, index)
    if digest != end[-20:] or end[:20].hex() != name:
        return "has an index that is damaged or belongs to another pack"
    return None


def _digest_and_end(sv: Services, key: str) -> tuple[bytes, bytes]:
    """Return the SHA-1 of all but the last 20 bytes of an object, and its last 40 bytes."""
    digest = hashlib.sha1(usedforsecurity=False)
    end = b""
    for chunk in sv.objects.stream(key, chunk_bytes=_CHUNK):
        data = end + chunk
        # The last 40 bytes wait: 20 of them are hashed at the end.
        digest.update(data[:-40])
        end = data[-40:]
    digest.update(end[:-20])
    return digest.digest(), end


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
                if blob.size_bytes < MAX_POINTER_BYTES:
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


def _check_large_files(sv: Services, repo: Repo | None, *, deep: bool) -> Iterator[Finding]:
    last = ""
    columns = (lfs_objects.c.sha256, lfs_objects.c.size_bytes, lfs_objects.c.key)
    chosen = select(*columns).order_by(lfs_objects.c.sha256).limit(_PAGE)
    if repo is not None:
        chosen = chosen.join(repo_lfs, repo_lfs.c.sha256 == lfs_objects.c.sha256).where(
            repo_lfs.c.repo_id == repo.id
        )
    while True:
        with sv.db.read() as tx:
            page = tx.execute(chosen.where(lfs_objects.c.sha256 > last)).all()
        if not page:
            return
        last = page[-1].sha256
        for row in page:
            problem = _problem_of_large_file(sv, row.sha256, row.size_bytes, row.key, deep=deep)
            if problem is not None and _is_current(sv, row.sha256, row.key):
                yield Finding("error", f"large file {row.sha256}", problem, _UPLOAD)


def _problem_of_large_file(sv: Services, sha256: str, size_bytes: int, key: str, *, deep: bool) -> str | None:
    size = sv.objects.size(key)
    if size is None:
        return "its bytes are missing from the object store"
    if size != size_bytes:
        return f"it has {size} bytes, not {size_bytes}"
    if deep and _sha256_of(sv, key) != sha256:
        return "its bytes have another SHA-256: they rotted"
    return None


def _is_current(sv: Services, sha256: str, key: str) -> bool:
    """Tell whether the row is still there: the object may have been deleted while it was looked at."""
    with sv.db.read() as tx:
        chosen = select(lfs_objects.c.key).where(lfs_objects.c.sha256 == sha256)
        return tx.execute(chosen).scalar() == key


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


def sweep(sv: Services, *, older_than_s: float) -> Iterator[str]:
    """Delete the `leftovers`, and yield their keys.

    Asked once more right before: a row may have come to name one meanwhile.
    """
    for stored in list(leftovers(sv, older_than_s=older_than_s)):
        if _unknown(sv, [stored]):
            sv.objects.delete(stored.key)
            yield stored.key


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

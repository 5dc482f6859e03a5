"""Checking repositories: packs and their checksums, refs, git objects, and that pointers name what is held.

Large files themselves are checked in `large_files`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from sqlalchemy import select

from openhood.base.errors import HubError
from openhood.base.names import MAIN, Sha256
from openhood.domain.fsck.findings import RESTORE, UPLOAD, Finding
from openhood.domain.repos import gitdb, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import fsck as git_fsck
from openhood.engines.git.commands import new_blobs
from openhood.engines.lfs import MAX_POINTER_BYTES, parse_pointer
from openhood.infra import keys
from openhood.infra.db.tables import packs, repo_lfs, repos

_CHUNK = 4 * 1024 * 1024
_PAGE = 500
_ATTEMPTS = 3


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
    subject = subject_of(repo)
    missing = list(_missing_packs(sv, repo, subject))
    yield from missing
    if missing:
        return  # everything else would only repeat it
    try:
        with gitdb.snapshot(sv, repo) as gitdir:
            complaints = git_fsck(gitdir)
    except HubError as error:
        yield Finding("error", subject, error.message, RESTORE)
        return
    for complaint in complaints:
        yield Finding("error", subject, f"git: {complaint}", _CACHE)
    if complaints:
        return  # reading further would fail on the same objects
    yield from _check_refs(sv, repo, subject)
    yield from _check_pointers(sv, repo, subject)


def subject_of(repo: Repo) -> str:
    """Return how findings call a repository."""
    return f"{repo.type.value} {repo.repo_id}"


_CACHE = (
    "The stored packs have their checksums, so delete the hub's cache directory while it is stopped and check again. "
    "If git still complains, push the repository anew."
)


def list_repos(sv: Services) -> Iterator[Repo]:
    """Yield every repository, by number. Opens read units."""
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
            yield Finding("error", subject, f"pack {row.name} {problem}", RESTORE)


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
            yield Finding("error", subject, f"{ref.name} names {ref.oid}, which is missing", RESTORE)
        elif objects.peel_to_commit(ref.oid) != ref.commit_oid:
            yield Finding("error", subject, f"{ref.name} does not come down to {ref.commit_oid}", RESTORE)
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
                "error", subject, f"{path} points to {sha256}, which the repository does not hold", UPLOAD
            )

"""What git-lfs and the upload clients ask of a repository: batches, verification, locks.

Permission is decided here; the bytes and the rows of large files are `storage`'s.
"""

from __future__ import annotations

from dataclasses import dataclass

from openhood.base.errors import Forbidden, NotFound, Unauthorized, Unprocessable
from openhood.base.names import RepoId, RepoType, Sha256, parse_path
from openhood.domain import links
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.repos import lookup, xet
from openhood.domain.repos.types import Repo
from openhood.domain.repos.xet import Access
from openhood.domain.services import Services
from openhood.domain.storage import locks, rows, uploads
from openhood.domain.storage.types import LfsObject, Lock, PlannedDownload, Refusal, UploadPlan
from openhood.engines.lfs import BatchObject, BatchRequest

DOWNLOAD = "lfs.download"
DOWNLOAD_LIFETIME_S = 6 * 3600.0
_PRESIGNED_S = 3600


@dataclass(frozen=True, slots=True)
class LockPage:
    """A page of locks and the cursor of the next page."""

    locks: list[Lock]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class XetUpload:
    """How the objects of a batch travel as chunks. ``may_write``: not only for a pull request of the viewer's own."""

    access: Access
    may_write: bool


def plan_upload(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, request: BatchRequest
) -> tuple[Repo, UploadPlan, XetUpload | None]:
    """Decide how each object of a batch gets into a repository. Opens its own units.

    Returns: the repository, the plan, and where that says so how chunks get in.
    Raises: what `lookup.find` raises.
    """
    # git-lfs names the branch it is about to push in full, so it can be refused before the bytes. Other
    # clients upload first and may propose the result as a pull request, which readers may do too.
    is_push = (request.ref_name or "").startswith(("refs/heads/", "refs/tags/"))
    repo = _find(sv, viewer, repo_type, repo_id, need=Need.WRITE if is_push else Need.PROPOSE)
    plan = uploads.plan_uploads(
        sv,
        repo=repo.id,
        owner=repo.owner_id,
        user=_account(viewer),
        objects=request.objects,
        transfers=request.transfers,
    )
    if plan.transfer != "xet":
        return repo, plan, None
    may_write = decide(viewer, repo.facts, Need.WRITE) is Verdict.ALLOW
    return repo, plan, XetUpload(xet.make_access(sv, viewer, repo, may_write=True), may_write)


def plan_download(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, request: BatchRequest
) -> list[PlannedDownload]:
    """Say where each object of a batch can be had; unknown ones are refused one by one. Opens a read unit.

    Raises: what `lookup.find` raises.
    """
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.READ)
        known = rows.find_linked(tx, repo.id, {wish.oid for wish in request.objects})
    return [_plan_one(sv, repo, wish, known.get(wish.oid)) for wish in request.objects]


def _plan_one(sv: Services, repo: Repo, wish: BatchObject, known: LfsObject | None) -> PlannedDownload:
    if known is None:
        refusal = Refusal(404, f"Object {wish.oid} does not exist in this repository.")
        return PlannedDownload(wish.oid, wish.size_bytes, refusal=refusal)
    if known.size_bytes != wish.size_bytes:
        refusal = Refusal(
            422, f"Object {wish.oid} has {known.size_bytes} bytes, not the announced {wish.size_bytes}."
        )
        return PlannedDownload(wish.oid, wish.size_bytes, refusal=refusal)
    url = None
    if sv.settings.redirect_downloads and known.key is not None:
        headers = {"content-type": "application/octet-stream"}
        url = sv.objects.presign_get(known.key, expires_s=_PRESIGNED_S, headers=headers)
    if url is not None:
        return PlannedDownload(wish.oid, wish.size_bytes, url=url)
    facts: links.Facts = {"repo": repo.id, "sha256": known.sha256}
    token = links.make_token(sv, purpose=DOWNLOAD, facts=facts, lifetime_s=DOWNLOAD_LIFETIME_S)
    return PlannedDownload(wish.oid, wish.size_bytes, token=token)


def open_download(sv: Services, *, token: str, sha256: str) -> LfsObject:
    """Return the object that a download's token permits to read. Opens a read unit.

    Raises: BadLink, ExpiredLink; NotFound where the repository has it no more.
    """
    facts = links.check_token(sv, token, purpose=DOWNLOAD)
    if facts["sha256"] != sha256:
        raise links.BadLink("The link was made for another object.")
    wanted = Sha256(sha256)
    with sv.db.read() as tx:
        found = rows.find_linked(tx, int(facts["repo"]), [wanted]).get(wanted)
    if found is None:
        raise NotFound("The object was deleted.")
    return found


def verify(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, sha256: Sha256, size_bytes: int
) -> None:
    """Make sure that an object arrived in a repository. Opens a read unit.

    Raises: what `lookup.find` raises; NotFound if it did not, Unprocessable if it has another size.
    """
    repo = _find(sv, viewer, repo_type, repo_id, need=Need.PROPOSE)
    with sv.db.read() as tx:
        found = rows.find_linked(tx, repo.id, [sha256]).get(sha256)
    if found is None:
        raise NotFound(f"Object {sha256} was not uploaded to this repository. Upload it again.")
    if found.size_bytes != size_bytes:
        raise Unprocessable(f"Object {sha256} has {found.size_bytes} bytes, not {size_bytes}.")


def list_locks(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    path: str | None,
    lock_id: str | None,
    cursor: str | None,
    limit: int,
    need: Need,
) -> LockPage:
    """Return a page of the repository's locks. ``need`` is what the list is for.

    Raises: what `lookup.find` raises; Unprocessable for a cursor that is none.
    """
    repo = _find(sv, viewer, repo_type, repo_id, need=need)
    if cursor and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise Unprocessable("The cursor is not one that this hub gave out.")
    found, following = locks.list_locks(
        sv, repo=repo.id, path=path, lock_id=lock_id, after=int(cursor or 0), limit=limit
    )
    return LockPage(found, None if following is None else str(following))


def create_lock(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, path: str, ref: str | None
) -> Lock:
    """Lock a path. Raises what `lookup.find` raises, InvalidPath, `locks.AlreadyLocked`."""
    checked = parse_path(path)
    repo = _find(sv, viewer, repo_type, repo_id, need=Need.WRITE)
    return locks.create_lock(sv, repo=repo.id, user=_account(viewer), path=checked, ref=ref)


def delete_lock(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, lock_id: str, force: bool
) -> Lock:
    """Unlock a path: one's own, or anybody's with ``force``. Raises what `lookup.find` raises, NotFound, Forbidden."""
    repo = _find(sv, viewer, repo_type, repo_id, need=Need.WRITE)
    return locks.delete_lock(sv, repo=repo.id, user=viewer.user_id, lock_id=lock_id, force=force)


def _find(sv: Services, viewer: Viewer, repo_type: RepoType, repo_id: RepoId, *, need: Need) -> Repo:
    with sv.db.read() as tx:
        try:
            return lookup.find(tx, viewer, repo_type, repo_id, need=need)
        except Forbidden as error:
            if viewer.is_anonymous:
                # git-lfs asks without credentials first, and looks for some only after a 401.
                raise Unauthorized(error.message) from error
            raise


def _account(viewer: Viewer) -> int:
    if viewer.user_id is None:
        raise Forbidden("Only an account can do this, not the administrator at the command line.")
    return viewer.user_id

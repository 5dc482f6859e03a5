"""Creating, moving, duplicating, changing and deleting repositories.

How a repository comes into being crash-safe is `birth`'s; content is changed by commits and pushes only.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from openhood.base.errors import (
    BadRequest,
    Forbidden,
    Moved,
    PayloadTooLarge,
    RepoExists,
    RepoNotFound,
    Unauthorized,
    Unprocessable,
)
from openhood.base.names import RepoId, RepoType, check_repo_name, parse_path
from openhood.domain import audit, events
from openhood.domain.access import Need, Viewer, may_create_in
from openhood.domain.accounts import actions as accounts
from openhood.domain.accounts import groups, rules
from openhood.domain.accounts.types import Account
from openhood.domain.catalog import record
from openhood.domain.repos import birth, lifecycle_rows, lookup, publish, quota, refs, rows, starter
from openhood.domain.repos.types import Consequences, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.engines.formats.card_rules import SPACE_SDKS
from openhood.engines.gitattributes import Attributes
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

VISIBILITIES = ("public", "private", "protected")
GATES = ("", "auto", "manual")
HIDDEN = "hiddenByModerators"
"""The setting of a repository that only an administrator of the hub may make public again."""
_FIRST_MESSAGE = "initial commit"
_UPLOAD_GRACE = timedelta(days=1)
_COPY_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class NewRepo:
    """What a creation asks for.

    ``namespace`` None is the viewer's own; ``visibility`` None is the namespace's default.
    ``files`` go into the first commit by path; ``card`` are the first fields of its README;
    ``resource_group`` is the object id of a group of the namespace.
    """

    type: RepoType
    namespace: str | None
    name: str
    visibility: str | None = None
    resource_group: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    card: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SettingsChange:
    """Settings to change; None leaves one as it is. ``others`` are kept as they come, by their API name."""

    visibility: str | None = None
    gated: str | None = None
    is_disabled: bool | None = None
    others: Mapping[str, object] = field(default_factory=dict)


def create_repo(sv: Services, viewer: Viewer, *, new: NewRepo) -> Repo:
    """Create a repository with its first commit and return it.

    Raises: InvalidName, Unauthorized, Forbidden, RepoExists, QuotaExceeded, BadRequest for an impossible
    visibility, and what is wrong with ``files``.
    """
    check_repo_name(new.name)
    check_visibility(new.type, new.visibility)
    if new.type is RepoType.SPACE and new.card.get("sdk") not in SPACE_SDKS:
        raise BadRequest(f"A space needs an 'sdk', one of: {', '.join(SPACE_SDKS)}.")
    files = starter.files(new.type, name=new.name, card=new.card, given=new.files)
    _check_files(sv, files)
    now = sv.clock.now()
    with sv.db.read() as tx:
        owner, group_id = _place(tx, viewer, new.namespace, new.resource_group, repo_type=new.type)
        repo_id = RepoId(owner.name, new.name)
        birth.refuse_taken(tx, new.type, repo_id)
        quota.check(tx, sv, owner_id=owner.id, namespace=owner.name, added_bytes=0)
    repo = birth.unborn(
        viewer,
        repo_type=new.type,
        repo_id=repo_id,
        owner_id=owner.id,
        visibility=new.visibility or _default_visibility(sv, owner),
        now=now,
        resource_group_id=group_id,
    )
    birth.bear(sv, viewer, repo, files, settings={}, message=_FIRST_MESSAGE)
    return repo


def delete_repo(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> None:
    """Delete a repository: its rows now, its bytes by and by. Raises what `lookup.find` raises but Moved."""
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo = _find_by_body(tx, viewer, repo_type, repo_id)
        publish.lock_repo(tx, repo)
        packs = lifecycle_rows.list_pack_rows(tx, repo.id, retired=True)
        uploads = lifecycle_rows.list_uploads(tx, repo.id)
        # An upload may be under way this very moment, and its bytes land after its row is gone.
        storage_rows.doom(tx, [upload.key for upload in uploads], delete_after=now + _UPLOAD_GRACE)
        lifecycle_rows.delete_repo(tx, repo.id)
        for pack in packs:
            publish.doom_pack(tx, repo.id, pack.name, delete_after=now)
        for job in ("forget_lfs", "delete_doomed"):
            queue.enqueue(tx, job, {}, now=now, dedup_key=job)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="repo.delete",
            subject=_subject(repo),
            owner_id=repo.owner_id,
        )
        _tell(tx, viewer, repo, "repo.delete", now=now)
    sv.packs.forget(repo.id)
    for upload in uploads:
        if upload.store_state is not None:
            # A store that does not know the handle has nothing to drop.
            with suppress(ValueError):
                sv.objects.resume_parts(upload.key, upload.store_state).abort()


def move_repo(sv: Services, viewer: Viewer, *, repo_type: RepoType, old: RepoId, new: RepoId) -> Repo:
    """Give a repository another id, in another namespace too; the old one answers with a redirect.

    Redirects name the repository, not the id, so those of earlier moves lead straight to the newest.
    Raises: what `lookup.find` raises but Moved; Forbidden, RepoExists, QuotaExceeded, InvalidName.
    """
    check_repo_name(new.name)
    now = sv.clock.now()
    try:
        with sv.db.write() as tx:
            publish.lock_repo(tx, _find_by_body(tx, viewer, repo_type, old))
            repo = _find_by_body(tx, viewer, repo_type, old)
            owner = _new_owner(tx, viewer, repo, new.namespace)
            target = RepoId(owner.name, new.name)
            if target.key != repo.repo_id.key:
                birth.refuse_taken(tx, repo_type, target)
                lifecycle_rows.delete_redirect(tx, repo_type, target)
                lifecycle_rows.insert_redirect(tx, repo, now=now)
            if owner.id != repo.owner_id:
                used = lifecycle_rows.get_used_storage(tx, repo.id)
                quota.check(tx, sv, owner_id=owner.id, namespace=owner.name, added_bytes=used)
            lifecycle_rows.update_id(tx, repo, new=target, owner_id=owner.id)
            group_id = repo.resource_group_id if owner.id == repo.owner_id else None
            moved = replace(repo, repo_id=target, owner_id=owner.id, resource_group_id=group_id)
            record.refile(tx, repo.subject)
            for concerned in dict.fromkeys((repo.owner_id, owner.id)):
                audit.record(
                    tx,
                    at=now,
                    actor=viewer.name,
                    action="repo.move",
                    subject=_subject(repo),
                    owner_id=concerned,
                    to=str(target),
                )
            names = {"from": str(old), "to": str(target), "from_owner": repo.owner_id}
            _tell(tx, viewer, moved, "repo.move", now=now, **names)
    except IntegrityError as error:  # PostgreSQL: another one took the id after the look
        raise RepoExists(repo_type.value, str(target), replace(repo, repo_id=target).web_path) from error
    return moved


def see_settings(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId
) -> Mapping[str, object]:
    """Return the settings that are kept by their API name, for who may change them. Opens a read unit.

    Raises: what `lookup.find` raises.
    """
    with sv.db.read() as tx:
        return lifecycle_rows.get_settings(
            tx, lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN).id
        )


def update_settings(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, change: SettingsChange
) -> Repo:
    """Change settings and return the repository as it is now. Raises: BadRequest, what `lookup.find` raises."""
    check_visibility(repo_type, change.visibility)
    if change.gated is not None and change.gated not in GATES:
        raise BadRequest("'gated' must be 'auto', 'manual' or false.")
    if change.is_disabled is not None:
        rules.require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        publish.lock_repo(tx, lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN))
        # Asked again now that nobody else changes it: what it was decides what is counted anew.
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
        kept = lifecycle_rows.get_settings(tx, repo.id)
        if change.visibility not in (None, "private") and not viewer.is_admin:
            _refuse_hidden(kept)
        changed = replace(
            repo,
            visibility=change.visibility or repo.visibility,
            gated=repo.gated if change.gated is None else change.gated,
            is_disabled=repo.is_disabled if change.is_disabled is None else change.is_disabled,
        )
        lifecycle_rows.update_settings(
            tx,
            repo.id,
            visibility=changed.visibility,
            gated=changed.gated,
            is_disabled=changed.is_disabled,
            settings={**kept, **change.others},
        )
        record.refile(tx, repo.subject)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="repo.settings",
            subject=_subject(repo),
            owner_id=repo.owner_id,
            visibility=changed.visibility,
            gated=changed.gated,
            disabled=changed.is_disabled,
            others=sorted(change.others),
        )
        said: dict[str, object] = {**change.others}
        if change.visibility is not None:
            said["visibility"] = change.visibility
        if change.gated is not None:
            said["gated"] = change.gated or False
        _tell(tx, viewer, changed, "repo.config", now=now, changed=said)
    return changed


def duplicate_repo(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    source: RepoId,
    target: RepoId,
    visibility: str | None,
    resource_group: str | None = None,
) -> Repo:
    """Copy a repository's branches and tags under another id, sharing large files; returns the copy.

    ``resource_group`` is the object id of a group of the new namespace.

    Packs are stored again under the copy's number (hard links in the embedded store); LFS objects are
    the same rows. Raises: what `lookup.find` raises; Forbidden, RepoExists, QuotaExceeded, InvalidName.
    """
    check_repo_name(target.name)
    check_visibility(repo_type, visibility)
    now = sv.clock.now()
    with sv.db.read() as tx:
        origin = lookup.find(tx, viewer, repo_type, source, need=Need.READ)
        if not viewer.is_admin:
            # A private copy could be made public.
            _refuse_hidden(lifecycle_rows.get_settings(tx, origin.id))
        owner, group_id = _place(tx, viewer, target.namespace, resource_group, repo_type=repo_type)
        repo_id = RepoId(owner.name, target.name)
        birth.refuse_taken(tx, repo_type, repo_id)
        used = lifecycle_rows.get_used_storage(tx, origin.id)
        quota.check(tx, sv, owner_id=owner.id, namespace=owner.name, added_bytes=used)
        # The refs first: packs listed after them hold all they name.
        kept = [
            ref for ref in rows.list_refs(tx, origin.id) if ref.name.startswith(("refs/heads/", "refs/tags/"))
        ]
        epoch = rows.get_pack_epoch(tx, origin.id)
        packs = lifecycle_rows.list_pack_rows(tx, origin.id, retired=False)
        tip = record.read_tip(tx, origin.id)
    # What is not public stays so where the caller does not say.
    copy = birth.unborn(
        viewer,
        repo_type=repo_type,
        repo_id=repo_id,
        owner_id=owner.id,
        visibility=visibility or ("private" if origin.is_private else _default_visibility(sv, owner)),
        now=now,
        resource_group_id=group_id,
    )
    published = _copy_packs(sv, origin, copy, packs, epoch=epoch)

    def settle(tx: Tx, at: object) -> None:
        for pack in published:
            publish.record_pack(tx, sv, copy, pack, now=now)
        lifecycle_rows.copy_lfs(tx, source=origin.id, target=copy.id, now=now)
        updates = [RefUpdate(ref.name, None, ref.oid, ref.commit_oid) for ref in kept]
        refs.move(tx, viewer, copy, updates, consequences=Consequences(tip=tip), now=now)

    birth.insert(sv, viewer, copy, settings={}, published=published, settle=settle)
    return copy


def auth_check(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, need: Need) -> None:
    """Raise what stands between the viewer and ``need``, if anything does."""
    with sv.db.read() as tx:
        lookup.find(tx, viewer, repo_type, repo_id, need=need)


def check_visibility(repo_type: RepoType, visibility: str | None) -> None:
    """Raise BadRequest if a repository of this type cannot be made so visible."""
    if visibility is None:
        return
    if visibility not in VISIBILITIES:
        raise BadRequest("'visibility' must be 'public', 'private' or, for spaces, 'protected'.")
    if visibility == "protected" and repo_type is not RepoType.SPACE:
        raise BadRequest(f"Only spaces can be protected, not a {repo_type.value}.")


def _refuse_hidden(settings: Mapping[str, object]) -> None:
    """Raise Forbidden for a repository that is not to be seen, by its settings."""
    if settings.get(HIDDEN):
        raise Forbidden(
            "The administrators of this hub took this repository out of sight. Ask them to make it public."
        )


def _find_by_body(tx: Tx, viewer: Viewer, repo_type: RepoType, repo_id: RepoId) -> Repo:
    """Find a repository named in a body: an old id is no name for it there, and no URL could redirect."""
    try:
        return lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
    except Moved as error:
        raise RepoNotFound(anonymous=viewer.is_anonymous) from error


def _place(
    tx: Tx, viewer: Viewer, name: str | None, resource_group: str | None, *, repo_type: RepoType
) -> tuple[Account, int | None]:
    """Return the namespace, and the resource group's number, if the viewer may create there.

    Raises: Unauthorized, Forbidden, NotFound for a group that the namespace does not have.
    """
    if resource_group is None:
        return _namespace(tx, viewer, name, repo_type=repo_type), None
    owner = accounts.find_account(tx, name or viewer.name)
    is_member = owner is not None and (viewer.is_admin or owner.id in viewer.roles)
    if owner is None or not is_member:
        # Who is no member is told nothing of its groups.
        return _namespace(tx, viewer, name, repo_type=repo_type), None
    group = groups.find_group(tx, owner, resource_group)
    return _namespace(tx, viewer, name, repo_type=repo_type, group_id=group.id), group.id


def _new_owner(tx: Tx, viewer: Viewer, repo: Repo, name: str | None) -> Account:
    """Return the namespace a repository moves to if the viewer may; within one it stays in its resource group."""
    owner = None if name is None else accounts.find_account(tx, name)
    stays = owner is not None and owner.id == repo.owner_id
    group_id = repo.resource_group_id if stays else None
    return _namespace(tx, viewer, name, repo_type=repo.type, group_id=group_id)


def _namespace(
    tx: Tx, viewer: Viewer, name: str | None, *, repo_type: RepoType, group_id: int | None = None
) -> Account:
    """Return the namespace if the viewer may create there. Raises Unauthorized, Forbidden."""
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    wanted = name or viewer.name
    account = accounts.find_account(tx, wanted)
    if account is None or not may_create_in(viewer, account.id, account.key, resource_group_id=group_id):
        why = (
            "Your token has the role 'read'. Use a token with the role 'write'. "
            if not viewer.may_write_anything
            else ""
        )
        raise Forbidden(
            f'{why}You don\'t have the rights to create a {repo_type.value} under the namespace "{wanted}".'
        )
    return account


def _default_visibility(sv: Services, owner: Account) -> str:
    if owner.is_org:
        return owner.default_visibility
    private = "private" in (owner.default_visibility, sv.settings.default_visibility)
    return "private" if private else "public"


def _check_files(sv: Services, files: Mapping[str, bytes]) -> None:
    attributes = Attributes.parse(files[".gitattributes"].decode("utf-8", "replace"))
    for path, data in files.items():
        parse_path(path)
        if len(data) > sv.settings.limits.regular_file_bytes:
            raise PayloadTooLarge(f"The file '{path}' is too large for a first commit. Upload it afterwards.")
        if attributes.is_lfs(path):
            raise Unprocessable(f"The file '{path}' belongs in LFS. Upload it after creating the repository.")


def _copy_packs(
    sv: Services, origin: Repo, copy: Repo, packs: list[lifecycle_rows.PackRow], *, epoch: int
) -> list[publish.PublishedPack]:
    for attempt in range(_COPY_ATTEMPTS):
        folder = sv.packs.fill(origin.id, epoch, [pack.name for pack in packs], retired=()) / "pack"
        try:
            return [publish.put_pack(sv, copy, _PackOnDisk(folder, pack)) for pack in packs]
        except FileNotFoundError:
            # The origin was folded meanwhile and its cache gave up the packs we were reading.
            if attempt == _COPY_ATTEMPTS - 1:
                raise
    raise AssertionError("the last attempt returns or raises")


@dataclass(frozen=True, slots=True)
class _PackOnDisk:
    """A pack of the local cache, as `publish.put_pack` takes it."""

    folder: Path
    row: lifecycle_rows.PackRow

    @property
    def name(self) -> str:
        return self.row.name

    @property
    def pack_path(self) -> Path:
        return self.folder / f"pack-{self.row.name}.pack"

    @property
    def idx_path(self) -> Path:
        return self.folder / f"pack-{self.row.name}.idx"

    @property
    def object_count(self) -> int:
        return self.row.object_count


def _tell(tx: Tx, viewer: Viewer, repo: Repo, kind: str, *, now: datetime, **facts: object) -> None:
    events.record(
        tx,
        kind,
        at=now,
        actor_id=viewer.user_id,
        owner_id=repo.owner_id,
        repo=repo.snapshot,
        **facts,
    )


def _subject(repo: Repo) -> str:
    return f"{repo.type.value}:{repo.repo_id}"

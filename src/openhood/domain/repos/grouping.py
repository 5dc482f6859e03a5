"""Which resource group of its organization a repository is in.

The groups themselves are in `accounts.groups`; what being in one means is decided by `access`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from openhood.base.errors import BadRequest, Forbidden
from openhood.base.names import RepoId, RepoType
from openhood.domain import audit
from openhood.domain.access import Need, OrgRole, Viewer
from openhood.domain.accounts import group_rows, groups
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.groups import Grant, GroupPage
from openhood.domain.accounts.rules import get_org, may_administrate
from openhood.domain.accounts.types import Account, ResourceGroup
from openhood.domain.repos import lifecycle_rows, lookup
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_REPOS_AT_ONCE = 100


def get_resource_group(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId
) -> ResourceGroup | None:
    """Return the group a repository is in, for members of its organization. Opens a read unit.

    Raises: what `lookup.find` raises, Forbidden.
    """
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        if not viewer.is_admin and repo.owner_id not in (*viewer.roles, viewer.user_id):
            raise Forbidden(f"Only members of {repo_id.namespace} may see its resource groups.")
        return _group_of(tx, repo)


def set_resource_group(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, group: str | None
) -> ResourceGroup | None:
    """Put a repository into a group of its organization, or (None) into none. Opens a write unit.

    Administrators of the organization may, and those who administrate the group it is in and the one it comes
    to. Raises: what `lookup.find` raises, Forbidden, NotFound, BadRequest where the owner is no organization.
    """
    with sv.db.write() as tx:
        return _put(sv, tx, viewer, repo_type, repo_id, group=group)


def create_group(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    name: str,
    description: str,
    users: Sequence[Grant],
    auto_join_role: OrgRole | None,
    repos: Sequence[tuple[RepoType, RepoId]],
) -> GroupPage:
    """Create a group and put repositories into it; nothing is made where one of those may not be. Opens its own units.

    Raises: what `groups.create_group` and `set_resource_group` raise.
    """
    if len(repos) > MAX_REPOS_AT_ONCE:
        raise BadRequest(f"At most {MAX_REPOS_AT_ONCE} repositories can be put into a new resource group.")
    with sv.db.read() as tx:
        owner = get_org(tx, org)
        for repo_type, repo_id in repos:
            repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
            if repo.owner_id != owner.id:
                raise BadRequest(f"{repo_id} is not a repository of {owner.name}.")
    made = groups.create_group(
        sv,
        viewer,
        org=org,
        name=name,
        description=description,
        users=users,
        auto_join_role=auto_join_role,
    )
    for repo_type, repo_id in repos:
        set_resource_group(sv, viewer, repo_type=repo_type, repo_id=repo_id, group=made.group.hex_id)
    return groups.see_group(sv, viewer, org=org, group=made.group.hex_id) if repos else made


def groups_of(tx: Tx, viewer: Viewer, repos: Collection[Repo]) -> dict[int, ResourceGroup]:
    """Return the groups of some repositories by group number, those of the viewer's own organizations only."""
    numbers = {
        repo.resource_group_id
        for repo in repos
        if repo.resource_group_id is not None and (viewer.is_admin or repo.owner_id in viewer.roles)
    }
    return group_rows.list_groups_by_number(tx, sorted(numbers)) if numbers else {}


def _put(
    sv: Services, tx: Tx, viewer: Viewer, repo_type: RepoType, repo_id: RepoId, *, group: str | None
) -> ResourceGroup | None:
    repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.ADMIN)
    owner = account_rows.get_account_by_id(tx, repo.owner_id)
    if owner is None or not owner.is_org:
        raise BadRequest("Only the repositories of organizations can be in a resource group.")
    before = _group_of(tx, repo)
    after = None if group is None else groups.find_group(tx, owner, group)
    _check_may_move(viewer, owner, before, after)
    lifecycle_rows.set_resource_group(tx, repo.id, None if after is None else after.id)
    audit.record(
        tx,
        at=sv.clock.now(),
        actor=viewer.name,
        action="repo.resource_group",
        subject=f"{repo.type.value}:{repo.repo_id}",
        owner_id=owner.id,
        before=None if before is None else before.name,
        after=None if after is None else after.name,
    )
    return after


def _check_may_move(
    viewer: Viewer, owner: Account, before: ResourceGroup | None, after: ResourceGroup | None
) -> None:
    if may_administrate(viewer, owner):
        return
    for group in (before, after):
        # Where it is in no group, the role in the organization decides, as of all it has.
        number = None if group is None else group.id
        if viewer.role_at(owner.id, number) < (OrgRole.WRITE if group is None else OrgRole.ADMIN):
            what = owner.name if group is None else f"the resource group {group.name!r}"
            raise Forbidden(f"Only an administrator of {what} may do this.")


def _group_of(tx: Tx, repo: Repo) -> ResourceGroup | None:
    if repo.resource_group_id is None:
        return None
    return group_rows.list_groups_by_number(tx, [repo.resource_group_id]).get(repo.resource_group_id)

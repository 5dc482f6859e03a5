"""The condition under which a repository's row may be shown: `access.decide` with `Need.INFO`, in SQL.

Every list, search and count asks it; what one repository allows is decided by `access` itself.
"""

from __future__ import annotations

from sqlalchemy import ColumnElement, and_, false, literal_column, or_, true

from openhood.domain.access import OrgRole, Viewer
from openhood.infra.db.tables import repos

_READING = frozenset({"repo.content.read", "repo.write"})


def visible_to(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition under which a row may be shown to ``viewer``."""
    # A literal, since an index over public rows is only used where its very condition is seen.
    public: ColumnElement[bool] = repos.c.visibility != literal_column("'private'")
    of_role: ColumnElement[bool] = true() if viewer.is_admin else _of_members(viewer)
    shown = or_(public, and_(of_role, _covered_by_token(viewer)))
    return shown if viewer.is_admin else and_(shown, repos.c.is_disabled.is_(False))


def readable_owners(viewer: Viewer) -> list[int]:
    """Return the owners of whose private repositories the viewer may know some or all."""
    # Which organization a resource group is of is not said here, so that any of theirs may be meant.
    least = OrgRole.NO_ACCESS if viewer.group_roles else OrgRole.READ
    owners = [org for org, role in viewer.roles.items() if role >= least]
    if viewer.user_id is not None:
        owners.append(viewer.user_id)
    return owners


def sees_all_of_owners(viewer: Viewer) -> bool:
    """Tell whether the viewer may know of all that `readable_owners` own: no token or group hides some."""
    if viewer.token is not None and viewer.token.role == "fineGrained":
        return False
    return viewer.is_admin or not (viewer.group_roles or _partly_read_orgs(viewer))


def _of_members(viewer: Viewer) -> ColumnElement[bool]:
    """Return the condition that a private row is of a namespace, or resource group, that the viewer may read."""
    partly = _partly_read_orgs(viewer)
    wholly = [org for org, role in viewer.roles.items() if role >= OrgRole.READ and org not in partly]
    if viewer.user_id is not None:
        wholly.append(viewer.user_id)
    places: list[ColumnElement[bool]] = []
    if wholly:
        places.append(repos.c.owner_id.in_(wholly))
    if partly:
        places.append(and_(repos.c.owner_id.in_(partly), repos.c.resource_group_id.is_(None)))
    groups = [group for group, role in viewer.group_roles.items() if role >= OrgRole.READ]
    if groups:
        places.append(repos.c.resource_group_id.in_(groups))
    return or_(*places) if places else false()


def _partly_read_orgs(viewer: Viewer) -> list[int]:
    """Return the organizations whose resource groups may hide repositories from this member."""
    return [
        org
        for org, role in viewer.roles.items()
        if OrgRole.READ <= role < OrgRole.ADMIN and org not in viewer.ungrouped_orgs
    ]


def _covered_by_token(viewer: Viewer) -> ColumnElement[bool]:
    token = viewer.token
    if token is None or token.role != "fineGrained" or token.global_permissions & _READING:
        return true()
    places: list[ColumnElement[bool]] = []
    for grant in token.scoped:
        if not grant.permissions & _READING:
            continue
        if grant.entity_type in ("user", "org"):
            places.append(repos.c.namespace_key == grant.entity_name)
        else:
            places.append(and_(repos.c.type == grant.entity_type, repos.c.search_text == grant.entity_name))
    return or_(*places) if places else false()

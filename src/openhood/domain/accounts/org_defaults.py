"""What an organization decides for who does not say: the visibility of repositories, the role of the invited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from openhood.base.errors import BadRequest
from openhood.domain import audit
from openhood.domain.access import OrgRole, Viewer
from openhood.domain.accounts import invitations, rows
from openhood.domain.accounts.rules import get_org, require_org_admin, require_org_member
from openhood.domain.accounts.types import Account
from openhood.domain.services import Services


@dataclass(frozen=True, slots=True)
class OrgDefaults:
    """The defaults of one organization."""

    visibility: str
    role: OrgRole


def get_defaults(sv: Services, viewer: Viewer, *, org: str) -> OrgDefaults:
    """Return an organization's defaults, for its members. Opens a read unit.

    Raises: NotFound, Unauthorized, Forbidden.
    """
    with sv.db.read() as tx:
        organization = get_org(tx, org)
    require_org_member(viewer, organization)
    return _of(organization)


def set_defaults(
    sv: Services,
    viewer: Viewer,
    *,
    org: str,
    visibility: Literal["public", "private"] | None,
    role: OrgRole | None,
) -> OrgDefaults:
    """Change an organization's defaults; None leaves one as it is. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, BadRequest.
    """
    if role is OrgRole.ADMIN:
        raise BadRequest("Administrators are made one by one: choose another default role.")
    with sv.db.write() as tx:
        organization = get_org(tx, org)
        require_org_admin(viewer, organization)
        values: dict[str, object] = {}
        if visibility is not None:
            values["default_visibility"] = visibility
        if role is not None:
            values["settings"] = {**organization.settings, invitations.DEFAULT_ROLE: role.label}
        if values:
            rows.update_account(tx, organization.id, **values)
            audit.record(
                tx,
                at=sv.clock.now(),
                actor=viewer.name,
                action="org.defaults",
                subject=organization.name,
                owner_id=organization.id,
                visibility=visibility,
                role=None if role is None else role.label,
            )
        changed = get_org(tx, org)
    return _of(changed)


def _of(org: Account) -> OrgDefaults:
    return OrgDefaults(org.default_visibility, invitations.default_role(org))

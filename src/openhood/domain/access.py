"""The one place where permission is decided: a pure function of who asks, what for, and the facts.

Nothing here reads the database; `repos.lookup` and the account actions bring the facts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum, StrEnum
from typing import Literal


class OrgRole(IntEnum):
    """A member's role in an organization; a higher one may do all that a lower one may."""

    NO_ACCESS = 0
    READ = 1
    CONTRIBUTOR = 2
    WRITE = 3
    ADMIN = 4

    @property
    def label(self) -> str:
        """The name in the Hub's API: ``no_access``, ``read``, ``contributor``, ``write``, ``admin``."""
        return self.name.lower()

    @classmethod
    def from_label(cls, label: str) -> OrgRole | None:
        """Return the role with this API name, or None."""
        return cls.__members__.get(label.upper()) if label.islower() else None


@dataclass(frozen=True, slots=True)
class ScopedGrant:
    """Permissions of a fine-grained token on one entity.

    ``entity_type`` is ``user``, ``org``, ``model``, ``dataset`` or ``space``; ``entity_name`` is a
    case-folded account name or ``namespace/name``.
    """

    entity_type: str
    entity_name: str
    permissions: frozenset[str]


@dataclass(frozen=True, slots=True)
class TokenGrant:
    """The token behind a request and what it allows of what its user may do.

    ``role`` is ``read``, ``write`` or ``fineGrained``; the grants count for the last only. ``denied_orgs`` are
    organizations of its user that do not let this token in: there it acts as a stranger's would.
    """

    id: int
    display_name: str
    kind: Literal["access", "oauth", "oidc"]
    role: Literal["read", "write", "fineGrained"]
    created_at: datetime
    expires_at: datetime | None
    global_permissions: frozenset[str] = frozenset()
    scoped: tuple[ScopedGrant, ...] = ()
    can_read_gated: bool = False
    denied_orgs: frozenset[int] = frozenset()

    def allows(self, permission: str, repo: RepoFacts) -> bool:
        """Tell whether a fine-grained grant covers ``permission`` on ``repo``."""
        if permission in self.global_permissions:
            return True
        names = (repo.namespace_key, f"{repo.namespace_key}/{repo.name_key}")
        for grant in self.scoped:
            if permission not in grant.permissions:
                continue
            if grant.entity_type in ("user", "org"):
                if grant.entity_name == names[0]:
                    return True
            elif grant.entity_type == repo.type and grant.entity_name == names[1]:
                return True
        return False

    def allows_on_namespace(self, permission: str, namespace_key: str) -> bool:
        """Tell whether a fine-grained grant covers ``permission`` on a user or organization."""
        return permission in self.global_permissions or any(
            grant.entity_type in ("user", "org")
            and grant.entity_name == namespace_key
            and permission in grant.permissions
            for grant in self.scoped
        )


@dataclass(frozen=True, slots=True)
class Viewer:
    """The person (and token) acting; `ANONYMOUS` for nobody.

    ``roles`` maps organization numbers to the viewer's role there, ``group_roles`` resource groups' numbers
    to the role in them; ``ungrouped_orgs`` are organizations of theirs known to have no resource group, which
    spares lists a look. ``token`` is None in a browser session and on the command line, which may do all that the
    user may. ``is_service``: an organization's service account, whose own name is no namespace.
    """

    user_id: int | None = None
    hex_id: str = ""
    name: str = ""
    fullname: str = ""
    email: str | None = None
    avatar_url: str | None = None
    is_admin: bool = False
    roles: Mapping[int, OrgRole] = field(default_factory=dict)
    group_roles: Mapping[int, OrgRole] = field(default_factory=dict)
    ungrouped_orgs: frozenset[int] = frozenset()
    is_service: bool = False
    token: TokenGrant | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether nobody is signed in (the hub's own administrator, `SYSTEM`, has no account either)."""
        return self.user_id is None and not self.is_admin

    @property
    def may_write_anything(self) -> bool:
        """Whether the credentials allow writing somewhere (a read token does not)."""
        return not self.is_anonymous and (self.token is None or self.token.role != "read")

    def role_in(self, owner_id: int) -> OrgRole:
        """Return the viewer's role in a namespace: one's own counts as admin."""
        if owner_id == self.user_id:
            return OrgRole.NO_ACCESS if self.is_service else OrgRole.ADMIN
        return self.roles.get(owner_id, OrgRole.NO_ACCESS)

    def role_on(self, repo: RepoFacts) -> OrgRole:
        """Return the viewer's role for one repository: that of its resource group, where it is in one.

        Who is in no way a member of the group has no role, except the organization's administrators.
        """
        return self.role_at(repo.owner_id, repo.resource_group_id)

    def role_at(self, owner_id: int, resource_group_id: int | None) -> OrgRole:
        """Return the viewer's role in a namespace, or in a resource group of it."""
        role = self.role_in(owner_id)
        if resource_group_id is None or role is OrgRole.ADMIN:
            return role
        if role is OrgRole.NO_ACCESS and owner_id not in self.roles:
            return OrgRole.NO_ACCESS
        return self.group_roles.get(resource_group_id, OrgRole.NO_ACCESS)


ANONYMOUS = Viewer()

SYSTEM = Viewer(name="system", fullname="System", is_admin=True)
"""The administrator at the command line and in provision files: may do everything, owns nothing."""


@dataclass(frozen=True, slots=True)
class RepoFacts:
    """What the decision needs to know of a repository."""

    type: str
    owner_id: int
    creator_id: int | None
    namespace_key: str
    name_key: str
    is_private: bool
    is_gated: bool
    is_disabled: bool
    has_gate_access: bool = False
    gate_binds_members: bool = False
    is_protected: bool = False  # a space anybody may see, whose files are for members
    resource_group_id: int | None = None


class Need(StrEnum):
    """What a caller wants to do with a repository."""

    INFO = "info"  # know that it exists, its card data, its tree: public even where gated
    READ = "read"  # its content
    DISCUSS = "discuss"  # open a discussion, comment: what is gated can be talked about
    PROPOSE = "propose"  # open a pull request
    MODERATE = "moderate"  # close, hide, pin and lock what others wrote; merge needs WRITE
    WRITE = "write"  # commit, push, upload
    ADMIN = "admin"  # settings, move, delete


class Verdict(StrEnum):
    """The outcome of `decide`."""

    ALLOW = "allow"
    HIDE = "hide"  # answer as if there were no such repository
    GATE = "gate"
    DISABLED = "disabled"
    FORBID = "forbid"


# The fine-grained permissions that satisfy each need (hub-docs `security-tokens`).
_PERMISSIONS: Mapping[Need, tuple[str, ...]] = {
    Need.INFO: ("repo.content.read", "repo.write"),
    Need.READ: ("repo.content.read", "repo.write"),
    Need.DISCUSS: ("discussion.write", "repo.write"),
    Need.PROPOSE: ("discussion.write", "repo.write"),
    Need.MODERATE: ("discussion.write", "repo.write"),
    Need.WRITE: ("repo.write",),
    Need.ADMIN: ("repo.write",),
}


def decide(viewer: Viewer, repo: RepoFacts, need: Need) -> Verdict:
    """Decide whether ``viewer`` may do ``need`` with ``repo``. Pure."""
    role = viewer.role_on(repo)
    if repo.is_private and not (viewer.is_admin or role >= OrgRole.READ):
        return Verdict.HIDE
    if repo.is_private and not _token_covers(viewer, repo, Need.READ):
        return Verdict.HIDE
    if repo.is_disabled and not viewer.is_admin:
        return Verdict.DISABLED
    if need is Need.INFO:
        return Verdict.ALLOW
    if need in (Need.DISCUSS, Need.MODERATE):
        return _decide_words(viewer, repo, need, role)
    if repo.is_protected and not (viewer.is_admin or role >= OrgRole.READ):
        return Verdict.FORBID
    if repo.is_gated and not (_passes_gate(viewer, repo, role) and _token_passes_gate(viewer, repo)):
        return Verdict.GATE
    if need is Need.READ:
        return Verdict.ALLOW
    if viewer.is_anonymous or not viewer.may_write_anything or not _token_covers(viewer, repo, need):
        return Verdict.FORBID
    if need is Need.PROPOSE or viewer.is_admin:
        return Verdict.ALLOW
    needed = OrgRole.ADMIN if need is Need.ADMIN else OrgRole.WRITE
    # A contributor may write to, and administrate, what they created themselves.
    if role >= needed or (role >= OrgRole.CONTRIBUTOR and repo.creator_id == viewer.user_id):
        return Verdict.ALLOW
    # Members with the write role may change the settings of the organization's repositories too.
    if need is Need.ADMIN and role >= OrgRole.WRITE:
        return Verdict.ALLOW
    return Verdict.FORBID


def _decide_words(viewer: Viewer, repo: RepoFacts, need: Need, role: OrgRole) -> Verdict:
    """Decide on what is said about a repository: no file of it is read, so its gate does not matter."""
    if viewer.is_anonymous or not viewer.may_write_anything or not _token_covers(viewer, repo, need):
        return Verdict.FORBID
    if need is Need.DISCUSS or viewer.is_admin or role >= OrgRole.WRITE:
        return Verdict.ALLOW
    is_own = role >= OrgRole.CONTRIBUTOR and repo.creator_id == viewer.user_id
    return Verdict.ALLOW if is_own else Verdict.FORBID


def may_create_in(
    viewer: Viewer, owner_id: int, namespace_key: str, *, resource_group_id: int | None = None
) -> bool:
    """Tell whether ``viewer`` may create a repository in a namespace, or in a resource group of it."""
    if viewer.is_anonymous or not viewer.may_write_anything:
        return False
    token = viewer.token
    if (
        token is not None
        and token.role == "fineGrained"
        and not token.allows_on_namespace("repo.write", namespace_key)
    ):
        return False
    return viewer.is_admin or viewer.role_at(owner_id, resource_group_id) >= OrgRole.CONTRIBUTOR


COLLECTION_WRITE = "collection.write"
COLLECTION_READING = frozenset({"collection.read", COLLECTION_WRITE})
"""The fine-grained permissions that show a namespace's private collections."""


def may_edit_in(
    viewer: Viewer,
    owner_id: int,
    namespace_key: str,
    *,
    permission: str,
    resource_group_id: int | None = None,
) -> bool:
    """Tell whether ``viewer`` may change what a namespace keeps beside its repositories, such as its collections.

    Args: ``permission`` is what a fine-grained token needs.
    """
    if viewer.is_anonymous or not viewer.may_write_anything:
        return False
    token = viewer.token
    if (
        token is not None
        and token.role == "fineGrained"
        and not token.allows_on_namespace(permission, namespace_key)
    ):
        return False
    return viewer.is_admin or viewer.role_at(owner_id, resource_group_id) >= OrgRole.WRITE


def may_see_in(
    viewer: Viewer,
    owner_id: int,
    namespace_key: str,
    *,
    is_private: bool,
    resource_group_id: int | None = None,
) -> bool:
    """Tell whether ``viewer`` may see a collection of a namespace."""
    if not is_private:
        return True
    if not (viewer.is_admin or viewer.role_at(owner_id, resource_group_id) >= OrgRole.READ):
        return False
    token = viewer.token
    if token is None or token.role != "fineGrained":
        return True
    return any(token.allows_on_namespace(each, namespace_key) for each in COLLECTION_READING)


def _passes_gate(viewer: Viewer, repo: RepoFacts, role: OrgRole) -> bool:
    if viewer.is_admin or role is OrgRole.ADMIN or repo.has_gate_access:
        return True
    if not repo.gate_binds_members:
        return role >= OrgRole.READ
    # Whoever made it need not ask for it, while still a member.
    return role >= OrgRole.CONTRIBUTOR and repo.creator_id == viewer.user_id


def _token_passes_gate(viewer: Viewer, repo: RepoFacts) -> bool:
    token = viewer.token
    if token is None or token.role != "fineGrained":
        return True
    return token.can_read_gated or _token_covers(viewer, repo, Need.READ)


def _token_covers(viewer: Viewer, repo: RepoFacts, need: Need) -> bool:
    token = viewer.token
    if token is None or token.role == "write":
        return True
    if token.role == "read":
        return need in (Need.INFO, Need.READ)
    return any(token.allows(permission, repo) for permission in _PERMISSIONS[need])

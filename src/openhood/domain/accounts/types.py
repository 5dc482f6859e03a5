"""Users, organizations, tokens and sign-ins as the rest of the hub sees them. No rows, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from openhood.domain.access import OrgRole


@dataclass(frozen=True, slots=True)
class Account:
    """A user, an organization or a service account of one (``org_id``).

    ``settings`` are the account's own preferences by name.
    """

    id: int
    hex_id: str
    kind: Literal["user", "org", "service"]
    name: str
    fullname: str
    email: str | None
    email_verified: bool
    is_admin: bool
    is_active: bool
    avatar_url: str | None
    details: str | None
    default_visibility: str
    created_at: datetime
    settings: Mapping[str, object] = field(default_factory=dict)
    org_id: int | None = None

    @property
    def is_service(self) -> bool:
        """Whether this acts for an organization and is nobody: it has tokens, no password and no namespace."""
        return self.kind == "service"

    @property
    def is_org(self) -> bool:
        """Whether this is an organization."""
        return self.kind == "org"

    @property
    def key(self) -> str:
        """The case-folded name, as namespaces are compared."""
        return self.name.lower()


@dataclass(frozen=True, slots=True)
class Member:
    """A user's place in an organization."""

    account: Account
    role: OrgRole


@dataclass(frozen=True, slots=True)
class ResourceGroup:
    """A part of an organization's repositories with roles of its own.

    ``auto_join_role``: what who joins the organization becomes here; None: nothing.
    """

    id: int
    hex_id: str
    org_id: int
    name: str
    description: str
    auto_join_role: OrgRole | None
    created_at: datetime


@dataclass(frozen=True, slots=True)
class GroupRole:
    """A role in a resource group, named by the group's object id."""

    group: str
    role: OrgRole


@dataclass(frozen=True, slots=True)
class OrgInvitation:
    """An open invitation into an organization, of a user or of whoever has an e-mail address."""

    hex_id: str
    org: Account
    user: Account | None
    email: str | None
    role: OrgRole
    groups: tuple[GroupRole, ...]
    invited_by: str | None
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class TokenPolicy:
    """Which tokens an organization lets in.

    Args: ``classic``: whether read and write tokens are; ``fine_grained``: ``allow``, ``approval`` (an
    administrator approves each that names the organization) or ``deny``; ``create_role``: the least role of who
    may create one; ``max_age_days``: how old any token may be.
    """

    classic: bool = True
    fine_grained: Literal["allow", "approval", "deny"] = "allow"
    create_role: OrgRole = OrgRole.NO_ACCESS
    max_age_days: int | None = None


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A fine-grained token that names an organization, and what the organization decided about it."""

    token: TokenInfo
    status: Literal["pending", "approved", "denied", "revoked"]
    decided_by: str | None
    decided_at: datetime | None


@dataclass(frozen=True, slots=True)
class Membership:
    """An organization as seen from one of its members."""

    org: Account
    role: OrgRole


@dataclass(frozen=True, slots=True)
class TokenInfo:
    """An access token without its secret; ``hint`` are its last characters.

    ``scopes`` of a fine-grained token has the Hub's form, see `tokens.check_scopes`.
    """

    id: int
    hex_id: str
    user_name: str
    display_name: str
    kind: Literal["access", "oauth", "oidc"]
    role: Literal["read", "write", "fineGrained"]
    scopes: Mapping[str, object] | None
    oauth_client_id: str | None
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None

    @property
    def fine_grained(self) -> Mapping[str, object] | None:
        """The scopes in the Hub's form, without what OAuth keeps beside them; None without scopes."""
        if self.scopes is None:
            return None
        return {name: value for name, value in self.scopes.items() if name not in ("oauth", "orgIds")}


@dataclass(frozen=True, slots=True)
class Counts:
    """How many repositories of each type a viewer sees in a namespace."""

    models: int
    datasets: int
    spaces: int


@dataclass(frozen=True, slots=True)
class Profile:
    """What an overview shows: the account, what it owns that the viewer may see, who belongs to it."""

    account: Account
    counts: Counts
    memberships: tuple[Membership, ...]
    member_count: int


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything ``whoami`` says about the viewer."""

    account: Account
    memberships: tuple[Membership, ...]
    token: TokenInfo | None


@dataclass(frozen=True, slots=True)
class SessionSecret:
    """A new browser session: the cookie's value and when it ends."""

    secret: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OauthClient:
    """A registered program that people sign in with.

    A public one cannot keep a secret; ``owner_id`` None: it registered itself, or came with the hub. ``details`` are
    its home page (``uri``) and what else it said of itself.
    """

    client_id: str
    name: str
    is_public: bool
    device_flow: bool
    scopes: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    secret_hash: str | None
    owner_id: int | None
    details: Mapping[str, object]
    created_at: datetime


@dataclass(frozen=True, slots=True)
class DeviceStart:
    """The beginning of a device sign-in; lifetimes in seconds."""

    device_code: str
    user_code: str
    expires_in_s: int
    interval_s: int


@dataclass(frozen=True, slots=True)
class DeviceRequest:
    """What a person is asked to approve."""

    user_code: str
    client_name: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class IssuedTokens:
    """The outcome of a grant: secrets, and the access token's lifetime in seconds."""

    access_token: str
    refresh_token: str | None
    expires_in_s: int
    scope: str
    id_token: str | None = None

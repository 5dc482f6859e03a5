"""Users, organizations, tokens and sign-ins as the rest of the hub sees them. No rows, no rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from openhood.domain.access import OrgRole


@dataclass(frozen=True, slots=True)
class Account:
    """A user or an organization. ``settings`` are the person's own preferences by name."""

    id: int
    hex_id: str
    kind: Literal["user", "org"]
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
    kind: Literal["access", "oauth"]
    role: Literal["read", "write", "fineGrained"]
    scopes: Mapping[str, object] | None
    oauth_client_id: str | None
    hint: str
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None


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
    """A registered program that people sign in with."""

    client_id: str
    name: str
    is_public: bool
    device_flow: bool
    scopes: tuple[str, ...]


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
    refresh_token: str
    expires_in_s: int
    scope: str

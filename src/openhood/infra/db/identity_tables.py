"""The tables of who people are to others: organizations' own rules, second factors, sign-on and OAuth."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
    true,
)

from openhood.infra.db.columns import Document, Id, Moment, make_id, metadata, refer

# --- organizations ---------------------------------------------------------------------------

org_invitations = Table(
    "org_invitations",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("org_id", "accounts.id"),
    refer("user_id", "accounts.id", nullable=True),  # or by mail:
    Column("email", String(320)),
    Column("role", String(16), nullable=False),
    Column("resource_groups", Document, nullable=False, server_default="[]"),
    Column("invited_by", Id),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    UniqueConstraint("org_id", "user_id"),
    UniqueConstraint("org_id", "email"),
    Index("ix_org_invitations_user_id", "user_id"),
)

resource_groups = Table(
    "resource_groups",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("org_id", "accounts.id"),
    Column("name", String(96), nullable=False),
    Column("name_key", String(96), nullable=False),
    Column("description", String(500), nullable=False, server_default=""),
    Column("auto_join_role", String(16)),  # members of the organization get this role; NULL: none
    Column("created_at", Moment, nullable=False),
    UniqueConstraint("org_id", "name_key"),
)

resource_group_members = Table(
    "resource_group_members",
    metadata,
    refer("group_id", "resource_groups.id", primary_key=True),
    refer("user_id", "accounts.id", primary_key=True),
    Column("role", String(16), nullable=False),
    Column("created_at", Moment, nullable=False),
    Index("ix_resource_group_members_user_id", "user_id"),
)

token_approvals = Table(
    "token_approvals",  # what an organization decided about a fine-grained token that names it
    metadata,
    refer("token_id", "tokens.id", primary_key=True),
    refer("org_id", "accounts.id", primary_key=True),
    Column("status", String(12), nullable=False),  # pending | approved | denied | revoked
    Column("decided_by", Id),
    Column("requested_at", Moment, nullable=False),
    Column("decided_at", Moment),
    Index("ix_token_approvals_org_id_status", "org_id", "status"),
)

account_redirects = Table(
    "account_redirects",  # names that accounts had before; nobody else can take them
    metadata,
    Column("name_key", String(96), primary_key=True),
    refer("account_id", "accounts.id"),
    Column("created_at", Moment, nullable=False),
    Index("ix_account_redirects_account_id", "account_id"),
)

# --- second factor and sign-on ---------------------------------------------------------------

second_factors = Table(
    "second_factors",
    metadata,
    refer("user_id", "accounts.id", primary_key=True),
    Column("secret", String(300), nullable=False),  # sealed with the hub's secret key
    Column("confirmed_at", Moment),
    Column("last_step", Integer, nullable=False, server_default="0"),  # a code counts once
    Column("created_at", Moment, nullable=False),
)

recovery_codes = Table(
    "recovery_codes",
    metadata,
    refer("user_id", "accounts.id", primary_key=True),
    Column("code_hash", String(64), primary_key=True),
    Column("used_at", Moment),
)

sso_identities = Table(
    "sso_identities",
    metadata,
    Column("provider", String(60), primary_key=True),
    Column("subject", String(255), primary_key=True),
    refer("user_id", "accounts.id"),
    Column("email", String(320)),
    Column("groups", Document, nullable=False, server_default="[]"),
    Column("created_at", Moment, nullable=False),
    Column("last_used_at", Moment, nullable=False),
    Index("ix_sso_identities_user_id", "user_id"),
)

# --- OAuth -----------------------------------------------------------------------------------

oauth_codes = Table(
    "oauth_codes",
    metadata,
    Column("code_hash", String(64), primary_key=True),
    Column("client_id", String(64), nullable=False),
    refer("user_id", "accounts.id"),
    Column("redirect_uri", String(2000), nullable=False),
    Column("scope", String(500), nullable=False, server_default=""),
    Column("org_ids", Document, nullable=False, server_default="[]"),
    Column("nonce", String(500)),
    Column("challenge", String(128)),
    Column("family", String(24), nullable=False),  # what is revoked when the code comes twice
    Column("auth_time", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
    Index("ix_oauth_codes_expires_at", "expires_at"),
)

oauth_consents = Table(
    "oauth_consents",
    metadata,
    refer("user_id", "accounts.id", primary_key=True),
    Column("client_id", String(64), primary_key=True),
    Column("scope", String(500), nullable=False),
    Column("org_ids", Document, nullable=False, server_default="[]"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment, nullable=False),
    Index("ix_oauth_consents_client_id", "client_id"),
)

signing_keys = Table(
    "signing_keys",
    metadata,
    Column("kid", String(64), primary_key=True),
    Column("private_key", Text, nullable=False),  # PEM, sealed with the hub's secret key
    Column("public_jwk", Document, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("retired_at", Moment),  # still published, so that what it signed stays valid
)

trusted_publishers = Table(
    "trusted_publishers",  # which workload of which issuer may have a token for what
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("repo_id", "repos.id", nullable=True),
    refer("account_id", "accounts.id", nullable=True),
    Column("issuer", String(500), nullable=False),
    Column("subject", String(500), nullable=False),  # a pattern with *
    Column("audience", String(500)),  # NULL: the hub's own address
    Column("claims", Document, nullable=False, server_default="{}"),  # further claims that must be equal
    Column("role", String(12), nullable=False),  # read | write
    Column("created_by", Id),
    Column("created_at", Moment, nullable=False),
    Column("is_enabled", Boolean, nullable=False, server_default=true()),
    Index("ix_trusted_publishers_repo_id", "repo_id"),
    Index("ix_trusted_publishers_account_id", "account_id"),
)

seen_assertions = Table(
    "seen_assertions",  # identity tokens already exchanged: each counts once
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("expires_at", Moment, nullable=False),
    Index("ix_seen_assertions_expires_at", "expires_at"),
)

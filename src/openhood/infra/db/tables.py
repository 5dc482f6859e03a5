"""The tables of accounts, repositories, large files, chunks, work and traces.

Only ``rows.py`` modules of the domain and infra itself import this. What repositories are found by is in
`discovery_tables`, what people do together in `community_tables`, who they are to others in `identity_tables`.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
    true,
)

from openhood.infra.db.columns import Document, Id, Moment, Numbers, make_id, metadata, refer

# --- accounts -------------------------------------------------------------------------------

accounts = Table(
    "accounts",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    Column("kind", String(8), nullable=False),  # user | org | service
    Column("org_id", Id),  # whose a service account is
    Column("name", String(96), nullable=False),
    Column("name_key", String(96), nullable=False, unique=True),
    Column("fullname", String(200), nullable=False, server_default=""),
    Column("email", String(320)),
    Column("email_verified", Boolean, nullable=False, server_default=false()),
    Column("password_hash", String(300)),
    Column("is_admin", Boolean, nullable=False, server_default=false()),
    Column("is_active", Boolean, nullable=False, server_default=true()),
    Column("avatar_url", String(500)),
    Column("details", String(500)),
    Column("settings", Document, nullable=False, server_default="{}"),
    Column("default_visibility", String(12), nullable=False, server_default="public"),
    Column("token_policy", Document),  # which tokens an organization lets in; NULL: all
    Column("created_at", Moment, nullable=False),
)
Index("uq_accounts_email", accounts.c.email, unique=True)
Index("ix_accounts_org_id", accounts.c.org_id)

memberships = Table(
    "memberships",
    metadata,
    refer("org_id", "accounts.id", primary_key=True),
    refer("user_id", "accounts.id", primary_key=True),
    Column("role", String(16), nullable=False),  # admin | write | contributor | read | no_access
    Column("created_at", Moment, nullable=False),
    Index("ix_memberships_user_id", "user_id"),
)

tokens = Table(
    "tokens",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("user_id", "accounts.id"),
    Column("display_name", String(120), nullable=False),
    Column("kind", String(12), nullable=False),  # access | oauth | oidc
    Column("role", String(12), nullable=False),  # read | write | fineGrained
    Column(
        "scopes", Document
    ),  # fineGrained: {"global": [...], "scoped": [{"entity": {...}, "permissions": [...]}]}
    Column("oauth_client_id", String(64)),
    Column("oauth_family", String(24)),  # the sign-in it belongs to, as in refresh_tokens
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("hint", String(16), nullable=False),  # last characters, to recognise a token in a list
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("last_used_at", Moment),
    Index("ix_tokens_user_id", "user_id"),
    Index("ix_tokens_oauth_family", "oauth_family"),
)

sessions = Table(
    "sessions",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    refer("user_id", "accounts.id"),
    Column("user_agent", String(300), nullable=False, server_default=""),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_sessions_user_id", "user_id"),
)

invitations = Table(
    "invitations",
    metadata,
    make_id(),
    Column("secret_hash", String(64), nullable=False, unique=True),
    Column("kind", String(12), nullable=False),  # setup (first administrator) | signup
    refer("created_by", "accounts.id", nullable=True),
    Column("email", String(320)),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("used_at", Moment),
)

oauth_clients = Table(
    "oauth_clients",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("is_public", Boolean, nullable=False),
    Column("secret_hash", String(64)),
    Column("redirect_uris", Document, nullable=False, server_default="[]"),
    Column("scopes", Document, nullable=False, server_default="[]"),
    Column("device_flow", Boolean, nullable=False, server_default=false()),
    refer("owner_id", "accounts.id", nullable=True),
    Column("details", Document, nullable=False, server_default="{}"),  # logo, home page, how it registered
    Column("created_at", Moment, nullable=False),
)

device_grants = Table(
    "device_grants",
    metadata,
    Column("device_hash", String(64), primary_key=True),
    Column("user_code", String(16), nullable=False, unique=True),
    Column("client_id", String(64), nullable=False),
    Column("scope", String(500), nullable=False, server_default=""),
    Column("status", String(12), nullable=False),  # pending | approved | denied
    refer("user_id", "accounts.id", nullable=True),
    Column("polled_at", Moment),
    Column("interval_s", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

refresh_tokens = Table(
    "refresh_tokens",
    metadata,
    Column("secret_hash", String(64), primary_key=True),
    refer("user_id", "accounts.id"),
    Column("client_id", String(64), nullable=False),
    Column("scope", String(500), nullable=False, server_default=""),
    Column("family", String(24), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("replaced_at", Moment),  # still honoured for a short grace: several processes refresh at once
    Column("org_ids", Document),  # organizations whose repositories it reaches; NULL: the device flow, all
    Index("ix_refresh_tokens_family", "family"),
)

# --- repositories ---------------------------------------------------------------------------

repos = Table(
    "repos",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    Column("type", String(12), nullable=False),
    Column("owner_id", Id, ForeignKey("accounts.id"), nullable=False),
    Column("resource_group_id", Id),  # no foreign key: SQLite would have to write the table anew
    Column("creator_id", Id, ForeignKey("accounts.id", ondelete="SET NULL")),
    Column("namespace", String(96), nullable=False),  # the owner's name, kept here for lists without a join
    Column("name", String(96), nullable=False),
    Column("namespace_key", String(96), nullable=False),
    Column("name_key", String(96), nullable=False),
    Column("visibility", String(12), nullable=False),  # public | private | protected
    Column("gated", String(8), nullable=False, server_default=""),  # "" | auto | manual
    Column("is_disabled", Boolean, nullable=False, server_default=false()),
    Column("settings", Document, nullable=False, server_default="{}"),
    Column("next_number", Integer, nullable=False, server_default="1"),  # discussions and pull requests
    Column("pack_epoch", Integer, nullable=False, server_default="0"),  # changes with the set of packs
    # What the tip of main says of itself, written with the ref:
    Column("head_oid", String(40)),
    Column("card", Document),
    Column("config", Document),
    Column("tags", Document, nullable=False, server_default="[]"),
    Column("tag_ids", Numbers),  # rows of `tags`: what the repository is filtered by
    Column("extras", Document, nullable=False, server_default="{}"),
    Column("pipeline_tag", String(64)),
    Column("library_name", String(64)),
    Column("sdk", String(32)),
    Column("search_text", String(200), nullable=False),  # lower-case namespace/name
    # What a job reads in the files of main:
    Column("weights", Document),
    Column("parameters", BigInteger),
    Column("main_bytes", BigInteger, nullable=False, server_default="0"),
    Column("used_storage_bytes", BigInteger, nullable=False, server_default="0"),
    Column("likes", Integer, nullable=False, server_default="0"),
    Column("downloads", BigInteger, nullable=False, server_default="0"),
    Column("downloads_all_time", BigInteger, nullable=False, server_default="0"),
    Column("trending_score", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("last_modified", Moment, nullable=False),
    UniqueConstraint("type", "namespace_key", "name_key"),
    # With all that says who may know of it: the page of an owner of many counts them in the index alone.
    Index("ix_repos_owner_id_type", "owner_id", "type", "visibility", "is_disabled"),
    Index(
        "ix_repos_resource_group_id",
        "resource_group_id",
        sqlite_where=text("resource_group_id IS NOT NULL"),
        postgresql_where=text("resource_group_id IS NOT NULL"),
    ),
    Index("ix_repos_type_parameters", "type", "parameters"),
    Index(
        "ix_repos_gated",
        "type",
        "id",
        sqlite_where=text("gated != ''"),
        postgresql_where=text("gated != ''"),
    ),
    # The private repositories of some owners are few beside all that is public.
    Index(
        "ix_repos_private",
        "owner_id",
        "type",
        sqlite_where=text("visibility = 'private'"),
        postgresql_where=text("visibility = 'private'"),
    ),
    Index("ix_repos_type_namespace_key_last_modified", "type", "namespace_key", "last_modified", "id"),
)

repo_redirects = Table(
    "repo_redirects",
    metadata,
    Column("type", String(12), primary_key=True),
    Column("namespace_key", String(96), primary_key=True),
    Column("name_key", String(96), primary_key=True),
    refer("repo_id", "repos.id"),
    Column("created_at", Moment, nullable=False),
    Index("ix_repo_redirects_repo_id", "repo_id"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("type", String(12), primary_key=True),
    Column("name_key", String(96), primary_key=True),
    Column("name", String(96), nullable=False),
    Column("target", String(200), nullable=False),  # namespace/name; need not exist yet
    Column("created_at", Moment, nullable=False),
)

refs = Table(
    "refs",
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("name", String(260), primary_key=True),
    Column("oid", String(40), nullable=False),  # an annotated tag's own oid
    Column("commit_oid", String(40), nullable=False),  # the commit it comes down to
    Column("indexed", Boolean, nullable=False, server_default=false()),  # last_commits is complete for oid
    Column("updated_at", Moment, nullable=False),
)

packs = Table(
    "packs",
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("name", String(40), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    Column("object_count", Integer, nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("retired_at", Moment),  # folded into another; deleted after a grace period
)

last_commits = Table(
    "last_commits",
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("ref", String(260), primary_key=True),
    Column("dir", String(1000), primary_key=True),  # "" is the root
    Column("name", String(255), primary_key=True),
    Column("commit_oid", String(40), nullable=False),
)

discussions = Table(
    "discussions",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("repo_id", "repos.id"),
    Column("number", Integer, nullable=False),
    Column("title", String(500), nullable=False),
    Column("description", Text, nullable=False, server_default=""),
    refer("author_id", "accounts.id", nullable=True),
    Column("status", String(8), nullable=False),  # draft | open | closed | merged
    Column("is_pull_request", Boolean, nullable=False),
    Column("base_ref", String(260)),
    Column("merge_oid", String(40)),  # the commit that brought it into its base
    Column("merged_at", Moment),
    Column("is_pinned", Boolean, nullable=False, server_default=false()),
    Column("is_locked", Boolean, nullable=False, server_default=false()),
    Column("comment_count", Integer, nullable=False, server_default="0"),
    Column("created_at", Moment, nullable=False),
    Column("updated_at", Moment),
    UniqueConstraint("repo_id", "number"),
    Index("ix_discussions_repo_id_status_number", "repo_id", "status", "number"),
    Index("ix_discussions_repo_id_updated_at", "repo_id", "updated_at"),
    Index("ix_discussions_author_id", "author_id"),
)

# --- large files ----------------------------------------------------------------------------

lfs_objects = Table(
    "lfs_objects",
    metadata,
    Column("sha256", String(64), primary_key=True),
    Column("size_bytes", BigInteger, nullable=False),
    # Where the bytes are: as a whole under a key of the object store, as chunks of a Xet file, or both.
    Column("key", String(200)),
    Column("xet_hash", String(64)),
    Column("created_at", Moment, nullable=False),
    CheckConstraint("key IS NOT NULL OR xet_hash IS NOT NULL", name="has_bytes"),
)

repo_lfs = Table(
    "repo_lfs",  # which repositories may name which object
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("sha256", String(64), ForeignKey("lfs_objects.sha256"), primary_key=True),
    Column("created_at", Moment, nullable=False),
    Index("ix_repo_lfs_sha256", "sha256"),
)

lfs_files = Table(
    "lfs_files",  # which paths have ever named which object, for listing and permanent deletion
    metadata,
    refer("repo_id", "repos.id", primary_key=True),
    Column("file_oid", String(40), primary_key=True),  # sha1 over (sha256, path): the Hub's fileOid
    Column("sha256", String(64), nullable=False),
    Column("path", String(1000), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("ref", String(260)),
    Column("pushed_at", Moment, nullable=False),
    Index("ix_lfs_files_repo_id_pushed_at", "repo_id", "pushed_at"),
    Index("ix_lfs_files_repo_id_sha256", "repo_id", "sha256"),
)

lfs_uploads = Table(
    "lfs_uploads",
    metadata,
    Column("id", String(32), primary_key=True),
    refer("repo_id", "repos.id"),
    refer("user_id", "accounts.id"),
    Column("sha256", String(64), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("part_bytes", BigInteger, nullable=False),  # 0: single PUT
    Column("key", String(200), nullable=False),
    Column("store_state", Text),  # the object store's handle of a multipart write
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_lfs_uploads_repo_id_sha256", "repo_id", "sha256"),
    Index("ix_lfs_uploads_expires_at", "expires_at"),
)

lfs_parts = Table(
    "lfs_parts",
    metadata,
    Column("upload_id", String(32), ForeignKey("lfs_uploads.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("tag", String(200), nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
)

lfs_locks = Table(
    "lfs_locks",
    metadata,
    make_id(),
    Column("hex_id", String(24), nullable=False, unique=True),
    refer("repo_id", "repos.id"),
    Column("path", String(1000), nullable=False),
    Column("ref", String(260)),
    refer("user_id", "accounts.id"),
    Column("locked_at", Moment, nullable=False),
    UniqueConstraint("repo_id", "path"),
)

doomed_objects = Table(
    "doomed_objects",  # keys no row names any more, to be deleted from the store after a grace period
    metadata,
    Column("key", String(300), primary_key=True),
    Column("delete_after", Moment, nullable=False),
    Index("ix_doomed_objects_delete_after", "delete_after"),
)

# --- chunks: no table has a row per chunk, the footers of the stored xorbs are that index ---------

xorbs = Table(
    "xorbs",  # a row per 64 MiB
    metadata,
    make_id(),
    Column("hash", String(64), nullable=False, unique=True),
    Column("chunk_count", Integer, nullable=False),
    Column("raw_bytes", Integer, nullable=False),
    Column("stored_bytes", Integer, nullable=False),  # the chunks as stored; the footer comes after them
    Column("key", String(200), nullable=False),
    Column("state", String(12), nullable=False),  # live | condemned | damaged
    Column("state_since", Moment, nullable=False),
    Column("lease_until", Moment, nullable=False),  # some client may name it until then without asking
    Column("verified_at", Moment, nullable=False),
    Column("created_at", Moment, nullable=False),
    # Only of the few that are not live: on an index of all, SQLite would rather walk that than ids.
    Index(
        "ix_xorbs_not_live",
        "id",
        sqlite_where=text("state != 'live'"),
        postgresql_where=text("state != 'live'"),
    ),
    Index("ix_xorbs_verified_at", "verified_at"),
    # An id must never come back: rows that name a deleted xorb may outlive it for a moment.
    sqlite_autoincrement=True,
)

xet_files = Table(
    "xet_files",
    metadata,
    make_id(),
    Column("hash", String(64), nullable=False, unique=True),
    Column(
        "sha256",
        String(64),
        ForeignKey("lfs_objects.sha256", ondelete="CASCADE"),
        nullable=False,
    ),
    Column("size_bytes", BigInteger, nullable=False),
    Column("terms", LargeBinary, nullable=False),  # 44 bytes each, see `engines.xet.terms`
    Column("created_at", Moment, nullable=False),
    Index("ix_xet_files_sha256", "sha256"),
    # What is remembered of a number must never be taken for another file's.
    sqlite_autoincrement=True,
)

xet_file_xorbs = Table(
    "xet_file_xorbs",  # what keeps a xorb alive
    metadata,
    refer("file_id", "xet_files.id", primary_key=True),
    Column("xorb_id", Id, ForeignKey("xorbs.id"), primary_key=True),
    Index("ix_xet_file_xorbs_xorb_id", "xorb_id"),
)

xet_shards = Table(
    "xet_shards",  # what came together, so that a dedup answer can bring the neighbours
    metadata,
    make_id(),
    Column("created_at", Moment, nullable=False),
)

xet_shard_xorbs = Table(
    "xet_shard_xorbs",
    metadata,
    refer("shard_id", "xet_shards.id", primary_key=True),
    refer("xorb_id", "xorbs.id", primary_key=True),
    Index("ix_xet_shard_xorbs_xorb_id", "xorb_id"),
)

xet_chunks = Table(
    "xet_chunks",  # only chunks that clients ask for: 1 in 1024, and the first of each file
    metadata,
    Column("domain", Id, primary_key=True, autoincrement=False),  # 0: for everybody, else an account
    Column("chunk", LargeBinary(16), primary_key=True),  # the first half of its hash
    refer("xorb_id", "xorbs.id"),
    Column("shard_id", Id, nullable=False),  # a hint only: the shard may be gone
    Index("ix_xet_chunks_xorb_id", "xorb_id"),
    sqlite_with_rowid=False,
)

xorb_grants = Table(
    "xorb_grants",
    metadata,
    Column("id", String(32), primary_key=True),
    refer("repo_id", "repos.id"),
    Column("xorb", String(64), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Index("ix_xorb_grants_expires_at", "expires_at"),
)

xorb_senders = Table(
    "xorb_senders",  # who brought which xorb not long ago, so that an upload that was cut off can go on
    metadata,
    Column("user_id", Id, primary_key=True, autoincrement=False),  # the account may be gone
    refer("xorb_id", "xorbs.id", primary_key=True),
    Column("expires_at", Moment, nullable=False),
    Index("ix_xorb_senders_xorb_id", "xorb_id"),
    Index("ix_xorb_senders_expires_at", "expires_at"),
    sqlite_with_rowid=False,
)

hub_facts = Table(
    "hub_facts",  # what this installation decided once about itself
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(200), nullable=False),
)

# --- work and traces ------------------------------------------------------------------------

jobs = Table(
    "jobs",
    metadata,
    make_id(),
    Column("kind", String(40), nullable=False),
    Column("dedup_key", String(200), unique=True),
    Column("payload", Document, nullable=False, server_default="{}"),
    Column("run_after", Moment, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease_until", Moment),
    Column("last_error", Text),
    Column("created_at", Moment, nullable=False),
    Index("ix_jobs_run_after", "run_after"),
)

audit_events = Table(
    "audit_events",
    metadata,
    make_id(),
    Column("at", Moment, nullable=False),
    Column("actor", String(96), nullable=False),
    Column("action", String(60), nullable=False),
    Column("subject", String(300), nullable=False),
    Column("owner_id", Id),  # the namespace it concerns; NULL: the hub's own
    Column("details", Document, nullable=False, server_default="{}"),
    # Set by a job in the order of `id`, so that writers do not wait for each other: see `domain.audit`.
    Column("seal", String(64)),
    Index("ix_audit_events_subject", "subject"),
    Index("ix_audit_events_owner_id_id", "owner_id", "id"),
    Index(
        "ix_audit_events_unsealed",
        "id",
        sqlite_where=text("seal IS NULL"),
        postgresql_where=text("seal IS NULL"),
    ),
)

audit_heads = Table(
    "audit_heads",  # one row: where the chain of seals ends, signed with the hub's secret key
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("last_id", Id, nullable=False),
    Column("row_count", BigInteger, nullable=False),
    Column("seal", String(64), nullable=False),
    Column("signature", String(64), nullable=False),
    Column("sealed_at", Moment, nullable=False),
)

# A list of one type walks the index of its order. That holds what decides who may see a row, so that the wide rows
# are not looked at; where most are private, those that are not have an index of their own.
for _sort in (
    "last_modified",
    "created_at",
    "likes",
    "downloads",
    "trending_score",
    "main_bytes",
    "search_text",
):
    Index(
        f"ix_repos_type_{_sort}",
        repos.c.type,
        repos.c[_sort],
        repos.c.id,
        repos.c.visibility,
        repos.c.is_disabled,
        repos.c.owner_id,
    )
    Index(
        f"ix_repos_public_{_sort}",
        repos.c.type,
        repos.c[_sort],
        repos.c.id,
        sqlite_where=text("visibility != 'private'"),
        postgresql_where=text("visibility != 'private'"),
    )

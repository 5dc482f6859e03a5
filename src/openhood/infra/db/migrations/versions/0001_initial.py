"""The first schema: all tables as they stood at the first release."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "accounts",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hex_id", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("name_key", sa.String(length=96), nullable=False),
        sa.Column("fullname", sa.String(length=200), server_default="", nullable=False),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("email_verified", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("password_hash", sa.String(length=300), nullable=True),
        sa.Column("is_admin", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("is_active", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("avatar_url", sa.String(length=500), nullable=True),
        sa.Column("details", sa.String(length=500), nullable=True),
        sa.Column("settings", sa.Text(), server_default="{}", nullable=False),
        sa.Column("default_visibility", sa.String(length=12), server_default="public", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("hex_id", name=op.f("uq_accounts_hex_id")),
        sa.UniqueConstraint("name_key", name=op.f("uq_accounts_name_key")),
    )
    op.create_index("uq_accounts_email", "accounts", ["email"], unique=True)
    op.create_table(
        "aliases",
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("name_key", sa.String(length=96), nullable=False),
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("target", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("type", "name_key", name=op.f("pk_aliases")),
    )
    op.create_table(
        "audit_events",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.String(length=96), nullable=False),
        sa.Column("action", sa.String(length=60), nullable=False),
        sa.Column("subject", sa.String(length=300), nullable=False),
        sa.Column("details", sa.Text(), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
    )
    op.create_index("ix_audit_events_subject", "audit_events", ["subject"], unique=False)
    op.create_table(
        "doomed_objects",
        sa.Column("key", sa.String(length=300), nullable=False),
        sa.Column("delete_after", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_doomed_objects")),
    )
    op.create_index("ix_doomed_objects_delete_after", "doomed_objects", ["delete_after"], unique=False)
    op.create_table(
        "jobs",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("dedup_key", sa.String(length=200), nullable=True),
        sa.Column("payload", sa.Text(), server_default="{}", nullable=False),
        sa.Column("run_after", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.Column("last_error", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        sa.UniqueConstraint("dedup_key", name=op.f("uq_jobs_dedup_key")),
    )
    op.create_index("ix_jobs_run_after", "jobs", ["run_after"], unique=False)
    op.create_table(
        "lfs_objects",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_lfs_objects")),
    )
    op.create_table(
        "device_grants",
        sa.Column("device_hash", sa.String(length=64), nullable=False),
        sa.Column("user_code", sa.String(length=16), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=500), server_default="", nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("polled_at", sa.BigInteger(), nullable=True),
        sa.Column("interval_s", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_device_grants_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("device_hash", name=op.f("pk_device_grants")),
        sa.UniqueConstraint("user_code", name=op.f("uq_device_grants_user_code")),
    )
    op.create_table(
        "invitations",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("created_by", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("email", sa.String(length=320), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["created_by"], ["accounts.id"], name=op.f("fk_invitations_created_by"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_invitations")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_invitations_secret_hash")),
    )
    op.create_table(
        "memberships",
        sa.Column("org_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["org_id"], ["accounts.id"], name=op.f("fk_memberships_org_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_memberships_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("org_id", "user_id", name=op.f("pk_memberships")),
    )
    op.create_index("ix_memberships_user_id", "memberships", ["user_id"], unique=False)
    op.create_table(
        "oauth_clients",
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=120), nullable=False),
        sa.Column("is_public", sa.Boolean(), nullable=False),
        sa.Column("secret_hash", sa.String(length=64), nullable=True),
        sa.Column("redirect_uris", sa.Text(), server_default="[]", nullable=False),
        sa.Column("scopes", sa.Text(), server_default="[]", nullable=False),
        sa.Column("device_flow", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["owner_id"], ["accounts.id"], name=op.f("fk_oauth_clients_owner_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("client_id", name=op.f("pk_oauth_clients")),
    )
    op.create_table(
        "refresh_tokens",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("client_id", sa.String(length=64), nullable=False),
        sa.Column("scope", sa.String(length=500), server_default="", nullable=False),
        sa.Column("family", sa.String(length=24), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("replaced_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_refresh_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_refresh_tokens")),
    )
    op.create_index("ix_refresh_tokens_family", "refresh_tokens", ["family"], unique=False)
    op.create_table(
        "repos",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hex_id", sa.String(length=24), nullable=False),
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("owner_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("creator_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("namespace", sa.String(length=96), nullable=False),
        sa.Column("name", sa.String(length=96), nullable=False),
        sa.Column("namespace_key", sa.String(length=96), nullable=False),
        sa.Column("name_key", sa.String(length=96), nullable=False),
        sa.Column("visibility", sa.String(length=12), nullable=False),
        sa.Column("gated", sa.String(length=8), server_default="", nullable=False),
        sa.Column("is_disabled", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("settings", sa.Text(), server_default="{}", nullable=False),
        sa.Column("next_number", sa.Integer(), server_default="1", nullable=False),
        sa.Column("pack_epoch", sa.Integer(), server_default="0", nullable=False),
        sa.Column("head_oid", sa.String(length=40), nullable=True),
        sa.Column("card", sa.Text(), nullable=True),
        sa.Column("config", sa.Text(), nullable=True),
        sa.Column("tags", sa.Text(), server_default="[]", nullable=False),
        sa.Column("pipeline_tag", sa.String(length=64), nullable=True),
        sa.Column("library_name", sa.String(length=64), nullable=True),
        sa.Column("sdk", sa.String(length=32), nullable=True),
        sa.Column("search_text", sa.String(length=200), nullable=False),
        sa.Column("used_storage_bytes", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("likes", sa.Integer(), server_default="0", nullable=False),
        sa.Column("downloads", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("downloads_all_time", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("trending_score", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("last_modified", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["creator_id"], ["accounts.id"], name=op.f("fk_repos_creator_id"), ondelete="SET NULL"
        ),
        sa.ForeignKeyConstraint(["owner_id"], ["accounts.id"], name=op.f("fk_repos_owner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_repos")),
        sa.UniqueConstraint("hex_id", name=op.f("uq_repos_hex_id")),
        sa.UniqueConstraint(
            "type", "namespace_key", "name_key", name=op.f("uq_repos_type_namespace_key_name_key")
        ),
    )
    op.create_index("ix_repos_owner_id", "repos", ["owner_id"], unique=False)
    op.create_index(
        "ix_repos_public_created_at",
        "repos",
        ["type", "created_at", "id"],
        unique=False,
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.create_index(
        "ix_repos_public_downloads",
        "repos",
        ["type", "downloads", "id"],
        unique=False,
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.create_index(
        "ix_repos_public_last_modified",
        "repos",
        ["type", "last_modified", "id"],
        unique=False,
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.create_index(
        "ix_repos_public_likes",
        "repos",
        ["type", "likes", "id"],
        unique=False,
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.create_index(
        "ix_repos_public_trending_score",
        "repos",
        ["type", "trending_score", "id"],
        unique=False,
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.create_index("ix_repos_type_created_at", "repos", ["type", "created_at", "id"], unique=False)
    op.create_index("ix_repos_type_downloads", "repos", ["type", "downloads", "id"], unique=False)
    op.create_index("ix_repos_type_last_modified", "repos", ["type", "last_modified", "id"], unique=False)
    op.create_index("ix_repos_type_likes", "repos", ["type", "likes", "id"], unique=False)
    op.create_index(
        "ix_repos_type_namespace_key_last_modified",
        "repos",
        ["type", "namespace_key", "last_modified", "id"],
        unique=False,
    )
    op.create_index("ix_repos_type_trending_score", "repos", ["type", "trending_score", "id"], unique=False)
    op.create_table(
        "sessions",
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_agent", sa.String(length=300), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_sessions_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("secret_hash", name=op.f("pk_sessions")),
    )
    op.create_index("ix_sessions_user_id", "sessions", ["user_id"], unique=False)
    op.create_table(
        "tokens",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hex_id", sa.String(length=24), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("display_name", sa.String(length=120), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("role", sa.String(length=12), nullable=False),
        sa.Column("scopes", sa.Text(), nullable=True),
        sa.Column("oauth_client_id", sa.String(length=64), nullable=True),
        sa.Column("oauth_family", sa.String(length=24), nullable=True),
        sa.Column("secret_hash", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=True),
        sa.Column("last_used_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_tokens_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hex_id", name=op.f("uq_tokens_hex_id")),
        sa.UniqueConstraint("secret_hash", name=op.f("uq_tokens_secret_hash")),
    )
    op.create_index("ix_tokens_oauth_family", "tokens", ["oauth_family"], unique=False)
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"], unique=False)
    op.create_table(
        "discussions",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hex_id", sa.String(length=24), nullable=False),
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("title", sa.String(length=500), nullable=False),
        sa.Column("description", sa.Text(), server_default="", nullable=False),
        sa.Column("author_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=True),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("is_pull_request", sa.Boolean(), nullable=False),
        sa.Column("base_ref", sa.String(length=260), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["author_id"], ["accounts.id"], name=op.f("fk_discussions_author_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_discussions_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_discussions")),
        sa.UniqueConstraint("hex_id", name=op.f("uq_discussions_hex_id")),
        sa.UniqueConstraint("repo_id", "number", name=op.f("uq_discussions_repo_id_number")),
    )
    op.create_table(
        "last_commits",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("ref", sa.String(length=260), nullable=False),
        sa.Column("dir", sa.String(length=1000), nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("commit_oid", sa.String(length=40), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_last_commits_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "ref", "dir", "name", name=op.f("pk_last_commits")),
    )
    op.create_table(
        "lfs_files",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("file_oid", sa.String(length=40), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("ref", sa.String(length=260), nullable=True),
        sa.Column("pushed_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_lfs_files_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "file_oid", name=op.f("pk_lfs_files")),
    )
    op.create_index("ix_lfs_files_repo_id_pushed_at", "lfs_files", ["repo_id", "pushed_at"], unique=False)
    op.create_index("ix_lfs_files_repo_id_sha256", "lfs_files", ["repo_id", "sha256"], unique=False)
    op.create_table(
        "lfs_locks",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hex_id", sa.String(length=24), nullable=False),
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("path", sa.String(length=1000), nullable=False),
        sa.Column("ref", sa.String(length=260), nullable=True),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("locked_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_lfs_locks_repo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_lfs_locks_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lfs_locks")),
        sa.UniqueConstraint("hex_id", name=op.f("uq_lfs_locks_hex_id")),
        sa.UniqueConstraint("repo_id", "path", name=op.f("uq_lfs_locks_repo_id_path")),
    )
    op.create_table(
        "lfs_uploads",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("part_bytes", sa.BigInteger(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("store_state", sa.Text(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_lfs_uploads_repo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_lfs_uploads_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lfs_uploads")),
    )
    op.create_index("ix_lfs_uploads_expires_at", "lfs_uploads", ["expires_at"], unique=False)
    op.create_index("ix_lfs_uploads_repo_id_sha256", "lfs_uploads", ["repo_id", "sha256"], unique=False)
    op.create_table(
        "packs",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("object_count", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("retired_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["repo_id"], ["repos.id"], name=op.f("fk_packs_repo_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repo_id", "name", name=op.f("pk_packs")),
    )
    op.create_table(
        "refs",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=260), nullable=False),
        sa.Column("oid", sa.String(length=40), nullable=False),
        sa.Column("commit_oid", sa.String(length=40), nullable=False),
        sa.Column("indexed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["repo_id"], ["repos.id"], name=op.f("fk_refs_repo_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("repo_id", "name", name=op.f("pk_refs")),
    )
    op.create_table(
        "repo_lfs",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_lfs_repo_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["sha256"], ["lfs_objects.sha256"], name=op.f("fk_repo_lfs_sha256")),
        sa.PrimaryKeyConstraint("repo_id", "sha256", name=op.f("pk_repo_lfs")),
    )
    op.create_index("ix_repo_lfs_sha256", "repo_lfs", ["sha256"], unique=False)
    op.create_table(
        "repo_redirects",
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("namespace_key", sa.String(length=96), nullable=False),
        sa.Column("name_key", sa.String(length=96), nullable=False),
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_redirects_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("type", "namespace_key", "name_key", name=op.f("pk_repo_redirects")),
    )
    op.create_index("ix_repo_redirects_repo_id", "repo_redirects", ["repo_id"], unique=False)
    op.create_table(
        "lfs_parts",
        sa.Column("upload_id", sa.String(length=32), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("tag", sa.String(length=200), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["upload_id"], ["lfs_uploads.id"], name=op.f("fk_lfs_parts_upload_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("upload_id", "number", name=op.f("pk_lfs_parts")),
    )
    # ### end Alembic commands ###


def downgrade() -> None:
    """Undo."""
    op.drop_table("lfs_parts")
    op.drop_index("ix_repo_redirects_repo_id", table_name="repo_redirects")
    op.drop_table("repo_redirects")
    op.drop_index("ix_repo_lfs_sha256", table_name="repo_lfs")
    op.drop_table("repo_lfs")
    op.drop_table("refs")
    op.drop_table("packs")
    op.drop_index("ix_lfs_uploads_repo_id_sha256", table_name="lfs_uploads")
    op.drop_index("ix_lfs_uploads_expires_at", table_name="lfs_uploads")
    op.drop_table("lfs_uploads")
    op.drop_table("lfs_locks")
    op.drop_index("ix_lfs_files_repo_id_sha256", table_name="lfs_files")
    op.drop_index("ix_lfs_files_repo_id_pushed_at", table_name="lfs_files")
    op.drop_table("lfs_files")
    op.drop_table("last_commits")
    op.drop_table("discussions")
    op.drop_index("ix_tokens_user_id", table_name="tokens")
    op.drop_index("ix_tokens_oauth_family", table_name="tokens")
    op.drop_table("tokens")
    op.drop_index("ix_sessions_user_id", table_name="sessions")
    op.drop_table("sessions")
    op.drop_index("ix_repos_type_trending_score", table_name="repos")
    op.drop_index("ix_repos_type_namespace_key_last_modified", table_name="repos")
    op.drop_index("ix_repos_type_likes", table_name="repos")
    op.drop_index("ix_repos_type_last_modified", table_name="repos")
    op.drop_index("ix_repos_type_downloads", table_name="repos")
    op.drop_index("ix_repos_type_created_at", table_name="repos")
    op.drop_index(
        "ix_repos_public_trending_score",
        table_name="repos",
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.drop_index(
        "ix_repos_public_likes",
        table_name="repos",
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.drop_index(
        "ix_repos_public_last_modified",
        table_name="repos",
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.drop_index(
        "ix_repos_public_downloads",
        table_name="repos",
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.drop_index(
        "ix_repos_public_created_at",
        table_name="repos",
        sqlite_where=sa.text("visibility != 'private'"),
        postgresql_where=sa.text("visibility != 'private'"),
    )
    op.drop_index("ix_repos_owner_id", table_name="repos")
    op.drop_table("repos")
    op.drop_index("ix_refresh_tokens_family", table_name="refresh_tokens")
    op.drop_table("refresh_tokens")
    op.drop_table("oauth_clients")
    op.drop_index("ix_memberships_user_id", table_name="memberships")
    op.drop_table("memberships")
    op.drop_table("invitations")
    op.drop_table("device_grants")
    op.drop_table("lfs_objects")
    op.drop_index("ix_jobs_run_after", table_name="jobs")
    op.drop_table("jobs")
    op.drop_index("ix_doomed_objects_delete_after", table_name="doomed_objects")
    op.drop_table("doomed_objects")
    op.drop_index("ix_audit_events_subject", table_name="audit_events")
    op.drop_table("audit_events")
    op.drop_table("aliases")
    op.drop_index("uq_accounts_email", table_name="accounts")
    op.drop_table("accounts")
    # ### end Alembic commands ###

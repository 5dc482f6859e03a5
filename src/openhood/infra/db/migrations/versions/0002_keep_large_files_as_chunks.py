"""Keep large files as chunks."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "hub_facts",
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.String(length=200), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_hub_facts")),
    )
    op.create_table(
        "xet_shards",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xet_shards")),
    )
    op.create_table(
        "xorbs",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("chunk_count", sa.Integer(), nullable=False),
        sa.Column("raw_bytes", sa.Integer(), nullable=False),
        sa.Column("stored_bytes", sa.Integer(), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("state_since", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.Column("verified_at", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xorbs")),
        sa.UniqueConstraint("hash", name=op.f("uq_xorbs_hash")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("xorbs", schema=None) as batch_op:
        batch_op.create_index(
            "ix_xorbs_not_live",
            ["id"],
            unique=False,
            sqlite_where=sa.text("state != 'live'"),
            postgresql_where=sa.text("state != 'live'"),
        )
        batch_op.create_index("ix_xorbs_verified_at", ["verified_at"], unique=False)

    op.create_table(
        "xet_chunks",
        sa.Column(
            "domain",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("chunk", sa.LargeBinary(length=16), nullable=False),
        sa.Column("xorb_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("shard_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["xorb_id"], ["xorbs.id"], name=op.f("fk_xet_chunks_xorb_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("domain", "chunk", name=op.f("pk_xet_chunks")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("xet_chunks", schema=None) as batch_op:
        batch_op.create_index("ix_xet_chunks_xorb_id", ["xorb_id"], unique=False)

    op.create_table(
        "xet_files",
        sa.Column(
            "id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False
        ),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("terms", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["sha256"], ["lfs_objects.sha256"], name=op.f("fk_xet_files_sha256"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xet_files")),
        sa.UniqueConstraint("hash", name=op.f("uq_xet_files_hash")),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("xet_files", schema=None) as batch_op:
        batch_op.create_index("ix_xet_files_sha256", ["sha256"], unique=False)

    op.create_table(
        "xet_shard_xorbs",
        sa.Column("shard_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("xorb_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["shard_id"], ["xet_shards.id"], name=op.f("fk_xet_shard_xorbs_shard_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["xorb_id"], ["xorbs.id"], name=op.f("fk_xet_shard_xorbs_xorb_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("shard_id", "xorb_id", name=op.f("pk_xet_shard_xorbs")),
    )
    with op.batch_alter_table("xet_shard_xorbs", schema=None) as batch_op:
        batch_op.create_index("ix_xet_shard_xorbs_xorb_id", ["xorb_id"], unique=False)

    op.create_table(
        "xet_file_xorbs",
        sa.Column("file_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("xorb_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.ForeignKeyConstraint(
            ["file_id"], ["xet_files.id"], name=op.f("fk_xet_file_xorbs_file_id"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["xorb_id"], ["xorbs.id"], name=op.f("fk_xet_file_xorbs_xorb_id")),
        sa.PrimaryKeyConstraint("file_id", "xorb_id", name=op.f("pk_xet_file_xorbs")),
    )
    with op.batch_alter_table("xet_file_xorbs", schema=None) as batch_op:
        batch_op.create_index("ix_xet_file_xorbs_xorb_id", ["xorb_id"], unique=False)

    op.create_table(
        "xorb_grants",
        sa.Column("id", sa.String(length=32), nullable=False),
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("xorb", sa.String(length=64), nullable=False),
        sa.Column("size_bytes", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_xorb_grants_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_xorb_grants")),
    )
    with op.batch_alter_table("xorb_grants", schema=None) as batch_op:
        batch_op.create_index("ix_xorb_grants_expires_at", ["expires_at"], unique=False)

    op.create_table(
        "xorb_senders",
        sa.Column(
            "user_id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("xorb_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["xorb_id"], ["xorbs.id"], name=op.f("fk_xorb_senders_xorb_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("user_id", "xorb_id", name=op.f("pk_xorb_senders")),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("xorb_senders", schema=None) as batch_op:
        batch_op.create_index("ix_xorb_senders_expires_at", ["expires_at"], unique=False)
        batch_op.create_index("ix_xorb_senders_xorb_id", ["xorb_id"], unique=False)

    with op.batch_alter_table("lfs_objects", schema=None) as batch_op:
        batch_op.add_column(sa.Column("xet_hash", sa.String(length=64), nullable=True))
        batch_op.alter_column("key", existing_type=sa.VARCHAR(length=200), nullable=True)
        batch_op.create_check_constraint(
            op.f("ck_lfs_objects_has_bytes"), "key IS NOT NULL OR xet_hash IS NOT NULL"
        )


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("lfs_objects", schema=None) as batch_op:
        batch_op.drop_constraint(op.f("ck_lfs_objects_has_bytes"), type_="check")
        batch_op.alter_column("key", existing_type=sa.VARCHAR(length=200), nullable=False)
        batch_op.drop_column("xet_hash")

    with op.batch_alter_table("xorb_senders", schema=None) as batch_op:
        batch_op.drop_index("ix_xorb_senders_xorb_id")
        batch_op.drop_index("ix_xorb_senders_expires_at")

    op.drop_table("xorb_senders")
    with op.batch_alter_table("xorb_grants", schema=None) as batch_op:
        batch_op.drop_index("ix_xorb_grants_expires_at")

    op.drop_table("xorb_grants")
    with op.batch_alter_table("xet_file_xorbs", schema=None) as batch_op:
        batch_op.drop_index("ix_xet_file_xorbs_xorb_id")

    op.drop_table("xet_file_xorbs")
    with op.batch_alter_table("xet_shard_xorbs", schema=None) as batch_op:
        batch_op.drop_index("ix_xet_shard_xorbs_xorb_id")

    op.drop_table("xet_shard_xorbs")
    with op.batch_alter_table("xet_files", schema=None) as batch_op:
        batch_op.drop_index("ix_xet_files_sha256")

    op.drop_table("xet_files")
    with op.batch_alter_table("xet_chunks", schema=None) as batch_op:
        batch_op.drop_index("ix_xet_chunks_xorb_id")

    op.drop_table("xet_chunks")
    with op.batch_alter_table("xorbs", schema=None) as batch_op:
        batch_op.drop_index("ix_xorbs_verified_at")
        batch_op.drop_index(
            "ix_xorbs_not_live",
            sqlite_where=sa.text("state != 'live'"),
            postgresql_where=sa.text("state != 'live'"),
        )

    op.drop_table("xorbs")
    op.drop_table("xet_shards")
    op.drop_table("hub_facts")

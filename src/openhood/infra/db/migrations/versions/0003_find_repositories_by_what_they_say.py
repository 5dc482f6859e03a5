"""Find repositories by what they say."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_OLD_ORDERS = ("last_modified", "created_at", "likes", "downloads", "trending_score")

# SQLite finds tags in an inverted table, names by their trigrams and texts by their words. Triggers keep the two
# full-text indexes, which hold no text of their own, in step with the texts.
_SQLITE = (
    "CREATE TABLE repo_tags (tag_id INTEGER NOT NULL, repo_id INTEGER NOT NULL, PRIMARY KEY (tag_id, repo_id)) "
    "WITHOUT ROWID",
    "CREATE VIRTUAL TABLE repo_names USING fts5(name, content='repo_texts', content_rowid='place', "
    "tokenize='trigram', columnsize=0)",
    "CREATE VIRTUAL TABLE repo_words USING fts5(name, words, owner, content='repo_texts', "
    "content_rowid='place', tokenize='unicode61 remove_diacritics 2', columnsize=0)",
    """CREATE TRIGGER repo_texts_insert AFTER INSERT ON repo_texts BEGIN
        INSERT INTO repo_names(rowid, name) VALUES (new.place, new.name);
        INSERT INTO repo_words(rowid, name, words, owner) VALUES (new.place, new.name, new.words, new.owner);
    END""",
    """CREATE TRIGGER repo_texts_delete AFTER DELETE ON repo_texts BEGIN
        INSERT INTO repo_names(repo_names, rowid, name) VALUES ('delete', old.place, old.name);
        INSERT INTO repo_words(repo_words, rowid, name, words, owner)
            VALUES ('delete', old.place, old.name, old.words, old.owner);
    END""",
    """CREATE TRIGGER repo_texts_update_names AFTER UPDATE ON repo_texts
    WHEN old.place != new.place OR old.name != new.name BEGIN
        INSERT INTO repo_names(repo_names, rowid, name) VALUES ('delete', old.place, old.name);
        INSERT INTO repo_names(rowid, name) VALUES (new.place, new.name);
    END""",
    """CREATE TRIGGER repo_texts_update_words AFTER UPDATE ON repo_texts
    WHEN old.place != new.place OR old.name != new.name OR old.words != new.words OR old.owner != new.owner BEGIN
        INSERT INTO repo_words(repo_words, rowid, name, words, owner)
            VALUES ('delete', old.place, old.name, old.words, old.owner);
        INSERT INTO repo_words(rowid, name, words, owner) VALUES (new.place, new.name, new.words, new.owner);
    END""",
)
# The lists of waiting entries that GIN keeps by default would be walked by every search until a vacuum.
_POSTGRES = (
    "CREATE EXTENSION IF NOT EXISTS pg_trgm",
    "CREATE INDEX ix_repos_tag_ids ON repos USING gin (tag_ids) WITH (fastupdate = off)",
    "ALTER TABLE repos ALTER COLUMN tag_ids SET STATISTICS 1000",
    "ALTER TABLE repo_texts ADD COLUMN vector tsvector GENERATED ALWAYS AS "
    "(to_tsvector('simple', translate(name, '/-_.', '    ') || ' ' || words)) STORED",
    "CREATE INDEX ix_repo_texts_name_trigrams ON repo_texts USING gin (name gin_trgm_ops) WITH (fastupdate = off)",
    "CREATE INDEX ix_repo_texts_vector ON repo_texts USING gin (vector) WITH (fastupdate = off)",
)


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "download_visits",
        sa.Column("window", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("repo_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("visitor", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("window", "repo_id", "visitor", name=op.f("pk_download_visits")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tags",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("type", sa.String(length=12), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("key", sa.String(length=200), nullable=False),
        sa.Column("category", sa.String(length=32), nullable=False),
        sa.Column("n_public", sa.Integer(), server_default="0", nullable=False),
        sa.Column("n_all", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tags")),
        sa.UniqueConstraint("type", "name", name=op.f("uq_tags_type_name")),
    )
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.create_index(
            "ix_tags_type_category_n_public", ["type", "category", "n_public", "id"], unique=False
        )
        batch_op.create_index("ix_tags_type_key", ["type", "key"], unique=False)

    op.create_table(
        "weight_headers",
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("error", sa.String(length=500), nullable=True),
        sa.ForeignKeyConstraint(
            ["sha256"], ["lfs_objects.sha256"], name=op.f("fk_weight_headers_sha256"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sha256", name=op.f("pk_weight_headers")),
    )
    op.create_table(
        "download_days",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_download_days_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "day", name=op.f("pk_download_days")),
    )
    with op.batch_alter_table("download_days", schema=None) as batch_op:
        batch_op.create_index("ix_download_days_day", ["day"], unique=False)

    op.create_table(
        "evaluations",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("dataset_key", sa.String(length=200), nullable=False),
        sa.Column("task_id", sa.String(length=200), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("filename", sa.String(length=1000), nullable=False),
        sa.Column("entry", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_evaluations_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "number", name=op.f("pk_evaluations")),
    )
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.create_index("ix_evaluations_dataset_key", ["dataset_key"], unique=False)

    op.create_table(
        "likes",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("user_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["repo_id"], ["repos.id"], name=op.f("fk_likes_repo_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(
            ["user_id"], ["accounts.id"], name=op.f("fk_likes_user_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", "user_id", name=op.f("pk_likes")),
    )
    with op.batch_alter_table("likes", schema=None) as batch_op:
        batch_op.create_index("ix_likes_created_at", ["created_at"], unique=False)
        batch_op.create_index("ix_likes_user_id_created_at", ["user_id", "created_at"], unique=False)

    op.create_table(
        "repo_files",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("head_oid", sa.String(length=40), nullable=False),
        sa.Column("names", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_files_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", name=op.f("pk_repo_files")),
    )
    op.create_table(
        "repo_texts",
        sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("place", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("words", sa.Text(), server_default="", nullable=False),
        sa.Column("owner", sa.String(length=24), nullable=False),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f("fk_repo_texts_repo_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("repo_id", name=op.f("pk_repo_texts")),
        sa.UniqueConstraint("place", name=op.f("uq_repo_texts_place")),
    )
    with op.batch_alter_table("repos", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "tag_ids", sa.Text().with_variant(postgresql.ARRAY(sa.Integer()), "postgresql"), nullable=True
            )
        )
        batch_op.add_column(sa.Column("extras", sa.Text(), server_default="{}", nullable=False))
        batch_op.add_column(sa.Column("weights", sa.Text(), nullable=True))
        batch_op.add_column(sa.Column("parameters", sa.BigInteger(), nullable=True))
        batch_op.add_column(sa.Column("main_bytes", sa.BigInteger(), server_default="0", nullable=False))
        batch_op.create_index(
            "ix_repos_gated",
            ["type", "id"],
            unique=False,
            sqlite_where=sa.text("gated != ''"),
            postgresql_where=sa.text("gated != ''"),
        )
        batch_op.create_index(
            "ix_repos_private",
            ["owner_id", "type"],
            unique=False,
            sqlite_where=sa.text("visibility = 'private'"),
            postgresql_where=sa.text("visibility = 'private'"),
        )
        batch_op.create_index(
            "ix_repos_public_main_bytes",
            ["type", "main_bytes", "id"],
            unique=False,
            sqlite_where=sa.text("visibility != 'private'"),
            postgresql_where=sa.text("visibility != 'private'"),
        )
        batch_op.create_index(
            "ix_repos_public_search_text",
            ["type", "search_text", "id"],
            unique=False,
            sqlite_where=sa.text("visibility != 'private'"),
            postgresql_where=sa.text("visibility != 'private'"),
        )
        batch_op.create_index("ix_repos_type_parameters", ["type", "parameters"], unique=False)
        for name in _OLD_ORDERS:
            batch_op.drop_index(f"ix_repos_type_{name}")
        for name in (*_OLD_ORDERS, "main_bytes", "search_text"):
            columns = ["type", name, "id", "visibility", "is_disabled", "owner_id"]
            batch_op.create_index(f"ix_repos_type_{name}", columns, unique=False)
    for statement in _SQLITE if op.get_bind().dialect.name == "sqlite" else _POSTGRES:
        op.execute(statement)
    # What is there already is described anew from git, in the background.
    op.execute(
        "INSERT INTO jobs (kind, dedup_key, payload, run_after, attempts, created_at) "
        "SELECT 'reindex_repos', 'reindex_repos', '{}', 0, 0, 0 WHERE EXISTS (SELECT 1 FROM repos)"
    )


def downgrade() -> None:
    """Undo."""
    if op.get_bind().dialect.name == "sqlite":
        for name in ("repo_words", "repo_names", "repo_tags"):
            op.execute(f"DROP TABLE {name}")
        for event in ("insert", "delete", "update_names", "update_words"):
            op.execute(f"DROP TRIGGER repo_texts_{event}")
    else:
        op.execute("DROP INDEX ix_repos_tag_ids")
    with op.batch_alter_table("repos", schema=None) as batch_op:
        for name in (*_OLD_ORDERS, "main_bytes", "search_text"):
            batch_op.drop_index(f"ix_repos_type_{name}")
        for name in _OLD_ORDERS:
            batch_op.create_index(f"ix_repos_type_{name}", ["type", name, "id"], unique=False)
        batch_op.drop_index("ix_repos_type_parameters")
        batch_op.drop_index(
            "ix_repos_public_search_text",
            sqlite_where=sa.text("visibility != 'private'"),
            postgresql_where=sa.text("visibility != 'private'"),
        )
        batch_op.drop_index(
            "ix_repos_public_main_bytes",
            sqlite_where=sa.text("visibility != 'private'"),
            postgresql_where=sa.text("visibility != 'private'"),
        )
        batch_op.drop_index(
            "ix_repos_private",
            sqlite_where=sa.text("visibility = 'private'"),
            postgresql_where=sa.text("visibility = 'private'"),
        )
        batch_op.drop_index(
            "ix_repos_gated", sqlite_where=sa.text("gated != ''"), postgresql_where=sa.text("gated != ''")
        )
        batch_op.drop_column("main_bytes")
        batch_op.drop_column("parameters")
        batch_op.drop_column("weights")
        batch_op.drop_column("extras")
        batch_op.drop_column("tag_ids")

    op.drop_table("repo_texts")
    op.drop_table("repo_files")
    with op.batch_alter_table("likes", schema=None) as batch_op:
        batch_op.drop_index("ix_likes_user_id_created_at")
        batch_op.drop_index("ix_likes_created_at")

    op.drop_table("likes")
    with op.batch_alter_table("evaluations", schema=None) as batch_op:
        batch_op.drop_index("ix_evaluations_dataset_key")

    op.drop_table("evaluations")
    with op.batch_alter_table("download_days", schema=None) as batch_op:
        batch_op.drop_index("ix_download_days_day")

    op.drop_table("download_days")
    op.drop_table("weight_headers")
    with op.batch_alter_table("tags", schema=None) as batch_op:
        batch_op.drop_index("ix_tags_type_key")
        batch_op.drop_index("ix_tags_type_category_n_public")

    op.drop_table("tags")
    op.drop_table("download_visits")

"""Look at datasets."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def _repo() -> sa.Column[int]:
    return sa.Column("repo_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False)


def _keys(table: str, *columns: str) -> tuple[sa.PrimaryKeyConstraint, sa.ForeignKeyConstraint]:
    return (
        sa.PrimaryKeyConstraint("repo_id", *columns, name=op.f(f"pk_{table}")),
        sa.ForeignKeyConstraint(
            ["repo_id"], ["repos.id"], name=op.f(f"fk_{table}_repo_id"), ondelete="CASCADE"
        ),
    )


def upgrade() -> None:
    op.create_table(
        "viewer_plans",
        _repo(),
        sa.Column("commit_oid", sa.String(40), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        *_keys("viewer_plans", "commit_oid"),
    )
    op.create_table(
        "viewer_footers",
        _repo(),
        sa.Column("content", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        *_keys("viewer_footers", "content"),
    )
    op.create_table(
        "viewer_answers",
        _repo(),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(30), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("made_at", sa.BigInteger(), nullable=False),
        *_keys("viewer_answers", "name"),
    )
    op.create_index("ix_viewer_answers_made_at", "viewer_answers", ["made_at"])
    op.create_table(
        "viewer_conversions",
        _repo(),
        sa.Column("config", sa.String(200), nullable=False),
        sa.Column("split", sa.String(200), nullable=False),
        sa.Column("made_from", sa.String(64), nullable=False),
        sa.Column("state", sa.String(10), nullable=False),
        sa.Column("facts", sa.Text(), server_default="{}", nullable=False),
        sa.Column("updated_at", sa.BigInteger(), nullable=False),
        *_keys("viewer_conversions", "config", "split"),
    )


def downgrade() -> None:
    op.drop_table("viewer_conversions")
    op.drop_index("ix_viewer_answers_made_at", table_name="viewer_answers")
    op.drop_table("viewer_answers")
    op.drop_table("viewer_footers")
    op.drop_table("viewer_plans")

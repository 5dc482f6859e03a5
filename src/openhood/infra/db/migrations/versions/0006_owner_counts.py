"""Count an owner's repositories without reading them."""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_repos_owner_id_type",
        "repos",
        ["owner_id", "type", "visibility", "is_disabled"],
        if_not_exists=True,
    )
    op.drop_index("ix_repos_owner_id", table_name="repos")


def downgrade() -> None:
    op.create_index("ix_repos_owner_id", "repos", ["owner_id"])
    op.drop_index("ix_repos_owner_id_type", table_name="repos")

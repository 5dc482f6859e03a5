"""Alembic's entry: runs migrations on the connection that `openhood.infra.db.migrate` hands over."""

from alembic import context

from openhood.infra.db.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
    render_as_batch=True,
)
context.run_migrations()

"""Bringing a database to the newest schema with alembic, from code and safely at every start."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from openhood.infra.db.engine import Database

_HERE = Path(__file__).parent / "migrations"
# Two replicas starting at once must not migrate at once; any constant of our own will do.
_ADVISORY_LOCK = 727_860_001


def config() -> Config:
    """Return the alembic configuration; there is no alembic.ini."""
    found = Config()
    found.set_main_option("script_location", str(_HERE))
    return found


def newest() -> str:
    """Return the newest revision this code knows."""
    head = ScriptDirectory.from_config(config()).get_current_head()
    assert head is not None
    return head


def current(db: Database) -> str | None:
    """Return the database's revision, or None for an empty one."""
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(db: Database) -> None:
    """Bring the database to the newest schema; does nothing where it is there already."""
    if current(db) == newest():
        return
    with db.engine.connect() as connection:
        settings = config()
        settings.attributes["connection"] = connection
        if db.is_sqlite:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                command.upgrade(settings, "head")
            except BaseException:
                connection.exec_driver_sql("ROLLBACK")
                raise
            connection.exec_driver_sql("COMMIT")
        else:
            with connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                command.upgrade(settings, "head")

"""Bringing a database to the newest schema, from code and safely at every start.

Alembic does the work and is imported only when there is some: every command of the hub passes here.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Column, Connection, inspect, text

from openhood.base.errors import CorruptObject, DatabaseTooNew, Unavailable
from openhood.infra.db.engine import Database

if TYPE_CHECKING:
    from alembic.config import Config

_HERE = Path(__file__).parent / "migrations"
# Two replicas starting at once must not migrate at once; any constant of our own will do.
_ADVISORY_LOCK = 727_860_001


def revisions() -> list[str]:
    """Return every revision this code knows, oldest first: the number each migration's file begins with."""
    return sorted(path.name.partition("_")[0] for path in (_HERE / "versions").glob("[0-9]*_*.py"))


def newest() -> str:
    """Return the newest revision this code knows."""
    return revisions()[-1]


def current(db: Database) -> str | None:
    """Return the database's revision, or None for an empty one. Raises Unavailable."""
    with db.read() as tx:
        return _revision(tx)


def upgrade(db: Database) -> bool:
    """Bring the database to the newest schema; tells whether there was anything to do.

    Processes that start together wait for each other. Raises: DatabaseTooNew, Unavailable.
    """
    found = current(db)
    if found == newest():
        return False
    _refuse_unknown(found)
    with db.engine.connect() as connection:
        if db.is_sqlite:
            _upgrade_sqlite(connection)
        else:
            with connection.begin():
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _ADVISORY_LOCK})
                _run(connection)
    return True


def _upgrade_sqlite(connection: Connection) -> None:
    # SQLite changes many things only by copying a table and dropping the old one, which with foreign keys on
    # would empty every table that refers to it.
    connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    try:
        _run(connection)
        broken = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchall()
        if broken:
            raise CorruptObject(
                f"The migration would leave {len(broken)} dangling rows: nothing was changed."
            )
    except BaseException:
        connection.exec_driver_sql("ROLLBACK")
        raise
    else:
        connection.exec_driver_sql("COMMIT")
    finally:
        connection.exec_driver_sql("PRAGMA foreign_keys=ON")


def _run(connection: Connection) -> None:
    from alembic import command

    # Asked again now that nobody else migrates: another process may have come first.
    _refuse_unknown(_revision(connection))
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def config() -> Config:
    """Return the alembic configuration; there is no alembic.ini."""
    from alembic.config import Config

    found = Config()
    found.set_main_option("script_location", str(_HERE))
    return found


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        if inspect(connection).has_table("repos"):
            raise Unavailable("The database holds tables of a hub but not their revision. Restore a backup.")
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _refuse_unknown(found: str | None) -> None:
    if found is not None and found not in revisions():
        raise DatabaseTooNew(found, newest())


def differences(db: Database) -> list[str]:
    """Return where the database differs from the tables of this code, one sentence each. Raises Unavailable."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from openhood.infra.db.schema import metadata

    with db.read() as tx:
        context = MigrationContext.configure(
            tx,
            opts={
                "compare_type": True,
                "compare_server_default": default_differs,
                "include_object": is_compared,
            },
        )
        found = compare_metadata(context, metadata)
    return [_sentence(each) for each in found]


# What a migration makes for one of the two databases only, to search by; see `finding`.
_SEARCH_ONLY = re.compile(
    r"repo_tags|repo_(?:names|words)(?:_\w+)?|ix_repos_tag_ids|ix_repo_texts_\w+|vector"
)


def is_compared(_thing: object, name: str | None, kind: str, reflected: bool, _other: object) -> bool:
    """Tell whether something found in a database should be among the tables of this code (an alembic hook)."""
    return not (reflected and kind in ("table", "index", "column") and name and _SEARCH_ONLY.fullmatch(name))


def default_differs(
    _context: object,
    _found_column: object,
    column: Column[object],
    found: str | None,
    _default: object,
    wanted: str | None,
) -> bool:
    """Compare defaults as text: alembic's own comparison takes an empty string for none."""
    return not column.primary_key and _bare(found) != _bare(wanted)


def _bare(default: str | None) -> str | None:
    return None if default is None else default.partition("::")[0].strip("()'\" ").lower()


def _sentence(difference: object) -> str:
    # alembic gives tuples like ("add_column", schema, table, column), and lists of them per column.
    if isinstance(difference, list):
        return "; ".join(_sentence(each) for each in difference)
    kind, *what = difference if isinstance(difference, tuple) else (difference,)
    return f"{str(kind).replace('_', ' ')}: {' '.join(str(each) for each in what if each is not None)}"[:300]

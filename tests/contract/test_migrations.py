"""Migrations make exactly the tables of the code, on both databases, whoever else starts at the same time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from openhood.base.errors import DatabaseTooNew, Unavailable
from openhood.infra.db import migrate
from openhood.infra.db.engine import Database
from openhood.infra.db.schema import metadata
from openhood.testing.processes import clean_environment


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hub.db"
    return str(request.getfixturevalue("empty_postgres_url"))


@pytest.fixture
def db(url: str) -> Iterator[Database]:
    """An empty database."""
    opened = Database(url, pool_size=4)
    yield opened
    opened.close()


def test_migrating_gives_the_tables_of_the_code(db: Database) -> None:
    assert migrate.current(db) is None
    assert migrate.upgrade(db)
    assert migrate.current(db) == migrate.newest()
    assert migrate.differences(db) == []
    with db.read() as tx:
        made = {name for name in inspect(tx).get_table_names() if not re.match(_TO_SEARCH, name)}
        assert made == {*metadata.tables, "alembic_version"}


# What only one of the two databases has, to search by (the migrations say why).
_TO_SEARCH = r"repo_(?:tags|names|words|texts_)|ix_repos_tag_ids|ix_repo_texts"


def _as_the_database_sees_it(db: Database) -> set[str]:
    """Every table, constraint and index in the database's own words."""
    if db.is_sqlite:
        query = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'alembic%'"
    else:
        query = """
            SELECT indexname AS name, indexdef AS sql FROM pg_indexes WHERE schemaname = 'public' AND tablename <> 'alembic_version'
            UNION SELECT conname, conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
                WHERE connamespace = 'public'::regnamespace AND conrelid <> 'alembic_version'::regclass
            UNION SELECT '', concat_ws(' ', table_name, column_name, data_type, character_maximum_length, is_nullable,
                column_default) FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name <> 'alembic_version' AND column_name <> 'vector'"""
    with db.read() as tx:
        if not db.is_sqlite:
            tx.execute(text("CREATE TABLE IF NOT EXISTS alembic_version (version_num VARCHAR(32) NOT NULL)"))
        found = [(str(name), str(sql)) for name, sql in tx.execute(text(query))]
        return {_in_any_order(sql) for name, sql in found if not re.match(_TO_SEARCH, name)}


def _in_any_order(statement: str) -> str:
    """A table's clauses may come in another order, and SQLite keeps the spelling of a default."""
    same = statement.replace("DEFAULT false", "DEFAULT 0").replace("DEFAULT true", "DEFAULT 1")
    same = re.sub(r'"(\w+)"', r"\1", same)  # and quotes the name of a table that was copied
    same = re.sub(r"DEFAULT \(?('[^']*'|\d)\)?", r"DEFAULT \1", same)
    # A column that was added later stands behind the constraints, on their last line.
    clauses = re.split(r"\n|,(?![^()]*\))", same)
    return ", ".join(sorted(filter(None, (" ".join(each.split()).strip(" ,)") for each in clauses))))


def test_migrating_gives_what_creating_gives(
    db: Database, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """More than alembic compares: what happens on deletion, conditions of indexes, names."""
    migrate.upgrade(db)
    if db.is_sqlite:
        other = Database(f"sqlite:///{tmp_path}/created.db", pool_size=1)
    else:
        server = request.getfixturevalue("postgres")
        other = Database(server.create_database(), pool_size=1)
    metadata.create_all(other.engine)
    migrated, created = _as_the_database_sees_it(db), _as_the_database_sees_it(other)
    other.close()
    assert len(created) > 30
    assert migrated == created


def test_migrating_twice_does_nothing(db: Database) -> None:
    migrate.upgrade(db)
    assert not migrate.upgrade(db)


def test_differences_are_found(db: Database) -> None:
    migrate.upgrade(db)
    with db.write() as tx:
        tx.execute(text("DROP TABLE jobs"))
        tx.execute(text("ALTER TABLE repos ADD COLUMN surprise TEXT DEFAULT 'x'"))
    found = migrate.differences(db)
    assert any("jobs" in each for each in found)
    assert any("surprise" in each for each in found)


def test_what_a_newer_release_made_is_refused(db: Database) -> None:
    migrate.upgrade(db)
    with db.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseTooNew, match="9999"):
        migrate.upgrade(db)
    assert migrate.current(db) == "9999"


def test_tables_without_a_revision_are_refused(db: Database) -> None:
    migrate.upgrade(db)
    with db.write() as tx:
        tx.execute(text("DROP TABLE alembic_version"))
    with pytest.raises(Unavailable, match="Restore a backup"):
        migrate.upgrade(db)


def test_foreign_keys_hold_after_migrating(db: Database) -> None:
    """SQLite's are switched off while it migrates."""
    migrate.upgrade(db)
    if db.is_sqlite:
        with db.read() as tx:
            assert tx.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_pull_requests_of_before_get_their_first_comment(db: Database) -> None:
    settings = migrate.config()
    with db.engine.connect() as connection, connection.begin():
        settings.attributes["connection"] = connection
        command.upgrade(settings, "0003")
        for statement in (
            "INSERT INTO accounts (id, hex_id, kind, name, name_key, fullname, created_at) "
            "VALUES (1, 'a', 'user', 'bob', 'bob', 'Bob', 5)",
            "INSERT INTO repos (id, hex_id, type, namespace, namespace_key, name, name_key, owner_id, visibility, "
            "created_at, last_modified, search_text) VALUES (1, 'b', 'model', 'bob', 'bob', 'm', 'm', 1, 'public', 5, 5, '')",
            "INSERT INTO discussions (hex_id, repo_id, number, title, description, author_id, status, is_pull_request, "
            "created_at) VALUES ('c', 1, 1, 'Mine', 'Why', 1, 'open', true, 7)",
        ):
            connection.execute(text(statement))
    assert migrate.upgrade(db)
    with db.read() as tx:
        told = tx.execute(
            text("SELECT hex_id, kind, author_id, created_at, body, facts FROM discussion_events")
        )
        assert [tuple(row) for row in told] == [("c", "comment", 1, 7, "Why", "{}")]
        kept = tx.execute(text("SELECT comment_count, updated_at FROM discussions"))
        assert [tuple(row) for row in kept] == [(1, 7)]


def test_alembic_sees_the_revisions_that_file_names_say() -> None:
    script = ScriptDirectory.from_config(migrate.config())
    assert script.get_heads() == [migrate.newest()]
    assert sorted(each.revision for each in script.walk_revisions()) == migrate.revisions()


def test_processes_that_start_together_all_succeed(url: str, db: Database, tmp_path: Path) -> None:
    starting = [sys.executable, "-m", "openhood", "db", "upgrade", "--data", str(tmp_path), "--json"]
    environment = {**clean_environment(), "OPENHOOD_DATABASE_URL": url}
    starters = [
        subprocess.Popen(starting, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [(*each.communicate(timeout=60), each.returncode) for each in starters]
    assert [(err, code) for _out, err, code in ended] == [("", 0)] * 3
    said = [json.loads(out) for out, _err, _code in ended]
    assert {each["revision"] for each in said} == {migrate.newest()}
    assert migrate.differences(db) == []

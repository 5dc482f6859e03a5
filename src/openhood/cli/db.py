"""``openhood db …``: the database's schema. Every start of the hub upgrades it by itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from openhood.cli.options import Config, Data, NoHubHere, has_hub, settings_of
from openhood.cli.output import EXIT_PROBLEM, AsJson, refusals, write_done

if TYPE_CHECKING:
    from openhood.infra.db.engine import Database

app = typer.Typer(help="Look at the database's schema and upgrade it.", no_args_is_help=True)


@app.command("upgrade")
@refusals
def upgrade(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Bring the database to the newest schema, as the next start would."""
    from openhood.infra.db import migrate

    with _database(data, config, create=True) as db:
        before = migrate.current(db)
        changed = migrate.upgrade(db)
        after = migrate.current(db)
    sentence = (
        f"Upgraded from {before or 'an empty database'} to {after}." if changed else f"Already at {after}."
    )
    write_done(sentence, as_json=as_json, before=before, revision=after, changed=changed)


@app.command("current")
@refusals
def current(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Show which schema the database has, and the newest this release knows."""
    from openhood.infra.db import migrate

    with _database(data, config, create=False) as db:
        found = migrate.current(db)
    newest = migrate.newest()
    sentence = f"The database is at {found or 'no revision: it is empty'}; the newest is {newest}."
    write_done(sentence, as_json=as_json, revision=found, newest=newest)


@app.command("check")
@refusals
def check(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Compare the database with the schema this release expects; exit code 1 if they differ."""
    from openhood.infra.db import migrate

    with _database(data, config, create=False) as db:
        found, newest = migrate.current(db), migrate.newest()
        differences = migrate.differences(db) if found == newest else []
    if found != newest:
        differences = [
            f"the database is at {found or 'no revision'}, not at {newest}: run 'openhood db upgrade'"
        ]
    sentence = "\n".join(differences) if differences else f"The database is as revision {newest} says."
    write_done(sentence, as_json=as_json, revision=found, newest=newest, differences=differences)
    if differences:
        raise typer.Exit(EXIT_PROBLEM)


@contextmanager
def _database(data: Data, config: Config, *, create: bool) -> Iterator[Database]:
    from openhood.infra.db.engine import Database

    settings, _ = settings_of(data, config)
    if not create and not has_hub(settings):
        raise NoHubHere(settings.data_dir)
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    opened = Database(settings.effective_database_url, pool_size=2)
    try:
        yield opened
    finally:
        opened.close()

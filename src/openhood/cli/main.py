"""The command line's root: global options and the list of commands. Each noun has a file of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from openhood import __version__
from openhood.cli import (
    audit,
    config,
    db,
    demo,
    doctor,
    fsck,
    gc,
    orgs,
    provision,
    reindex,
    reports,
    repos,
    serve,
    signing_key,
    storage,
    tokens,
    users,
)

app = typer.Typer(
    name="openhood",
    help="The open hub for machine learning that anyone can run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("provision")(provision.provision)
app.command("demo")(demo.demo)
app.add_typer(users.app, name="user")
app.add_typer(orgs.app, name="org")
app.add_typer(tokens.app, name="token")
app.add_typer(audit.app, name="audit")
app.add_typer(signing_key.app, name="signing-key")
app.add_typer(repos.app, name="repo")
app.add_typer(reports.app, name="report")
app.add_typer(storage.app, name="storage")
app.command("gc")(gc.gc)
app.add_typer(config.app, name="config")
app.command("env")(config.env)
app.command("doctor")(doctor.doctor)
app.command("fsck")(fsck.fsck)
app.command("reindex")(reindex.reindex)
app.add_typer(db.app, name="db")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"openhood {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """The open hub for machine learning that anyone can run."""

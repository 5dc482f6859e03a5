"""The command line's root: global options and the list of commands. Each noun has a file of its own."""

from __future__ import annotations

import typer

from openhood.cli import config, serve

app = typer.Typer(
    name="openhood",
    help="The open hub for machine learning that anyone can run.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("env")(config.env)
app.add_typer(config.app, name="config")


@app.callback()
def root() -> None:
    """The open hub for machine learning that anyone can run."""

"""How commands speak: tables and sentences for people, one JSON document for machines.

Exit codes: 0 done, 1 done and something is wrong with the hub, 2 refused or not understood.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from openhood.base.errors import HubError

P = ParamSpec("P")
T = TypeVar("T")

EXIT_PROBLEM = 1
EXIT_REFUSED = 2

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document instead of text.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
]


def refusals(command: Callable[P, T]) -> Callable[P, T]:
    """Make a command end with exit code 2 and the public sentence where the hub refuses."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except HubError as error:
            write_error(error.message)
            raise typer.Exit(EXIT_REFUSED) from None

    return run


def write_error(sentence: str) -> None:
    """Say on standard error why a command was refused."""
    err.print("[bold red]error:[/]", end=" ")
    err.print(sentence, markup=False)


def refuse(sentence: str) -> typer.Exit:
    """Say why a command was refused; raise what this returns."""
    write_error(sentence)
    return typer.Exit(EXIT_REFUSED)


def write_json(document: object) -> None:
    """Write one JSON document to standard output."""
    json.dump(document, sys.stdout, indent=2, default=plain, ensure_ascii=False)
    sys.stdout.write("\n")


def plain(value: object) -> object:
    """Turn what JSON lacks into text: moments as the API writes them."""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z"
    return str(value)


def write_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool, empty: str) -> None:
    """Write a list: a table whose columns are the keys of the first row, or a JSON array."""
    if as_json:
        write_json(list(rows))
        return
    if not rows:
        out.print(empty, markup=False)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(Text(_cell(value)) for value in row.values()))
    _print(table)


def write_facts(facts: Mapping[str, object], *, as_json: bool) -> None:
    """Write one thing: a line per fact, or a JSON object."""
    if as_json:
        write_json(facts)
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        table.add_row(name.replace("_", " "), Text(_cell(value)))
    _print(table)


def _print(table: Table) -> None:
    # Nobody reads a pipe's 80 columns: there, an id broken over lines would only be in the way.
    console = out if out.is_terminal else Console(highlight=False, soft_wrap=True, width=_WIDE)
    console.print(table)


_WIDE = 1000


def count_text(count: int, one: str, *, many: str | None = None) -> str:
    """Return a number with its noun: ``1 xorb``, ``2 xorbs``."""
    return f"{count} {one if count == 1 else many or one + 's'}"


def write_done(sentence: str, *, as_json: bool, **facts: object) -> None:
    """Say that something was done: the sentence, or the facts as a JSON object."""
    if as_json:
        write_json(facts)
    else:
        out.print(sentence, markup=False)


def ask_password(*, from_stdin: bool) -> str:
    """Return a new password: the first line of standard input, or what a person types twice, hidden.

    Raises: typer.Exit where nobody is there to be asked.
    """
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    if not sys.stdin.isatty():
        raise refuse("There is no terminal to ask for the password. Pass --password-stdin.")
    password: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return password


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone. Raises typer.Exit unless agreed."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise refuse("This cannot be undone. Pass --yes to do it without being asked.")
    if not typer.confirm(question, err=True):
        raise refuse("Nothing was changed.")


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return str(value)

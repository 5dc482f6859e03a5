"""How commands speak: tables and sentences for people, one JSON document for machines.

Exit codes: 0 done, 1 done and something is wrong with the hub, 2 refused or not understood.
"""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, ParamSpec, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from openhood.base.errors import HubError

P = ParamSpec("P")
T = TypeVar("T")

EXIT_PROBLEM = 1
EXIT_REFUSED = 2

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

AsJson = Annotated[bool, typer.Option("--json", help="Write one JSON document instead of text.")]


def refusals(command: Callable[P, T]) -> Callable[P, T]:
    """Make a command end with exit code 2 and the public sentence where the hub refuses."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return command(*args, **kwargs)
        except HubError as error:
            err.print("[bold red]error:[/]", end=" ")
            err.print(error.message, markup=False)
            raise typer.Exit(EXIT_REFUSED) from None

    return run


def write_json(document: object) -> None:
    """Write one JSON document to standard output."""
    json.dump(document, sys.stdout, indent=2, default=str, ensure_ascii=False)
    sys.stdout.write("\n")


def write_rows(rows: Sequence[Mapping[str, object]], *, as_json: bool, empty: str) -> None:
    """Write a list: a table whose columns are the keys of the first row, or a JSON array."""
    if as_json:
        write_json(list(rows))
        return
    if not rows:
        out.print(empty)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    out.print(table)


def write_done(sentence: str, *, as_json: bool, **facts: object) -> None:
    """Say that something was done: the sentence, or the facts as a JSON object."""
    if as_json:
        write_json(facts)
    else:
        out.print(sentence, markup=False)

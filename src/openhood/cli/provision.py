"""``openhood provision FILE``: bring a hub to what a file describes, and say what changed."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openhood.base.errors import HubError
from openhood.cli.options import Config, Data, has_hub, opened_with, settings_of
from openhood.cli.output import EXIT_REFUSED, AsJson, out, refusals, write_error, write_json

if TYPE_CHECKING:
    from openhood.base.settings import Settings
    from openhood.domain.provision.items import Item, Outcome
    from openhood.domain.services import Services

_MARKS: dict[Outcome, str] = {
    "created": "[green]+[/]",
    "updated": "[yellow]~[/]",
    "deleted": "[red]-[/]",
    "unchanged": "[dim]=[/]",
}


@refusals
def provision(
    file: Annotated[Path, typer.Argument(help="The YAML file that describes the hub.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only say what would change, and change nothing.")
    ] = False,
    data: Data = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Bring users, organizations, tokens, repositories and aliases to what a file says.

    Works before the hub's first start and while it runs. A second run changes nothing.
    """
    from openhood.domain.provision.apply import apply_document
    from openhood.domain.provision.document import read_document

    document = read_document(file)
    items: list[Item] = []
    failure: str | None = None
    with _opened(settings_of(data, config)[0], dry=dry_run) as sv:
        try:
            for item in apply_document(sv, document, dry=dry_run):
                items.append(item)
                if not as_json:
                    _write_item(item)
        except HubError as error:
            failure = error.message
    if as_json:
        write_json({"items": [_facts(item) for item in items], "error": failure, "dry_run": dry_run})
    else:
        _write_summary(items, dry=dry_run)
    if failure is not None:
        write_error(failure)
        raise typer.Exit(EXIT_REFUSED)


@contextmanager
def _opened(settings: Settings, *, dry: bool) -> Iterator[Services]:
    if not dry or has_hub(settings):
        with opened_with(settings) as sv:
            yield sv
        return
    # What would become of a hub that does not exist is found out on an empty one beside it.
    with (
        tempfile.TemporaryDirectory(prefix="openhood-dry-run-") as directory,
        opened_with(
            settings.model_copy(
                update={"data_dir": Path(directory), "database_url": None, "objects_url": None}
            )
        ) as sv,
    ):
        yield sv


def _write_item(item: Item) -> None:
    out.print(f"{_MARKS[item.outcome]} ", end="")
    details = f"  ({item.details})" if item.details else ""
    out.print(f"{item.outcome:9} {item.kind} {item.name}{details}", markup=False)
    if item.secret is not None:
        out.print(f"    its value, shown only this once: {item.secret}", markup=False)


def _write_summary(items: list[Item], *, dry: bool) -> None:
    counts = Counter(item.outcome for item in items)
    if not items:
        out.print("The file names nothing.")
    elif counts["unchanged"] == len(items):
        out.print("Nothing to change: the hub is as the file says.")
    else:
        said = ", ".join(f"{counts[each]} {each}" for each in _MARKS if counts[each])
        out.print(f"Would be: {said}." if dry else f"Done: {said}.")


def _facts(item: Item) -> dict[str, object]:
    facts: dict[str, object] = {
        "kind": item.kind,
        "name": item.name,
        "outcome": item.outcome,
        "details": item.details,
    }
    return facts if item.secret is None else {**facts, "secret": item.secret}

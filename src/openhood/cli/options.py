"""Options that many commands share, and opening the hub's parts for a command without a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from openhood.base.errors import NotFound
from openhood.base.settings import Setting, Settings, load_settings

if TYPE_CHECKING:
    from openhood.domain.services import Services

# Read from OPENHOOD_DATA by the settings, which also know where the value came from.
Data = Annotated[Path | None, typer.Option("--data", help="Data directory of the hub [env: OPENHOOD_DATA].")]
Config = Annotated[
    Path | None, typer.Option("--config", help="TOML file with settings [env: OPENHOOD_CONFIG].")
]


class NoHubHere(NotFound):
    """There is no hub in the data directory, and the command does not make one."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"There is no hub in {path.absolute()}. Name its directory with --data or OPENHOOD_DATA, or start one "
            "with 'openhood serve'."
        )


def settings_of(data: Path | None, config: Path | None = None) -> tuple[Settings, list[Setting]]:
    """Return the settings a command runs with, and where each came from. Raises SettingsError."""
    return load_settings(environ=os.environ, file=config, flags={"data_dir": data})


@contextmanager
def opened(data: Path | None, config: Path | None = None, *, create: bool) -> Iterator[Services]:
    """Open the hub's database and object store, also beside a running server; closed afterwards.

    Args: ``create``: make the hub where there is none yet, as its first start would.
    Raises: SettingsError, NoHubHere, Unavailable, DatabaseTooNew.
    """
    settings = settings_of(data, config)[0]
    if not create and not has_hub(settings):
        raise NoHubHere(settings.data_dir)
    with opened_with(settings) as sv:
        yield sv


@contextmanager
def opened_with(settings: Settings) -> Iterator[Services]:
    """Open the hub's parts with given settings; closed afterwards."""
    # Heavy: imported only by commands that need it.
    from openhood import app
    from openhood.base.telemetry import configure_logging

    configure_logging(settings.log)  # to standard error: the other one belongs to the command
    sv = app.open_services(settings)
    try:
        yield sv
    finally:
        sv.objects.close()
        sv.db.close()


def has_hub(settings: Settings) -> bool:
    """Tell whether there is a database to look into (one on a server is taken to exist)."""
    url = settings.effective_database_url
    return not url.startswith("sqlite:///") or Path(url.removeprefix("sqlite:///")).is_file()

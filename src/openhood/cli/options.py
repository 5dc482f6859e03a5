"""Options that many commands share, and opening the hub's parts for a command without a server."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from openhood.base.settings import Setting, Settings, load_settings
from openhood.domain.services import Services

Data = Annotated[
    Path | None,
    typer.Option("--data", help="Data directory of the hub.", envvar="OPENHOOD_DATA", show_envvar=False),
]
Config = Annotated[Path | None, typer.Option("--config", help="TOML file with settings.")]


def settings_of(data: Path | None, config: Path | None = None) -> tuple[Settings, list[Setting]]:
    """Return the settings a command runs with, and where each came from. Raises SettingsError."""
    return load_settings(environ=os.environ, file=config, flags={"data_dir": data})


@contextmanager
def opened(data: Path | None, config: Path | None = None) -> Iterator[Services]:
    """Open the hub's database and object store, also beside a running server; closed afterwards."""
    from openhood import app  # heavy: imported only by commands that need it

    sv = app.open_services(settings_of(data, config)[0])
    try:
        yield sv
    finally:
        sv.objects.close()
        sv.db.close()

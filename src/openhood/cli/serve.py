"""``openhood serve``: open the hub, say how to reach it, and serve until told to stop."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from openhood.base.errors import HubError
from openhood.base.settings import Settings, load_settings
from openhood.cli.config import client_variables, quoted
from openhood.cli.options import Config, Data
from openhood.cli.output import out, refusals

if TYPE_CHECKING:
    from openhood.infra.workers import Workers


@refusals
def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Start the hub and serve until interrupted; the first start makes everything it needs."""
    settings, _ = load_settings(
        environ=os.environ, file=config, flags={"host": host, "port": port, "data_dir": data}
    )
    run(settings)


def run(settings: Settings) -> None:
    """Serve with ``settings`` until a signal; returns after a graceful stop. Raises PortTaken and what opening does."""
    # Heavy: imported only by the command that needs it.
    from openhood import app
    from openhood.base.telemetry import configure_logging
    from openhood.cli.server import listen, serve_until_told
    from openhood.domain.accounts.sign_up import ensure_setup_link

    configure_logging(settings.log)
    sockets = listen(settings.host, settings.port)
    settings = settings.model_copy(update={"port": sockets[0].getsockname()[1]})
    hub = app.build(settings)
    try:
        threading.Thread(target=_warm, args=(hub.sv.tables,), name="warm-tables", daemon=True).start()
        setup = ensure_setup_link(hub.sv)
        serve_until_told(hub.asgi, settings, sockets, started=lambda: write_banner(settings, setup=setup))
    finally:
        hub.close()


def _warm(tables: Workers) -> None:
    """Load what reads tables before anybody asks; where that fails, who asks is told."""
    with suppress(HubError):
        tables.warm()


def write_banner(settings: Settings, *, setup: str | None) -> None:
    """Say where the hub is and how to use it; ``setup`` is the secret of a link to create its administrator."""
    address = escape(address_of(settings))
    out.print(f"\n[bold]Openhood[/] is ready at [bold]{address}[/]")
    out.print(f"Data directory: {settings.data_dir.absolute()}", markup=False)
    if setup is not None:
        out.print("\nIt has no administrator yet. Open this link, once, within 24 hours, to become it:")
        out.print(f"  [bold]{address}/setup/{setup}[/]")
        out.print("\nThen tell the clients where the hub is:")
        for name, value, _why in client_variables(address_of(settings)):
            out.print(f"  export {name}={quoted(value)}", markup=False)
        out.print()
    else:
        out.print(f"  export HF_ENDPOINT={address}")
        out.print("All variables for clients: openhood env\n")
    sys.stdout.flush()


_THIS_MACHINE = ("127.0.0.1", "localhost", "0.0.0.0", "::", "::1")  # noqa: S104  (to be spoken of, not bound)


def address_of(settings: Settings) -> str:
    """Return the address under which a client on this machine reaches the hub."""
    if settings.public_url:
        return settings.public_url
    host = "localhost" if settings.host in _THIS_MACHINE else settings.host
    return f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"

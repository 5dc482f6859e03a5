"""``openhood serve``: open the hub, say how to reach it, and serve until told to stop."""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from rich.console import Console

from openhood.base.errors import HubError
from openhood.base.settings import Settings, load_settings
from openhood.base.telemetry import configure_logging

_err = Console(stderr=True, highlight=False)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 takes a free one.")] = None,
    data: Annotated[Path | None, typer.Option(help="Data directory; created at first start.")] = None,
    config: Annotated[Path | None, typer.Option(help="TOML file with settings.")] = None,
) -> None:
    """Start the hub and serve until interrupted."""
    try:
        settings, _ = load_settings(
            environ=os.environ, file=config, flags={"host": host, "port": port, "data_dir": data}
        )
        run(settings)
    except HubError as error:
        _err.print(f"[bold red]error:[/] {error.message}")
        raise typer.Exit(2) from None


def run(settings: Settings) -> None:
    """Serve with ``settings`` until a signal; returns after a graceful stop."""
    from openhood import app  # heavy: imported only by the command that needs it

    configure_logging(settings.log)
    sockets = listen(settings.host, settings.port)
    port = sockets[0].getsockname()[1]
    hub = app.build(settings.model_copy(update={"port": port}))
    try:
        server = uvicorn.Server(
            uvicorn.Config(
                hub.asgi,
                http="httptools",
                ws="none",
                lifespan="on",
                access_log=False,
                log_config=None,
                server_header=False,
                proxy_headers=True,
                forwarded_allow_ips=settings.trusted_proxies,
                timeout_graceful_shutdown=30,
                timeout_keep_alive=75,
                backlog=2048,
            )
        )
        server.run(sockets=sockets)
    finally:
        hub.close()


def listen(host: str, port: int) -> list[socket.socket]:
    """Open the listening sockets of ``host``; ``localhost`` and loopback listen on IPv4 and IPv6.

    Some systems resolve ``localhost`` to ``::1`` first, where a client would wait in vain.
    """
    hosts = ["127.0.0.1", "::1"] if host in ("127.0.0.1", "localhost") else [host]
    sockets: list[socket.socket] = []
    for address in hosts:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        try:
            listener = socket.socket(family, socket.SOCK_STREAM)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            listener.bind((address, port or (sockets[0].getsockname()[1] if sockets else 0)))
            listener.listen(2048)
        except OSError as error:
            if sockets:
                break  # no IPv6 here, or the port is taken there: IPv4 is enough
            raise _cannot_listen(host, port, error) from error
        sockets.append(listener)
    return sockets


def _cannot_listen(host: str, port: int, error: OSError) -> HubError:
    return HubError(f"Cannot listen on {host}:{port}: {error.strerror}. Choose another port with --port.")

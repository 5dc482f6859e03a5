"""The server under ``openhood serve``: its sockets, and how it starts and ends. What it says is `serve`'s."""

from __future__ import annotations

import errno
import gc
import os
import resource
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import uvicorn
from starlette.types import ASGIApp

from openhood.base.errors import HubError
from openhood.base.settings import Settings
from openhood.http.connections import BoundedConnection

GRACE_S = 30
"""How long requests may still run after the hub was told to stop."""

OPEN_FILES = 65536
"""Files and connections this process may have open at once, where the machine allows so many."""

LOOPBACK = ("127.0.0.1", "localhost")


class PortTaken(HubError):
    """The hub cannot listen where it was told to."""


def serve_until_told(
    asgi: ASGIApp, settings: Settings, sockets: list[socket.socket], *, started: Callable[[], None]
) -> None:
    """Answer requests until a signal, then let those under way finish; ``started`` is called once it serves."""
    _raise_file_limit()
    config = uvicorn.Config(
        asgi,
        http=BoundedConnection,
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=True,
        forwarded_allow_ips=settings.trusted_proxies,
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=75,
        backlog=2048,
    )
    _Server(config, started=started).run(sockets=sockets)


def _raise_file_limit() -> None:
    """Raise the soft limit on open files: many systems give 1024, which idle connections alone use up."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class _Server(uvicorn.Server):
    """uvicorn's server: says when it serves, returns after the first signal, ends at once at the second."""

    def __init__(self, config: uvicorn.Config, *, started: Callable[[], None]) -> None:
        super().__init__(config)
        self._when_started = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            # What was imported and built until now stays; to walk it takes longer than most requests.
            gc.collect()
            gc.freeze()
            self._when_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        # uvicorn raises the signals anew when it is done, which would end the process before it closed its
        # database.
        before = {each: signal.signal(each, self.handle_exit) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if self.should_exit:
            # Nothing is lost: what was acknowledged is durable, and the next start finds the rest undone.
            os._exit(128 + sig)
        self.should_exit = True


def listen(host: str, port: int) -> list[socket.socket]:
    """Open the listening sockets of ``host``; ``localhost`` and 127.0.0.1 listen on IPv4 and IPv6.

    Some systems resolve ``localhost`` to ``::1`` first, where a client would wait in vain or meet another
    program. Raises PortTaken.
    """
    hosts = ["127.0.0.1", "::1"] if host in LOOPBACK else [host]
    sockets: list[socket.socket] = []
    for address in hosts:
        wanted = port or (sockets[0].getsockname()[1] if sockets else 0)
        try:
            sockets.append(_listen_on(address, wanted))
        except OSError as error:
            if sockets and not (port and error.errno == errno.EADDRINUSE):
                break  # no IPv6 here: IPv4 is enough
            for each in sockets:
                each.close()
            raise PortTaken(
                f"Cannot listen on {address} port {wanted}: {error.strerror}. Choose another one with --port."
            ) from error
    return sockets


def _listen_on(address: str, port: int) -> socket.socket:
    found = socket.getaddrinfo(address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, kind, protocol, _name, place = found[0]
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # "::" means every address of this machine, IPv4 too.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0 if address == "::" else 1)
        listener.bind(place)
        listener.listen(2048)
    except OSError:
        listener.close()
        raise
    return listener

"""Real services for tests, each on loopback ports of its own in a directory of its own.

`start_postgres` and, from `swift`, `start_swift`. Both end with the process that started them; nothing here
downloads anything except `ensure_swift_venv`.
"""

from __future__ import annotations

import os
import pwd
import re
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import psycopg

from openhood.testing.processes import Program, ServiceFailed, Supervised, clean_environment, find_free_port
from openhood.testing.swift import S3Service, ensure_swift_venv, start_swift

__all__ = [
    "PostgresService",
    "S3Service",
    "ServiceFailed",
    "ensure_swift_venv",
    "find_free_port",
    "start_postgres",
    "start_swift",
]

_DEBIAN = Path("/usr/lib/postgresql")
_START_TIMEOUT_S = 60
# Durability and memory that a test does not need; a directory of its own makes the Unix socket unnecessary.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "1h",
    "log_min_messages": "warning",
}


class PostgresService:
    """A running PostgreSQL server; its superuser is ``postgres``, without a password."""

    def __init__(self, programs: Supervised, port: int) -> None:
        self._programs = programs
        self.port = port

    @property
    def pid(self) -> int:
        """Process id of the supervisor."""
        return self._programs.pid

    def url(self, dbname: str) -> str:
        """Return the SQLAlchemy URL of a database."""
        return f"postgresql+psycopg://postgres@127.0.0.1:{self.port}/{dbname}"

    def wait_until_ready(self, *, timeout_s: float) -> None:
        """Return once the server takes statements: it listens before that. Raises ServiceFailed."""
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                self._execute("SELECT 1")
                return
            except psycopg.OperationalError as error:
                if time.monotonic() > deadline:
                    self.stop()
                    raise ServiceFailed(f"PostgreSQL does not become ready: {error}") from error
                time.sleep(0.05)

    def create_database(self, *, template: str | None = None) -> str:
        """Make a database with a fresh name and return its URL.

        Args: ``template`` is the URL of the one it becomes a copy of, to which nobody is connected; without one it
        is empty.
        """
        name = f"test_{secrets.token_hex(6)}"
        copied = f' TEMPLATE "{_own_name(template)}"' if template is not None else ""
        self._execute(f'CREATE DATABASE "{name}"{copied}')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Remove a database of `create_database`, whoever is still connected to it."""
        self._execute(f'DROP DATABASE IF EXISTS "{_own_name(url)}" WITH (FORCE)')

    def stop(self) -> None:
        """End the server. Safe when called twice."""
        self._programs.stop()

    def _execute(self, statement: str) -> None:
        address = f"postgresql://postgres@127.0.0.1:{self.port}/postgres"
        with psycopg.connect(address, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement.encode())


def _own_name(url: str) -> str:
    """Return the name in the URL of a database that `PostgresService.create_database` made."""
    name = url.rpartition("/")[2]
    if re.fullmatch(r"test_[0-9a-f]{12}", name) is None:
        raise ValueError(f"Not a database of create_database: {name}")
    return name


def start_postgres(directory: Path, *, settings: Mapping[str, str] | None = None) -> PostgresService:
    """Start a PostgreSQL server with its data in ``directory/data``, which must not exist yet.

    Args: ``settings`` go before those of tests, which make it quick rather than durable.

    As root it runs as the user ``postgres`` or ``nobody``, who then owns ``directory`` and must be able to
    reach it: take one from `tempfile.mkdtemp`, not from pytest's ``tmp_path``.

    Raises: ServiceFailed where PostgreSQL is not installed or does not start.
    """
    binaries = _find_postgres()
    directory.mkdir(parents=True, exist_ok=True)
    user = _unprivileged_user()
    if user is not None:
        os.chown(directory, *user)
        closed = [each for each in directory.resolve().parents if not each.stat().st_mode & 0o001]
        if closed:
            raise ServiceFailed(f"PostgreSQL does not run as root, and its user cannot enter {closed[0]}.")
    data = directory / "data"
    command = [str(binaries / "initdb"), "--pgdata", str(data), "--username=postgres", "--auth=trust"]
    made = subprocess.run(
        [*command, "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"],
        cwd=directory,
        env=clean_environment(),
        user=user[0] if user else None,
        group=user[1] if user else None,
        extra_groups=[] if user else None,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if made.returncode != 0:
        raise ServiceFailed(f"initdb failed:\n{made.stdout}{made.stderr}")
    port = find_free_port()
    chosen = {**_SETTINGS, **(settings or {})}
    options = [each for name, value in chosen.items() for each in ("-c", f"{name}={value}")]
    log = directory / "postgres.log"
    programs = Supervised(
        [
            Program(
                command=[str(binaries / "postgres"), "-D", str(data), "-p", str(port), *options],
                cwd=directory,
                log=log,
                env=clean_environment(),
                # "Immediate shutdown": nothing of the data is needed afterwards.
                stop_signal=signal.SIGQUIT,
                user=user,
            )
        ]
    )
    programs.wait_for_port(port, timeout_s=_START_TIMEOUT_S)
    service = PostgresService(programs, port)
    service.wait_until_ready(timeout_s=_START_TIMEOUT_S)
    return service


def _find_postgres() -> Path:
    versions = [
        each for each in _DEBIAN.glob("*/bin") if (each / "initdb").exists() and (each / "postgres").exists()
    ]
    if versions:
        return max(versions, key=lambda each: float(each.parent.name))
    found = shutil.which("initdb")
    if found is not None and (Path(found).resolve().parent / "postgres").exists():
        return Path(found).resolve().parent
    raise ServiceFailed("PostgreSQL is not installed. On Debian: apt-get install postgresql")


def _unprivileged_user() -> tuple[int, int] | None:
    """Return uid and gid to run as, or None to stay who we are: PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise ServiceFailed(
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as."
    )

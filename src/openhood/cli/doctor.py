"""``openhood doctor``: checks what the hub stands on and says what to do. It changes nothing."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

import typer

from openhood.base.errors import HubError
from openhood.base.settings import Settings, mask_url
from openhood.cli.options import Config, Data, has_hub, settings_of
from openhood.cli.output import EXIT_PROBLEM, AsJson, out, refusals, write_json
from openhood.engines.tables.jail import landlock_version

MIN_PYTHON = (3, 11)
MIN_GIT = (2, 30)
LOW_SPACE_BYTES = 5_000_000_000
NO_SPACE_BYTES = 200_000_000
SLOW_FSYNC_S = 0.2
CLOCK_SKEW_S = 120
_NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "ceph", "lustre")
_MARKS = {"ok": "[green]ok  [/]", "warn": "[yellow]warn[/]", "fail": "[bold red]FAIL[/]"}


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check; ``remedy`` says what to do where it is not ``ok``."""

    name: str
    status: Literal["ok", "warn", "fail"]
    details: str
    remedy: str = ""


@refusals
def doctor(data: Data = None, config: Config = None, as_json: AsJson = False) -> None:
    """Check the installation and say what to do; exit code 1 where something fails."""
    settings, _ = settings_of(data, config)
    found: list[Check] = []
    for check in examine(settings):
        found.append(check)
        if not as_json:
            out.print(f"{_MARKS[check.status]}  [bold]{check.name}[/]: ", end="")
            out.print(check.details, markup=False)
            if check.status != "ok":
                out.print(f"      {check.remedy}", markup=False)
    failed = [check for check in found if check.status == "fail"]
    if as_json:
        write_json(
            {
                "ok": not failed,
                "checks": [
                    {"name": c.name, "status": c.status, "details": c.details, "remedy": c.remedy}
                    for c in found
                ],
            }
        )
    elif not failed:
        out.print("\nThe hub can run.")
    if failed:
        raise typer.Exit(EXIT_PROBLEM)


def examine(settings: Settings) -> Iterator[Check]:
    """Yield the outcome of every check, one after the other."""
    yield check_python(sys.version_info[:3])
    yield check_git()
    yield check_git_lfs()
    yield check_sandbox(landlock_version())
    yield check_data_dir(settings.data_dir)
    if settings.data_dir.is_dir():
        yield check_space(settings.data_dir)
        yield check_fsync(settings.data_dir)
    yield check_secret_key(settings)
    yield check_database(settings)
    yield check_objects(settings)
    yield check_port(settings)
    yield check_localhost(settings)
    yield check_clock(settings)


def check_python(version: tuple[int, ...]) -> Check:
    """Is Python new enough?"""
    shown = ".".join(str(part) for part in version)
    if version[:2] < MIN_PYTHON:
        return Check("Python", "fail", shown, f"Install Python {_dotted(MIN_PYTHON)} or newer.")
    return Check("Python", "ok", shown)


def check_git() -> Check:
    """Is the git program there, and new enough?"""
    text = _output("git", "--version")
    if text is None:
        return Check("git", "fail", "not found", "Install git from your distribution's packages.")
    version = re.search(r"(\d+)\.(\d+)", text)
    if version is None or (int(version[1]), int(version[2])) < MIN_GIT:
        return Check("git", "fail", text, f"Install git {_dotted(MIN_GIT)} or newer.")
    return Check("git", "ok", text)


def check_git_lfs() -> Check:
    """Is git-lfs there? The hub does without; people who clone on this machine do not."""
    text = _output("git", "lfs", "version")
    if text is None:
        return Check(
            "git-lfs",
            "warn",
            "not found",
            "Only clones made on this machine need it: install git-lfs for them.",
        )
    return Check("git-lfs", "ok", text)


def check_sandbox(version: int) -> Check:
    """Can the kernel keep the processes that read datasets away from everything else? ``version`` is Landlock's."""
    if version:
        return Check("viewer's sandbox", "ok", f"Landlock {version}")
    return Check(
        "viewer's sandbox",
        "warn",
        "no Landlock",
        "Run the hub on Linux 5.13 or newer: without it, processes that read strangers' datasets are bounded in "
        "memory, time and files only.",
    )


def check_data_dir(path: Path) -> Check:
    """Can the data directory be made or written, and is it on a disk SQLite can trust?"""
    place = path.absolute()
    if not place.exists():
        parent = next(each for each in place.parents if each.exists())
        if os.access(parent, os.W_OK | os.X_OK):
            return Check("data directory", "ok", f"{place}: the first start makes it")
        return Check(
            "data directory", "fail", f"{place} cannot be made", f"Make {parent} writable, or use --data."
        )
    if not place.is_dir() or not os.access(place, os.R_OK | os.W_OK | os.X_OK):
        return Check(
            "data directory", "fail", f"{place} cannot be written", "Mend its permissions, or use --data."
        )
    strangers = [each.name for each in place.iterdir() if not os.access(each, os.R_OK | os.W_OK)]
    if strangers:
        return Check(
            "data directory",
            "fail",
            f"{place}: {', '.join(sorted(strangers)[:5])} cannot be written",
            "Run the hub always as the same user, and give these files to that user.",
        )
    kind = _file_system(place)
    if kind in _NETWORK_FILE_SYSTEMS:
        return Check(
            "data directory",
            "warn",
            f"{place} is on a network file system ({kind})",
            "SQLite's locks are not safe there: use a local disk, or OPENHOOD_DATABASE_URL with PostgreSQL.",
        )
    return Check("data directory", "ok", str(place))


def check_space(path: Path) -> Check:
    """Is there room on the data directory's disk?"""
    free = shutil.disk_usage(path).free
    shown = f"{free / 1e9:.1f} GB free"
    if free < NO_SPACE_BYTES:
        return Check("disk space", "fail", shown, "Free some space: writes are about to fail.")
    if free < LOW_SPACE_BYTES:
        return Check("disk space", "warn", shown, "Free some space before large uploads.")
    return Check("disk space", "ok", shown)


def check_fsync(path: Path) -> Check:
    """Does the disk make bytes durable, and in bearable time?"""
    try:
        with tempfile.NamedTemporaryFile(dir=path, prefix=".doctor-") as scratch:
            scratch.write(b"openhood" * 512)
            scratch.flush()
            started = time.perf_counter()
            os.fsync(scratch.fileno())
            seconds = time.perf_counter() - started
    except OSError as error:
        return Check("fsync", "fail", str(error), "Use a disk that can be written and synced.")
    shown = f"{seconds * 1000:.1f} ms"
    if seconds > SLOW_FSYNC_S:
        return Check(
            "fsync", "warn", shown, "The disk is slow or busy: every commit waits for it a few times."
        )
    return Check("fsync", "ok", shown)


def check_secret_key(settings: Settings) -> Check:
    """Is there a key to sign with, and is it nobody else's?"""
    if settings.secret_key is not None:
        if len(settings.secret_key.get_secret_value()) < 16:
            return Check("secret key", "warn", "set, but short", "Use at least 16 random characters.")
        return Check("secret key", "ok", "set")
    if not settings.effective_database_url.startswith("sqlite"):
        return Check(
            "secret key",
            "fail",
            "not set, with a database that replicas share",
            "Set OPENHOOD_SECRET_KEY to the same random text on every replica.",
        )
    path = settings.data_dir / "secret_key"
    if not path.exists():
        return Check("secret key", "ok", "the first start makes one")
    if path.stat().st_mode & 0o077:
        return Check("secret key", "warn", f"{path} can be read by others", f"chmod 600 {path}")
    return Check("secret key", "ok", str(path))


def check_database(settings: Settings) -> Check:
    """Does the database answer, and is its schema this release's?"""
    from openhood.infra.db import migrate
    from openhood.infra.db.engine import Database

    name = "database"
    shown = mask_url(settings.effective_database_url)
    if not has_hub(settings):
        return Check(name, "ok", "the first start makes it")
    try:
        db = Database(settings.effective_database_url, pool_size=1)
        try:
            db.check()
            found = migrate.current(db)
        finally:
            db.close()
    except HubError as error:
        return Check(name, "fail", f"{shown}: {error.message}", "Start the database, or mend database_url.")
    newest = migrate.newest()
    if found is not None and found not in migrate.revisions():
        return Check(
            name, "fail", f"at revision {found}, newer than {newest}", "Use the release that upgraded it."
        )
    if found != newest:
        return Check(
            name,
            "warn",
            f"at {found or 'no revision'}, not {newest}",
            "The next start upgrades it. Back it up first.",
        )
    return Check(name, "ok", f"{shown} at revision {found}")


def check_objects(settings: Settings) -> Check:
    """Can objects be written, read and deleted?"""
    from openhood import app

    name = "object store"
    shown = mask_url(settings.effective_objects_url)
    if settings.objects_url is None and not settings.data_dir.exists():
        return Check(name, "ok", "the first start makes it")
    try:
        store = app.open_store(settings.effective_objects_url)
        try:
            store.check()
        finally:
            store.close()
    except HubError as error:
        return Check(
            name, "fail", f"{shown}: {error.message}", "Start the object store, or mend objects_url."
        )
    return Check(name, "ok", shown)


def check_port(settings: Settings) -> Check:
    """Is the port free, or is it this hub that has it?"""
    from openhood.cli.server import PortTaken, listen

    shown = f"{settings.host}:{settings.port}"
    try:
        for each in listen(settings.host, settings.port):
            each.close()
    except PortTaken as error:
        if _is_hub(settings):
            return Check("port", "ok", f"a hub answers at {shown}")
        return Check("port", "fail", error.message, "Stop the other program, or use --port.")
    return Check("port", "ok", f"{shown} is free")


def check_localhost(settings: Settings) -> Check:
    """Does ``localhost`` lead to this machine, on IPv4?"""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo("localhost", settings.port)}
    except OSError as error:
        return Check("localhost", "fail", str(error), "Add '127.0.0.1 localhost' to /etc/hosts.")
    shown = ", ".join(sorted(found))
    if not all(ip_address(each.partition("%")[0]).is_loopback for each in found):
        return Check("localhost", "fail", f"resolves to {shown}", "Let /etc/hosts say '127.0.0.1 localhost'.")
    if "127.0.0.1" not in found:
        return Check("localhost", "warn", f"resolves to {shown} only", "Clients without IPv6 need 127.0.0.1.")
    return Check("localhost", "ok", f"resolves to {shown}")


def check_clock(settings: Settings) -> Check:
    """Is the clock at least as late as what the hub wrote before? Signed links and expiry depend on it."""
    now = time.time()
    if now < 1_735_689_600:  # 2025: before this software existed
        return Check("clock", "fail", time.ctime(now), "Set the machine's clock, best by NTP.")
    newest = max((each.stat().st_mtime for each in _own_files(settings.data_dir)), default=now)
    if newest > now + CLOCK_SKEW_S:
        return Check(
            "clock",
            "warn",
            f"{newest - now:.0f} s behind files of the data directory",
            "Set the machine's clock, best by NTP: links would expire too late, and sign-ins too early.",
        )
    return Check("clock", "ok", time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now)))


def _own_files(directory: Path) -> Iterator[Path]:
    if directory.is_dir():
        yield from (each for each in directory.iterdir() if each.is_file())


def _output(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip().split("\n")[0] if done.returncode == 0 else None


def _file_system(path: Path) -> str:
    """Return the kind of file system a path is on, empty where the system does not say."""
    try:
        lines = Path("/proc/mounts").read_text().splitlines()
    except OSError:
        return ""
    mounts = [line.split(" ")[1:3] for line in lines]
    under = [(point, kind) for point, kind in mounts if path.is_relative_to(point.replace("\\040", " "))]
    return max(under, key=lambda each: len(each[0]), default=("", ""))[1]


def _is_hub(settings: Settings) -> bool:
    from http.client import HTTPConnection, HTTPException

    host = "127.0.0.1" if settings.host in ("0.0.0.0", "localhost") else settings.host  # noqa: S104
    connection = HTTPConnection(host, settings.port, timeout=2)
    try:
        connection.request("GET", "/health")
        answer = connection.getresponse()
        return answer.status == 200 and answer.getheader("X-Request-Id") is not None
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)

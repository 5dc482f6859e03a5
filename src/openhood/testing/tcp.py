"""An in-process hub behind a real TCP port, for client programs in fast tests; and ``git`` as a user runs it.

A server process of its own, which can be killed, is in `server`.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp, Receive, Scope, Send

from openhood.http.connections import BoundedConnection
from openhood.testing.processes import clean_environment, find_free_port

_START_TIMEOUT_S = 30.0
_CONFIG = """\
[user]
\tname = Test
\temail = test@example.org
[init]
\tdefaultBranch = main
[advice]
\tdetachedHead = false
[gc]
\tauto = 0
[core]
\tfsync = none
"""


class Door:
    """An application that hands on to the hub that is behind it at the moment: one port for many hubs."""

    def __init__(self) -> None:
        self.behind: ASGIApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on."""
        if self.behind is None:
            raise RuntimeError("no hub is behind the door")
        await self.behind(scope, receive, send)


@contextmanager
def serve(app: ASGIApp) -> Iterator[str]:
    """Serve ``app`` on a free port of 127.0.0.1 from a thread; yields the URL."""
    port = find_free_port()
    config = uvicorn.Config(
        app,
        http=BoundedConnection,
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        lifespan="off",
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, name="hub-over-tcp", daemon=True)
    thread.start()
    try:
        deadline = time.monotonic() + _START_TIMEOUT_S
        while not server.started:
            if time.monotonic() > deadline or not thread.is_alive():
                raise RuntimeError("the test's server did not start")
            time.sleep(0.005)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(_START_TIMEOUT_S)


@dataclass(frozen=True, slots=True)
class Ran:
    """What a git command did; ``text`` is all it wrote."""

    code: int
    out: str
    text: str


class Git:
    """Runs git in a directory of its own, with nobody's configuration but its own."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(parents=True, exist_ok=True)
        self._env = clean_environment() | {
            "HOME": str(home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "LC_ALL": "C",
            "NO_PROXY": "127.0.0.1",
        }
        (home / ".gitconfig").write_text(_CONFIG)

    def __call__(self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> str:
        """Run git and return its standard output; fails the test unless git succeeds."""
        ran = self.run(*args, cwd=cwd, env=env)
        assert ran.code == 0, f"git {' '.join(args)} failed ({ran.code}):\n{ran.text}"
        return ran.out

    def run(self, *args: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Ran:
        """Run git and return what happened."""
        done = subprocess.run(
            ["git", *args],
            cwd=cwd or self.home,
            env={**self._env, **(env or {})},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=120,
            check=False,
        )
        out = done.stdout.decode("utf-8", "replace")
        return Ran(done.returncode, out, out + done.stderr.decode("utf-8", "replace"))

    def work_tree(self, name: str) -> Path:
        """Make an empty repository with a work tree and return its directory."""
        path = self.home / name
        self("init", "--quiet", str(path))
        return path

    def commit(self, work: Path, files: Mapping[str, str | bytes | None], message: str = "change") -> str:
        """Write (or, for None, delete) files, commit everything, and return the commit's id."""
        for name, content in files.items():
            target = work / name
            if content is None:
                target.unlink()
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content.encode() if isinstance(content, str) else content)
        self("add", "--all", cwd=work)
        self("commit", "--quiet", "--allow-empty", "-m", message, cwd=work)
        return self("rev-parse", "HEAD", cwd=work).strip()

    def commit_on(self, work: Path, branch: str, files: Mapping[str, str | bytes | None]) -> str:
        """Commit to another branch and come back."""
        self("checkout", "--quiet", branch, cwd=work)
        oid = self.commit(work, files)
        self("checkout", "--quiet", "-", cwd=work)
        return oid

    def write_object(self, work: Path, kind: str, data: bytes) -> str:
        """Store any object, well-formed or not, and return its id."""
        return (
            self._pipe("hash-object", "-t", kind, "-w", "--literally", "--stdin", cwd=work, data=data)
            .decode()
            .strip()
        )

    def pack(self, work: Path, new: str, old: str) -> bytes:
        """Return a pack of what ``new`` has and ``old`` has not."""
        return self._pipe(
            "pack-objects", "--revs", "--stdout", "-q", cwd=work, data=f"{new}\n^{old}\n".encode()
        )

    def _pipe(self, *args: str, cwd: Path, data: bytes) -> bytes:
        done = subprocess.run(
            ["git", *args], cwd=cwd, env=self._env, input=data, capture_output=True, check=True
        )
        return done.stdout

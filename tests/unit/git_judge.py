"""Real git as the judge: tiny repositories made and asked by the program itself."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from openhood.base.names import Oid
from openhood.engines.git.store import ObjectDb

ENV = {
    "PATH": os.environ["PATH"],
    "HOME": "/nonexistent",
    "LC_ALL": "C",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_AUTHOR_NAME": "Ada",
    "GIT_AUTHOR_EMAIL": "ada@example.org",
    "GIT_COMMITTER_NAME": "Ada",
    "GIT_COMMITTER_EMAIL": "ada@example.org",
}


class Judge:
    """A repository driven by the git program."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock_s = 1_700_000_000
        path.mkdir(parents=True, exist_ok=True)
        self("init", "-q", "-b", "main", ".")
        self("config", "pack.writeReverseIndex", "false")

    def __call__(self, *args: str, stdin: bytes = b"", ok: bool = True) -> bytes:
        stamp = f"{self.clock_s} +0100"
        env = {**ENV, "GIT_AUTHOR_DATE": stamp, "GIT_COMMITTER_DATE": stamp}
        done = subprocess.run(
            ["git", *args], cwd=self.path, env=env, input=stdin, capture_output=True, check=False
        )
        if ok and done.returncode:
            raise AssertionError(f"git {args}: {done.stderr.decode()}")
        return done.stdout

    def text(self, *args: str, stdin: bytes = b"") -> str:
        return self(*args, stdin=stdin).decode().strip()

    def commit(self, message: str, files: dict[str, bytes | None]) -> Oid:
        """Write (or with None delete) files, commit all, one minute later than the last time."""
        self.clock_s += 60
        for name, data in files.items():
            path = self.path / name
            if data is None:
                path.unlink()
            else:
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(data)
        self("add", "-A")
        self("commit", "-q", "--allow-empty", "-m", message)
        return self.oid("HEAD")

    def oid(self, what: str) -> Oid:
        return Oid(self.text("rev-parse", what))

    @property
    def objects(self) -> Path:
        return self.path / ".git" / "objects"

    def pack(self) -> None:
        """Move all loose objects into packs: what the hub's object directories hold."""
        self("repack", "-adq")

    def db(self) -> ObjectDb:
        self.pack()
        return ObjectDb(self.objects)

"""Repositories of many small files, made by ``git fast-import``, and git as the clone and push benchmarks run it."""

from __future__ import annotations

import os
import random
import subprocess
from collections.abc import Iterable
from pathlib import Path

_WORDS = ("weights", "tensor", "layer", "head", "token", "batch", "shape", "model", "train", "loss", "epoch")


def text(seed: int, size_bytes: int = 2000) -> bytes:
    """Return words in a random order: it deflates as source and JSON do."""
    chooser = random.Random(seed)
    words = " ".join(chooser.choices(_WORDS, k=size_bytes // 5))
    return f"{seed} {words}\n".encode()[:size_bytes]


def git(*arguments: str, cwd: Path, stdin: bytes | None = None) -> str:
    """Run git with nobody's configuration and return its output; raises where it fails."""
    done = subprocess.run(
        ["git", *arguments],
        cwd=cwd,
        input=stdin,
        stdin=subprocess.DEVNULL if stdin is None else None,
        capture_output=True,
        env={
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "NO_PROXY": "127.0.0.1",
        },
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"git {' '.join(arguments)}: {done.stderr.decode(errors='replace')[-2000:]}")
    return done.stdout.decode()


def make_bare(path: Path) -> Path:
    """Make an empty bare repository that takes pushes over HTTP."""
    path.parent.mkdir(parents=True, exist_ok=True)
    git("init", "--quiet", "--bare", "--initial-branch=main", str(path), cwd=path.parent)
    git("config", "http.receivepack", "true", cwd=path)
    git("config", "gc.auto", "0", cwd=path)
    git("config", "receive.autogc", "false", cwd=path)
    return path


def import_stream(files: Iterable[tuple[str, bytes]], *, parent: str | None, message: str = "files") -> bytes:
    """Return a stream for ``git fast-import`` that puts one commit with ``files`` on main."""
    parts = [b"commit refs/heads/main\ncommitter Bench <bench@example.org> 1700000000 +0000\n"]
    parts.append(b"data %d\n%s\n" % (len(message), message.encode()))
    if parent is not None:
        parts.append(b"from %s\n" % parent.encode())
    for path, data in files:
        parts.append(b"M 100644 inline %s\ndata %d\n%s\n" % (path.encode(), len(data), data))
    return b"".join(parts) + b"\n"


def path_of(number: int) -> str:
    """Return the path of the file with this number, a hundred to a directory."""
    return f"part-{number // 100:04d}/file-{number:06d}.json"

"""What the ``git`` program tells of one path's past: the commits that changed it, and who wrote each line.

Bounded runs in a `snapshot`, like those of `commands`.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from openhood.base.names import Oid
from openhood.engines.git.objects import name_bytes
from openhood.engines.git.process import popen_git, read_records, run_git

_MAX_LINE_BYTES = 64 * 1024
_LATEST_S = 253_402_000_000


@dataclass(slots=True)
class BlamedCommit:
    """The commit that wrote some lines of a file."""

    oid: Oid
    author: str = ""
    when: datetime = field(default_factory=lambda: datetime.fromtimestamp(0, UTC))
    title: str = ""


@dataclass(frozen=True, slots=True)
class BlamedLine:
    """One line of a file and the commit it came with."""

    commit: BlamedCommit
    text: str


def log_path(
    gitdir: Path, tip: Oid, path: str, *, skip: int, limit: int, timeout_s: float = 20.0
) -> list[Oid]:
    """Return the commits below ``tip`` that changed a file or directory, newest first. Raises GitFailed, GitTimedOut."""
    args = ["log", "--format=%H", f"--skip={skip}", f"--max-count={limit}", "--no-show-signature", tip, "--"]
    args.append(os.fsdecode(b":(literal,top)" + name_bytes(path)))
    output = run_git(args, gitdir=gitdir, timeout_s=timeout_s, limit_bytes=41 * limit + 1000)
    return [Oid(line) for line in output.decode("ascii").split()]


def blame(gitdir: Path, tip: Oid, path: str, *, max_lines: int, timeout_s: float = 20.0) -> list[BlamedLine]:
    """Return the first lines of a file at ``tip``, each with its commit.

    Layout of git's answer, per line: ``<oid> <old line> <line>[ <lines>]``, at the first mention of a commit its
    facts as ``<key> <value>``, and a tab with the line's text. Raises GitFailed, GitTimedOut.
    """
    args = ["blame", "--porcelain", "-L", f",{max_lines}", tip, "--", os.fsdecode(name_bytes(path))]
    commits: dict[str, BlamedCommit] = {}
    lines: list[BlamedLine] = []
    current: BlamedCommit | None = None
    with popen_git(args, gitdir=gitdir, stdin=subprocess.DEVNULL) as running:
        for record in read_records(running, separator=b"\n", timeout_s=timeout_s, limit_bytes=64 << 20):
            if record.startswith(b"\t"):
                assert current is not None
                lines.append(BlamedLine(current, record[1:_MAX_LINE_BYTES].decode("utf-8", "replace")))
                current = None
            elif current is None:
                oid = record[:40].decode("ascii")
                current = commits.setdefault(oid, BlamedCommit(Oid(oid)))
            else:
                _take(current, record)
    return lines


def _take(commit: BlamedCommit, record: bytes) -> None:
    key, _, value = record.partition(b" ")
    text = value.decode("utf-8", "replace")
    if key == b"author":
        commit.author = text
    elif key == b"summary":
        commit.title = text
    elif key == b"author-time" and text.isdigit():
        commit.when = datetime.fromtimestamp(min(int(text), _LATEST_S), UTC)

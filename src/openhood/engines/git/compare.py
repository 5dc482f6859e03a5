"""What differs between two commits, file by file with line counts, as the ``git`` program finds it.

The patch itself is `commands.unified_diff`; putting two changes together is `merge`.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git.objects import name_text
from openhood.engines.git.process import popen_git, read_records


@dataclass(frozen=True, slots=True)
class ComparedFile:
    """One path that differs; ``status`` is git's letter: A, M, D, R (renamed) or T (its kind changed).

    ``old_path`` is set for R only. Mode 0 and the zero oid stand for *not there*. ``additions`` and
    ``deletions`` count lines; None for binary files and where the list was cut. Paths are
    surrogate-escaped text.
    """

    status: str
    path: str
    old_path: str | None
    old_mode: int
    new_mode: int
    old_oid: Oid
    new_oid: Oid
    additions: int | None = None
    deletions: int | None = None


def compare_files(
    gitdir: Path, old: Oid | None, new: Oid, *, limit: int, timeout_s: float = 60.0
) -> list[ComparedFile]:
    """Return at most ``limit`` paths that differ between two commits or trees, renames found, in git's order.

    Args: ``old`` None compares with nothing at all. Raises GitFailed, GitTimedOut.

    With ``-z`` git writes all ``--raw`` records, then all ``--numstat`` records; a rename has two paths in both
    (git ``Documentation/diff-format.txt``).
    """
    args = ["diff-tree", "-r", "-z", "-M", "--raw", "--numstat", "--no-abbrev", "--no-ext-diff"]
    found: list[ComparedFile] = []
    with popen_git([*args, old or EMPTY_TREE, new], gitdir=gitdir, stdin=subprocess.DEVNULL) as running:
        records = read_records(running, timeout_s=timeout_s)
        place = 0
        for record in records:
            if record.startswith(b":"):
                if len(found) == limit:
                    return found
                found.append(_raw(record, records))
            elif place < len(found):
                added, deleted, path = record.split(b"\t", 2)
                if not path:  # a rename: both paths follow
                    next(records)
                    next(records)
                found[place] = replace(found[place], additions=_count(added), deletions=_count(deleted))
                place += 1
    return found


def _raw(meta: bytes, records: Iterator[bytes]) -> ComparedFile:
    """Parse ``:old-mode new-mode old-oid new-oid status`` and the one or two paths that follow it."""
    old_mode, new_mode, old_oid, new_oid, status = meta[1:].decode("ascii").split(" ")
    path = name_text(next(records))
    old_path = None
    if status[0] == "R":
        old_path, path = path, name_text(next(records))
    return ComparedFile(
        status[0], path, old_path, int(old_mode, 8), int(new_mode, 8), Oid(old_oid), Oid(new_oid)
    )


def _count(text: bytes) -> int | None:
    return None if text == b"-" else int(text)

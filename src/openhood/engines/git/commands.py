"""What the hub asks of the ``git`` program: take a push, check it, compare, walk history, fold packs.

Each function is one or two bounded runs in a `snapshot`; point look-ups belong to `store`. Nothing
here knows refs from the database: callers build the snapshot, and hold a `heavy` turn where they want.
"""

from __future__ import annotations

import contextlib
import os
import struct
import subprocess
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from openhood.base.errors import BadRequest, PayloadTooLarge, Unprocessable
from openhood.base.names import EMPTY_TREE, Oid
from openhood.engines.git.objects import name_bytes, name_text
from openhood.engines.git.packs import BuiltPack
from openhood.engines.git.process import (
    GitFailed,
    GitOutputTooLarge,
    GitProcess,
    GitTimedOut,
    heavy,
    popen_git,
    read_records,
    run_git,
)
from openhood.engines.git.snapshot import SnapshotRef, SnapshotRepo

__all__ = [
    "BlobInPush",
    "CommitChanges",
    "FileChange",
    "GitFailed",
    "GitOutputTooLarge",
    "GitProcess",
    "GitTimedOut",
    "IndexedPack",
    "NotConnected",
    "SnapshotRef",
    "SnapshotRepo",
    "changed_files",
    "check_connected",
    "count_commits",
    "fold_packs",
    "fsck",
    "heavy",
    "index_pack",
    "log_changes",
    "log_last_commits",
    "log_new_changes",
    "new_blobs",
    "popen_git",
    "raw_diff",
    "run_git",
    "unified_diff",
]

# Harmless oddities of old histories that `--strict` alone would refuse; the large hubs let them in too.
_TOLERATED = ("zeroPaddedFilemode", "badTimezone", "missingSpaceBeforeDate")
_STRICT = "--strict=" + ",".join(f"{name}=ignore" for name in _TOLERATED)
_SMALL_BYTES = 1 << 16
_MAX_PATHSPECS = 200


class NotConnected(Unprocessable):
    """Pushed commits name objects that neither the push nor the repository holds."""


@dataclass(frozen=True, slots=True)
class IndexedPack:
    """A pushed pack, checked and completed; it lies in an object directory of its own."""

    name: str
    pack_path: Path
    idx_path: Path
    object_count: int

    @property
    def objects_dir(self) -> Path:
        """The quarantine: for ``SnapshotRepo(extra_objects=)`` and ``ObjectDb(alternates=)``."""
        return self.pack_path.parent.parent


@dataclass(frozen=True, slots=True)
class FileChange:
    """One path that differs; ``status`` is git's letter: A, M, D or T (its kind changed).

    Mode 0 and the zero oid stand for *not there*. Paths are surrogate-escaped text.
    """

    status: str
    path: str
    old_mode: int
    new_mode: int
    old_oid: Oid
    new_oid: Oid


class BlobInPush(NamedTuple):
    """A blob that a push brings, with its size in bytes and one path it has."""

    oid: Oid
    size_bytes: int
    path: str


class CommitChanges(NamedTuple):
    """What a commit changed against its first parent, as (status letter, path)."""

    commit: Oid
    changes: list[tuple[str, str]]


# Taking packs


def index_pack(
    gitdir: Path, pack_file: Path, *, offset: int, max_bytes: int, timeout_s: float
) -> IndexedPack | None:
    """Index and check a pushed pack inside a snapshot, completing a thin one from what the snapshot sees.

    *Args*: the pack begins ``offset`` bytes into ``pack_file``. *Returns* None for a pack without objects
    (a push that moves refs to known commits). *Raises* PayloadTooLarge over ``max_bytes``, BadRequest
    for what git refuses (with git's reason), GitTimedOut.
    """
    size = pack_file.stat().st_size - offset
    if size > max_bytes:
        raise PayloadTooLarge(f"The pushed pack has {size} bytes, more than the {max_bytes} allowed.")
    with pack_file.open("rb", buffering=0) as source:
        source.seek(offset)
        head = source.read(12)
        if len(head) < 12 or head[:4] != b"PACK":
            raise BadRequest("The push does not hold a git pack.")
        if struct.unpack(">I", head[8:])[0] == 0:
            return None
        source.seek(offset)
        try:
            output = run_git(
                ["index-pack", "--stdin", "--fix-thin", _STRICT, f"--max-input-size={max_bytes}"],
                gitdir=gitdir,
                stdin=source,
                timeout_s=timeout_s,
                limit_bytes=_SMALL_BYTES,
                config=["core.fsync=none"],  # a quarantine need not outlive a crash
            )
        except (GitTimedOut, GitOutputTooLarge):
            raise
        except GitFailed as error:
            reason = "; ".join(error.stderr.splitlines()[-5:])[:500]
            raise BadRequest(f"The pushed pack was refused: {reason or 'it does not parse'}") from error
    name = output.split()[-1].decode("ascii")
    pack_dir = gitdir / "objects" / "pack"
    idx_path = pack_dir / f"pack-{name}.idx"
    return IndexedPack(name, pack_dir / f"pack-{name}.pack", idx_path, _object_count(idx_path))


def _object_count(idx_path: Path) -> int:
    """Return the last of the index's 256 running counts, which begin at byte 8."""
    with idx_path.open("rb") as file:
        file.seek(8 + 4 * 255)
        return int(struct.unpack(">I", file.read(4))[0])


def check_connected(gitdir: Path, new_oids: Iterable[Oid], *, timeout_s: float = 300.0) -> None:
    """Make sure that all history and content of ``new_oids`` is there, up to the snapshot's refs.

    Raises NotConnected, GitTimedOut.
    """
    try:
        run_git(
            ["rev-list", "--objects", "--stdin", "--not", "--all", "--quiet"],
            gitdir=gitdir,
            stdin="".join(f"{oid}\n" for oid in new_oids).encode("ascii"),
            timeout_s=timeout_s,
            limit_bytes=_SMALL_BYTES,
        )
    except (GitTimedOut, GitOutputTooLarge):
        raise
    except GitFailed as error:
        raise NotConnected(
            "The push misses objects that its commits need (missing necessary objects)."
        ) from error


def new_blobs(
    gitdir: Path, new_oids: Iterable[Oid], old_oids: Iterable[Oid], *, timeout_s: float = 300.0
) -> Iterator[BlobInPush]:
    """Yield each blob reachable from ``new_oids`` and not from ``old_oids``, in no set order.

    A blob known from an old commit that the new history merely brings back may be left out.
    """
    revisions = "".join([*(f"{oid}\n" for oid in new_oids), *(f"^{oid}\n" for oid in old_oids)])
    with contextlib.ExitStack() as stack:
        spool = stack.enter_context(tempfile.TemporaryFile(prefix="openhood-git-"))
        spool.write(revisions.encode("ascii"))
        spool.seek(0)
        lister = stack.enter_context(
            popen_git(["rev-list", "--objects", "--stdin"], gitdir=gitdir, stdin=spool)
        )
        sizer = stack.enter_context(
            popen_git(
                ["cat-file", "--buffer", "--batch-check=%(objecttype) %(objectname) %(objectsize) %(rest)"],
                gitdir=gitdir,
                stdin=lister.stdout,
            )
        )
        for line in read_records(sizer, separator=b"\n", timeout_s=timeout_s):
            kind, oid, size, path = line.split(b" ", 3)
            if kind == b"blob":
                yield BlobInPush(Oid(oid.decode("ascii")), int(size), name_text(path))
        lister.check(timeout_s)


# Comparing


def changed_files(
    gitdir: Path, old: Oid | None, new: Oid, *, timeout_s: float = 300.0
) -> Iterator[FileChange]:
    """Yield the paths that differ between two commits or trees, in git's order, without renames.

    *Args*: ``old`` None compares with nothing at all.
    """
    args = ["diff-tree", "-r", "-z", "--raw", "--no-renames", "--no-abbrev", old or EMPTY_TREE, new]
    with popen_git(args, gitdir=gitdir, stdin=subprocess.DEVNULL) as running:
        records = read_records(running, timeout_s=timeout_s)
        for meta in records:
            yield _file_change(meta, next(records))


def _file_change(meta: bytes, path: bytes) -> FileChange:
    """Parse ``:old-mode new-mode old-oid new-oid status`` and the path that follows it."""
    old_mode, new_mode, old_oid, new_oid, status = meta[1:].decode("ascii").split(" ")
    return FileChange(
        status[0], name_text(path), int(old_mode, 8), int(new_mode, 8), Oid(old_oid), Oid(new_oid)
    )


def unified_diff(
    gitdir: Path, old: Oid | None, new: Oid, *, limit_bytes: int, timeout_s: float = 60.0
) -> str:
    """Return the difference of two commits or trees as a patch with renames found, as ``git diff`` shows it.

    Cut after the last whole line within ``limit_bytes``, with a closing line that says so.
    """
    args = ["diff-tree", "-r", "-p", "-M", "--full-index", "--no-ext-diff", "--no-textconv", "--no-color"]
    return _diff_text(gitdir, [*args, old or EMPTY_TREE, new], limit_bytes=limit_bytes, timeout_s=timeout_s)


def raw_diff(
    gitdir: Path, old: Oid | None, new: Oid, *, limit_bytes: int = 16 << 20, timeout_s: float = 60.0
) -> str:
    """Return the difference as ``git diff --raw`` shows it: a line of modes, ids, status and path per file.

    Cut like `unified_diff`.
    """
    args = ["diff-tree", "-r", "--raw", "-M", "--no-abbrev", "--no-color", old or EMPTY_TREE, new]
    return _diff_text(gitdir, args, limit_bytes=limit_bytes, timeout_s=timeout_s)


def _diff_text(gitdir: Path, args: Sequence[str], *, limit_bytes: int, timeout_s: float) -> str:
    text = bytearray()
    with popen_git(args, gitdir=gitdir, stdin=subprocess.DEVNULL) as running:
        for line in read_records(running, separator=b"\n", timeout_s=timeout_s):
            if len(text) + len(line) + 1 > limit_bytes:
                text += b"[cut: the difference is longer than %d bytes]\n" % limit_bytes
                break
            text += line + b"\n"
    return text.decode("utf-8", "replace")


# History


def count_commits(gitdir: Path, tip: Oid, *, timeout_s: float = 60.0) -> int:
    """Return how many commits are reachable from ``tip``."""
    args = ["rev-list", "--count", tip]
    return int(run_git(args, gitdir=gitdir, timeout_s=timeout_s, limit_bytes=_SMALL_BYTES))


def log_changes(
    gitdir: Path, old: Oid | None, new: Oid, *, timeout_s: float = 600.0
) -> Generator[CommitChanges, None, None]:
    """Yield the commits of ``new``'s first-parent line that ``old`` does not contain, newest first.

    Each comes with its changes against its first parent, so that a merge counts as the commit that
    changed everything it brought. Commits without changes come too. ``old`` None means all history.
    """
    revisions = [new] if old is None else [new, f"^{old}"]
    yield from _log(gitdir, revisions, [], timeout_s=timeout_s)


def log_new_changes(
    gitdir: Path, tips: Iterable[Oid], *, timeout_s: float = 600.0
) -> Iterator[CommitChanges]:
    """Yield the commits of the tips' first-parent lines that no ref of the snapshot contains, as `log_changes`."""
    yield from _log(gitdir, [*tips, "--not", "--all"], [], timeout_s=timeout_s)


def log_last_commits(
    gitdir: Path, tip: Oid, directory: str, names: Iterable[str], *, timeout_s: float = 60.0
) -> dict[str, Oid]:
    """Return the last commit on ``tip``'s first-parent line that changed each name in one directory.

    *Args*: ``directory`` is ``""`` for the root; ``names`` are entries of it, a sub-directory counting
    with all its content. Names that never changed are left out. Stops as soon as all are found.
    """
    wanted = set(names)
    base = directory.strip("/")
    base = base + "/" if base else ""
    if len(wanted) <= _MAX_PATHSPECS:
        paths = [base + name for name in sorted(wanted)]
    else:
        paths = [base] if base else []
    found: dict[str, Oid] = {}
    if not wanted:
        return found
    with contextlib.closing(_log(gitdir, [tip], paths, timeout_s=timeout_s)) as commits:
        for commit in commits:
            for _, path in commit.changes:
                if not path.startswith(base):
                    continue
                name = path[len(base) :].partition("/")[0]
                if name in wanted:
                    wanted.remove(name)
                    found[name] = commit.commit
            if not wanted:
                break
    return found


def _log(
    gitdir: Path, revisions: Sequence[str], paths: Sequence[str], *, timeout_s: float
) -> Generator[CommitChanges, None, None]:
    """Parse ``git log --raw -z``: ``\\x01`` and an id, or a line of modes and then its path, NUL after each."""
    args = ["log", "--first-parent", "-m", "-r", "--raw", "-z", "--no-renames", "--no-abbrev"]
    args += ["--no-show-signature", "--format=%x01%H", *revisions, "--"]
    args += [os.fsdecode(b":(literal,top)" + name_bytes(path)) for path in paths]
    with popen_git(args, gitdir=gitdir, stdin=subprocess.DEVNULL) as running:
        commit: Oid | None = None
        changes: list[tuple[str, str]] = []
        records = read_records(running, timeout_s=timeout_s)
        for record in records:
            if record.startswith(b"\x01"):
                if commit is not None:
                    yield CommitChanges(commit, changes)
                commit, changes = Oid(record[1:].decode("ascii")), []
            elif record:
                status = record[-1:].decode("ascii")
                changes.append((status, name_text(next(records))))
        if commit is not None:
            yield CommitChanges(commit, changes)


# Care of packs


def fold_packs(
    objects_dir: Path, pack_names: Iterable[str], out_dir: Path, *, timeout_s: float = 1800.0
) -> BuiltPack | None:
    """Write one pack, with deltas, that holds exactly the objects of several; None when they are empty.

    *Args*: ``pack_names`` are the 40-hex names of packs in ``objects_dir``. Raises GitFailed, also
    when one of them is not there.
    """
    wanted = "".join(f"pack-{name}.pack\n" for name in pack_names)
    with SnapshotRepo(objects_dir, (), workdir=out_dir) as snapshot:
        output = run_git(
            ["pack-objects", "--stdin-packs", "--delta-base-offset", "-q", str(out_dir / "fold")],
            gitdir=snapshot.gitdir,
            env={"GIT_OBJECT_DIRECTORY": str(objects_dir.absolute())},
            stdin=wanted.encode("ascii"),
            timeout_s=timeout_s,
            limit_bytes=_SMALL_BYTES,
        )
    made = output.decode("ascii").split()
    if not made:
        return None
    old_pack, old_idx = out_dir / f"fold-{made[0]}.pack", out_dir / f"fold-{made[0]}.idx"
    with old_pack.open("rb") as file:
        file.seek(-20, os.SEEK_END)
        name = file.read(20).hex()
    pack_path, idx_path = out_dir / f"pack-{name}.pack", out_dir / f"pack-{name}.idx"
    os.replace(old_pack, pack_path)
    os.replace(old_idx, idx_path)
    return BuiltPack(name, pack_path, idx_path, _object_count(idx_path), pack_path.stat().st_size)


def fsck(gitdir: Path, *, timeout_s: float = 1800.0) -> list[str]:
    """Check all objects and refs of a snapshot; returns git's complaints, none when all is well."""
    args = ["fsck", "--full", "--strict", "--no-dangling", "--no-reflogs", "--no-progress"]
    tolerated = [f"fsck.{name}=ignore" for name in _TOLERATED]
    with popen_git(args, gitdir=gitdir, stdin=subprocess.DEVNULL, config=tolerated) as running:
        lines: list[str] = []
        try:
            for record in read_records(running, separator=b"\n", timeout_s=timeout_s):
                lines.append(record.decode("utf-8", "replace"))
        except GitTimedOut:
            raise
        except GitFailed as error:
            lines += error.stderr.splitlines() or [str(error)]
        else:
            lines += running.stderr_text().splitlines()
    # A repository without commits has a HEAD that names nothing yet, which is no fault.
    return [line for line in lines if line and not line.startswith("notice:")]

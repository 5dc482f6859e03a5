"""What a push brings: its objects listed up to the known refs, and packed anew without the refused ones.

Both run in a snapshot that sees the quarantined pack. What may come in is decided by the domain.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from openhood.base.names import Oid
from openhood.engines.git.commands import IndexedPack, NotConnected
from openhood.engines.git.objects import name_text
from openhood.engines.git.process import GitFailed, GitOutputTooLarge, GitTimedOut, popen_git, read_records, run_git

_IDX_LAST_COUNT_AT = 8 + 4 * 255


class NewObject(NamedTuple):
    """An object a push brings: its kind, id, size in bytes, and one path it has ('' for a root tree)."""

    kind: str
    oid: Oid
    size_bytes: int
    path: str


def new_objects(gitdir: Path, new_oids: Iterable[Oid], *, timeout_s: float) -> Iterator[NewObject]:
    """Yield everything reachable from ``new_oids`` and not from the snapshot's refs, sized.

    One walk does two things: it also proves that nothing is missing. An object known from old history
    may come again. *Raises* NotConnected at the end where something is missing, GitTimedOut.
    """
    with contextlib.ExitStack() as stack:
        spool = stack.enter_context(tempfile.TemporaryFile(prefix="openhood-git-"))
        spool.write("".join(f"{oid}\n" for oid in new_oids).encode("ascii"))
        spool.seek(0)
        lister = stack.enter_context(
            popen_git(["rev-list", "--objects", "--stdin", "--not", "--all"], gitdir=gitdir, stdin=spool)
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
            yield NewObject(kind.decode("ascii"), Oid(oid.decode("ascii")), int(size), name_text(path))
        try:
            lister.check(timeout_s)
        except (GitTimedOut, GitOutputTooLarge):
            raise
        except GitFailed as error:
            raise NotConnected(
                "The push misses objects that its commits need (missing necessary objects)."
            ) from error


def repack(gitdir: Path, new_oids: Iterable[Oid], out_dir: Path, *, timeout_s: float) -> IndexedPack | None:
    """Write a pack of exactly what is reachable from ``new_oids`` and not from the snapshot's refs.

    For a push that was taken in part, or whose pack holds more than its commits need. None when there
    is nothing new at all.
    """
    pack_dir = Path(tempfile.mkdtemp(prefix="repack-", dir=out_dir)) / "pack"
    pack_dir.mkdir()
    output = run_git(
        ["pack-objects", "--revs", "--delta-base-offset", "-q", str(pack_dir / "pack")],
        gitdir=gitdir,
        stdin="".join([*(f"{oid}\n" for oid in new_oids), "--not\n", "--all\n"]).encode("ascii"),
        timeout_s=timeout_s,
        limit_bytes=1 << 16,
    )
    made = output.decode("ascii").split()
    if not made:
        return None
    # pack-objects names the files by what is in them; a pack of ours is named by its checksum.
    pack, idx = pack_dir / f"pack-{made[0]}.pack", pack_dir / f"pack-{made[0]}.idx"
    with pack.open("rb") as file:
        file.seek(-20, os.SEEK_END)
        name = file.read(20).hex()
    os.replace(pack, pack_dir / f"pack-{name}.pack")
    os.replace(idx, pack_dir / f"pack-{name}.idx")
    idx = pack_dir / f"pack-{name}.idx"
    with idx.open("rb") as file:
        file.seek(_IDX_LAST_COUNT_AT)
        count = int.from_bytes(file.read(4), "big")
    if count == 0:
        return None
    return IndexedPack(name, pack_dir / f"pack-{name}.pack", idx, count)

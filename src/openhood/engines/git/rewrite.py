"""Rewriting history so that some files never were in it: trees, commits and tags made anew, the rest kept.

Works on objects only; which refs there are, and moving them, is the caller's business. A commit that
keeps nothing of its change stays, empty, so that every old commit has exactly one new one.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from openhood.base.names import Oid
from openhood.engines.git.objects import (
    MODE_DIR,
    decode_commit,
    decode_raw_tree,
    decode_tag,
    encode_raw_tree,
    is_dir_mode,
    name_text,
)
from openhood.engines.git.packs import BuiltPack, PackWriter
from openhood.engines.git.process import popen_git, read_records, run_git
from openhood.engines.git.store import ObjectDb

_SMALL_BYTES = 1 << 16
_SIGNATURES = (b"gpgsig", b"gpgsig-sha256", b"mergetag")
_TAG_SIGNATURES = (b"-----BEGIN PGP SIGNATURE-----", b"-----BEGIN SSH SIGNATURE-----")


class HistoryRewriter:
    """Removes files from history; feed it all commits, parents first, then ask for tips.

    *Args*: ``blobs`` are the ids of the files in question; ``drop`` tells for one of them and a path
    whether it goes. New objects go to ``writer``. Signatures that the change breaks are left out.
    """

    def __init__(
        self, db: ObjectDb, writer: PackWriter, *, blobs: Collection[Oid], drop: Callable[[str, Oid], bool]
    ) -> None:
        self._db = db
        self._writer = writer
        self._blobs = {bytes.fromhex(oid) for oid in blobs}
        self._drop = drop
        self._clean: set[bytes] = set()
        self._trees: dict[tuple[bytes, bytes], bytes | None] = {}
        self._commits: dict[Oid, Oid] = {}
        self.kept: set[Oid] = set()
        """Those of ``blobs`` that some path keeps."""

    def commit(self, oid: Oid) -> None:
        """Rewrite one commit, whose parents were rewritten before. Raises MissingGitObject, CorruptObject."""
        _kind, raw = self._db.read(oid)
        old = decode_commit(oid, raw)
        new_tree = self._tree(bytes.fromhex(old.tree), b"")
        tree = self._writer.add("tree", b"") if new_tree is None else Oid(new_tree.hex())
        parents = [self._commits.get(parent, parent) for parent in old.parents]
        if tree != old.tree or parents != list(old.parents):
            self._commits[oid] = self._writer.add("commit", _with(raw, tree, parents))

    def tip(self, oid: Oid) -> Oid:
        """Return what a ref to a commit or an annotated tag must name now."""
        if self._db.kind_and_size(oid)[0] != "tag":
            return self._commits.get(oid, oid)
        _kind, raw = self._db.read(oid)
        old = decode_tag(oid, raw)[0]
        new = self.tip(old)
        if new == old:
            return oid
        text = raw.replace(b"object " + old.encode("ascii"), b"object " + new.encode("ascii"), 1)
        for marker in _TAG_SIGNATURES:
            text = text.partition(marker)[0]
        return self._writer.add("tag", text)

    def _tree(self, oid: bytes, base: bytes) -> bytes | None:
        """Return the new id of the tree at ``base`` (empty or ending with ``/``); None if nothing is left."""
        if oid in self._clean:
            return oid
        known = self._trees.get((oid, base), b"")
        if known != b"":
            return known
        entries: list[tuple[bytes, int, bytes]] = []
        is_clean = is_same = True
        for name, mode, child in decode_raw_tree(self._db.raw_tree(Oid(oid.hex())).raw):
            kept: bytes | None = child
            if is_dir_mode(mode):
                kept = self._tree(child, base + name + b"/")
                is_clean = is_clean and child in self._clean
            elif child in self._blobs:
                is_clean = False
                if self._drop(name_text(base + name), Oid(child.hex())):
                    kept = None
                else:
                    self.kept.add(Oid(child.hex()))
            is_same = is_same and kept == child
            if kept is not None:
                entries.append((name, MODE_DIR if is_dir_mode(mode) else mode, kept))
        if is_same:
            if is_clean:
                self._clean.add(oid)
            return oid
        new = bytes.fromhex(self._writer.add("tree", encode_raw_tree(entries))) if entries else None
        self._trees[oid, base] = new
        return new


def _with(raw: bytes, tree: Oid, parents: list[Oid]) -> bytes:
    """Return a commit with another tree and other parents, and without signatures over the old ones."""
    head, separator, message = raw.partition(b"\n\n")
    lines: list[bytes] = []
    following = iter(parents)
    is_dropping = False
    for line in head.split(b"\n"):
        if line.startswith(b" "):  # goes on with the value of the line before
            if not is_dropping:
                lines.append(line)
            continue
        key = line.partition(b" ")[0]
        is_dropping = key in _SIGNATURES
        if key == b"tree":
            lines.append(b"tree " + tree.encode("ascii"))
        elif key == b"parent":
            lines.append(b"parent " + next(following).encode("ascii"))
        elif not is_dropping:
            lines.append(line)
    return b"\n".join(lines) + separator + message


def list_commits(gitdir: Path, tips: Collection[Oid], *, timeout_s: float) -> Iterator[Oid]:
    """Yield every commit reachable from ``tips``, parents before their children. Raises GitFailed."""
    with tempfile.TemporaryFile(prefix="openhood-git-") as spool:
        spool.write("".join(f"{oid}\n" for oid in sorted(tips)).encode("ascii"))
        spool.seek(0)
        args = ["rev-list", "--topo-order", "--reverse", "--stdin"]
        with popen_git(args, gitdir=gitdir, stdin=spool) as running:
            for line in read_records(running, separator=b"\n", timeout_s=timeout_s):
                yield Oid(line.decode("ascii"))


def repack_reachable(
    gitdir: Path, tips: Collection[Oid], out_dir: Path, *, timeout_s: float
) -> BuiltPack | None:
    """Write one pack, with deltas, of exactly what ``tips`` reach; None when that is nothing.

    Raises GitFailed, also for an object that is missing.
    """
    output = run_git(
        ["pack-objects", "--revs", "--delta-base-offset", "-q", str(out_dir / "reachable")],
        gitdir=gitdir,
        stdin="".join(f"{oid}\n" for oid in sorted(tips)).encode("ascii"),
        timeout_s=timeout_s,
        limit_bytes=_SMALL_BYTES,
    )
    made = output.decode("ascii").split()
    if not made:
        return None
    old_pack, old_idx = out_dir / f"reachable-{made[0]}.pack", out_dir / f"reachable-{made[0]}.idx"
    with old_pack.open("rb") as file:
        file.seek(8)
        count = int.from_bytes(file.read(4), "big")
        file.seek(-20, os.SEEK_END)
        name = file.read(20).hex()
    pack_path, idx_path = out_dir / f"pack-{name}.pack", out_dir / f"pack-{name}.idx"
    os.replace(old_pack, pack_path)
    os.replace(old_idx, idx_path)
    return BuiltPack(name, pack_path, idx_path, count, pack_path.stat().st_size)

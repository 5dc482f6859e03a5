"""The local copies of repositories' packs: a disposable directory per repository.

The object store is the truth; this keeps hard links (local store) or downloads (S3) where libgit2
and the git program can open them. One directory holds one repository's objects only, because
protocol v2 serves any object in it. What the packs contain is not this file's business.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import threading
import time
import weakref
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from weakref import WeakValueDictionary

from openhood.base.ports import ObjectStore
from openhood.infra import keys
from openhood.infra.guards import outside_unit

_CHUNK = 1024 * 1024
_UNKNOWN_PACK_GRACE_S = 3600.0
_UNCLAIMED_S = 60.0


class _Lock:
    """A lock that a WeakValueDictionary can hold."""

    def __init__(self) -> None:
        self.lock = threading.RLock()


class PackCache:
    """Directories of packs under ``root``, filled from ``store`` on demand. Thread-safe."""

    def __init__(self, root: Path, store: ObjectStore) -> None:
        self._root = root
        self._store = store
        self._epochs: dict[int, int] = {}
        self._guard = threading.Lock()
        self._writing: WeakValueDictionary[int, _Lock] = WeakValueDictionary()
        self._filling: WeakValueDictionary[int, _Lock] = WeakValueDictionary()
        (root / "scratch").mkdir(parents=True, exist_ok=True)
        _sweep(root / "scratch")
        # Several processes (the hub and the command line) may share the cache of one machine.
        self._scratch = root / "scratch" / secrets.token_hex(8)
        self._claim: int | None = None

    @property
    def scratch(self) -> Path:
        """This process's directory on the same file system, for packs being built."""
        with self._guard:
            if self._claim is None:
                self._claim = os.open(_claim_of(self._scratch), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                fcntl.flock(self._claim, fcntl.LOCK_EX)
                # Only now: a directory whose claim is not locked belongs to a process that is gone.
                self._scratch.mkdir()
                weakref.finalize(self, os.close, self._claim)
        return self._scratch

    def directory(self, repo: int) -> Path:
        """Return the object directory of repository number ``repo`` (it may not exist yet)."""
        return self._root / f"{repo % 256:02x}" / str(repo) / "objects"

    @contextmanager
    def writing(self, repo: int) -> Iterator[None]:
        """Let one thread of this process at a time build and publish packs of a repository.

        Compare-and-set on the refs stays the last line of defence between replicas.
        """
        with self._guard:
            lock = self._writing.setdefault(repo, _Lock())
        with lock.lock:
            yield

    def is_current(self, repo: int, epoch: int) -> bool:
        """Tell whether the directory holds at least the packs of ``epoch``."""
        return self._epochs.get(repo, -1) >= epoch

    def fill(self, repo: int, epoch: int, names: Collection[str], *, retired: Collection[str]) -> Path:
        """Make the directory hold the packs ``names`` of ``epoch``, and none that was ``retired``.

        Other packs stay for a while: one may have been published whose row is not committed yet.
        Raises: ObjectMissing if the store lost a pack.
        """
        outside_unit("Filling the pack cache")
        with self._guard:
            lock = self._filling.setdefault(repo, _Lock())
        with lock.lock:
            directory = self.directory(repo)
            packs = directory / "pack"
            packs.mkdir(parents=True, exist_ok=True)
            (directory / "info").mkdir(exist_ok=True)
            here = {entry.name for entry in os.scandir(packs)}
            for name in names:
                # The pack first: git only sees a pack whose index is there.
                for suffix, key in (("pack", keys.git_pack(repo, name)), ("idx", keys.git_index(repo, name))):
                    if f"pack-{name}.{suffix}" not in here:
                        self._bring(key, packs / f"pack-{name}.{suffix}")
            if epoch >= self._epochs.get(repo, -1):
                _drop(packs, here, names, retired)
                self._epochs[repo] = epoch
            return directory

    def publish(self, repo: int, name: str, *, pack: Path, index: Path) -> None:
        """Put a built pack into the store, durably, and into the local directory."""
        outside_unit("Publishing a pack")
        self._store.put_file(keys.git_pack(repo, name), pack)
        self._store.put_file(keys.git_index(repo, name), index)
        packs = self.directory(repo) / "pack"
        packs.mkdir(parents=True, exist_ok=True)
        for source, suffix in ((pack, "pack"), (index, "idx")):
            self._bring(
                keys.git_pack(repo, name) if suffix == "pack" else keys.git_index(repo, name),
                packs / f"pack-{name}.{suffix}",
                at_hand=source,
            )

    def advance(self, repo: int, names: Collection[str], *, before: int, after: int) -> None:
        """Note that epoch ``after`` is epoch ``before`` and the packs ``names`` that were just published here.

        Spares the next reader a `fill`. Does nothing where the directory is at another epoch.
        """
        with self._guard:
            lock = self._filling.setdefault(repo, _Lock())
        with lock.lock:
            packs = self.directory(repo) / "pack"
            if self._epochs.get(repo) == before and all(
                (packs / f"pack-{name}.idx").exists() for name in names
            ):
                self._epochs[repo] = after

    def forget(self, repo: int) -> None:
        """Remove the local directory of a deleted repository."""
        self._epochs.pop(repo, None)
        shutil.rmtree(self.directory(repo).parent, ignore_errors=True)

    def _bring(self, key: str, target: Path, *, at_hand: Path | None = None) -> None:
        if target.exists():
            return
        scratch = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
        source = self._store.local_path(key) or at_hand
        try:
            if source is None or not _link(source, scratch):
                self._download(key, scratch)
            os.replace(scratch, target)
        finally:
            scratch.unlink(missing_ok=True)

    def _download(self, key: str, target: Path) -> None:
        with target.open("wb") as handle:
            for chunk in self._store.stream(key, chunk_bytes=_CHUNK):
                handle.write(chunk)


def _link(source: Path, target: Path) -> bool:
    try:
        os.link(source, target)
    except OSError:  # another file system, or one without hard links
        return False
    return True


def _drop(packs: Path, here: Collection[str], names: Collection[str], retired: Collection[str]) -> None:
    """Remove the files of retired packs at once, and those nobody knows once they are old."""
    old = time.time() - _UNKNOWN_PACK_GRACE_S
    for file in here:
        name = file.removeprefix("pack-").partition(".")[0]
        if name in names:
            continue
        path = packs / file
        with suppress(FileNotFoundError):
            # A hard link's own age is its ctime; the file may be as old as the repository.
            if name in retired or path.stat().st_ctime < old:
                path.unlink()


def _claim_of(directory: Path) -> Path:
    """Return the file that the owner of a scratch directory keeps locked; it lies beside it."""
    return directory.with_suffix(".claim")


def _sweep(scratch: Path) -> None:
    """Remove what processes that are gone left behind: the kernel dropped their lock on it."""
    for entry in scratch.iterdir():
        with suppress(FileNotFoundError):
            # One of the two without the other may be about to be completed; of both, the claim is locked by the living.
            is_whole = entry.with_suffix("").is_dir() and _claim_of(entry).exists()
            is_old = time.time() - entry.stat().st_mtime > _UNCLAIMED_S
            if (is_whole or is_old) and not _is_claimed(entry):
                shutil.rmtree(entry.with_suffix(""), ignore_errors=True)
                _claim_of(entry).unlink(missing_ok=True)


def _is_claimed(entry: Path) -> bool:
    try:
        claim = os.open(_claim_of(entry), os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(claim)
    return False

"""A repository's git objects, opened for reading and published for good.

Joins the pack rows, the local pack cache and the git engine; the only file of the domain that does.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from openhood.base.errors import RepoNotFound
from openhood.base.names import Oid
from openhood.domain.repos import rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.snapshot import SnapshotRef, SnapshotRepo
from openhood.engines.git.store import ObjectDb


def open_objects(sv: Services, repo: Repo, *, expect: Oid | None = None) -> ObjectDb:
    """Return a handle on the repository's objects, bringing missing packs first.

    ``expect`` names an object the caller knows to be there: if the local packs lack it, another
    replica has just published one, and the list of packs is read again.
    Opens a read unit of its own when packs must be brought.
    """
    directory = objects_dir(sv, repo)
    objects = sv.object_dbs.open(directory)
    if expect is not None and not objects.exists(expect):
        objects = sv.object_dbs.open(_fill(sv, repo))
    return objects


def objects_dir(sv: Services, repo: Repo) -> Path:
    """Return the repository's object directory, holding at least the packs of ``repo``'s epoch."""
    if sv.packs.is_current(repo.id, repo.pack_epoch):
        return sv.packs.directory(repo.id)
    return _fill(sv, repo)


def _fill(sv: Services, repo: Repo) -> Path:
    with sv.db.read() as tx:
        # The epoch first: packs added between the two reads are then brought under the older
        # number, and looked for again.
        epoch = rows.get_pack_epoch(tx, repo.id)
        names = rows.list_packs(tx, repo.id)
        retired = rows.list_retired_packs(tx, repo.id)
    if epoch < 0:
        raise RepoNotFound(anonymous=False)
    directory = sv.packs.fill(repo.id, epoch, names, retired=retired)
    sv.object_dbs.drop(directory)
    return directory


@contextmanager
def snapshot(sv: Services, repo: Repo) -> Iterator[Path]:
    """Give the git program a private git directory: the refs of this moment over the repository's objects.

    The directory is removed when the block ends.
    """
    directory = objects_dir(sv, repo)
    with sv.db.read() as tx:
        refs = rows.list_refs(tx, repo.id)
        epoch = rows.get_pack_epoch(tx, repo.id)
    if not sv.packs.is_current(repo.id, epoch):
        directory = _fill(sv, repo)
    shown = [SnapshotRef(ref.name, ref.oid, ref.commit_oid) for ref in refs]
    with SnapshotRepo(directory, shown, workdir=sv.packs.scratch) as opened:
        yield opened.gitdir


@contextmanager
def scratch(sv: Services) -> Iterator[Path]:
    """Give a private directory for packs being built, on the pack cache's file system."""
    with TemporaryDirectory(dir=sv.packs.scratch, prefix="build-") as path:
        yield Path(path)

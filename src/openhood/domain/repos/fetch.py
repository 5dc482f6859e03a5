"""Serving a git fetch: the refs to show, and ``git upload-pack`` over the repository as it is now.

The doors move the bytes. A fetch may read any object of the repository, so that gated content needs access.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO

from openhood.base.errors import RepoNotFound
from openhood.base.names import MAIN, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import gitdb, lookup, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.git.commands import GitProcess, SnapshotRef, SnapshotRepo, popen_git, run_git
from openhood.engines.git.wire import service_header
from openhood.engines.git.wire_v2 import LsRefs, ls_refs_answer

# Fetched by name only, as on the Hub: a plain `git ls-remote` or mirror does not list them.
_UNLISTED = "refs/pr/"
_MAX_ADVERTISEMENT_BYTES = 256 * 1024 * 1024


def find(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> Repo:
    """Return the repository if the viewer may fetch it. Opens a read unit.

    Raises: RepoNotFound, Moved, GatedRepo, RepoDisabled.
    """
    with sv.db.read() as tx:
        return lookup.find(tx, viewer, repo_type, repo_id, need=Need.READ)


def find_alias(sv: Services, viewer: Viewer, *, repo_type: RepoType, name: str) -> RepoId:
    """Return the id that a single name (``gpt2``) stands for. Opens a read unit. Raises RepoNotFound."""
    with sv.db.read() as tx:
        target = rows.get_alias(tx, repo_type, name)
    if target is None:
        raise RepoNotFound(anonymous=viewer.is_anonymous)
    return target


def advertise(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, protocol: int) -> bytes:
    """Return what a fetch begins with: in protocol 2 what the server can do, before that every ref as well.

    Opens units. Raises: what `find` raises, GitFailed.
    """
    repo = find(sv, viewer, repo_type=repo_type, repo_id=repo_id)
    if protocol == 2:
        return sv.facts.of("git.capabilities.v2", lambda: _capabilities(sv), weigh=len)
    with gitdb.snapshot(sv, repo) as gitdir:
        return service_header("git-upload-pack") + _ask_git(sv, gitdir, protocol=protocol)


def list_refs(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, request: LsRefs
) -> bytes:
    """Return the answer to ``ls-refs``, straight from the rows. Opens a read unit. Raises: what `find` raises."""
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.READ)
        refs = rows.list_refs(tx, repo.id)
    listed = request.asks_below(_UNLISTED)
    shown = [
        SnapshotRef(ref.name, ref.oid, ref.commit_oid)
        for ref in refs
        if listed or not ref.name.startswith(_UNLISTED)
    ]
    return ls_refs_answer(request, shown, head=MAIN)


@contextmanager
def upload_pack(
    sv: Services, repo: Repo, *, request: BinaryIO | IO[bytes], protocol: int
) -> Iterator[GitProcess]:
    """Run ``git upload-pack`` on one request of a fetch; what it stands on lasts until the block ends.

    *Args*: ``repo`` from `find`; ``request`` is a file git reads from its start. Opens read units.
    """
    with (
        gitdb.snapshot(sv, repo) as gitdir,
        popen_git(
            ["upload-pack", "--stateless-rpc", "--strict", str(gitdir)],
            stdin=request,
            env=_protocol_variable(protocol),
        ) as running,
    ):
        yield running


def _capabilities(sv: Services) -> bytes:
    """Ask git once what it can do in protocol 2: that depends on no repository."""
    with gitdb.scratch(sv) as directory:
        (directory / "objects" / "pack").mkdir(parents=True)
        with SnapshotRepo(directory / "objects", (), workdir=directory) as empty:
            return _ask_git(sv, empty.gitdir, protocol=2)


def _ask_git(sv: Services, gitdir: Path, *, protocol: int) -> bytes:
    return run_git(
        ["upload-pack", "--stateless-rpc", "--advertise-refs", "--strict", str(gitdir)],
        env=_protocol_variable(protocol),
        timeout_s=sv.settings.git.timeout_s,
        limit_bytes=_MAX_ADVERTISEMENT_BYTES,
    )


def _protocol_variable(protocol: int) -> dict[str, str]:
    return {"GIT_PROTOCOL": f"version={protocol}"} if protocol else {}

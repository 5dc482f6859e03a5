"""The past of one path: the commits that changed it, and the commit of each line of a file.

The history of whole revisions is `history`'s.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from openhood.base.errors import EntryNotFound, PayloadTooLarge, Unprocessable
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import gitdb, history, lookup
from openhood.domain.repos.history import CommitItem
from openhood.domain.repos.types import At
from openhood.domain.repos.viewing import Seen, read_start, see
from openhood.domain.services import Services
from openhood.engines.git.annals import BlamedLine, blame, log_path
from openhood.engines.git.commands import heavy
from openhood.engines.git.objects import display_name

MAX_BLAMED_BYTES = 1024 * 1024
MAX_BLAMED_LINES = 10_000
_SNIFFED_BYTES = 8000
_MAX_SKIPPED = 100_000
_LINE_BYTES = 200


@dataclass(frozen=True, slots=True)
class PathHistory:
    """A page of the commits that changed a path; ``total`` is None where counting would take a second walk."""

    at: At
    path: str
    items: tuple[CommitItem, ...]
    has_more: bool
    total: int | None


def list_commits(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    segments: Sequence[str],
    page: int,
    limit: int,
) -> PathHistory:
    """List the commits that changed a path, or all of a revision, newest first; ``page`` counts from 0.

    Raises: what `lookup.locate` raises; EntryNotFound for a path that never was; GitTimedOut for a history too long
    to walk; Unavailable when git is too busy.
    """
    at, path = lookup.locate_split(sv, viewer, repo_type, repo_id, segments=segments, need=Need.INFO)
    if not path:
        found = history.list_commits(
            sv, viewer, repo_type=repo_type, repo_id=repo_id, revision=at.commit, page=page, limit=limit
        )
        return PathHistory(at, "", found.items, (page + 1) * limit < found.total, found.total)
    skip = page * limit
    if "\0" in path or skip > _MAX_SKIPPED:
        raise EntryNotFound(f"'{display_name(path)[:200]}' has no such history.", commit=at.commit)
    with heavy(sv.settings.git.processes), gitdb.snapshot(sv, at.repo) as gitdir:
        oids = log_path(gitdir, at.commit, path, skip=skip, limit=limit + 1)
    if not oids and not page:
        raise EntryNotFound(f"There never was a '{display_name(path)[:200]}' here.", commit=at.commit)
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    items = history.authored(sv, [objects.commit(oid) for oid in oids[:limit]])
    return PathHistory(at, path, items, len(oids) > limit, None)


def blame_file(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, segments: Sequence[str]
) -> tuple[Seen, tuple[BlamedLine, ...]]:
    """Return a text file's lines, at most `MAX_BLAMED_LINES`, each with the commit it came with.

    Raises: what `viewing.see` raises; GatedRepo and the like where the content is not for the viewer;
    Unprocessable for what is no text; PayloadTooLarge over `MAX_BLAMED_BYTES`; GitTimedOut.
    """
    seen = see(sv, viewer, repo_type=repo_type, repo_id=repo_id, segments=segments)
    if not seen.may_read:
        lookup.check(viewer, seen.at.repo, need=Need.READ)
    if seen.kind != "file" or seen.is_lfs:
        raise Unprocessable("Only text files that git holds itself have lines to tell the origin of.")
    if seen.size_bytes > MAX_BLAMED_BYTES:
        raise PayloadTooLarge(f"The origin of lines is told of files up to {MAX_BLAMED_BYTES} bytes.")
    if b"\0" in read_start(sv, seen, limit_bytes=_SNIFFED_BYTES):
        raise Unprocessable("This is no text file, so it has no lines.")

    def ask() -> tuple[BlamedLine, ...]:
        with heavy(sv.settings.git.processes), gitdb.snapshot(sv, seen.at.repo) as gitdir:
            return tuple(blame(gitdir, seen.at.commit, seen.path, max_lines=MAX_BLAMED_LINES))

    key = ("blame", seen.at.repo.id, seen.at.commit, seen.path)
    return seen, sv.facts.of(
        key, ask, weigh=lambda lines: sum(_LINE_BYTES + len(line.text) for line in lines) + _LINE_BYTES
    )

"""Looking into a repository without its bytes: directory listings, paths, sizes, last commits.

History and differences are in `history`; the content of a file is in `resolve`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from openhood.base.errors import BadRequest, EntryNotFound, RevisionNotFound
from openhood.base.names import Oid, RepoId, RepoType, XetHash, is_oid
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.repos import browse_rows, gitdb, lookup
from openhood.domain.repos.contents import sum_tree
from openhood.domain.repos.resolve import HIDDEN_OID, UNGATED_PATHS, BlobFacts, blob_facts, veiled
from openhood.domain.repos.types import At
from openhood.domain.services import Services
from openhood.domain.xet import rows as xet_rows
from openhood.engines.git.commands import heavy, log_last_commits
from openhood.engines.git.objects import MODE_SUBMODULE, display_name, name_bytes, name_text
from openhood.engines.git.store import ObjectDb
from openhood.engines.git.walk import WalkEntry, walk

MAX_PAGE = 1000
MAX_EXPANDED_PAGE = 100
MAX_PATHS = 2000
_FACT_BYTES = 300


@dataclass(frozen=True, slots=True)
class LastCommit:
    """The commit that last changed a path."""

    oid: Oid
    title: str
    date: datetime


@dataclass(frozen=True, slots=True)
class TreeItem:
    """One entry of a listing. ``path`` is text fit for JSON; ``blob`` is None for what is no file.

    ``xet_hash`` is there for content that the viewer may fetch by Xet; who may not read a file sees no hash of it.
    """

    kind: str
    path: str
    oid: Oid
    blob: BlobFacts | None
    last_commit: LastCommit | None = None
    xet_hash: XetHash | None = None


@dataclass(frozen=True, slots=True)
class TreePage:
    """A page of a listing; ``cursor`` leads to the next one, on the same commit, or is None."""

    at: At
    items: tuple[TreeItem, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Storage:
    """What a repository takes in the object store, in bytes; objects shared with others count in full."""

    git_bytes: int
    lfs_bytes: int
    lfs_objects: int


def list_tree(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    segments: Sequence[str],
    recursive: bool,
    expand: bool,
    limit: int,
    cursor: str | None,
) -> TreePage:
    """List a directory page by page, in git's order.

    *Args*: ``segments`` are those of revision and path together, as `lookup.locate_split` takes them;
    ``limit`` is cut to what a page may hold. *Raises* what `lookup.locate` raises, EntryNotFound for a
    missing path and for a file, BadRequest for a cursor we did not make.
    """
    at, path = lookup.locate_split(sv, viewer, repo_type, repo_id, segments=segments, need=Need.INFO)
    after = None
    if cursor is not None:
        commit, after = _open_cursor(cursor)
        at = _at_commit(sv, at, commit)
    limit = max(1, min(limit, MAX_EXPANDED_PAGE if expand else MAX_PAGE))
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    tree = objects.commit(at.commit).tree
    try:
        found = walk(objects, tree, prefix=path, recursive=recursive, after=after, limit=limit + 1)
    except EntryNotFound:
        raise EntryNotFound(_no_such(path), commit=at.commit) from None
    page = found[:limit]
    items = _with_hashes(sv, viewer, at, [_item(sv, objects, entry) for entry in page])
    if expand:
        items = _expanded(sv, at, objects, page, items)
    more = _make_cursor(at.commit, page[-1].path) if len(found) > limit else None
    return TreePage(at, tuple(items), more)


def find_paths(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str,
    paths: Sequence[str],
    expand: bool,
) -> tuple[TreeItem, ...]:
    """Return those of ``paths`` that exist, files and directories, in the order asked.

    Raises: what `lookup.locate` raises, BadRequest for more than `MAX_PATHS`.
    """
    if len(paths) > MAX_PATHS:
        raise BadRequest(f"At most {MAX_PATHS} paths may be asked for at once, not {len(paths)}.")
    at = lookup.locate(sv, viewer, repo_type, repo_id, revision=revision, need=Need.INFO)
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    tree = objects.commit(at.commit).tree
    found = []
    for path in paths:
        wanted = path.strip("/")
        entry = objects.entry_at(tree, wanted) if wanted and "\0" not in wanted else None
        if entry is not None:
            found.append(WalkEntry(wanted, entry.mode, entry.oid))
    items = _with_hashes(sv, viewer, at, [_item(sv, objects, entry) for entry in found])
    return tuple(_expanded(sv, at, objects, found, items) if expand else items)


def measure_tree(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, segments: Sequence[str]
) -> tuple[str, int]:
    """Return a path and the bytes of all content below it, LFS objects with their own size.

    Raises: what `lookup.locate` raises, EntryNotFound.
    """
    at, path = lookup.locate_split(sv, viewer, repo_type, repo_id, segments=segments, need=Need.INFO)
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    tree = objects.commit(at.commit).tree
    if path:
        entry = objects.entry_at(tree, path)
        if entry is None or entry.mode == MODE_SUBMODULE:
            raise EntryNotFound(_no_such(path), commit=at.commit)
        if not entry.is_dir:
            return path, blob_facts(sv, objects, entry.oid, mode=entry.mode).size_bytes
        tree = entry.oid
    return path, sum_tree(sv, objects, tree)


def get_storage(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> Storage:
    """Return what a repository takes in the store. Opens a read unit. Raises what `lookup.find` raises."""
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        lfs_objects, lfs_bytes = browse_rows.sum_lfs(tx, repo.id)
        return Storage(browse_rows.sum_packs(tx, repo.id), lfs_bytes, lfs_objects)


def _item(sv: Services, objects: ObjectDb, entry: WalkEntry) -> TreeItem:
    path = display_name(entry.path)
    if entry.is_dir:
        return TreeItem("directory", path, entry.oid, None)
    if entry.mode == MODE_SUBMODULE:
        return TreeItem("unknown", path, entry.oid, None)
    return TreeItem("file", path, entry.oid, blob_facts(sv, objects, entry.oid, mode=entry.mode))


def _with_hashes(sv: Services, viewer: Viewer, at: At, items: list[TreeItem]) -> list[TreeItem]:
    """Add the file hashes of what is held as chunks, or take all hashes away from whoever may not read the files."""
    if decide(viewer, at.repo.facts, Need.READ) is not Verdict.ALLOW:
        return [
            item
            if item.blob is None or item.path in UNGATED_PATHS
            else replace(item, oid=HIDDEN_OID, blob=veiled(item.blob))
            for item in items
        ]
    hashes = {
        item.blob.pointer.oid for item in items if item.blob is not None and item.blob.pointer is not None
    }
    if not hashes:
        return items
    with sv.db.read() as tx:
        found = xet_rows.find_xet_hashes(tx, at.repo.id, hashes)
    return [
        replace(item, xet_hash=found[item.blob.pointer.oid])
        if item.blob is not None and item.blob.pointer is not None and item.blob.pointer.oid in found
        else item
        for item in items
    ]


def _no_such(path: str) -> str:
    return f"There is no directory '{display_name(path)[:200]}' at this revision."


# Cursors


def _make_cursor(commit: Oid, path: str) -> str:
    """Return an opaque cursor; it names the commit, so that a listing stays one while its branch moves."""
    return base64.urlsafe_b64encode(commit.encode("ascii") + name_bytes(path)).decode("ascii")


def _open_cursor(cursor: str) -> tuple[Oid, str]:
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        commit, path = raw[:40].decode("ascii"), name_text(raw[40:])
    except (UnicodeError, binascii.Error) as error:
        raise BadRequest("The cursor is not one of this hub's.") from error
    if not is_oid(commit) or not path:
        raise BadRequest("The cursor is not one of this hub's.")
    return Oid(commit), path


def _at_commit(sv: Services, at: At, commit: Oid) -> At:
    if commit == at.commit:
        return at
    try:
        return At(at.repo, lookup.resolve_oid(sv, at.repo, commit), None)
    except RevisionNotFound as error:
        raise BadRequest("The cursor is not one of this repository's.") from error


# Last commits


def _expanded(
    sv: Services, at: At, objects: ObjectDb, entries: Sequence[WalkEntry], items: Sequence[TreeItem]
) -> list[TreeItem]:
    oids = last_commits(sv, at, [entry.path for entry in entries])
    return [
        replace(item, last_commit=commit_facts(sv, objects, oids[entry.path])) if entry.path in oids else item
        for entry, item in zip(entries, items, strict=True)
    ]


def last_commits(sv: Services, at: At, paths: Iterable[str]) -> Mapping[str, Oid]:
    """Return the last commit of each path: from the index kept with the ref, else from git's own walk.

    Opens read units of its own. Raises GitTimedOut for a history too long to walk.
    """
    wanted: dict[str, set[str]] = {}
    found: dict[str, Oid] = {}
    for path in paths:
        known = sv.facts.get(_last_key(at, path))
        if isinstance(known, str):
            found[path] = Oid(known)
            continue
        folder, _, name = path.rpartition("/")
        wanted.setdefault(folder, set()).add(name)
    for path, oid in (*_from_index(sv, at, wanted).items(), *_from_git(sv, at, wanted).items()):
        found[path] = oid
        sv.facts.put(_last_key(at, path), oid, weight=_FACT_BYTES + len(path))
    return found


def _last_key(at: At, path: str) -> tuple[str, int, Oid, str]:
    return "last commit", at.repo.id, at.commit, path


def _from_index(sv: Services, at: At, wanted: dict[str, set[str]]) -> dict[str, Oid]:
    """Take what the index of a ref at this commit holds, and remove it from ``wanted``."""
    found: dict[str, Oid] = {}
    if not wanted:
        return found
    with sv.db.read() as tx:
        ref = browse_rows.find_indexed_ref(tx, at.repo.id, at.commit, preferred=at.ref)
        if ref is None:
            return found
        for folder, names in wanted.items():
            # Names that are not UTF-8 cannot be in the index.
            texts = [name for name in names if display_name(name) == name]
            if display_name(folder) == folder:
                rows = browse_rows.find_last_commits(tx, at.repo.id, ref, folder, texts)
                found.update((_join(folder, name), oid) for name, oid in rows.items())
        if browse_rows.find_indexed_ref(tx, at.repo.id, at.commit, preferred=ref) != ref:
            return {}  # the ref moved in between: what was read may belong to its new tip
    for path in found:
        folder, _, name = path.rpartition("/")
        wanted[folder].discard(name)
    return found


def _from_git(sv: Services, at: At, wanted: Mapping[str, set[str]]) -> dict[str, Oid]:
    found: dict[str, Oid] = {}
    missing = {folder: names for folder, names in wanted.items() if names}
    if not missing:
        return found
    with heavy(sv.settings.git.processes), gitdb.snapshot(sv, at.repo) as gitdir:
        for folder, names in missing.items():
            last = log_last_commits(gitdir, at.commit, folder, names)
            found.update((_join(folder, name), oid) for name, oid in last.items())
    return found


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def commit_facts(sv: Services, objects: ObjectDb, oid: Oid) -> LastCommit:
    """Return a commit as listings name it. Raises MissingGitObject."""

    def read() -> LastCommit:
        commit = objects.commit(oid)
        return LastCommit(oid, display_name(commit.title), commit.committer.when)

    return sv.facts.of(("commit", oid), read, weigh=lambda made: _FACT_BYTES + len(made.title))

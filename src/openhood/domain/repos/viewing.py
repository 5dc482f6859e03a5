"""One entry of a commit as a person looks at it: what it is, who may read and change it, and its first bytes.

Names and sizes are public where the repository is; contents are asked for here only after the policy allowed it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from openhood.base.errors import EntryNotFound
from openhood.base.names import Oid, RepoId, RepoType, XetHash
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.repos import browse, gitdb, lookup
from openhood.domain.repos.browse import LastCommit
from openhood.domain.repos.contents import Content, find_contents, opened
from openhood.domain.repos.resolve import HIDDEN_OID, UNGATED_PATHS, BlobFacts, blob_facts, veiled
from openhood.domain.repos.types import At
from openhood.domain.services import Services
from openhood.domain.xet import rows as xet_rows
from openhood.engines.formats.safetensors import ReadRange
from openhood.engines.git.commands import GitFailed
from openhood.engines.git.objects import MODE_LINK, MODE_SUBMODULE, display_name


@dataclass(frozen=True, slots=True)
class Seen:
    """A path of a commit. ``kind`` is file, link, directory or submodule; ``blob`` is None for the last two.

    ``oid``, pointer and ``xet_hash`` are hidden from whoever may not read the content. ``last`` is None where the
    history is too long to walk.
    """

    at: At
    path: str
    kind: str
    oid: Oid
    blob: BlobFacts | None
    xet_hash: XetHash | None
    last: LastCommit | None
    may_read: bool
    may_write: bool
    may_propose: bool

    @property
    def size_bytes(self) -> int:
        """The size of the content."""
        return 0 if self.blob is None else self.blob.size_bytes

    @property
    def is_lfs(self) -> bool:
        """Whether git holds a pointer only."""
        return self.blob is not None and self.blob.pointer is not None


def see(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, segments: Sequence[str]
) -> Seen:
    """Return what stands at a path. Opens read units of its own.

    *Args*: ``segments`` are those of revision and path together, as `lookup.locate_split` takes them.
    *Raises* what `lookup.locate` raises, EntryNotFound.
    """
    at, path = lookup.locate_split(sv, viewer, repo_type, repo_id, segments=segments, need=Need.INFO)
    objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
    tree = objects.commit(at.commit).tree
    entry = objects.entry_at(tree, path) if path and "\0" not in path else None
    if entry is None:
        raise EntryNotFound(f"There is no '{display_name(path)[:200]}' at this revision.", commit=at.commit)
    facts = at.repo.facts
    may_read = path in UNGATED_PATHS or decide(viewer, facts, Need.READ) is Verdict.ALLOW
    kind, blob, xet_hash = "file", None, None
    if entry.is_dir:
        kind = "directory"
    elif entry.mode == MODE_SUBMODULE:
        kind = "submodule"
    else:
        kind = "link" if entry.mode == MODE_LINK else "file"
        blob = blob_facts(sv, objects, entry.oid, mode=entry.mode)
        if not may_read:
            blob = veiled(blob)
        elif blob.pointer is not None:
            with sv.db.read() as tx:
                known = xet_rows.find_xet_hashes(tx, at.repo.id, {blob.pointer.oid})
            xet_hash = known.get(blob.pointer.oid)
    return Seen(
        at,
        path,
        kind,
        entry.oid if may_read or blob is None else HIDDEN_OID,
        blob,
        xet_hash,
        _last(sv, at, path),
        may_read,
        decide(viewer, facts, Need.WRITE) is Verdict.ALLOW,
        decide(viewer, facts, Need.PROPOSE) is Verdict.ALLOW,
    )


def _last(sv: Services, at: At, path: str) -> LastCommit | None:
    try:
        oid = browse.last_commits(sv, at, [path]).get(path)
    except GitFailed:
        return None  # a page without this line is better than none
    if oid is None:
        return None
    return browse.commit_facts(sv, gitdb.open_objects(sv, at.repo, expect=at.commit), oid)


def content_of(sv: Services, seen: Seen) -> Content:
    """Return where the bytes of a file are that the viewer may read. Raises EntryNotFound."""
    if seen.blob is None or not seen.may_read:
        raise EntryNotFound("There is no content to be read here.", commit=seen.at.commit)
    objects = gitdb.open_objects(sv, seen.at.repo, expect=seen.at.commit)
    if seen.kind == "link":
        return Content(seen.oid, seen.size_bytes, None)
    found = find_contents(sv, seen.at.repo, objects, [seen.oid]).get(seen.oid)
    if found is None:
        raise EntryNotFound("The content of this file was deleted from the hub.")
    return found


@contextmanager
def opened_file(sv: Services, seen: Seen) -> Iterator[tuple[ReadRange, int]]:
    """Give a function that reads parts of a file, and the file's size. Raises what `content_of` and `opened` raise."""
    content = content_of(sv, seen)
    objects = gitdb.open_objects(sv, seen.at.repo, expect=seen.at.commit)
    with opened(sv, seen.at.repo, objects, content) as read:
        yield read, content.size_bytes


def read_start(sv: Services, seen: Seen, *, limit_bytes: int) -> bytes:
    """Return the first bytes of a file. Raises what `opened_file` raises."""
    with opened_file(sv, seen) as (read, size_bytes):
        return read(0, min(size_bytes, limit_bytes))

"""Lists of repositories, page by page, of what the viewer may know of; and what one commit says.

The rest of a repository's content is in `browse` and `resolve`.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import orjson

from openhood.base.errors import BadRequest, NotFound, RevisionNotFound, Unauthorized
from openhood.base.names import MAIN, Oid, RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts import rules
from openhood.domain.catalog.types import TipFacts
from openhood.domain.repos import gitdb, listing_rows, lookup, rows
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.listing_rows import Listed, Order, Position, Wanted
from openhood.domain.repos.resolve import BlobFacts, blob_facts
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.engines.git.objects import MODE_SUBMODULE, display_name
from openhood.engines.git.walk import iter_files

MAX_PAGE = 1000
MAX_PAGE_WITH_FILES = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FACT_BYTES = 200


@dataclass(frozen=True, slots=True)
class Sibling:
    """A file of a commit; ``oid`` and ``blob`` are None where they were not asked for."""

    path: str
    oid: Oid | None = None
    blob: BlobFacts | None = None


@dataclass(frozen=True, slots=True)
class RepoInfo:
    """A repository at one commit (None: it has no main). ``siblings`` None: they were not asked for."""

    listed: Listed
    commit: Oid | None
    siblings: tuple[Sibling, ...] | None

    @property
    def repo(self) -> Repo:
        """The repository itself."""
        return self.listed.repo


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``cursor`` leads to the next or is None."""

    items: tuple[RepoInfo, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class StoragePage:
    """One page of a namespace's repositories with what they use, and the bytes all of them use."""

    items: tuple[Listed, ...]
    cursor: str | None
    total_bytes: int


def get_info(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    revision: str | None,
    siblings: bool,
    blobs: bool,
) -> RepoInfo:
    """Return what is public of a repository whose existence the viewer may know of, gated or not.

    At another revision than main, card and tags are those of that commit. ``blobs`` adds sizes.
    Raises: what `lookup.find` raises, RevisionNotFound.
    """
    names = lookup.ref_candidates(revision or "HEAD")
    with sv.db.read() as tx:
        found, refs = rows.get_repo_with_refs(tx, repo_type, repo_id, names)
        if found is None:
            found = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        lookup.check(viewer, found, need=Need.INFO)
        listed = listing_rows.get_listed(tx, found.id)
    if listed is None:
        raise NotFound("The repository was deleted this very moment.")
    commit = next((refs[name].commit_oid for name in names if name in refs), None)
    if commit is None and revision is not None:
        if MAIN in names:
            raise RevisionNotFound(revision)
        commit = lookup.resolve_oid(sv, found, revision)
    return _at(sv, listed, commit, siblings=siblings, blobs=blobs)


def list_repos(
    sv: Services,
    viewer: Viewer,
    *,
    wanted: Wanted,
    order: Order,
    cursor: str | None,
    limit: int,
    with_card: bool,
    siblings: bool,
) -> Page:
    """Return a page of the repositories the viewer may know of. Raises BadRequest for a bad cursor or sort."""
    limit = min(limit, MAX_PAGE_WITH_FILES if siblings else MAX_PAGE)
    found, more = _page(
        sv, viewer, wanted=wanted, order=order, cursor=cursor, limit=limit, with_card=with_card
    )
    items = tuple(
        _at(sv, listed, listed.repo.head_oid, siblings=True, blobs=False)
        if siblings
        else RepoInfo(listed, listed.repo.head_oid, None)
        for listed in found
    )
    return Page(items, more)


def list_storage(
    sv: Services,
    viewer: Viewer,
    *,
    namespace: str | None,
    types: tuple[RepoType, ...],
    search: str | None,
    order: Order,
    cursor: str | None,
    limit: int,
) -> StoragePage:
    """Return the repositories of a namespace (None: the viewer's own) with the storage they use.

    Raises: Unauthorized; NotFound for an unknown organization; Forbidden to all but its administrators.
    """
    if viewer.is_anonymous or (namespace is None and viewer.user_id is None):
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    owner_id = viewer.user_id
    if namespace is not None:
        with sv.db.read() as tx:
            org = rules.get_org(tx, namespace)
            rules.require_org_admin(viewer, org)
        owner_id = org.id
    wanted = Wanted(types, owner_id=owner_id, searches=(search,) if search else ())
    found, more = _page(sv, viewer, wanted=wanted, order=order, cursor=cursor, limit=limit, with_card=False)
    with sv.db.read() as tx:
        total = storage_rows.namespace_bytes(tx, owner_id or 0)
    return StoragePage(tuple(found), more, total)


def _page(
    sv: Services,
    viewer: Viewer,
    *,
    wanted: Wanted,
    order: Order,
    cursor: str | None,
    limit: int,
    with_card: bool,
) -> tuple[list[Listed], str | None]:
    if order.sort not in listing_rows.SORTS:
        raise BadRequest(f"Invalid sort: use one of {', '.join(listing_rows.SORTS)}.")
    after = None if cursor is None else _open_cursor(cursor, order)
    with sv.db.read() as tx:
        found = listing_rows.list_repos(
            tx, viewer, wanted, order, after=after, limit=limit + 1, with_card=with_card
        )
    if len(found) <= limit:
        return found, None
    return found[:limit], _make_cursor(listing_rows.position_of(found[limit - 1], order), order)


def _make_cursor(position: Position, order: Order) -> str:
    value = position.value
    if isinstance(value, datetime):
        value = (value - _EPOCH) // timedelta(milliseconds=1)
    raw = orjson.dumps([order.sort, order.descending, value, str(position.number)])
    return base64.urlsafe_b64encode(raw).decode("ascii")


def _open_cursor(cursor: str, order: Order) -> Position:
    try:
        raw = base64.b64decode(cursor.encode("ascii"), altchars=b"-_", validate=True)
        sort, descending, value, number = orjson.loads(raw)
        if [sort, descending] != [order.sort, order.descending]:
            raise ValueError("made for another order")
        if order.sort in ("lastModified", "createdAt"):
            value = _EPOCH + timedelta(milliseconds=value)
        elif not isinstance(value, str if order.sort == "id" else int):
            raise ValueError("of another kind")
        return Position(value, int(number) % 2**63)
    except (ValueError, TypeError, OverflowError, UnicodeError, binascii.Error) as error:
        raise BadRequest(
            "The 'cursor' is not one of this list. Take it from the Link header of the page before."
        ) from error


def _at(sv: Services, listed: Listed, commit: Oid | None, *, siblings: bool, blobs: bool) -> RepoInfo:
    """Look at one commit: its files, and its card where it is not the one the rows describe."""
    if commit is None:
        return RepoInfo(listed, None, () if siblings else None)
    if commit != listed.repo.head_oid:
        listed = _described_by(listed, _tip(sv, listed.repo, commit))
    files = None
    if siblings:
        files = _siblings_with_blobs(sv, listed.repo, commit) if blobs else _siblings(sv, listed.repo, commit)
    return RepoInfo(listed, commit, files)


def _described_by(listed: Listed, tip: TipFacts) -> Listed:
    return Listed(
        listed.repo,
        tip,
        listed.used_storage_bytes,
        listed.likes,
        listed.downloads,
        listed.downloads_all_time,
        listed.trending_score,
    )


def _tip(sv: Services, repo: Repo, commit: Oid) -> TipFacts:
    def make() -> TipFacts:
        return describe_tip(gitdb.open_objects(sv, repo, expect=commit), commit, repo.type)

    return sv.facts.of(
        ("tip", repo.type, commit), make, weigh=lambda tip: 10 * _FACT_BYTES + len(str(tip.card))
    )


def _siblings(sv: Services, repo: Repo, commit: Oid) -> tuple[Sibling, ...]:
    def make() -> tuple[Sibling, ...]:
        objects = gitdb.open_objects(sv, repo, expect=commit)
        found = iter_files(objects, objects.commit(commit).tree)
        return tuple(Sibling(display_name(entry.path)) for entry in found if entry.mode != MODE_SUBMODULE)

    return sv.facts.of(("siblings", commit), make, weigh=_weigh)


def _siblings_with_blobs(sv: Services, repo: Repo, commit: Oid) -> tuple[Sibling, ...]:
    def make() -> tuple[Sibling, ...]:
        objects = gitdb.open_objects(sv, repo, expect=commit)
        return tuple(
            Sibling(
                display_name(entry.path),
                entry.oid,
                blob_facts(sv, objects, entry.oid, mode=entry.mode),
            )
            for entry in iter_files(objects, objects.commit(commit).tree)
            if entry.mode != MODE_SUBMODULE
        )

    return sv.facts.of(("siblings with blobs", commit), make, weigh=_weigh)


def _weigh(siblings: tuple[Sibling, ...]) -> int:
    return sum(_FACT_BYTES + len(sibling.path) for sibling in siblings) + _FACT_BYTES

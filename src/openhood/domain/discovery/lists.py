"""Lists of repositories, page by page, of what the viewer may know of."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from openhood.base.errors import BadRequest, Unauthorized
from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.accounts import rules
from openhood.domain.catalog import files as kept_files
from openhood.domain.discovery import cursors, list_rows
from openhood.domain.discovery.lineage import Links, add_lineage
from openhood.domain.discovery.wanted import OWNED_SORTS, SORTS, Order, Position, Wanted
from openhood.domain.repos.listing import RepoInfo, at_commit
from openhood.domain.repos.listing_rows import Listed
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows

MAX_PAGE = 1000
MAX_PAGE_WITH_FILES = 100


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a list; ``cursor`` leads to the next or is None.

    ``links`` has what others say of models, by number, where it was asked for.
    """

    items: tuple[RepoInfo, ...]
    cursor: str | None
    links: Mapping[int, Links] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoragePage:
    """One page of a namespace's repositories with what they use, and the bytes all of them use."""

    items: tuple[Listed, ...]
    cursor: str | None
    total_bytes: int


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
    linked: Collection[str] = (),
) -> Page:
    """Return a page of the repositories the viewer may know of, with those links that `lineage.KEYS` names.

    Raises BadRequest for a bad cursor or sort.
    """
    limit = min(limit, MAX_PAGE_WITH_FILES if siblings else MAX_PAGE)
    after = _position(order, cursor)
    with sv.db.read() as tx:
        found = list_rows.list_repos(
            tx, viewer, wanted, order, after=after, limit=limit + 1, with_card=with_card
        )
        page = found[:limit]
        files = kept_files.read(tx, [each.repo.id for each in page]) if siblings else {}
        links = add_lineage(tx, viewer, page, linked)
    items = tuple(
        at_commit(sv, each, each.repo.head_oid, siblings=siblings, blobs=False, kept=files.get(each.repo.id))
        for each in page
    )
    return Page(items, _more(found, limit, order), links)


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
    after = _position(order, cursor, sorts=OWNED_SORTS)
    with sv.db.read() as tx:
        found = list_rows.list_repos(tx, viewer, wanted, order, after=after, limit=limit + 1, with_card=False)
        total = storage_rows.namespace_bytes(tx, owner_id or 0)
    return StoragePage(tuple(found[:limit]), _more(found, limit, order), total)


def _position(order: Order, cursor: str | None, *, sorts: Mapping[str, object] = SORTS) -> Position | None:
    if order.sort not in sorts:
        raise BadRequest(f"Invalid sort: use one of {', '.join(sorts)}.")
    return None if cursor is None else cursors.read(cursor, order)


def _more(found: list[Listed], limit: int, order: Order) -> str | None:
    if len(found) <= limit:
        return None
    return cursors.write(list_rows.position_of(found[limit - 1], order), order)

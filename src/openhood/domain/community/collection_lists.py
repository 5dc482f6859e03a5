"""Lists of collections, page by page, and by what they contain."""

from __future__ import annotations

from collections.abc import Sequence

from openhood.base.errors import BadRequest, HubError
from openhood.domain.access import Viewer
from openhood.domain.accounts import rules
from openhood.domain.community import collection_rows as rows
from openhood.domain.community import cursors
from openhood.domain.community.collection_items import find_target
from openhood.domain.community.collection_views import show
from openhood.domain.community.types import CollectionPage
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_PAGE = 100
MAX_CONDITIONS = 50
ITEMS_EACH = 4

_KINDS = {
    "models": "model",
    "datasets": "dataset",
    "spaces": "space",
    "papers": "paper",
    "collections": "collection",
    "buckets": "bucket",
}


def list_collections(
    sv: Services,
    viewer: Viewer,
    *,
    owners: Sequence[str],
    items: Sequence[str],
    search: str | None,
    sort: str | None,
    cursor: str | None,
    limit: int,
) -> CollectionPage:
    """Return collections that the viewer may see, each with its first four items. Opens a read unit.

    Args: ``owners`` of one of whom they are; ``items`` (``models/ns/name``, ``papers/2307.09288``) one of which they
    contain. Raises: BadRequest.
    """
    order = sort or "lastModified"
    if order not in rows.ORDERS:
        raise BadRequest(f"Invalid 'sort': use one of {', '.join(rows.ORDERS)}.")
    if order == "position" and len(owners) != 1:
        raise BadRequest("'sort=position' is the order of one owner: name exactly one 'owner'.")
    if len(owners) > MAX_CONDITIONS or len(items) > MAX_CONDITIONS:
        raise BadRequest(f"Name at most {MAX_CONDITIONS} owners and {MAX_CONDITIONS} items.")
    after = cursors.read(order, cursor)
    if search is not None and "\0" in search:
        return CollectionPage((), None)
    with sv.db.read() as tx:
        found = rows.list_page(
            tx,
            viewer,
            owners=_numbers_of(tx, owners) if owners else None,
            containing=_targets_of(tx, viewer, items) if items else None,
            search=search or None,
            order=order,
            after=after,
            limit=limit + 1,
        )
        shown = show(tx, viewer, found[:limit], items_each=ITEMS_EACH)
    more = None
    if len(found) > limit:
        last = found[limit - 1]
        more = cursors.write(order, rows.place_of(last, order), last.id)
    return CollectionPage(shown, more)


def _numbers_of(tx: Tx, owners: Sequence[str]) -> list[int]:
    """Return the numbers of those accounts that exist: nobody else has a collection."""
    found = (rules.find_account(tx, name) for name in owners)
    return [each.id for each in found if each is not None]


def _targets_of(tx: Tx, viewer: Viewer, items: Sequence[str]) -> list[tuple[str, int | str]]:
    """Return the columns that name the items; what the viewer may not know of is in no collection."""
    targets = []
    for text in items:
        place, _, name = text.partition("/")
        if place not in _KINDS or not name:
            allowed = ", ".join(sorted(_KINDS))
            raise BadRequest(
                f"Invalid 'item' {text[:80]!r}: write 'models/namespace/name'; kinds: {allowed}."
            )
        try:
            targets.append(find_target(tx, viewer, _KINDS[place], name).column)
        except HubError:
            continue
    return targets

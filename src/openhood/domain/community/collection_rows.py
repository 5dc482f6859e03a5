"""The queries on collections, their items and votes. Never commits.

Whom a collection may be shown to is a condition of the query, the same policy as `access.may_see_in`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    and_,
    delete,
    false,
    func,
    insert,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.sql.expression import FromClause, literal

from openhood.domain.access import COLLECTION_READING, OrgRole, Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.visible_rows import visible_to
from openhood.domain.community.cursors import Place
from openhood.domain.community.types import Collection, Item
from openhood.infra import ids
from openhood.infra.db.community_tables import collection_items, collection_votes, collections
from openhood.infra.db.discovery_tables import likes
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.identity_tables import resource_groups
from openhood.infra.db.tables import accounts, repos

MAX_ITEMS = 1000
TRENDING_WINDOW = timedelta(days=30)

_ORDERS: Mapping[str, tuple[Any, bool]] = {  # column, descending
    "lastModified": (collections.c.updated_at, True),
    "trending": (collections.c.trending_score, True),
    "upvotes": (collections.c.upvotes, True),
    "position": (collections.c.position, False),
}
ORDERS = tuple(_ORDERS)


def shown_to(viewer: Viewer, table: FromClause = collections) -> ColumnElement[bool]:
    """Return the condition under which a collection may be shown to ``viewer``."""
    public = table.c.is_private.is_(False)
    if viewer.is_anonymous:
        return public
    if viewer.is_admin:
        of_role: ColumnElement[bool] = true()
    else:
        whole = [org for org, role in viewer.roles.items() if role is OrgRole.ADMIN]
        if viewer.user_id is not None and not viewer.is_service:
            whole.append(viewer.user_id)
        partly = [org for org, role in viewer.roles.items() if OrgRole.READ <= role < OrgRole.ADMIN]
        groups = [group for group, role in viewer.group_roles.items() if role >= OrgRole.READ]
        of_role = or_(
            table.c.owner_id.in_(whole) if whole else false(),
            and_(table.c.owner_id.in_(partly), table.c.resource_group_id.is_(None)) if partly else false(),
            table.c.resource_group_id.in_(groups) if groups else false(),
        )
    return or_(public, and_(of_role, _covered_by_token(viewer, table)))


def _covered_by_token(viewer: Viewer, table: FromClause) -> ColumnElement[bool]:
    token = viewer.token
    if token is None or token.role != "fineGrained" or token.global_permissions & COLLECTION_READING:
        return true()
    names = [
        grant.entity_name
        for grant in token.scoped
        if grant.entity_type in ("user", "org") and grant.permissions & COLLECTION_READING
    ]
    if not names:
        return false()
    return table.c.owner_id.in_(select(accounts.c.id).where(accounts.c.name_key.in_(names)))


# --- collections -----------------------------------------------------------------------------


def _read(tx: Tx, query: Select[Any]) -> list[Collection]:
    found = tx.execute(query).all()
    owners = account_rows.list_accounts_by_ids(tx, sorted({row.owner_id for row in found}))
    return [
        Collection(
            id=row.id,
            hex_id=row.hex_id,
            owner=owners[row.owner_id],
            title=row.title,
            title_slug=row.title_slug,
            description=row.description,
            theme=row.theme,
            is_private=row.is_private,
            position=row.position,
            upvotes=row.upvotes,
            trending_score=row.trending_score,
            created_at=row.created_at,
            updated_at=row.updated_at,
            resource_group_id=row.resource_group_id,
        )
        for row in found
        if row.owner_id in owners
    ]


def get(tx: Tx, hex_id: str) -> Collection | None:
    """Return the collection with this object id."""
    return next(iter(_read(tx, select(collections).where(collections.c.hex_id == hex_id))), None)


def list_by_numbers(tx: Tx, numbers: Iterable[int]) -> dict[int, Collection]:
    """Return collections by number."""
    wanted = sorted(set(numbers))
    if not wanted:
        return {}
    return {each.id: each for each in _read(tx, select(collections).where(collections.c.id.in_(wanted)))}


def list_named(tx: Tx, owner_id: int, title_slug: str) -> list[Collection]:
    """Return the collections of a namespace whose titles make the same words of an address."""
    query = select(collections).where(
        collections.c.owner_id == owner_id, collections.c.title_slug == title_slug
    )
    return _read(tx, query)


def count_of(tx: Tx, owner_id: int) -> int:
    """Return how many collections a namespace has."""
    query = select(func.count()).select_from(collections).where(collections.c.owner_id == owner_id)
    return tx.execute(query).scalar_one()


def lock(tx: Tx, number: int) -> bool:
    """Make other write units that lock the collection wait; tells whether it still exists."""
    query = select(collections.c.id).where(collections.c.id == number).with_for_update()
    return tx.execute(query).first() is not None


def insert_collection(tx: Tx, **values: object) -> str:
    """Add a collection; returns its object id."""
    hex_id = ids.new_hex_id()
    tx.execute(insert(collections).values(hex_id=hex_id, **values))
    return hex_id


def update_collection(tx: Tx, number: int, **values: object) -> None:
    """Overwrite columns of a collection."""
    tx.execute(update(collections).where(collections.c.id == number).values(**values))


def delete_collection(tx: Tx, number: int) -> None:
    """Remove a collection with its items and votes."""
    tx.execute(delete(collections).where(collections.c.id == number))


def list_page(
    tx: Tx,
    viewer: Viewer,
    *,
    owners: Sequence[int] | None,
    containing: Sequence[tuple[str, int | str]] | None,
    search: str | None,
    order: str,
    after: Place | None,
    limit: int,
) -> list[Collection]:
    """Return collections in an order, following ``after``.

    Args: ``containing`` are items of which one must be in it: ("repo_id" | "member_id" | "name", value).
    """
    column, descending = _ORDERS[order]
    query = select(collections).where(shown_to(viewer)).limit(limit)
    if owners is not None:
        query = query.where(collections.c.owner_id.in_(owners))
    if containing is not None:
        having = [collection_items.c[name] == value for name, value in containing]
        inside = select(collection_items.c.collection_id).where(or_(false(), *having))
        query = query.where(collections.c.id.in_(inside))
    if search:
        needle = search.lower()
        query = query.where(
            or_(
                func.lower(collections.c.title).contains(needle, autoescape=True),
                func.lower(collections.c.description).contains(needle, autoescape=True),
            )
        )
    keys = (column, collections.c.id)
    if after is not None:
        value = after.moment if order == "lastModified" else after.value
        there = tuple_(literal(value, type_=column.type), literal(after.number))
        query = query.where(tuple_(*keys) < there if descending else tuple_(*keys) > there)
    return _read(tx, query.order_by(*(key.desc() if descending else key for key in keys)))


def place_of(collection: Collection, order: str) -> int | datetime:
    """Return the value by which an order files a collection."""
    places: dict[str, int | datetime] = {
        "lastModified": collection.updated_at,
        "trending": collection.trending_score,
        "upvotes": collection.upvotes,
        "position": collection.position,
    }
    return places[order]


def get_group(tx: Tx, org_id: int, hex_id: str) -> int | None:
    """Return the number of a resource group of an organization."""
    query = select(resource_groups.c.id).where(
        resource_groups.c.hex_id == hex_id, resource_groups.c.org_id == org_id
    )
    return tx.execute(query).scalar_one_or_none()


# --- items -----------------------------------------------------------------------------------

_MEMBERS = collections.alias("members")
_ITEM_COLUMNS = (
    collection_items.c.id,
    collection_items.c.hex_id,
    collection_items.c.collection_id,
    collection_items.c.kind,
    collection_items.c.repo_id,
    collection_items.c.member_id,
    collection_items.c.name,
    collection_items.c.note,
    collection_items.c.position,
)


def _item(row: Any) -> Item:  # Any: a row's columns are not typed one by one
    return Item(**row._mapping)


def list_items(tx: Tx, viewer: Viewer, collection: int, *, limit: int) -> list[Item]:
    """Return the first items that the viewer may see, in order."""
    query = (
        select(*_ITEM_COLUMNS)
        .outerjoin(repos, repos.c.id == collection_items.c.repo_id)
        .outerjoin(_MEMBERS, _MEMBERS.c.id == collection_items.c.member_id)
        .where(
            collection_items.c.collection_id == collection,
            or_(collection_items.c.repo_id.is_(None), visible_to(viewer)),
            or_(collection_items.c.member_id.is_(None), shown_to(viewer, _MEMBERS)),
        )
        .order_by(collection_items.c.position, collection_items.c.id)
        .limit(limit)
    )
    return [_item(row) for row in tx.execute(query)]


def get_item(tx: Tx, collection: int, hex_id: str) -> Item | None:
    """Return one item of a collection."""
    row = tx.execute(
        select(*_ITEM_COLUMNS).where(
            collection_items.c.collection_id == collection, collection_items.c.hex_id == hex_id
        )
    ).first()
    return None if row is None else _item(row)


def has_item(
    tx: Tx, collection: int, *, kind: str, repo_id: int | None, member_id: int | None, name: str | None
) -> bool:
    """Tell whether the same thing is in the collection already. NULLs are never equal to a unique index."""
    query = select(collection_items.c.id).where(
        collection_items.c.collection_id == collection,
        collection_items.c.kind == kind,
        collection_items.c.repo_id == repo_id,
        collection_items.c.member_id == member_id,
        collection_items.c.name == name,
    )
    return tx.execute(query.limit(1)).first() is not None


def count_items(tx: Tx, numbers: Sequence[int]) -> dict[int, int]:
    """Return how many items collections have, hidden ones too."""
    query = (
        select(collection_items.c.collection_id, func.count())
        .where(collection_items.c.collection_id.in_(numbers))
        .group_by(collection_items.c.collection_id)
    )
    return {row[0]: row[1] for row in tx.execute(query)} if numbers else {}


def next_position(tx: Tx, collection: int) -> int:
    """Return the position after the last item."""
    query = select(func.max(collection_items.c.position)).where(
        collection_items.c.collection_id == collection
    )
    last = tx.execute(query).scalar_one_or_none()
    return 0 if last is None else last + 1


def insert_item(tx: Tx, **values: object) -> None:
    """Add an item."""
    tx.execute(insert(collection_items).values(hex_id=ids.new_hex_id(), **values))


def set_note(tx: Tx, item: int, note: str | None) -> None:
    """Overwrite an item's note."""
    tx.execute(update(collection_items).where(collection_items.c.id == item).values(note=note))


def move_item(tx: Tx, item: Item, position: int) -> None:
    """Put an item at a position; those between make room."""
    of_collection = collection_items.c.collection_id == item.collection_id
    last = next_position(tx, item.collection_id) - 1
    position = max(0, min(position, last))
    if position == item.position:
        return
    place = collection_items.c.position
    if position < item.position:
        between, step = and_(place >= position, place < item.position), 1
    else:
        between, step = and_(place > item.position, place <= position), -1
    tx.execute(update(collection_items).where(of_collection, between).values(position=place + step))
    tx.execute(update(collection_items).where(collection_items.c.id == item.id).values(position=position))


def delete_item(tx: Tx, item: Item) -> None:
    """Remove an item; those after it move up."""
    tx.execute(delete(collection_items).where(collection_items.c.id == item.id))
    place = collection_items.c.position
    tx.execute(
        update(collection_items)
        .where(collection_items.c.collection_id == item.collection_id, place > item.position)
        .values(position=place - 1)
    )


def list_liked(tx: Tx, user: int | None, numbers: Sequence[int]) -> set[int]:
    """Return which of some repositories a user likes."""
    if user is None or not numbers:
        return set()
    query = select(likes.c.repo_id).where(likes.c.user_id == user, likes.c.repo_id.in_(numbers))
    return set(tx.execute(query).scalars())


# --- votes -----------------------------------------------------------------------------------


def list_voted(tx: Tx, user: int | None, numbers: Sequence[int]) -> set[int]:
    """Return which of some collections a user voted for."""
    if user is None or not numbers:
        return set()
    query = select(collection_votes.c.collection_id).where(
        collection_votes.c.user_id == user, collection_votes.c.collection_id.in_(numbers)
    )
    return set(tx.execute(query).scalars())


def insert_vote(tx: Tx, collection: int, user: int, *, at: datetime) -> None:
    """Add a vote, once however often it is given."""
    added = insert_ignore(tx, collection_votes).values(collection_id=collection, user_id=user, created_at=at)
    tx.execute(added)


def delete_vote(tx: Tx, collection: int, user: int) -> None:
    """Take a vote back."""
    tx.execute(
        delete(collection_votes).where(
            collection_votes.c.collection_id == collection, collection_votes.c.user_id == user
        )
    )


def recount_votes(tx: Tx, collection: int, *, since: datetime) -> int:
    """Write down how many votes a collection has, and how many since then; returns all."""
    of_collection = collection_votes.c.collection_id == collection
    total = tx.execute(select(func.count()).select_from(collection_votes).where(of_collection)).scalar_one()
    recent = tx.execute(
        select(func.count())
        .select_from(collection_votes)
        .where(of_collection, collection_votes.c.created_at >= since)
    ).scalar_one()
    update_collection(tx, collection, upvotes=total, trending_score=recent)
    return total


def list_trending(tx: Tx, *, after: int, limit: int) -> list[int]:
    """Return the numbers of collections taken to be trending, following ``after``."""
    query = (
        select(collections.c.id)
        .where(collections.c.trending_score > 0, collections.c.id > after)
        .order_by(collections.c.id)
        .limit(limit)
    )
    return list(tx.execute(query).scalars())


def list_voted_by(tx: Tx, user: int, *, limit: int) -> list[int]:
    """Return some of the collections that a user voted for, in order."""
    query = select(collection_votes.c.collection_id).where(collection_votes.c.user_id == user)
    return list(tx.execute(query.order_by(collection_votes.c.collection_id).limit(limit)).scalars())


def count_votes_by(tx: Tx, user: int) -> int:
    """Return how many collections a user voted for."""
    query = select(func.count()).select_from(collection_votes).where(collection_votes.c.user_id == user)
    return tx.execute(query).scalar_one()

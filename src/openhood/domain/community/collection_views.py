"""What a viewer is shown of collections: their owners, votes and those items that the viewer may see."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from openhood.domain.access import Viewer
from openhood.domain.accounts.types import Account
from openhood.domain.community import collection_rows as rows
from openhood.domain.community import follow_rows
from openhood.domain.community.types import (
    Collection,
    CollectionShown,
    Item,
    ItemShown,
    MemberShown,
    OwnerShown,
)
from openhood.domain.repos import listing_rows
from openhood.domain.repos.listing_rows import Listed
from openhood.infra.db.engine import Tx


def show(
    tx: Tx, viewer: Viewer, found: Sequence[Collection], *, items_each: int
) -> tuple[CollectionShown, ...]:
    """Return collections as the viewer sees them, with the first items of each. In the caller's unit."""
    items = {each.id: rows.list_items(tx, viewer, each.id, limit=items_each) for each in found}
    every = [item for listed in items.values() for item in listed]
    repos = _load_repos(tx, every)
    liked = rows.list_liked(tx, viewer.user_id, sorted(repos))
    members = rows.list_by_numbers(tx, (each.member_id for each in every if each.member_id is not None))
    voted = rows.list_voted(tx, viewer.user_id, sorted({*(each.id for each in found), *members}))
    counts = rows.count_items(tx, sorted(members))
    owners = _load_owners(tx, viewer, (each.owner for each in (*found, *members.values())))
    nested = {
        number: MemberShown(each, owners[each.owner.id], counts.get(number, 0), number in voted)
        for number, each in members.items()
    }
    return tuple(
        CollectionShown(
            each,
            owners[each.owner.id],
            tuple(
                ItemShown(
                    item,
                    None if item.repo_id is None else repos[item.repo_id],
                    item.repo_id in liked,
                    None if item.member_id is None else nested[item.member_id],
                )
                for item in items[each.id]
                # What went away between two queries is left out.
                if (item.repo_id is None or item.repo_id in repos)
                and (item.member_id is None or item.member_id in nested)
            ),
            each.id in voted,
        )
        for each in found
    )


def _load_repos(tx: Tx, items: Sequence[Item]) -> dict[int, Listed]:
    """Return what lists show of repositories; the cards of spaces as well, which hold their titles."""
    spaces = {each.repo_id for each in items if each.repo_id is not None and each.kind == "space"}
    others = {each.repo_id for each in items if each.repo_id is not None} - spaces
    found: list[Listed] = []
    if others:
        found += listing_rows.list_numbers(tx, sorted(others), with_card=False)
    if spaces:
        found += listing_rows.list_numbers(tx, sorted(spaces), with_card=True)
    return {each.repo.id: each for each in found}


def _load_owners(tx: Tx, viewer: Viewer, owners: Iterable[Account]) -> dict[int, OwnerShown]:
    accounts = {each.id: each for each in owners}
    numbers = sorted(accounts)
    followers = follow_rows.count_followers(tx, numbers)
    followed = follow_rows.list_followed(tx, viewer.user_id, numbers)
    return {
        number: OwnerShown(account, followers.get(number, 0), number in followed)
        for number, account in accounts.items()
    }

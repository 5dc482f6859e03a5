"""Collections: making, finding, changing and removing them, and voting for them.

What is in one changes in `collection_items`; who may is decided by `access`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from openhood.base.errors import BadRequest, Conflict, Forbidden
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules
from openhood.domain.community import collection_items as contents
from openhood.domain.community import collection_rows as rows
from openhood.domain.community import collection_rules as rules_of
from openhood.domain.community.collection_views import show
from openhood.domain.community.types import CollectionShown, NewItem
from openhood.domain.services import Services

MAX_PER_NAMESPACE = 10_000
MAX_POSITION = 1_000_000

_AT_ONCE = 200


def create(
    sv: Services,
    viewer: Viewer,
    *,
    title: str,
    namespace: str | None,
    description: str = "",
    is_private: bool = False,
    theme: str | None = None,
    resource_group: str | None = None,
    items: Sequence[NewItem] = (),
) -> CollectionShown:
    """Make a collection in a namespace (None: the viewer's own). Opens a write unit.

    Raises: Unauthorized, Forbidden, NotFound, BadRequest; Conflict with its ``slug`` where there is one of the
    same title.
    """
    rules_of.require_signed_in(viewer)
    checked = rules_of.check_title(title)
    now = sv.clock.now()
    with sv.db.write() as tx:
        owner = rules.require_account(tx, namespace or viewer.name)
        group = rules_of.find_group(tx, owner, resource_group)
        rules_of.require_edit(viewer, owner, group)
        account_rows.lock_account(tx, owner.id)
        rules_of.refuse_twin(tx, owner, checked, but=None)
        if rows.count_of(tx, owner.id) >= MAX_PER_NAMESPACE:
            raise Conflict(f"{owner.name} has {MAX_PER_NAMESPACE} collections already. Delete one first.")
        hex_id = rows.insert_collection(
            tx,
            owner_id=owner.id,
            title=checked,
            title_slug=rules_of.slug_of(checked),
            description=rules_of.check_description(description),
            theme=rules_of.check_theme(theme) if theme is not None else rules_of.DEFAULT_THEME,
            is_private=is_private,
            position=0,
            resource_group_id=group,
            created_at=now,
            updated_at=now,
        )
        made = rows.get(tx, hex_id)
        assert made is not None
        contents.add_in_unit(tx, viewer, made, items, now=now)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="collection.create",
            subject=made.slug,
            owner_id=owner.id,
        )
        return show(tx, viewer, [made], items_each=rows.MAX_ITEMS)[0]


def see(sv: Services, viewer: Viewer, *, slug: str) -> CollectionShown:
    """Return a collection with all items that the viewer may see. Opens a read unit. Raises NotFound."""
    with sv.db.read() as tx:
        found = rules_of.find(tx, viewer, slug)
        return show(tx, viewer, [found], items_each=rows.MAX_ITEMS)[0]


def update(
    sv: Services,
    viewer: Viewer,
    *,
    slug: str,
    title: str | None = None,
    description: str | None = None,
    position: int | None = None,
    is_private: bool | None = None,
    theme: str | None = None,
) -> CollectionShown:
    """Change what is given of a collection; None leaves a value as it is. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, BadRequest, Conflict where the title is another one's.
    """
    values: dict[str, object] = {}
    if title is not None:
        checked = rules_of.check_title(title)
        values |= {"title": checked, "title_slug": rules_of.slug_of(checked)}
    if description is not None:
        values["description"] = rules_of.check_description(description)
    if position is not None:
        if not 0 <= position <= MAX_POSITION:
            raise BadRequest(f"'position' must be a whole number from 0 to {MAX_POSITION}.")
        values["position"] = position
    if is_private is not None:
        values["is_private"] = is_private
    if theme is not None:
        values["theme"] = rules_of.check_theme(theme)
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = rules_of.find_to_edit(tx, viewer, slug)
        if title is not None:
            account_rows.lock_account(tx, found.owner.id)
            rules_of.refuse_twin(tx, found.owner, str(values["title"]), but=found.id)
        if values:
            rows.update_collection(tx, found.id, **values, updated_at=now)
            audit.record(
                tx,
                at=now,
                actor=viewer.name,
                action="collection.update",
                subject=found.slug,
                owner_id=found.owner.id,
                changed=sorted(values),
            )
        changed = rows.get(tx, found.hex_id)
        assert changed is not None
        return show(tx, viewer, [changed], items_each=rows.MAX_ITEMS)[0]


def delete(sv: Services, viewer: Viewer, *, slug: str) -> None:
    """Remove a collection; what it lists stays. Opens a write unit. Raises NotFound, Unauthorized, Forbidden."""
    with sv.db.write() as tx:
        found = rules_of.find_to_edit(tx, viewer, slug)
        rows.delete_collection(tx, found.id)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action="collection.delete",
            subject=found.slug,
            owner_id=found.owner.id,
        )


def set_resource_group(sv: Services, viewer: Viewer, *, slug: str, resource_group: str | None) -> None:
    """Put an organization's collection into a resource group, or (None) out of any. Opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, BadRequest.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = rules_of.find_to_edit(tx, viewer, slug)
        group = rules_of.find_group(tx, found.owner, resource_group)
        rules_of.require_edit(viewer, found.owner, group)
        rows.update_collection(tx, found.id, resource_group_id=group, updated_at=now)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="collection.set_resource_group",
            subject=found.slug,
            owner_id=found.owner.id,
            resource_group=resource_group,
        )


def vote(sv: Services, viewer: Viewer, *, slug: str, is_up: bool) -> int:
    """Vote for a collection, once however often it is done, or take the vote back; returns how many do.

    Opens a write unit. Raises: NotFound, Unauthorized, Forbidden.
    """
    rules.require_writer(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = rules_of.find(tx, viewer, slug)
        if viewer.user_id is None:
            raise Forbidden("Only a user can vote for a collection.")
        rows.lock(tx, found.id)
        if is_up:
            rows.insert_vote(tx, found.id, viewer.user_id, at=now)
        else:
            rows.delete_vote(tx, found.id, viewer.user_id)
        return rows.recount_votes(tx, found.id, since=now - rows.TRENDING_WINDOW)


def refresh_collections(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: count the votes of the last days anew, since they grow old without anybody doing anything."""
    since = sv.clock.now() - rows.TRENDING_WINDOW
    after = 0
    while True:
        with sv.db.read() as tx:
            numbers = rows.list_trending(tx, after=after, limit=_AT_ONCE)
        if not numbers:
            return
        with sv.db.write() as tx:
            for number in numbers:
                if rows.lock(tx, number):
                    rows.recount_votes(tx, number, since=since)
        after = numbers[-1]

"""What is in a collection: adding, moving and removing repositories, papers and other collections."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from openhood.base.errors import BadRequest, Conflict, Moved, NotFound, NotSupported
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.community import collection_rows as rows
from openhood.domain.community import collection_rules
from openhood.domain.community.collection_views import show
from openhood.domain.community.types import Collection, CollectionShown, NewItem
from openhood.domain.repos import lookup
from openhood.domain.repos import rows as repo_rows
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_NOTE = 500
MAX_BATCH = 200
KINDS = ("model", "dataset", "space", "paper", "collection")

_PAPER = re.compile(r"\d{4}\.\d{4,5}|[a-z-]{2,20}(?:\.[A-Z]{2})?/\d{7}")


@dataclass(frozen=True, slots=True)
class Change:
    """A change of one item: None leaves a value as it is, an empty note takes the note away."""

    item: str
    delete: bool = False
    note: str | None = None
    position: int | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What an item stands for: the column that names it, and its value."""

    kind: str
    repo_id: int | None = None
    member_id: int | None = None
    name: str | None = None

    @property
    def column(self) -> tuple[str, int | str]:
        """The column that is set, and its value."""
        if self.repo_id is not None:
            return "repo_id", self.repo_id
        if self.member_id is not None:
            return "member_id", self.member_id
        return "name", self.name or ""


def add(sv: Services, viewer: Viewer, *, slug: str, item: NewItem) -> CollectionShown:
    """Put something at the end of a collection. Opens a write unit.

    Raises: NotFound, what `lookup.find` raises, Unauthorized, Forbidden, BadRequest, Conflict where it is there.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = collection_rules.find_to_edit(tx, viewer, slug)
        add_in_unit(tx, viewer, found, [item], now=now)
        return _shown_anew(tx, viewer, found)


def change(sv: Services, viewer: Viewer, *, slug: str, changes: Sequence[Change]) -> CollectionShown:
    """Change, move or remove items, all or none of them, in the order given. Opens a write unit.

    Raises: NotFound for an item that is not there, Unauthorized, Forbidden, BadRequest.
    """
    if len(changes) > MAX_BATCH:
        raise BadRequest(f"At most {MAX_BATCH} changes can be made at once.")
    now = sv.clock.now()
    with sv.db.write() as tx:
        found = collection_rules.find_to_edit(tx, viewer, slug)
        for each in changes:
            item = rows.get_item(tx, found.id, each.item)
            if item is None:
                raise NotFound(f"The collection has no item {each.item[:24]!r}.")
            if each.delete:
                rows.delete_item(tx, item)
                continue
            if each.note is not None:
                rows.set_note(tx, item.id, _check_note(each.note))
            if each.position is not None:
                rows.move_item(tx, item, each.position)
        rows.update_collection(tx, found.id, updated_at=now)
        return _shown_anew(tx, viewer, found)


def add_in_unit(
    tx: Tx, viewer: Viewer, collection: Collection, items: Sequence[NewItem], *, now: datetime
) -> None:
    """Put things at the end of a collection that is locked, in the caller's unit. Raises what `add` raises."""
    for each in items:
        target = find_target(tx, viewer, each.kind, each.name)
        if rows.has_item(
            tx,
            collection.id,
            kind=target.kind,
            repo_id=target.repo_id,
            member_id=target.member_id,
            name=target.name,
        ):
            raise Conflict(f"{each.kind} {each.name[:200]!r} is in this collection already.")
        position = rows.next_position(tx, collection.id)
        if position >= rows.MAX_ITEMS:
            raise Conflict(f"A collection holds at most {rows.MAX_ITEMS} items. Begin another one.")
        rows.insert_item(
            tx,
            collection_id=collection.id,
            kind=target.kind,
            repo_id=target.repo_id,
            member_id=target.member_id,
            name=target.name,
            note=None if each.note is None else _check_note(each.note),
            position=position,
            added_by=viewer.user_id,
            created_at=now,
        )
    if items:
        rows.update_collection(tx, collection.id, updated_at=now)


def find_target(tx: Tx, viewer: Viewer, kind: str, name: str) -> Target:
    """Return what an item would stand for, if the viewer may know of it. In the caller's unit.

    Raises: BadRequest for an unknown kind or a bad name, NotFound and what `lookup.find` raises.
    """
    if kind == "bucket":
        raise NotSupported("Buckets: not supported by this hub yet.")
    if kind == "paper":
        if not _PAPER.fullmatch(name):
            raise BadRequest(f"{name[:60]!r} is not the number of a paper, such as 2307.09288.")
        return Target(kind, name=name)
    if kind == "collection":
        return Target(kind, member_id=collection_rules.find(tx, viewer, name).id)
    if kind not in KINDS:
        raise BadRequest(f"Unknown type of item {kind[:40]!r}. Allowed: {', '.join(KINDS)}.")
    return Target(kind, repo_id=_find_repo(tx, viewer, RepoType(kind), name))


def _find_repo(tx: Tx, viewer: Viewer, repo_type: RepoType, name: str) -> int:
    if "/" not in name:
        alias = repo_rows.get_alias(tx, repo_type, name)
        if alias is None:
            raise NotFound(f"There is no {repo_type.value} {name[:96]!r}. Write it as namespace/name.")
        name = str(alias)
    try:
        return lookup.find(tx, viewer, repo_type, RepoId.parse(name), need=Need.INFO).id
    except Moved as moved:
        return lookup.find(tx, viewer, repo_type, RepoId.parse(moved.new), need=Need.INFO).id


def _shown_anew(tx: Tx, viewer: Viewer, collection: Collection) -> CollectionShown:
    changed = rows.get(tx, collection.hex_id)
    assert changed is not None
    return show(tx, viewer, [changed], items_each=rows.MAX_ITEMS)[0]


def _check_note(note: str) -> str | None:
    """Return a note without control characters, None for an empty one. Raises BadRequest."""
    text = note.strip()
    if len(text) > MAX_NOTE:
        raise BadRequest(f"A note must have at most {MAX_NOTE} characters.")
    if not all(letter.isprintable() or letter in "\n\t" for letter in text.replace("\r\n", "\n")):
        raise BadRequest("The note contains control characters.")
    return text.replace("\r\n", "\n") or None

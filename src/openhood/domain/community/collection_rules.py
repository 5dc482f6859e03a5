"""Finding a collection for a viewer, and what its values may be: the checks that every action on one shares.

Who may see or change one is decided by `access`.
"""

from __future__ import annotations

import re
import unicodedata

from openhood.base.errors import BadRequest, Conflict, Forbidden, NotFound, Unauthorized
from openhood.domain.access import COLLECTION_WRITE, Viewer, may_edit_in, may_see_in
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account
from openhood.domain.community import collection_rows as rows
from openhood.domain.community.types import Collection
from openhood.infra.db.engine import Tx

MAX_TITLE = 60
MAX_DESCRIPTION = 150
THEMES = ("orange", "blue", "green", "purple", "pink", "indigo")
DEFAULT_THEME = "blue"

_HEX_AT_END = re.compile(r"(?:(?P<words>.*)-)?(?P<id>[0-9a-f]{24})", re.DOTALL)
_NO_LETTER = re.compile(r"[^a-z0-9]+")


def find(tx: Tx, viewer: Viewer, slug: str) -> Collection:
    """Return the collection that a slug's end names, if ``viewer`` may see it. Raises NotFound."""
    parsed = _HEX_AT_END.fullmatch(slug.rsplit("/", 1)[-1])
    found = None if parsed is None else rows.get(tx, parsed["id"])
    if found is None or not may_see_in(
        viewer,
        found.owner.id,
        found.owner.key,
        is_private=found.is_private,
        resource_group_id=found.resource_group_id,
    ):
        raise NotFound(f"There is no collection {slug[:200]!r}, or you may not see it.")
    return found


def find_to_edit(tx: Tx, viewer: Viewer, slug: str) -> Collection:
    """Return a collection, locked, that ``viewer`` may change. Raises NotFound, Unauthorized, Forbidden."""
    found = find(tx, viewer, slug)
    require_signed_in(viewer)
    require_edit(viewer, found.owner, found.resource_group_id)
    if not rows.lock(tx, found.id):
        raise NotFound(f"There is no collection {slug[:200]!r} any more.")
    return found


def slug_of(title: str) -> str:
    """Return the words of a title as an address has them."""
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode("ascii").lower()
    return _NO_LETTER.sub("-", plain).strip("-") or "collection"


def require_signed_in(viewer: Viewer) -> None:
    """Raise Unauthorized where nobody is signed in."""
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")


def require_edit(viewer: Viewer, owner: Account, group: int | None) -> None:
    """Raise Forbidden unless the viewer may change the collections of a namespace, or of a resource group."""
    if may_edit_in(viewer, owner.id, owner.key, permission=COLLECTION_WRITE, resource_group_id=group):
        return
    if not viewer.may_write_anything:
        raise Forbidden("Your token has the role 'read'. Use a token with the role 'write' to do this.")
    if viewer.token is not None and viewer.token.role == "fineGrained":
        raise Forbidden(
            f"Your fine-grained token does not allow to change the collections of {owner.name}: it needs "
            f"'{COLLECTION_WRITE}' there."
        )
    raise Forbidden(f"You don't have the rights to change the collections of {owner.name}.")


def find_group(tx: Tx, owner: Account, hex_id: str | None) -> int | None:
    """Return the number of an organization's resource group, None for none. Raises BadRequest, NotFound."""
    if hex_id is None:
        return None
    if not owner.is_org:
        raise BadRequest("Only collections of an organization can be in a resource group.")
    group = rows.get_group(tx, owner.id, hex_id)
    if group is None:
        raise NotFound(f"{owner.name} has no resource group {hex_id[:24]!r}.")
    return group


def refuse_twin(tx: Tx, owner: Account, title: str, *, but: int | None) -> None:
    """Raise Conflict, which tells its slug, where a namespace has another collection of this title."""
    for each in rows.list_named(tx, owner.id, slug_of(title)):
        if each.id != but and each.title.casefold() == title.casefold():
            raise Conflict(f"{owner.name} has a collection called {title!r} already.", slug=each.slug)


# --- what values may be ----------------------------------------------------------------------


def check_title(title: str) -> str:
    """Return a title on one line. Raises BadRequest."""
    checked = rules.check_line(title, "title", MAX_TITLE)
    if not checked:
        raise BadRequest("A collection needs a title.")
    return checked


def check_description(text: str) -> str:
    """Return a description on one line. Raises BadRequest."""
    return rules.check_line(text, "description", MAX_DESCRIPTION)


def check_theme(theme: str) -> str:
    """Return the name of a colour. Raises BadRequest."""
    if theme not in THEMES:
        raise BadRequest(f"Unknown theme {theme[:40]!r}. Allowed: {', '.join(THEMES)}.")
    return theme

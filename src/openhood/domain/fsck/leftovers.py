"""Stored objects that no row names: what crashes leave, since bytes are written before the rows that show them.

The only place that lists the object store, and nothing but `sweep` ever deletes for it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import select

from openhood.base.ports import StoredObject
from openhood.domain.services import Services
from openhood.infra import keys
from openhood.infra.db.community_tables import attachments
from openhood.infra.db.tables import (
    accounts,
    doomed_objects,
    lfs_objects,
    lfs_uploads,
    packs,
    xorb_grants,
    xorbs,
)

_PAGE = 500
_STAGING = keys.staging("")
_AVATARS = keys.avatar("")


def leftovers(sv: Services, *, older_than_s: float) -> Iterator[StoredObject]:
    """Yield stored objects that no row names and that are older than ``older_than_s``.

    They are what a crash leaves: bytes are written before the row that makes them visible. Younger
    ones may belong to a change that is under way.
    """
    oldest = time.time() - older_than_s
    page: list[StoredObject] = []
    for stored in sv.objects.list(""):
        if stored.modified_at_s < oldest:
            page.append(stored)
        if len(page) == _PAGE:
            yield from _unknown(sv, page)
            page = []
    yield from _unknown(sv, page)


def sweep(sv: Services, *, older_than_s: float) -> Iterator[str]:
    """Delete the `leftovers`, and yield their keys.

    Asked once more right before: a row may have come to name one meanwhile.
    """
    for stored in list(leftovers(sv, older_than_s=older_than_s)):
        if _unknown(sv, [stored]):
            sv.objects.delete(stored.key)
            yield stored.key


def _unknown(sv: Services, page: list[StoredObject]) -> list[StoredObject]:
    names = [stored.key for stored in page]
    packed = [found for key in names if (found := keys.parse_git(key)) is not None]
    with sv.db.read() as tx:
        known: set[str] = set()
        for column in (
            lfs_objects.c.key,
            lfs_uploads.c.key,
            xorbs.c.key,
            doomed_objects.c.key,
            attachments.c.key,
        ):
            known |= set(tx.execute(select(column).where(column.in_(names))).scalars())
        granted = {key.removeprefix(_STAGING): key for key in names if key.startswith(_STAGING)}
        chosen = select(xorb_grants.c.id).where(xorb_grants.c.id.in_(granted))
        known |= {granted[grant] for grant in tx.execute(chosen).scalars()}
        shown = {f"/{key}": key for key in names if key.startswith(_AVATARS)}
        pictures = select(accounts.c.avatar_url).where(accounts.c.avatar_url.in_(shown))
        known |= {shown[address] for address in tx.execute(pictures).scalars()}
        pack_names = {name for _repo, name in packed}
        rows_found = tx.execute(select(packs.c.repo_id, packs.c.name).where(packs.c.name.in_(pack_names)))
        live = {(row.repo_id, row.name) for row in rows_found}
    known |= {key for key in names if keys.parse_git(key) in live}
    return [stored for stored in page if stored.key not in known]

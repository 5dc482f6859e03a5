"""Giving storage back: uploads that were never finished, objects nobody names, bytes whose rows are gone.

All of it is jobs. Deletion goes backwards through the order of truth: refs, then rows, then bytes.
Listing the object store is never needed to decide.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from openhood.domain.services import Services
from openhood.domain.storage import keeping, rows

FORGOTTEN_GRACE_S = 6 * 3600.0
"""How long the bytes of an object stay that nobody names any more: running downloads still read them."""

LEFTOVERS_AGE_S = 3 * 86400.0
"""Age at which the store's own half-written files are nobody's: no upload lives that long."""

_BATCH = 100
_PAGE = 5000


def refresh_storage(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: note the storage one repository uses: its LFS objects and its live packs."""
    repo = int(str(payload["repo"]))
    for _ in range(5):
        with sv.db.read() as tx:
            measured = rows.measure_repo(tx, repo)
        if measured is None:
            return
        noted, size_bytes = measured
        if noted == size_bytes:
            return
        with sv.db.write() as tx:
            if rows.set_repo_bytes(tx, repo, size_bytes=size_bytes, expected=noted):
                return


def sweep_uploads(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: end the uploads whose time is over, with whatever the store holds of them."""
    while True:
        now = sv.clock.now()
        with sv.db.read() as tx:
            expired = rows.list_expired_uploads(tx, now=now, limit=_BATCH)
        for upload in expired:
            if upload.store_state is not None:
                # A store that does not know the handle (it was exchanged for another) has nothing to drop.
                with suppress(ValueError):
                    sv.objects.resume_parts(upload.key, upload.store_state).abort()
            with sv.db.write() as tx:
                # Taken by whoever comes first: a completion at this very moment keeps its bytes.
                if rows.take_upload(tx, upload.id):
                    rows.doom(tx, [upload.key], delete_after=now)
        if len(expired) < _BATCH:
            return


def delete_doomed(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: delete the objects whose rows are gone and whose grace is over.

    A key may be put among the doomed again at any time; deleting one twice is harmless.
    """
    now = sv.clock.now()
    last = ""
    while True:
        with sv.db.read() as tx:
            doomed = rows.list_doomed(tx, now=now, after=last, limit=_BATCH)
        if not doomed:
            return
        for key in doomed:
            sv.objects.delete(key)
        with sv.db.write() as tx:
            rows.drop_doomed(tx, doomed)
        last = doomed[-1]


def forget_lfs(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: forget the LFS objects that no repository names any more; their bytes follow after a grace."""
    forget_unnamed(sv, grace_s=FORGOTTEN_GRACE_S)


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many objects were forgotten, and the bytes of those that were kept as a whole."""

    objects: int
    size_bytes: int


def forget_unnamed(sv: Services, *, grace_s: float) -> Forgotten:
    """Forget the objects that no repository names; whole copies are deleted ``grace_s`` seconds later.

    What was noted of an object as a Xet file goes with it; its xorbs are `xet.gc`'s affair. Opens units of its own.
    """
    after, objects, size_bytes = "", 0, 0
    while True:
        with sv.db.read() as tx:
            candidates, next_after = rows.list_unreferenced(tx, after=after, limit=_PAGE)
        # Few at a time: what is noted of each as a Xet file goes with it, and may be much.
        for start in range(0, len(candidates), _BATCH):
            now = sv.clock.now()
            with sv.db.write() as tx:
                gone = rows.forget_unreferenced(tx, candidates[start : start + _BATCH])
                whole = {each.key: each.size_bytes for each in gone if each.key is not None}
                keeping.doom_later(tx, whole, now=now, grace_s=grace_s)
            for each in gone:
                sv.decoded.forget(each.sha256)
            objects += len(gone)
            size_bytes += sum(whole.values())
        if next_after is None:
            return Forgotten(objects, size_bytes)
        after = next_after


def sweep_store(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: let the store remove what crashed writes left half done."""
    sv.objects.sweep(LEFTOVERS_AGE_S)

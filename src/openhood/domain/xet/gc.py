"""Giving the storage of xorbs back: what no file needs and no client counts on is condemned, later deleted.

Online, beside uploads, and without ever listing the object store. Clients name xorbs for 21 days without asking the
hub, and fail for as long where one is gone: hence the lease. `purge` is the way round it, for when bytes must go now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from openhood.domain import audit
from openhood.domain.services import Services
from openhood.domain.storage import gc as storage_gc
from openhood.domain.storage import keeping
from openhood.domain.storage import rows as storage_rows
from openhood.domain.xet import gc_rows, passes
from openhood.domain.xet.types import Xorb

_PAGE = 1000
_BATCH = 50
"""Xorbs deleted in one unit: each takes what was noted of it along."""


# --- jobs -----------------------------------------------------------------------------------


def condemn_xorbs(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: condemn the xorbs that no file needs and no client may count on."""
    _condemn(sv, respect_leases=True)


def delete_condemned_xorbs(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: delete the xorbs that were condemned long enough; their bytes follow after a grace."""
    _delete(sv, respect_leases=True, bytes_grace_s=storage_gc.FORGOTTEN_GRACE_S)


@dataclass(frozen=True, slots=True)
class Amount:
    """Some xorbs or objects and the bytes they take."""

    count: int
    size_bytes: int


def _condemn(sv: Services, *, respect_leases: bool) -> Amount:
    count = size_bytes = after = 0
    while True:
        now = sv.clock.now()
        lease_over_at = now if respect_leases else None
        with sv.db.read() as tx:
            candidates, end = gc_rows.list_condemnable(
                tx, lease_over_at=lease_over_at, after=after, limit=_PAGE
            )
        for batch in storage_rows.batches(candidates):
            with sv.db.write() as tx:
                gone = gc_rows.condemn_xorbs(tx, batch, lease_over_at=lease_over_at, now=now)
            count += len(gone)
            size_bytes += sum(each.size_bytes for each in gone)
        if end is None:
            return Amount(count, size_bytes)
        after = end


def _delete(sv: Services, *, respect_leases: bool, bytes_grace_s: float) -> Amount:
    count = size_bytes = after = 0
    while True:
        now = sv.clock.now()
        lease_over_at = since_before = None
        if respect_leases:
            lease_over_at = now
            since_before = now - timedelta(seconds=sv.settings.xet.condemned_grace_s)
        with sv.db.read() as tx:
            candidates = gc_rows.list_deletable(
                tx, since_before=since_before, lease_over_at=lease_over_at, after=after, limit=_BATCH
            )
        if not candidates:
            return Amount(count, size_bytes)
        with sv.db.write() as tx:
            gone = gc_rows.delete_xorbs(
                tx, candidates, since_before=since_before, lease_over_at=lease_over_at
            )
            keeping.doom_later(tx, [each.key for each in gone], now=now, grace_s=bytes_grace_s)
        count += len(gone)
        size_bytes += sum(each.size_bytes for each in gone)
        after = candidates[-1]


# --- by hand --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one LFS object or xorb, and why in plain words.

    ``size_bytes`` are those in the store; ``until`` is when it may go that is kept.
    """

    kind: Literal["object", "xorb"]
    name: str
    size_bytes: int
    action: Literal["keep", "forget", "condemn", "delete"]
    reason: str
    until: datetime | None = None
    is_needed: bool = False


def explain(sv: Services) -> Iterator[Decision]:
    """Yield what `collect` would do now with each object that no repository names, and with each xorb.

    Changes nothing. Files whose objects would be forgotten no longer count as needing their xorbs.
    """
    after: str | None = ""
    while after is not None:
        with sv.db.read() as tx:
            unnamed, next_after = storage_rows.list_unreferenced(tx, after=after, limit=_PAGE)
            objects = storage_rows.find_objects(tx, unnamed)
        for each in objects.values():
            whole = each.size_bytes if each.key is not None else 0
            reason = "no repository names it" if whole else "no repository names it; it is made of xorbs only"
            yield Decision("object", each.sha256, whole, "forget", reason)
        after = next_after
    last = 0
    while True:
        with sv.db.read() as tx:
            page = gc_rows.list_xorbs(tx, after=last, limit=_PAGE)
            needing = gc_rows.count_files(tx, [each.id for each in page])
        if not page:
            return
        now = sv.clock.now()
        for xorb in page:
            yield _decide(sv, xorb, needing.get(xorb.id, 0), now=now)
        last = page[-1].id


def _decide(sv: Services, xorb: Xorb, files: int, *, now: datetime) -> Decision:
    grace = timedelta(seconds=sv.settings.xet.condemned_grace_s)
    if files:
        reason = f"{files} {'file needs' if files == 1 else 'files need'} it"
        if xorb.state == "damaged":
            reason += f"; it is damaged since {_day(xorb.state_since)}, uploading such a file again heals it"
        return Decision("xorb", xorb.hash, xorb.size_bytes, "keep", reason, is_needed=True)
    if xorb.state == "live":
        if xorb.lease_until >= now:
            reason = f"no file needs it, but clients may count on it until {_day(xorb.lease_until)}"
            return Decision("xorb", xorb.hash, xorb.size_bytes, "keep", reason, xorb.lease_until + grace)
        reason = (
            f"no file needs it, and clients could count on it until {_day(xorb.lease_until)}: to be deleted on "
            f"{_day(now + grace)} unless it is named again"
        )
        return Decision("xorb", xorb.hash, xorb.size_bytes, "condemn", reason, now + grace)
    due = max(xorb.state_since + grace, xorb.lease_until)
    reason = f"no file needs it; {xorb.state} since {_day(xorb.state_since)}"
    if due < now:
        return Decision("xorb", xorb.hash, xorb.size_bytes, "delete", reason)
    return Decision(
        "xorb", xorb.hash, xorb.size_bytes, "keep", f"{reason}, to be deleted on {_day(due)}", due
    )


def _day(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Collected:
    """What was done: objects forgotten, xorbs condemned, xorbs deleted."""

    forgotten: Amount
    condemned: Amount
    deleted: Amount


def collect(sv: Services) -> Collected:
    """Do now what the jobs do by and by, leases and graces respected. Opens units of its own."""
    forgotten = storage_gc.forget_unnamed(sv, grace_s=storage_gc.FORGOTTEN_GRACE_S)
    condemned = _condemn(sv, respect_leases=True)
    deleted = _delete(sv, respect_leases=True, bytes_grace_s=storage_gc.FORGOTTEN_GRACE_S)
    return Collected(Amount(forgotten.objects, forgotten.size_bytes), condemned, deleted)


@dataclass(frozen=True, slots=True)
class Purged:
    """What a purge deleted, and the epoch of the CAS address from then on."""

    epoch: str
    forgotten: Amount
    deleted: Amount


def purge(sv: Services) -> Purged:
    """Delete everything that nobody needs, bytes included, at once and whoever may count on it.

    Clients get another CAS address and so begin with empty caches. The order matters: once condemned, a xorb is
    told to nobody, so no client can learn of it under the new address; and one that is sent or named again in the
    meantime lives again and is spared. Opens units of its own.
    """
    forgotten = storage_gc.forget_unnamed(sv, grace_s=0)
    _condemn(sv, respect_leases=False)
    epoch = passes.change_epoch(sv)
    deleted = _delete(sv, respect_leases=False, bytes_grace_s=0)
    now = sv.clock.now()
    with sv.db.write() as tx:
        # Longer graces than this belong to uploads under way, whose bytes somebody may still want.
        storage_rows.hasten_doomed(
            tx, due_until=now + timedelta(seconds=storage_gc.FORGOTTEN_GRACE_S), now=now
        )
        audit.record(
            tx,
            at=now,
            actor="system",
            action="storage.purge",
            subject="storage",
            epoch=epoch,
            objects=forgotten.objects,
            xorbs=deleted.count,
            size_bytes=forgotten.size_bytes + deleted.size_bytes,
        )
    storage_gc.delete_doomed(sv, {})
    sv.decoded.clear()
    return Purged(epoch, Amount(forgotten.objects, forgotten.size_bytes), deleted)

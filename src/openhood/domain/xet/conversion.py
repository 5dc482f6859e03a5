"""Turning objects that came whole into chunks, so that they are stored and transferred as uploads by Xet are.

All of it is jobs. An object stays as it is until its chunks were read back and found to be its bytes; its whole copy
stays a while longer. How bytes become chunks is in `packing`.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta

import structlog

from openhood.base.errors import CorruptObject, NotFound, ObjectMissing, Unavailable
from openhood.base.names import Sha256
from openhood.domain.services import Services
from openhood.domain.storage import keeping
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.gc import FORGOTTEN_GRACE_S
from openhood.domain.storage.keeping import CONVERT_JOB
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import conversion_rows, passes, rows
from openhood.domain.xet.layout import Layout
from openhood.domain.xet.packing import Packed, Packing
from openhood.domain.xet.reading import FileReader
from openhood.domain.xet.types import Pass, Scope, XetFile
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

_DROP_JOB = "drop_whole_copy"

_READ_BYTES = 1 << 20
_PAGE = 500
_LARGE_BYTES = 256 << 20
"""Size from which an object is converted alone in its process, so that other jobs get their turn."""
_BUSY_S = 30.0
_DAMAGED_S = 30 * 86400.0
"""After how long a damaged object is looked at again: somebody may have put the bytes right."""
_PACE_BYTES_S = 50e6
_PACE_OBJECT_S = 0.1

_large = threading.Lock()


def convert_object(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: let an object be a Xet file too, unless it is one already. Its whole copy will be dropped later.

    Raises: Unavailable, CorruptObject, ObjectMissing; nothing is visible then, and the job may be run again.
    """
    sha256 = Sha256(str(payload["sha256"]))
    if not sv.settings.xet.convert:
        return
    with sv.db.read() as tx:
        found = storage_rows.get_object(tx, sha256)
    if found is None or not _is_wanted(found):
        return
    with _turn(found) as is_mine:
        if is_mine:
            _convert(sv, found)
        else:
            _again(sv, sha256, delay_s=_BUSY_S)


def _convert(sv: Services, found: LfsObject) -> None:
    scope = _find_scope(sv, found.sha256)
    if scope is None:
        # No repository names it, so it is about to be forgotten.
        return
    packed = _pack(sv, found, domains=scope.ask)
    if packed is None:
        return
    try:
        _check(sv, found, packed)
    except (CorruptObject, ObjectMissing):
        # A xorb that it shares may have rotted unnoticed, which must not stop it from having its own.
        packed = _pack(sv, found, domains=())
        if packed is None:
            return
        _check(sv, found, packed)
    publish(sv, found, packed)


def _is_wanted(found: LfsObject) -> bool:
    # Nothing has no chunks: an empty object stays what it is.
    return found.key is not None and found.xet_hash is None and found.size_bytes > 0


@contextmanager
def _turn(found: LfsObject) -> Iterator[bool]:
    """Tell whether the object may be converted now; large ones are, one after the other, in each process."""
    if found.size_bytes < _LARGE_BYTES:
        yield True
        return
    is_mine = _large.acquire(blocking=False)
    try:
        yield is_mine
    finally:
        if is_mine:
            _large.release()


def _again(sv: Services, sha256: Sha256, *, delay_s: float) -> None:
    with sv.db.write() as tx:
        _enqueue(sv, tx, sha256, delay_s=delay_s)


def _enqueue(sv: Services, tx: Tx, sha256: Sha256, *, delay_s: float) -> None:
    queue.enqueue(
        tx,
        CONVERT_JOB,
        {"sha256": sha256},
        now=sv.clock.now(),
        dedup_key=f"{CONVERT_JOB}:{sha256}",
        delay_s=delay_s,
    )


def _find_scope(sv: Services, sha256: Sha256) -> Scope | None:
    """Return the scope of one repository that holds the object: its chunks are shared as if that had sent them."""
    with sv.db.read() as tx:
        repo = conversion_rows.find_holder(tx, sha256)
    if repo is None:
        return None
    try:
        return passes.find_scope(sv, Pass(0, repo, False))
    except NotFound:
        return None


def _pack(sv: Services, found: LfsObject, *, domains: tuple[int, ...]) -> Packed | None:
    """Store the chunks of the object; None where its whole copy is not there or not what it should be."""
    assert found.key is not None
    packing = Packing(sv, domains=domains)
    sha256 = hashlib.sha256()
    try:
        for piece in sv.objects.stream(found.key, chunk_bytes=_READ_BYTES):
            sha256.update(piece)
            packing.feed(piece)
    except ObjectMissing:
        with sv.db.read() as tx:
            now_found = storage_rows.get_object(tx, found.sha256)
        if now_found is None or now_found.key != found.key:
            return None
        raise
    if sha256.hexdigest() != found.sha256:
        structlog.get_logger("xet").error("object.damaged", sha256=found.sha256, key=found.key)
        # Waiting under its key, this also keeps the sweep from reading the object over and over.
        _again(sv, found.sha256, delay_s=_DAMAGED_S)
        return None
    return packing.finish()


def _check(sv: Services, found: LfsObject, packed: Packed) -> None:
    """Read the file back as a download would. Raises CorruptObject unless it is the object."""
    sha256 = hashlib.sha256()
    reader = FileReader(sv, Layout(packed.terms))
    for block in reader.blocks(0, reader.size_bytes):
        sha256.update(block)
    if sha256.hexdigest() != found.sha256 or packed.size_bytes != found.size_bytes:
        raise CorruptObject(f"The chunks made of object {found.sha256} are not its bytes.")


def publish(sv: Services, found: LfsObject, packed: Packed) -> None:
    """Let the object be the file, in one unit, unless it was forgotten or somebody was quicker."""
    scope = _find_scope(sv, found.sha256)
    with sv.db.read() as tx:
        ids = {name: xorb.id for name, xorb in rows.find_xorbs(tx, packed.xorbs).items()}
    if len(ids) != len(packed.xorbs):
        raise _lost()
    now = sv.clock.now()
    lease_until = now + timedelta(seconds=sv.settings.xet.lease_s)
    with sv.db.write() as tx:
        if rows.touch_xorbs(tx, ids.values(), lease_until=lease_until, now=now) != len(ids):
            raise _lost()
        locked = storage_rows.lock_objects(tx, [found.sha256]).get(found.sha256)
        if locked is None or locked.xet_hash is not None:
            return
        file = XetFile(packed.hash, found.sha256, packed.size_bytes, packed.terms)
        if not rows.insert_files(tx, [file], {file.hash: ids.values()}, now=now):
            known = rows.get_file(tx, packed.hash)
            if known is None or known.sha256 != found.sha256:
                raise CorruptObject(f"File {packed.hash} is noted as another object than {found.sha256}.")
        storage_rows.set_xet_hash(tx, found.sha256, packed.hash)
        if scope is not None and scope.tell is not None and packed.made:
            # Only xorbs of this file: one that is used again may hold chunks of what others must not learn of.
            shard = rows.insert_shard(tx, [ids[name] for name in packed.made], now=now)
            chunks = [(digest, ids[name]) for digest, name in packed.findable]
            rows.put_chunks(tx, domain=scope.tell, shard=shard, chunks=chunks)
        drop_later(tx, sv, found.sha256, now=now)


def drop_later(tx: Tx, sv: Services, sha256: Sha256, *, now: datetime) -> None:
    """Let the whole copy of an object go that is a Xet file as well. In the caller's unit."""
    queue.enqueue(
        tx,
        _DROP_JOB,
        {"sha256": sha256},
        now=now,
        dedup_key=f"{_DROP_JOB}:{sha256}",
        delay_s=sv.settings.xet.whole_copy_grace_s,
    )


def _lost() -> Unavailable:
    return Unavailable("A xorb was deleted, or found to be damaged, before the file made of it was noted.")


def drop_whole_copy(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: forget the whole copy of an object that is a Xet file; its bytes follow after a grace. Opens units."""
    sha256 = Sha256(str(payload["sha256"]))
    with sv.db.read() as tx:
        found = storage_rows.get_object(tx, sha256)
        if found is None or found.key is None or found.xet_hash is None:
            return
        if conversion_rows.is_damaged(tx, found.xet_hash):
            # The whole copy is the only good one now.
            structlog.get_logger("xet").error("object.kept_whole", sha256=sha256, key=found.key)
            return
    now = sv.clock.now()
    with sv.db.write() as tx:
        if not storage_rows.drop_key(tx, sha256, key=found.key):
            return
        keeping.doom_later(tx, [found.key], now=now, grace_s=FORGOTTEN_GRACE_S)


def convert_objects(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: queue the conversion of all objects that are there whole only, such as those from before an upgrade."""
    if not sv.settings.xet.convert:
        return
    after = ""
    delay_s = 0.0
    while True:
        with sv.db.read() as tx:
            page = conversion_rows.list_unconverted(tx, after=after, limit=_PAGE)
        if not page:
            return
        with sv.db.write() as tx:
            for sha256, size_bytes in page:
                _enqueue(sv, tx, sha256, delay_s=delay_s)
                # Due one after the other, so that jobs that come meanwhile are not behind all of them.
                delay_s += _PACE_OBJECT_S + size_bytes / _PACE_BYTES_S
        after = page[-1][0]

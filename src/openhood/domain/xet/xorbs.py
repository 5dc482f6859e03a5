"""Taking xorbs in: verified while they arrive, durable before anybody can see them, stored once.

Who may ask for what is in `passes`; the bytes come from a door, from the object store or from a conversion.
"""

from __future__ import annotations

import secrets
from datetime import datetime, timedelta

from openhood.base.errors import BadXorb, Unavailable
from openhood.base.names import XetHash
from openhood.base.ports import ObjectWriter
from openhood.domain.services import Services
from openhood.domain.storage import keeping
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.gc import FORGOTTEN_GRACE_S
from openhood.domain.xet import passes, rows
from openhood.domain.xet.types import Pass, Xorb
from openhood.engines.xet.hashing import from_text
from openhood.engines.xet.xorb import XorbIndex, XorbVerifier
from openhood.infra import keys
from openhood.infra.db.engine import Tx

_UNPUBLISHED_S = 24 * 3600.0
"""How long bytes stay that were written but not published, because the hub was stopped in between."""

_LEAST_SHARED_BYTES = 512 * 1024
"""How much must come at once for other processes to help with it."""


def find(sv: Services, given: Pass, name: XetHash) -> Xorb | None:
    """Return a xorb that may be used, if the holder of the pass may know of it. Opens a read unit."""
    with sv.db.read() as tx:
        found = rows.get_xorb(tx, name)
        if found is None or found.state == "damaged" or not _may_know(tx, sv, given, found):
            return None
        return found


def refresh(sv: Services, given: Pass, name: XetHash) -> bool:
    """Promise again to keep a xorb; False where there is none that the holder of the pass may know of.

    Opens units of its own.
    """
    found = find(sv, given, name)
    if found is None:
        return False
    now = sv.clock.now()
    with sv.db.write() as tx:
        return _touch(tx, sv, found, now=now)


def begin(sv: Services, given: Pass, name: XetHash) -> IncomingXorb:
    """Start taking a xorb from an uploader. Opens read units. Raises NotFound where the repository is gone."""
    passes.find_scope(sv, given)
    return IncomingXorb(sv, given, name)


def begin_internal(sv: Services, name: XetHash) -> IncomingXorb:
    """Start taking a xorb that the hub itself makes. Opens a read unit."""
    return IncomingXorb(sv, None, name)


class IncomingXorb:
    """A xorb on its way in: feed it all bytes, then `finish` or `abort` it. For worker threads.

    One thread at a time; no database connection is held. One that is stored already is verified all the same,
    since its sender must show to have it, but not written again.
    """

    def __init__(self, sv: Services, given: Pass | None, name: XetHash) -> None:
        self._sv = sv
        self._given = given
        self._name = name
        self._key = keys.xorb(name, secrets.token_hex(12))
        with sv.db.read() as tx:
            known = rows.get_xorb(tx, name)
        is_wanted = known is None or known.state == "damaged"
        self._writer: ObjectWriter | None = sv.objects.open_writer(self._key) if is_wanted else None
        self._verifier = XorbVerifier(self._write)

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Verify and write the next bytes. Raises BadXorb, naming the chunk."""
        try:
            if len(data) < _LEAST_SHARED_BYTES:
                self._verifier.feed(data)
            else:
                with self._sv.verifiers.lend() as helpers:
                    self._verifier.feed(data, lanes=helpers)
        except BadXorb as error:
            number = self._verifier.chunk_count
            raise BadXorb(
                f"Chunk {number} of the xorb, counted from 0, is refused: {error.message}"
            ) from error

    def finish(self) -> bool:
        """Check the hash, make the bytes durable and publish them; tells whether they were new.

        Whoever must not learn that the hub had the xorb is told that it was new. Opens write units. *Raises*
        BadXorb (nothing is kept), Unavailable where it should be sent again.
        """
        try:
            index = self._verifier.finish(from_text(self._name))
            if self._writer is None:
                return self._renew()
            self._writer.write(index.footer())
            now = self._sv.clock.now()
            with self._sv.db.write() as tx:
                # Doomed before it can be seen, so that a crash leaves no bytes that nobody knows.
                storage_rows.doom(tx, [self._key], delete_after=now + timedelta(seconds=_UNPUBLISHED_S))
            self._writer.commit()
            return self._publish(index)
        finally:
            self.abort()

    def abort(self) -> None:
        """Drop what came so far. Does nothing after `finish`."""
        if self._writer is not None:
            self._writer.abort()

    def _write(self, data: memoryview) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def _renew(self) -> bool:
        """Promise again to keep the xorb that was there already."""
        now = self._sv.clock.now()
        with self._sv.db.write() as tx:
            found = rows.get_xorb(tx, self._name)
            if found is not None and _touch(tx, self._sv, found, now=now):
                return not self._note_sender(tx, found, now=now)
        raise _changed()

    def _publish(self, index: XorbIndex) -> bool:
        """Let the durable bytes be the xorb, or hand them to the sweeper where somebody was quicker."""
        sv, now = self._sv, self._sv.clock.now()
        with sv.db.write() as tx:
            if not storage_rows.reprieve(tx, self._key, now=now):
                raise Unavailable("Storing the xorb took too long. Send it again.")
            is_new = rows.insert_xorb(
                tx,
                name=self._name,
                chunk_count=index.chunk_count,
                raw_bytes=index.raw_bytes,
                stored_bytes=index.stored_bytes,
                key=self._key,
                lease_until=_lease(sv, now),
                now=now,
            )
            found = rows.lock_xorb(tx, self._name)
            if found is not None and is_new:
                self._note_sender(tx, found, now=now)
                return True
            if found is not None and found.state == "damaged":
                self._heal(tx, found, index, now=now)
                self._note_sender(tx, found, now=now)
                return True
            keeping.doom_now(tx, self._key, now=now)
            if found is not None and _touch(tx, sv, found, now=now):
                return not self._note_sender(tx, found, now=now)
        # Raised only now: that the bytes are doomed must stay.
        raise _changed()

    def _heal(self, tx: Tx, damaged: Xorb, index: XorbIndex, *, now: datetime) -> None:
        """Put the new bytes in the place of those that rotted, which running downloads may still read."""
        rows.replace_xorb(
            tx,
            damaged.id,
            stored_bytes=index.stored_bytes,
            key=self._key,
            lease_until=max(_lease(self._sv, now), damaged.lease_until),
            now=now,
        )
        storage_rows.doom(tx, [damaged.key], delete_after=now + timedelta(seconds=FORGOTTEN_GRACE_S))

    def _note_sender(self, tx: Tx, found: Xorb, *, now: datetime) -> bool:
        """Remember who brought the xorb; tells whether they were allowed to know of it before."""
        if self._given is None:
            return True
        known = _may_know(tx, self._sv, self._given, found)
        rows.put_sender(tx, user=self._given.user, xorb=found.id, expires_at=_lease(self._sv, now))
        return known


def _may_know(tx: Tx, sv: Services, given: Pass, found: Xorb) -> bool:
    """Tell whether the holder of the pass may learn that the hub has this xorb, whoever brought it.

    Who brought it may: an upload that was cut off goes on without sending it again, whatever the client remembers.
    """
    if given.may_write and (
        sv.settings.xet.dedup == "hub" or rows.is_sender(tx, user=given.user, xorb=found.id)
    ):
        return True
    return rows.is_xorb_used(tx, given.repo, found.id)


def _touch(tx: Tx, sv: Services, found: Xorb, *, now: datetime) -> bool:
    """Promise again to keep a xorb, a condemned one too; False where it is gone or damaged."""
    return rows.touch_xorbs(tx, [found.id], lease_until=_lease(sv, now), now=now) == 1


def _lease(sv: Services, now: datetime) -> datetime:
    return now + timedelta(seconds=sv.settings.xet.lease_s)


def _changed() -> Unavailable:
    """What is said where a stored xorb was deleted, or found to be damaged, while it was being sent again."""
    return Unavailable("The xorb could not be stored just now. Send it again.")

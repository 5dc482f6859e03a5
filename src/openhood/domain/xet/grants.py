"""Xorbs that clients write to the object store themselves: permission, verification afterwards, sweeping.

What arrives lies under a key of its own, which nothing reads but the verification here.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.exc import IntegrityError

from openhood.base.errors import BadXorb, NotFound, ObjectMissing
from openhood.base.names import XetHash
from openhood.base.ports import PresignedPut
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.domain.xet import passes, rows, xorbs
from openhood.domain.xet.types import Grant, Pass
from openhood.engines.xet.xorb import MAX_BODY_BYTES
from openhood.infra import keys

LINK_S = 3600
"""How long the object store takes what was granted, in seconds."""

_COMMIT_S = 3600
"""How much longer the hub accepts that it was sent: the last write may have begun at the last moment."""

_READ_BYTES = 2 * 1024 * 1024
_BATCH = 100


@dataclass(frozen=True, slots=True)
class OfferedUpload:
    """A grant and the request that uses it."""

    id: str
    put: PresignedPut


class NotOffered(NotFound):
    """This hub takes xorbs itself. Clients fall back to that only on a 404."""

    def __init__(self) -> None:
        super().__init__("This hub gives no permission to write to its object store. Send the xorb here.")


def offer(sv: Services, given: Pass, name: XetHash, *, size_bytes: int) -> OfferedUpload | None:
    """Permit the holder of the pass to write a xorb to the object store; None where it need not be sent.

    Opens units. *Raises* NotOffered, NotFound where the repository is gone, BadXorb for an impossible size.
    """
    passes.find_scope(sv, given)
    if xorbs.refresh(sv, given, name):
        return None
    if not sv.settings.xet.direct_uploads:
        raise NotOffered
    if not 0 < size_bytes <= MAX_BODY_BYTES:
        raise BadXorb(f"A xorb has 1 to {MAX_BODY_BYTES} bytes, not {size_bytes}.")
    grant = secrets.token_hex(16)
    put = sv.objects.presign_put(keys.staging(grant), size_bytes=size_bytes, expires_s=LINK_S)
    if put is None:
        raise NotOffered
    expires_at = sv.clock.now() + timedelta(seconds=LINK_S + _COMMIT_S)
    try:
        with sv.db.write() as tx:
            rows.insert_grant(tx, Grant(grant, given.repo, name, size_bytes, expires_at))
            # Whatever becomes of the grant and its repository, nothing may stay there for ever.
            storage_rows.doom(tx, [keys.staging(grant)], delete_after=expires_at)
    except IntegrityError as error:
        raise NotFound("The repository was deleted meanwhile.") from error
    return OfferedUpload(grant, put)


def commit(sv: Services, given: Pass, name: XetHash, grant: str) -> bool:
    """Verify what was written with a grant and store it as the xorb; tells what `IncomingXorb.finish` does.

    Opens units. *Raises* NotFound where there is no such grant or nothing was written with it; BadXorb, which
    ends the grant; Unavailable.
    """
    with sv.db.read() as tx:
        found = rows.get_grant(tx, grant)
    if found is None or found.repo != given.repo or found.xorb != name:
        raise NotFound("There is no such permission to write this xorb. Ask for a new one.")
    try:
        was_inserted = _take_in(sv, given, found)
    except BadXorb:
        _end(sv, found)
        raise
    _end(sv, found)
    return was_inserted


def _take_in(sv: Services, given: Pass, grant: Grant) -> bool:
    """Read the staged bytes once, through the same verification as any other xorb."""
    try:
        staged = sv.objects.stream(keys.staging(grant.id), chunk_bytes=_READ_BYTES)
    except ObjectMissing:
        raise NotFound("Nothing was written with this permission. Ask for a new one.") from None
    incoming = xorbs.begin(sv, given, grant.xorb)
    try:
        for block in staged:
            incoming.feed(block)
        return incoming.finish()
    except ObjectMissing:
        # Committed by another request at the same time, which removed it.
        raise NotFound("What was written with this permission is gone. Ask for a new one.") from None
    finally:
        incoming.abort()


def _end(sv: Services, grant: Grant) -> None:
    """End a grant. What lies under its key goes now; what may still be written there is doomed already."""
    with sv.db.write() as tx:
        rows.take_grant(tx, grant.id)
    sv.objects.delete(keys.staging(grant.id))


def sweep_grants(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: forget the grants whose time is over, and who brought what long ago.

    What was written with a grant was doomed when it was made.
    """
    with sv.db.write() as tx:
        rows.forget_senders(tx, now=sv.clock.now())
    while True:
        with sv.db.read() as tx:
            expired = rows.list_expired_grants(tx, now=sv.clock.now(), limit=_BATCH)
        if not expired:
            return
        with sv.db.write() as tx:
            for grant in expired:
                rows.take_grant(tx, grant.id)

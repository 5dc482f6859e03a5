"""Fetching stored chunks over links that carry their own permission: certain bytes of one xorb, for an hour.

A link holds for the very upload of the xorb that it was made for: sent again after its bytes had rotted, a xorb may
lie otherwise, and whoever has an old link must ask for a new one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from openhood.base.errors import CorruptObject, NotFound
from openhood.base.names import XetHash
from openhood.domain import links
from openhood.domain.services import Services
from openhood.domain.xet import reading, rows
from openhood.domain.xet.types import Xorb

LIFETIME_S = 3600
MAX_RANGES = 100
"""Ranges in one link, whose length must stay below what servers and clients take for a URL."""

_PURPOSE = "xet.fetch"


def make_token(sv: Services, *, key: str, ranges: Sequence[tuple[int, int]]) -> str:
    """Return the permission to fetch these (start, length) of the xorb under ``key``, at most `MAX_RANGES`."""
    spelled = ",".join(f"{start}+{length}" for start, length in ranges)
    return links.make_token(
        sv, purpose=_PURPOSE, facts={"key": key, "ranges": spelled}, lifetime_s=LIFETIME_S
    )


def presign(sv: Services, *, key: str, start: int, length: int) -> str | None:
    """Return a URL of the object store for exactly these bytes, or None where the hub must serve them."""
    if not sv.settings.redirect_downloads:
        return None
    return sv.objects.presign_range(key, start, length, expires_s=LIFETIME_S)


def open_xorb(sv: Services, token: str, name: XetHash, *, wanted: Sequence[tuple[int, int]]) -> Xorb:
    """Return the xorb whose bytes ``wanted``, as (start, length), the token permits to fetch. Opens a read unit.

    Raises: BadLink, ExpiredLink, also where the xorb was sent anew; NotFound where it is gone, or its bytes have
    rotted; ObjectMissing, Unavailable.
    """
    facts = links.check_token(sv, token, purpose=_PURPOSE)
    allowed = sorted(_read_range(spelled) for spelled in str(facts["ranges"]).split(","))
    starts = [start for start, _length in allowed]
    for start, length in wanted:
        at = bisect_right(starts, start) - 1
        if at < 0 or start + length > sum(allowed[at]):
            raise links.BadLink("The link permits other bytes than those that the Range header names.")
    with sv.db.read() as tx:
        found = rows.get_xorb(tx, name)
    if found is None:
        raise NotFound("The xorb was deleted.")
    if found.key != facts["key"]:
        raise links.BadLink("The link was made for another upload of the xorb. Ask for the file anew.")
    if found.state == "damaged":
        # Clients do not check what they fetch, so that here it is done for them.
        try:
            for start, length in wanted:
                reading.check_stored(sv, found, start=start, length=length)
        except CorruptObject as error:
            raise NotFound("These bytes of the xorb are damaged. Upload the file again.") from error
    return found


def _read_range(spelled: str) -> tuple[int, int]:
    start, _plus, length = spelled.partition("+")
    return int(start), int(length)

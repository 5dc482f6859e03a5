"""The chunk lists of stored xorbs: read from their footers, kept in memory for a while.

The only index of chunks there is; no table has a row per chunk.
"""

from __future__ import annotations

from openhood.domain.services import Services
from openhood.domain.xet.types import Xorb
from openhood.engines.xet.xorb import XorbIndex, footer_bytes, parse_footer


def load_index(sv: Services, xorb: Xorb) -> XorbIndex:
    """Return the chunk list of a stored xorb. Outside any unit.

    Raises: CorruptObject where the footer is not the one that was written; ObjectMissing, Unavailable.
    """
    return sv.xorb_indexes.of(
        xorb.key, lambda: _read(sv, xorb), weigh=lambda found: 400 + 40 * found.chunk_count
    )


def _read(sv: Services, xorb: Xorb) -> XorbIndex:
    footer = sv.objects.get_range(xorb.key, xorb.stored_bytes, footer_bytes(xorb.chunk_count))
    return parse_footer(footer, expected=xorb.hash)

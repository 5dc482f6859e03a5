"""Choosing how a list is made: pure arithmetic over counts.

Either the index of the order is *walked* and each row asked for the conditions, or the rows of the rarest
condition are gathered and sorted (the list is *driven*). Each alone is a hundred times too slow for half of all
questions; the cheaper of the two stays below a few ten thousand rows for nearly all.

Measured per row at a million repositories: 1 to 4 us for walking, 2 to 8 us for gathering; more where the rows are
not in memory yet.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_GATHER = 2.5
"""Gathering a row costs about so many times what walking over one does."""
_LEAST_TRIED = 3_000
"""A walk that may turn out endless is tried for at least so many rows, about ten milliseconds."""
_MOST_TRIED = 20_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many repositories there are: of the type, those of it that anybody may see, and those that the viewer may
    see besides."""

    total: int
    public: int
    own: int


@dataclass(frozen=True, slots=True)
class Plan:
    """How to make a page.

    ``try_rows``: walk at most so many rows first (None: to the end, 0: do not). If that does not fill the page,
    gather. ``apart``: walk over what is public, and gather the viewer's private repositories apart.
    """

    try_rows: int | None
    apart: bool


def choose(
    sizes: Sizes, *, rows: Sequence[int], fewest: int | None, is_guess: bool, can_drive: bool, limit: int
) -> Plan:
    """Return the plan for a page of ``limit``.

    Args: ``rows`` are the numbers of rows that fulfil each condition, where known; ``fewest`` of those that
    could drive. ``is_guess``: there is a condition of which nobody knows how common it is. ``can_drive``: some
    condition can give its rows.
    """
    total = max(1, sizes.total)
    share = 1.0
    for each in rows:
        share *= min(1.0, each / total)
    seen = max(1, min(total, sizes.public + sizes.own))
    walked = min(float(total), limit / max(share * seen / total, 1e-12))
    walked_public = min(float(max(1, sizes.public)), limit / max(share, 1e-12))
    # Own private repositories are gathered only where one may list them: beyond `total` nobody is.
    apart_cost = walked_public + _GATHER * sizes.own
    # Where a walk is but a trial, what is gathered beside it should cost less than that.
    apart = apart_cost < walked and not (is_guess and sizes.own > _LEAST_TRIED // 2)
    cost = apart_cost if apart else walked
    if not can_drive:
        return Plan(None, apart)
    if fewest is not None and _GATHER * fewest <= cost:
        return Plan(0, False)
    tried = cost * 2 if fewest is None else min(cost * 2, _GATHER * fewest)
    if is_guess and fewest is None:
        tried = min(tried, _LEAST_TRIED)
    return Plan(int(min(_MOST_TRIED, max(_LEAST_TRIED, tried))), apart)

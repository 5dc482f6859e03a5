"""``/filter``: a page of the rows of a split that hold a condition, in an order."""

from __future__ import annotations

from openhood.domain.services import Services
from openhood.domain.viewer import footers, running, tables
from openhood.domain.viewer.reading import Found, Rows, counts_of


def filter_rows(sv: Services, found: Found, *, where: str, orderby: str, offset: int, length: int) -> Rows:
    """Return the answer of ``/filter``; empty texts are no condition and no order. Opens units of its own.

    Raises: InvalidParameter for mistakes in the texts, TableTimeout, what `tables.tables_of` and `running.run` raise.
    """
    key = ("filter", *found.name, where, orderby, offset, length, *found.links.values())
    kept = sv.pages.get(key)
    if isinstance(kept, bytes):
        return found.rows(kept, is_final=True)
    place = found.place
    ready = tables.tables_of(sv, place)
    params: dict[str, object] = {
        "where": where,
        "orderby": orderby,
        "offset": offset,
        "length": length,
        "features": footers.features_of(sv, place.repo, ready.files, ready.features),
        "counts": counts_of(sv, found, ready.files),
        "links": found.links,
        "partial": ready.is_partial,
    }
    body = running.run(sv, place.repo, "filter", files=ready.files, params=params, lane=running.QUERY).body
    if not ready.is_partial:
        sv.pages.put(key, body, weight=len(body))
    return found.rows(body, is_final=not ready.is_partial)

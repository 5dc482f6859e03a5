"""The queries behind what search engines may know, by ranges of the primary key. Never commits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row, select, true

from openhood.domain.access import Viewer
from openhood.domain.repos.listing_rows import visible_to
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos


def end_of_part(tx: Tx, *, after: int, size: int) -> int | None:
    """Return the number of the ``size``-th repository after a number, whoever may see it; None where fewer follow."""
    query = select(repos.c.id).where(repos.c.id > after).order_by(repos.c.id).offset(size - 1).limit(1)
    return tx.execute(query).scalar()


def list_between(
    tx: Tx, viewer: Viewer, *, after: int, until: int | None
) -> Sequence[Row[*tuple[Any, ...]]]:  # Any: columns are not typed one by one
    """Return type, namespace, name and last change of what ``viewer`` may see in a range of numbers."""
    query = (
        select(repos.c.type, repos.c.namespace, repos.c.name, repos.c.last_modified)
        .where(repos.c.id > after, true() if until is None else repos.c.id <= until, visible_to(viewer))
        .order_by(repos.c.id)
    )
    return tx.execute(query).all()

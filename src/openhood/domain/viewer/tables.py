"""A split as Parquet, from wherever it can be had soonest: its own files, the cache, what was published, or made now."""

from __future__ import annotations

from typing import Any

from openhood.base.names import Oid
from openhood.domain.services import Services
from openhood.domain.viewer import conversion_rows as rows
from openhood.domain.viewer import converting
from openhood.domain.viewer.planning import Place
from openhood.domain.viewer.types import DataFile, Tables

WAIT_S = 20.0
"""How long a question waits for a conversion that it needs, as the original's does for its index."""


def tables_of(sv: Services, place: Place, *, wait_s: float = WAIT_S) -> Tables:
    """Return a split as Parquet files, in the order of their rows. Opens units of its own; never inside one.

    Raises: ViewerNotReady where not even a part was made within ``wait_s`` seconds; what reading the files raises.
    """
    if place.config.is_parquet(place.split):
        return Tables(place.split.files, place.config.features)
    found = _made(sv, place)
    if found is not None:
        return found
    wanted = converting.want(sv, place.repo, place.plan.commit, place.config, place.split)
    return converting.converted(sv, wanted, wait_s=wait_s)


def is_ready(sv: Services, place: Place) -> bool:
    """Tell whether `tables_of` would answer at once and in full. Opens a read unit."""
    return place.config.is_parquet(place.split) or _made(sv, place) is not None


def head_of(sv: Services, place: Place, *, rows: int) -> tuple[tuple[DataFile, ...], dict[str, Any]]:
    """Return the files that the first rows of a split are read from, and the ``table`` parameter of operation ``head``.

    Only the first files are given: of more, a head is never made.
    """
    files, options = converting.reading_of(
        sv, place.repo, place.plan.commit, place.config, place.split, rows=rows
    )
    table = {"format": place.config.format, "options": options, "features": place.config.features}
    return files[: max(rows, 1)], table


def progress_of(sv: Services, place: Place) -> dict[str, Any]:
    """Return how far the conversion of a split is: rows, read_bytes, total_bytes (all 0 before its first file)."""
    said = converting.progress_of(sv, _key(sv, place)) or {}
    return {name: int(said.get(name, 0)) for name in ("rows", "read_bytes", "total_bytes")}


def _key(sv: Services, place: Place) -> str:
    return converting.key_of(sv, place.repo, place.plan.commit, place.config, place.split)


def _made(sv: Services, place: Place) -> Tables | None:
    key = _key(sv, place)
    return converting.find(sv, key) or _published(sv, place, key)


def _published(sv: Services, place: Place, key: str) -> Tables | None:
    with sv.db.read() as tx:
        found = rows.get(tx, place.repo.id, config=place.config.name, split=place.split.name)
    if found is None or found.state != rows.DONE or found.made_from != key:
        return None
    files = tuple(
        DataFile(file["path"], Oid(file["oid"]), file["sha256"], file["size"])
        for file in found.facts["files"]
    )
    return Tables(files, found.facts.get("features"), bool(found.facts.get("partial")))

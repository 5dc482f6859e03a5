"""Reading rows of a split: its first, and any page of it, kept in memory and the next one read ahead.

What is kept is kept by commit, so it never goes stale; who may see it was asked before, and the links in it are part
of its name.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from openhood.base.errors import HubError, TableUnreadable, ViewerNotReady
from openhood.base.names import Oid, RepoId
from openhood.domain.access import Viewer
from openhood.domain.services import Services
from openhood.domain.viewer import footers, planning, running, tables
from openhood.domain.viewer.footers import Footer
from openhood.domain.viewer.links import is_open, links_for
from openhood.domain.viewer.planning import Place
from openhood.domain.viewer.types import DataFile, MadeFile, Tables
from openhood.infra.workers import Answer, Body

HEAD_ROWS = 100
_SOON_S, _SMALL_SOON_S = 1.0, 5.0
"""A page that the beginning of the files may answer waits so long for the whole split: longer where it is small, since
what is short of a second's work is late only because the machine is busy.
"""
_SMALL_BYTES = 1_000_000
_FIRST_FILES = (2, 100)
_GIANT_BYTES = 256 * 1024**2
_RECUT_WAIT_S = 20.0

File = DataFile | MadeFile
Part = tuple[File, int, int]
"""A file, the first row of it, how many rows."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as JSON. ``is_final``: they will not be others for this commit; ``is_public``: anybody may have them.

    ``variant`` tells answers apart that are otherwise to the same question: their links are.
    """

    commit: Oid
    body: Body
    is_public: bool
    is_final: bool
    variant: str


@dataclass(frozen=True, slots=True)
class Question:
    """Which split, of whom, and where its links should lead: ``base_url`` is the hub's own address."""

    repo_id: RepoId
    revision: str
    config: str
    split: str
    base_url: str


@dataclass(frozen=True, slots=True)
class Found:
    """A split that a viewer may read, and the links that they are given."""

    place: Place
    links: dict[str, str]

    @property
    def name(self) -> tuple[object, ...]:
        """What is kept of this split is kept under this."""
        place = self.place
        return (place.repo.id, place.at.commit, place.config.name, place.split.name)

    def rows(self, body: Body, *, is_final: bool) -> Rows:
        """Return an answer about it."""
        return Rows(
            self.place.at.commit, body, is_open(self.place.repo), is_final, variant=self.links["query"]
        )


def find(sv: Services, viewer: Viewer, asked: Question) -> Found:
    """Find a split for a viewer. Opens units of its own.

    Raises: what finding a dataset raises, ConfigNotFound, SplitNotFound, and what there is to say of the whole
    dataset (ViewerDisabled, EmptyDataset, …).
    """
    place = planning.split_at(sv, viewer, asked.repo_id, asked.revision, asked.config, asked.split)
    return Found(place, links_for(sv, place, asked.base_url, viewer))


def first_rows(sv: Services, found: Found) -> Rows:
    """Return the answer of ``/first-rows``. Raises: what reading the files raises, TooManyColumns, TableTooLarge."""
    key = ("first-rows", *found.name, *found.links.values())
    body = sv.pages.of(key, lambda: _read_first(sv, found), weigh=len)
    return found.rows(body, is_final=True)


def rows(
    sv: Services, found: Found, *, offset: int, length: int, columns: Sequence[str] | None = None
) -> Rows:
    """Return the answer of ``/rows``; ``columns`` None: all of them.

    Raises: what reading the files raises, InvalidParameter for a column that is not there, ViewerNotReady where the
    split must be converted before and that takes longer.
    """
    key = _page_key(found, offset, length, columns)
    kept = sv.pages.get(key)
    is_hit = isinstance(kept, bytes | memoryview)
    body: Body
    if isinstance(kept, bytes | memoryview):
        body, is_final = kept, True
    else:
        body, is_final = _read_page(sv, found, offset, length, columns)
        if is_final:
            sv.pages.put(key, body, weight=len(body))
    goes_on = is_hit or (
        offset >= length and sv.pages.get(_page_key(found, offset - length, length, columns))
    )
    if goes_on and is_final and length > 0:
        _read_ahead(sv, found, offset + length, length, columns)
    return found.rows(body, is_final=is_final)


# --- first rows -----------------------------------------------------------------------------


def _read_first(sv: Services, found: Found) -> Body:
    place = found.place
    names = {"dataset": str(place.repo.repo_id), "config": place.config.name, "split": place.split.name}
    params: dict[str, Any] = {"names": names, "links": found.links, "is_whole": True}
    if not place.config.is_parquet(place.split):
        files, table = tables.head_of(sv, place, rows=HEAD_ROWS)
        return _run(sv, place, "first_rows", files, {**params, "table": table}).body
    files = place.split.files
    params["declared"] = place.config.features
    for count in (*_FIRST_FILES, len(files)):
        is_whole = count >= len(files)
        made = _run(sv, place, "first_rows", files[:count], {**params, "is_whole": is_whole})
        if is_whole or int(str(made.facts["rows"])) >= HEAD_ROWS:
            break
    return made.body


def _run(
    sv: Services, place: Place, op: str, files: Sequence[File], params: dict[str, Any], **more: Any
) -> Answer:
    return running.run(sv, place.repo, op, files=files, params=params, beside=place.split.files, **more)


# --- pages ----------------------------------------------------------------------------------


def _page_key(found: Found, offset: int, length: int, columns: Sequence[str] | None) -> tuple[object, ...]:
    wanted = None if columns is None else tuple(columns)
    return ("rows", *found.name, offset, length, wanted, *found.links.values())


def _read_page(
    sv: Services, found: Found, offset: int, length: int, columns: Sequence[str] | None
) -> tuple[Body, bool]:
    """Return a page and whether it is final."""
    params = {"offset": offset, "length": length, "columns": columns, "links": found.links}
    try:
        is_small = found.place.split.size_bytes <= _SMALL_BYTES
        ready = tables.tables_of(sv, found.place, wait_s=_SMALL_SOON_S if is_small else _SOON_S)
    except ViewerNotReady:
        if offset + length <= HEAD_ROWS:
            body = _read_head(sv, found, params)
            if body:
                return body, False
        ready = tables.tables_of(sv, found.place)
    return _read_table(sv, found, ready, params), not ready.is_partial


def _read_head(sv: Services, found: Found, params: dict[str, Any]) -> Body:
    files, table = tables.head_of(sv, found.place, rows=HEAD_ROWS)
    return _run(sv, found.place, "head_rows", files, {**params, "table": table}).body


def _read_table(sv: Services, found: Found, ready: Tables, params: dict[str, Any]) -> Body:
    repo = found.place.repo
    counts = counts_of(sv, found, ready.files)
    parts = parts_of(ready.files, counts, params["offset"], params["length"])
    features = footers.features_of(sv, repo, ready.files, ready.features)
    asked = {**params, "total": sum(counts), "partial": ready.is_partial, "features": features}
    cut, waiting = _recut(sv, found.place, parts)
    try:
        return _from_parts(sv, found, cut, asked)
    except TableUnreadable:
        if not waiting:
            raise
    for flight in waiting:
        if not flight.wait(_RECUT_WAIT_S):
            raise ViewerNotReady(
                "These rows lie in a very large row group, which is being cut into smaller ones. Ask again in a minute; "
                "a file with a page index, or with smaller row groups, can be read at once."
            )
    return _from_parts(sv, found, _recut(sv, found.place, parts)[0], asked)


def _from_parts(sv: Services, found: Found, parts: Sequence[Part], asked: dict[str, Any]) -> Body:
    numbered = [(at, start, count) for at, (_file, start, count) in enumerate(parts)]
    files = [file for file, _start, _count in parts]
    return _run(sv, found.place, "page", files, {**asked, "parts": numbered}).body


def counts_of(sv: Services, found: Found, files: Sequence[File]) -> list[int]:
    """Return how many rows each file of a split has, in memory for those of the last pages."""
    digest = blake2b(b"\0".join(file.key.encode() for file in files), digest_size=16).digest()
    key = ("viewer-counts", found.place.repo.id, digest)
    return sv.facts.of(
        key,
        lambda: [footer.rows for footer in footers.footers_of(sv, found.place.repo, files)],
        weigh=lambda counts: 64 + 8 * len(counts),
    )


def parts_of(files: Sequence[File], counts: Sequence[int], offset: int, length: int) -> list[Part]:
    """Return which rows of which files a page is."""
    found: list[Part] = []
    first, stop = 0, offset + length
    for file, count in zip(files, counts, strict=True):
        low, high = max(offset, first), min(stop, first + count)
        if low < high:
            found.append((file, low - first, high - low))
        first += count
        if first >= stop:
            break
    return found


# --- giant row groups -----------------------------------------------------------------------


def _recut(sv: Services, place: Place, parts: Sequence[Part]) -> tuple[list[Part], list[Any]]:
    """Return the parts with what was cut anew in place of giants, and flights that cut others now."""
    chosen: list[Part] = []
    waiting: list[Any] = []
    for part in parts:
        file, start, count = part
        if isinstance(file, MadeFile) or file.size_bytes <= _GIANT_BYTES:
            chosen.append(part)
            continue
        footer = footers.footers_of(sv, place.repo, [file])[0]
        if footer.has_page_index:
            chosen.append(part)
            continue
        for group, low, first, rows_here in _groups(footer, start, count):
            made = _find_cut(sv, file, group)
            if made is not None:
                chosen.append((made, low, rows_here))
                continue
            chosen.append((file, first + low, rows_here))
            if footer.groups[group][2] > _GIANT_BYTES:
                waiting.append(_cut_now(sv, place, file, group))
    return chosen, waiting


def _groups(footer: Footer, start: int, count: int) -> list[tuple[int, int, int, int]]:
    """Return group, first row in it, first row of it in the file, and how many rows, of a part."""
    found, first, stop = [], 0, start + count
    for group, (rows_here, _start, _bytes) in enumerate(footer.groups):
        low, high = max(start, first), min(stop, first + rows_here)
        if low < high:
            found.append((group, low - first, first, high - low))
        first += rows_here
    return found


def _find_cut(sv: Services, file: DataFile, group: int) -> MadeFile | None:
    found = sv.blocks.find_made(file.key, f"group-{group}")
    if found is None:
        return None
    path = found / "group.parquet"
    return MadeFile(str(path), f"{file.key}-{group}", path.stat().st_size)


def _cut_now(sv: Services, place: Place, file: DataFile, group: int) -> Any:
    def make(out: Path) -> None:
        running.run(sv, place.repo, "recut", files=[file], params={"group": group}, lane=running.JOB, out=out)

    name = f"recut-{file.key}-{group}"
    return sv.flights.join(name, lambda: _drop(sv.blocks.made(file.key, f"group-{group}", make)))


def _drop(_made: Path) -> None:
    """A flight gives nothing back; what it made is found by its name."""


# --- the next page --------------------------------------------------------------------------

_AHEAD = threading.BoundedSemaphore(2)


def _read_ahead(sv: Services, found: Found, offset: int, length: int, columns: Sequence[str] | None) -> None:
    """Read a page that will be asked for next, unless others are being read so already."""
    key = _page_key(found, offset, length, columns)
    if sv.pages.get(key) is not None or not _AHEAD.acquire(blocking=False):
        return

    def work() -> None:
        try:
            body, is_final = _read_page(sv, found, offset, length, columns)
            if is_final:
                sv.pages.put(key, body, weight=len(body))
        except HubError:
            pass  # whoever asks for it is told
        finally:
            _AHEAD.release()

    _in_thread(work)


def _in_thread(work: Callable[[], None]) -> None:
    threading.Thread(target=work, name="viewer-ahead", daemon=True).start()

"""The file in one cell of a split: found by its row and column, kept on this machine where it is large.

Thumbnails are kept likewise. Everything is named after the content it was read from, so nothing is ever stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from openhood.base.errors import AssetNotFound, ViewerNotReady
from openhood.base.names import RepoId
from openhood.domain.access import SYSTEM, Viewer
from openhood.domain.services import Services
from openhood.domain.viewer import footers, links, reading, running, tables
from openhood.domain.viewer.reading import HEAD_ROWS, File, Found, Question

THUMBNAIL_SIZES = (64, 128, 256, 512)


@dataclass(frozen=True, slots=True)
class Cell:
    """Where a cell is. ``path`` is inside it: keys of objects and numbers of elements, as text.

    ``commit`` is any revision; ``token`` the permission that the link holds, or empty.
    """

    repo_id: RepoId
    commit: str
    config: str
    split: str
    row: int
    column: str
    path: tuple[str, ...]
    token: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A file: its bytes, or where on this machine they are, or (neither) ``url``, where the hub serves it.

    ``key`` names the content; ``type`` is its media type, ``name`` what it is called, where that is known.
    """

    key: str
    type: str
    name: str | None
    is_public: bool
    body: bytes = b""
    file: Path | None = None
    url: str | None = None


def open_asset(
    sv: Services, viewer: Viewer, cell: Cell, *, base_url: str, thumbnail: int | None = None
) -> Asset:
    """Return the file in a cell, or a small picture of it that has ``thumbnail`` pixels each way at most.

    Opens units of its own. Raises: AssetNotFound, BadLink and ExpiredLink for the permission, and what reading the
    split raises.
    """
    found = _find(sv, viewer, cell, base_url)
    is_public = links.is_open(found.place.repo)
    source = _locate(sv, found, cell)
    key = _key(source, cell, thumbnail)
    what = "cell" if thumbnail is None else f"thumb-{thumbnail}"
    kept = sv.blocks.find_made(key, what)
    if kept is not None:
        return _kept(kept, key, is_public)
    op = "asset" if thumbnail is None else "thumbnail"
    params = {**source.params, "column": cell.column, "path": list(cell.path), "size": thumbnail}
    made = running.run(sv, found.place.repo, op, files=source.files, params=params)
    if "is_large" in made.facts:
        return _large(sv, found, source, params, key, is_public=is_public)
    if "file" in made.facts:
        asset = _of_file(sv, found, str(made.facts["file"]), thumbnail, key)
    else:
        name = made.facts.get("name")
        asset = Asset(
            key, str(made.facts["type"]), None if name is None else str(name), False, bytes(made.body)
        )
    asset = replace(asset, is_public=is_public)
    return _keep(sv, asset, what) if asset.url is None and thumbnail is not None else asset


@dataclass(frozen=True, slots=True)
class _Source:
    """The files in which a cell is, and what the operation is told."""

    files: tuple[File, ...]
    params: dict[str, Any]


def _find(sv: Services, viewer: Viewer, cell: Cell, base_url: str) -> Found:
    asked = Question(cell.repo_id, cell.commit, cell.config, cell.split, base_url)
    is_admitted = bool(cell.token) and links.admitted(
        sv, cell.token, repo_id=cell.repo_id, commit=cell.commit, config=cell.config, split=cell.split
    )
    return reading.find(sv, SYSTEM if is_admitted else viewer, asked)


def _locate(sv: Services, found: Found, cell: Cell) -> _Source:
    """Return where a row is: in the split's Parquet, or in the head while there is none. Raises AssetNotFound."""
    place = found.place
    if cell.row < HEAD_ROWS and not tables.is_ready(sv, place):
        files, table = tables.head_of(sv, place, rows=HEAD_ROWS)
        return _Source(tuple(files), {"table": table, "row": cell.row})
    try:
        ready = tables.tables_of(sv, place)
    except ViewerNotReady:
        raise AssetNotFound from None
    counts = reading.counts_of(sv, found, ready.files)
    for file, start, _count in reading.parts_of(ready.files, counts, cell.row, 1):
        features = footers.features_of(sv, place.repo, ready.files, ready.features)
        return _Source((file,), {"start": start, "features": features})
    raise AssetNotFound


def _key(source: _Source, cell: Cell, thumbnail: int | None) -> str:
    row = source.params.get("start", cell.row)
    named = (*(file.key for file in source.files), str(row), cell.column, *cell.path, str(thumbnail or ""))
    return sha256("\0".join(named).encode("utf-8", "surrogatepass")).hexdigest()


def _of_file(sv: Services, found: Found, path: str, thumbnail: int | None, key: str) -> Asset:
    """Return a file of the repository that a cell names: where it is served, or the small picture of it."""
    place = found.place
    if thumbnail is None:
        return Asset(key, "", path, False, url=f"{found.links['resolve']}/{links.quoted(path)}")
    files: Sequence[File] = [
        file for file in (*place.split.files, *place.split.metadata) if file.path == path
    ]
    if not files:
        raise AssetNotFound
    made = running.run(sv, place.repo, "file_thumbnail", files=files[:1], params={"size": thumbnail})
    return Asset(key, str(made.facts["type"]), None, False, bytes(made.body))


def _large(
    sv: Services, found: Found, source: _Source, params: dict[str, Any], key: str, *, is_public: bool
) -> Asset:
    """Return a file that is kept on the disk: players ask for it bit by bit, and memory is for others."""

    def make(out: Path) -> None:
        made = running.run(sv, found.place.repo, "asset", files=source.files, params=params, out=out)
        _describe(out, str(made.facts["type"]), made.facts.get("name"))

    return _kept(sv.blocks.made(key, "cell", make), key, is_public)


def _describe(out: Path, kind: str, name: object) -> None:
    (out / "about").write_text(f"{kind}\n{name or ''}", "utf-8", "surrogatepass")


def _keep(sv: Services, asset: Asset, what: str) -> Asset:
    def make(out: Path) -> None:
        (out / "body").write_bytes(asset.body)
        _describe(out, asset.type, asset.name)

    kept = sv.blocks.made(asset.key, what, make)
    return replace(asset, body=b"", file=kept / "body") if (kept / "body").is_file() else asset


def _kept(kept: Path, key: str, is_public: bool) -> Asset:
    kind, _, name = (kept / "about").read_text("utf-8", "surrogatepass").partition("\n")
    return Asset(key, kind, name or None, is_public, file=kept / "body")

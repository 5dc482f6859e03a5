"""Full-text search in a split: by reading it, and in large ones by an index that the first question has made."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from openhood.base.errors import HubError, MissingRequiredParameter
from openhood.base.names import Oid, RepoId
from openhood.domain.access import Viewer
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.viewer import footers, languages, links, planning, running
from openhood.domain.viewer.planning import Place
from openhood.domain.viewer.tables import tables_of
from openhood.domain.viewer.types import DataFile, MadeFile, Tables
from openhood.infra.workers import Body

INDEX_FROM_ROWS = 2_000_000
INDEX_FROM_BYTES = 300_000_000
"""Rows, or bytes of the columns with text, from which an index is made: below, reading takes less than half a second."""
_INDEX_VERSION = 1
_MAX_QUERY_CHARS = 2000

_log = structlog.get_logger()
_building: set[str] = set()
_lock = threading.Lock()


@dataclass(frozen=True, slots=True)
class Page:
    """A page of rows as JSON, with the commit it is of. ``is_final``: the same question has the same answer later."""

    body: Body
    commit: Oid
    is_public: bool
    is_final: bool


def search(
    sv: Services,
    viewer: Viewer,
    *,
    repo_id: RepoId,
    revision: str,
    config: str,
    split: str,
    query: str,
    offset: int,
    length: int,
    base_url: str,
) -> Page:
    """Return a page of the rows of a split that hold words of ``query``, best first.

    Raises: what `planning.split_at` and `tables_of` raise, MissingRequiredParameter, InvalidParameter, TableTimeout.
    """
    if not query.strip():
        raise MissingRequiredParameter("Parameter 'query' is required")
    place = planning.split_at(sv, viewer, repo_id, revision, config, split)
    with planning.telling(place.at.commit):
        return _page(sv, viewer, place, query=query, offset=offset, length=length, base_url=base_url)


def _page(
    sv: Services, viewer: Viewer, place: Place, *, query: str, offset: int, length: int, base_url: str
) -> Page:
    tables = tables_of(sv, place, wait_s=sv.settings.viewer.page_timeout_s)
    known = footers.footers_of(sv, place.repo, tables.files)
    features = tables.features or (known[0].features if known else {})
    counts = [footer.rows for footer in known]
    language = languages.stemmer_of(sv, place.at)
    params: dict[str, object] = {
        "query": query[:_MAX_QUERY_CHARS],
        "features": features,
        "counts": counts,
        "offset": offset,
        "length": length,
        "links": links.links_for(sv, place, base_url, viewer),
        "partial": tables.is_partial,
        "language": language,
        "index": None,
    }
    index: Path | None = None
    if sum(counts) > INDEX_FROM_ROWS or sum(footer.memory_bytes for footer in known) > INDEX_FROM_BYTES:
        index = _index_of(sv, place.repo, tables, params)
        params["index"] = None if index is None else str(index)
    answer = running.run(
        sv, place.repo, "search", files=tables.files, params=params, lane=running.QUERY, made=index
    )
    return Page(answer.body, place.at.commit, links.is_open(place.repo), not tables.is_partial)


def name_of(files: Sequence[DataFile | MadeFile]) -> str:
    """Return what names the contents of a split for good."""
    made = hashlib.sha256("\n".join(file.key for file in files).encode())
    return made.hexdigest()


def _index_of(sv: Services, repo: Repo, tables: Tables, params: dict[str, object]) -> Path | None:
    """Return the index of a split; where there is none, None, and it is being made."""
    name, what = name_of(tables.files), f"text-{_INDEX_VERSION}-{params['language']}"
    found = sv.blocks.find_made(name, what)
    if found is not None or tables.is_partial:
        return found
    with _lock:
        if name in _building:
            return None
        _building.add(name)
    asked = {key: params[key] for key in ("features", "counts", "language")}
    work = partial(_build, sv, repo, tables, name, what, asked)
    threading.Thread(target=work, name="index-text", daemon=True).start()
    return None


def _build(sv: Services, repo: Repo, tables: Tables, name: str, what: str, asked: dict[str, object]) -> None:
    def make(out: Path) -> None:
        running.run(sv, repo, "index_text", files=tables.files, params=asked, lane=running.JOB, out=out)

    try:
        sv.blocks.made(name, what, make)
    except HubError as error:
        # Whoever asks is answered by reading; the next question tries again.
        _log.warning("text not indexed", repo=repo.id, error=error.message)
    finally:
        with _lock:
            _building.discard(name)

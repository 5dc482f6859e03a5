"""``/statistics``: what the values of the columns of a split are like, worked out once for each column of a content.

Whoever asks for a few columns waits for these alone. What takes longer than one may wait goes on by itself, and the
answer is there later.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from typing import Any

import orjson

from openhood.base.errors import InvalidParameter, ViewerNotReady
from openhood.domain.services import Services
from openhood.domain.viewer import answers_rows, footers, running, tables
from openhood.domain.viewer.reading import Found, Rows, counts_of
from openhood.domain.viewer.types import Tables
from openhood.engines.tables.column_types import column_type

VERSION = 1
"""Of how statistics are worked out."""
MAX_BYTES = 200 * 1000**3
"""Of splits with more bytes, some files are read, spread over all of them: the answer says that it is partial."""
_KIND = "statistics"
_COLUMNS_AT_ONCE = 20
_MAX_KEPT = 20_000
_SMALL_BYTES = 1000**3


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is asked for: the names of the answers by column."""

    ready: Tables
    features: Mapping[str, Any]
    counts: list[int]
    names: dict[str, str]


def statistics(sv: Services, found: Found, *, columns: Sequence[str] | None = None) -> Rows:
    """Return the answer of ``/statistics``; ``columns`` None: all that have statistics. Opens units of its own.

    Raises: InvalidParameter for a column that is not there, ViewerNotReady where it takes longer than a question may,
    and what `tables.tables_of` and `running.run` raise.
    """
    key = (_KIND, *found.name, None if columns is None else tuple(columns))
    kept = sv.pages.get(key)
    if isinstance(kept, bytes):
        return found.rows(kept, is_final=True)
    ready = tables.tables_of(sv, found.place)
    wanted = _wanted(sv, found, ready, columns)
    documents = _kept(sv, found, wanted)
    missing = [column for column in wanted.names if column not in documents]
    if missing:
        _work_out(sv, found, wanted, missing)
        documents = _kept(sv, found, wanted)
    body = _answer(wanted, documents)
    if not ready.is_partial:
        sv.pages.put(key, body, weight=len(body))
    return found.rows(body, is_final=not ready.is_partial)


def _wanted(sv: Services, found: Found, ready: Tables, columns: Sequence[str] | None) -> _Wanted:
    features = footers.features_of(sv, found.place.repo, ready.files, ready.features)
    for name in columns or ():
        if name not in features:
            raise InvalidParameter(f"Parameter 'columns' names a column that is not there: '{name[:100]}'")
    contents = sha256(b"\0".join(file.key.encode() for file in ready.files)).hexdigest()
    names = {}
    for name, feature in features.items():
        if column_type(feature) is not None and (columns is None or name in columns):
            asked = orjson.dumps([VERSION, contents, name, feature], option=orjson.OPT_NON_STR_KEYS)
            names[name] = sha256(asked).hexdigest()
    return _Wanted(ready, features, counts_of(sv, found, ready.files), names)


def _kept(sv: Services, found: Found, wanted: _Wanted) -> dict[str, Mapping[str, Any]]:
    with sv.db.read() as tx:
        documents = answers_rows.find(tx, found.place.repo.id, wanted.names.values())
    return {
        column: orjson.loads(zlib.decompress(documents[name]))
        for column, name in wanted.names.items()
        if name in documents
    }


def _work_out(sv: Services, found: Found, wanted: _Wanted, missing: Sequence[str]) -> None:
    asked = sha256("\0".join(wanted.names[column] for column in missing).encode()).hexdigest()
    flight = sv.flights.join(f"{_KIND}-{asked}", partial(_run, sv, found, wanted, missing))
    if not flight.wait(sv.settings.viewer.query_timeout_s):
        raise ViewerNotReady(
            "The statistics of this split are being worked out. Ask again in a minute, or for fewer columns."
        )


def _run(sv: Services, found: Found, wanted: _Wanted, missing: Sequence[str]) -> None:
    """Work out some columns, and keep each batch as soon as it is there."""
    is_small = sum(file.size_bytes for file in wanted.ready.files) <= _SMALL_BYTES
    for start in range(0, len(missing), _COLUMNS_AT_ONCE):
        columns = missing[start : start + _COLUMNS_AT_ONCE]
        params: dict[str, object] = {
            "features": {column: wanted.features[column] for column in columns},
            "counts": wanted.counts,
            "columns": columns,
            "max_bytes": MAX_BYTES,
        }
        made: Any = running.run(
            sv,
            found.place.repo,
            "statistics",
            files=wanted.ready.files,
            params=params,
            lane=running.QUERY if is_small else running.JOB,
            seconds=sv.settings.viewer.job_timeout_s,
        ).facts
        said = {key: made[key] for key in ("num_examples", "partial")}
        documents = {
            wanted.names[column]: zlib.compress(orjson.dumps({**said, "item": made["statistics"][column]}), 3)
            for column in columns
        }
        with sv.db.write() as tx:
            answers_rows.put(tx, found.place.repo.id, documents, kind=_KIND, at=sv.clock.now())
            answers_rows.trim(tx, found.place.repo.id, most=_MAX_KEPT)


def _answer(wanted: _Wanted, documents: Mapping[str, Mapping[str, Any]]) -> bytes:
    items = [document["item"] for document in documents.values() if document["item"] is not None]
    examples = [document["num_examples"] for document in documents.values()]
    return orjson.dumps(
        {
            "num_examples": examples[0] if examples else sum(wanted.counts),
            "statistics": sorted(items, key=lambda item: str(item["column_name"])),
            "partial": wanted.ready.is_partial or any(document["partial"] for document in documents.values()),
        }
    )

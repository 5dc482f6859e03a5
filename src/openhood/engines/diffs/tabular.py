"""What a change does to a table: columns added, removed and retyped; rows added, removed and changed, with samples.

Of each row only hashes of eight bytes are kept. Rows are matched by a column whose values are unique on both sides;
where there is none, by position if only that explains everything, else by their content.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from numpy.typing import NDArray

from openhood.engines.diffs import settings
from openhood.engines.diffs.parts import MAX_NAMED, Budget, Part, Side, clip, counted
from openhood.engines.diffs.tables import NULL_DIGEST, Row, Table, open_table, packed

MAX_ROWS = 5_000_000
"""So many rows of each side are compared; of larger tables the first."""
_SAMPLES = 10
_MAX_CELLS_ROWS = 2000
_SHOWN_COLUMNS = 40
_MAX_CELL = 200
_CHECK_EVERY = 512
_MAX_KEYS = 3
_KEY_NAMES = (
    "id", "_id", "uuid", "guid", "key", "row_id", "example_id", "sample_id", "question_id", "doc_id", "image_id",
    "idx", "index", "file_name", "filename", "path", "url", "name", "title", "question", "prompt", "text",
)  # fmt: skip

Hashes = NDArray[np.int64]


@dataclass(slots=True)
class _Scan:
    """The hashes of all rows of a side, and of the values in columns that may be keys."""

    rows: array[int] = field(default_factory=lambda: array("q"))
    keys: list[array[int]] = field(default_factory=list)
    is_cut: bool = False

    @property
    def hashes(self) -> Hashes:
        return np.frombuffer(self.rows, np.int64)


@dataclass(frozen=True, slots=True)
class _Match:
    """Which rows belong together, as places of rows from 0; ``by`` says how that was found."""

    by: str
    key: str | None
    added: Sequence[int]
    removed: Sequence[int]
    changed: Sequence[tuple[int, int]]
    added_count: int
    removed_count: int
    is_reordered: bool


def compare_rows(format_name: str, old: Side, new: Side, budget: Budget) -> dict[str, object]:
    """Compare tables, as JSON-like values with a ``summary``. Raises Unreadable and what reading raises."""
    meter = _Meter(budget)
    if not old or not new:
        return _describe(open_table(format_name, meter.over(new or old)), budget, meter)
    before, after = (open_table(format_name, meter.over(side)) for side in (old, new))
    first, second, keys = _scan_both(before, after, budget, meter)
    common = _common(before.columns, after.columns)
    match = _match(first, second, keys)
    said: dict[str, object] = {
        "rows": {
            "old": len(first.rows),
            "new": len(second.rows),
            "added": match.added_count,
            "removed": match.removed_count,
            "changed": len(match.changed),
        },
        "matchedBy": match.by,
        "key": None if match.key is None else clip(match.key),
        "reordered": match.is_reordered,
        "sampled": first.is_cut or second.is_cut,
        "columns": _columns(before, after),
    }
    said |= _samples(before, after, match, common, budget, meter)
    said["summary"] = _summary(said)
    return said


class _Meter:
    """Counts what is read of the files, so that each pass over them has its own share of the budget."""

    def __init__(self, budget: Budget) -> None:
        self._limit = budget.read_bytes
        self.left = budget.read_bytes

    @property
    def is_empty(self) -> bool:
        """Whether this pass may read no more."""
        return self.left <= 0

    def refill(self) -> None:
        """Begin another pass."""
        self.left = self._limit

    def over(self, side: Side) -> Side:
        """Return the files with their reading counted."""

        def read(part: Part, start: int, length: int) -> bytes:
            self.left -= length
            return part.read(start, length)

        return [Part(part.path, part.size_bytes, partial(read, part)) for part in side]


def _scan_both(old: Table, new: Table, budget: Budget, meter: _Meter) -> tuple[_Scan, _Scan, list[str]]:
    """Return the scans of both sides, and the columns that may be keys."""
    if not old.columns or not new.columns:
        # The columns of records are known when all were seen; if they are the same, one pass will do.
        keys = _candidate_keys(_common(_first_columns(old), _first_columns(new)))
        scans = _scan(old, None, keys, budget, meter), _scan(new, None, keys, budget, meter)
        if set(old.columns) == set(new.columns):
            return *scans, keys
    common = _common(old.columns, new.columns)
    keys = _candidate_keys(common)
    return _scan(old, common, keys, budget, meter), _scan(new, common, keys, budget, meter), keys


def _first_columns(table: Table) -> list[str]:
    for _row in table.rows(None):
        break
    return list(table.columns)


def _common(old: Sequence[str], new: Sequence[str]) -> list[str]:
    names = set(new)
    return [name for name in old if name in names]


def _candidate_keys(columns: Sequence[str]) -> list[str]:
    by_name = {name.lower(): name for name in columns}
    found = [by_name[name] for name in _KEY_NAMES if name in by_name]
    found += [name for name in columns if name.lower().endswith(("_id", "-id")) and name not in found]
    return found[:_MAX_KEYS]


def _scan(
    table: Table, columns: Sequence[str] | None, keys: Sequence[str], budget: Budget, meter: _Meter
) -> _Scan:
    meter.refill()
    found = _Scan(keys=[array("q") for _ in keys])
    lists = [found.rows, *found.keys]
    for count, numbers in enumerate(table.digests(columns, keys), 1):
        for each, value in zip(lists, numbers, strict=True):
            each.append(value)
        if count % _CHECK_EVERY == 0 and (count >= MAX_ROWS or budget.is_late or meter.is_empty):
            # Whether that was the last row is not known, which is as good as cut.
            found.is_cut = True
            break
    return found


def _match(old: _Scan, new: _Scan, keys: Sequence[str]) -> _Match:
    for at, name in enumerate(keys):
        before = np.frombuffer(old.keys[at], np.int64)
        after = np.frombuffer(new.keys[at], np.int64)
        if _is_key(before) and _is_key(after):
            return _match_by_key(name, before, after, old.hashes, new.hashes)
    return _match_by_content(old.hashes, new.hashes)


def _is_key(values: Hashes) -> bool:
    return bool(values.size == np.unique(values).size and not np.any(values == NULL_DIGEST))


def _match_by_key(name: str, old_keys: Hashes, new_keys: Hashes, old: Hashes, new: Hashes) -> _Match:
    order = np.argsort(old_keys, kind="stable")
    places = np.searchsorted(old_keys[order], new_keys)
    is_inside = places < old_keys.size
    partner = np.full(new_keys.size, -1, np.int64)
    partner[is_inside] = order[places[is_inside]]
    is_there = is_inside.copy()
    is_there[is_inside] = old_keys[partner[is_inside]] == new_keys[is_inside]
    added = np.flatnonzero(~is_there)
    matched = np.flatnonzero(is_there)
    is_kept = np.zeros(old_keys.size, bool)
    is_kept[partner[matched]] = True
    removed = np.flatnonzero(~is_kept)
    differs = matched[old[partner[matched]] != new[matched]]
    is_reordered = bool(np.any(np.diff(partner[matched]) < 0))
    changed = list(zip(partner[differs].tolist(), differs.tolist(), strict=True))
    return _Match(
        "key",
        name,
        added[:_SAMPLES].tolist(),
        removed[:_SAMPLES].tolist(),
        changed,
        added.size,
        removed.size,
        is_reordered,
    )


def _match_by_content(old: Hashes, new: Hashes) -> _Match:
    values, counts_old = np.unique(old, return_counts=True)
    others, counts_new = np.unique(new, return_counts=True)
    everything = np.union1d(values, others)
    balance = np.zeros(everything.size, np.int64)
    balance[np.searchsorted(everything, others)] += counts_new
    balance[np.searchsorted(everything, values)] -= counts_old
    added_count, removed_count = int(balance[balance > 0].sum()), int(-balance[balance < 0].sum())
    if old.size == new.size:
        differs = np.flatnonzero(old != new)
        if differs.size == added_count == removed_count:
            changed = [(at, at) for at in differs.tolist()]
            return _Match("position", None, (), (), changed, 0, 0, is_reordered=False)
    added = np.flatnonzero(np.isin(new, everything[balance > 0]))[:_SAMPLES]
    removed = np.flatnonzero(np.isin(old, everything[balance < 0]))[:_SAMPLES]
    is_reordered = not added_count and not removed_count and bool(np.any(old != new))
    return _Match(
        "content", None, added.tolist(), removed.tolist(), (), added_count, removed_count, is_reordered
    )


def _columns(old: Table, new: Table) -> dict[str, object]:
    before, after = old.types, new.types
    return {
        "added": [
            {"name": clip(name), "type": after.get(name)} for name in new.columns if name not in before
        ][:MAX_NAMED],
        "removed": [
            {"name": clip(name), "type": before.get(name)} for name in old.columns if name not in after
        ][:MAX_NAMED],
        "retyped": [
            {"name": clip(name), "old": kind, "new": after[name]}
            for name, kind in before.items()
            if name in after and after[name] != kind
        ][:MAX_NAMED],
        "reordered": [each for each in old.columns if each in after]
        != [each for each in new.columns if each in before],
    }


def _samples(
    old: Table, new: Table, match: _Match, common: Sequence[str], budget: Budget, meter: _Meter
) -> dict[str, object]:
    """Read the rows that are shown, and some of those that changed to count which columns did."""
    pairs = match.changed[:_MAX_CELLS_ROWS]
    old_columns, new_columns = list(old.columns), list(new.columns)
    before = _fetch(old, {*match.removed, *(pair[0] for pair in pairs)}, budget, meter)
    after = _fetch(new, {*match.added, *(pair[1] for pair in pairs)}, budget, meter)
    by_column: dict[str, int] = {}
    shown: list[dict[str, object]] = []
    looked_at = 0
    for first, second in pairs:
        if first not in before or second not in after:
            continue
        looked_at += 1
        left = dict(zip(old_columns, before[first], strict=False))
        right = dict(zip(new_columns, after[second], strict=False))
        names = [name for name in common if packed(left.get(name)) != packed(right.get(name))]
        for name in names:
            by_column[name] = by_column.get(name, 0) + 1
        if len(shown) < _SAMPLES:
            cells = [
                {"column": clip(name), "old": _cell(left.get(name)), "new": _cell(right.get(name))}
                for name in names[:_SHOWN_COLUMNS]
            ]
            key = {} if match.key is None else {"key": _cell(right.get(match.key))}
            shown.append({"row": second, "oldRow": first, **key, "cells": cells})
    ranked = sorted(by_column.items(), key=lambda item: (-item[1], item[0]))[:MAX_NAMED]
    return {
        "changedByColumn": [{"column": clip(name), "rows": count} for name, count in ranked],
        "changedByColumnOf": looked_at,
        "samples": {
            "added": [_row(at, new_columns, after[at]) for at in match.added if at in after],
            "removed": [_row(at, old_columns, before[at]) for at in match.removed if at in before],
            "changed": shown,
        },
    }


def _fetch(table: Table, wanted: Collection[int], budget: Budget, meter: _Meter) -> dict[int, Row]:
    found: dict[int, Row] = {}
    if not wanted:
        return found
    meter.refill()
    last = max(wanted)
    for at, row in enumerate(table.rows(list(table.columns))):
        if at in wanted:
            found[at] = _light(row)
        if at >= last or (at % _CHECK_EVERY == 0 and (budget.is_late or meter.is_empty)):
            break
    return found


def _light(row: Row) -> Row:
    """Return a row whose long values are cut, each still different from what it would be different from."""
    return [
        value if not isinstance(value, str | bytes | list | dict) or len(data := packed(value)) <= 2000
        else {"begins": data[:_MAX_CELL * 4].decode("utf-8", "replace"), "hash": hashlib.blake2b(data).hexdigest()}
        for value in row
    ]  # fmt: skip


def _row(at: int, columns: Sequence[str], row: Row) -> dict[str, object]:
    pairs = list(zip(columns, row, strict=False))[:_SHOWN_COLUMNS]
    return {"row": at, "values": {clip(name): _cell(value) for name, value in pairs}}


def _cell(value: object) -> object:
    if isinstance(value, dict) and set(value) == {"begins", "hash"}:
        return clip(str(value["begins"]), limit=_MAX_CELL)
    if value is None or isinstance(value, bool | int | float):
        return value if not isinstance(value, int) or abs(value) < 2**63 else str(value)
    if isinstance(value, str):
        return clip(value, limit=_MAX_CELL)
    return clip(packed(value).decode("utf-8", "replace"), limit=_MAX_CELL)


def _describe(table: Table, budget: Budget, meter: _Meter) -> dict[str, object]:
    """Return what a table without a counterpart is."""
    meter.refill()
    count, is_cut = 0, False
    first: list[Row] = []
    for row in table.rows(None):
        count += 1
        if count <= _SAMPLES:
            first.append(_light(row))
        if count % _CHECK_EVERY == 0 and (count >= MAX_ROWS or budget.is_late or meter.is_empty):
            is_cut = True
            break
    columns = list(table.columns)
    types = table.types
    at_least = "at least " if is_cut else ""
    return {
        "rows": count,
        "sampled": is_cut,
        "columns": [{"name": clip(name), "type": types.get(name)} for name in columns[:MAX_NAMED]],
        "samples": [_row(at, columns, row) for at, row in enumerate(first)],
        "summary": f"{at_least}{counted(count, 'row')}, {counted(len(columns), 'column')}",
    }


def _summary(said: Mapping[str, object]) -> str:
    rows, columns = said["rows"], said["columns"]
    assert isinstance(rows, dict)
    assert isinstance(columns, dict)
    lines = [f"{counted(rows[what], 'row')} {what}" for what in ("added", "removed", "changed") if rows[what]]
    lines += list(_column_lines(columns))
    if said["reordered"]:
        lines.append("rows in another order")
    if not lines:
        lines.append(f"no row changed ({counted(rows['new'], 'row')}, only how the file is written)")
    if said["sampled"]:
        lines.append(f"compared the first {max(rows['old'], rows['new']):,} rows")
    return "; ".join(lines)


def _column_lines(columns: Mapping[str, object]) -> Iterator[str]:
    for what in ("added", "removed"):
        found = columns[what]
        if isinstance(found, list) and found:
            names = ", ".join(f"'{clip(str(each['name']), limit=40)}'" for each in found[:3])
            more = ", …" if len(found) > 3 else ""
            yield f"{counted(len(found), 'column')} {what} ({names}{more})"
    retyped = columns["retyped"]
    if isinstance(retyped, list) and retyped:
        first = retyped[0]
        more = ", …" if len(retyped) > 1 else ""
        yield (
            f"{counted(len(retyped), 'column')} retyped "
            f"('{clip(str(first['name']), limit=40)}' {first['old']} → {first['new']}{more})"
        )


def compare_json_file(old: Side, new: Side, budget: Budget) -> dict[str, object]:
    """Compare JSON files of which only their content tells whether they are tables or settings."""
    documents = [settings.load_json(side) for side in (old, new)]
    given = [document for document, side in zip(documents, (old, new), strict=True) if side]
    if all(isinstance(each, list) and each and all(isinstance(row, dict) for row in each) for each in given):
        del documents, given
        return compare_rows("json", old, new, budget) | {"kind": "rows"}
    return settings.compare_documents(*documents)

"""The operation that compares two revisions of a split row by row, and writes what differs."""

from __future__ import annotations

from typing import Any

import orjson

from openhood.engines.tables import cells, duck
from openhood.engines.tables.features import features_list
from openhood.engines.tables.rowdiff import ROW, Change, Side, compare, rows_table
from openhood.engines.tables.task import Reply, Task


def diff_rows(task: Task) -> Reply:
    """Return a page of the rows that differ.

    Parameters: ``base_files``, how many of the sources are the old side's; of both sides ``starts``, ``totals``,
    ``features`` and ``links``; ``key``, ``offset``, ``length``. The body holds ``counts``, ``key``, ``features``,
    ``base_features`` and ``rows``, each with ``kind``, ``row_idx``, ``base_row_idx``, ``row``, ``base`` and the names
    of the columns that ``changed``.
    """
    params = task.params
    cut = int(params["base_files"])
    base, new = (
        Side(sources, starts, list(features))
        for sources, starts, features in zip(
            (task.sources[:cut], task.sources[cut:]), params["starts"], params["features"], strict=True
        )
    )
    duck.bring(task.sources)
    con = duck.connect(task)
    try:
        with duck.answering(task):
            found = compare(
                con, base, new, key=params["key"], offset=int(params["offset"]), length=int(params["length"])
            )
            shown = [
                _shown(
                    con,
                    side,
                    [row for row in rows if row is not None],
                    params["features"][at],
                    params["links"][at],
                )
                for at, (side, rows) in enumerate(
                    (
                        (base, [each.base_row for each in found.changes]),
                        (new, [each.row for each in found.changes]),
                    )
                )
            ]
    finally:
        con.close()
    old_total, new_total = params["totals"]
    unchanged = new_total - found.counts["added"] - found.counts["changed"]
    document = {
        "key": list(found.key),
        "counts": {**found.counts, "unchanged": unchanged},
        "num_rows": new_total,
        "base_num_rows": old_total,
        "features": features_list(params["features"][1] or params["features"][0]),
        "base_features": features_list(params["features"][0]),
        "rows": [_item(change, *shown) for change in found.changes],
        "num_rows_total": sum(found.counts.values()),
    }
    return Reply({"differs": bool(found.changes)}, orjson.dumps(document))


def _shown(
    con: Any, side: Side, rows: list[int], features: dict[str, Any], links: dict[str, Any]
) -> dict[int, dict[str, Any]]:
    """Return rows as the viewer writes them, by their numbers."""
    if not rows:
        return {}
    table = rows_table(con, side, rows)
    numbers = table.column(ROW).to_pylist()
    items = cells.render_rows(table.drop_columns([ROW]), features, numbers, links)
    return {int(item["row_idx"]): item["row"] for item in items}


def _item(change: Change, base: dict[int, dict[str, Any]], new: dict[int, dict[str, Any]]) -> dict[str, Any]:
    old_row = None if change.base_row is None else base.get(change.base_row)
    new_row = None if change.row is None else new.get(change.row)
    changed = []
    if old_row is not None and new_row is not None:
        changed = [name for name in {**new_row, **old_row} if old_row.get(name) != new_row.get(name)]
    return {
        "kind": change.kind,
        "row_idx": change.row,
        "base_row_idx": change.base_row,
        "row": new_row,
        "base": old_row,
        "changed": changed,
    }

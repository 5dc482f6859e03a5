"""The operations of full-text search: by reading the split, or by its index where there is one."""

from __future__ import annotations

from pathlib import Path

from openhood.base.errors import InvalidParameter
from openhood.engines.tables import cells, duck, fulltext, searching
from openhood.engines.tables.gathering import gather
from openhood.engines.tables.task import Reply, Task
from openhood.engines.tables.words import text_columns, words_of


def search(task: Task) -> Reply:
    """Return a page of the rows that hold any word of a question, best first, as ``/rows`` writes them.

    Parameters: ``query``, ``features``, ``counts`` (rows of each source), ``offset``, ``length``, ``links``,
    ``partial``; ``index``, the directory of the index or None, and its ``language``. The facts hold ``total``.
    """
    params = task.params
    words, columns = words_of(params["query"]), text_columns(params["features"])
    if not words:
        raise InvalidParameter("Parameter 'query' holds no word to look for.")
    offset, length = int(params["offset"]), int(params["length"])
    if not columns:
        rows: list[int] = []
        total = 0
    elif params.get("index"):
        rows, total = fulltext.search(
            Path(params["index"]), words, params["language"], offset=offset, length=length
        )
    else:
        duck.bring(task.sources, columns)
        rows, total = searching.scan(
            task, columns, words, starts=_starts(params["counts"]), offset=offset, length=length
        )
    table = gather(task, rows, counts=params["counts"])
    body = cells.page(
        table, params["features"], rows, params["links"], total=total, partial=bool(params["partial"])
    )
    return Reply({"total": total}, body)


def index_text(task: Task) -> Reply:
    """Make the index of a split in ``task.out``. Parameters: ``features``, ``counts``, ``language``."""
    columns = text_columns(task.params["features"])
    duck.bring(task.sources, columns)
    rows = fulltext.build(task, columns, task.params["language"], starts=_starts(task.params["counts"]))
    return Reply({"rows": rows})


def _starts(counts: list[int]) -> list[int]:
    starts, start = [], 0
    for count in counts:
        starts.append(start)
        start += count
    return starts

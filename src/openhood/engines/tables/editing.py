"""The operation that changes cells and rows of a split, file by file, in the format that each is kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from openhood.base.errors import InvalidParameter
from openhood.engines.tables import duck, edit_csv, edit_json, edit_parquet
from openhood.engines.tables.edits import FileEdits, share_out
from openhood.engines.tables.task import Reply, Source, Task

FORMATS = ("csv", "json", "parquet")
_ENCODING = "utf-8"


def edit(task: Task) -> Reply:
    """Write the files that change into ``task.out``, each under its number.

    Parameters: ``format``, ``options``, ``features``, ``changes`` (each with ``row_idx``, ``column``, ``value``),
    ``added`` and ``deleted``. The facts hold ``files``, the numbers of the files that were written.
    Raises: InvalidParameter for rows, columns and values that do not fit.
    """
    assert task.out is not None
    params = task.params
    form, options = str(params["format"]), params["options"]
    _check_options(form, options)
    for source in task.sources:
        source.need_all()
    counts = [_count(form, options, source) for source in task.sources]
    written = []
    for number, (source, edits) in enumerate(zip(task.sources, share_out(params, counts), strict=True)):
        task.check_time()
        if not edits.is_empty:
            _rewrite(form, options, source, task.out / str(number), edits, params["features"] or {})
            written.append(number)
    return Reply({"files": written, "rows": sum(counts)})


def _check_options(form: str, options: Mapping[str, Any]) -> None:
    known: Sequence[str] | frozenset[str] = {"csv": edit_csv.OPTIONS, "json": edit_json.OPTIONS}.get(
        form, frozenset()
    )
    others = sorted(set(options) - set(known)) if form != "parquet" else []
    if others:
        raise InvalidParameter(
            f"The card reads these files with '{others[0]}', which editing does not understand. Edit the file itself."
        )


def _count(form: str, options: Mapping[str, Any], source: Source) -> int:
    if form == "parquet":
        return int(duck.footer(source).num_rows)
    if form == "json":
        with source.open() as file:
            return edit_json.JsonFile(options).count(file)
    with open(source.path, encoding=_ENCODING, newline="") as text:
        return _csv(options, source).count(text)


def _rewrite(
    form: str,
    options: Mapping[str, Any],
    source: Source,
    target: Path,
    edits: FileEdits,
    features: Mapping[str, Any],
) -> None:
    if form == "parquet":
        edit_parquet.rewrite(source, target, edits, features)
    elif form == "json":
        with source.open() as file, target.open("wb") as made:
            edit_json.JsonFile(options).rewrite(file, made, edits)
    else:
        with (
            open(source.path, encoding=_ENCODING, newline="") as text,
            target.open("w", encoding=_ENCODING, newline="") as changed,
        ):
            _csv(options, source).rewrite(text, changed, edits)


def _csv(options: Mapping[str, Any], source: Source) -> edit_csv.CsvFile:
    return edit_csv.CsvFile(options, sep="\t" if source.name.lower().endswith(".tsv") else ",")

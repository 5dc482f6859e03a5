"""What the ends of files say without reading the rest: footers of Parquet files, names within zip files."""

from __future__ import annotations

import zipfile
from typing import Any

import orjson
import pyarrow as pa

from openhood.base.errors import TableUnreadable
from openhood.engines.tables.columns import ends_of
from openhood.engines.tables.features import features_of
from openhood.engines.tables.task import Reply, Source, Task

_MAX_NAMES = 100_000
_MAX_GROUPS = 1_000_000


def footers(task: Task) -> Reply:
    """Return what the footer of each file says, in their order, as JSON in the body.

    ``[{"rows", "features", "memory", "groups": [[rows, offset, bytes]], "page_index"}]``; of a file that is no Parquet
    file that can be read, ``{"error"}``.
    """
    said: list[dict[str, Any]] = []
    for source in task.sources:
        task.check_time()
        try:
            said.append(_footer(source))
        except TableUnreadable as error:
            said.append({"error": error.message})
    return Reply({}, orjson.dumps(said, option=orjson.OPT_NON_STR_KEYS))


def declared(task: Task) -> Reply:
    """Return the features of a Parquet file with what parameter ``declared`` says of its columns."""
    features = features_of(ends_of(task.sources[0]).schema, task.params["declared"])
    return Reply({"features": features})


def zip_names(task: Task) -> Reply:
    """Return the names of all files within zip files, as facts ``names``."""
    names: list[str] = []
    for source in task.sources:
        task.check_time()
        try:
            with source.open() as file, zipfile.ZipFile(file) as archive:
                names += archive.namelist()[: _MAX_NAMES - len(names)]
        except (zipfile.BadZipFile, ValueError, NotImplementedError, EOFError) as error:
            raise TableUnreadable(f"'{source.name}' is not a zip file that can be read: {error}") from error
    return Reply({"names": names})


def _footer(source: Source) -> dict[str, Any]:
    ends = ends_of(source)
    footer = ends.footer
    if footer.num_row_groups > _MAX_GROUPS:
        raise TableUnreadable(f"'{source.name}' has {footer.num_row_groups} row groups, too many to be read.")
    try:
        features = features_of(ends.schema)
    except (pa.ArrowException, ValueError, RecursionError) as error:
        raise TableUnreadable(f"The columns of '{source.name}' cannot be understood: {error}") from error
    groups = []
    memory = rows = 0
    has_index = footer.num_columns > 0 and footer.num_row_groups > 0
    for number in range(footer.num_row_groups):
        group = footer.row_group(number)
        if group.num_rows < 0 or group.num_columns != footer.num_columns:
            raise TableUnreadable(f"The footer of '{source.name}' says what cannot be.")
        start = 0
        if group.num_columns:
            chunk = group.column(0)
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            has_index = has_index and chunk.has_offset_index
        groups.append([group.num_rows, start, 0])
        rows += group.num_rows
        memory += max(0, group.total_byte_size)
    if rows != footer.num_rows:
        raise TableUnreadable(
            f"The footer of '{source.name}' says {footer.num_rows} rows, but its row groups have {rows}."
        )
    _measure(groups, end=source.size_bytes - footer.serialized_size)
    return {
        "rows": rows,
        "features": features,
        "memory": memory,
        "groups": groups,
        "page_index": has_index,
    }


def _measure(groups: list[list[int]], *, end: int) -> None:
    """Fill in the bytes of each group: up to the start of the next one that lies behind it."""
    stop = max(0, end)
    for group in reversed(groups):
        group[2] = max(0, stop - group[1])
        stop = group[1]

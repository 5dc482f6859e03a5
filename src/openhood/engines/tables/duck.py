"""DuckDB in a worker: bounded, cut off from everything but the files of its task, and interrupted when time is over.

Queries are written by this hub, or by strangers in the SQL console; either way the engine opens the sources of the
task and nothing else, loads no extension, and cannot be told otherwise.
"""

from __future__ import annotations

import heapq
import os
import threading
import time
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

import duckdb
import pyarrow.parquet as pq

from openhood.base.errors import TableTimeout, TableTooLarge, TableUnreadable
from openhood.engines.tables.task import Source, Task

_MEMORY_SHARE = 0.6
"""The engine counts what it plans to hold; decoders, Arrow and Python take the rest."""
_MEMORY_BYTES = 2 * 1024**3
"""Where the process is not limited."""
_MAX_THREADS = 4
_KEPT_DATABASES = 2
_KEPT_FOOTERS = 256
_ROW_NAMES = frozenset(("file_row_number", "file_index", "__row"))
_TAIL_BYTES = 64 * 1024
_FOOTER_END_BYTES = 8


def connect(task: Task, *, is_ours: bool = False) -> duckdb.DuckDBPyConnection:
    """Return a connection that reads the task's sources, interrupted when the task's time is over.

    ``is_ours`` says that only SQL of this hub will run: then the database (with the footers it knows) is kept for
    the next task on the same files. Run queries inside `answering`, and close the connection.
    """
    paths = tuple(source.path for source in task.sources)
    has_holes = any(not source.is_whole for source in task.sources)
    if not is_ours:
        connection = _open(paths, has_holes=has_holes, task=task)
        _WATCH.add(connection, task.left_s)
        return connection
    key = (paths, has_holes)
    database = _databases.pop(key, None)
    if database is None:
        database = _open(paths, has_holes=has_holes, task=None)
    _databases[key] = database
    while len(_databases) > _KEPT_DATABASES:
        _databases.popitem(last=False)[1].close()
    connection = database.cursor()
    _WATCH.add(connection, task.left_s)
    return connection


@contextmanager
def answering(task: Task) -> Iterator[None]:
    """Say what the engine refuses in words of the viewer: TableTimeout, TableTooLarge. Other errors pass."""
    try:
        yield
    except duckdb.InterruptException:
        raise TableTimeout(task.seconds) from None
    except duckdb.OutOfMemoryException:
        raise TableTooLarge(
            "This needs more memory than one question may take. Ask for less: fewer columns, a narrower condition, "
            "or no order."
        ) from None


def scan(sources: Sequence[Source], *, row: str | None = None, counts: Sequence[int] | None = None) -> str:
    """Return what to write after FROM to read these Parquet files, one after the other.

    ``row`` names a column to be added: the number of a row in all of them, from 0; ``counts`` are the rows of each
    file where they are known (else the footers are read). The engine may give rows in any order.
    """
    files = ", ".join(quote_text(source.path) for source in sources)
    table = f"read_parquet([{files}])"
    if row is None:
        return table
    if counts is None:
        counts = [footer(source).num_rows for source in sources]
    return f"(SELECT *, {row_number(counts)} AS {quote_name(row)} FROM {table})"


def row_number(counts: Sequence[int]) -> str:
    """Return the expression for a row's number in all files of a `scan`, given the rows of each."""
    if len(counts) == 1:
        return "file_row_number"
    starts, start = [], 0
    for count in counts:
        starts.append(str(start))
        start += count
    return f"(file_row_number + [{', '.join(starts)}][file_index::BIGINT + 1])"


def has_plain_names(names: Sequence[str]) -> bool:
    """Tell whether the engine keeps these names of columns, and its own column of row numbers beside them."""
    lowered = {name.lower() for name in names}
    return len(lowered) == len(names) and not lowered & _ROW_NAMES


def bring(sources: Sequence[Source], columns: Iterable[str] | None = None) -> None:
    """Have what a query on these top-level columns (None: all) reads of far-away files brought here, at once."""
    wanted = None if columns is None else set(columns)
    for source in sources:
        if not source.is_whole:
            source.need(chunk_ranges(footer(source), wanted))


def chunk_ranges(
    known: pq.FileMetaData, columns: set[str] | None, groups: Iterable[int] | None = None
) -> list[tuple[int, int]]:
    """Return offset and length of the column chunks (with their Bloom filters) of some columns and row groups."""
    ranges = []
    leaves: list[int] | None = None
    for number in range(known.num_row_groups) if groups is None else groups:
        group = known.row_group(number)
        if leaves is None:
            leaves = [
                at
                for at in range(group.num_columns)
                if columns is None or _top_of(known.schema.column(at).path) in columns
            ]
        for at in leaves:
            chunk = group.column(at)
            start = chunk.data_page_offset
            if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < start:
                start = chunk.dictionary_page_offset
            ranges.append((start, chunk.total_compressed_size))
            if chunk.bloom_filter_offset:
                ranges.append((chunk.bloom_filter_offset, chunk.bloom_filter_length or _TAIL_BYTES))
    return ranges


def footer(source: Source) -> pq.FileMetaData:
    """Return the footer of a Parquet file, kept by content. Raises TableUnreadable."""
    known = _footers.pop(source.key, None)
    if known is None:
        if not source.is_whole:
            tail = source.read(max(0, source.size_bytes - _TAIL_BYTES), _TAIL_BYTES)
            size = int.from_bytes(tail[-_FOOTER_END_BYTES:-4], "little") + _FOOTER_END_BYTES
            if size > len(tail):
                source.need([(max(0, source.size_bytes - size), size)])
        try:
            known = pq.read_metadata(source.path)
        except (OSError, ValueError) as error:
            raise TableUnreadable(f"{source.name} is not a Parquet file that can be read.") from error
    _footers[source.key] = known
    while len(_footers) > _KEPT_FOOTERS:
        _footers.popitem(last=False)
    return known


def quote_text(text: str) -> str:
    """Return a text as SQL writes it."""
    return "'" + text.replace("'", "''") + "'"


def quote_name(name: str) -> str:
    """Return a column's name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'


def memory_limit() -> int:
    """Return how many bytes the engine may hold in this process."""
    limit = _process_limit()
    return int((_MEMORY_BYTES if limit is None else limit) * _MEMORY_SHARE)


def _open(paths: Sequence[str], *, has_holes: bool, task: Task | None) -> duckdb.DuckDBPyConnection:
    out = None if task is None or task.out is None else str(task.out)
    connection = duckdb.connect(
        ":memory:",
        config={
            "memory_limit": f"{memory_limit() // 1024}KiB",
            "threads": str(min(_MAX_THREADS, os.cpu_count() or 1)),
            "autoload_known_extensions": "false",
            "autoinstall_known_extensions": "false",
            "allow_community_extensions": "false",
            "python_enable_replacements": "false",
            "temp_directory": "" if out is None else out,
            "enable_external_file_cache": "false",
        },
    )
    for setting in (
        f"parquet_metadata_cache = {task is None}",
        # A row group's greatest number says nothing of NaN, which sorts above it.
        "parquet_can_have_nan = true",
        # The index may lie anywhere in a file, also where there is a hole.
        f"parquet_use_page_index = {not has_holes}",
        f"allowed_paths = [{', '.join(map(quote_text, paths))}]",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute("SET " + setting)
    return connection


def _process_limit() -> int | None:
    with suppress(ImportError, OSError):
        import resource

        limit = resource.getrlimit(resource.RLIMIT_DATA)[0]
        return None if limit == resource.RLIM_INFINITY else limit
    return None


def _top_of(path: str) -> str:
    return path.split(".", 1)[0]


_Due = tuple[float, int, Callable[[], duckdb.DuckDBPyConnection | None]]


class _Watch:
    """One thread that interrupts connections when the time of their task is over; started when first needed."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._due: list[_Due] = []
        self._count = 0
        self._pid = 0

    def add(self, connection: duckdb.DuckDBPyConnection, seconds: float) -> None:
        with self._changed:
            if self._pid != os.getpid():  # a forked process has the list, but not the thread
                self._pid, self._due = os.getpid(), []
                threading.Thread(target=self._run, name="duck-watch", daemon=True).start()
            self._count += 1
            entry: _Due = (time.monotonic() + seconds, self._count, weakref.ref(connection))
            heapq.heappush(self._due, entry)
            self._changed.notify()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._due or self._due[0][0] > time.monotonic():
                    wait = self._due[0][0] - time.monotonic() if self._due else None
                    self._changed.wait(wait)
                connection = heapq.heappop(self._due)[2]()
            if connection is not None:
                with suppress(duckdb.Error):
                    connection.interrupt()
            del connection


_WATCH = _Watch()
_databases: OrderedDict[tuple[tuple[str, ...], bool], duckdb.DuckDBPyConnection] = OrderedDict()
_footers: OrderedDict[str, pq.FileMetaData] = OrderedDict()

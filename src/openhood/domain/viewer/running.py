"""Letting a worker read files of a dataset: where their bytes are, and what its refusals mean.

Workers see paths only: of files on the local disk, or of the sparse copies in which this process puts what they need.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from openhood.base import errors
from openhood.base.errors import (
    HubError,
    ObjectMissing,
    TableTimeout,
    TableUnreadable,
    ViewerError,
    ViewerNotReady,
)
from openhood.domain.repos import contents, gitdb
from openhood.domain.repos.contents import Content
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.viewer.types import DataFile, MadeFile
from openhood.engines.formats.safetensors import ReadRange
from openhood.infra.workers import Answer, Ranges, WorkerLost, WorkerRefused

_MOST_BESIDE = 4096
PAGE, QUERY, JOB = "page", "query", "job"
"""Lanes: a page of rows must not wait behind queries, nor these behind conversions."""


def run(
    sv: Services,
    repo: Repo,
    op: str,
    *,
    files: Sequence[DataFile | MadeFile] = (),
    params: Mapping[str, object],
    lane: str = PAGE,
    seconds: float | None = None,
    out: Path | None = None,
    made: Path | None = None,
    beside: Sequence[DataFile | MadeFile] = (),
) -> Answer:
    """Do an operation of `engines.tables.ops` on some files of one repository. Never inside a unit.

    ``out`` is a directory below `Blocks.root` for results that are files, ``made`` one that an earlier operation made
    and this one reads. ``beside`` are files that the next questions may be about: the worker may read them too, which
    saves making another. Raises: the ViewerError that the worker
    raised, TableTimeout, TableUnreadable, Unavailable, ObjectMissing, and what opening contents raises.
    """
    return run_across(
        sv,
        [(repo, files)],
        op,
        params=params,
        lane=lane,
        seconds=seconds,
        out=out,
        made=made,
        beside=lambda: _paths_here(sv, repo, beside),
    )


def run_across(
    sv: Services,
    groups: Sequence[tuple[Repo, Sequence[DataFile | MadeFile]]],
    op: str,
    *,
    params: Mapping[str, object],
    lane: str = PAGE,
    seconds: float | None = None,
    out: Path | None = None,
    made: Path | None = None,
    beside: Callable[[], Sequence[str]] = tuple,
) -> Answer:
    """Do an operation on files of several repositories, one group after the other. See `run`.

    A worker serves one set of repositories only, so that nothing gets from one to another that no viewer asked for.
    """
    limit = _limit(sv, lane) if seconds is None else seconds
    with ExitStack() as stack:
        places = [place for repo, files in groups for place in stack.enter_context(opened(sv, repo, files))]
        request = {
            "op": op,
            "params": params,
            "out": None if out is None else str(out),
            "sources": [place.said for place in places],
        }

        def need(number: int, ranges: Ranges) -> None:
            places[number].bring(ranges)

        key = tuple(sorted({repo.id for repo, _files in groups}))
        try:
            return sv.tables.run(
                key,
                request,
                reads=[str(place.path) for place in places] + ([] if made is None else [str(made)]),
                writes=None if out is None else str(out),
                beside=beside,
                need=need,
                lane=lane,
                seconds=limit,
            )
        except WorkerRefused as refused:
            _check_still_there(groups)
            raise _as_said(refused) from None
        except WorkerLost as lost:
            if lost.is_late:
                raise TableTimeout(limit) from None
            raise TableUnreadable(
                "Reading this ended the process that did it: the data is broken, or needs more memory than the "
                f"{sv.settings.viewer.memory_bytes // 2**20} MiB that one may take on this hub."
            ) from None


def _check_still_there(groups: Sequence[tuple[Repo, Sequence[DataFile | MadeFile]]]) -> None:
    """Raise ViewerNotReady where a file that was made is elsewhere by now: it was a part of what is whole at last, or
    the cache needed its room.
    """
    made = (file for _repo, files in groups for file in files if isinstance(file, MadeFile))
    if not all(os.path.exists(file.path) for file in made):
        raise ViewerNotReady("What this was read from has just been replaced. Ask again in a moment.")


class Place:
    """Where the bytes of one file are, on this machine or for the asking."""

    def __init__(
        self, sv: Services, file: DataFile | MadeFile, path: Path, reader: Callable[[], ReadRange] | None
    ) -> None:
        self._sv = sv
        self._file = file
        self.path = path
        self._reader = reader
        self._read: ReadRange | None = None

    @property
    def said(self) -> dict[str, object]:
        """What the worker is told."""
        file = self._file
        return {
            "name": file.path,
            "key": file.key,
            "size": file.size_bytes,
            "path": str(self.path),
            "whole": self._reader is None,
        }

    @property
    def is_here(self) -> bool:
        """Whether the whole file is on this machine."""
        return self._reader is None

    def bring_end(self, length: int) -> None:
        """Have the last bytes on the local disk, where footers are."""
        start = max(0, self._file.size_bytes - length)
        self.bring([(start, self._file.size_bytes - start)])

    def bring(self, ranges: Ranges) -> None:
        """Have some ranges on the local disk."""
        if self._reader is None:
            return
        if self._read is None:
            self._read = self._reader()
        self._sv.blocks.bring(self._file.key, ranges, self._read, size_bytes=self._file.size_bytes)


@contextmanager
def opened(sv: Services, repo: Repo, files: Sequence[DataFile | MadeFile]) -> Iterator[list[Place]]:
    """Give the places of files of a repository, good until the block ends. Opens a read unit.

    Raises: ObjectMissing where the content of a file was deleted, MissingGitObject, GitFailed.
    """
    if not files:
        yield []
        return
    objects = gitdb.open_objects(sv, repo)
    oids = {file.oid for file in files if isinstance(file, DataFile)}
    found = contents.find_contents(sv, repo, objects, oids)
    with ExitStack() as stack:

        def reader(content: Content) -> Callable[[], ReadRange]:
            return lambda: stack.enter_context(contents.opened(sv, repo, objects, content))

        places = []
        for file in files:
            if isinstance(file, MadeFile):
                places.append(Place(sv, file, Path(file.path), None))
                continue
            content = found.get(file.oid)
            if content is None:
                raise ObjectMissing(file.path)
            path = _local_path(sv, content)
            if path is not None:
                places.append(Place(sv, file, path, None))
            else:
                copy = sv.blocks.open(file.key, size_bytes=file.size_bytes)
                places.append(Place(sv, file, copy, reader(content)))
        yield places


def _paths_here(sv: Services, repo: Repo, files: Sequence[DataFile | MadeFile]) -> list[str]:
    """Return where the contents lie that are on this machine as a whole, of the first few thousand files."""
    few = files[:_MOST_BESIDE]
    oids = {file.oid for file in few if isinstance(file, DataFile)}
    found = contents.find_contents(sv, repo, gitdb.open_objects(sv, repo), oids) if oids else {}
    paths = [_local_path(sv, content) for content in found.values()]
    return [str(path) for path in paths if path is not None] + [
        file.path for file in few if isinstance(file, MadeFile)
    ]


def _local_path(sv: Services, content: Content) -> Path | None:
    """Return the file on this machine that holds all of a content, where there is one."""
    if content.stored is None:
        return None
    if content.stored.key is not None:
        path = sv.objects.local_path(content.stored.key)
        if path is not None:
            return path
    return sv.decoded.find(content.name, size_bytes=content.size_bytes)


def _limit(sv: Services, lane: str) -> float:
    limits = sv.settings.viewer
    return {PAGE: limits.page_timeout_s, QUERY: limits.query_timeout_s, JOB: limits.job_timeout_s}[lane]


def _as_said(refused: WorkerRefused) -> HubError:
    """Return the error that the worker raised, as one of this process."""
    found = getattr(errors, refused.kind, None)
    # A process that a file took over may say anything: nothing but what the viewer says of files is believed.
    kind = found if isinstance(found, type) and issubclass(found, ViewerError) else TableUnreadable
    error = kind.__new__(kind)
    HubError.__init__(error, refused.message)
    return error

"""Letting a process of its own compare files: it asks for their bytes, and is killed when its time is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import TracebackType

import orjson

from openhood.base.errors import Unavailable
from openhood.domain.repos import contents, gitdb
from openhood.domain.repos.contents import Content
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines.diffs import process
from openhood.engines.diffs.process import DONE, PLACE, READ, WINDOW_BYTES, Task
from openhood.engines.formats.safetensors import ReadRange
from openhood.infra.helpers import Helper

_SOFT_SHARE = 0.6
"""Past this share of its time a comparison goes on with small samples only."""
_START_S = 60.0


@dataclass(frozen=True, slots=True)
class Opened:
    """A file to be compared: its path for people, and its content."""

    path: str
    content: Content


@dataclass(frozen=True, slots=True)
class Outcome:
    """A comparison, or why there is none."""

    result: Mapping[str, object] | None
    error: str | None = None


class _Readers:
    """The files of both sides, each opened when it is first read."""

    def __init__(self, sv: Services, repo: Repo, sides: Sequence[Sequence[Opened]], stack: ExitStack) -> None:
        self._sv = sv
        self._repo = repo
        self._sides = sides
        self._stack = stack
        self._objects = gitdb.open_objects(sv, repo)
        self._known: dict[tuple[int, int], ReadRange] = {}

    def read(self, side: int, at: int, start: int, length: int) -> bytes:
        reader = self._known.get((side, at))
        if reader is None:
            content = self._sides[side][at].content
            reader = self._stack.enter_context(contents.opened(self._sv, self._repo, self._objects, content))
            self._known[side, at] = reader
        return reader(start, length)


class Comparer:
    """Compares files of one repository, one after the other, in one process as long as that lives.

    Of another repository's files another process must do it, so that nothing gets from one to the other.
    """

    def __init__(self, sv: Services, repo: Repo) -> None:
        self._sv = sv
        self._repo = repo
        self._helper: Helper | None = None

    def __enter__(self) -> Comparer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def compare(self, format_name: str, *, old: Sequence[Opened], new: Sequence[Opened]) -> Outcome:
        """Compare files. Never inside a unit.

        Raises what reading raises: ObjectMissing, CorruptObject, Unavailable, MissingGitObject, GitFailed.
        """
        limits = self._sv.settings.reviews
        seconds = limits.timeout_s * _SOFT_SHARE
        task = Task(format_name, _sizes(old), _sizes(new), limits.read_bytes, seconds, limits.memory_bytes)
        helper = self._start()
        with _killed_after(helper, limits.timeout_s) as is_late, ExitStack() as stack:
            try:
                outcome = _converse(helper, task, _Readers(self._sv, self._repo, (old, new), stack))
            except BaseException:
                self._end()
                raise
        if outcome is None:
            self._end()
            why = (
                f"took more than the {limits.timeout_s:g} seconds"
                if is_late.is_set()
                else f"needed more than the {limits.memory_bytes // 2**20} MiB of memory"
            )
            return Outcome(None, f"The comparison {why} that one may take on this hub.")
        return outcome

    def _start(self) -> Helper:
        if self._helper is None:
            try:
                self._helper = Helper(process.__name__, WINDOW_BYTES)
            except OSError as error:
                raise Unavailable("The process that compares files could not be started.") from error
            with _killed_after(self._helper, _START_S):
                is_ready = self._helper.finish() is not None
            if not is_ready:
                self._end()
                raise Unavailable("The process that compares files did not start.")
        return self._helper

    def _end(self) -> None:
        if self._helper is not None:
            self._helper.end()
            self._helper = None


@contextmanager
def _killed_after(helper: Helper, seconds: float) -> Iterator[threading.Event]:
    """Kill a process unless the block ends in time; gives an event that tells whether that was done."""
    is_late = threading.Event()

    def kill() -> None:
        is_late.set()
        helper.kill()

    timer = threading.Timer(seconds, kill)
    timer.daemon = True
    timer.start()
    try:
        yield is_late
    finally:
        timer.cancel()


def _converse(helper: Helper, task: Task, readers: _Readers) -> Outcome | None:
    """Give a process its task and the bytes that it asks for; None where it is gone before it is done."""
    request = task.packed()
    while True:
        answer = helper.finish() if helper.begin(request) else None
        if not answer:
            return None
        if answer[:1] == READ:
            side, at, start, length = PLACE.unpack(answer[1:])
            data = readers.read(side, at, start, length)
            helper.memory[: len(data)] = data
            request = b""
        elif answer[:1] == DONE:
            return Outcome(orjson.loads(answer[1:]))
        else:
            return Outcome(None, answer[1:].decode("utf-8", "replace"))


def _sizes(side: Sequence[Opened]) -> list[tuple[str, int]]:
    return [(each.path, each.content.size_bytes) for each in side]

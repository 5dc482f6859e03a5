"""Worker threads for the blocking half of requests: few while work is short, many while it waits.

A general pool wakes the event loop once per job and lets all its threads compete for the interpreter; for
the sub-millisecond work behind most requests that costs more than the work. Here two threads do everything
until both are stuck, and one wake-up hands over all that finished.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")

FEW = 2
GROW_AFTER_S = 0.002
_STOP_WAIT_S = 5.0


class _Job:
    """One piece of work; ``result`` and ``error`` are set by the thread, ``future`` by the event loop only."""

    __slots__ = ("after", "error", "future", "is_running", "result", "work")

    def __init__(
        self, work: Callable[[], Any], future: asyncio.Future[Any]
    ) -> None:  # Any: what work returns
        self.work = work
        self.future = future
        self.is_running = False
        self.result: Any = None
        self.error: BaseException | None = None
        self.after: asyncio.Future[None] | None = None


class Threads:
    """At most ``most`` daemon threads that work for one event loop; used from that loop only."""

    def __init__(self, most: int) -> None:
        self._most = max(FEW, most)
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._finished: deque[_Job] = deque()
        self._lock = threading.Lock()
        self._threads: set[threading.Thread] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_waking = False
        self._is_watching = False
        self._is_closed = False
        self._last_taken_s = 0.0

    @property
    def count(self) -> int:
        """How many threads there are now."""
        return len(self._threads)

    async def run(self, work: Callable[[], T]) -> T:
        """Run ``work`` in a thread and return what it returns, or raise what it raises.

        Cancelled while ``work`` runs, this ends only when ``work`` does: whoever cancelled will clean up what
        the thread still uses.
        """
        loop = self._loop
        if loop is None:
            loop = self._loop = asyncio.get_running_loop()
        if self._is_closed:
            raise RuntimeError("The hub is stopping.")
        job = _Job(work, loop.create_future())
        if len(self._threads) < FEW:
            self._start(1)
        self._jobs.put(job)
        if not self._is_watching:
            self._is_watching = True
            loop.call_later(GROW_AFTER_S, self._watch)
        try:
            result: T = await job.future
        except asyncio.CancelledError:
            if job.is_running:
                job.after = loop.create_future()
                await job.after
            raise
        return result

    def close(self) -> None:
        """Let the threads end once nothing waits, and give them a moment. No work is taken any more."""
        self._is_closed = True
        with self._lock:
            threads = list(self._threads)
        for _ in threads:
            self._jobs.put(None)
        deadline_s = time.monotonic() + _STOP_WAIT_S
        for thread in threads:
            thread.join(max(0.0, deadline_s - time.monotonic()))

    def _start(self, count: int) -> None:
        for _ in range(count):
            thread = threading.Thread(target=self._work, name="request", daemon=True)
            with self._lock:
                self._threads.add(thread)
            thread.start()

    def _watch(self) -> None:
        """Add threads while jobs wait and none was taken lately: all threads are stuck in something slow."""
        waiting = self._jobs.qsize()
        if not waiting or self._is_closed or self._loop is None:
            self._is_watching = False
            return
        if time.monotonic() - self._last_taken_s >= GROW_AFTER_S:
            here = len(self._threads)
            self._start(min(waiting, here, self._most - here))
        self._loop.call_later(GROW_AFTER_S, self._watch)

    def _work(self) -> None:
        me = threading.current_thread()
        while (job := self._jobs.get()) is not None:
            self._last_taken_s = time.monotonic()
            self._do(job)
            del job  # what the work held must not live until the next job comes
            if len(self._threads) > FEW and self._may_leave(me):
                return
        with self._lock:
            self._threads.discard(me)

    def _may_leave(self, me: threading.Thread) -> bool:
        with self._lock:
            if len(self._threads) <= FEW or not self._jobs.empty():
                return False
            self._threads.discard(me)
            return True

    def _do(self, job: _Job) -> None:
        job.is_running = True
        # Read after the line above: either this sees the cancellation, or the canceller sees the line.
        if not job.future.cancelled():
            try:
                job.result = job.work()
            except StopIteration as error:  # a future refuses it
                job.error = RuntimeError("Work in a thread raised StopIteration.")
                job.error.__cause__ = error
            except BaseException as error:  # raised again where the work is awaited
                job.error = error
        self._finished.append(job)
        if not self._is_waking:
            self._is_waking = True
            self._wake()

    def _wake(self) -> None:
        try:
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._hand_over)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    def _hand_over(self) -> None:
        # Before the loop: a job that finishes from here on wakes us again.
        self._is_waking = False
        while self._finished:
            job = self._finished.popleft()
            if job.after is not None and not job.after.done():
                job.after.set_result(None)
            if job.future.done():
                continue
            if job.error is not None:
                job.future.set_exception(job.error)
            else:
                job.future.set_result(job.result)

"""The worker threads of requests: results, failures, growth while work is stuck, cancellation, the end."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from openhood.http.threads import FEW, Threads


def on_loop(most: int, story: Callable[[Threads], Awaitable[None]]) -> None:
    """Run a story with threads of its own, and end them."""

    async def run() -> None:
        threads = Threads(most)
        try:
            await story(threads)
        finally:
            threads.close()
        assert threads.count == 0

    asyncio.run(run())


def test_results_and_failures_come_back() -> None:
    async def story(threads: Threads) -> None:
        assert await threads.run(lambda: 41 + 1) == 42
        with pytest.raises(KeyError):
            await threads.run(lambda: {}["no"])
        with pytest.raises(RuntimeError):
            await threads.run(lambda: next(iter(())))
        numbers = await asyncio.gather(*(threads.run(lambda n=n: n * 2) for n in range(500)))
        assert numbers == [n * 2 for n in range(500)]
        assert await threads.run(threading.current_thread) is not threading.current_thread()

    on_loop(40, story)


def test_short_work_stays_on_few_threads() -> None:
    async def story(threads: Threads) -> None:
        for _ in range(20):
            await asyncio.gather(*(threads.run(lambda: None) for _ in range(50)))
        assert threads.count <= FEW

    on_loop(40, story)


def test_stuck_work_gets_more_threads_and_gives_them_back() -> None:
    async def story(threads: Threads) -> None:
        together = threading.Barrier(20, timeout=20)  # passes only if twenty threads stand at it at once
        await asyncio.gather(*(threads.run(together.wait) for _ in range(20)))
        for _ in range(200):
            await threads.run(lambda: None)
            if threads.count <= FEW:
                break
            await asyncio.sleep(0.01)
        assert threads.count <= FEW

    on_loop(40, story)


def test_there_are_never_more_than_the_most() -> None:
    async def story(threads: Threads) -> None:
        running = 0
        peak = 0
        lock = threading.Lock()

        def work() -> None:
            nonlocal running, peak
            with lock:
                running += 1
                peak = max(peak, running)
            time.sleep(0.02)
            with lock:
                running -= 1

        await asyncio.gather(*(threads.run(work) for _ in range(40)))
        assert 2 < peak <= 5

    on_loop(5, story)


def test_quick_work_is_not_held_up_by_slow_work() -> None:
    async def story(threads: Threads) -> None:
        free = threading.Event()
        slow = [asyncio.ensure_future(threads.run(lambda: free.wait(20))) for _ in range(10)]
        await asyncio.sleep(0)
        started = time.perf_counter()
        assert await threads.run(lambda: "quick") == "quick"
        assert time.perf_counter() - started < 5
        free.set()
        assert all(await asyncio.gather(*slow))

    on_loop(40, story)


def test_cancelling_waits_for_running_work_and_drops_waiting_work() -> None:
    async def story(threads: Threads) -> None:
        inside, free = threading.Event(), threading.Event()
        done: list[str] = []

        def work() -> None:
            inside.set()
            free.wait(20)
            done.append("running")

        running = asyncio.ensure_future(threads.run(work))
        blocked = asyncio.ensure_future(threads.run(lambda: free.wait(20)))
        waiting = asyncio.ensure_future(threads.run(lambda: done.append("waiting")))
        while not inside.is_set():
            await asyncio.sleep(0.001)
        waiting.cancel()
        running.cancel()
        await asyncio.sleep(0.01)
        assert not running.done()
        free.set()
        with pytest.raises(asyncio.CancelledError):
            await running
        with pytest.raises(asyncio.CancelledError):
            await waiting
        assert await blocked
        assert done == ["running"]

    on_loop(2, story)


def test_after_the_end_nothing_is_taken() -> None:
    async def story(threads: Threads) -> None:
        await threads.run(lambda: None)
        threads.close()
        with pytest.raises(RuntimeError):
            await threads.run(lambda: None)

    on_loop(2, story)

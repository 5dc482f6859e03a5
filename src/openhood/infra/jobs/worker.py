"""Threads that run jobs until told to stop; any number of processes may do so at once."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Mapping

import structlog

from openhood.base.clock import Clock
from openhood.base.telemetry import JOBS
from openhood.infra.db.engine import Database
from openhood.infra.jobs import queue

Handler = Callable[[Mapping[str, object]], None]

LEASE_S = 1800.0
IDLE_S = 1.0


class Worker:
    """Runs the handlers of a table of job kinds in ``threads`` threads; jobs of other kinds are left to others.

    Handlers are idempotent: a job may run twice when its worker dies. ``lease_s`` is how long a dead worker's
    job waits for another.
    """

    def __init__(
        self,
        db: Database,
        clock: Clock,
        handlers: Mapping[str, Handler],
        *,
        threads: int,
        lease_s: float = LEASE_S,
    ) -> None:
        self._db = db
        self._clock = clock
        self._handlers = handlers
        self._lease_s = lease_s
        self._stopping = threading.Event()
        self._running: dict[int, queue.Job] = {}
        self._threads = [
            threading.Thread(target=self._run, name=f"jobs-{number}", daemon=True)
            for number in range(threads)
        ]
        if threads:
            self._threads.append(threading.Thread(target=self._renew, name="jobs-leases", daemon=True))

    def start(self) -> None:
        """Start the threads."""
        for thread in self._threads:
            thread.start()

    def ask_to_stop(self) -> None:
        """Ask the threads to end after their present job, and do not wait for them."""
        self._stopping.set()

    def stop(self, *, wait_s: float = 10.0) -> None:
        """Ask the threads to end after their present job, and wait for them at most ``wait_s`` each."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(wait_s)

    def run_due(self) -> int:
        """Run everything due now in this thread; returns how many jobs ran. For tests and the CLI."""
        done = 0
        while self._run_one():
            done += 1
        return done

    def _run(self) -> None:
        log = structlog.get_logger("jobs")
        while not self._stopping.is_set():
            try:
                ran = self._run_one()
            except Exception as error:  # the database may be away: the thread must survive it
                log.warning("jobs.unavailable", error=str(error))
                ran = False
            if not ran:
                self._stopping.wait(IDLE_S)

    def _renew(self) -> None:
        """Keep the jobs that are running from being taken for those of a dead worker: some run for hours."""
        while not self._stopping.wait(self._lease_s / 3):
            running = list(self._running.values())
            if not running:
                continue
            try:
                with self._db.write() as tx:
                    queue.renew(tx, running, now=self._clock.now(), lease_s=self._lease_s)
            except Exception as error:  # as above; two more turns come before the leases end
                structlog.get_logger("jobs").warning("jobs.unavailable", error=str(error))

    def _run_one(self) -> bool:
        now = self._clock.now()
        with self._db.read() as tx:
            if not queue.has_due(tx, now=now, kinds=self._handlers.keys()):
                return False
        with self._db.write() as tx:
            job = queue.claim(tx, now=now, lease_s=self._lease_s, kinds=self._handlers.keys())
        if job is None:
            return False
        self._running[job.id] = job
        try:
            self._handlers[job.kind](job.payload)
        except Exception as error:  # whatever a handler raises is kept with the job and tried again
            JOBS.labels(job.kind, "failed").inc()
            structlog.get_logger("jobs").error(
                "job.failed", kind=job.kind, attempts=job.attempts, exc_info=error
            )
            with self._db.write() as tx:
                queue.retry_later(tx, job, now=self._clock.now(), error=traceback.format_exc())
        else:
            JOBS.labels(job.kind, "done").inc()
            with self._db.write() as tx:
                queue.finish(tx, job)
        finally:
            del self._running[job.id]
        return True

"""Killing a hub again and again while all kinds of clients work on it, and looking what became of their changes."""

from __future__ import annotations

import random
import re
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from crash.site import Site
from crash.workers import Committer, Creator, Mover, Pusher, RefMaker, Sharer, Uploader, Worker, list_all
from crash.xetworkers import XetUploader
from openhood.testing.processes import Program, Supervised, clean_environment

Kinds = Sequence[tuple[type[Worker], int]]

KINDS: Kinds = (
    (Committer, 1),
    (Sharer, 2),
    (Uploader, 2),
    (Pusher, 1),
    (Mover, 1),
    (RefMaker, 1),
    (Creator, 1),
    (XetUploader, 1),
)

CHUNK_KINDS: Kinds = ((XetUploader, 4), (Uploader, 2))
"""Those whose bytes become chunks."""

IN_A_HURRY = {
    "OPENHOOD_XET_LEASE_S": "1",
    "OPENHOOD_XET_CONDEMNED_GRACE_S": "0.3",
    "OPENHOOD_XET_WHOLE_COPY_GRACE_S": "0.5",
}
"""Settings with which chunks that no file needs are gone within seconds."""

COLLECTOR_LOG = "collector.log"


def kill_again_and_again(
    directory: Path,
    *,
    seed: int,
    kills: int,
    longest_s: float,
    env: Mapping[str, str] | None = None,
    kinds: Kinds = KINDS,
    beside: Sequence[str] = (),
) -> Site:
    """Let the workers work, kill the hub ``kills`` times at random moments, and check after each.

    Args: ``env`` are settings of the hub besides those of `site`: another database, another store; ``beside``
    are what processes of `collector` do meanwhile, which are killed with the hub.
    Returns the site, running, with everything checked a last time by git and by the command line.
    """
    rng = random.Random(seed)
    site = Site(directory, env=env)
    workers = make_workers(site, seed, kinds)
    try:
        for worker in workers:
            worker.start()
        for number in range(kills):
            with working(site, beside):
                _work(workers, rng.uniform(0.05, longest_s))
                busy = [worker.doing for worker in workers if worker.doing]
                site.kill()
            site.check_stopped()
            if rng.random() < 0.4:
                site.drop_cache()
            site.start()
            with working(site, beside):
                _check(workers)
            print(f"kill {number + 1}: during {', '.join(sorted(busy))}")
        with working(site, beside):
            _work(workers, 0.5)
            _check(workers)
        _check_with_git(site, workers, directory / "clones")
        site.check_by_command()
        _check_swept(site, workers)
    finally:
        for worker in workers:
            worker.end()
        print("acknowledged:", dict(site.acknowledged), "interrupted:", dict(site.interrupted))
        site.server.stop()
    return site


@contextmanager
def working(site: Site, beside: Sequence[str]) -> Iterator[None]:
    """Run processes of `collector` beside the hub, and end them with ``kill -9``."""
    environment = {**clean_environment(), **site.env, "PYTHONPATH": str(Path(__file__).parents[1])}
    log = site.data_dir / COLLECTOR_LOG
    start = [sys.executable, "-m", "crash.collector", str(site.data_dir)]
    programs = [Program([*start, what], site.data_dir, log, environment, signal.SIGKILL) for what in beside]
    running = Supervised(programs) if programs else None
    try:
        yield
    finally:
        if running is not None:
            running.stop()
            text = log.read_text() if log.exists() else ""
            assert "Traceback" not in text, text[-3000:]


def count_deleted(site: Site) -> int:
    """Return how many xorbs the processes beside the hub have deleted."""
    text = (site.data_dir / COLLECTOR_LOG).read_text()
    return sum(int(each) for each in re.findall(r"^deleted (\d+) xorbs$", text, re.MULTILINE))


def make_workers(site: Site, seed: int, kinds: Kinds = KINDS) -> list[Worker]:
    """Return one or two workers of every kind, not yet started."""
    site.request("POST", "/api/repos/create", json={"name": "shared", "organization": "alice"})
    return [
        kind(site, f"{kind.__name__.lower()}{number}", seed)
        for kind, count in kinds
        for number in range(count)
    ]


def _work(workers: Sequence[Worker], seconds: float) -> None:
    for worker in workers:
        worker.resume()
    time.sleep(seconds)


def _check(workers: Sequence[Worker]) -> None:
    """Let every worker finish what was interrupted, and compare all books with the hub."""
    for worker in workers:
        worker.park()
    for worker in workers:
        worker.check()


def _check_with_git(site: Site, workers: Sequence[Worker], directory: Path) -> None:
    listed = list_all(site, "/api/models?limit=100")
    assert len(listed) > len(workers) / 2
    for repo in listed:
        clone = directory / repo["id"]
        site.git("clone", "--quiet", "--mirror", f"{site.git_url}/{repo['id']}", str(clone))
        ran = site.git.run("fsck", "--full", "--strict", cwd=clone)
        assert (ran.code, ran.text.strip()) in (
            (0, ""),
            (0, "notice: HEAD points to an unborn branch (main)"),
        )
    sharers = [worker for worker in workers if isinstance(worker, Sharer)]
    if sharers:
        Sharer.check_all(site, sharers, directory / Sharer.repo)


def _check_swept(site: Site, workers: Sequence[Worker]) -> None:
    """What no row names may go at any time: nothing acknowledged is among it."""
    site.kill()
    swept = site.sweep_stopped()
    site.drop_cache()
    site.check_stopped()
    site.start()
    for worker in workers:
        worker.check_anew()
    print(f"swept {swept} objects that no row named")

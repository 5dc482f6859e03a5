"""The composition root: settings in, a running hub's parts out. The only file naming concrete classes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import partial
from importlib.metadata import entry_points
from urllib.parse import urlsplit

from starlette.types import ASGIApp

from openhood.base.clock import Clock, SystemClock
from openhood.base.ports import Mailer, ObjectStore
from openhood.base.settings import GB, Settings, SettingsError, ensure_secret_key
from openhood.domain import jobs
from openhood.domain.accounts.oauth import ensure_builtin_clients
from openhood.domain.accounts.tokens import flush_uses
from openhood.domain.discovery import downloads
from openhood.domain.services import Services
from openhood.domain.webhooks import delivering
from openhood.engines.git.handles import ObjectDbs
from openhood.http import asgi
from openhood.infra.blocks import Blocks
from openhood.infra.cache import FactCache
from openhood.infra.db.engine import Database
from openhood.infra.db.migrate import upgrade
from openhood.infra.decoded import DecodedCache
from openhood.infra.guarded_store import GuardedStore
from openhood.infra.jobs.ticker import Tick, Ticker
from openhood.infra.jobs.worker import Worker
from openhood.infra.packcache import PackCache
from openhood.infra.workers import Lane, Workers

FACT_CACHE_BYTES = 48 * 1024 * 1024
XORB_INDEX_CACHE_BYTES = 64 * 1024 * 1024
"""About 1,500 xorbs, or 100 GB of files."""
TABLE_PROCESS = "openhood.engines.tables.process"
"""By name: this process must not load what is for its children only."""


@dataclass(frozen=True, slots=True)
class Hub:
    """An opened hub: its services, its workers of jobs, by lane, and its ASGI application."""

    sv: Services
    workers: tuple[Worker, ...]
    asgi: ASGIApp

    def close(self) -> None:
        """Give back every connection. The ASGI lifespan does not: the CLI uses hubs without a server."""
        self.sv.tables.close()
        self.sv.blocks.close()
        self.sv.objects.close()
        if self.sv.mailer is not None:
            self.sv.mailer.close()
        self.sv.db.close()


def open_services(settings: Settings, *, clock: Clock | None = None, migrate: bool = True) -> Services:
    """Open the database (migrated unless told otherwise), the object store and the caches.

    Raises: SettingsError for URLs no plug-in handles; Unavailable if a part does not answer.
    """
    # Nobody else's business: the database holds password hashes and private repositories.
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    settings = ensure_secret_key(settings)
    db = Database(
        settings.effective_database_url,
        pool_size=settings.threads + settings.workers + len(jobs.LANES) * settings.webhooks.threads,
    )
    if migrate:
        upgrade(db)
    store = GuardedStore(open_store(settings.effective_objects_url))
    return Services(
        settings=settings,
        clock=clock or SystemClock(),
        db=db,
        objects=store,
        packs=PackCache(settings.cache_dir / "git", store),
        object_dbs=ObjectDbs(),
        facts=FactCache(FACT_CACHE_BYTES),
        xorb_indexes=FactCache(XORB_INDEX_CACHE_BYTES),
        decoded=DecodedCache(settings.cache_dir / "decoded", settings.xet.decoded_cache_bytes),
        blocks=(blocks := Blocks(settings.cache_dir / "tables", settings.viewer.cache_bytes)),
        tables=_make_tables(settings, blocks),
        mailer=open_mailer(settings),
    )


def _make_tables(settings: Settings, blocks: Blocks) -> Workers:
    """Return the processes that read datasets; none is started before one is wanted."""
    processors = os.cpu_count() or 1
    config = {
        "memory_bytes": settings.viewer.memory_bytes,
        "file_bytes": max(settings.viewer.cache_bytes, GB),
    }
    lanes = (Lane("page", 2 * processors), Lane("query", processors), Lane("job", max(1, processors // 2)))
    return Workers(
        TABLE_PROCESS, lanes=lanes, most=settings.viewer.processes, config=config, directory=blocks.root
    )


def open_mailer(settings: Settings) -> Mailer | None:
    """Open what the mail URL's scheme names, through its plug-in; None where no mail is sent. Raises SettingsError."""
    if settings.mail.url is None:
        return None
    if settings.public_url is None:
        raise SettingsError("'mail.url' needs 'public_url' too: letters hold links to this hub.")
    url = settings.mail.url.get_secret_value()
    scheme = urlsplit(url).scheme
    found = entry_points(group="openhood.mailer", name=scheme)
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group="openhood.mailer")))
        raise SettingsError(f"No mailer for {scheme!r} URLs. Installed: {known}.")
    try:
        opened: Mailer = next(iter(found)).load()(url)
    except ValueError as error:
        raise SettingsError(f"'mail.url' cannot be used: {error}") from error
    return opened


def open_store(url: str) -> ObjectStore:
    """Open the object store that the URL's scheme names, through its plug-in. Raises SettingsError."""
    scheme = urlsplit(url).scheme
    found = entry_points(group="openhood.objectstore", name=scheme)
    if not found:
        known = ", ".join(sorted(point.name for point in entry_points(group="openhood.objectstore")))
        raise SettingsError(f"No object store plug-in for {scheme!r} URLs. Installed: {known}.")
    try:
        opened: ObjectStore = next(iter(found)).load()(url)
    except ValueError as error:
        raise SettingsError(f"'objects_url' cannot be used: {error}") from error
    except ImportError as error:
        raise SettingsError(
            f"The object store for {scheme!r} URLs is not installed: pip install 'openhood[{scheme}]'."
        ) from error
    return opened


def build(settings: Settings, *, clock: Clock | None = None) -> Hub:
    """Open everything and return the hub; job worker and ticker start with the ASGI lifespan."""
    sv = open_services(settings, clock=clock)
    ensure_builtin_clients(sv)
    delivering.policy_of(sv)  # A list that cannot be read must be seen now, not at the first delivery.
    workers = _make_workers(sv)
    # What is counted in memory is this process's own; work that one replica does for all is a job.
    ticker = Ticker(
        (
            Tick("token uses", 60.0, partial(flush_uses, sv)),
            Tick("downloads", downloads.FLUSH_EVERY_S, partial(downloads.flush, sv)),
        )
    )

    def start() -> None:
        jobs.start_schedule(sv)
        for worker in workers:
            worker.start()
        ticker.start()

    def stop() -> None:
        for worker in workers:
            worker.ask_to_stop()
        for worker in workers:
            worker.stop()
        ticker.stop()

    return Hub(sv, workers, asgi.build(sv, on_start=start, on_stop=stop))


def _make_workers(sv: Services) -> tuple[Worker, ...]:
    """Return the worker of ordinary jobs, one of those that compute for long, and one per lane of those
    that wait for other people's servers.
    """
    handlers = {kind: partial(jobs.run, sv, kind) for kind in jobs.HANDLERS}
    apart = {kind for lane in (*jobs.LANES, jobs.SLOW) for kind in lane}
    ordinary = {kind: handler for kind, handler in handlers.items() if kind not in apart}
    settings = sv.settings
    # What is 0 is none: such a process answers requests only.
    threads = settings.webhooks.threads if settings.workers else 0
    lease_s = settings.webhooks.timeout_s + delivering.LEASE_MARGIN_S
    return (
        Worker(sv.db, sv.clock, ordinary, threads=settings.workers),
        Worker(
            sv.db, sv.clock, {kind: handlers[kind] for kind in jobs.SLOW}, threads=min(1, settings.workers)
        ),
        *(
            Worker(sv.db, sv.clock, {kind: handlers[kind] for kind in lane}, threads=threads, lease_s=lease_s)
            for lane in jobs.LANES
        ),
    )

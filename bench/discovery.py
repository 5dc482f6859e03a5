"""Finding among a million repositories: every kind of list and search over TCP, on SQLite and on PostgreSQL.

A made-up hub (`million`) is loaded into each database, and a real server asked: as nobody, and as a member of ten
organisations. Milliseconds as the client sees them, the slowest first, and of the hub's own processor time, which
others on the machine do not change; each question is asked in several wordings.
"""

from __future__ import annotations

import http.client
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlencode, urlsplit

from bench import discovery_cases, metadata_writes
from bench.discovery_cases import Case
from bench.million import DAY_MS, TOKEN, Hub, Shape
from bench.million_load import fill_postgres, fill_sqlite, progress
from bench.plan import Plan
from bench.report import Line, Percentiles
from bench.site import Site, cpu_seconds
from openhood.infra.db.engine import Database
from openhood.testing.server import Server, start_server
from openhood.testing.services import start_postgres

_MEMBER = {"Authorization": f"Bearer {TOKEN}"}
_UNBUILT = (404, 501)
_PATIENCE_MS = 10_000
"""A question that takes so long in all is not asked again."""
# As a machine of its own for the database would be set up, and durable, which the servers of tests are not.
_POSTGRES = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "shared_buffers": "2GB",
    "effective_cache_size": "6GB",
    "max_wal_size": "8GB",
}


@dataclass(frozen=True)
class Filled:
    """A loaded database, and how a hub in ``directory`` is made to use it."""

    name: str
    url: str
    directory: Path

    def serve(self) -> Server:
        """Start a hub on it."""
        settings = {"OPENHOOD_DATABASE_URL": self.url, "OPENHOOD_SECRET_KEY": secrets.token_urlsafe(32)}
        return start_server(self.directory, env=settings)


def run(site: Site, plan: Plan, directory: Path) -> Iterator[Line]:
    """Measure, without the hub of ``site``: these hubs are large."""
    for hidden in (0.08, 0.95):
        count = plan.repos if hidden < 0.5 else max(1000, plan.repos // 5)
        shape = Shape(count, now_ms=int(time.time() * 1000) // DAY_MS * DAY_MS, hidden=hidden)
        size = f"{count:,}" + (", 95 % private" if hidden > 0.5 else "")
        for opened in (
            sqlite_hub(shape, directory, kept=plan.kept),
            postgres_hub(shape, directory, url=plan.filled_postgres if hidden < 0.5 else None),
        ):
            with opened as filled:
                yield from _measure(filled, site, plan, size, is_small=hidden > 0.5)


@contextmanager
def sqlite_hub(shape: Shape, directory: Path, *, kept: Path | None) -> Iterator[Filled]:
    """Fill a SQLite database, or take the one that was kept."""
    parent = kept or directory
    path = parent / f"million-{shape.repos}-{int(shape.hidden * 100)}.db"
    if not path.exists():
        parent.mkdir(parents=True, exist_ok=True)
        making = path.with_suffix(".making")
        making.unlink(missing_ok=True)
        fill_sqlite(making, Hub(shape), progress())
        making.rename(path)
    try:
        yield Filled("SQLite", f"sqlite:///{path}", directory / "sqlite")
    finally:
        if kept is None:
            for each in parent.glob(f"{path.name}*"):
                each.unlink()


@contextmanager
def postgres_hub(shape: Shape, directory: Path, *, url: str | None) -> Iterator[Filled]:
    """Fill a database of a server started for it, or take one that was filled before."""
    if url is not None:
        yield Filled("PostgreSQL", url, directory / "postgres")
        return
    # Not the benchmark's own directory: the server's user cannot enter it.
    made = Path(tempfile.mkdtemp(prefix="openhood-bench-postgres-", dir=os.environ.get("TMPDIR")))
    service = start_postgres(made, settings=_POSTGRES)
    try:
        url = service.create_database()
        fill_postgres(url, Hub(shape), progress())
        yield Filled("PostgreSQL", url, directory / "postgres")
    finally:
        service.stop()
        shutil.rmtree(made, ignore_errors=True)


# --- asking -------------------------------------------------------------------------------------


class Asker:
    """One kept connection to a hub, whose process is ``pid``."""

    def __init__(self, server: Server) -> None:
        self.pid = server.pid
        self._address = urlsplit(server.url)
        self._connection = self._connect()

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address.hostname or "", self._address.port, timeout=30)

    def ask(self, path: str, headers: Mapping[str, str]) -> tuple[float, int, bytes, str]:
        """Return the milliseconds an answer took, its status, body and ``Link``."""
        begun = time.perf_counter()
        try:
            self._connection.request("GET", path, headers=dict(headers))
            answer = self._connection.getresponse()
            body = answer.read()
        except (TimeoutError, http.client.HTTPException, ConnectionError):
            self._connection.close()
            self._connection = self._connect()
            return 1000 * (time.perf_counter() - begun), 0, b"", ""
        return 1000 * (time.perf_counter() - begun), answer.status, body, answer.getheader("Link", "")

    def close(self) -> None:
        """Close it."""
        self._connection.close()


def _measure(filled: Filled, site: Site, plan: Plan, size: str, *, is_small: bool) -> Iterator[Line]:
    db = Database(filled.url, pool_size=2)
    try:
        with db.read() as tx:
            facts = discovery_cases.look(tx)
        cases = [each for each in discovery_cases.all_cases(facts) if each.of_all or not is_small]
        with filled.serve() as server:
            asker = Asker(server)
            found: list[Percentiles] = []
            for viewer, headers in (("nobody", {}), ("member", _MEMBER)):
                deep = list(_deep(asker, headers))
                for case in [*cases, *deep]:
                    line = _ask(
                        asker, case, headers, plan.asked, f"{filled.name}, {size}, {viewer}: {case.label}"
                    )
                    if line is not None:
                        found.append(line)
            asker.close()
            print(f"  load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
            yield from sorted(found, key=Percentiles.worst, reverse=True)
            if not is_small:
                yield from metadata_writes.over_http(server.url, site, plan, filled.name, facts.popular[0])
        if not is_small:
            yield from metadata_writes.in_units(db, plan, filled.name)
            yield from metadata_writes.counters(filled.url, plan, filled.name, filled.directory)
    finally:
        db.close()


def _ask(asker: Asker, case: Case, headers: Mapping[str, str], times: int, label: str) -> Percentiles | None:
    line = Percentiles(label, "ms", goal=case.goal_ms)
    # The first of each wording is counted nowhere: it prepares statements, and reads what nobody had read yet.
    for path in case.paths:
        taken, status, body, _ = asker.ask(path, headers)
        if status in _UNBUILT:
            print(f"  skipped, answered {status}: {label}  {path}", file=sys.stderr, flush=True)
            return None
        if status != 200:
            print(
                f"  failed, answered {status}: {label}  {path}  {body[:200]!r}", file=sys.stderr, flush=True
            )
            line.failed = f"answered {status}"
            return line
        line.cold.append(taken)
    before = cpu_seconds(asker.pid)
    for number in range(times):
        line.hub.append(asker.ask(case.paths[number % len(case.paths)], headers)[0])
        if sum(line.hub) > _PATIENCE_MS:
            break
    line.busy = 1000 * (cpu_seconds(asker.pid) - before) / len(line.hub)
    return line


def _deep(asker: Asker, headers: Mapping[str, str]) -> Iterator[Case]:
    """Follow cursors to what would be page 1,000 of pages of 30, and ask for pages from there."""
    for label, query in (
        ("sort=downloads", {"sort": "downloads"}),
        ("sort=lastModified", {"sort": "lastModified"}),
        ("a frequent tag, sort=downloads", {"filter": "safetensors", "sort": "downloads"}),
    ):
        path = f"/api/models?{urlencode({**query, 'limit': 1000})}"
        for _ in range(30):
            _, status, _, link = asker.ask(path, headers)
            if status != 200 or ">" not in link:
                break
            path = link.partition("<")[2].partition(">")[0]
            path = path[path.index("/api/") :]
        else:
            shorter = path.replace("limit=1000", "limit=30")
            yield Case(f"page 1,000 by {label}", (shorter,))

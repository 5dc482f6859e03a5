"""The hub as a whole, for its administrators: how much there is, what its parts say, which jobs need a hand."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from openhood import __version__
from openhood.base.errors import NotFound, Unavailable
from openhood.base.settings import Setting, describe_running
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import credential_rows, rules, second_factor
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.types import Account, Membership
from openhood.domain.administration import rows
from openhood.domain.services import Services
from openhood.domain.xet import report
from openhood.domain.xet.report import Report
from openhood.infra.jobs import looking
from openhood.infra.jobs.looking import JobSeen, State

MEASURED_AT_ONCE = 5000
"""Repositories up to which a page measures all storage by itself: the report reads every row."""
STATES: tuple[State, ...] = ("failing", "waiting", "running")


@dataclass(frozen=True, slots=True)
class Part:
    """A part the hub depends on, and what is wrong with it, if anything."""

    name: str
    detail: str
    problem: str | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The hub in numbers. ``repos`` are counted by type, ``jobs`` by state."""

    users: int
    locked_users: int
    orgs: int
    repos: Mapping[str, int]
    jobs: Mapping[str, int]
    parts: tuple[Part, ...]
    version: str
    python: str

    @property
    def all_repos(self) -> int:
        """How many repositories there are."""
        return sum(self.repos.values())

    @property
    def is_well(self) -> bool:
        """Whether every part answers."""
        return not any(part.problem for part in self.parts)


@dataclass(frozen=True, slots=True)
class UserSeen:
    """A user as administrators see one: how that person gets in, and where that person belongs."""

    account: Account
    memberships: tuple[Membership, ...]
    tokens: int
    has_password: bool
    has_factor: bool


@dataclass(frozen=True, slots=True)
class JobsPage:
    """One page of jobs, and how many there are in each state; ``after`` leads to the next page or is None."""

    items: tuple[JobSeen, ...]
    counts: Mapping[str, int]
    after: int | None


def see_overview(sv: Services, viewer: Viewer) -> Overview:
    """Return the hub in numbers. Opens a read unit. Raises Unauthorized, Forbidden."""
    rules.require_admin(viewer)
    with sv.db.read() as tx:
        accounts = rows.count_accounts(tx)
        repos = rows.count_repos(tx)
        jobs: dict[str, int] = {state: looking.count_jobs(tx, state, now=sv.clock.now()) for state in STATES}
    return Overview(
        users=accounts.get(("user", True), 0),
        locked_users=accounts.get(("user", False), 0),
        orgs=accounts.get(("org", True), 0),
        repos=repos,
        jobs=jobs,
        parts=(_part("database", _database_of(sv), sv.db.check), _part("objects", "", sv.objects.check)),
        version=__version__,
        python=platform.python_version(),
    )


def _database_of(sv: Services) -> str:
    return sv.settings.effective_database_url.partition(":")[0].partition("+")[0]


def _part(name: str, detail: str, check: Callable[[], None]) -> Part:
    try:
        check()
    except Unavailable as error:
        return Part(name, detail, error.message)
    return Part(name, detail, None)


def see_user(sv: Services, viewer: Viewer, *, name: str) -> UserSeen:
    """Return a user, also one who is locked out. Opens a read unit. Raises Unauthorized, Forbidden, NotFound."""
    rules.require_admin(viewer)
    with sv.db.read() as tx:
        account = account_rows.get_account(tx, name)
        if account is None or account.kind != "user":
            raise NotFound(f"There is no user called {name[:96]!r}.")
        return UserSeen(
            account,
            account_rows.list_memberships(tx, account.id),
            tokens=len(credential_rows.list_tokens(tx, account.id)),
            has_password=account_rows.get_password_hash(tx, account.id) is not None,
            has_factor=second_factor.is_on(tx, account.id),
        )


def measure_storage(sv: Services, viewer: Viewer, *, is_forced: bool) -> Report | None:
    """Return what storage is used for; None where the hub is large and nobody insisted. Opens read units.

    Raises: Unauthorized, Forbidden.
    """
    rules.require_admin(viewer)
    with sv.db.read() as tx:
        count = sum(rows.count_repos(tx).values())
    return report.report_all(sv) if is_forced or count <= MEASURED_AT_ONCE else None


def list_settings(sv: Services, viewer: Viewer) -> list[Setting]:
    """Return the settings this process runs with, secrets masked. Raises Unauthorized, Forbidden."""
    rules.require_admin(viewer)
    return describe_running(sv.settings, environ=os.environ)


def list_jobs(sv: Services, viewer: Viewer, *, state: State, after: int, limit: int) -> JobsPage:
    """Return jobs in one state, the oldest first. Opens a read unit. Raises Unauthorized, Forbidden."""
    rules.require_admin(viewer)
    now = sv.clock.now()
    with sv.db.read() as tx:
        found = looking.list_jobs(tx, state, now=now, after=after, limit=limit + 1)
        counts: dict[str, int] = {each: looking.count_jobs(tx, each, now=now) for each in STATES}
    return JobsPage(tuple(found[:limit]), counts, found[limit - 1].id if len(found) > limit else None)


def run_job_again(sv: Services, viewer: Viewer, *, job: int) -> None:
    """Let a job run now, with all its attempts before it. Opens a write unit.

    Raises: Unauthorized, Forbidden; NotFound for a job that is done or running.
    """
    rules.require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        kind = looking.run_again(tx, job, now=now)
        if kind is None:
            raise NotFound("This job is done already, or it is running right now.")
        audit.record(tx, at=now, actor=viewer.name, action="job.run_again", subject=f"{kind}:{job}")


def delete_job(sv: Services, viewer: Viewer, *, job: int) -> None:
    """Give a job up: what it would have done stays undone. Opens a write unit. Raises as `run_job_again`."""
    rules.require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        kind = looking.delete_job(tx, job, now=now)
        if kind is None:
            raise NotFound("This job is done already, or it is running right now.")
        audit.record(tx, at=now, actor=viewer.name, action="job.delete", subject=f"{kind}:{job}")

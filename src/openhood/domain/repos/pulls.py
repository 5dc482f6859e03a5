"""Pull requests as far as content needs them: whose they are, whether they are open, and opening one.

The discussion around a pull request, its events and its merging are not here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import insert, select

from openhood.base.errors import Conflict, Forbidden, NotFound, RevisionNotFound
from openhood.base.names import RefName, RepoId, RepoType, pr_ref
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import lookup, rows
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import accounts, discussions, repos
from openhood.infra.ids import new_hex_id

_PR_REF = re.compile(r"refs/pr/([1-9][0-9]{0,8})")
_MAX_TITLE = 500


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request's row. ``status`` is draft, open, closed or merged."""

    number: int
    status: str
    author_id: int | None
    base_ref: RefName

    @property
    def is_open(self) -> bool:
        """Whether commits may still be added to it."""
        return self.status in ("draft", "open")


def number_of(ref: RefName) -> int | None:
    """Return N of ``refs/pr/N``, None for any other ref."""
    found = _PR_REF.fullmatch(ref)
    return None if found is None else int(found[1])


def get_pull(tx: Tx, repo: int, number: int) -> Pull | None:
    """Return one pull request."""
    row = tx.execute(
        select(discussions.c.status, discussions.c.author_id, discussions.c.base_ref).where(
            discussions.c.repo_id == repo,
            discussions.c.number == number,
            discussions.c.is_pull_request,
        )
    ).first()
    return None if row is None else Pull(number, row.status, row.author_id, RefName(row.base_ref or ""))


@dataclass(frozen=True, slots=True)
class PullDetails:
    """A pull request as people see it; ``author`` is None when the account is gone."""

    repo: Repo
    pull: Pull
    title: str
    description: str
    author: str | None
    created_at: datetime


def get_details(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int
) -> PullDetails:
    """Return one pull request. Opens a read unit. Raises what `lookup.find` raises; NotFound."""
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        pull = get_pull(tx, repo.id, number)
        if pull is None:
            raise NotFound(f"{repo.repo_id} has no pull request #{number}.")
        row = tx.execute(
            select(discussions.c.title, discussions.c.description, discussions.c.created_at, accounts.c.name)
            .outerjoin(accounts, accounts.c.id == discussions.c.author_id)
            .where(discussions.c.repo_id == repo.id, discussions.c.number == number)
        ).one()
    return PullDetails(repo, pull, row.title, row.description, row.name, row.created_at)


def check_may_change(tx: Tx, viewer: Viewer, repo: Repo, ref: RefName) -> None:
    """Make sure that ``viewer`` may add to the pull request behind ``ref``: its author, or who may write.

    Raises: RevisionNotFound, Conflict where it is closed or merged, Forbidden.
    """
    number = number_of(ref)
    pull = None if number is None else get_pull(tx, repo.id, number)
    if pull is None:
        raise RevisionNotFound(ref)
    if pull.author_id is None or pull.author_id != viewer.user_id:
        lookup.check(viewer, repo, need=Need.WRITE)
    if not pull.is_open:
        raise Conflict(f"Pull request #{pull.number} is {pull.status}: open it again or start another one.")


def open_pull(
    tx: Tx, viewer: Viewer, repo: Repo, *, title: str, description: str, base: RefName, now: datetime
) -> tuple[int, RefName]:
    """Take the next number and write the row of a new, open pull request, in the caller's write unit.

    Returns: the number, and the name of the ref the caller must create in the same unit.
    Raises: Forbidden where the repository takes no pull requests.
    """
    settings = tx.execute(select(repos.c.settings).where(repos.c.id == repo.id)).scalar_one()
    if settings.get("discussionsDisabled"):
        raise Forbidden("Discussions and pull requests are disabled for this repository.")
    number = rows.take_number(tx, repo.id)
    tx.execute(
        insert(discussions).values(
            hex_id=new_hex_id(),
            repo_id=repo.id,
            number=number,
            title=title[:_MAX_TITLE],
            description=description,
            author_id=viewer.user_id,
            status="open",
            is_pull_request=True,
            base_ref=base,
            created_at=now,
        )
    )
    return number, pr_ref(number)

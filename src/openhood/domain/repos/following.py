"""What an account's repositories do when it gets another name, or is closed: they follow.

Of a small account they follow in the unit of the change; those of a large one by a job, some at a time, and until
then each answers under both names, since `lookup` knows of the change.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime

from sqlalchemy.exc import IntegrityError

from openhood.base.errors import RepoNotFound
from openhood.base.names import RepoId
from openhood.domain import events
from openhood.domain.access import SYSTEM, Viewer
from openhood.domain.accounts import renaming, rules, sign_in
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.types import Account
from openhood.domain.catalog import record
from openhood.domain.repos import lifecycle, lifecycle_rows, publish
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

FOLLOW = "follow_rename"
AT_ONCE = 100


def rename_account(sv: Services, viewer: Viewer, *, name: str, new: str, password: str = "") -> Account:
    """Rename a user or an organization with all it owns. Opens a read unit, then a write unit.

    Args: ``password`` is asked of people who rename themselves.
    Raises: Unauthorized, Forbidden, NotFound, InvalidName, Conflict, BadRequest, InvalidCredentials,
    TooManyRequests.
    """
    rules.require_writer(viewer)
    checked = renaming.check_new_name(viewer, new)
    if name.lower() == viewer.name.lower():
        sign_in.check_own_password(sv, viewer, password)
    now = sv.clock.now()
    try:
        with sv.db.write() as tx:
            account = rules.require_account(tx, name)
            renamed = renaming.rename(tx, sv, viewer, account, new=checked)
            _follow(tx, viewer, renamed, after=0, now=now)
            # Those left, and the tokens that name it.
            facts = {"account": account.id, "old": account.name, "new": checked}
            queue.enqueue(tx, FOLLOW, facts, now=now)
    except IntegrityError as error:  # PostgreSQL: another one took the name after the look
        raise renaming.is_taken(checked) from error
    return renamed


def follow_rename(sv: Services, payload: Mapping[str, object]) -> None:
    """Let the repositories of an account, and the tokens that name it, follow its name (a job)."""
    number = int(str(payload["account"]))
    last = 0
    while True:
        with sv.db.write() as tx:
            account = account_rows.get_account_by_id(tx, number)
            if account is None:
                return
            moved = _follow(tx, SYSTEM, account, after=last, now=sv.clock.now())
        if moved is None:
            break
        last = moved
    renaming.follow_in_tokens(sv, old=str(payload["old"]), new=str(payload["new"]))


def delete_repos_of(sv: Services, payload: Mapping[str, object]) -> None:
    """Delete what a closed account owns (a job)."""
    number = int(str(payload["account"]))
    while True:
        with sv.db.read() as tx:
            found = lifecycle_rows.list_owned(tx, number, unlike=None, after=0, limit=AT_ONCE)
        if not found:
            return
        for repo in found:
            try:
                lifecycle.delete_repo(sv, SYSTEM, repo_type=repo.type, repo_id=repo.repo_id)
            except RepoNotFound:
                continue


def _follow(tx: Tx, viewer: Viewer, account: Account, *, after: int, now: datetime) -> int | None:
    """Move some repositories to the name their owner has; returns the last one's number, None where none was left."""
    found = lifecycle_rows.list_owned(tx, account.id, unlike=account.name, after=after, limit=AT_ONCE)
    for repo in found:
        publish.lock_repo(tx, repo)
        target = RepoId(account.name, repo.repo_id.name)
        if target.key != repo.repo_id.key:
            lifecycle_rows.delete_redirect(tx, repo.type, target)
            lifecycle_rows.insert_redirect(tx, repo, now=now)
        lifecycle_rows.update_id(tx, repo, new=target, owner_id=repo.owner_id)
        record.refile(tx, repo.subject)
        moved = replace(repo, repo_id=target)
        events.record(
            tx,
            "repo.move",
            at=now,
            actor_id=viewer.user_id,
            owner_id=repo.owner_id,
            repo=moved.snapshot,
            **{"from": str(repo.repo_id), "to": str(target), "from_owner": repo.owner_id},
        )
    return found[-1].id if found else None

"""Keeping order among discussions: pinning, locking and deleting them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from openhood.base.errors import Conflict, Forbidden
from openhood.base.names import RepoId, RepoType, pr_ref
from openhood.domain import audit, events
from openhood.domain.access import Need, Viewer
from openhood.domain.discussions import actions, finding, rows
from openhood.domain.discussions.types import Discussion, Told
from openhood.domain.repos import refs
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.types import Consequences, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx


def set_pinned(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int, is_pinned: bool
) -> Told:
    """Put a discussion at the top of the list, or back to its place. Opens a write unit.

    Returns: the change; no event where it was so already. Raises: what `finding.find` raises.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, before = finding.find(
            tx, viewer, repo_type, repo_id, number, need=Need.MODERATE, is_locking=True
        )
        if before.is_pinned == is_pinned:
            return actions.tell(tx, viewer, repo, before, [])
        rows.set_pinned(tx, before, is_pinned=is_pinned)
        after = replace(before, is_pinned=is_pinned)
        return _tell(tx, viewer, repo, after, "pinning-change", {"pinned": is_pinned}, change="pin", at=now)


def set_locked(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int, is_locked: bool
) -> Told:
    """Let only those speak in a discussion who may write to the repository, or everybody again. Opens a write unit.

    Returns: the change; no event where it was so already. Raises: what `finding.find` raises.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, before = finding.find(
            tx, viewer, repo_type, repo_id, number, need=Need.MODERATE, is_locking=True
        )
        if before.is_locked == is_locked:
            return actions.tell(tx, viewer, repo, before, [])
        rows.set_locked(tx, before, is_locked=is_locked)
        after = replace(before, is_locked=is_locked)
        return _tell(tx, viewer, repo, after, "locking-change", {"locked": is_locked}, change="lock", at=now)


def _tell(
    tx: Tx,
    viewer: Viewer,
    repo: Repo,
    after: Discussion,
    kind: str,
    facts: dict[str, object],
    *,
    change: str,
    at: datetime,
) -> Told:
    told = rows.insert_event(tx, after, kind, viewer.user_id, at, facts=facts)
    _audit(tx, viewer, repo, after, action=f"discussion.{change}", at=at, details=facts)
    actions.record_update(tx, viewer, repo, after, change=change, at=at, **facts)
    return actions.tell(tx, viewer, repo, after, [told])


def delete_discussion(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int
) -> None:
    """Delete a discussion; of a pull request its ref too. Opens a write unit.

    Who administrates the repository may, and who began one in which nobody else has done anything yet. A merged pull
    request stays: it is part of the history. Its number is not given again.
    Raises: what `finding.find` raises; Forbidden; Conflict.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, _found = finding.find(tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS)
        rows.lock_repo(tx, repo.id)
        repo, found = finding.find(tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS, is_locking=True)
        is_own = finding.is_author(viewer, found.author_id) and not rows.has_others(tx, found)
        if not is_own and not finding.may(viewer, repo, Need.ADMIN):
            raise Forbidden(
                f"{found.noun} #{number} can be deleted by who administrates {repo.repo_id}, and by its author as long "
                "as nobody else took part. You can close it instead."
            )
        if found.status == "merged":
            raise Conflict(f"Pull request #{number} is merged: it is part of the history and stays.")
        ref = repo_rows.get_ref(tx, repo.id, pr_ref(number)) if found.is_pull else None
        if ref is not None:
            update = RefUpdate(ref.name, ref.oid, None, None)
            refs.move(tx, viewer, repo, [update], consequences=Consequences(), now=now)
        rows.delete_discussion(tx, found)
        _audit(tx, viewer, repo, found, action="discussion.delete", at=now, details={"title": found.title})
        events.record(
            tx,
            "discussion.delete",
            at=now,
            actor_id=viewer.user_id,
            owner_id=repo.owner_id,
            repo=repo.snapshot,
            discussion=found.facts,
        )


def _audit(
    tx: Tx,
    viewer: Viewer,
    repo: Repo,
    discussion: Discussion,
    *,
    action: str,
    at: datetime,
    details: dict[str, object],
) -> None:
    audit.record(
        tx,
        at=at,
        actor=viewer.name,
        action=action,
        subject=f"{repo.type.value}:{repo.repo_id}",
        owner_id=repo.owner_id,
        discussion={"num": discussion.number, **details},
    )

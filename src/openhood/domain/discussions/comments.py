"""What is done to a comment after it was made: its author may put it better, and it can be hidden for good."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from openhood.base.errors import Conflict, Forbidden
from openhood.base.names import RepoId, RepoType
from openhood.domain import audit, events
from openhood.domain.access import Need, Viewer
from openhood.domain.discussions import actions, finding, rows
from openhood.domain.discussions.types import Discussion, DiscussionEvent, Told
from openhood.domain.repos import pulls
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_EDITS = 100


def edit_comment(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    comment_id: str,
    text: str,
) -> Told:
    """Give one's own comment other words; what it said before is kept for all to see. Opens units of its own.

    Nobody may put words into another's mouth, moderators neither. Returns: the comment.
    Raises: what `finding.find` and `finding.find_comment` raise; Forbidden; Conflict after `MAX_EDITS`; BadRequest.
    **Source**: huggingface_hub ``hf_api.py::edit_discussion_comment``.
    """
    text = finding.check_body(text, is_needed=True)
    with sv.db.read() as tx:
        repo, discussion = finding.find(tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS)
        _check_may_edit(tx, viewer, repo, discussion, comment_id)
    wording = pulls.word(text, web_path=repo.web_path)
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, discussion = finding.find(
            tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS, is_locking=True
        )
        before = _check_may_edit(tx, viewer, repo, discussion, comment_id)
        if before.body == wording.body:
            return actions.tell(tx, viewer, repo, discussion, [before])
        if rows.rewrite(tx, before, wording, at=now) >= MAX_EDITS:
            raise Conflict(f"This comment was edited {MAX_EDITS} times: write another one.")
        if rows.is_first(tx, before):
            rows.set_description(tx, discussion, wording.body)
        after = replace(before, body=wording.body, html=wording.html, edited_at=now)
        _record(tx, viewer, repo, discussion, after, mentions=wording.mentions, at=now)
        return actions.tell(tx, viewer, repo, discussion, [after])


def _check_may_edit(
    tx: Tx, viewer: Viewer, repo: Repo, discussion: Discussion, comment_id: str
) -> DiscussionEvent:
    finding.check_may_speak(tx, viewer, repo, discussion)
    found = finding.find_comment(tx, discussion, comment_id)
    if not finding.is_author(viewer, found.author_id):
        raise Forbidden("Only its author can edit a comment. Who may write to the repository can hide it.")
    return found


def hide_comment(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int, comment_id: str
) -> Told:
    """Hide a comment for good: its words are not given to anybody any more. Opens a write unit.

    Returns: the comment. Raises: what `finding.find` and `finding.find_comment` raise; Forbidden for who neither
    wrote it nor moderates. **Source**: huggingface_hub ``hf_api.py::hide_discussion_comment``.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, discussion = finding.find(
            tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS, is_locking=True
        )
        found = finding.find_comment(tx, discussion, comment_id)
        finding.check_own_or_moderator(viewer, repo, found.author_id, deed="hide this comment")
        rows.hide(tx, found, by=viewer.user_id, at=now)
        if rows.is_first(tx, found):
            rows.set_description(tx, discussion, "")
        if not finding.is_author(viewer, found.author_id):
            audit.record(
                tx,
                at=now,
                actor=viewer.name,
                action="comment.hide",
                subject=f"{repo.type.value}:{repo.repo_id}",
                owner_id=repo.owner_id,
                discussion=number,
                comment=found.hex_id,
            )
        after = replace(found, hidden_at=now, hidden_by=viewer.user_id)
        _record(tx, viewer, repo, discussion, after, mentions=(), at=now)
        return actions.tell(tx, viewer, repo, discussion, [after])


def _record(
    tx: Tx,
    viewer: Viewer,
    repo: Repo,
    discussion: Discussion,
    after: DiscussionEvent,
    *,
    mentions: tuple[str, ...],
    at: datetime,
) -> None:
    is_hidden = after.hidden_at is not None
    events.record(
        tx,
        "comment.update",
        at=at,
        actor_id=viewer.user_id,
        owner_id=repo.owner_id,
        repo=repo.snapshot,
        discussion=discussion.facts,
        comment={
            "id": after.hex_id,
            "content": "" if is_hidden else after.body,
            "hidden": is_hidden,
            "author_id": after.author_id,
        },
        mentions=list(mentions),
    )

"""Reporting what is wrong, and what the hub's administrators do about it.

Whoever moderates one repository hides and locks in its discussions; here is what concerns the hub as a whole.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from openhood.base.errors import BadRequest, Conflict, Forbidden, HubError, NotFound, TooManyRequests
from openhood.base.names import RepoId, RepoType
from openhood.domain import audit, events
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts import actions as accounts
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules
from openhood.domain.moderation import rows
from openhood.domain.moderation.types import Report, ReportsPage, Subject, Wrong
from openhood.domain.repos import lifecycle, lookup
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.lifecycle import SettingsChange
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

REASONS = ("spam", "malware", "illegal", "harassment", "privacy", "copyright", "impersonation", "other")
STATES = ("open", "acted", "dismissed")
MAX_WORDS = 2000
MAX_ANSWER = 500
MAX_OPEN = 50
MAX_PAGE = 500
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_US = timedelta(microseconds=1)
_CURSOR = re.compile(r"([0-9]{1,18})-([0-9]{1,19})")

Measure = Literal[
    "disable_repo", "enable_repo", "hide_repo", "show_repo", "hide_comment", "lock_discussion", "lock_account"
]
MEASURES: tuple[str, ...] = get_args(Measure)
"""What administrators may do about a report."""


def report(sv: Services, viewer: Viewer, *, wrong: Wrong, reason: str, words: str) -> Report:
    """Report something; the same again is the same report while it is open. Opens a write unit.

    Raises: Unauthorized, Forbidden; what `lookup.find` raises, NotFound; BadRequest; TooManyRequests for whoever
    has too many reports open.
    """
    if reason not in REASONS:
        raise BadRequest(f"'reason' must be one of: {', '.join(REASONS)}.")
    said = words.strip()
    if len(said) > MAX_WORDS or "\0" in said:
        raise BadRequest(f"What you write must have at most {MAX_WORDS} characters.")
    with sv.db.write() as tx:
        subject, name = _find(tx, viewer, wrong)
        rules.require_writer(viewer)
        if viewer.user_id is None:
            raise Forbidden("Only an account can report, not the administrator at the command line.")
        known = rows.find_open(tx, viewer.user_id, subject)
        if known is not None:
            return known
        if rows.count_open(tx, viewer.user_id) >= MAX_OPEN:
            raise TooManyRequests(
                "You have many reports open already. Wait until they were looked at.", retry_after_s=3600
            )
        now = sv.clock.now()
        made = rows.insert_report(
            tx, reporter=viewer.user_id, subject=subject, reason=reason, words=said, at=now
        )
        audit.record(tx, at=now, actor=viewer.name, action="report.create", subject=name, reason=reason)
    return made


def list_reports(sv: Services, viewer: Viewer, *, state: str, cursor: str | None, limit: int) -> ReportsPage:
    """Return reports in one state, the newest first, for administrators. Opens a read unit.

    Raises: Unauthorized, Forbidden, BadRequest.
    """
    rules.require_admin(viewer)
    if state not in STATES:
        raise BadRequest(f"'state' must be one of: {', '.join(STATES)}.")
    before = _read_cursor(cursor)
    with sv.db.read() as tx:
        found = rows.list_reports(tx, state=state, before=before, limit=limit + 1)
    page = found[:limit]
    more = None
    if len(found) > limit:
        more = f"{(page[-1].created_at - _EPOCH) // _US}-{page[-1].id}"
    return ReportsPage(tuple(page), more)


def act(sv: Services, viewer: Viewer, *, report_id: str, measure: str | None, answer: str | None) -> Report:
    """Do something about a report, or (``measure`` None) dismiss it; returns it as it is then. Opens units.

    Raises: Unauthorized, Forbidden, NotFound; BadRequest for a measure that does not fit what was reported; Conflict
    where another administrator was faster.
    """
    rules.require_admin(viewer)
    if measure is not None and measure not in MEASURES:
        raise BadRequest(f"'action' must be one of: {', '.join(MEASURES)}.")
    if answer is not None and len(answer) > MAX_ANSWER:
        raise BadRequest(f"'answer' must have at most {MAX_ANSWER} characters.")
    with sv.db.read() as tx:
        known = rows.get_report(tx, report_id)
    if known is None:
        raise NotFound("There is no such report.")
    if known.state != "open":
        raise Conflict(f"This report was {known.state} by {known.handled_by or 'somebody'} already.")
    if measure is not None:
        _take(sv, viewer, known, measure)
    now = sv.clock.now()
    with sv.db.write() as tx:
        state = "dismissed" if measure is None else "acted"
        rows.close_report(tx, known.id, state=state, handled_by=viewer.user_id, at=now, answer=answer or None)
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action="report.close",
            subject=known.hex_id,
            state=state,
            measure=measure,
        )
        closed = rows.get_report(tx, report_id)
    assert closed is not None
    return closed


def hide_repo(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, is_hidden: bool) -> None:
    """Take a repository out of sight without closing it to its owners, or let it be seen again. Opens a write unit.

    It becomes private, and only an administrator can make it public again. Raises: what `lifecycle.update_settings`
    raises, Forbidden.
    """
    rules.require_admin(viewer)
    lifecycle.update_settings(
        sv,
        viewer,
        repo_type=repo_type,
        repo_id=repo_id,
        change=SettingsChange(
            visibility="private" if is_hidden else "public", others={lifecycle.HIDDEN: is_hidden}
        ),
    )


def _take(sv: Services, viewer: Viewer, known: Report, measure: str) -> None:
    fits = {
        "hide_comment": known.subject.comment,
        "lock_discussion": known.subject.comment,
        "lock_account": known.subject.account,
    }.get(measure, known.subject.repo)
    if fits is None:
        raise BadRequest(f"'{measure}' does not fit what was reported.")
    if measure == "lock_account":
        shown = known.shown.get("account")
        name = str(shown.get("name")) if isinstance(shown, dict) else ""
        accounts.set_active(sv, viewer, user=name, is_active=False)
    elif measure in ("hide_comment", "lock_discussion"):
        _change_words(sv, viewer, fits, measure)
    else:
        with sv.db.read() as tx:
            repo = repo_rows.get_repo_by_number(tx, fits)
        if repo is None:
            raise NotFound("The repository was deleted.")
        if measure in ("hide_repo", "show_repo"):
            hide_repo(sv, viewer, repo_type=repo.type, repo_id=repo.repo_id, is_hidden=measure == "hide_repo")
        else:
            change = SettingsChange(is_disabled=measure == "disable_repo")
            lifecycle.update_settings(sv, viewer, repo_type=repo.type, repo_id=repo.repo_id, change=change)


def _change_words(sv: Services, viewer: Viewer, number: int, measure: str) -> None:
    now = sv.clock.now()
    with sv.db.write() as tx:
        comment = rows.get_comment_by_number(tx, number)
        repo = None if comment is None else repo_rows.get_repo_by_number(tx, comment.repo)
        if comment is None or repo is None:
            raise NotFound("The comment was deleted.")
        lookup.check(viewer, repo, need=Need.MODERATE)
        said: dict[str, object] = {"discussion": comment.facts}
        if measure == "lock_discussion":
            rows.lock_discussion(tx, comment.discussion)
            kind, said = "discussion.update", {**said, "change": "lock"}
        else:
            rows.hide_comment(tx, comment, by=viewer.user_id, at=now)
            told = {"id": comment.hex_id, "content": "This comment has been hidden", "hidden": True}
            kind, said = "comment.update", {**said, "comment": told}
        events.record(
            tx,
            kind,
            at=now,
            actor_id=viewer.user_id,
            owner_id=repo.owner_id,
            repo=repo.snapshot,
            **said,
        )
        audit.record(
            tx,
            at=now,
            actor=viewer.name,
            action=f"moderation.{measure}",
            subject=f"{repo.type.value}:{repo.repo_id}",
            owner_id=repo.owner_id,
            comment=comment.hex_id,
        )


def _find(tx: Tx, viewer: Viewer, wrong: Wrong) -> tuple[Subject, str]:
    """Return what is reported, which the viewer must be able to see, and its name for the trail."""
    given = [wrong.repo_id, wrong.comment_id, wrong.account]
    if sum(each is not None for each in given) != 1:
        raise BadRequest("Report one thing: a repository ('repo' with 'type'), a 'comment' or an 'account'.")
    if wrong.account is not None:
        account = account_rows.get_account(tx, wrong.account)
        if account is None or not account.is_active:
            raise NotFound(f"There is no user or organization called {wrong.account[:96]!r}.")
        return Subject(account=account.id), f"account:{account.name}"
    if wrong.comment_id is not None:
        comment = rows.get_comment(tx, wrong.comment_id)
        repo = None if comment is None else repo_rows.get_repo_by_number(tx, comment.repo)
        if comment is None or repo is None:
            raise NotFound("There is no such comment.")
        # Whether it exists is as secret as the repository it was made in.
        try:
            lookup.check(viewer, repo, need=Need.INFO)
        except HubError as error:
            raise NotFound("There is no such comment.") from error
        return Subject(comment=comment.id), f"comment:{comment.hex_id}"
    kind = RepoType.from_plural(f"{wrong.repo_type or 'model'}s")
    if kind is None:
        raise BadRequest("'type' must be 'model', 'dataset' or 'space'.")
    repo = lookup.find(tx, viewer, kind, RepoId.parse(wrong.repo_id or ""), need=Need.INFO)
    return Subject(repo=repo.id), f"{repo.type.value}:{repo.repo_id}"


def _read_cursor(cursor: str | None) -> tuple[datetime, int] | None:
    if cursor is None:
        return None
    found = _CURSOR.fullmatch(cursor)
    try:
        if found is None or int(found[2]) >= 2**63:
            raise ValueError
        return _EPOCH + int(found[1]) * _US, int(found[2])
    except (ValueError, OverflowError) as error:
        raise BadRequest(
            "The 'cursor' is not one of this list. Take it from the Link header of the page before."
        ) from error

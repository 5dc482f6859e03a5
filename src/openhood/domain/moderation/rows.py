"""Reading and writing reports, and what moderators change of comments and discussions. No rules, no commits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, func, insert, select, update

from openhood.domain.accounts import rows as account_rows
from openhood.domain.moderation.types import Comment, Report, Subject
from openhood.infra import ids
from openhood.infra.db.community_tables import discussion_events, reports
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import discussions, repos

_SHOWN_WORDS = 300


def find_open(tx: Tx, reporter: int, subject: Subject) -> Report | None:
    """Return the open report of somebody about this very thing."""
    query = select(reports).where(
        reports.c.reporter_id == reporter,
        reports.c.state == "open",
        *(
            column.is_(None) if value is None else column == value
            for column, value in (
                (reports.c.repo_id, subject.repo),
                (reports.c.discussion_event_id, subject.comment),
                (reports.c.account_id, subject.account),
            )
        ),
    )
    return next(_reports(tx, tx.execute(query.limit(1)).all()), None)


def count_open(tx: Tx, reporter: int) -> int:
    """Return how many reports of somebody wait."""
    query = select(func.count()).where(reports.c.reporter_id == reporter, reports.c.state == "open")
    return int(tx.execute(query).scalar_one())


def insert_report(
    tx: Tx, *, reporter: int, subject: Subject, reason: str, words: str, at: datetime
) -> Report:
    """Add a report and return it."""
    statement = (
        insert(reports)
        .values(
            hex_id=ids.new_hex_id(),
            reporter_id=reporter,
            repo_id=subject.repo,
            discussion_event_id=subject.comment,
            account_id=subject.account,
            reason=reason,
            words=words,
            state="open",
            created_at=at,
        )
        .returning(reports)
    )
    return next(_reports(tx, tx.execute(statement).all()))


def get_report(tx: Tx, hex_id: str) -> Report | None:
    """Return the report with this id."""
    return next(_reports(tx, tx.execute(select(reports).where(reports.c.hex_id == hex_id)).all()), None)


def list_reports(tx: Tx, *, state: str, before: tuple[datetime, int] | None, limit: int) -> list[Report]:
    """Return reports in one state, the newest first; ``before`` is the last one of the page before."""
    query = (
        select(reports)
        .where(reports.c.state == state)
        .order_by(reports.c.created_at.desc(), reports.c.id.desc())
        .limit(limit)
    )
    if before is not None:
        at, number = before
        query = query.where(
            (reports.c.created_at < at) | ((reports.c.created_at == at) & (reports.c.id < number))
        )
    return list(_reports(tx, tx.execute(query).all()))


def close_report(
    tx: Tx, report: int, *, state: str, handled_by: int | None, at: datetime, answer: str | None
) -> None:
    """Write down what became of a report."""
    tx.execute(
        update(reports)
        .where(reports.c.id == report)
        .values(state=state, handled_by=handled_by, handled_at=at, answer=answer)
    )


def get_comment(tx: Tx, hex_id: str) -> Comment | None:
    """Return a comment by its id."""
    return _comment(tx, discussion_events.c.hex_id == hex_id)


def get_comment_by_number(tx: Tx, number: int) -> Comment | None:
    """Return a comment by its row number."""
    return _comment(tx, discussion_events.c.id == number)


def hide_comment(tx: Tx, comment: Comment, *, by: int | None, at: datetime) -> None:
    """Hide a comment, as its discussion's moderators would."""
    tx.execute(
        update(discussion_events)
        .where(discussion_events.c.id == comment.id)
        .values(hidden_at=at, hidden_by=by)
    )


def lock_discussion(tx: Tx, discussion: int) -> None:
    """Let nobody but moderators write in a discussion any more."""
    tx.execute(update(discussions).where(discussions.c.id == discussion).values(is_locked=True))


def _comment(tx: Tx, which: Any) -> Comment | None:  # Any: SQLAlchemy's boolean clauses share no useful base
    row = tx.execute(
        select(
            discussion_events.c.id,
            discussion_events.c.hex_id,
            discussion_events.c.body,
            discussion_events.c.hidden_at,
            discussions.c.id.label("discussion"),
            discussions.c.hex_id.label("discussion_hex"),
            discussions.c.repo_id,
            discussions.c.number,
            discussions.c.title,
            discussions.c.status,
            discussions.c.is_pull_request,
            discussions.c.base_ref,
            discussions.c.merge_oid,
            discussions.c.author_id.label("discussion_author"),
        )
        .join(discussions, discussions.c.id == discussion_events.c.discussion_id)
        .where(which, discussion_events.c.kind == "comment")
    ).first()
    if row is None:
        return None
    facts: Mapping[str, object] = {
        "id": row.discussion_hex,
        "num": row.number,
        "title": row.title,
        "status": row.status,
        "is_pull": row.is_pull_request,
        "base": row.base_ref,
        "merge_oid": row.merge_oid,
        "author_id": row.discussion_author,
    }
    return Comment(
        row.id,
        row.hex_id,
        row.body or "",
        row.hidden_at is not None,
        row.repo_id,
        row.discussion,
        facts,
    )


def _reports(tx: Tx, found: Sequence[Row[*tuple[Any, ...]]]) -> Iterator[Report]:
    numbers = {
        number
        for row in found
        for number in (row.reporter_id, row.account_id, row.handled_by)
        if number is not None
    }
    people = account_rows.list_accounts_by_ids(tx, sorted(numbers))
    comments = {
        row.discussion_event_id: get_comment_by_number(tx, row.discussion_event_id)
        for row in found
        if row.discussion_event_id is not None
    }
    wanted = {row.repo_id for row in found} | {each.repo for each in comments.values() if each is not None}
    names = _names(tx, sorted(number for number in wanted if number is not None))
    for row in found:
        reporter, handler = people.get(row.reporter_id), people.get(row.handled_by)
        comment = comments.get(row.discussion_event_id)
        shown: dict[str, object] = {}
        repo = row.repo_id if comment is None else comment.repo
        if repo in names:
            shown["repo"] = names[repo]
        if comment is not None:
            shown["comment"] = {
                "id": comment.hex_id,
                "hidden": comment.is_hidden,
                "content": comment.body[:_SHOWN_WORDS],
                "discussion": comment.facts["num"],
            }
        if row.account_id in people:
            account = people[row.account_id]
            shown["account"] = {"name": account.name, "type": account.kind}
        yield Report(
            id=row.id,
            hex_id=row.hex_id,
            subject=Subject(row.repo_id, row.discussion_event_id, row.account_id),
            reporter=None if reporter is None else reporter.name,
            reason=row.reason,
            words=row.words,
            state=row.state,
            shown=shown,
            handled_by=None if handler is None else handler.name,
            handled_at=row.handled_at,
            answer=row.answer,
            created_at=row.created_at,
        )


def _names(tx: Tx, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    query = select(repos.c.id, repos.c.type, repos.c.namespace, repos.c.name).where(repos.c.id.in_(numbers))
    return {row.id: {"type": row.type, "name": f"{row.namespace}/{row.name}"} for row in tx.execute(query)}

"""What people do with discussions: list, read, begin, comment, name, close and open again.

What is done to single comments is in `comments`, pinning, locking and deleting in `moderating`, what only pull
requests have in `pulls`, `diffs` and `merging`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from openhood.base.errors import BadRequest, Conflict
from openhood.base.names import RepoId, RepoType
from openhood.domain import events
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.discussions import finding, references, rows
from openhood.domain.discussions.rows import Wanted
from openhood.domain.discussions.types import CommentVersion, Discussion, DiscussionEvent, Page, Told
from openhood.domain.repos import lookup, pulls
from openhood.domain.repos.pulls import Wording
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.engines import markup
from openhood.infra.db.engine import Tx

MAX_PAGE = 100
MAX_SHOWN_EVENTS = 10_000
_MAX_SHOWN_VERSIONS = 200
_MAX_OFFSET = 1_000_000

ORDERS = {
    "recently-created": "recently-created",
    "recently-updated": "recently-updated",
    "most-comments": "most-comments",
    # The Hub's own words, in which a repository's settings are kept.
    "trending": "recently-updated",
    "reactions": "most-comments",
}
"""What lists can be sorted by, and the order of `rows.Wanted` each means."""


def list_discussions(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    wanted: Wanted,
    author: str | None,
    order: str | None,
    page: int,
    limit: int,
) -> Page:
    """Return one page of a repository's discussions, pinned ones first. Opens a read unit.

    Args: ``author`` is an account's name; ``order`` one of `ORDERS`, None for what the repository's settings say;
    ``page`` counts from 0.
    Raises: what `lookup.find` raises; Forbidden where discussions are disabled; BadRequest.
    """
    if order is not None and order not in ORDERS:
        raise BadRequest(f"Discussions cannot be sorted by {order[:40]!r}: use one of {', '.join(ORDERS)}.")
    start = page * limit
    if start > _MAX_OFFSET:
        raise BadRequest(f"Page {page} is too far: lists of discussions end at {_MAX_OFFSET} entries.")
    wanted = replace(wanted, search=wanted.search.replace("\0", "")[:200].strip())
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        preferred = str(pulls.check_enabled(tx, repo).get("discussionsSorting"))
        wanted = replace(wanted, order=ORDERS.get(order or preferred, "recently-created"))
        if author is not None:
            account = account_rows.get_account(tx, author)
            if account is None:
                return Page(repo, (), {}, start, 0, 0, 0)
            wanted = replace(wanted, author_id=account.id)
        counts = rows.count_discussions(tx, repo.id, wanted)
        items = rows.list_discussions(tx, repo.id, wanted, start=start, limit=limit)
        people = finding.people_of(tx, (each.author_id for each in items))
    return Page(
        repo,
        items,
        people,
        start,
        count=rows.count_in(counts, wanted.status),
        open_count=rows.count_in(counts, "open"),
        closed_count=rows.count_in(counts, "closed"),
    )


def get_details(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int) -> Told:
    """Return a discussion with everything that happened in it. Opens a read unit.

    Raises: what `finding.find` raises.
    """
    with sv.db.read() as tx:
        repo, discussion = finding.find(tx, viewer, repo_type, repo_id, number, need=Need.INFO)
        happened = rows.list_events(tx, discussion, limit=MAX_SHOWN_EVENTS)
        return tell(tx, viewer, repo, discussion, happened)


def tell(
    tx: Tx, viewer: Viewer, repo: Repo, discussion: Discussion, happened: Sequence[DiscussionEvent]
) -> Told:
    """Bring what is needed to show events to a viewer, in the caller's unit; references they may not see are left out."""
    sources = references.sources_of(tx, viewer, happened)
    shown = [
        event for event in happened if event.kind != "reference" or str(event.facts.get("source")) in sources
    ]
    versions: dict[int, list[CommentVersion]] = {}
    if any(event.edited_at is not None and event.hidden_at is None for event in shown):
        only = shown[0] if len(shown) == 1 else None
        for each in reversed(rows.list_versions(tx, discussion, comment=only, limit=_MAX_SHOWN_VERSIONS)):
            versions.setdefault(each.event_id, []).append(each)
    authors = [discussion.author_id, *(event.author_id for event in shown)]
    authors += [event.hidden_by for event in shown]
    authors += [source.discussion.author_id for source in sources.values()]
    authors += [each.author_id for earlier in versions.values() for each in earlier]
    return Told(repo, discussion, shown, finding.people_of(tx, authors), versions, sources)


def create_discussion(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    title: str,
    description: str,
    hub_url: str = "",
) -> tuple[Repo, Discussion]:
    """Begin a discussion. Opens units of its own.

    Args: ``description`` is Markdown and may be empty; ``hub_url`` is this hub's own address, to know references by.
    Raises: what `lookup.find` raises; Forbidden where discussions are disabled; BadRequest.
    **Source**: huggingface_hub ``hf_api.py::create_discussion``.
    """
    title = finding.check_title(title)
    text = finding.check_body(description, is_needed=False)
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.DISCUSS)
        pulls.check_enabled(tx, repo)
    opening = pulls.word(text, web_path=repo.web_path)
    named = markup.references(opening.body, hub_url=hub_url)
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.DISCUSS)
        pulls.check_enabled(tx, repo)
        made = rows.insert_discussion(
            tx, repo, title=title, opening=opening, author_id=viewer.user_id, at=now
        )
        references.spread(tx, viewer, repo, made, named, at=now)
    return repo, made


def comment(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    text: str,
    hub_url: str = "",
) -> Told:
    """Say something in a discussion, also in one that is closed. Opens units of its own.

    Returns: the comment. Raises: what `finding.find` and `finding.check_may_speak` raise; BadRequest.
    **Source**: huggingface_hub ``hf_api.py::comment_discussion``.
    """
    text = finding.check_body(text, is_needed=True)
    wording, named = _prepare(sv, viewer, repo_type, repo_id, number, text, hub_url=hub_url)
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, discussion = finding.find(
            tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS, is_locking=True
        )
        finding.check_may_speak(tx, viewer, repo, discussion)
        said = say(tx, viewer, repo, discussion, wording, at=now)
        references.spread(tx, viewer, repo, discussion, named, at=now)
        return tell(tx, viewer, repo, discussion, [said])


def _prepare(
    sv: Services,
    viewer: Viewer,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    text: str,
    *,
    hub_url: str,
) -> tuple[Wording, Sequence[markup.Reference]]:
    """Make HTML of a text for a viewer who may say it: it takes its time, so neither for anybody nor in a write unit."""
    with sv.db.read() as tx:
        repo, discussion = finding.find(tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS)
        finding.check_may_speak(tx, viewer, repo, discussion)
    wording = pulls.word(text, web_path=repo.web_path)
    return wording, markup.references(wording.body, hub_url=hub_url)


def say(
    tx: Tx, viewer: Viewer, repo: Repo, discussion: Discussion, wording: Wording, *, at: datetime
) -> DiscussionEvent:
    """Write a comment and tell of it, in the caller's write unit; whether it may be said has been decided."""
    said = rows.insert_event(
        tx, discussion, "comment", viewer.user_id, at, body=wording.body, html=wording.html or None
    )
    events.record(
        tx,
        "comment.create",
        at=at,
        actor_id=viewer.user_id,
        owner_id=repo.owner_id,
        repo=repo.snapshot,
        discussion=discussion.facts,
        comment={"id": said.hex_id, "content": wording.body, "hidden": False},
        mentions=list(wording.mentions),
    )
    return said


def rename(
    sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId, number: int, title: str
) -> Told:
    """Give a discussion another title; the same one again changes nothing but is told. Opens a write unit.

    Returns: the change. Raises: what `finding.find` raises; Forbidden for who neither began it nor moderates;
    BadRequest. **Source**: huggingface_hub ``hf_api.py::rename_discussion``.
    """
    title = finding.check_title(title)
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, discussion = finding.find(
            tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS, is_locking=True
        )
        finding.check_own_or_moderator(viewer, repo, discussion.author_id, deed="change its title")
        finding.check_may_speak(tx, viewer, repo, discussion)
        facts = {"from": discussion.title, "to": title}
        told = rows.insert_event(tx, discussion, "title-change", viewer.user_id, now, facts=facts)
        rows.set_title(tx, discussion, title, at=now)
        after = replace(discussion, title=title, updated_at=now)
        record_update(tx, viewer, repo, after, change="title", at=now, old=discussion.title)
        return tell(tx, viewer, repo, after, [told])


def change_status(
    sv: Services,
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    status: str,
    comment: str = "",
    hub_url: str = "",
) -> Told:
    """Close a discussion, open it again, or publish a draft by opening it. Opens units of its own.

    Args: ``status`` is ``open`` or ``closed``; ``comment`` is Markdown said before it, empty for none.
    Returns: the change. Raises: what `finding.find` raises; Forbidden for who neither began it nor moderates;
    Conflict where it is so already or is merged; BadRequest.
    **Source**: huggingface_hub ``hf_api.py::change_discussion_status``.
    """
    if status not in ("open", "closed"):
        raise BadRequest(f"A discussion can be set to 'open' or 'closed', not to {status[:40]!r}.")
    text = finding.check_body(comment, is_needed=False)
    wording = pulls.NOTHING_SAID
    named: Sequence[markup.Reference] = ()
    if text.strip():
        wording, named = _prepare(sv, viewer, repo_type, repo_id, number, text, hub_url=hub_url)
    now = sv.clock.now()
    with sv.db.write() as tx:
        repo, discussion = finding.find(
            tx, viewer, repo_type, repo_id, number, need=Need.DISCUSS, is_locking=True
        )
        finding.check_own_or_moderator(viewer, repo, discussion.author_id, deed="open or close it")
        if status == "open" or wording.body:
            finding.check_may_speak(tx, viewer, repo, discussion)
        else:
            finding.check_unlocked(viewer, repo, discussion)
        if discussion.status in (status, "merged"):
            raise Conflict(f"{discussion.noun} #{number} is {discussion.status} already.")
        if wording.body:
            say(tx, viewer, repo, discussion, wording, at=now)
            references.spread(tx, viewer, repo, discussion, named, at=now)
        facts = {"status": status}
        told = rows.insert_event(tx, discussion, "status-change", viewer.user_id, now, facts=facts)
        rows.set_status(tx, discussion, status, at=now)
        after = replace(discussion, status=status, updated_at=now)
        record_update(tx, viewer, repo, after, change="status", at=now, old=discussion.status)
        return tell(tx, viewer, repo, after, [told])


def record_update(
    tx: Tx, viewer: Viewer, repo: Repo, after: Discussion, *, change: str, at: datetime, **facts: object
) -> None:
    """Tell that a discussion changed, in the caller's write unit; ``after`` is what it is now."""
    events.record(
        tx,
        "discussion.update",
        at=at,
        actor_id=viewer.user_id,
        owner_id=repo.owner_id,
        repo=repo.snapshot,
        discussion=after.facts,
        change=change,
        **facts,
    )

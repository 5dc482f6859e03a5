"""Finding a discussion for a viewer, and what may be done in it: what all its actions begin with.

Whether the repository may be seen or spoken about is `repos.lookup`'s to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from openhood.base.errors import BadRequest, Conflict, Forbidden, NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.types import Account
from openhood.domain.discussions import rows
from openhood.domain.discussions.types import Discussion, DiscussionEvent
from openhood.domain.repos import lookup, pulls
from openhood.domain.repos.types import Repo
from openhood.infra.db.engine import Tx

MAX_EVENTS = 5000
"""How much may happen in one discussion before it takes no more words."""

MAX_CHARS = 5_000_000
"""How many characters all comments of one discussion may have."""


def find(
    tx: Tx,
    viewer: Viewer,
    repo_type: RepoType,
    repo_id: RepoId,
    number: int,
    *,
    need: Need,
    is_locking: bool = False,
) -> tuple[Repo, Discussion]:
    """Return a discussion and its repository, in the caller's unit; ``is_locking`` for changing it.

    Raises: what `lookup.find` raises; Forbidden where discussions are disabled; NotFound.
    """
    repo = lookup.find(tx, viewer, repo_type, repo_id, need=need)
    pulls.check_enabled(tx, repo)
    get = rows.lock_discussion if is_locking else rows.get_discussion
    found = get(tx, repo.id, number)
    if found is None:
        raise NotFound(f"{repo.type.value} {repo.repo_id} has no discussion #{number}.")
    return repo, found


def may(viewer: Viewer, repo: Repo, need: Need) -> bool:
    """Tell whether the viewer may do ``need`` with a repository that was found for them."""
    try:
        lookup.check(viewer, repo, need=need)
    except Forbidden:
        return False
    return True


def is_author(viewer: Viewer, author_id: int | None) -> bool:
    """Tell whether the viewer wrote what has this author."""
    return author_id is not None and author_id == viewer.user_id


def check_may_speak(tx: Tx, viewer: Viewer, repo: Repo, discussion: Discussion) -> None:
    """Raise Forbidden where a discussion is locked for the viewer, Conflict where it is full."""
    check_unlocked(viewer, repo, discussion)
    count, characters = rows.measure(tx, discussion)
    if count >= MAX_EVENTS or characters >= MAX_CHARS:
        raise Conflict(
            f"{discussion.noun} #{discussion.number} is full: {MAX_EVENTS} entries and {MAX_CHARS} characters are the "
            "most. Open another one and refer to this one in it."
        )


def check_unlocked(viewer: Viewer, repo: Repo, discussion: Discussion) -> None:
    """Raise Forbidden where a discussion is locked and the viewer is no moderator of the repository."""
    if discussion.is_locked and not may(viewer, repo, Need.MODERATE):
        raise Forbidden(
            f"{discussion.noun} #{discussion.number} is locked: only those who may write to {repo.repo_id} can still "
            "take part in it."
        )


def check_own_or_moderator(viewer: Viewer, repo: Repo, author_id: int | None, *, deed: str) -> None:
    """Raise Forbidden unless the viewer wrote it or moderates the repository; ``deed`` says what was tried."""
    if not is_author(viewer, author_id) and not may(viewer, repo, Need.MODERATE):
        raise Forbidden(f"Only the author and those who may write to {repo.repo_id} can {deed}.")


def find_comment(tx: Tx, discussion: Discussion, comment_id: str) -> DiscussionEvent:
    """Return a comment that is shown. Raises: NotFound, Conflict where it is hidden."""
    found = rows.get_event(tx, discussion, comment_id.lower())
    if found is None or found.kind != "comment":
        raise NotFound(f"{discussion.noun} #{discussion.number} has no comment {comment_id[:40]!r}.")
    if found.hidden_at is not None:
        raise Conflict("This comment is hidden: it cannot be changed any more.")
    return found


def people_of(tx: Tx, ids: Iterable[int | None]) -> Mapping[int, Account]:
    """Return the accounts behind row numbers, those that are gone left out."""
    return account_rows.list_accounts_by_ids(tx, sorted({each for each in ids if each is not None}))


def check_title(title: str) -> str:
    """Return a title on one line. Raises BadRequest."""
    line = " ".join("".join(each if each.isprintable() else " " for each in title).split())
    if not line:
        raise BadRequest("A discussion needs a title.")
    if len(line) > pulls.MAX_TITLE_CHARS:
        raise BadRequest(f"A title may have {pulls.MAX_TITLE_CHARS} characters, this one has {len(line)}.")
    return line


def check_body(text: str, *, is_needed: bool) -> str:
    """Return the text of a comment. Raises BadRequest."""
    if is_needed and not text.strip():
        raise BadRequest("A comment needs a text.")
    if len(text) > pulls.MAX_BODY_CHARS:
        raise BadRequest(
            f"A comment may have {pulls.MAX_BODY_CHARS} characters, this one has {len(text)}. Attach long texts as files."
        )
    return text

"""Reading and clearing one's inbox, what one watches, and what one wants to hear of."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from openhood.base.errors import BadRequest, Forbidden, HubError, NotFound, Unauthorized
from openhood.domain.access import Need, Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules as account_rules
from openhood.domain.community import cursors
from openhood.domain.notifications import rows
from openhood.domain.notifications.types import (
    MAIL_MODES,
    SWITCHES,
    Asked,
    Inbox,
    Preferences,
    Watch,
    WatchKind,
    read_preferences,
)
from openhood.domain.repos import lookup
from openhood.domain.repos import rows as repo_rows
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

MAX_PAGE = 100
MAX_PAGES = 100
MAX_CHOSEN = 500
MAX_WATCHES = 5000
_AT_ONCE = 500
_REPO_KINDS = ("repo", "model", "dataset", "space")

_Work = Callable[[Tx, Sequence[int]], None]


def list_inbox(
    sv: Services, viewer: Viewer, *, asked: Asked, page: int, cursor: str | None, limit: int
) -> Inbox:
    """Return a page of the viewer's inbox: number ``page``, or the one after ``cursor``. Opens a read unit.

    Raises: Unauthorized, Forbidden, BadRequest.
    """
    user = _require_reader(viewer)
    if page > MAX_PAGES:
        raise BadRequest(f"'p' must be at most {MAX_PAGES}. Follow the Link header, or narrow the question.")
    after = cursors.read("inbox", cursor)
    offset = 0 if after is not None else page * limit
    with sv.db.read() as tx:
        found = rows.list_notices(tx, viewer, user, asked, after=after, offset=offset, limit=limit + 1)
        matching = rows.count_notices(tx, viewer, user, asked)
        unread = rows.count_notices(tx, viewer, user, Asked(read=False))
        total = rows.count_notices(tx, viewer, user, Asked())
    more = None
    if len(found) > limit:
        more = cursors.write("inbox", found[limit - 1].updated_at, found[limit - 1].id)
    return Inbox(tuple(found[:limit]), offset, matching, unread, total, more)


def count_unread(sv: Services, viewer: Viewer) -> int:
    """Return how many unread lines a person in a browser has; 0 for everybody else. Opens a read unit."""
    if viewer.user_id is None or viewer.token is not None:
        return 0
    with sv.db.read() as tx:
        return rows.count_notices(tx, viewer, viewer.user_id, Asked(read=False))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Lines of an inbox: those of some discussions, some lines by number, or (``every``) all that match it."""

    discussions: Sequence[str] = ()
    numbers: Sequence[int] = ()
    every: Asked | None = None


def mark_read(sv: Services, viewer: Viewer, *, chosen: Chosen, is_read: bool) -> None:
    """Mark lines of the viewer's inbox as read or unread. Opens units. Raises Unauthorized, Forbidden, BadRequest."""
    at: datetime | None = sv.clock.now() if is_read else None
    _each_batch(sv, viewer, chosen, lambda tx, numbers: rows.set_read(tx, numbers, at=at))


def mark_looked_at(sv: Services, viewer: Viewer, *, discussion: str) -> None:
    """Mark as read what a person in a browser is told of the discussion that they look at; others have no inbox.

    Opens a read unit, and a write unit where something was unread. *Args*: ``discussion`` is an object id.
    """
    if viewer.user_id is None or viewer.token is not None:
        return
    with sv.db.read() as tx:
        numbers = rows.list_unread_about(tx, viewer.user_id, discussion)
    if numbers:
        with sv.db.write() as tx:
            rows.set_read(tx, numbers, at=sv.clock.now())


def delete(sv: Services, viewer: Viewer, *, chosen: Chosen) -> None:
    """Remove lines of the viewer's inbox. Opens units. Raises Unauthorized, Forbidden, BadRequest."""
    _each_batch(sv, viewer, chosen, rows.delete_notices)


def _each_batch(sv: Services, viewer: Viewer, chosen: Chosen, work: _Work) -> None:
    user = _require_user(viewer)
    if len(chosen.discussions) > MAX_CHOSEN or len(chosen.numbers) > MAX_CHOSEN:
        raise BadRequest(f"Name at most {MAX_CHOSEN} notifications at once.")
    if chosen.every is None:
        with sv.db.write() as tx:
            numbers = rows.list_chosen(tx, user, discussions_named=chosen.discussions, numbers=chosen.numbers)
            if numbers:
                work(tx, numbers)
        return
    after = 0
    while True:
        with sv.db.write() as tx:
            numbers = rows.list_matching(tx, viewer, user, chosen.every, after=after, limit=_AT_ONCE)
            if not numbers:
                return
            work(tx, numbers)
        after = numbers[-1]


# --- what one wants to hear of -----------------------------------------------------------------


def get_preferences(sv: Services, viewer: Viewer) -> Preferences:
    """Return what the viewer wants to hear of. Opens a read unit. Raises Unauthorized, Forbidden."""
    user = _require_reader(viewer)
    with sv.db.read() as tx:
        account = account_rows.get_account_by_id(tx, user)
    if account is None:
        raise Unauthorized("This account does not exist any more.")
    return read_preferences(account)


def set_preferences(sv: Services, viewer: Viewer, *, changes: Mapping[str, object]) -> Preferences:
    """Change what the viewer wants to hear of; absent names stay. Opens a write unit.

    Raises: Unauthorized, Forbidden, BadRequest for a name or a value that there is not.
    """
    user = _require_user(viewer)
    for name, value in changes.items():
        if name == "mail":
            if value not in MAIL_MODES:
                raise BadRequest(f"'mail' must be one of {', '.join(MAIL_MODES)}.")
        elif name not in SWITCHES:
            raise BadRequest(f"Unknown setting {name[:60]!r}. There are: mail, {', '.join(SWITCHES)}.")
        elif not isinstance(value, bool):
            raise BadRequest(f"{name!r} must be true or false.")
    with sv.db.write() as tx:
        return change_preferences(tx, user, changes)


def change_preferences(tx: Tx, user: int, changes: Mapping[str, object]) -> Preferences:
    """Write down checked changes of a person's preferences in the caller's unit. Raises NotFound."""
    account_rows.lock_account(tx, user)
    account = account_rows.get_account_by_id(tx, user)
    if account is None:
        raise NotFound("This account does not exist any more.")
    kept = account.settings.get("notifications")
    merged = {**(kept if isinstance(kept, dict) else {}), **changes}
    account_rows.update_account(tx, user, settings={**account.settings, "notifications": merged})
    changed = account_rows.get_account_by_id(tx, user)
    assert changed is not None
    return read_preferences(changed)


# --- what one watches --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Subject:
    """Something to watch: its object id, and ``user``, ``org``, ``repo`` (or its type) or ``discussion``."""

    hex_id: str
    kind: str
    is_muted: bool = False


def list_watched(sv: Services, viewer: Viewer) -> list[Watch]:
    """Return what the viewer watches or has muted. Opens a read unit. Raises Unauthorized, Forbidden."""
    user = _require_reader(viewer)
    with sv.db.read() as tx:
        return rows.list_watches(tx, viewer, user, limit=MAX_WATCHES)


def watch(sv: Services, viewer: Viewer, *, add: Sequence[Subject], delete: Sequence[Subject]) -> list[Watch]:
    """Begin and end watching, all or nothing; returns what is watched then. Opens a write unit.

    Raises: Unauthorized, Forbidden, NotFound for what is not there, BadRequest.
    """
    user = _require_user(viewer)
    if len(add) + len(delete) > MAX_CHOSEN:
        raise BadRequest(f"Name at most {MAX_CHOSEN} things at once.")
    now = sv.clock.now()
    with sv.db.write() as tx:
        for each in delete:
            try:
                rows.delete_watch(tx, user, *_find(tx, viewer, each))
            except HubError:
                continue  # Of what is gone or hidden now nothing is heard anyway.
        for each in add:
            rows.set_watch(tx, user, *_find(tx, viewer, each), is_muted=each.is_muted, at=now)
        if rows.count_watches(tx, user) > MAX_WATCHES:
            raise BadRequest(f"At most {MAX_WATCHES} things can be watched. Stop watching some first.")
        return rows.list_watches(tx, viewer, user, limit=MAX_WATCHES)


def _find(tx: Tx, viewer: Viewer, subject: Subject) -> tuple[WatchKind, int]:
    if subject.kind in ("user", "org"):
        account = account_rows.get_account_by_hex_id(tx, subject.hex_id)
        if account is None or account.kind != subject.kind or not account.is_active:
            raise _missing(subject)
        return "account", account.id
    if subject.kind == "discussion":
        found = rows.find_discussion(tx, subject.hex_id)
        repo = None if found is None else repo_rows.get_repo_by_number(tx, found.repo_id)
        if found is None or repo is None:
            raise _missing(subject)
        lookup.check(viewer, repo, need=Need.INFO)
        return "discussion", found.id
    if subject.kind in _REPO_KINDS:
        repo = rows.get_repo_by_hex_id(tx, subject.hex_id)
        if repo is None:
            raise _missing(subject)
        lookup.check(viewer, repo, need=Need.INFO)
        return "repo", repo.id
    raise BadRequest(f"Unknown type {subject.kind[:40]!r}. Allowed: user, org, repo, discussion.")


def _missing(subject: Subject) -> NotFound:
    return NotFound(f"There is no {subject.kind} with the id {subject.hex_id[:40]!r}.")


# --- who may -----------------------------------------------------------------------------------


def _require_reader(viewer: Viewer) -> int:
    """Return whose inbox it is. An inbox is its owner's alone; fine-grained tokens name repositories, not it."""
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to do this. Run 'hf auth login' or pass a token.")
    if viewer.user_id is None or (viewer.token is not None and viewer.token.role == "fineGrained"):
        raise Forbidden("Only its owner may see an inbox: sign in, or use a token with the role 'read'.")
    return viewer.user_id


def _require_user(viewer: Viewer) -> int:
    account_rules.require_writer(viewer)
    return _require_reader(viewer)

"""Who is told of what happened: those it concerns, and of them those who may know and want to.

Nothing here writes. Whoever is concerned first (a mention before a watch) is told for that reason alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from openhood.domain.access import Need, Verdict, decide
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import sign_in
from openhood.domain.community import follow_rows
from openhood.domain.events import Event
from openhood.domain.notifications import rows
from openhood.domain.notifications.types import Preferences, Reason, WatchKind, read_preferences
from openhood.domain.repos.types import Repo
from openhood.infra.db.engine import Tx

MAX_MENTIONS = 50
_MAX_MEMBERS = 5000
_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Matter:
    """What an event is about, as it is now: read once, handed to every step."""

    event: Event
    thread: str
    repo: Repo | None = None
    discussion: int | None = None
    facts: Mapping[str, object] = field(default_factory=dict)
    only_new: bool = False
    may_wait: bool = False  # a letter of it waits for the daily one


@dataclass(frozen=True, slots=True)
class Told:
    """Somebody who is told: for which reason, and what they want."""

    user: int
    reason: Reason
    preferences: Preferences


def concerned_by(tx: Tx, matter: Matter) -> dict[int, Reason]:
    """Return everybody whom a matter concerns, each with the first reason. In the caller's unit."""
    found = _directly(tx, matter)
    reason = Reason.PUBLISHED if matter.event.kind == "repo.create" else Reason.WATCHING
    for kind, subject in _watched(matter):
        after = 0
        while users := _watchers(tx, reason, kind, subject, after):
            after = users[-1]
            for user in users:
                found.setdefault(user, reason)
    if matter.discussion is not None and not matter.only_new:
        # Last: who watches by their own choice is told even where they switched this off.
        for user in _owners(tx, matter.repo):
            found.setdefault(user, Reason.OWN)
    return found


def _watchers(tx: Tx, reason: Reason, kind: WatchKind, subject: int, after: int) -> list[int]:
    if reason is Reason.PUBLISHED:
        return follow_rows.list_follower_numbers(tx, subject, after=after, limit=_PAGE)
    return rows.list_watchers(tx, kind, subject, after=after, limit=_PAGE)


def _watched(matter: Matter) -> Iterator[tuple[WatchKind, int]]:
    """Yield what people may watch to hear of a matter, the narrowest first."""
    if matter.event.kind == "repo.create":
        yield "account", matter.event.owner_id
        return
    if matter.discussion is None or matter.only_new:
        return
    yield "discussion", matter.discussion
    if matter.repo is not None:
        yield "repo", matter.repo.id
        yield "account", matter.repo.owner_id


def _directly(tx: Tx, matter: Matter) -> dict[int, Reason]:
    """Return whom a matter concerns directly, each with the first reason. In the caller's unit."""
    event = matter.event
    found: dict[int, Reason] = {}

    def add(users: Sequence[int], reason: Reason) -> None:
        for user in users:
            found.setdefault(user, reason)

    if matter.discussion is not None:
        add(_mentioned(tx, event), Reason.MENTION)
        if not matter.only_new:
            add(rows.list_participants(tx, matter.discussion), Reason.PARTICIPATING)
    elif event.kind == "access.request" and matter.repo is not None:
        add(_administrators(tx, matter.repo.owner_id), Reason.REQUEST)
    elif event.kind == "access.decide":
        add(_named(tx, event.facts.get("account")), Reason.DECISION)
    elif event.kind in ("org.invite", "org.member"):
        add(_named(tx, event.facts.get("user")), Reason.INVITE)
    elif event.kind == "user.follow":
        add([event.owner_id], Reason.FOLLOW)
    return found


def choose(tx: Tx, matter: Matter, concerned: Mapping[int, Reason]) -> list[Told]:
    """Return who of those concerned is told: neither the actor, nor who may not know, nor who wants not to."""
    users = [user for user in concerned if user != matter.event.actor_id]
    people = account_rows.list_accounts_by_ids(tx, users)
    silent_all = _muted(tx, matter, users, everything=False)
    silent_rest = _muted(tx, matter, users, everything=True)
    chosen = []
    for user in users:
        account, reason = people.get(user), concerned[user]
        if account is None or account.kind != "user" or not account.is_active:
            continue
        # Who does not want to hear of a discussion is still called by name into it.
        if reason is not Reason.MENTION and user in silent_all:
            continue
        if reason in (Reason.WATCHING, Reason.OWN) and user in silent_rest:
            continue
        preferences = read_preferences(account)
        if not preferences.wants(reason) or not _may_know(tx, matter.repo, user):
            continue
        if reason is Reason.OWN and not preferences.watches_own:
            continue
        chosen.append(Told(user, reason, preferences))
    return chosen


def _muted(tx: Tx, matter: Matter, users: Sequence[int], *, everything: bool) -> set[int]:
    subjects: list[tuple[WatchKind, int]] = []
    if matter.discussion is not None and not everything:
        subjects.append(("discussion", matter.discussion))
    if matter.repo is not None and everything:
        subjects += [("repo", matter.repo.id), ("account", matter.repo.owner_id)]
    return rows.list_muted(tx, users, subjects)


def _may_know(tx: Tx, repo: Repo | None, user: int) -> bool:
    """Tell whether somebody may know of a repository at this moment."""
    if repo is None or not (repo.is_private or repo.is_disabled):
        return True
    viewer = sign_in.by_number(tx, user)
    return viewer is not None and decide(viewer, repo.facts, Need.INFO) is Verdict.ALLOW


def _mentioned(tx: Tx, event: Event) -> list[int]:
    names = event.facts.get("mentions")
    if not isinstance(names, list):
        return []
    return rows.list_user_numbers(tx, [name for name in names if isinstance(name, str)][:MAX_MENTIONS])


def _owners(tx: Tx, repo: Repo | None) -> list[int]:
    """Return whose repository it is: its namespace's user, or those who may write to all of the organization's."""
    if repo is None:
        return []
    owner = account_rows.get_account_by_id(tx, repo.owner_id)
    if owner is None or not owner.is_org:
        return [repo.owner_id]
    return rows.list_members_with(tx, repo.owner_id, ("write", "admin"), limit=_MAX_MEMBERS)


def _administrators(tx: Tx, owner_id: int) -> list[int]:
    owner = account_rows.get_account_by_id(tx, owner_id)
    if owner is None or not owner.is_org:
        return [owner_id]
    return rows.list_members_with(tx, owner_id, ("admin",), limit=_MAX_MEMBERS)


def _named(tx: Tx, who: object) -> list[int]:
    """Return the users that a fact names; of an organization, its administrators."""
    name = who.get("name") if isinstance(who, Mapping) else who
    account = account_rows.get_account(tx, name) if isinstance(name, str) else None
    if account is None:
        return []
    return _administrators(tx, account.id) if account.is_org else [account.id]

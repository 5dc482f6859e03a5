"""The queries of search: repositories by name and by text, accounts by name. Never commits.

What is public is looked for apart from what only members may know of: that is asked for by its owners, and
each row of it must fulfil the policy. So nobody finds what is not theirs, and everybody is as fast.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sqlalchemy import func, select

from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts.types import Account
from openhood.domain.accounts.visible_rows import readable_owners, sees_all_of_owners
from openhood.domain.catalog import texts
from openhood.domain.repos.listing_rows import visible_to
from openhood.infra.db import finding, finding_words
from openhood.infra.db.engine import Tx
from openhood.infra.db.finding_words import Hidden, Parts, Place, Sought, Span
from openhood.infra.db.tables import accounts, repos


def find_by_name(
    tx: Tx, viewer: Viewer, repo_type: RepoType, parts: Parts, *, limit: int, is_popular: bool = False
) -> list[Place]:
    """Return repositories the viewer may know of whose ids have one part of each group, ``limit`` of each kind.

    The public ones come first; both kinds are in the order of places. ``is_popular``: see `find_names`.
    """
    if not parts:
        return []
    found = finding_words.find_names(
        tx, parts, _span(repo_type, is_hidden=False), limit=limit, is_popular=is_popular
    )
    found = _shown(tx, viewer, found)
    hidden = _hidden(viewer)
    if hidden is None:
        return found
    span = _span(repo_type, is_hidden=True)
    return found + finding_words.find_hidden_names(tx, parts, span, hidden=hidden, limit=limit)


def find_by_text(tx: Tx, viewer: Viewer, repo_type: RepoType, sought: Sought, *, limit: int) -> list[Place]:
    """Return repositories the viewer may know of whose name or card has what is sought, as `find_by_name`."""
    if not sought.phrases:
        return []
    found = finding_words.find_texts(tx, sought, _span(repo_type, is_hidden=False), limit=limit)
    found = _shown(tx, viewer, found)
    hidden = _hidden(viewer)
    if hidden is None:
        return found
    span = _span(repo_type, is_hidden=True)
    return found + finding_words.find_hidden_texts(tx, sought, span, hidden=hidden, limit=limit)


def find_at(tx: Tx, viewer: Viewer, repo_type: RepoType, name: str) -> Place | None:
    """Return the repository of exactly this id in lower case, if the viewer may know of it."""
    query = select(repos.c.id).where(
        repos.c.type == repo_type.value, repos.c.search_text == name, finding.opaque(visible_to(viewer))
    )
    number = tx.execute(query.limit(1)).scalar_one_or_none()
    return None if number is None else Place(_span(repo_type, is_hidden=False).first, number, name)


def find_accounts(tx: Tx, text: str, *, limit: int, exclude: Collection[str] = ()) -> list[Account]:
    """Return users and organizations that are called so, the nearest first: those whose name begins so."""
    called = account_rows.matches(text)
    begins = accounts.c.name_key.startswith(text, autoescape=True)
    query = (
        select(accounts.c.id)
        .where(called, accounts.c.is_active.is_(True), accounts.c.kind != "service")
        .order_by((accounts.c.name_key == text).desc(), begins.desc(), func.length(accounts.c.name_key))
        .order_by(accounts.c.name_key)
        .limit(limit + len(exclude))
    )
    numbers = list(tx.execute(query).scalars())
    found = account_rows.list_accounts_by_ids(tx, numbers)
    shown = [found[number] for number in numbers if number in found]
    return [each for each in shown if each.key not in exclude][:limit]


def has_tags_and_sdk(
    tx: Tx, numbers: Sequence[int], *, tags: Collection[str], sdks: Collection[str]
) -> set[int]:
    """Return those of some repositories that have all of some tags and one of some SDKs (none: any)."""
    query = select(repos.c.id, repos.c.tags, repos.c.sdk).where(finding.among(tx, repos.c.id, numbers))
    wanted = set(tags)
    return {
        row.id
        for row in tx.execute(query)
        if wanted <= set(row.tags) and (not sdks or (row.sdk or "") in sdks)
    }


def ids_of(tx: Tx, numbers: Sequence[int]) -> list[tuple[str, str]]:
    """Return the ids and object ids of some repositories, in the order of ``numbers``."""
    query = select(repos.c.id, repos.c.namespace, repos.c.name, repos.c.hex_id)
    rows = tx.execute(query.where(finding.among(tx, repos.c.id, numbers)))
    found = {row.id: (f"{row.namespace}/{row.name}", row.hex_id) for row in rows}
    return [found[number] for number in numbers if number in found]


def _span(repo_type: RepoType, *, is_hidden: bool) -> Span:
    return Span(*texts.span(repo_type, is_hidden=is_hidden))


def _hidden(viewer: Viewer) -> Hidden | None:
    if viewer.is_admin:
        return Hidden(visible_to(viewer), None, is_partly_shown=False)
    owners = tuple(texts.owner_word(owner) for owner in readable_owners(viewer))
    if not owners:
        return None
    return Hidden(visible_to(viewer), owners, is_partly_shown=not sees_all_of_owners(viewer))


def _shown(tx: Tx, viewer: Viewer, found: list[Place]) -> list[Place]:
    """Leave out what was disabled, or hidden this very moment."""
    if not found:
        return []
    numbers = [each.number for each in found]
    query = select(repos.c.id).where(
        finding.among(tx, repos.c.id, numbers), finding.opaque(visible_to(viewer))
    )
    shown = set(tx.execute(query).scalars())
    return [each for each in found if each.number in shown]

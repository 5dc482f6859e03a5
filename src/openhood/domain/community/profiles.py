"""What overviews say of an account beside its own data: followers, votes, talk; the list of organizations; links."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import urlsplit

from openhood.base.errors import BadRequest
from openhood.domain.access import Viewer
from openhood.domain.accounts import actions, rules
from openhood.domain.accounts.types import Account
from openhood.domain.community import collection_rows, follow_rows, profile_rows
from openhood.domain.services import Services

MAX_PAGE = 500
SOCIALS = "socials"
"""The name under which an account's settings keep its links."""

NETWORKS = ("website", "github", "twitter", "bluesky", "linkedin", "mastodon", "scholar", "youtube")
"""What a profile may link to, in the order it is shown."""

_HANDLE = re.compile(r"[\w.@+:/?=&%~-]{1,200}")


@dataclass(frozen=True, slots=True)
class Standing:
    """How an account stands among the others, as the viewer may see it."""

    followers: int
    following: int
    is_followed: bool
    discussions: int
    upvotes: int
    socials: Mapping[str, str]


def get_standing(sv: Services, viewer: Viewer, *, name: str, kind: Literal["user", "org"]) -> Standing:
    """Return how a user or an organization stands. Opens a read unit. Raises NotFound."""
    with sv.db.read() as tx:
        account = rules.get_org(tx, name) if kind == "org" else rules.get_user(tx, name)
        is_user = kind == "user"
        return Standing(
            followers=follow_rows.count_followers(tx, [account.id]).get(account.id, 0),
            following=follow_rows.count_following(tx, account.id) if is_user else 0,
            is_followed=bool(follow_rows.list_followed(tx, viewer.user_id, [account.id])),
            discussions=profile_rows.count_discussions(tx, viewer, account.id) if is_user else 0,
            upvotes=collection_rows.count_votes_by(tx, account.id) if is_user else 0,
            socials=socials_of(account),
        )


def list_orgs(
    sv: Services, viewer: Viewer, *, search: str | None, after: str | None, limit: int
) -> list[Account]:
    """Return organizations by name, those after the name ``after``. Opens a read unit."""
    if "\0" in (search or "") or "\0" in (after or ""):
        return []
    with sv.db.read() as tx:
        return profile_rows.list_orgs(
            tx, search=search, after=None if after is None else after.lower(), limit=limit
        )


def set_socials(
    sv: Services, viewer: Viewer, *, name: str, kind: Literal["user", "org"], links: Mapping[str, str]
) -> Mapping[str, str]:
    """Replace the links on a profile. Opens units. Raises NotFound, Unauthorized, Forbidden, BadRequest."""
    kept = {network: _check_link(network, value) for network, value in links.items() if value}
    with sv.db.read() as tx:
        account = rules.get_org(tx, name) if kind == "org" else rules.get_user(tx, name)
    return socials_of(actions.update_settings(sv, viewer, name=account.name, settings={SOCIALS: kept}))


def socials_of(account: Account) -> Mapping[str, str]:
    """Return the links that an account shows."""
    kept = account.settings.get(SOCIALS)
    if not isinstance(kept, dict):
        return {}
    return {name: value for name, value in kept.items() if isinstance(value, str)}


def _check_link(network: str, value: str) -> str:
    """Return a link or a handle that is safe to show. Raises BadRequest."""
    text = value.strip()
    if network == "website":
        if len(text) > 200 or not text.isprintable() or " " in text:
            raise BadRequest("'website' must be an http(s) address of at most 200 characters.")
        parts = urlsplit(text)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise BadRequest("'website' must be an http(s) address of at most 200 characters.")
        return text
    if network not in NETWORKS:
        raise BadRequest(f"Unknown link {network[:40]!r}. Allowed: {', '.join(NETWORKS)}.")
    is_address = "://" in text
    if not _HANDLE.fullmatch(text) or (is_address and not text.startswith("https://")):
        raise BadRequest(f"{network!r} must be a name there or an https address, of at most 200 characters.")
    if not is_address and ":" in text:
        raise BadRequest(f"{network!r} must be a name there or an https address.")
    return text

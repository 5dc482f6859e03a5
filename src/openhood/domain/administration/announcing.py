"""What the hub's administrators announce to everybody who opens a page: one sentence at a time, and where more stands."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal
from urllib.parse import urlsplit

from openhood.base.errors import BadRequest, NotFound
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import rules
from openhood.domain.administration import rows
from openhood.domain.services import Services

MAX_CHARS = 200
"""Of the sentence, and of the link: a row of the hub's facts holds no more, nor does one line of a page."""

Kind = Literal["note", "warn"]
KINDS: tuple[Kind, ...] = ("note", "warn")
_TEXT, _KIND, _LINK, _SINCE = (f"announcement {part}" for part in ("text", "kind", "link", "since"))


@dataclass(frozen=True, slots=True)
class Announcement:
    """A sentence for everybody. ``link`` is an address on this hub or elsewhere, or None."""

    text: str
    kind: Kind
    link: str | None
    since: datetime

    @property
    def key(self) -> str:
        """What tells it from others: whoever dismissed one sees the next."""
        said = f"{self.since.timestamp()} {self.kind} {self.link} {self.text}"
        return hashlib.sha256(said.encode()).hexdigest()[:16]


def get_announcement(sv: Services, viewer: Viewer) -> Announcement | None:
    """Return what is announced, None where nothing is. Opens a read unit."""
    with sv.db.read() as tx:
        facts = rows.get_facts(tx, (_TEXT, _KIND, _LINK, _SINCE))
    if _TEXT not in facts:
        return None
    return Announcement(
        facts[_TEXT],
        next((each for each in KINDS if each == facts.get(_KIND)), "note"),
        facts.get(_LINK) or None,
        datetime.fromtimestamp(int(facts.get(_SINCE, "0")), UTC),
    )


def announce(sv: Services, viewer: Viewer, *, text: str, kind: str, link: str | None) -> Announcement:
    """Announce something, in the place of what was announced before. Opens a write unit.

    Args: ``text`` is plain, in one line, and has at most 200 characters, as has ``link``: an http or https address, or
    a path of this hub. Raises: Unauthorized, Forbidden, BadRequest.
    """
    rules.require_admin(viewer)
    said = " ".join(text.replace("\0", "").split())
    if not said or len(said) > MAX_CHARS:
        raise BadRequest(f"An announcement has 1 to {MAX_CHARS} characters.")
    chosen = next((each for each in KINDS if each == kind), None)
    if chosen is None:
        raise BadRequest(f"An announcement is one of {', '.join(KINDS)}, not {kind[:40]!r}.")
    target = _check_link((link or "").strip())
    now = sv.clock.now().replace(microsecond=0)
    with sv.db.write() as tx:
        rows.put_facts(
            tx, {_TEXT: said, _KIND: chosen, _LINK: target or "", _SINCE: str(int(now.timestamp()))}
        )
        audit.record(
            tx, at=now, actor=viewer.name, action="hub.announce", subject=said, kind=chosen, link=target
        )
    return Announcement(said, chosen, target, now)


def withdraw(sv: Services, viewer: Viewer) -> None:
    """Announce nothing any more. Opens a write unit. Raises: Unauthorized, Forbidden, NotFound."""
    rules.require_admin(viewer)
    now = sv.clock.now()
    with sv.db.write() as tx:
        said = rows.get_facts(tx, (_TEXT,)).get(_TEXT)
        if said is None:
            raise NotFound("Nothing is announced.")
        rows.delete_facts(tx, (_TEXT, _KIND, _LINK, _SINCE))
        audit.record(tx, at=now, actor=viewer.name, action="hub.withdraw_announcement", subject=said)


def _check_link(link: str) -> str | None:
    if not link:
        return None
    try:
        parts = urlsplit(link)
    except ValueError as error:
        raise BadRequest("The link of an announcement is no address.") from error
    is_path = link.startswith("/") and link[1:2] not in ("/", "\\")
    is_address = parts.scheme in ("http", "https") and bool(parts.netloc)
    if len(link) > MAX_CHARS or not link.isprintable() or " " in link or not (is_path or is_address):
        raise BadRequest(
            f"The link of an announcement is an http or https address, or a path of this hub that begins with /, with at "
            f"most {MAX_CHARS} characters."
        )
    return link

"""Pull requests as far as content needs them: whose they are, whether they are open, and opening one.

How a discussion begins is written here for pull requests and all others, since commits open them too. What is said
and decided later is in `domain.discussions`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy import insert, select

from openhood.base.errors import Conflict, Forbidden, RevisionNotFound
from openhood.base.names import RefName, pr_ref
from openhood.domain import events
from openhood.domain.access import Need, Viewer
from openhood.domain.repos import lookup, rows
from openhood.domain.repos.types import Repo
from openhood.engines import markup
from openhood.infra.db.community_tables import discussion_events
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import discussions, repos
from openhood.infra.ids import new_hex_id

_PR_REF = re.compile(r"refs/pr/([1-9][0-9]{0,8})")
MAX_TITLE_CHARS = 500
MAX_BODY_CHARS = 65_536


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request's row. ``status`` is draft, open, closed or merged."""

    number: int
    status: str
    author_id: int | None
    base_ref: RefName

    @property
    def is_open(self) -> bool:
        """Whether commits may still be added to it."""
        return self.status in ("draft", "open")


def number_of(ref: RefName) -> int | None:
    """Return N of ``refs/pr/N``, None for any other ref."""
    found = _PR_REF.fullmatch(ref)
    return None if found is None else int(found[1])


def get_pull(tx: Tx, repo: int, number: int) -> Pull | None:
    """Return one pull request."""
    row = tx.execute(
        select(discussions.c.status, discussions.c.author_id, discussions.c.base_ref).where(
            discussions.c.repo_id == repo,
            discussions.c.number == number,
            discussions.c.is_pull_request,
        )
    ).first()
    return None if row is None else Pull(number, row.status, row.author_id, RefName(row.base_ref or ""))


def check_may_change(tx: Tx, viewer: Viewer, repo: Repo, ref: RefName) -> None:
    """Make sure that ``viewer`` may add to the pull request behind ``ref``: its author, or who may write.

    Raises: RevisionNotFound, Conflict where it is closed or merged, Forbidden.
    """
    number = number_of(ref)
    pull = None if number is None else get_pull(tx, repo.id, number)
    if pull is None:
        raise RevisionNotFound(ref)
    if pull.author_id is None or pull.author_id != viewer.user_id:
        lookup.check(viewer, repo, need=Need.WRITE)
    if not pull.is_open:
        raise Conflict(f"Pull request #{pull.number} is {pull.status}: open it again or start another one.")


@dataclass(frozen=True, slots=True)
class Wording:
    """What somebody wrote, with what was made of it outside any unit: HTML, and the accounts it calls."""

    body: str
    html: str
    mentions: tuple[str, ...]


NOTHING_SAID = Wording("", "", ())


def word(text: str, *, web_path: str) -> Wording:
    """Prepare a text to be written; may take long over an odd one, so never inside a unit.

    Args: ``web_path`` is the page of the repository it is about. What is over `MAX_BODY_CHARS` is left out.
    """
    # PostgreSQL keeps no NUL in a text.
    body = text[:MAX_BODY_CHARS].replace("\0", "\ufffd")
    # Many texts stand on one page, each with footnotes of its own.
    prefix = f"said-{new_hex_id()[-8:]}-"
    return Wording(body, markup.render(body, repo=web_path, prefix=prefix), markup.mentions(body))


def open_pull(
    tx: Tx,
    viewer: Viewer,
    repo: Repo,
    *,
    title: str,
    opening: Wording,
    base: RefName,
    now: datetime,
    status: Literal["draft", "open"] = "open",
) -> tuple[int, RefName]:
    """Take the next number and write a new pull request, in the caller's write unit.

    Returns: the number, and the name of the ref the caller must create in the same unit.
    Raises: Forbidden where the repository takes no pull requests.
    """
    check_enabled(tx, repo)
    made = begin(
        tx, repo, title=title, opening=opening, author_id=viewer.user_id, status=status, base=base, now=now
    )
    return made.number, pr_ref(made.number)


def check_enabled(tx: Tx, repo: Repo) -> Mapping[str, object]:
    """Return the repository's settings. Raises Forbidden where its discussions are switched off."""
    settings: Mapping[str, object] = tx.execute(
        select(repos.c.settings).where(repos.c.id == repo.id)
    ).scalar_one()
    if settings.get("discussionsDisabled"):
        raise Forbidden("Discussions and pull requests are disabled for this repository.")
    return settings


@dataclass(frozen=True, slots=True)
class Begun:
    """A discussion that was just written: its row's number, its number in the repository, its object id."""

    id: int
    number: int
    hex_id: str


def begin(
    tx: Tx,
    repo: Repo,
    *,
    title: str,
    opening: Wording,
    author_id: int | None,
    status: str,
    base: RefName | None,
    now: datetime,
) -> Begun:
    """Write a discussion with its first comment and tell of it, in the caller's write unit.

    Args: ``base`` makes it a pull request. Whether it may be opened has been decided.
    """
    number = rows.take_number(tx, repo.id)
    hex_id, comment = new_hex_id(), new_hex_id()
    row: int = tx.execute(
        insert(discussions)
        .values(
            hex_id=hex_id,
            repo_id=repo.id,
            number=number,
            title=title[:MAX_TITLE_CHARS],
            description=opening.body,
            author_id=author_id,
            status=status,
            is_pull_request=base is not None,
            base_ref=base,
            comment_count=1,
            created_at=now,
            updated_at=now,
        )
        .returning(discussions.c.id)
    ).scalar_one()
    tx.execute(
        insert(discussion_events).values(
            hex_id=comment,
            discussion_id=row,
            kind="comment",
            author_id=author_id,
            created_at=now,
            body=opening.body,
            html=opening.html,
            html_version=markup.VERSION,
            facts={},
        )
    )
    events.record(
        tx,
        "discussion.create",
        at=now,
        actor_id=author_id,
        owner_id=repo.owner_id,
        repo=repo.snapshot,
        discussion={
            "id": hex_id,
            "num": number,
            "title": title[:MAX_TITLE_CHARS],
            "status": status,
            "is_pull": base is not None,
            "base": base,
            "merge_oid": None,
            "author_id": author_id,
        },
        comment={"id": comment, "content": opening.body, "hidden": False},
        mentions=list(opening.mentions),
    )
    return Begun(row, number, hex_id)

"""What the search by name and by text reads, in the order in which it should be found.

The full-text indexes give their rows back in the order of ``place``, so that a common word needs only the
first few of its hundred thousand rows.

=====  ====  ===============================================================
bits   from  meaning of a place
=====  ====  ===============================================================
2      61    type of repository
1      60    1: only members may know of it
6      54    popularity, 0 the greatest
54     0     the newest repository first: the upper bits of its number, turned round
=====  ====  ===============================================================
"""

from __future__ import annotations

import math

from sqlalchemy import select, update

from openhood.base.names import RepoType
from openhood.domain.catalog.types import Subject
from openhood.infra.db.discovery_tables import repo_texts
from openhood.infra.db.engine import Tx, upsert

_TYPES = {RepoType.MODEL: 0, RepoType.DATASET: 1, RepoType.SPACE: 2}
_TYPE_BIT, _HIDDEN_BIT, _TIER_BIT = 61, 60, 54
_NUMBER_BITS = 63
_LOWEST = (1 << _TIER_BIT) - 1
_TIERS = 63
_A_LIKE = 30
"""A like weighs as much as so many downloads of the last thirty days."""


def tier_of(*, downloads: int, likes: int) -> int:
    """Return the rank of popularity, 0 to 63: three steps for each doubling, so that it seldom changes."""
    return max(0, _TIERS - round(3 * math.log2(1 + max(0, downloads) + _A_LIKE * max(0, likes))))


def place_of(subject: Subject, *, tier: int) -> int:
    """Return where a repository stands among what is searched."""
    first, _ = span(subject.type, is_hidden=subject.is_hidden)
    age = _LOWEST - (subject.id >> _NUMBER_BITS - _TIER_BIT & _LOWEST)
    return first | (tier << _TIER_BIT) | age


def tier_at(place: int) -> int:
    """Return the rank of popularity of a place: see `tier_of`."""
    return place >> _TIER_BIT & _TIERS


def has_tier(place: int, *, tier: int) -> bool:
    """Tell whether a place is one of repositories of this popularity."""
    return tier_at(place) == tier


def free_place(tx: Tx, subject: Subject, *, tier: int) -> int:
    """Return its place, or the next one that no other repository has: numbers of one moment may share it."""
    place = place_of(subject, tier=tier)
    while tx.execute(
        select(repo_texts.c.repo_id).where(repo_texts.c.place == place, repo_texts.c.repo_id != subject.id)
    ).first():
        place += 1
    return place


def span(repo_type: RepoType, *, is_hidden: bool) -> tuple[int, int]:
    """Return the first and the last place of a type's public or hidden repositories."""
    first = (_TYPES[repo_type] << _TYPE_BIT) | (int(is_hidden) << _HIDDEN_BIT)
    return first, first | ((1 << _HIDDEN_BIT) - 1)


def owner_word(owner_id: int) -> str:
    """Return the word by which the search is restricted to an owner."""
    return f"o{owner_id}"


def write(tx: Tx, subject: Subject, *, words: str, tier: int) -> None:
    """Write what is searched of a repository, unless that is what stands there: each word of a card costs."""
    kept = select(repo_texts.c.words, repo_texts.c.name, repo_texts.c.owner, repo_texts.c.place)
    row = tx.execute(kept.where(repo_texts.c.repo_id == subject.id)).first()
    says = (words, subject.search_text, owner_word(subject.owner_id))
    if (
        row is not None
        and tuple(row[:3]) == says
        and row.place >> _TIER_BIT == place_of(subject, tier=tier) >> _TIER_BIT
    ):
        return
    columns = ["place", "name", "words", "owner"]
    statement = upsert(tx, repo_texts, key=["repo_id"], update=columns)
    tx.execute(
        statement.values(
            repo_id=subject.id,
            place=free_place(tx, subject, tier=tier),
            name=subject.search_text,
            words=words,
            owner=owner_word(subject.owner_id),
        )
    )


def refile(tx: Tx, subject: Subject, *, tier: int) -> None:
    """Bring name, owner and place up to what the repository is now; its words stay."""
    tx.execute(
        update(repo_texts)
        .where(repo_texts.c.repo_id == subject.id)
        .values(
            place=free_place(tx, subject, tier=tier),
            name=subject.search_text,
            owner=owner_word(subject.owner_id),
        )
    )


def words_of(tx: Tx, repo: int) -> str:
    """Return the text that is searched of a repository."""
    query = select(repo_texts.c.words).where(repo_texts.c.repo_id == repo)
    return tx.execute(query).scalar_one_or_none() or ""

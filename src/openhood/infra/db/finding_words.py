"""How each of the two databases finds names by parts of them and cards by their words, the popular first.

SQLite's full-text indexes give their rows in the order of ``place``. PostgreSQL walks the index on places
as far as it pays, and gathers what is rarer from its own indexes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, func, literal, literal_column, or_, select

from openhood.infra.db.discovery_tables import repo_texts
from openhood.infra.db.engine import Tx
from openhood.infra.db.finding import is_sqlite, opaque, quoted
from openhood.infra.db.tables import repos

_TRIED_NAMES = 6_000
_TRIED_TEXTS = 1_500
"""PostgreSQL looks at so many of the most popular rows before it gathers: about ten milliseconds each."""
_ENOUGH = 40
_MOST_GATHERED = 20_000
_SOME_HIDDEN = 5_000


class Phrase(NamedTuple):
    """Words that follow one another, in lower case, letters and digits only; the last may be but a beginning.

    ``raw`` is how it was written, for a database that keeps version numbers and such in one piece.
    """

    words: tuple[str, ...]
    is_prefix: bool
    raw: str


class Sought(NamedTuple):
    """A question to the cards: all of ``phrases`` (or any: ``is_any``) and none of ``excluded``."""

    phrases: tuple[Phrase, ...]
    excluded: tuple[Phrase, ...]
    is_any: bool = False


class Span(NamedTuple):
    """The places that are looked at, first and last included."""

    first: int
    last: int


class Place(NamedTuple):
    """A repository that was found. ``name`` is its id in lower case."""

    place: int
    number: int
    name: str


Parts = Sequence[Sequence[str]]
"""Parts of a name, in lower case, three characters or more: one of each group must occur."""


def find_names(tx: Tx, parts: Parts, span: Span, *, limit: int) -> list[Place]:
    """Return the first repositories of a span whose ids have one part of each group, in order of place."""
    if is_sqlite(tx):
        names = _at_names(_names_match(parts), span, limit)
        return _read(tx, _PLACES.where(repo_texts.c.place.in_(names)).order_by(repo_texts.c.place))
    return _walk_or_gather(tx, _like(parts), span, limit=limit, tried=_TRIED_NAMES)


def find_hidden_names(
    tx: Tx, parts: Parts, span: Span, *, may_see: ColumnElement[bool], own: Select[Any] | None, limit: int
) -> list[Place]:
    """Return the same of a span of hidden repositories, those that fulfil ``may_see``.

    Args: ``own``: the numbers of the few that can be meant; None: too many, then SQLite looks at the most popular
    `_SOME_HIDDEN` that have such a name.
    """
    query = _with_repos(may_see, span)
    if own is not None:
        query = query.where(repos.c.id.in_(own), opaque(_like(parts)))
    elif is_sqlite(tx):
        query = query.where(repo_texts.c.place.in_(_at_names(_names_match(parts), span, _SOME_HIDDEN)))
    else:
        query = query.where(_like(parts))
    return _read(tx, query.order_by(repo_texts.c.place).limit(limit))


def find_texts(tx: Tx, sought: Sought, span: Span, *, limit: int) -> list[Place]:
    """Return the first repositories of a span whose name or card has what is sought, in order of place."""
    if is_sqlite(tx):
        places = _at_words(_words_match(sought), span, limit)
        return _read(tx, _PLACES.where(repo_texts.c.place.in_(places)).order_by(repo_texts.c.place))
    return _walk_or_gather(tx, _has_words(sought), span, limit=limit, tried=_TRIED_TEXTS)


def find_hidden_texts(
    tx: Tx,
    sought: Sought,
    span: Span,
    *,
    may_see: ColumnElement[bool],
    owners: Sequence[str] | None,
    own: Select[Any] | None,
    limit: int,
) -> list[Place]:
    """Return the same of a span of hidden repositories, those that fulfil ``may_see``.

    Args: ``owners``: words of the owners that can be meant (`catalog.texts.owner_word`), None for all; ``own``: the
    numbers of their hidden repositories, None for all.
    """
    query = _with_repos(may_see, span)
    if is_sqlite(tx):
        match = _words_match(sought)
        if owners is not None:
            match = f"owner : ({' OR '.join(quoted(owner) for owner in owners)}) AND ({match})"
        query = query.where(repo_texts.c.place.in_(_at_words(match, span, None)))
    else:
        query = query.where(_has_words(sought))
        if own is not None:
            query = query.where(repos.c.id.in_(own))
    return _read(tx, query.order_by(repo_texts.c.place).limit(limit))


def words_of(tx: Tx, numbers: Sequence[int]) -> dict[int, str]:
    """Return the cards of some repositories as plain text."""
    query = select(repo_texts.c.repo_id, repo_texts.c.words).where(repo_texts.c.repo_id.in_(numbers))
    return {row.repo_id: row.words for row in tx.execute(query)}


_PLACES = select(repo_texts.c.place, repo_texts.c.repo_id, repo_texts.c.name)


def _read(tx: Tx, query: Select[Any]) -> list[Place]:
    return [Place(row[0], row[1], row[2]) for row in tx.execute(query)]


def _in(span: Span) -> ColumnElement[bool]:
    return repo_texts.c.place.between(span.first, span.last)


def _with_repos(may_see: ColumnElement[bool], span: Span) -> Select[Any]:
    joined = repo_texts.join(repos, repos.c.id == repo_texts.c.repo_id)
    return _PLACES.select_from(joined).where(opaque(_in(span)), opaque(may_see))


# --- SQLite ---------------------------------------------------------------------------------


def _at(table: str) -> Callable[[str, Span, int | None], Select[Any]]:
    rowid: ColumnElement[int] = literal_column(f"{table}.rowid")

    def places(match: str, span: Span, limit: int | None) -> Select[Any]:
        query = (
            select(rowid)
            .select_from(literal_column(table))  # type: ignore[arg-type]  # a virtual table by its name
            .where(literal_column(table).op("MATCH")(literal(match)), rowid.between(span.first, span.last))
        )
        return query if limit is None else query.order_by(rowid).limit(limit)

    return places


_at_names = _at("repo_names")
_at_words = _at("repo_words")


def _names_match(parts: Parts) -> str:
    return " AND ".join(f"({' OR '.join(quoted(part) for part in group)})" for group in parts)


def _words_match(sought: Sought) -> str:
    glue = " OR " if sought.is_any else " AND "
    # Nothing but name and words: the owner's word is no word of the repository.
    wanted = glue.join(_fts_phrase(phrase) for phrase in sought.phrases)
    match = f"{{name words}} : ({wanted})"
    for phrase in sought.excluded:
        match = f"({match}) NOT {{name words}} : {_fts_phrase(phrase)}"
    return match


def _fts_phrase(phrase: Phrase) -> str:
    return quoted(" ".join(phrase.words)) + (" *" if phrase.is_prefix else "")


# --- PostgreSQL -----------------------------------------------------------------------------


def _like(parts: Parts) -> ColumnElement[bool]:
    return and_(
        *(or_(*(repo_texts.c.name.contains(part, autoescape=True) for part in group)) for group in parts)
    )


def _has_words(sought: Sought) -> ColumnElement[bool]:
    glue = " | " if sought.is_any else " & "
    asked = f"({glue.join(_ts_phrase(phrase) for phrase in sought.phrases)})"
    asked += "".join(f" & !({_ts_phrase(phrase)})" for phrase in sought.excluded)
    query = func.to_tsquery(literal_column("'simple'"), literal(asked))
    return literal_column("repo_texts.vector").op("@@")(query)


def _ts_phrase(phrase: Phrase) -> str:
    *before, last = (f"'{word}'" for word in phrase.words)
    asked = " <-> ".join([*before, last + (":*" if phrase.is_prefix else "")])
    if len(phrase.words) == 1:
        return asked
    # In cards the database has `v1.5` and `a/b` in one piece, in names (and here) not.
    return f"(({asked}) | '{phrase.raw}')"


def _walk_or_gather(
    tx: Tx, holds: ColumnElement[bool], span: Span, *, limit: int, tried: int
) -> list[Place]:
    """Return the first rows of a span that fulfil a condition.

    What is common is among the most popular rows; what is not is rare enough to be gathered.
    """
    some = select(repo_texts.c.place).where(_in(span)).order_by(repo_texts.c.place).offset(tried).limit(1)
    end = tx.execute(some).scalar_one_or_none()
    ordered = _PLACES.order_by(repo_texts.c.place).limit(limit)
    near = _in(span) if end is None else _in(Span(span.first, end))
    found = _read(tx, ordered.where(near, opaque(holds)))
    if end is None or len(found) >= min(limit, _ENOUGH):
        return found
    gathered = _PLACES.where(holds, opaque(_in(span))).limit(_MOST_GATHERED)
    rows = gathered.cte("gathered").prefix_with("MATERIALIZED", dialect="postgresql")
    return _read(tx, select(rows.c.place, rows.c.repo_id, rows.c.name).order_by(rows.c.place).limit(limit))

"""How each of the two databases finds names by parts of them and cards by their words, the popular first.

SQLite's full-text indexes give their rows in the order of ``place``. PostgreSQL walks the index on places
as far as it pays, and gathers what is rarer from its own indexes.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Select,
    and_,
    column,
    func,
    literal,
    literal_column,
    or_,
    select,
    table,
)

from openhood.infra.db.discovery_tables import repo_texts
from openhood.infra.db.engine import Tx
from openhood.infra.db.finding import is_sqlite, opaque, quoted, within
from openhood.infra.db.tables import repos

_TRIED_NAMES = 3_000
_TRIED_TEXTS = 1_500
"""PostgreSQL looks at so many of the most popular rows before it gathers: about ten milliseconds each."""
_ENOUGH = 40
_MOST_GATHERED = 20_000
_FEW = 1_000
_TRIED_PREFIX = 150


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

    @property
    def has_prefix(self) -> bool:
        """Whether something sought is but a beginning."""
        return any(each.is_prefix for each in (*self.phrases, *self.excluded))


class Hidden(NamedTuple):
    """What a viewer may find of what only members may know of.

    ``may_see`` is the policy. ``owners`` are the words of the owners that can be meant (`catalog.texts.owner_word`),
    None for all; ``is_partly_shown``: the policy may leave out some of theirs.
    """

    may_see: ColumnElement[bool]
    owners: tuple[str, ...] | None
    is_partly_shown: bool


class Span(NamedTuple):
    """The places that are looked at, first and last included."""

    first: int
    last: int


class Place(NamedTuple):
    """A repository that was found. ``name`` is its id in lower case."""

    place: int
    number: int
    name: str


class _Folded(dict[int, str]):
    """Letters without case and marks, one for one, so that positions stay."""

    def __missing__(self, code: int) -> str:
        plain = unicodedata.normalize("NFD", chr(code).lower())[:1]
        self[code] = plain or chr(code)
        return self[code]


_FOLDED = _Folded()


def fold(text: str) -> str:
    """Return a text without letter case and marks, of the same length."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


def pattern(*phrases: Phrase) -> re.Pattern[str]:
    """Return what finds one of some phrases in a folded text, as the databases find them."""
    each = (
        r"[\W_]+".join(re.escape(fold(word)) for word in phrase.words)
        + (r"[^\W_]*" if phrase.is_prefix else r"(?![^\W_])")
        for phrase in phrases
    )
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(each)})")


Parts = Sequence[Sequence[str]]
"""Parts of a name, in lower case, three characters or more: one of each group must occur."""


def find_names(
    tx: Tx, parts: Parts, span: Span, *, limit: int, tried: int = _TRIED_NAMES, is_popular: bool = False
) -> list[Place]:
    """Return the first repositories of a span whose ids have one part of each group, in order of place.

    ``tried``, here and below: so many of the most popular are looked at before others are gathered.
    ``is_popular``: what is wanted is likely among those, however rare it seems.
    """
    if is_sqlite(tx):
        names = _at_names(_names_match(parts), span, limit)
        return _read(tx, _PLACES.where(repo_texts.c.place.in_(names)).order_by(repo_texts.c.place))
    return _walk_or_gather(tx, _like(parts), span, limit=limit, tried=tried, is_popular=is_popular)


def find_hidden_names(
    tx: Tx, parts: Parts, span: Span, *, hidden: Hidden, limit: int, tried: int = _TRIED_NAMES
) -> list[Place]:
    """Return the same of a span of hidden repositories, those that ``hidden`` lets the viewer find."""
    query = _with_repos(hidden, span).order_by(repo_texts.c.place).limit(limit)
    if not is_sqlite(tx):
        if hidden.owners is not None:
            owners = hidden.owners
            return _hidden_names(tx, _like(parts), span, hidden=hidden, owners=owners, limit=limit)
        return _hidden_rows(tx, _like(parts), span, hidden=hidden, limit=limit, tried=tried)
    places: Any = _at_names(_names_match(parts), span, None)  # Any: a query or two of them
    if hidden.owners is not None:
        places = places.intersect(_at_words(_owned(hidden.owners), span, None))
    if not hidden.is_partly_shown:
        places = places.order_by(literal_column("1")).limit(limit)
    return _read(tx, query.where(repo_texts.c.place.in_(places)))


def find_texts(tx: Tx, sought: Sought, span: Span, *, limit: int, tried: int | None = None) -> list[Place]:
    """Return the first repositories of a span whose name or card has what is sought, in order of place."""
    if not is_sqlite(tx):
        return _walk_or_gather(tx, _has_words(sought), span, limit=limit, tried=tried or _TRIED_TEXTS)
    if sought.has_prefix:
        near = (
            select(repo_texts.c.place)
            .where(_in(span))
            .order_by(repo_texts.c.place)
            .limit(tried or _TRIED_PREFIX)
        )
        found = _look_through(tx, near, sought)
        if len(found) >= _ENOUGH:
            return found
    places = _at_words(_words_match(sought), span, limit)
    return _read(tx, _PLACES.where(repo_texts.c.place.in_(places)).order_by(repo_texts.c.place))


def find_hidden_texts(
    tx: Tx, sought: Sought, span: Span, *, hidden: Hidden, limit: int, tried: int | None = None
) -> list[Place]:
    """Return the same of a span of hidden repositories, those that ``hidden`` lets the viewer find."""
    query = _with_repos(hidden, span).order_by(repo_texts.c.place).limit(limit)
    if not is_sqlite(tx):
        return _hidden_rows(
            tx, _has_words(sought), span, hidden=hidden, limit=limit, tried=tried or _TRIED_TEXTS
        )
    if sought.has_prefix:
        near = (
            select(repo_texts.c.place)
            .where(_in(span))
            .order_by(repo_texts.c.place)
            .limit(tried or _TRIED_PREFIX)
            if hidden.owners is None
            else _at_words(_owned(hidden.owners), span, tried or _TRIED_PREFIX)
        )
        found = [each.place for each in _look_through(tx, near, sought)]
        if len(found) >= _ENOUGH:
            return _read(tx, query.where(repo_texts.c.place.in_(found)))
    match = _words_match(sought)
    if hidden.owners is not None:
        match = f"({_owned(hidden.owners)}) AND ({match})"
    places = _at_words(match, span, None if hidden.is_partly_shown else limit)
    return _read(tx, query.where(repo_texts.c.place.in_(places)))


def _look_through(tx: Tx, places: Select[Any], sought: Sought) -> list[Place]:
    """Return those of some few repositories that have what is sought, by reading them.

    SQLite gathers all words that begin so before it gives the first row, which for a common beginning takes
    a tenth of a second and more.
    """
    rows = select(repo_texts.c.place, repo_texts.c.repo_id, repo_texts.c.name, repo_texts.c.words)
    quantor = any if sought.is_any else all
    wanted = [pattern(phrase) for phrase in sought.phrases]
    excluded = [pattern(phrase) for phrase in sought.excluded]
    found = []
    for row in tx.execute(rows.where(repo_texts.c.place.in_(places)).order_by(repo_texts.c.place)):
        text = fold(f"{row.name} / {row.words}")
        if quantor(each.search(text) for each in wanted) and not any(each.search(text) for each in excluded):
            found.append(Place(row.place, row.repo_id, row.name))
    return found


def words_of(tx: Tx, numbers: Sequence[int]) -> dict[int, str]:
    """Return the cards of some repositories as plain text."""
    query = select(repo_texts.c.repo_id, repo_texts.c.words).where(repo_texts.c.repo_id.in_(numbers))
    return {row.repo_id: row.words for row in tx.execute(query)}


_PLACES = select(repo_texts.c.place, repo_texts.c.repo_id, repo_texts.c.name)


def _read(tx: Tx, query: Select[Any]) -> list[Place]:
    return [Place(row[0], row[1], row[2]) for row in tx.execute(query)]


def _in(span: Span) -> ColumnElement[bool]:
    return repo_texts.c.place.between(span.first, span.last)


def _with_repos(hidden: Hidden, span: Span) -> Select[Any]:
    joined = repo_texts.join(repos, repos.c.id == repo_texts.c.repo_id)
    return _PLACES.select_from(joined).where(opaque(_in(span)), opaque(hidden.may_see))


# --- SQLite ---------------------------------------------------------------------------------


def _at(name: str) -> Callable[[str, Span, int | None], Select[Any]]:
    rowid: ColumnElement[int] = table(name, column("rowid", BigInteger)).c.rowid

    def places(match: str, span: Span, limit: int | None) -> Select[Any]:
        matches = literal_column(name).op("MATCH")(literal(match))
        query = select(rowid).where(matches, rowid.between(span.first, span.last))
        return query if limit is None else query.order_by(rowid).limit(limit)

    return places


_at_names = _at("repo_names")
_at_words = _at("repo_words")


def _names_match(parts: Parts) -> str:
    return " AND ".join(f"({' OR '.join(quoted(part) for part in group)})" for group in parts)


def _owned(owners: Sequence[str]) -> str:
    return f"owner : ({' OR '.join(quoted(owner) for owner in owners)})"


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
    tx: Tx, holds: ColumnElement[bool], span: Span, *, limit: int, tried: int, is_popular: bool = False
) -> list[Place]:
    """Return the first rows of a span that fulfil a condition.

    What is common is among the most popular rows; what is not is rare enough to be gathered.
    """
    expected = _estimate(tx, holds, span)
    if expected > _FEW or is_popular:
        found, is_all = _near(tx, _PLACES, holds, span, limit=limit, tried=tried)
        if is_all or expected > _MOST_GATHERED:
            return found
    rows = _gathered(holds, span)
    return _read(tx, select(rows.c.place, rows.c.repo_id, rows.c.name).order_by(rows.c.place).limit(limit))


def _hidden_rows(
    tx: Tx, holds: ColumnElement[bool], span: Span, *, hidden: Hidden, limit: int, tried: int
) -> list[Place]:
    """Return the same of hidden rows.

    Cards are kept apart from their rows and slow to read, so their words come first; names are read with the
    row, so the owners' index may come first there.
    """
    expected = _estimate(tx, holds, span)
    owned = holds if hidden.owners is None else and_(holds, opaque(repo_texts.c.owner.in_(hidden.owners)))
    if expected > _FEW:
        found, is_all = _near(tx, _with_repos(hidden, span), owned, span, limit=limit, tried=tried)
        if is_all or expected > _MOST_GATHERED:
            return found
    return _read(tx, _first_shown(_gathered(owned, span), hidden, limit=limit))


def _hidden_names(
    tx: Tx, holds: ColumnElement[bool], span: Span, *, hidden: Hidden, owners: Sequence[str], limit: int
) -> list[Place]:
    # The condition of the index, in its very words.
    is_hidden = literal_column("((repo_texts.place >> 60) & 1) = 1", type_=Boolean)
    owned = and_(opaque(holds), repo_texts.c.owner.in_(owners), is_hidden)
    return _read(tx, _first_shown(_gathered(owned, span), hidden, limit=limit))


def _first_shown(rows: Any, hidden: Hidden, *, limit: int) -> Select[Any]:
    """Return the query for the first of some rows that the viewer may see.

    Where all of these owners' are theirs to see, the first are taken before the policy is asked: it reads rows
    that are wide.
    """
    if not hidden.is_partly_shown:
        rows = select(rows).order_by(rows.c.place).limit(limit).subquery()
    query = select(rows.c.place, rows.c.repo_id, rows.c.name)
    query = query.select_from(rows.join(repos, repos.c.id == rows.c.repo_id)).where(hidden.may_see)
    return query.order_by(rows.c.place).limit(limit)


def _near(
    tx: Tx, rows: Select[Any], holds: ColumnElement[bool], span: Span, *, limit: int, tried: int
) -> tuple[list[Place], bool]:
    """Look at the most popular rows of a span; tells whether that was enough."""
    some = select(repo_texts.c.place).where(_in(span)).order_by(repo_texts.c.place).offset(tried).limit(1)
    end = tx.execute(some).scalar_one_or_none()
    near = _in(span if end is None else Span(span.first, end))
    query = rows.where(near, opaque(holds)).order_by(repo_texts.c.place).limit(limit)
    found = _read(tx, query)
    return found, end is None or len(found) >= min(limit, _ENOUGH)


def _gathered(
    holds: ColumnElement[bool], span: Span
) -> Any:  # Any: SQLAlchemy does not type columns of a CTE
    # As a whole, so that two bitmaps are laid over one another instead of walking to a limit.
    # With the owner, so that the index on places, which has all but that, is not read from end to end instead.
    gathered = _PLACES.add_columns(repo_texts.c.owner).where(holds, within(*span)).cte("gathered")
    return gathered.prefix_with("MATERIALIZED", dialect="postgresql")


def _estimate(tx: Tx, holds: ColumnElement[bool], span: Span) -> int:
    """Ask the planner how many rows there are, about.

    Few are gathered at once. Too many are never: words that are common each, but not among the popular rows as the
    phrase that is wanted.
    """
    query = select(repo_texts.c.repo_id).where(holds, within(*span))
    asked = query.compile(dialect=tx.dialect, compile_kwargs={"render_postcompile": True})
    plan = tx.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {asked}", asked.params).scalar_one()
    return int(plan[0]["Plan"]["Plan Rows"])

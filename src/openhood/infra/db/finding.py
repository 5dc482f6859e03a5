"""How each of the two databases finds rows by tags and names; the queries of lists are built from these parts.

SQLite has an inverted table and full-text tables that triggers keep; PostgreSQL has indexes over arrays,
trigrams and words. The migration that made them says what they hold.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Select,
    bindparam,
    column,
    delete,
    exists,
    func,
    literal,
    literal_column,
    select,
    table,
    true,
    union_all,
)
from sqlalchemy.dialects import postgresql

from openhood.infra.db.discovery_tables import repo_texts
from openhood.infra.db.engine import Tx, insert_ignore
from openhood.infra.db.tables import repos

_BATCH = 500

repo_tags = table("repo_tags", column("tag_id", Integer), column("repo_id", BigInteger))
"""On SQLite only: which repositories have a tag."""

Spans = Sequence[tuple[int, int]]
"""First and last places, in order: see ``domain.catalog.texts``."""

_names = table("repo_names", column("rowid", BigInteger))
_words = table("repo_words", column("rowid", BigInteger))


def is_sqlite(tx: Tx) -> bool:
    """Tell which of the two databases a unit is in."""
    return tx.dialect.name == "sqlite"


def index_tags(tx: Tx, repo: int, *, added: Iterable[int], removed: Collection[int]) -> None:
    """Keep the inverted table in step with a repository's ``tag_ids``, where the database needs one."""
    if not is_sqlite(tx):
        return
    if removed:
        gone = repo_tags.c.tag_id.in_(sorted(removed))
        tx.execute(delete(repo_tags).where(gone, repo_tags.c.repo_id == repo))
    values = [{"tag_id": tag, "repo_id": repo} for tag in sorted(added)]
    for start in range(0, len(values), _BATCH):
        tx.execute(insert_ignore(tx, repo_tags), values[start : start + _BATCH])


def has_tag(tx: Tx, tag: int) -> ColumnElement[bool]:
    """Return the condition that a row of ``repos`` has a tag."""
    return has_any_tag(tx, [tag])


def has_any_tag(tx: Tx, tags: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a row of ``repos`` has one of some tags."""
    if is_sqlite(tx):
        # The same form for one and for many, so that the statement is compiled once.
        of_row: Select[Any] = select(literal_column("1")).where(repo_tags.c.repo_id == repos.c.id)
        return exists(of_row.where(repo_tags.c.tag_id.in_(tags)).correlate(repos))
    operator = "@>" if len(tags) == 1 else "&&"
    return repos.c.tag_ids.op(operator)(literal(list(tags), repos.c.tag_ids.type))


def tagged(tx: Tx, tags: Sequence[int], repo_type: str) -> Select[Any]:
    """Return a query for the numbers of the repositories that have one of some tags of a type."""
    if is_sqlite(tx):
        return select(repo_tags.c.repo_id.label("id")).where(repo_tags.c.tag_id.in_(tags))
    return select(repos.c.id).where(repos.c.type == repo_type, has_any_tag(tx, tags))


def with_all_tags(source: Select[Any], others: Sequence[Sequence[int]]) -> Select[Any]:
    """Return those of a query's numbers whose repositories have one of each of some tags; on SQLite only."""
    if not others:
        return source
    found = source.subquery()
    query = select(found.c.id)
    for number, each in enumerate(others):
        other = repo_tags.alias(f"other_{number}")
        same: Select[Any] = select(literal_column("1")).where(
            other.c.repo_id == found.c.id, other.c.tag_id.in_(each)
        )
        query = query.where(exists(same.correlate(found)))
    return query


def named(tx: Tx, word: str, spans: Spans) -> Select[Any]:
    """Return a query for the repositories whose id contains a word of three characters or more: see `repos_at`.

    Args: ``spans``: the places they are among, one after another.
    """
    if is_sqlite(tx):
        matches = literal_column("repo_names").op("MATCH")(literal(quoted(word)))
        return select(_names.c.rowid).where(matches, _names.c.rowid.between(spans[0][0], spans[-1][1]))
    return _of_each(repo_texts.c.name.contains(word, autoescape=True), spans)


def word_begun(tx: Tx, word: str, spans: Spans) -> Select[Any]:
    """Return a query for the repositories with a word in their id that begins so; and, on PostgreSQL, in their text."""
    if is_sqlite(tx):
        matches = literal_column("repo_words").op("MATCH")(literal(f"name : {quoted(word)} *"))
        return select(_words.c.rowid).where(matches, _words.c.rowid.between(spans[0][0], spans[-1][1]))
    asked = func.to_tsquery(literal_column("'simple'"), bindparam(None, f"'{word}':*"))
    return _of_each(literal_column("vector").op("@@")(asked), spans)


def _of_each(holds: ColumnElement[bool], spans: Spans) -> Select[Any]:
    parts = [select(repo_texts.c.repo_id.label("id")).where(holds, within(*span)) for span in spans]
    found = union_all(*parts).subquery()
    return select(found.c.id)


def within(first: int, last: int) -> ColumnElement[bool]:
    """Return the condition of PostgreSQL's indexes over the texts of one span of places, in its very words."""
    return repo_texts.c.place.between(literal_column(str(first)), literal_column(str(last)))


def repos_at(tx: Tx, places: Select[Any]) -> Select[Any]:
    """Return a query for the numbers of the repositories that `named` or `word_begun` find."""
    if not is_sqlite(tx):
        return places
    return select(repo_texts.c.repo_id.label("id")).where(repo_texts.c.place.in_(places))


def quoted(text: str) -> str:
    """Return a text as one phrase of FTS5's language, in which nothing else has a meaning."""
    return '"' + text.replace('"', '""') + '"'


def is_gated() -> ColumnElement[bool]:
    """Return the condition of the index over gated repositories, in its very words."""
    return repos.c.gated != literal_column("''")


def is_public() -> ColumnElement[bool]:
    """Return the condition of the indexes over public repositories, in their very words."""
    return repos.c.visibility != literal_column("'private'")


def is_private() -> ColumnElement[bool]:
    """Return the condition of the index over private repositories, in its very words."""
    return repos.c.visibility == literal_column("'private'")


def opaque(condition: ColumnElement[bool]) -> ColumnElement[bool]:
    """Return the same condition in a form that no index can serve, so that it is asked of each row."""
    return condition.is_(true())


def list_tagged(tx: Tx, tag: int, *, limit: int) -> list[int]:
    """Return the numbers of repositories that have a tag, ``limit`` of them at most."""
    if is_sqlite(tx):
        query = select(repo_tags.c.repo_id).where(repo_tags.c.tag_id == tag)
    else:
        query = select(repos.c.id).where(has_tag(tx, tag))
    return list(tx.execute(query.limit(limit)).scalars())


def tag_pairs(tx: Tx, tags: Sequence[int], repo_type: str) -> Select[Any]:
    """Return a query for which repositories of a type have which of some tags: ``tag_id`` and ``repo_id``."""
    if is_sqlite(tx):
        return select(repo_tags.c.tag_id, repo_tags.c.repo_id).where(repo_tags.c.tag_id.in_(tags))
    tag = func.unnest(repos.c.tag_ids).table_valued(column("tag_id", Integer), name="tag").render_derived()
    return (
        select(tag.c.tag_id, repos.c.id.label("repo_id"))
        .select_from(repos.join(tag, true()))
        .where(opaque(repos.c.type == repo_type), has_any_tag(tx, tags), tag.c.tag_id.in_(tags))
    )


def among(tx: Tx, target: ColumnElement[int], numbers: Sequence[int]) -> ColumnElement[bool]:
    """Return the condition that a column is one of many numbers, which go to the database as one value."""
    if is_sqlite(tx):
        listed = func.json_each(json.dumps(list(numbers))).table_valued("value")
        return target.in_(select(listed.c.value))
    return target == func.any(literal(list(numbers), postgresql.ARRAY(BigInteger)))


def fulfilling(tx: Tx, groups: Sequence[Sequence[int]], holds: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Return a query for the repositories that have one tag of each group and fulfil conditions on their row.

    With a limit it stops where it has enough. Args: ``groups``: the rarest first; none for all repositories.
    """
    if not is_sqlite(tx) or not groups:
        # Not asked for the type by an index: tags are of one type, and those of a type are too many to gather.
        return select(repos.c.id).where(*(has_any_tag(tx, group) for group in groups), *holds)
    # Rows of tags are small and side by side, those of repositories are neither: they come last.
    query = select(repo_tags.c.repo_id.label("id")).where(repo_tags.c.tag_id.in_(groups[0]))
    for number, group in enumerate(groups[1:]):
        other = repo_tags.alias(f"other_{number}")
        same: Select[Any] = select(literal_column("1")).where(
            other.c.repo_id == repo_tags.c.repo_id, other.c.tag_id.in_(group)
        )
        query = query.where(opaque(exists(same.correlate(repo_tags))))
    of_row: Select[Any] = select(literal_column("1")).where(repos.c.id == repo_tags.c.repo_id, *holds)
    query = query.where(opaque(exists(of_row.correlate(repo_tags))))
    # With one tag this is the order they are in.
    return query.order_by(repo_tags.c.repo_id.desc()) if len(groups[0]) == 1 else query.distinct()

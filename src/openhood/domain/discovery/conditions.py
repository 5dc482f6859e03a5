"""The conditions of a list as the database can ask them, each with how many rows fulfil it.

A condition can be asked of a row (``holds``) or give the numbers of its repositories (``source``). What
is counted is counted up to `CAP` only: beyond that a condition is common enough to be asked of each row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, or_, select, true

from openhood.base.errors import BadRequest
from openhood.base.names import RepoType
from openhood.domain.catalog import tags as catalog_tags
from openhood.domain.catalog import texts
from openhood.domain.catalog.tags import TagCount
from openhood.domain.discovery.wanted import MAX_TAGS, Wanted
from openhood.infra.db import finding
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

CAP = 20_000
_IN_IDS = re.compile(r"[a-z0-9._/-]{1,200}")
_SEPARATORS = "/-_."
_LONG_WORD = 3
"""Words of at least so many characters are found anywhere in an id; shorter ones where a word of it begins."""
EVERY_REPO = "region:us"
"""The tag that every repository with a commit has: its counts are those of the type."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition. ``rows``: how many fulfil it, None if that is not known; ``source`` None: it cannot give them.

    ``is_name``: rare or common, nobody knows before it is tried or ``places``, the same in the full-text index, are counted. ``tags``: one of them must be there;
    ``shown``: how many of the rows are public.
    """

    holds: ColumnElement[bool]
    rows: int | None
    source: Select[Any] | None
    is_name: bool = False
    places: Select[Any] | None = None
    tags: tuple[int, ...] = ()
    shown: int | None = None


class Impossible(Exception):  # not an error: the list is empty
    """No repository fulfils a condition."""


def type_counts(tx: Tx, repo_type: RepoType) -> TagCount:
    """Return how many repositories of a type there are, about: those without any commit are not counted."""
    found = catalog_tags.find_counts(tx, repo_type, [EVERY_REPO])
    return found.get(EVERY_REPO, TagCount(0, 0, 0))


def conditions_of(tx: Tx, wanted: Wanted, repo_type: RepoType) -> list[Condition]:
    """Return the conditions of a list of one type. Raises Impossible; BadRequest for too many."""
    if wanted.nothing or wanted.has_nul:
        raise Impossible
    return [
        *_tags(tx, wanted, repo_type),
        *_owners(tx, wanted, repo_type),
        *_facts(tx, wanted, repo_type),
        *_names(tx, wanted, repo_type),
    ]


def plain_conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    """Return the conditions that need no look into the database, for lists of several types at once."""
    found: list[ColumnElement[bool]] = []
    if wanted.author is not None:
        found.append(repos.c.namespace_key == wanted.author.lower())
    if wanted.owner_id is not None:
        found.append(repos.c.owner_id == wanted.owner_id)
    return found + [name_holds(word) for word in wanted.words]


def _tags(tx: Tx, wanted: Wanted, repo_type: RepoType) -> Iterator[Condition]:
    names = list(dict.fromkeys(wanted.tags))
    if len(names) + len(wanted.any_tags) > MAX_TAGS:
        raise BadRequest(f"Too many tags at once: filter by {MAX_TAGS} at most.")
    if wanted.pipeline_tag is not None and wanted.pipeline_tag not in names:
        # The task of a model is among its tags, which know how many there are.
        names.append(wanted.pipeline_tag)
    counts = catalog_tags.find_counts(tx, repo_type, names)
    if len(counts) < len(names) or any(count.n_all == 0 for count in counts.values()):
        raise Impossible
    for count in counts.values():
        ids = [count.id]
        yield _tagged(tx, repo_type, ids, count.n_all, count.n_public)
    for group in wanted.any_tags:
        keyed = catalog_tags.find_keys(tx, repo_type, group)
        total = sum(count.n_all for count in keyed)
        if not total:
            raise Impossible
        ids = [count.id for count in keyed]
        yield _tagged(tx, repo_type, ids, total, sum(count.n_public for count in keyed))


def _tagged(tx: Tx, repo_type: RepoType, ids: list[int], rows: int, shown: int) -> Condition:
    source = finding.tagged(tx, ids, repo_type.value)
    return Condition(finding.has_any_tag(tx, ids), rows, source, tags=tuple(ids), shown=shown)


def _owners(tx: Tx, wanted: Wanted, repo_type: RepoType) -> Iterator[Condition]:
    is_type = repos.c.type == repo_type.value
    if wanted.author is not None:
        yield _counted(tx, repos.c.namespace_key == wanted.author.lower(), is_type)
    if wanted.owner_id is not None:
        # The owner's own index, which does not know types, and not one that holds owners by the way.
        yield _counted(tx, repos.c.owner_id == wanted.owner_id, finding.opaque(is_type))


def _facts(tx: Tx, wanted: Wanted, repo_type: RepoType) -> Iterator[Condition]:
    is_type = repos.c.type == repo_type.value
    if wanted.pipeline_tag is not None:
        yield Condition(repos.c.pipeline_tag == wanted.pipeline_tag, None, None)
    if wanted.gated is not None:
        # The literal of the index, which is used only where its very condition is seen.
        yield (
            _counted(tx, finding.is_gated(), is_type)
            if wanted.gated
            else Condition(repos.c.gated == "", None, None)
        )
    if wanted.parameters is not None:
        least, most = wanted.parameters
        bounds: list[ColumnElement[bool]] = [repos.c.parameters.is_not(None)]
        if least is not None:
            bounds.append(repos.c.parameters >= least)
        if most is not None:
            bounds.append(repos.c.parameters <= most)
        yield _counted(tx, and_(*bounds), is_type)


def _counted(tx: Tx, holds: ColumnElement[bool], is_type: ColumnElement[bool]) -> Condition:
    source = select(repos.c.id).where(is_type, holds)
    rows = count_up_to(tx, source, CAP)
    if not rows:
        raise Impossible
    return Condition(holds, rows if rows < CAP else None, source)


def _names(tx: Tx, wanted: Wanted, repo_type: RepoType) -> Iterator[Condition]:
    spans = [texts.span(repo_type, is_hidden=is_hidden) for is_hidden in (False, True)]
    for word in wanted.words:
        if not _IN_IDS.fullmatch(word):
            raise Impossible
        short = word.strip(_SEPARATORS)
        if len(word) >= _LONG_WORD:
            places = finding.named(tx, word, spans)
        elif short:
            places = finding.word_begun(tx, short, spans)
        else:
            continue
        source = finding.repos_at(tx, places)
        yield Condition(name_holds(word), None, source, is_name=True, places=places)


def name_holds(word: str) -> ColumnElement[bool]:
    """Return the condition that an id contains a word, or that a word in it begins with a very short one."""
    if len(word) >= _LONG_WORD:
        return repos.c.search_text.contains(word, autoescape=True)
    short = word.strip(_SEPARATORS)
    if not short:
        return true()
    begins = repos.c.search_text.startswith(short, autoescape=True)
    return or_(
        begins, *(repos.c.search_text.contains(f"{each}{short}", autoescape=True) for each in _SEPARATORS)
    )


def count_up_to(tx: Tx, source: Select[Any], cap: int) -> int:
    """Return how many rows a query has, ``cap`` where there are as many or more."""
    limited = source.limit(cap).subquery()
    return int(tx.execute(select(func.count()).select_from(limited)).scalar_one())


def rarest(conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition that gives the fewest repositories, None if none is known to be rare."""
    known = [each for each in conditions if each.rows is not None and each.source is not None]
    return min(known, key=lambda each: each.rows or 0, default=None)

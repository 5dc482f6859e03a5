"""The queries behind facets: some of a list's matches, which tags they have, and what these are called. Never commits.

Which of many matches are looked at is whatever the database finds soonest, so that a list of half a million costs
no more than one of a thousand: the newest that have the rarest tag, the most popular that have a name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, select, type_coerce

from openhood.domain.access import ANONYMOUS
from openhood.domain.discovery import list_rows
from openhood.domain.discovery.conditions import Condition, Impossible, conditions_of, rarest
from openhood.domain.discovery.tag_rows import UsedTag
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.infra.db import finding
from openhood.infra.db.discovery_tables import tags
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

_MOST_NAMES = 50_000
_CANDIDATES = 3_000
"""So many that fulfil one condition are asked for the others."""


@dataclass(frozen=True, slots=True)
class Matches:
    """The numbers of public repositories that match; ``is_complete``: there are no others."""

    numbers: tuple[int, ...]
    is_complete: bool


def find_matches(tx: Tx, wanted: Wanted, *, limit: int, candidates: int = _CANDIDATES) -> Matches:
    """Return at most ``limit`` of the matches in a list of one type that anybody may see.

    Args: ``candidates``: so many that fulfil one condition are asked for the others, where that is not a tag.
    """
    repo_type = wanted.types[0]
    try:
        conditions = conditions_of(tx, wanted, repo_type)
    except Impossible:
        return Matches((), is_complete=True)
    shown: list[ColumnElement[bool]] = [
        finding.opaque(repos.c.type == repo_type.value),
        finding.opaque(finding.is_public()),
        finding.opaque(repos.c.is_disabled.is_(False)),
    ]
    driver = _driver(conditions)
    if driver is None or driver.tags:
        tagged = sorted((each for each in conditions if each.tags), key=lambda each: each.rows or 0)
        holds = [*shown, *(finding.opaque(each.holds) for each in conditions if not each.tags)]
        query = finding.fulfilling(tx, [each.tags for each in tagged], holds)
        found = _numbers(tx, query.limit(limit + 1))
        return Matches(tuple(found[:limit]), len(found) <= limit)
    assert driver.source is not None
    others = [finding.opaque(each.holds) for each in conditions if each is not driver]
    # Where nothing else is asked, nearly all of them are matches: fewer do, unless many turn out to be hidden.
    for tried in (candidates,) if others else (min(candidates, limit + limit // 2), candidates):
        source = driver.source if driver.places is None else finding.repos_at(tx, driver.places.limit(tried))
        few = _numbers(tx, source.limit(tried))
        among = finding.among(tx, repos.c.id, few)
        found = _numbers(tx, select(repos.c.id).where(among, *shown, *others).limit(limit + 1))
        is_complete = len(few) < tried
        if is_complete or len(found) > limit:
            break
    if not found and not is_complete:
        # Nothing is known then; the list itself knows.
        order = Order("createdAt", True)
        page = list_rows.find_numbers(tx, ANONYMOUS, wanted, order, after=None, limit=limit + 1)
        found, is_complete = [each.number for each in page], True
    return Matches(tuple(found[:limit]), is_complete and len(found) <= limit)


def count_tags_of(tx: Tx, numbers: Sequence[int]) -> Counter[int]:
    """Return how many of some repositories have each tag, by the tag's number."""
    among = finding.among(tx, repos.c.id, numbers)
    if not finding.is_sqlite(tx):
        listed = tx.execute(select(repos.c.tag_ids).where(among)).scalars()
        return Counter(number for ids in listed for number in ids or ())
    # The lists are text here, and text is counted faster than numbers are read.
    texts = tx.execute(select(type_coerce(repos.c.tag_ids, Text)).where(among)).scalars()
    counted = Counter(",".join(text[1:-1] for text in texts if text and text != "[]").split(","))
    return Counter({int(number): count for number, count in counted.items() if number})


Names = dict[int, tuple[str, str]]
"""Name and category of tags by number: no tag is ever removed or renamed."""


def name_tags(
    tx: Tx, counted: Counter[int], categories: Collection[str], *, limit: int, known: Names
) -> dict[str, list[UsedTag]]:
    """Return the counted tags of some categories, the most frequent first, at most ``limit`` of each.

    Args: ``known`` are names that were read before; those that are read now are added, but not without end.
    """
    names = {number: known[number] for number in counted if number in known}
    missing = [number for number in counted if number not in names]
    if missing:
        query = select(tags.c.id, tags.c.name, tags.c.category).where(finding.among(tx, tags.c.id, missing))
        read = {row.id: (row.name, row.category) for row in tx.execute(query)}
        names |= read
        if len(known) < _MOST_NAMES:
            known.update(read)
    found: dict[str, list[UsedTag]] = {category: [] for category in categories}
    for number, count in counted.items():
        name, category = names.get(number, ("", ""))
        if category in found:
            found[category].append(UsedTag(number, name, count, count))
    return {category: _first(used, limit) for category, used in found.items()}


def _first(used: Iterable[UsedTag], limit: int) -> list[UsedTag]:
    return sorted(used, key=lambda tag: (-tag.count, tag.name))[:limit]


def _driver(conditions: Sequence[Condition]) -> Condition | None:
    """Return the condition to begin with: the rarest, or a name unless that is known to be rare enough."""
    best = rarest(conditions)
    names = [each for each in conditions if each.is_name]
    if names and (best is None or (best.rows or 0) > _CANDIDATES):
        return names[0]
    return best or next((each for each in conditions if each.source is not None), None)


def _numbers(tx: Tx, query: Select[Any]) -> list[int]:
    return list(tx.execute(query).scalars())

"""The queries behind lists of repositories. Never commits.

First the numbers of a page are found in narrow rows, by the plan that `planning` chose; then the page's few
wide rows are read by number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, literal, select, true, tuple_

from openhood.base.names import RepoType
from openhood.domain.access import Viewer
from openhood.domain.accounts.visible_rows import readable_owners
from openhood.domain.discovery.conditions import (
    CAP,
    Condition,
    Impossible,
    conditions_of,
    count_up_to,
    plain_conditions,
    rarest,
    type_counts,
)
from openhood.domain.discovery.planning import Plan, Sizes, choose
from openhood.domain.discovery.wanted import OWNED_SORTS, Order, Position, Wanted
from openhood.domain.repos.listing_rows import Listed, list_numbers, visible_to
from openhood.infra.db import finding
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import repos

_FEW = 1_000
"""Where so few rows are to be gathered it is not worth while to look for a better way."""
_MOST_COUNTED = 10_000
_SHORT = 10


class Found(NamedTuple):
    """A row of a page before it is read: its sort value and number."""

    value: Any  # Any: columns of several types
    number: int


def list_repos(
    tx: Tx,
    viewer: Viewer,
    wanted: Wanted,
    order: Order,
    *,
    after: Position | None,
    limit: int,
    with_card: bool,
) -> list[Listed]:
    """Return at most ``limit`` repositories that ``viewer`` may know of, following ``after``."""
    found = find_numbers(tx, viewer, wanted, order, after=after, limit=limit)
    return list_numbers(tx, [each.number for each in found], with_card=with_card)


def find_numbers(
    tx: Tx,
    viewer: Viewer,
    wanted: Wanted,
    order: Order,
    *,
    after: Position | None,
    limit: int,
    plan: Plan | None = None,
) -> list[Found]:
    """Return the numbers of such a page. ``plan``: make it so, whatever it costs."""
    if wanted.has_nul:
        return []
    if len(wanted.types) != 1:
        return _walk_types(tx, viewer, wanted, order, after=after, limit=limit)
    repo_type = wanted.types[0]
    try:
        conditions = conditions_of(tx, wanted, repo_type)
    except Impossible:
        return []
    page = _Page(tx, viewer, repo_type, conditions, order, after, limit, author=wanted.author)
    return page.find(plan)


def position_of(listed: Listed, order: Order) -> Position:
    """Return where a row stands in an order."""
    values: dict[str, Any] = {
        "lastModified": listed.repo.last_modified,
        "createdAt": listed.repo.created_at,
        "downloads": listed.downloads,
        "likes": listed.likes,
        "trendingScore": listed.trending_score,
        "mainSize": listed.main_bytes,
        "num_parameters": listed.parameters,
        "usedStorage": listed.used_storage_bytes,
        "id": str(listed.repo.repo_id).lower(),
    }
    return Position(values[order.sort], listed.repo.id)


def _walk_types(
    tx: Tx, viewer: Viewer, wanted: Wanted, order: Order, *, after: Position | None, limit: int
) -> list[Found]:
    kinds = [kind.value for kind in wanted.types]
    conditions = [repos.c.type.in_(kinds), visible_to(viewer), *plain_conditions(wanted)]
    return _run(tx, _ordered(conditions, order, after).limit(limit))


class _Page:
    """One page of one type, and the three ways to find it."""

    def __init__(
        self,
        tx: Tx,
        viewer: Viewer,
        repo_type: RepoType,
        conditions: Sequence[Condition],
        order: Order,
        after: Position | None,
        limit: int,
        *,
        author: str | None,
    ) -> None:
        self._tx = tx
        self._viewer = viewer
        self._is_type: ColumnElement[bool] = repos.c.type == repo_type.value
        self._conditions = conditions
        self._order = order
        self._after = after
        self._limit = limit
        self._owners = readable_owners(viewer)
        # The author's own index has this one order.
        self._author = author.lower() if author and order.sort == "lastModified" else None
        self._sizes = self._measure(repo_type)

    def find(self, forced: Plan | None) -> list[Found]:
        """Return the page's numbers."""
        plan = forced or self._choose()
        if plan.try_rows is None:
            return self._walk(plan, bound=None)[0]
        if plan.try_rows:
            found, is_complete = self._walk(plan, bound=plan.try_rows)
            if is_complete:
                return found
        driver = self._find_driver()
        return self._walk(plan, bound=None)[0] if driver is None else self._drive(driver)

    def _measure(self, repo_type: RepoType) -> Sizes:
        counts = type_counts(self._tx, repo_type)
        if self._viewer.is_admin:
            return Sizes(counts.n_all, counts.n_all, 0)
        if not self._owners:
            return Sizes(counts.n_all, counts.n_public, 0)
        return Sizes(counts.n_all, counts.n_public, count_up_to(self._tx, self._own(), CAP))

    def _own(self) -> Select[Any]:
        return select(repos.c.id).where(
            repos.c.owner_id.in_(self._owners), finding.opaque(self._is_type), finding.is_private()
        )

    def _choose(self) -> Plan:
        if self._author is not None:
            return Plan(None, False)
        sizes, best = self._sizes, rarest(self._conditions)
        known = [each.rows for each in self._conditions if each.rows is not None]
        if not self._owners and not self._viewer.is_admin:
            # Where most is private, what is public may be of quite another kind.
            sizes = Sizes(sizes.public, sizes.public, 0)
            known = [
                each.rows if each.shown is None else each.shown
                for each in self._conditions
                if each.rows is not None
            ]
        return choose(
            sizes,
            rows=known,
            fewest=None if best is None else best.rows,
            is_guess=any(each.is_name for each in self._conditions),
            can_drive=any(each.source is not None for each in self._conditions),
            limit=self._limit,
        )

    def _find_driver(self) -> Condition | None:
        """Return the condition to gather by: the rarest, or a name that is rarer still."""
        if self._author is not None:
            return None
        best = rarest(self._conditions)
        fewest = CAP if best is None or best.rows is None else best.rows
        for each in self._conditions:
            # Counting them costs a tenth of looking at them on SQLite; on PostgreSQL nearly as much.
            is_worth_it = fewest > (_FEW if finding.is_sqlite(self._tx) else CAP) or best is None
            if each.places is not None and is_worth_it:
                cap = min(fewest, _MOST_COUNTED)
                rows = count_up_to(self._tx, each.places, cap)
                if rows < cap or best is None:
                    best, fewest = each, rows
        return best

    def _walk(self, plan: Plan, *, bound: int | None) -> tuple[list[Found], bool]:
        """Walk the order's index; tells whether nothing can be missing."""
        if not plan.apart or self._viewer.is_admin or self._order.sort == "id":
            only_public = not self._owners and not self._viewer.is_admin
            return self._walk_index(is_public=only_public, bound=bound)
        found, is_complete = self._walk_index(is_public=True, bound=bound)
        if self._owners:
            found = self._merge(found, self._gather_own())
        return found, is_complete

    def _shown(self) -> list[ColumnElement[bool]]:
        return [] if self._viewer.is_admin else [finding.opaque(visible_to(self._viewer))]

    def _walk_index(self, *, is_public: bool, bound: int | None) -> tuple[list[Found], bool]:
        known = [self._is_type]
        if self._author is not None:
            known.append(repos.c.namespace_key == self._author)
        conditions = [*known, *self._shown(), *(finding.opaque(each.holds) for each in self._conditions)]
        if is_public:
            # In the very words of the index over public rows only where that is much shorter: it leads to
            # the wide rows, while the index over all rows holds what is asked.
            is_short = self._sizes.public * _SHORT < self._sizes.total
            conditions.append(finding.is_public() if is_short else finding.opaque(finding.is_public()))
        end = None
        if bound is not None:
            # Nothing but columns of one index is asked for here, so that it alone is read.
            end = self._tx.execute(_ordered(known, self._order, self._after).limit(1).offset(bound)).first()
        if end is not None:
            conditions.append(_beyond(self._order, Position(end[0], end[1]), is_end=True))
        found = _run(self._tx, _ordered(conditions, self._order, self._after).limit(self._limit))
        return found, end is None or len(found) == self._limit

    def _gather_own(self) -> list[Found]:
        conditions = [
            repos.c.id.in_(self._own()),
            *(finding.opaque(each.holds) for each in self._conditions),
            *self._shown(),
        ]
        return _run(self._tx, _ordered(conditions, self._order, self._after).limit(self._limit))

    def _merge(self, one: list[Found], other: list[Found]) -> list[Found]:
        return sorted([*one, *other], reverse=self._order.descending)[: self._limit]

    def _drive(self, driver: Condition) -> list[Found]:
        assert driver.source is not None
        others = [each for each in self._conditions if each is not driver]
        if finding.is_sqlite(self._tx):
            # Tags are asked for before any wide row is looked at.
            source = finding.with_all_tags(driver.source, [each.tags for each in others if each.tags])
            others = [each for each in others if not each.tags]
            # The list of numbers is the only index that this leaves to SQLite.
            conditions = [
                repos.c.id.in_(source),
                finding.opaque(self._is_type),
                *(finding.opaque(each.holds) for each in others),
                *self._shown(),
            ]
            return _run(self._tx, _ordered(conditions, self._order, self._after).limit(self._limit))
        # Gathered as a whole, since PostgreSQL would rather walk: it takes conditions for independent.
        # The numbers of tags are those of a type: asked again, all of the type would be looked up.
        is_type = finding.opaque(self._is_type) if driver.tags else self._is_type
        gathered = [is_type, *(each.holds for each in others), *self._shown()]
        gathered.append(repos.c.id.in_(driver.source) if driver.is_name else driver.holds)
        gathered += [finding.opaque(each) for each in _sortable(self._order)]
        if self._after is not None:
            gathered.append(finding.opaque(_beyond(self._order, self._after)))
        column = OWNED_SORTS[self._order.sort]
        rows = select(column.label("value"), repos.c.id.label("id")).where(*gathered)
        gathered_rows = rows.cte("gathered").prefix_with("MATERIALIZED", dialect="postgresql")
        keys = [gathered_rows.c.value, gathered_rows.c.id]
        ordered = [key.desc() for key in keys] if self._order.descending else keys
        return _run(self._tx, select(*keys).order_by(*ordered).limit(self._limit))


def _ordered(conditions: Sequence[ColumnElement[bool]], order: Order, after: Position | None) -> Select[Any]:
    column = OWNED_SORTS[order.sort]
    query = select(column, repos.c.id).where(and_(true(), *conditions, *_sortable(order)))
    if after is not None:
        query = query.where(_beyond(order, after))
    if order.descending:
        return query.order_by(column.desc(), repos.c.id.desc())
    return query.order_by(column, repos.c.id)


def _sortable(order: Order) -> list[ColumnElement[bool]]:
    """Return the condition that a row has a place in an order, as a part of its index that is walked alone."""
    return [repos.c.parameters >= 0] if order.sort == "num_parameters" else []


def _beyond(order: Order, place: Position, *, is_end: bool = False) -> ColumnElement[bool]:
    """Return the condition that a row comes after a place, or (``is_end``) not after it."""
    column = OWNED_SORTS[order.sort]
    here = tuple_(column, repos.c.id)
    there = tuple_(literal(place.value, type_=column.type), literal(place.number))
    if is_end:
        return here >= there if order.descending else here <= there
    return here < there if order.descending else here > there


def _run(tx: Tx, query: Select[Any]) -> list[Found]:
    return [Found(row[0], row[1]) for row in tx.execute(query)]

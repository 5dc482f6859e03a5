"""Reading what a studio page shows: the same actions as the API, and what they refuse as a state of the page."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import orjson

from openhood.base.errors import HubError, InvalidParameter, ViewerError
from openhood.base.names import Oid
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.services import Services
from openhood.domain.viewer import editing, planning, querying, reading, searching
from openhood.domain.viewer.planning import Place
from openhood.domain.viewer.types import Plan
from openhood.http.pages.studio.asked import PAGE_ROWS, Asked


@dataclass(frozen=True, slots=True)
class Seen:
    """What is there to show. ``problem``: why there are no rows; ``mistake``: what is wrong with the question."""

    asked: Asked
    commit: Oid | None = None
    plan: Plan | None = None
    place: Place | None = None
    table: dict[str, Any] = field(default_factory=dict)
    problem: HubError | None = None
    mistake: str = ""
    is_editable: bool = False

    @property
    def columns(self) -> list[dict[str, Any]]:
        """``[{"name", "type"}]``."""
        found: list[dict[str, Any]] = self.table.get("features", [])
        return found

    @property
    def total(self) -> int:
        """How many rows there are to be paged through."""
        return int(self.table.get("num_rows_total", 0))


def see(sv: Services, viewer: Viewer, asked: Asked, base_url: str) -> Seen:
    """Read a page of a split. Opens units of its own. Raises what `planning.locate` raises."""
    at = planning.locate(sv, viewer, asked.repo_id, asked.revision)
    try:
        plan = planning.plan_of(sv, at)
        config = plan.config(asked.config) if asked.config else plan.default
        split = config.split(asked.split) if asked.split else config.splits[0]
    except ViewerError as error:
        return Seen(asked, at.commit, problem=error)
    place = Place(at, plan, config, split)
    may_change = decide(viewer, at.repo.facts, Need.PROPOSE) is Verdict.ALLOW
    full = Asked(
        asked.repo_id, config.name, split.name, asked.revision, asked.page, asked.q, asked.where, asked.orderby,
        asked.view, asked.is_embedded,
    )  # fmt: skip
    known = Seen(full, at.commit, plan, place, is_editable=may_change and editing.is_editable(place))
    try:
        return _with_rows(sv, viewer, known, base_url)
    except InvalidParameter as error:
        bare = Asked(asked.repo_id, config.name, split.name, asked.revision, is_embedded=asked.is_embedded)
        plain = _with_rows(sv, viewer, _about(known, bare), base_url)
        return _about(plain, full, mistake=error.message)
    except HubError as error:
        return _about(known, full, problem=error)


def _about(seen: Seen, asked: Asked, *, mistake: str = "", problem: HubError | None = None) -> Seen:
    return Seen(asked, seen.commit, seen.plan, seen.place, seen.table, problem, mistake, seen.is_editable)


def _with_rows(sv: Services, viewer: Viewer, seen: Seen, base_url: str) -> Seen:
    asked = seen.asked
    offset = asked.page * PAGE_ROWS
    question = reading.Question(asked.repo_id, asked.revision, asked.config, asked.split, base_url)
    if asked.q.strip():
        body = searching.search(
            sv,
            viewer,
            repo_id=asked.repo_id,
            revision=asked.revision,
            config=asked.config,
            split=asked.split,
            query=asked.q,
            offset=offset,
            length=PAGE_ROWS,
            base_url=base_url,
        ).body
    else:
        found = reading.find(sv, viewer, question)
        if asked.where.strip() or asked.orderby.strip():
            body = querying.filter_rows(
                sv, found, where=asked.where, orderby=asked.orderby, offset=offset, length=PAGE_ROWS
            ).body
        else:
            body = reading.rows(sv, found, offset=offset, length=PAGE_ROWS).body
    return Seen(asked, seen.commit, seen.plan, seen.place, orjson.loads(body), is_editable=seen.is_editable)

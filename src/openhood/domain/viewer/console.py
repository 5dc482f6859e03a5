"""The SQL console: one SELECT over the splits of a dataset, and of others that the viewer may read."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openhood.base.errors import HubError, InvalidParameter, MissingRequiredParameter, SqlRefused
from openhood.base.names import Oid, RepoId
from openhood.domain.access import Viewer
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.domain.viewer import planning, running
from openhood.domain.viewer.planning import Place
from openhood.domain.viewer.tables import tables_of
from openhood.domain.viewer.types import DataFile, MadeFile
from openhood.infra.workers import Body

FORMATS = ("json", "csv", "parquet", "arrow")
_MAX_JOINED = 5
_MAX_VIEWS = 200
_WORD = re.compile(r"[A-Za-z_]\w*")
_DATASET = re.compile(r'"([A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})"\s*\.')


@dataclass(frozen=True, slots=True)
class View:
    """What a statement may select from: ``schema`` is ``main`` for the splits of the config at hand, the name of a
    config for others, or another dataset's id, whose splits are those of its default config.
    """

    schema: str
    name: str
    place: Place

    @property
    def shown(self) -> str:
        """How a statement names it."""
        schema, name = ('"' + text.replace('"', '""') + '"' for text in (self.schema, self.name))
        if self.schema != "main":
            return f"{schema}.{name}"
        return self.name if _WORD.fullmatch(self.name) else name


@dataclass(frozen=True, slots=True)
class Result:
    """What a statement gave: bytes in the format that was asked for. ``truncated``: there were more rows."""

    body: Body
    rows: int
    truncated: bool
    elapsed_ms: float
    commit: Oid


def list_views(
    sv: Services, viewer: Viewer, *, repo_id: RepoId, revision: str, config: str
) -> tuple[Oid, list[View]]:
    """Return what a statement may name without naming another dataset. Raises what `planning.plan_of` raises."""
    at = planning.locate(sv, viewer, repo_id, revision)
    plan = planning.plan_of(sv, at)
    chosen = plan.config(config) if config else plan.default
    views = [View("main", split.name, Place(at, plan, chosen, split)) for split in chosen.splits]
    for each in plan.configs:
        views += [View(each.name, split.name, Place(at, plan, each, split)) for split in each.splits]
    return at.commit, views[:_MAX_VIEWS]


def run_sql(
    sv: Services, viewer: Viewer, *, repo_id: RepoId, revision: str, config: str, sql: str, form: str
) -> Result:
    """Run a statement. Only splits that it names are read; other datasets need the same right to be read as pages.

    Raises: SqlRefused, TableTimeout, TableTooLarge, ViewerNotReady, and what `planning.locate` raises.
    """
    if not sql.strip():
        raise MissingRequiredParameter("Parameter 'sql' is required")
    if form not in FORMATS:
        raise InvalidParameter(f"Parameter 'format' must be one of: {', '.join(FORMATS)}")
    commit, views = list_views(sv, viewer, repo_id=repo_id, revision=revision, config=config)
    views += _joined(sv, viewer, sql, but=repo_id)
    named = [view for view in views if _is_named(sql, view)]
    files: list[tuple[Repo, Sequence[DataFile | MadeFile]]] = []
    listed: list[Mapping[str, object]] = []
    count = 0
    for view in views:
        sources: list[int] = []
        if view in named:
            tables = tables_of(sv, view.place, wait_s=sv.settings.viewer.page_timeout_s)
            sources = list(range(count, count + len(tables.files)))
            files.append((view.place.repo, tables.files))
            count += len(tables.files)
        listed.append({"schema": view.schema, "name": view.name, "sources": sources})
    params = {
        "sql": sql,
        "known": [view.shown for view in views],
        "views": [each for each in listed if each["sources"]],
        "rows": sv.settings.viewer.sql_rows,
        "format": form,
    }
    answer = running.run_across(
        sv, files or [(views[0].place.repo, [])], "sql", params=params, lane=running.QUERY
    )
    facts = answer.facts
    return Result(
        answer.body,
        int(str(facts["rows"])),
        bool(facts["truncated"]),
        float(str(facts["elapsed_ms"])),
        commit,
    )


def _is_named(sql: str, view: View) -> bool:
    """Tell whether a statement may mean a view: it is opened then, and what the statement is, the worker finds out."""
    return view.name.lower() in sql.lower() and (view.schema == "main" or view.schema.lower() in sql.lower())


def _joined(sv: Services, viewer: Viewer, sql: str, *, but: RepoId) -> list[View]:
    """Return the views of other datasets that a statement names, as in ``"owner/name".train``."""
    names = list(dict.fromkeys(_DATASET.findall(sql)))
    if len(names) > _MAX_JOINED:
        raise SqlRefused(f"A statement may name {_MAX_JOINED} other datasets at most.")
    views = []
    for name in names:
        namespace, _, short = name.partition("/")
        repo_id = RepoId(namespace, short)
        if repo_id.key == but.key:
            continue
        try:
            at = planning.locate(sv, viewer, repo_id, "main")
        except HubError as error:
            raise SqlRefused(f"The dataset '{name}' cannot be read: {error.message}") from None
        plan = planning.plan_of(sv, at)
        views += [
            View(name, split.name, Place(at, plan, plan.default, split)) for split in plan.default.splits
        ]
    return views

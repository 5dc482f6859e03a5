"""What is done after a commit so that the first who looks does not wait: the plan, the footers, and the tags.

A commit tags a dataset by the names of its first thousand files and by its card. Once the footers are read, the tags
say how many rows there are and what the columns hold, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import structlog

from openhood.base.errors import HubError, ViewerError
from openhood.base.names import MAIN, RepoType
from openhood.domain.access import SYSTEM
from openhood.domain.catalog import record
from openhood.domain.events import Event
from openhood.domain.repos import gitdb, publish
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.describe import describe_tip
from openhood.domain.repos.describing import datafiles
from openhood.domain.repos.describing.datasets import DataFacts
from openhood.domain.repos.types import At, Repo
from openhood.domain.services import Services
from openhood.domain.viewer import footer_rows, planning
from openhood.domain.viewer.measuring import Measured, measure
from openhood.domain.viewer.types import Config, Plan
from openhood.infra.jobs import queue

JOB = "warm_dataset"
_SPARE_FOOTERS = 1000


def on_event(sv: Services, event: Event) -> None:
    """Listener: have a dataset whose main moved looked at. Opens a write unit."""
    said = event.facts.get("repo")
    if event.kind != "repo.content" or event.repo_id is None or not isinstance(said, Mapping):
        return
    changed = event.facts.get("refs")
    is_main = isinstance(changed, list) and any(
        isinstance(each, list) and each and each[0] == MAIN for each in changed
    )
    if is_main and said.get("type") == RepoType.DATASET.value:
        want(sv, event.repo_id)


def want(sv: Services, repo: int) -> None:
    """Have a dataset looked at soon. Opens a write unit."""
    now = sv.clock.now()
    with sv.db.write() as tx:
        queue.enqueue(tx, JOB, {"repo": repo}, now=now, dedup_key=f"{JOB}:{repo}")


def warm_dataset(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: make the plan of a dataset's main, read the footers, and write the tags that follow from them.

    Payload: ``{"repo": number}``. Raises where storage is away: it is tried again.
    """
    number = payload.get("repo")
    if not isinstance(number, int):
        return
    with sv.db.read() as tx:
        repo = repo_rows.get_repo_by_number(tx, number)
    if repo is None or repo.type is not RepoType.DATASET or repo.is_disabled:
        return
    try:
        at = planning.locate(sv, SYSTEM, repo.repo_id, "main")
        plan = planning.plan_of(sv, at)
    except ViewerError:
        return  # There is nothing to show, and the commit's own tags say nothing else.
    except HubError as error:
        if error.status >= 500:
            raise
        return
    measured = measure(sv, at, plan)
    _forget_footers(sv, at.repo, plan)
    _retag(sv, at, facts_of(plan, measured))


def facts_of(plan: Plan, measured: Sequence[Measured]) -> DataFacts:
    """Return what the tags of a dataset follow from."""
    is_counted = all(each.is_ready for each in measured) and bool(measured)
    rows = sum(each.estimated_rows or each.rows for each in measured)
    features = [each.features for each in measured if each.features is not None]
    return DataFacts(
        tuple(_described(config) for config in plan.configs), rows if is_counted else None, tuple(features)
    )


def _described(config: Config) -> datafiles.Config:
    """Return a config as those know it who describe repositories."""
    splits = tuple(
        datafiles.Split(split.name, None, tuple(file.path for file in (*split.files, *split.metadata)))
        for split in config.splits
    )
    return datafiles.Config(config.name, config.is_default, splits, config.format)


def _retag(sv: Services, at: At, facts: DataFacts) -> None:
    """Write the tags of a commit if main still is there and they are not these already."""
    try:
        objects = gitdb.open_objects(sv, at.repo, expect=at.commit)
        tip = describe_tip(objects, at.commit, RepoType.DATASET, data=facts)
        with sv.db.write() as tx:
            publish.lock_repo(tx, at.repo)
            main = repo_rows.get_ref(tx, at.repo.id, MAIN)
            if main is None or main.commit_oid != at.commit:
                return
            before = record.read_tip(tx, at.repo.id)
            if before.tags != tip.tags:
                record.record_tip(tx, at.repo.id, tip, head_oid=at.commit)
    except HubError as error:
        if error.status >= 500:
            raise
        structlog.get_logger("viewer").info("warming.gone", repo=str(at.repo.repo_id))


def _forget_footers(sv: Services, repo: Repo, plan: Plan) -> None:
    """Forget footers of files that main has no more, once they are many."""
    keys = {file.key for config in plan.configs for split in config.splits for file in split.files}
    with sv.db.read() as tx:
        count = footer_rows.count(tx, repo.id)
    if count > 2 * len(keys) + _SPARE_FOOTERS:
        with sv.db.write() as tx:
            footer_rows.delete_others(tx, repo.id, keys)

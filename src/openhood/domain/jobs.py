"""Every kind of background job and the action that does it, in one table.

An action takes the services and the job's payload, is idempotent, and lives with its noun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openhood.domain import spreading
from openhood.domain.discovery import downloads, likes, reindex, trending
from openhood.domain.repos import folding, indexing, weighing
from openhood.domain.services import Services
from openhood.domain.storage import gc
from openhood.domain.xet import conversion, grants, scrub
from openhood.domain.xet import gc as xet_gc
from openhood.infra.jobs import queue

JobAction = Callable[[Services, Mapping[str, object]], None]

HANDLERS: Mapping[str, JobAction] = {
    "condemn_xorbs": xet_gc.condemn_xorbs,
    "convert_object": conversion.convert_object,
    "convert_objects": conversion.convert_objects,
    "delete_condemned_xorbs": xet_gc.delete_condemned_xorbs,
    "delete_doomed": gc.delete_doomed,
    "drop_retired_packs": folding.drop_retired_packs,
    "drop_whole_copy": conversion.drop_whole_copy,
    "fold_packs": folding.fold_packs,
    "forget_lfs": gc.forget_lfs,
    "forget_likes": likes.forget_likes,
    "index_last_commits": indexing.index_last_commits,
    "refresh_storage": gc.refresh_storage,
    "refresh_trending": trending.refresh_trending,
    "reindex_repos": reindex.reindex_repos,
    "roll_downloads": downloads.roll_downloads,
    "scrub_xorbs": scrub.scrub_xorbs,
    "spread_event": spreading.spread_event,
    "sweep_grants": grants.sweep_grants,
    "sweep_store": gc.sweep_store,
    "sweep_uploads": gc.sweep_uploads,
    "weigh_tip": weighing.weigh_tip,
}

SCHEDULE: Mapping[str, float] = {
    "condemn_xorbs": 6 * 3600.0,
    "convert_objects": 6 * 3600.0,
    "delete_condemned_xorbs": 6 * 3600.0,
    "delete_doomed": 3600.0,
    "forget_lfs": 6 * 3600.0,
    "refresh_trending": 3600.0,
    "roll_downloads": 3600.0,
    "scrub_xorbs": 24 * 3600.0,
    "sweep_grants": 3600.0,
    "sweep_store": 24 * 3600.0,
    "sweep_uploads": 3600.0,
}
"""Jobs that come back by themselves, with their period in seconds. Their payload is empty."""

_FIRST_RUN_S = 60.0


def start_schedule(sv: Services) -> None:
    """Make sure that every periodic job waits in the table. Opens a write unit; any replica may call it.

    At most one row of each kind waits, since all carry the same key: further ones are ignored.
    """
    now = sv.clock.now()
    with sv.db.write() as tx:
        for kind in SCHEDULE:
            queue.enqueue(
                tx, kind, {}, now=now, dedup_key=f"schedule:{kind}", delay_s=min(_FIRST_RUN_S, SCHEDULE[kind])
            )


def run(sv: Services, kind: str, payload: Mapping[str, object]) -> None:
    """Do one job. A periodic one first queues its next run, so that no crash can break the chain."""
    period_s = SCHEDULE.get(kind)
    if period_s is not None:
        now = sv.clock.now()
        with sv.db.write() as tx:
            queue.enqueue(tx, kind, {}, now=now, dedup_key=f"schedule:{kind}", delay_s=period_s)
    HANDLERS[kind](sv, payload)

"""Every kind of background job and the action that does it, in one table.

An action takes the services and the job's payload, is idempotent, and lives with its noun.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from openhood.domain import auditing, spreading
from openhood.domain.accounts import invitation_mail, oauth, oidc_keys
from openhood.domain.community import collections, follows
from openhood.domain.discovery import downloads, likes, reindex, trending
from openhood.domain.notifications import mailing, sweeping
from openhood.domain.repos import folding, following, indexing, weighing
from openhood.domain.reviews import job as reviews
from openhood.domain.services import Services
from openhood.domain.storage import gc
from openhood.domain.viewer import publishing, warming
from openhood.domain.webhooks import delivering
from openhood.domain.xet import conversion, grants, scrub
from openhood.domain.xet import gc as xet_gc
from openhood.infra.jobs import queue

JobAction = Callable[[Services, Mapping[str, object]], None]

HANDLERS: Mapping[str, JobAction] = {
    "condemn_xorbs": xet_gc.condemn_xorbs,
    "convert_object": conversion.convert_object,
    "convert_objects": conversion.convert_objects,
    "convert_split": publishing.convert_split,
    "delete_condemned_xorbs": xet_gc.delete_condemned_xorbs,
    "delete_doomed": gc.delete_doomed,
    "deliver_webhook": delivering.deliver_webhook,
    "deliver_webhook_slowly": delivering.deliver_webhook,
    "delete_repos_of": following.delete_repos_of,
    "drop_retired_packs": folding.drop_retired_packs,
    "drop_whole_copy": conversion.drop_whole_copy,
    "fold_packs": folding.fold_packs,
    "follow_rename": following.follow_rename,
    "forget_lfs": gc.forget_lfs,
    "forget_likes": likes.forget_likes,
    "index_last_commits": indexing.index_last_commits,
    "mail_confirmation": mailing.mail_confirmation,
    "mail_invitation": invitation_mail.mail_invitation,
    "mail_notices": mailing.mail_notices,
    "forget_follows": follows.forget_follows,
    "sweep_notices": sweeping.sweep_notices,
    "refresh_collections": collections.refresh_collections,
    "refresh_storage": gc.refresh_storage,
    "refresh_trending": trending.refresh_trending,
    "reindex_repos": reindex.reindex_repos,
    "review_change": reviews.review_change,
    "review_pull": reviews.review_pull,
    "roll_downloads": downloads.roll_downloads,
    "seal_audit": auditing.seal_audit,
    "rotate_signing_key": oidc_keys.rotate_signing_key,
    "scrub_xorbs": scrub.scrub_xorbs,
    "spread_event": spreading.spread_event,
    "sweep_deliveries": delivering.sweep_deliveries,
    "sweep_events": spreading.sweep_events,
    "sweep_grants": grants.sweep_grants,
    "sweep_reviews": reviews.sweep_reviews,
    "sweep_oauth": oauth.sweep_oauth,
    "sweep_store": gc.sweep_store,
    "sweep_uploads": gc.sweep_uploads,
    "warm_dataset": warming.warm_dataset,
    "weigh_tip": weighing.weigh_tip,
}

SCHEDULE: Mapping[str, float] = {
    "condemn_xorbs": 6 * 3600.0,
    "convert_objects": 6 * 3600.0,
    "delete_condemned_xorbs": 6 * 3600.0,
    "delete_doomed": 3600.0,
    "forget_lfs": 6 * 3600.0,
    "refresh_collections": 24 * 3600.0,
    "sweep_notices": 24 * 3600.0,
    "refresh_trending": 3600.0,
    "roll_downloads": 3600.0,
    "rotate_signing_key": 24 * 3600.0,
    "scrub_xorbs": 24 * 3600.0,
    "sweep_deliveries": 600.0,
    "sweep_events": 6 * 3600.0,
    "seal_audit": 300.0,
    "sweep_grants": 3600.0,
    "sweep_reviews": 24 * 3600.0,
    "sweep_oauth": 3600.0,
    "sweep_store": 24 * 3600.0,
    "sweep_uploads": 3600.0,
}
"""Jobs that come back by themselves, with their period in seconds. Their payload is empty."""

LANES: tuple[frozenset[str], ...] = (
    frozenset({"deliver_webhook"}),
    frozenset({"deliver_webhook_slowly"}),
    frozenset({"mail_confirmation", "mail_invitation", "mail_notices"}),
)
"""Jobs that wait for other people's servers. Each lane has threads of its own, so that it holds up no other."""

SLOW: frozenset[str] = frozenset({"convert_split", "review_change"})
"""Jobs that compute for minutes. They have one thread of each process, and a processor each while they run."""

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

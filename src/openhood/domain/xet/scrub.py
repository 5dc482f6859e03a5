"""Reading stored xorbs again, so that rot is found before somebody needs them.

Clients do not check what they download, so nobody else would find out. A damaged xorb is offered to no client any
more, and lives again when somebody sends it or its bytes come back from a backup.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import structlog

from openhood.base.errors import BadXorb, ObjectMissing
from openhood.base.telemetry import SCRUBBED_BYTES, SCRUBBED_XORBS
from openhood.domain import audit
from openhood.domain.services import Services
from openhood.domain.xet import gc_rows
from openhood.domain.xet.types import Xorb
from openhood.engines.xet.hashing import from_text
from openhood.engines.xet.xorb import XorbVerifier
from openhood.infra.jobs import queue

_READ_BYTES = 2 * 1024 * 1024
_PAUSE_S = 600.0
"""How long a run waits for the next while more is due."""
_LEAST_BYTES = 256 * 1024 * 1024
_MOST_BYTES = 64 * 1024 * 1024 * 1024
"""What is surely read in the time that a job may take."""
_PAGE = 100


def scrub_xorbs(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: verify the xorbs whose turn it is, those verified longest ago first.

    A run reads so much that twice the whole store would be read in a period, so that everything is verified within
    one and a half of them; then it queues the next. The daily run looks after the damaged ones too.
    """
    period_s = sv.settings.xet.verify_every_s
    if not period_s:
        return
    budget_bytes = int(str(payload.get("bytes", 0)))
    if not budget_bytes:
        _recheck_damaged(sv)
        with sv.db.read() as tx:
            live_bytes = gc_rows.sum_live_bytes(tx)
        budget_bytes = min(max(_LEAST_BYTES, int(live_bytes * 2 * _PAUSE_S / period_s)), _MOST_BYTES)
    left = budget_bytes
    while left > 0:
        now = sv.clock.now()
        with sv.db.read() as tx:
            due = gc_rows.list_unverified(tx, since=now - timedelta(seconds=period_s), limit=_PAGE)
        if not due:
            return
        for xorb in due:
            examine(sv, xorb, now=now)
            left -= xorb.stored_bytes
            if left <= 0:
                break
    with sv.db.write() as tx:
        queue.enqueue(
            tx,
            "scrub_xorbs",
            {"bytes": budget_bytes},
            now=sv.clock.now(),
            dedup_key="scrub_xorbs:more",
            delay_s=_PAUSE_S,
        )


def find_problem(sv: Services, xorb: Xorb) -> str | None:
    """Read a stored xorb to its last byte and return what is wrong with it, None for nothing.

    Changes nothing. Raises: Unavailable, where the store does not answer.
    """
    verifier = XorbVerifier(lambda data: None)
    left = xorb.stored_bytes
    footer = bytearray()
    try:
        for piece in sv.objects.stream(xorb.key, chunk_bytes=_READ_BYTES):
            data = memoryview(piece)
            verifier.feed(data[:left])
            footer += data[left:]
            left = max(0, left - len(data))
            if len(footer) > xorb.size_bytes - xorb.stored_bytes:
                return "it is longer than its row says"
        index = verifier.finish(from_text(xorb.hash))
    except ObjectMissing:
        return "its bytes are missing from the object store"
    except BadXorb as error:
        return f"its bytes rotted: {error.message}"
    if index.footer() != footer:
        return "its bytes rotted: the footer is not the list of its chunks"
    return None


def examine(sv: Services, xorb: Xorb, *, now: datetime) -> None:
    """Verify a xorb and note the outcome. Reads the store and opens write units. Raises Unavailable."""
    problem = find_problem(sv, xorb)
    SCRUBBED_BYTES.inc(xorb.stored_bytes)
    if problem is None:
        SCRUBBED_XORBS.labels("good").inc()
        with sv.db.write() as tx:
            gc_rows.note_verified(tx, xorb, now=now)
        return
    with sv.db.write() as tx:
        # Deleted, or sent again, while it was read: then these bytes are nobody's any more.
        is_news = gc_rows.note_damaged(tx, xorb, now=now)
        if is_news:
            audit.record(
                tx,
                at=now,
                actor="system",
                action="xorb.damaged",
                subject=xorb.hash,
                key=xorb.key,
                problem=problem,
            )
    if is_news:
        SCRUBBED_XORBS.labels("damaged").inc()
        structlog.get_logger("scrub").error("xorb.damaged", xorb=xorb.hash, key=xorb.key, problem=problem)


def _recheck_damaged(sv: Services) -> None:
    """Let those damaged xorbs live again whose bytes are good now: the operator restored them."""
    last = 0
    while True:
        with sv.db.read() as tx:
            page = gc_rows.list_damaged(tx, after=last, limit=_PAGE)
        if not page:
            return
        for xorb in page:
            if find_problem(sv, xorb) is not None:
                continue
            now = sv.clock.now()
            with sv.db.write() as tx:
                is_news = gc_rows.note_healed(tx, xorb, now=now)
                if is_news:
                    audit.record(
                        tx, at=now, actor="system", action="xorb.healed", subject=xorb.hash, key=xorb.key
                    )
            if is_news:
                SCRUBBED_XORBS.labels("healed").inc()
                structlog.get_logger("scrub").info("xorb.healed", xorb=xorb.hash, key=xorb.key)
        last = page[-1].id

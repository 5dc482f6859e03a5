"""Sealing the trail of privileged actions, proving that nobody changed it, and reading it.

Rows are written without waiting for each other and sealed by a job, in order: a seal covers its row and the seal
before it, and the last one is signed with the hub's secret key. So a row that was changed, taken out, put in or
moved is found, by whoever has the key even where all seals were made anew.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from sqlalchemy.exc import OperationalError

from openhood.domain import audit, links
from openhood.domain.access import Viewer
from openhood.domain.accounts.rules import get_org, require_admin, require_org_admin
from openhood.domain.audit import AuditEvent, Head
from openhood.domain.services import Services
from openhood.infra.db.engine import Tx

_LOG = structlog.get_logger()
READING = "org.auditLog.read"
MAX_PAGE = 1000
_BATCH = 500
_WAIT_MS = 1000
_CHECKED_AT_ONCE = 2000
_MOST_FINDINGS = 100
_PURPOSE = "audit chain"
_FAR = 2**62
BEGIN = -_FAR
"""A number before that of any row, also of one that somebody put before the first."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with the trail. ``id`` is the row at or before which it is."""

    id: int
    what: str


@dataclass(frozen=True, slots=True)
class Report:
    """What a look at the whole chain found: nothing, if all is well. ``unsealed`` rows are newer than the last seal."""

    row_count: int
    unsealed: int
    last_id: int
    last_seal: str
    findings: tuple[Finding, ...]

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


def seal_audit(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: seal every row that has no seal yet. Where writers do not come to rest the next run goes on."""
    seal_new(sv)


def seal_new(sv: Services) -> int:
    """Seal what is not sealed yet, in short write units; returns how many rows were. Raises: Unavailable."""
    key = links.derive_key(sv, purpose=_PURPOSE)
    sealed = 0
    while True:
        try:
            count = _seal_batch(sv, key)
        except OperationalError:
            # Somebody writes for longer than we let everybody else wait.
            return sealed
        sealed += count
        if count < _BATCH:
            return sealed


def _seal_batch(sv: Services, key: bytes) -> int:
    with sv.db.read() as tx:
        if not audit.count_unsealed(tx):
            return 0
    with sv.db.write() as tx:
        audit.hold_writers(tx, wait_ms=_WAIT_MS)
        head = audit.get_head(tx)
        if not _may_go_on(tx, key, head):
            # Going on would sign what somebody else made; `verify` tells what is wrong.
            _LOG.error("audit.broken", remedy="run 'openhood audit verify'")
            return 0
        last = audit.FIRST_SEAL if head is None else head.seal
        # A row without a seal before the last seal was put in, and is left for `verify` to find.
        rows = audit.list_between(tx, after=BEGIN if head is None else head.last_id, last=_FAR, limit=_BATCH)
        if not rows:
            return 0
        seals: list[tuple[int, str]] = []
        for row in rows:
            last = audit.seal_of(last, row)
            seals.append((row.id, last))
        count = len(rows) + (0 if head is None else head.row_count)
        audit.set_seals(tx, seals)
        audit.set_head(tx, _sign(key, rows[-1].id, count, last, at=sv.clock.now()))
    # Whoever keeps logs elsewhere can prove by this that the whole chain was not made anew: see `verify`.
    _LOG.info("audit.sealed", last_id=rows[-1].id, rows=count, seal=last)
    return len(rows)


def _may_go_on(tx: Tx, key: bytes, head: Head | None) -> bool:
    if head is None:
        return not audit.has_seals(tx)
    signed = _sign(key, head.last_id, head.row_count, head.seal, at=head.sealed_at).signature
    return hmac.compare_digest(signed, head.signature)


def verify(sv: Services, viewer: Viewer, *, known_seal: str | None = None) -> Report:
    """Look at every sealed row and say what is wrong with the chain. Opens many read units.

    Each break is told once: behind it the look goes on from the seal that is there. ``known_seal`` is one that was
    written down elsewhere and must be in the chain: so it is found out too where somebody with the hub's key, or
    who took all seals away, made the whole chain anew.
    Raises: Unauthorized, Forbidden, Unavailable.
    """
    require_admin(viewer)
    key = links.derive_key(sv, purpose=_PURPOSE)
    with sv.db.read() as tx:
        head = audit.get_head(tx)
        unsealed = audit.count_unsealed(tx)
    if head is None:
        return Report(0, unsealed, 0, audit.FIRST_SEAL, _unless_empty(sv, known_seal))
    findings: list[Finding] = []
    count, last, previous = 0, audit.FIRST_SEAL, BEGIN
    is_known = known_seal in (None, audit.FIRST_SEAL)
    for row in _rows_until(sv, head.last_id):
        count += 1
        is_known = is_known or row.seal == known_seal
        if row.seal is None:
            findings.append(Finding(row.id, "This row was put in later, or its seal was taken away."))
            previous = row.id
            continue
        if row.seal != audit.seal_of(last, row):
            between = f" (after row {previous})" if previous > BEGIN else ""
            findings.append(
                Finding(row.id, f"This row was changed, or one before it was taken out or moved{between}.")
            )
        last, previous = row.seal, row.id
        if len(findings) >= _MOST_FINDINGS:
            break
    if len(findings) < _MOST_FINDINGS:
        findings += _judge_head(key, head, count=count, last=last, previous=previous)
    if not is_known:
        findings.append(Finding(head.last_id, _UNKNOWN))
    return Report(count, unsealed, head.last_id, head.seal, tuple(findings))


def _judge_head(key: bytes, head: Head, *, count: int, last: str, previous: int) -> Iterator[Finding]:
    signed = _sign(key, head.last_id, head.row_count, head.seal, at=head.sealed_at).signature
    if not hmac.compare_digest(signed, head.signature):
        yield Finding(
            head.last_id, "The end of the chain is not signed with this hub's secret key: it was made anew."
        )
    if previous < head.last_id:
        yield Finding(head.last_id, "The last rows were taken out.")
    elif last != head.seal:
        yield Finding(head.last_id, "The last row does not have the seal that the chain ended with.")
    if count != head.row_count:
        yield Finding(head.last_id, f"There are {count} rows where {head.row_count} were sealed.")


_UNKNOWN = "The seal that was written down elsewhere is not in the chain: it was made anew."


def _unless_empty(sv: Services, known_seal: str | None) -> tuple[Finding, ...]:
    """Say so where rows carry seals, or carried some, and the end of the chain is gone."""
    with sv.db.read() as tx:
        is_sealed = audit.has_seals(tx)
    if is_sealed:
        return (Finding(0, "The end of the chain was taken away."),)
    return () if known_seal in (None, audit.FIRST_SEAL) else (Finding(0, _UNKNOWN),)


def _rows_until(sv: Services, last: int) -> Iterator[AuditEvent]:
    after = BEGIN
    while True:
        with sv.db.read() as tx:
            rows = audit.list_between(tx, after=after, last=last, limit=_CHECKED_AT_ONCE)
        yield from rows
        if len(rows) < _CHECKED_AT_ONCE:
            return
        after = rows[-1].id


def _sign(key: bytes, last_id: int, row_count: int, seal: str, *, at: datetime) -> Head:
    text = f"{last_id} {row_count} {seal}"
    return Head(last_id, row_count, seal, hmac.new(key, text.encode(), hashlib.sha256).hexdigest(), at)


# --- reading --------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Wanted:
    """What part of the trail is meant: from ``start`` (included) to ``end`` (not included), of one action or actor."""

    start: datetime | None = None
    end: datetime | None = None
    action: str | None = None
    actor: str | None = None


def list_events(
    sv: Services,
    viewer: Viewer,
    *,
    org: str | None,
    wanted: Wanted,
    before: int | None,
    limit: int,
) -> list[AuditEvent]:
    """Return rows of an organization (None: of the hub), the newest first. Opens a read unit.

    For administrators of either. Raises: NotFound, Unauthorized, Forbidden.
    """
    owner = _owner(sv, viewer, org)
    with sv.db.read() as tx:
        return audit.list_events(
            tx,
            owner_id=owner,
            start=wanted.start,
            end=wanted.end,
            action=wanted.action,
            actor=wanted.actor,
            before=before,
            limit=max(1, min(limit, MAX_PAGE)),
        )


def begin_export(sv: Services, viewer: Viewer, *, org: str | None) -> int | None:
    """Check that the viewer may export, and seal what is new; returns the owner's number, None for the hub.

    Raises: NotFound, Unauthorized, Forbidden, Unavailable.
    """
    owner = _owner(sv, viewer, org)
    seal_new(sv)
    return owner


def export_page(sv: Services, *, owner_id: int | None, wanted: Wanted, after: int) -> list[AuditEvent]:
    """Return the next rows of an export in order, none at its end; what `begin_export` allowed. Opens a read unit."""
    with sv.db.read() as tx:
        return audit.list_events(
            tx,
            owner_id=owner_id,
            start=wanted.start,
            end=wanted.end,
            action=wanted.action,
            actor=wanted.actor,
            after=after,
            limit=MAX_PAGE,
        )


def _owner(sv: Services, viewer: Viewer, org: str | None) -> int | None:
    if org is None:
        require_admin(viewer)
        return None
    with sv.db.read() as tx:
        organization = get_org(tx, org)
    require_org_admin(viewer, organization, permission=READING)
    return organization.id


def as_json(event: AuditEvent) -> dict[str, object]:
    """Return a row as exports and the API show it; all that `audit.seal_of` covers is there."""
    return {
        "id": event.id,
        "at": event.at.isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z",
        "actor": event.actor,
        "action": event.action,
        "subject": event.subject,
        "ownerId": event.owner_id,
        "details": event.details,
        "seal": event.seal,
    }

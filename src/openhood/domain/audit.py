"""The trail of privileged actions: who did what to what, written in the same unit as the change."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import insert

from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import audit_events


def record(tx: Tx, *, at: datetime, actor: str, action: str, subject: str, **details: object) -> None:
    """Add one line in the caller's unit. ``action`` is dotted (``repo.delete``), ``subject`` its object."""
    tx.execute(
        insert(audit_events).values(
            at=at, actor=actor or "system", action=action, subject=subject[:300], details=details
        )
    )

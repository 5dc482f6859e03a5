"""The queries only a push makes: pull requests by number and by author."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select

from openhood.base.names import RefName
from openhood.domain.repos.pulls import Pull
from openhood.infra.db.engine import Tx
from openhood.infra.db.tables import discussions

_BATCH = 500


def list_pulls(tx: Tx, repo: int, numbers: Sequence[int]) -> dict[int, Pull]:
    """Return the pull requests with these numbers, open or not."""
    found: dict[int, Pull] = {}
    for start in range(0, len(numbers), _BATCH):
        chosen = select(
            discussions.c.number, discussions.c.status, discussions.c.author_id, discussions.c.base_ref
        ).where(
            discussions.c.repo_id == repo,
            discussions.c.is_pull_request,
            discussions.c.number.in_(numbers[start : start + _BATCH]),
        )
        for row in tx.execute(chosen):
            found[row.number] = Pull(row.number, row.status, row.author_id, RefName(row.base_ref or ""))
    return found


def has_open_pull(tx: Tx, repo: int, *, author_id: int) -> bool:
    """Tell whether an account has an open pull request here."""
    chosen = select(discussions.c.number).where(
        discussions.c.repo_id == repo,
        discussions.c.is_pull_request,
        discussions.c.author_id == author_id,
        discussions.c.status.in_(("draft", "open")),
    )
    return tx.execute(chosen.limit(1)).first() is not None

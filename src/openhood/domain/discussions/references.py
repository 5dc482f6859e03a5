"""References from one discussion to another: what is written in the one is told in the other.

Only what the writer may see is told of, and a reader is shown only what they may see themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from openhood.base.errors import HubError
from openhood.base.names import RepoId
from openhood.domain.access import Need, Viewer
from openhood.domain.discussions import finding, rows
from openhood.domain.discussions.types import Discussion, DiscussionEvent, Source
from openhood.domain.repos import lookup
from openhood.domain.repos.types import Repo
from openhood.engines.markup import Reference
from openhood.infra.db.engine import Tx

MAX_TOLD = 10
"""How many discussions one comment can tell of itself."""


def spread(
    tx: Tx, viewer: Viewer, repo: Repo, source: Discussion, named: Sequence[Reference], *, at: datetime
) -> None:
    """Tell the discussions that a text in ``source`` names of it, once each; in the caller's write unit.

    What does not exist, may not be spoken about by the viewer, or is locked is passed over.
    """
    for reference in named[:MAX_TOLD]:
        target = _find(tx, viewer, repo, reference)
        if target is None or target.id == source.id or target.is_locked:
            continue
        if not rows.has_reference(tx, target, source=source.hex_id):
            facts = {"source": source.hex_id}
            rows.insert_event(tx, target, "reference", viewer.user_id, at, facts=facts)


def _find(tx: Tx, viewer: Viewer, repo: Repo, reference: Reference) -> Discussion | None:
    try:
        kind, name = reference.repo_type or repo.type, repo.repo_id
        if reference.repo_id is not None:
            name = RepoId.parse(reference.repo_id)
        return finding.find(tx, viewer, kind, name, reference.number, need=Need.DISCUSS)[1]
    except HubError:
        return None  # a name that leads nowhere, or nowhere the writer may go, is just a word


def sources_of(tx: Tx, viewer: Viewer, events: Sequence[DiscussionEvent]) -> dict[str, Source]:
    """Return the discussions behind the references among ``events`` that the viewer may know of, by object id."""
    named = [str(event.facts.get("source")) for event in events if event.kind == "reference"]
    found: dict[str, Source] = {}
    if not named:
        return found
    for repo, discussion in rows.find_sources(tx, named):
        try:
            lookup.check(viewer, repo, need=Need.INFO)
        except HubError:
            continue
        found[discussion.hex_id] = Source(repo, discussion)
    return found

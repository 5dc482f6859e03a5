"""Where a person stands with a repository: what the head of each of its pages says to them, read at once.

Likes, watching and discussions are changed elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from openhood.base.errors import NotFound
from openhood.base.names import RepoId, RepoType
from openhood.domain.access import Need, Verdict, Viewer, decide
from openhood.domain.discovery import counting_rows
from openhood.domain.discussions import rows as discussion_rows
from openhood.domain.notifications import rows
from openhood.domain.repos import listing_rows, lookup
from openhood.domain.repos.listing_rows import Listed
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services


@dataclass(frozen=True, slots=True)
class Standing:
    """A repository as one person meets it.

    ``open_discussions`` counts what is open, pull requests among them. ``verdicts`` says of each need what
    `access.decide` does.
    """

    listed: Listed
    is_liked: bool
    is_watched: bool
    open_discussions: int
    verdicts: Mapping[Need, Verdict]

    @property
    def repo(self) -> Repo:
        """The repository itself."""
        return self.listed.repo

    def may(self, need: Need) -> bool:
        """Tell whether the person may do something with it."""
        return self.verdicts[need] is Verdict.ALLOW


def see_standing(sv: Services, viewer: Viewer, *, repo_type: RepoType, repo_id: RepoId) -> Standing:
    """Return a repository with what the head of its pages says to the viewer. Opens a read unit.

    Raises: what `lookup.find` raises.
    """
    with sv.db.read() as tx:
        repo = lookup.find(tx, viewer, repo_type, repo_id, need=Need.INFO)
        listed = listing_rows.get_listed(tx, repo.id)
        if listed is None:
            raise NotFound("The repository was deleted this very moment.")
        counts = discussion_rows.count_discussions(tx, repo.id, discussion_rows.Wanted())
        is_liked = is_watched = False
        if viewer.user_id is not None:
            is_liked = bool(counting_rows.find_liked(tx, viewer.user_id, [repo.id]))
            is_watched = rows.is_watching(tx, viewer.user_id, "repo", repo.id)
    return Standing(
        # The row knows nothing of the gate's answer to this viewer; what was found does.
        replace(listed, repo=repo),
        is_liked,
        is_watched,
        discussion_rows.count_in(counts, "open"),
        {need: decide(viewer, repo.facts, need) for need in Need},
    )

"""What search engines may know: the addresses of public repositories, in parts of bounded size.

Numbers of repositories grow with time, so that each stays in its part and only the last part changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from openhood.base.names import RepoId, RepoType
from openhood.domain.access import ANONYMOUS, Viewer
from openhood.domain.discovery import crawling_rows
from openhood.domain.services import Services

PART = 10_000
"""Most repositories in one part; the protocol of sitemaps allows 50,000."""


@dataclass(frozen=True, slots=True)
class Place:
    """A public repository and when it last changed."""

    repo_type: RepoType
    repo_id: RepoId
    last_modified: datetime


def list_parts(sv: Services, viewer: Viewer) -> tuple[int, ...]:
    """Return the numbers after which parts begin; the same for every viewer, and for an hour. Opens read units."""
    hour = int(sv.clock.now().timestamp()) // 3600

    def make() -> tuple[int, ...]:
        found = [0]
        while True:
            with sv.db.read() as tx:
                end = crawling_rows.end_of_part(tx, after=found[-1], size=PART)
            if end is None:
                return tuple(found)
            found.append(end)

    return sv.facts.of(("parts for crawlers", hour, PART), make, weigh=lambda parts: 100 + 40 * len(parts))


def list_part(sv: Services, viewer: Viewer, *, after: int) -> list[Place]:
    """Return what everybody may see of the part that begins after a number. Opens a read unit."""
    with sv.db.read() as tx:
        end = crawling_rows.end_of_part(tx, after=after, size=PART)
        found = crawling_rows.list_between(tx, ANONYMOUS, after=after, until=end)
        return [
            Place(RepoType(row.type), RepoId(row.namespace, row.name), row.last_modified) for row in found
        ]

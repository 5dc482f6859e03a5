"""Counting downloads: noted in memory where a file is read, added to the repositories' rows now and then."""

from __future__ import annotations

from sqlalchemy import bindparam, update

from openhood.base.names import RepoType
from openhood.domain.repos.types import Repo
from openhood.domain.services import Services
from openhood.infra.db.tables import repos

FLUSH_EVERY_S = 30.0
# The Hub counts requests for these files, of which every load of a model asks for one (hub-docs
# `models-download-stats`), unless a client marks what it wants counted.
_QUERY_FILES = frozenset({"config.json", "config.yaml", "hyperparams.yaml", "params.json", "meta.yaml"})
_NO_DATA = frozenset({"README.md", ".gitattributes", ".gitignore", "LICENSE"})


def note(sv: Services, repo: Repo, path: str, *, visitor: str, is_marked: bool) -> None:
    """Count a request for a file if it is one that counts; one per visitor and window.

    ``is_marked``: the client sent ``X-HF-Download-Counter`` (huggingface_hub from 2.0 on).
    """
    if is_marked or _counts(repo.type, path):
        sv.downloads.note(repo.id, visitor, at_s=sv.clock.now().timestamp())


def _counts(repo_type: RepoType, path: str) -> bool:
    if repo_type is RepoType.MODEL:
        return path in _QUERY_FILES or path.endswith(".gguf")
    return repo_type is RepoType.DATASET and path not in _NO_DATA


def flush(sv: Services) -> int:
    """Add what was noted to the rows; returns how many repositories changed. Opens a write unit of its own."""
    counts = sv.downloads.drain()
    if not counts:
        return 0
    statement = (
        update(repos)
        .where(repos.c.id == bindparam("repo"))
        .values(
            downloads=repos.c.downloads + bindparam("count"),
            downloads_all_time=repos.c.downloads_all_time + bindparam("count"),
        )
    )
    # Sorted, so that two replicas lock rows in the same order.
    values = [{"repo": repo, "count": count} for repo, count in sorted(counts.items())]
    with sv.db.write() as tx:
        tx.execute(statement, values)
    return len(values)

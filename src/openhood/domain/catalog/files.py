"""The lists of files that are kept with the rows of their repositories."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, select

from openhood.base.names import Oid
from openhood.domain.catalog.record import unpack_paths
from openhood.engines.git.objects import display_name
from openhood.infra.db.discovery_tables import repo_files
from openhood.infra.db.engine import Tx

_QUERY = select(repo_files).where(repo_files.c.repo_id.in_(bindparam("numbers", expanding=True)))


@dataclass(frozen=True, slots=True)
class Files:
    """All files of a commit, as text fit for JSON."""

    commit: Oid
    paths: tuple[str, ...]


def read(tx: Tx, repos: Sequence[int]) -> dict[int, Files]:
    """Return the files of those repositories of which they are kept, by number."""
    return {
        row.repo_id: Files(Oid(row.head_oid), tuple(display_name(path) for path in unpack_paths(row.names)))
        for row in tx.execute(_QUERY, {"numbers": list(repos)})
    }

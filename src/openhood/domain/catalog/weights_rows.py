"""The queries on what headers of weights say, and on what a repository's row says of its weights. Never commits."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sqlalchemy import select, update

from openhood.base.names import Oid, Sha256
from openhood.domain.catalog.weights import HeaderFacts
from openhood.infra.db.discovery_tables import weight_headers
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import repos

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Weighed:
    """What a job wrote into a repository's row; ``parameters`` None where their number is not known."""

    weights: Mapping[str, object] | None
    parameters: int | None
    main_bytes: int


def find_headers(tx: Tx, wanted: Collection[Sha256], *, kind: str) -> dict[Sha256, HeaderFacts]:
    """Return what is known of some objects' headers of a kind."""
    found: dict[Sha256, HeaderFacts] = {}
    hashes = sorted(wanted)
    for start in range(0, len(hashes), _BATCH):
        query = select(weight_headers).where(
            weight_headers.c.sha256.in_(hashes[start : start + _BATCH]), weight_headers.c.kind == kind
        )
        found |= {
            Sha256(row.sha256): HeaderFacts(row.kind, row.facts, row.error) for row in tx.execute(query)
        }
    return found


def put_headers(tx: Tx, found: Mapping[Sha256, HeaderFacts]) -> None:
    """Keep what headers say, in the order of their objects, which the caller has locked."""
    values = [
        {"sha256": sha256, "kind": header.kind, "facts": header.facts, "error": header.error}
        for sha256, header in sorted(found.items())
    ]
    statement = upsert(tx, weight_headers, key=["sha256"], update=["kind", "facts", "error"])
    for start in range(0, len(values), _BATCH):
        tx.execute(statement, values[start : start + _BATCH])


def get_weighed(tx: Tx, repo: int) -> tuple[Weighed, str | None] | None:
    """Return what is written of a repository, and its library; None when it is gone."""
    query = select(repos.c.weights, repos.c.parameters, repos.c.main_bytes, repos.c.library_name)
    row = tx.execute(query.where(repos.c.id == repo)).first()
    if row is None:
        return None
    return Weighed(row.weights, row.parameters, row.main_bytes), row.library_name


def set_weighed(tx: Tx, repo: int, found: Weighed, *, head_oid: Oid) -> None:
    """Write what was found, unless main has moved on from the commit that was looked at."""
    tx.execute(
        update(repos)
        .where(repos.c.id == repo, repos.c.head_oid == head_oid)
        .values(weights=found.weights, parameters=found.parameters, main_bytes=found.main_bytes)
    )

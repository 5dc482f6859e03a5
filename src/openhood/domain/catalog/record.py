"""Writing what repositories are found by, in the unit in which they change.

The one place that keeps tags, their counts, texts, lists of files and results in step with the
repositories' own rows.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from openhood.base.names import RepoType
from openhood.domain.catalog import tags, texts
from openhood.domain.catalog.types import TRAIT, Evaluation, Subject, TipFacts
from openhood.infra.db import finding
from openhood.infra.db.discovery_tables import evaluations, repo_files
from openhood.infra.db.engine import Tx, upsert
from openhood.infra.db.tables import repos

_BATCH = 500


def record_tip(
    tx: Tx, repo: int, tip: TipFacts, *, head_oid: str, modified: datetime | None = None, anew: bool = False
) -> None:
    """Write everything that the tip of main says of a repository, whose row the caller has locked.

    Args: ``modified``: when the tip came, None for the moment that the row says; ``anew``: do not trust that what the row says of its tags is what they are found by.
    """
    row = _row(tx, repo)
    subject = _subject(row)
    old = set(row.tag_ids or ())
    names = dict.fromkeys((*tip.tags, *tip.traits))
    numbers = tags.intern(tx, subject.type, names)
    new = [numbers[name] for name in names]
    tx.execute(
        update(repos)
        .where(repos.c.id == repo)
        .values(
            # In one statement, since each touches every index of the row.
            head_oid=head_oid,
            last_modified=row.last_modified if modified is None else modified,
            card=tip.card,
            config=tip.config,
            tags=list(tip.tags),
            tag_ids=new,
            extras=dict(tip.extras),
            pipeline_tag=tip.pipeline_tag,
            library_name=tip.library_name,
            sdk=tip.sdk,
        )
    )
    texts.write(tx, subject, words=tip.summary, tier=_tier(row))
    _write_files(tx, repo, tip.paths, head_oid=head_oid)
    _write_evaluations(tx, repo, tip.evaluations)
    added, removed = set(new) - old, old - set(new)
    finding.index_tags(tx, repo, added=new if anew else added, removed=removed)
    tags.count(tx, more=added, fewer=removed, is_hidden=subject.is_hidden)


def read_tip(tx: Tx, repo: int) -> TipFacts:
    """Return what `record_tip` wrote, for a copy of the repository."""
    row = _row(tx, repo)
    traits = [name for name in tags.names(tx, row.tag_ids or ()) if name.startswith(TRAIT)]
    files = tx.execute(
        select(repo_files.c.names).where(repo_files.c.repo_id == repo, repo_files.c.head_oid == row.head_oid)
    ).scalar_one_or_none()
    return TipFacts(
        card=row.card,
        config=row.config,
        tags=tuple(row.tags),
        pipeline_tag=row.pipeline_tag,
        library_name=row.library_name,
        sdk=row.sdk,
        traits=tuple(traits),
        extras=row.extras,
        summary=texts.words_of(tx, repo),
        evaluations=tuple(_read_evaluations(tx, repo)),
        paths=None if files is None else unpack_paths(files),
    )


def refile(tx: Tx, before: Subject) -> None:
    """Follow a repository that got another id, owner or visibility.

    Args: ``before``: what it was when the caller locked its row; that row says by now what it is.
    """
    row = _row(tx, before.id)
    after = _subject(row)
    texts.refile(tx, after, tier=_tier(row))
    if before.is_hidden != after.is_hidden:
        tags.count_shown(tx, row.tag_ids or (), step=-1 if after.is_hidden else 1)


def forget(tx: Tx, repo: int) -> None:
    """Take a repository out of the counts, just before its locked row is deleted; the rest goes with that row."""
    row = _row(tx, repo)
    ids = row.tag_ids or []
    finding.index_tags(tx, repo, added=(), removed=ids)
    tags.count(tx, more=(), fewer=ids, is_hidden=_subject(row).is_hidden)


def pack_paths(paths: Sequence[str]) -> bytes:
    """Return a list of files as it is kept: compressed, with the one character between that no path has."""
    return zlib.compress("\0".join(paths).encode("utf-8", "surrogateescape"), 6)


def unpack_paths(packed: bytes) -> tuple[str, ...]:
    """Return the list of files that `pack_paths` packed."""
    text = zlib.decompress(packed).decode("utf-8", "surrogateescape")
    return tuple(text.split("\0")) if text else ()


def _row(tx: Tx, repo: int) -> Any:  # Any: a row of many columns
    return tx.execute(select(repos).where(repos.c.id == repo)).one()


def _subject(row: Any) -> Subject:  # Any: as above
    return Subject(row.id, RepoType(row.type), row.search_text, row.owner_id, row.visibility == "private")


def _tier(row: Any) -> int:  # Any: as above
    return texts.tier_of(downloads=row.downloads, likes=row.likes)


def _write_files(tx: Tx, repo: int, paths: Sequence[str] | None, *, head_oid: str) -> None:
    if paths is None:
        tx.execute(delete(repo_files).where(repo_files.c.repo_id == repo))
        return
    statement = upsert(tx, repo_files, key=["repo_id"], update=["head_oid", "names"])
    tx.execute(statement.values(repo_id=repo, head_oid=head_oid, names=pack_paths(paths)))


def _write_evaluations(tx: Tx, repo: int, found: Sequence[Evaluation]) -> None:
    tx.execute(delete(evaluations).where(evaluations.c.repo_id == repo))
    values = [
        {
            "repo_id": repo,
            "number": number,
            "dataset_key": each.dataset_id.lower(),
            "task_id": each.task_id,
            "value": each.value if isinstance(each.value, float | int) else None,
            "filename": each.filename,
            "entry": dict(each.entry),
        }
        for number, each in enumerate(found)
    ]
    for start in range(0, len(values), _BATCH):
        tx.execute(insert(evaluations), values[start : start + _BATCH])


def _read_evaluations(tx: Tx, repo: int) -> Iterator[Evaluation]:
    query = select(evaluations).where(evaluations.c.repo_id == repo).order_by(evaluations.c.number)
    for row in tx.execute(query):
        dataset_id = row.entry.get("dataset", {}).get("id") or row.dataset_key
        value = row.entry.get("value", row.value)
        yield Evaluation(dataset_id, row.task_id, value, row.filename, row.entry)

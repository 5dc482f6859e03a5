"""Bringing a repository into being: its first pack, then its rows and main, all at once or not at all.

A pack's key holds its repository's number, and the pack has to be durable before a row names it. So
the number is drawn first, from time and chance, where nobody else can draw it: the pack is published
under it, and one write unit then inserts the repository, the pack and ``refs/heads/main``. A process
killed in between leaves a few unreferenced bytes; no client ever sees a repository without its first
commit, no name is held by a half-made one, and of two racing creations the second finds the name taken.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path

from sqlalchemy.exc import IntegrityError

from openhood.base.errors import RepoExists
from openhood.base.names import EMPTY_TREE, MAIN, Oid, RepoId, RepoType
from openhood.domain import audit, events
from openhood.domain.access import Viewer
from openhood.domain.repos import lifecycle_rows, publish, refs, rows
from openhood.domain.repos.authors import sign
from openhood.domain.repos.describe import clues_of, describe
from openhood.domain.repos.types import Consequences, PathChange, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.engines.git.edit import Put, apply_edits
from openhood.engines.git.objects import MODE_FILE, Signature, encode_commit
from openhood.engines.git.packs import BuiltPack, PackWriter
from openhood.engines.git.store import ObjectDb
from openhood.infra.db.engine import Tx
from openhood.infra.ids import new_hex_id

_CHANCE_BITS = 21


def new_number(now: datetime) -> int:
    """Return a number no repository has or had: 42 bits of milliseconds, 21 bits of chance.

    Databases number rows anew after the last one is deleted; a number that came back would inherit
    keys that are about to be deleted.
    """
    return (int(now.timestamp() * 1000) << _CHANCE_BITS) | secrets.randbits(_CHANCE_BITS)


def unborn(
    viewer: Viewer,
    *,
    repo_type: RepoType,
    repo_id: RepoId,
    owner_id: int,
    visibility: str,
    now: datetime,
    resource_group_id: int | None = None,
) -> Repo:
    """Return the facts of a repository that is about to be born."""
    return Repo(
        id=new_number(now),
        hex_id=new_hex_id(),
        type=repo_type,
        repo_id=repo_id,
        owner_id=owner_id,
        creator_id=viewer.user_id,
        visibility=visibility,
        gated="",
        is_disabled=False,
        pack_epoch=0,
        head_oid=None,
        created_at=now,
        last_modified=now,
        resource_group_id=resource_group_id,
    )


def bear(
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    files: Mapping[str, bytes],
    *,
    settings: Mapping[str, object],
    message: str,
) -> Oid:
    """Create ``repo`` with one commit that holds ``files``; returns the commit.

    ``files`` have checked paths and hold no LFS pointers. Opens its own units.
    Raises: RepoExists where the id is taken; PathConflict for paths that cannot live together.
    """
    with publish.bench(sv) as directory:
        commit, pack = _build(directory, sign(sv, viewer), files, message=message)
        published = publish.put_pack(sv, repo, pack)
    consequences = Consequences(
        tip=describe(clues_of(files), repo.type),
        changes={MAIN: tuple(PathChange(path, commit) for path in files)},
        message=message,
    )

    def settle(tx: Tx, now: datetime) -> None:
        publish.record_pack(tx, sv, repo, published, now=now)
        first = RefUpdate(MAIN, None, commit, commit)
        refs.move(tx, viewer, repo, [first], consequences=consequences, now=now)

    insert(sv, viewer, repo, settings=settings, published=[published], settle=settle)
    return commit


def insert(
    sv: Services,
    viewer: Viewer,
    repo: Repo,
    *,
    settings: Mapping[str, object],
    published: list[publish.PublishedPack],
    settle: Callable[[Tx, datetime], None],
) -> None:
    """Insert ``repo`` and whatever ``settle`` adds in one write unit, or give up its published packs.

    Raises: RepoExists where the id is taken, and what ``settle`` raises.
    """
    now = sv.clock.now()
    try:
        with sv.db.write() as tx:
            refuse_taken(tx, repo.type, repo.repo_id)
            lifecycle_rows.delete_redirect(tx, repo.type, repo.repo_id)
            lifecycle_rows.insert_repo(tx, repo, settings=settings)
            # Before what `settle` tells: who hears of the first commit has heard of the repository.
            events.record(
                tx,
                "repo.create",
                at=now,
                actor_id=viewer.user_id,
                owner_id=repo.owner_id,
                repo=repo.snapshot,
            )
            settle(tx, now)
            audit.record(
                tx,
                at=now,
                actor=viewer.name,
                action="repo.create",
                subject=f"{repo.type.value}:{repo.repo_id}",
                owner_id=repo.owner_id,
                visibility=repo.visibility,
            )
    except BaseException as error:
        publish.abandon(sv, repo, published)
        sv.packs.forget(repo.id)
        if isinstance(error, IntegrityError):  # on PostgreSQL another creation slipped in after the look
            raise RepoExists(repo.type.value, str(repo.repo_id), repo.web_path) from error
        raise


def refuse_taken(tx: Tx, repo_type: RepoType, repo_id: RepoId) -> None:
    """Raise RepoExists if a repository has this id; the error names it in its own spelling."""
    found = rows.get_repo(tx, repo_type, repo_id)
    if found is not None:
        raise RepoExists(repo_type.value, str(found.repo_id), found.web_path)


def _build(
    directory: Path, who: Signature, files: Mapping[str, bytes], *, message: str
) -> tuple[Oid, BuiltPack]:
    with PackWriter(directory / "pack") as writer:
        edits = {path: Put(writer.add("blob", data), MODE_FILE) for path, data in files.items()}
        edited = apply_edits(ObjectDb(directory), EMPTY_TREE, edits)
        for tree in edited.new_trees.values():
            writer.add("tree", tree)
        commit = writer.add(
            "commit",
            encode_commit(tree=edited.tree, parents=(), author=who, committer=who, message=message),
        )
        pack = writer.finish()
    if pack is None:
        raise AssertionError("a pack with a commit is never empty")
    return commit, pack

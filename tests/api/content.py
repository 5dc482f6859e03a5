"""Repositories with any content, built with the git engine and moved into place, without the commit API."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import insert, select, update

from openhood.base.names import EMPTY_TREE, MAIN, Oid, RefName, RepoId, RepoType, Sha256
from openhood.domain.access import SYSTEM
from openhood.domain.repos import refs, rows
from openhood.domain.repos.types import Consequences, LfsPointerAt, PathChange, Ref, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.engines.git.edit import Delete, Put, apply_edits
from openhood.engines.git.objects import MODE_FILE, MODE_LINK, Signature, encode_commit
from openhood.engines.git.packs import PackWriter
from openhood.engines.git.store import ObjectDb
from openhood.engines.lfs import Pointer, format_pointer
from openhood.infra.db.tables import accounts, lfs_objects, repo_lfs, repos
from openhood.infra.ids import new_hex_id

START = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@dataclass(frozen=True)
class Large:
    """Content to be kept as an LFS object."""

    data: bytes

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


File = bytes | Large | Link | None


class Content:
    """One repository to be filled: ``commit`` adds, replaces and (None) deletes files."""

    def __init__(
        self,
        sv: Services,
        repo_id: str,
        *,
        kind: RepoType = RepoType.MODEL,
        visibility: str = "public",
        gated: str = "",
    ) -> None:
        self.sv = sv
        self.kind = kind
        self.repo_id = RepoId.parse(repo_id)
        self._clock = START
        with sv.db.write() as tx:
            owner = tx.execute(
                select(accounts.c.id).where(accounts.c.name_key == self.repo_id.namespace.lower())
            ).scalar_one()
            now = sv.clock.now()
            tx.execute(
                insert(repos).values(
                    hex_id=new_hex_id(),
                    type=kind.value,
                    owner_id=owner,
                    creator_id=owner,
                    namespace=self.repo_id.namespace,
                    name=self.repo_id.name,
                    namespace_key=self.repo_id.key[0],
                    name_key=self.repo_id.key[1],
                    visibility=visibility,
                    gated=gated,
                    search_text=str(self.repo_id).lower(),
                    created_at=now,
                    last_modified=now,
                )
            )

    @property
    def repo(self) -> Repo:
        """The repository's facts as they are now."""
        with self.sv.db.read() as tx:
            found = rows.get_repo(tx, self.kind, self.repo_id)
        assert found is not None
        return found

    def set(self, **values: object) -> None:
        """Change columns of the repository's row."""
        with self.sv.db.write() as tx:
            tx.execute(
                update(repos)
                .where(
                    repos.c.type == self.kind.value,
                    repos.c.namespace_key == self.repo_id.key[0],
                    repos.c.name_key == self.repo_id.key[1],
                )
                .values(**values)
            )

    def ref(self, name: str) -> Ref | None:
        """A ref's row."""
        repo = self.repo
        with self.sv.db.read() as tx:
            return rows.get_ref(tx, repo.id, RefName(name))

    def commit(
        self,
        files: Mapping[str, File],
        *,
        message: str = "Change",
        ref: str = MAIN,
        start: Oid | None = None,
        author: tuple[str, str] = ("alice", "alice@example.org"),
        indexed: bool = True,
    ) -> Oid:
        """Commit to ``ref``, which begins at ``start`` (nothing) if it is new; returns the commit."""
        repo, before = self.repo, self.ref(ref)
        parent = before.commit_oid if before else start
        self._clock += timedelta(hours=1)
        with tempfile.TemporaryDirectory(dir=self.sv.packs.scratch) as directory:
            with PackWriter(Path(directory)) as pack:
                names = self.sv.packs.directory(repo.id)
                names.mkdir(parents=True, exist_ok=True)
                objects = ObjectDb(names)
                tree = objects.commit(parent).tree if parent else EMPTY_TREE
                edits: dict[str, Put | Delete] = {}
                pointers: list[LfsPointerAt] = []
                for path, content in files.items():
                    if content is None:
                        edits[path] = Delete(recursive=False)
                        continue
                    mode = MODE_LINK if isinstance(content, Link) else MODE_FILE
                    blob = pack.add("blob", self._blob(repo, path, content, pointers))
                    edits[path] = Put(blob, mode)
                edited = apply_edits(objects, tree, edits)
                for made, raw_tree in edited.new_trees.items():
                    pack.add_known(made, "tree", raw_tree)
                tree = edited.tree
                who = Signature(*author, self._clock)
                raw = encode_commit(
                    tree=tree, parents=[parent] if parent else [], author=who, committer=who, message=message
                )
                oid = pack.add("commit", raw)
                built = pack.finish()
            assert built is not None
            self.sv.packs.publish(repo.id, built.name, pack=built.pack_path, index=built.idx_path)
        changes = tuple(PathChange(path, oid, deleted=content is None) for path, content in files.items())
        consequences = Consequences(
            changes={RefName(ref): changes} if indexed else {}, pointers=tuple(pointers)
        )
        change = RefUpdate(RefName(ref), before.oid if before else None, oid, oid)
        now = self.sv.clock.now()
        with self.sv.db.write() as tx:
            rows.insert_pack(
                tx,
                repo.id,
                name=built.name,
                size_bytes=built.size_bytes,
                object_count=built.object_count,
                now=now,
            )
            refs.move(tx, SYSTEM, repo, [change], consequences=consequences, now=now)
        return oid

    def point(self, ref: str, oid: Oid) -> None:
        """Create a branch or tag at a commit."""
        with self.sv.db.write() as tx:
            change = RefUpdate(RefName(ref), None, oid, oid)
            refs.move(
                tx, SYSTEM, self.repo_in(tx), [change], consequences=Consequences(), now=self.sv.clock.now()
            )

    def repo_in(self, tx: object) -> Repo:
        """The repository's facts, inside a unit."""
        found = rows.get_repo(tx, self.kind, self.repo_id)  # type: ignore[arg-type]
        assert found is not None
        return found

    def _blob(
        self, repo: Repo, path: str, content: bytes | Large | Link, pointers: list[LfsPointerAt]
    ) -> bytes:
        if isinstance(content, Link):
            return content.target.encode()
        if isinstance(content, bytes):
            return content
        sha256 = Sha256(content.sha256)
        self.store_large(repo, content)
        pointers.append(LfsPointerAt(path, sha256, len(content.data)))
        return format_pointer(Pointer(sha256, len(content.data)))

    def store_large(self, repo: Repo, content: Large) -> str:
        """Put an LFS object into the store for a repository; returns its key."""
        key = f"lfs/{content.sha256[:2]}/{content.sha256[2:4]}/{content.sha256}-test"
        self.sv.objects.put(key, content.data)
        now = self.sv.clock.now()
        with self.sv.db.write() as tx:
            known = tx.execute(select(lfs_objects).where(lfs_objects.c.sha256 == content.sha256)).first()
            if known is None:
                tx.execute(
                    insert(lfs_objects).values(
                        sha256=content.sha256, size_bytes=len(content.data), key=key, created_at=now
                    )
                )
            named = tx.execute(
                select(repo_lfs).where(repo_lfs.c.repo_id == repo.id, repo_lfs.c.sha256 == content.sha256)
            ).first()
            if named is None:
                tx.execute(insert(repo_lfs).values(repo_id=repo.id, sha256=content.sha256, created_at=now))
        return key


def blob_oid(data: bytes) -> str:
    """The id git gives a file."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def paths(items: Sequence[Mapping[str, object]]) -> list[object]:
    """The paths of a listing."""
    return [item["path"] for item in items]

"""``refs/convert/parquet``: every dataset as Parquet, in a ref that only the hub itself moves.

Its commit has no parents and is replaced as a whole, since what can be made again needs no history. Parquet files of
the dataset are named there as they are; what was converted is kept as LFS objects of the repository, which go when the
ref names them no more. Bytes come first, then rows, then the ref; a job that dies at any point is run again.

**Source**: the layout of the original's ``refs/convert/parquet`` (dataset-viewer ``config/parquet_and_info.py``).
"""

from __future__ import annotations

import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import structlog

from openhood.base.errors import (
    HubError,
    NotFound,
    QuotaExceeded,
    TableTimeout,
    ViewerError,
    ViewerNotReady,
)
from openhood.base.names import EMPTY_TREE, MAIN, Oid, RefName, RepoType, Sha256
from openhood.domain.access import SYSTEM
from openhood.domain.events import Event
from openhood.domain.repos import gitdb, publish, quota, refs
from openhood.domain.repos import rows as repo_rows
from openhood.domain.repos.authors import sign
from openhood.domain.repos.types import Consequences, LfsPointerAt, Ref, RefUpdate, Repo
from openhood.domain.services import Services
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage import uploads
from openhood.domain.viewer import conversion_rows as rows
from openhood.domain.viewer import converting, planning
from openhood.domain.viewer.conversion_rows import Conversion
from openhood.domain.viewer.types import Config, DataFile, Plan, Split
from openhood.engines.git.edit import Put, apply_edits
from openhood.engines.git.objects import MODE_FILE, encode_commit, object_oid
from openhood.engines.git.packs import PackWriter
from openhood.engines.lfs import Pointer, format_pointer
from openhood.infra.db.engine import Tx
from openhood.infra.jobs import queue

REF = RefName("refs/convert/parquet")
JOB = "convert_split"
MESSAGE = "Update parquet files"
FILES_PER_FOLDER = 10_000
_DELAY_S = 2.0
_SHA256_CHARACTERS = 64
_NAME_CHARACTERS = 200
_PASSING = (QuotaExceeded.__name__, TableTimeout.code)
"""Codes of failures that say nothing of the files: the next time may be another."""
_PUBLISH_EVERY_S = 60.0
_UNUSABLE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*]')


def path_of(config: str, split: str, number: int, count: int, *, is_partial: bool) -> str:
    """Return the path of a file of a split, of ``count`` in all, below the ref."""
    folder = _name(split)
    if count > FILES_PER_FOLDER:
        folder = f"{folder}-part{number // FILES_PER_FOLDER}"
        number %= FILES_PER_FOLDER
    return f"{_name(config)}/{'partial-' if is_partial else ''}{folder}/{number:04d}.parquet"


def _name(text: str) -> str:
    """Return the name of a config or split as one part of a path, which no other has."""
    usable = _UNUSABLE.sub("_", text)[:_NAME_CHARACTERS]
    if usable != text:
        digest = blake2b(text.encode("utf-8", "surrogatepass"), digest_size=4).hexdigest()
        return f"{usable[: _NAME_CHARACTERS - 20]}-{digest}"
    return f"_{text}" if text in ("", ".", "..") or text.lower() == ".git" else text


def wanted_of(sv: Services, repo: Repo, plan: Plan, config: Config, split: Split) -> converting.Wanted:
    """Return what converting a split for the ref takes: rows name files of the repository as ``datasets`` finds them."""
    prefix = f"hf://datasets/{repo.repo_id}@{plan.commit}/"
    return converting.want(sv, repo, plan.commit, config, split, prefix=prefix)


@dataclass(slots=True)
class _Contents:
    """What the ref shall hold: blobs by path, and those of them that are pointers."""

    blobs: dict[str, Oid] = field(default_factory=dict)
    written: dict[Oid, bytes] = field(default_factory=dict)
    pointers: list[LfsPointerAt] = field(default_factory=list)

    def add(self, path: str, file: DataFile) -> None:
        """Name a file of the dataset."""
        self.blobs[path] = file.oid
        if len(file.key) == _SHA256_CHARACTERS:
            self.pointers.append(LfsPointerAt(path, Sha256(file.key), file.size_bytes))

    def add_object(self, path: str, sha256: Sha256, size_bytes: int) -> None:
        """Name an LFS object."""
        oid, content = _pointer_blob(sha256, size_bytes)
        self.blobs[path] = oid
        self.written[oid] = content
        self.pointers.append(LfsPointerAt(path, sha256, size_bytes))


def _pointer_blob(sha256: Sha256, size_bytes: int) -> tuple[Oid, bytes]:
    content = format_pointer(Pointer(sha256, size_bytes))
    return object_oid("blob", content), content


# --- when ----------------------------------------------------------------------------------


def on_event(sv: Services, event: Event) -> None:
    """Listener: have a dataset whose main or name changed published anew. Opens a write unit."""
    if event.repo_id is None or not _concerns(event):
        return
    now = sv.clock.now()
    with sv.db.write() as tx:
        queue.enqueue(
            tx, JOB, {"repo": event.repo_id}, now=now, dedup_key=f"{JOB}:{event.repo_id}", delay_s=_DELAY_S
        )


def _concerns(event: Event) -> bool:
    said = event.facts.get("repo")
    if not isinstance(said, Mapping) or said.get("type") != RepoType.DATASET.value:
        return False
    if event.kind == "repo.move":
        return True
    changed = event.facts.get("refs")
    return (
        event.kind == "repo.content"
        and isinstance(changed, list)
        and any(isinstance(each, list) and each and each[0] == MAIN for each in changed)
    )


def convert_split(sv: Services, payload: Mapping[str, object]) -> None:
    """Job: convert what needs it of a dataset's main, and let ``refs/convert/parquet`` hold all of it.

    Payload: ``{"repo": number}``. Raises where storage is away: it is tried again.
    """
    number = payload.get("repo")
    if not isinstance(number, int):
        return
    with sv.db.read() as tx:
        repo = repo_rows.get_repo_by_number(tx, number)
    if repo is None or repo.type is not RepoType.DATASET or repo.is_disabled:
        return
    try:
        at = planning.locate(sv, SYSTEM, repo.repo_id, "main")
        plan = planning.plan_of(sv, at)
    except ViewerError:
        _withdraw(sv, repo)
        return
    except HubError as error:
        if error.status >= 500:
            raise
        _withdraw(sv, repo)
        return
    _Run(sv, at.repo, plan).run()


class _Run:
    """One pass over the splits of a plan."""

    def __init__(self, sv: Services, repo: Repo, plan: Plan) -> None:
        self._sv = sv
        self._repo = repo
        self._plan = plan
        self._contents = _Contents()
        self._kept: set[tuple[str, str]] = set()
        with sv.db.read() as tx:
            self._before = {(each.config, each.split): each for each in rows.list_all(tx, repo.id)}

    def run(self) -> None:
        """Convert and publish. Where the dataset was deleted meanwhile, whatever failed by that is of no interest."""
        try:
            self._publish()
        except Exception:  # a missing repository is noticed by whatever looks for it first
            with self._sv.db.read() as tx:
                found = repo_rows.get_repo_by_number(tx, self._repo.id)
            if found is not None:
                raise

    def _publish(self) -> None:
        published_at = time.monotonic()
        for config, split in converting.sources_of(self._plan):
            if config.is_parquet(split):
                self._name_files(config, split)
                continue
            self._keep(config, split)
            if time.monotonic() - published_at > _PUBLISH_EVERY_S:
                # What comes later takes long: let people have what there is.
                publish_contents(self._sv, self._repo, self._contents, leaving=None)
                published_at = time.monotonic()
        gone = [each for key, each in self._before.items() if key not in self._kept]
        old = {sha256 for each in self._before.values() for sha256 in each.all_hashes}
        publish_contents(self._sv, self._repo, self._contents, leaving=_Leaving(gone, old))
        if self._kept:
            self._tell()

    def _tell(self) -> None:
        """Have the tags follow: how many rows there are is known now."""
        facts, key = {"repo": self._repo.id}, f"warm_dataset:{self._repo.id}"
        with self._sv.db.write() as tx:
            queue.enqueue(tx, "warm_dataset", facts, now=self._sv.clock.now(), dedup_key=key)

    def _name_files(self, config: Config, split: Split) -> None:
        count = len(split.files)
        for number, file in enumerate(split.files):
            self._contents.add(path_of(config.name, split.name, number, count, is_partial=False), file)

    def _keep(self, config: Config, split: Split) -> None:
        """Have a split converted and stored, and name its files."""
        wanted = wanted_of(self._sv, self._repo, self._plan, config, split)
        known = self._known(config, split)
        done = self._still_there(known, wanted.key)
        if done is None:
            try:
                done = self._store(config, split, wanted)
            except ViewerNotReady:
                raise
            except (ViewerError, NotFound, QuotaExceeded) as error:
                done = self._failed(config, split, wanted.key, error)
        self._kept.add((done.config, done.split))
        for file in done.facts.get("files") or () if done.state == rows.DONE else ():
            self._contents.add_object(file["path"], Sha256(file["sha256"]), file["size"])

    def _known(self, config: Config, split: Split) -> Conversion | None:
        return self._before.get((config.name[:200], split.name[:200]))

    def _still_there(self, known: Conversion | None, key: str) -> Conversion | None:
        if known is None or known.made_from != key or known.state == rows.PENDING:
            return None
        if known.state == rows.FAILED:
            return None if known.facts["code"] in _PASSING else known
        with self._sv.db.read() as tx:
            linked = storage_rows.find_linked(tx, self._repo.id, known.hashes)
        return known if known.hashes <= linked.keys() else None

    def _store(self, config: Config, split: Split, wanted: converting.Wanted) -> Conversion:
        sv, repo = self._sv, self._repo
        directory, facts = converting.convert_now(sv, wanted)
        is_partial = bool(facts["partial"])
        made: list[Mapping[str, Any]] = facts["files"]
        files = [
            {
                "path": path_of(config.name, split.name, number, len(made), is_partial=is_partial),
                "oid": _pointer_blob(Sha256(file["sha256"]), file["size"])[0],
                "sha256": file["sha256"],
                "size": file["size"],
                "rows": file["rows"],
            }
            for number, file in enumerate(made)
        ]
        said = {name: facts[name] for name in ("rows", "features", "partial", "estimated_rows", "nbytes")}
        known = self._known(config, split)
        left = [] if known is None else sorted(known.all_hashes)
        conversion = Conversion(
            config.name[:200],
            split.name[:200],
            wanted.key,
            rows.PENDING,
            {**said, "files": files, "left": left},
        )
        now = sv.clock.now()
        with sv.db.write() as tx:
            added = sum(file["size"] for file in made)
            quota.check(tx, sv, owner_id=repo.owner_id, namespace=repo.repo_id.namespace, added_bytes=added)
            # Before the bytes come: whatever is left of them after a crash is known by this row.
            rows.put(tx, repo.id, conversion, now=now)
        for file in made:
            uploads.import_file(sv, repo_number=repo.id, path=directory / file["name"])
        done = Conversion(conversion.config, conversion.split, wanted.key, rows.DONE, conversion.facts)
        with sv.db.write() as tx:
            rows.put(tx, repo.id, done, now=sv.clock.now())
        return done

    def _failed(self, config: Config, split: Split, key: str, error: HubError) -> Conversion:
        structlog.get_logger("viewer").info(
            "conversion.failed",
            repo=str(self._repo.repo_id),
            config=config.name,
            split=split.name,
            error=error.message,
        )
        known = self._known(config, split)
        left = [] if known is None else sorted(known.all_hashes)
        facts = {"code": error.code or type(error).__name__, "error": error.message[:1000], "left": left}
        failed = Conversion(config.name[:200], split.name[:200], key, rows.FAILED, facts)
        with self._sv.db.write() as tx:
            rows.put(tx, self._repo.id, failed, now=self._sv.clock.now())
        return failed


# --- the ref -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Leaving:
    """What is given up once the ref has moved: conversions of splits that are no more, and objects of old ones."""

    conversions: Sequence[Conversion]
    hashes: Collection[Sha256]


def publish_contents(
    sv: Services, repo: Repo, contents: _Contents, *, leaving: _Leaving | None
) -> Oid | None:
    """Let the ref hold exactly these files; returns its commit, None where there is none to hold.

    Nothing is written where it holds them already. Opens a write unit. Raises: RefRaceLost.
    """
    with sv.db.read() as tx:
        before = repo_rows.get_ref(tx, repo.id, REF)
    if not contents.blobs:
        if leaving is not None:
            _remove(sv, repo, before, leaving)
        return None
    with (
        publish.bench(sv) as directory,
        PackWriter(directory / "pack") as writer,
        sv.packs.writing(repo.id),
        publish.Landing(sv, repo) as landing,
    ):
        objects = gitdb.open_objects(sv, repo, expect=None if before is None else before.commit_oid)
        edits = {path: Put(oid, MODE_FILE) for path, oid in contents.blobs.items()}
        edited = apply_edits(objects, EMPTY_TREE, edits)
        if before is not None and objects.commit(before.commit_oid).tree == edited.tree:
            if leaving is not None:
                with sv.db.write() as tx:
                    _release(tx, sv, repo, leaving, named=contents.pointers)
            return before.commit_oid
        for oid, content in contents.written.items():
            writer.add_known(oid, "blob", content)
        for oid, raw in edited.new_trees.items():
            writer.add_known(oid, "tree", raw)
        author = sign(sv, SYSTEM)
        raw = encode_commit(tree=edited.tree, parents=(), author=author, committer=author, message=MESSAGE)
        commit = writer.add("commit", raw)
        landing.put(writer.finish())
        consequences = Consequences(pointers=tuple(contents.pointers), message=MESSAGE)
        update = RefUpdate(REF, None if before is None else before.oid, commit, commit)
        with landing.unit() as tx:
            refs.move(tx, SYSTEM, repo, [update], consequences=consequences, now=sv.clock.now())
            if leaving is not None:
                _release(tx, sv, repo, leaving, named=contents.pointers)
    return commit


def _withdraw(sv: Services, repo: Repo) -> None:
    """Remove the ref of a dataset that has nothing to show."""
    with sv.db.read() as tx:
        before = repo_rows.get_ref(tx, repo.id, REF)
        known = rows.list_all(tx, repo.id)
    if before is not None or known:
        _remove(sv, repo, before, _Leaving(known, {sha256 for each in known for sha256 in each.all_hashes}))


def _remove(sv: Services, repo: Repo, before: Ref | None, leaving: _Leaving) -> None:
    with sv.db.write() as tx:
        if before is not None:
            update = RefUpdate(REF, before.oid, None, None)
            refs.move(tx, SYSTEM, repo, [update], consequences=Consequences(), now=sv.clock.now())
        _release(tx, sv, repo, leaving, named=())


def _release(tx: Tx, sv: Services, repo: Repo, leaving: _Leaving, *, named: Collection[LfsPointerAt]) -> None:
    """Take away the objects that only the ref named, and names no more. In the caller's unit."""
    shown = {refs.file_oid(pointer) for pointer in named}
    stale = {oid: sha256 for oid, sha256 in rows.list_named(tx, repo.id, REF).items() if oid not in shown}
    storage_rows.delete_files(tx, repo.id, list(stale))
    dropped = {*stale.values(), *leaving.hashes} - {pointer.sha256 for pointer in named}
    free = dropped - storage_rows.still_named(tx, repo.id, dropped)
    if free:
        now = sv.clock.now()
        storage_rows.unlink(tx, repo.id, free)
        queue.enqueue(tx, "forget_lfs", {}, now=now, dedup_key="forget_lfs:converted")
        key = f"refresh_storage:{repo.id}"
        queue.enqueue(tx, "refresh_storage", {"repo": repo.id}, now=now, dedup_key=key, delay_s=2)
    rows.drop(tx, repo.id, leaving.conversions)

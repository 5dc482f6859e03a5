"""Registering shards: a file becomes one of the hub's once everything that is said of it was found to be true.

One file that is wrong lets the whole shard be refused. What is checked without decoding is in `claims`, the SHA-256
is computed in `sums`; here that is put together and, last of all, written down.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openhood.base.errors import BadShard, NotFound, QuotaExceeded, Unavailable
from openhood.base.names import Sha256, XetHash
from openhood.domain.services import Services
from openhood.domain.storage import keeping, uploads
from openhood.domain.storage import rows as storage_rows
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import conversion, passes, rows, scrub, shard_rows, sums
from openhood.domain.xet.claims import Claim, Claims, Unreadable, not_here
from openhood.domain.xet.types import Pass, Scope, XetFile
from openhood.engines.xet.hashing import to_text
from openhood.engines.xet.shard import Shard
from openhood.infra import keys
from openhood.infra.db.engine import Tx

FILES_PER_UNIT = 2000
"""Files that are written down in one unit. Clients send fewer; others must not be kept waiting for long."""
_MOST_NEIGHBOURS = 1000
_UNPUBLISHED_S = 3600.0
_SHA256_OF_NOTHING = Sha256(hashlib.sha256().hexdigest())


@dataclass(frozen=True, slots=True)
class _Proven:
    """A file of which all is true."""

    claim: Claim
    sha256: Sha256


@dataclass(frozen=True, slots=True)
class _Upload:
    """A shard of which all is true: its files, the findable chunks of its xorbs by number, and all xorbs it names."""

    files: Sequence[_Proven]
    described: dict[int, list[bytes]]
    xorb_ids: set[int]


def register(sv: Services, given: Pass, shard: Shard, *, progress: Callable[[int, int], None]) -> bool:
    """Check a shard and let the repository have its files; tells whether anything was new.

    Reads the store and opens units of its own; a shard of usual size is written in one. *Args*: ``progress`` is told,
    by several threads, how many bytes of how many are verified; what it raises ends the work. *Raises*: BadShard,
    PayloadTooLarge, QuotaExceeded, NotFound where the repository is gone, Unavailable.
    """
    scope = passes.find_scope(sv, given)
    try:
        claims = Claims(sv, shard)
        described = dict(claims.check_xorbs())
        files = list({each.name: each for each in claims.check_files()}.values())
        proven = _prove(sv, scope, files, progress=progress)
    except Unreadable as error:
        raise _explain(sv, error.xorbs) from error
    return _publish(sv, given, _Upload(proven, described, claims.xorb_ids))


# --- what the files are -----------------------------------------------------------------------


def _prove(
    sv: Services, scope: Scope, files: Sequence[Claim], *, progress: Callable[[int, int], None]
) -> list[_Proven]:
    """Find the SHA-256 of each file, computed unless it was before. Raises BadShard, QuotaExceeded, Unreadable."""
    with sv.db.read() as tx:
        known = rows.find_verified(tx, [each.name for each in files])
        expected = [
            LfsObject(sha256, each.size_bytes, None)
            for each in files
            if (sha256 := known.get(each.name) or each.sha256) is not None
        ]
        # Before the hours that it may take to decode them.
        _check_room(tx, sv, scope.repo, expected)
    unknown = [each for each in files if each.name not in known and each.size_bytes]
    computed = sums.hash_files(
        sv,
        [(each.terms, each.size_bytes) for each in unknown],
        advance=_count_up(sum(each.size_bytes for each in unknown), progress),
    )
    known |= {each.name: sha256 for each, sha256 in zip(unknown, computed, strict=True)}
    proven = [_Proven(each, known.get(each.name, _SHA256_OF_NOTHING)) for each in files]
    for file in proven:
        claimed = file.claim.sha256
        if claimed is not None and claimed != file.sha256:
            raise BadShard(
                f"The content of file {file.claim.name} has the SHA-256 {file.sha256}, not {claimed}. It may have "
                "changed while it was uploaded: upload it again."
            )
    return proven


def _count_up(total: int, progress: Callable[[int, int], None]) -> Callable[[int], None]:
    lock = threading.Lock()
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        with lock:
            done += count
            progress(done, total)

    return advance


def _explain(sv: Services, digests: Iterable[bytes]) -> BadShard | Unavailable:
    """Return why stored xorbs could not be read, after noting which are damaged: sent again, such a one heals."""
    is_lost = False
    for digest in digests:
        name = to_text(digest)
        with sv.db.read() as tx:
            found = rows.get_xorb(tx, name)
        if found is not None and found.state != "damaged":
            scrub.examine(sv, found, now=sv.clock.now())
            with sv.db.read() as tx:
                found = rows.get_xorb(tx, name)
        is_lost = is_lost or found is None or found.state == "damaged"
    return not_here() if is_lost else Unavailable("Stored chunks could not be read just now. Try again.")


# --- writing it down --------------------------------------------------------------------------


def _publish(sv: Services, given: Pass, upload: _Upload) -> bool:
    # Asked again: what is private now may have been public when the work began.
    scope = passes.find_scope(sv, given)
    note = _plan_note(sv, scope, upload)
    nothing = _store_nothing(sv) if any(not each.claim.size_bytes for each in upload.files) else None
    is_new = False
    for start in range(0, max(1, len(upload.files)), FILES_PER_UNIT):
        batch = upload.files[start : start + FILES_PER_UNIT]
        named = upload.xorb_ids
        if note.has_shard:
            named = {xorb for each in batch for xorb in each.claim.xorb_ids}
        now = sv.clock.now()
        lease_until = now + timedelta(seconds=sv.settings.xet.lease_s)
        with sv.db.write() as tx:
            if rows.touch_xorbs(tx, named, lease_until=lease_until, now=now) != len(named):
                raise not_here()
            is_changed = _insert_files(tx, sv, scope, batch, nothing, now=now)
            is_news = is_changed or (not start and note.is_news)
            if is_news:
                note.insert(tx, batch, now=now)
        is_new = is_new or is_news
    return is_new


def _insert_files(
    tx: Tx,
    sv: Services,
    scope: Scope,
    files: Sequence[_Proven],
    nothing: str | None,
    *,
    now: datetime,
) -> bool:
    """Give the repository the files, whose xorbs are locked by this unit; tells whether anything changed."""
    made = {each.sha256: _object_of(each, nothing) for each in files}
    _check_room(tx, sv, scope.repo, made.values())
    if nothing is not None and _SHA256_OF_NOTHING in made and not storage_rows.reprieve(tx, nothing, now=now):
        raise Unavailable("The upload took too long. Try again.")
    kept = keeping.secure_all(tx, list(made.values()), now=now)
    chunked = {each.claim.name: each for each in files if each.claim.size_bytes}
    rows_of = {
        name: XetFile(name, each.sha256, each.claim.size_bytes, each.claim.terms)
        for name, each in chunked.items()
    }
    fresh = rows.insert_files(
        tx, list(rows_of.values()), {name: each.claim.xorb_ids for name, each in chunked.items()}, now=now
    )
    is_healed = _heal(tx, kept, chunked, fresh)
    for each in kept.values():
        if each.key is not None and each.xet_hash in fresh:
            conversion.drop_later(tx, sv, each.sha256, now=now)
    linked = storage_rows.link_all(tx, scope.repo, kept.values(), now=now)
    return bool(fresh) or is_healed or linked > 0


def _object_of(file: _Proven, nothing: str | None) -> LfsObject:
    if file.claim.size_bytes:
        return LfsObject(file.sha256, file.claim.size_bytes, None, file.claim.name)
    # Nothing has no chunks, so clients could not ask for it: it is kept whole.
    return LfsObject(file.sha256, 0, nothing)


def _heal(tx: Tx, kept: dict[Sha256, LfsObject], files: dict[XetHash, _Proven], fresh: set[XetHash]) -> bool:
    """Let what is made of damaged xorbs be made of those that this shard names; tells whether a file was."""
    served = {each.xet_hash: each for each in kept.values() if each.xet_hash is not None}
    suspects = (set(files) | set(served)) - fresh
    damaged = shard_rows.find_damaged(tx, suspects) if suspects else {}
    for name, number in damaged.items():
        if name in files:
            claim = files[name].claim
            rows.replace_terms(tx, number, claim.terms, claim.xorb_ids)
    for file in files.values():
        serving = kept[file.sha256].xet_hash
        if serving is not None and serving in damaged and serving not in files:
            storage_rows.switch_xet_hash(tx, file.sha256, expected=serving, xet_hash=file.claim.name)
    return any(name in files for name in damaged)


def _check_room(tx: Tx, sv: Services, repo: int, made: Iterable[LfsObject]) -> None:
    """Raise NotFound where the repository is gone, QuotaExceeded where what it has not yet is too much."""
    owner = storage_rows.get_owner(tx, repo)
    if owner is None:
        raise NotFound("The repository was deleted.")
    room = uploads.room_left(tx, owner=owner, limit_bytes=sv.settings.limits.namespace_storage_bytes)
    if room is None:
        return
    sizes = {each.sha256: each.size_bytes for each in made}
    added = sum(sizes.values()) - sum(sizes[sha256] for sha256 in storage_rows.find_linked(tx, repo, sizes))
    if added > room:
        raise QuotaExceeded(
            f"These {added} bytes would exceed the storage quota of the namespace. Delete files that are no longer "
            "needed, or ask the administrator for more."
        )


def _store_nothing(sv: Services) -> str:
    """Store an empty object and return its key; it is doomed until a row names it."""
    key = keys.lfs_object(_SHA256_OF_NOTHING, secrets.token_hex(12))
    with sv.db.write() as tx:
        storage_rows.doom(tx, [key], delete_after=sv.clock.now() + timedelta(seconds=_UNPUBLISHED_S))
    sv.objects.put(key, b"")
    return key


# --- what others may learn of -------------------------------------------------------------------


class _Note:
    """What is noted for dedup in one domain, None for nowhere: which xorbs came together, and findable chunks.

    ``is_news`` tells whether chunks of a described xorb can be found that could not be before, whatever its files.
    """

    def __init__(self, domain: int | None, upload: _Upload, told: set[int], open_to_all: set[int]) -> None:
        self._domain = domain
        self._described = upload.described
        self._may_tell = set(upload.described) | told | open_to_all
        self._shard: int | None = None
        self.is_news = domain is not None and any(
            digests and xorb not in told for xorb, digests in upload.described.items()
        )

    @property
    def has_shard(self) -> bool:
        """Whether the xorbs are noted already."""
        return self._shard is not None

    def insert(self, tx: Tx, files: Sequence[_Proven], *, now: datetime) -> None:
        """Note the first chunks of files, and the first time also the xorbs, which this unit must have locked."""
        if self._domain is None:
            return
        chunks = [
            (each.claim.first_chunk, each.claim.xorb_ids[0])
            for each in files
            if each.claim.xorb_ids and each.claim.xorb_ids[0] in self._may_tell
        ]
        if self._shard is None:
            chunks += [(digest, xorb) for xorb, digests in self._described.items() for digest in digests]
            others = sorted(self._may_tell.difference(self._described))[:_MOST_NEIGHBOURS]
            if chunks:
                self._shard = rows.insert_shard(tx, [*self._described, *others], now=now)
        if self._shard is not None:
            rows.put_chunks(tx, domain=self._domain, shard=self._shard, chunks=chunks)


def _plan_note(sv: Services, scope: Scope, upload: _Upload) -> _Note:
    """Return what uploaders of the repository's domain may find from now on. Opens a read unit.

    An answer brings all chunks of a xorb. Whoever describes a xorb knows them all; one that is only named may hold
    chunks that are nobody else's business, so it counts only where it can be found already.
    """
    if scope.tell is None:
        return _Note(None, upload, set(), set())
    with sv.db.read() as tx:
        told = shard_rows.find_told(tx, upload.xorb_ids, domains={scope.tell})
        unknown = upload.xorb_ids - set(upload.described) - told
        open_to_all = shard_rows.find_told(tx, unknown, domains={passes.EVERYBODY})
    return _Note(scope.tell, upload, told, open_to_all)

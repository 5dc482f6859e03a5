"""Bringing large files in: planning a batch, taking bytes as one stream or in parts, checking, publishing.

Nothing is visible before its bytes are durable and have the promised hash and size. Whether somebody may
write to the repository was decided when the upload was planned; its signed link carries that on.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto
from pathlib import Path
from typing import Literal

from sqlalchemy.exc import IntegrityError

from openhood.base.errors import BadRequest, HashMismatch, NotFound, QuotaExceeded, Unavailable
from openhood.base.names import Sha256
from openhood.base.ports import ObjectWriter, PartWriter
from openhood.domain import links
from openhood.domain.services import Services
from openhood.domain.storage import keeping, rows
from openhood.domain.storage.types import LfsObject, PlannedUpload, Refusal, Upload, UploadPlan, UploadTicket
from openhood.engines.lfs import BatchObject
from openhood.infra import keys
from openhood.infra.db.engine import Tx

LIFETIME_S = 24 * 3600.0
MAX_PARTS = 10_000
"""Most parts of one upload: what S3 takes."""
MAX_BATCH_PARTS = 50_000
"""About as many parts are planned in one batch: each has a URL in the answer."""
SMALL_PART_BYTES = 8 * 1024 * 1024
"""Parts of files that need none but are wanted in parts: so much is sent again after a break."""
UPLOAD = "lfs.upload"
PARTS = "lfs.parts"
READ_BYTES = 1024 * 1024
_MIB = 1024 * 1024
_IMPORT_S = 24 * 3600.0


class UploadGone(NotFound):
    """The upload expired, was refused before, or its repository was deleted."""

    def __init__(self) -> None:
        super().__init__("This upload does not exist any more. Start it again: ask for a new batch.")


# --- planning -------------------------------------------------------------------------------


def plan_uploads(
    sv: Services,
    *,
    repo: int,
    owner: int,
    user: int,
    objects: Sequence[BatchObject],
    transfers: Sequence[str],
) -> UploadPlan:
    """Decide for each object of a batch whether and how it is to be uploaded. Opens its own units.

    An object that only other repositories have is uploaded again like an unknown one: the caller must
    prove to have it, and must not learn that it exists. *Args*: ``user`` is the account that uploads;
    ``transfers``: what the client can do, by their names. *Raises* NotFound where the repository is gone.
    """
    limits = sv.settings.limits
    with sv.db.read() as tx:
        known = rows.find_linked(tx, repo, {wish.oid for wish in objects})
        room = room_left(tx, owner=owner, limit_bytes=limits.namespace_storage_bytes)
    wanted = [wish for wish in objects if wish.oid not in known and wish.size_bytes <= limits.lfs_file_bytes]
    transfer = _choose_transfer(transfers, wanted, multipart_from_bytes=limits.lfs_multipart_from_bytes)
    total_bytes = sum(wish.size_bytes for wish in wanted)
    # A client that names no other way wants to go on after a break, also with what is not large.
    is_large = any(wish.size_bytes >= limits.lfs_multipart_from_bytes for wish in wanted)
    part_bytes = limits.lfs_part_bytes if is_large else min(limits.lfs_part_bytes, SMALL_PART_BYTES)
    least_bytes = max(part_bytes, -(-total_bytes // MAX_BATCH_PARTS))
    now = sv.clock.now()
    uploads: dict[Sha256, Upload] = {}
    sizes = {each.sha256: each.size_bytes for each in known.values()}
    planned: list[PlannedUpload] = []
    for wish in objects:
        refusal = _refuse(wish, sizes.get(wish.oid), room, limits.lfs_file_bytes)
        if refusal is not None:
            planned.append(PlannedUpload(wish.oid, wish.size_bytes, refusal=refusal))
            continue
        if wish.oid in known:
            planned.append(PlannedUpload(wish.oid, wish.size_bytes))
            continue
        if wish.oid not in sizes:
            sizes[wish.oid] = wish.size_bytes
            room = None if room is None else room - wish.size_bytes
            if transfer != "xet":
                size_bytes = part_size(wish.size_bytes, least_bytes) if transfer == "multipart" else 0
                uploads[wish.oid] = _new_upload(repo, user, wish, size_bytes, now=now)
        planned.append(
            PlannedUpload(wish.oid, wish.size_bytes, upload=uploads.get(wish.oid), by_xet=transfer == "xet")
        )
    if uploads:
        try:
            with sv.db.write() as tx:
                rows.insert_uploads(tx, list(uploads.values()), now=now)
        except IntegrityError as error:
            raise NotFound("The repository was deleted meanwhile.") from error
    return UploadPlan(transfer, tuple(planned))


def _choose_transfer(
    offered: Sequence[str], wanted: Sequence[BatchObject], *, multipart_from_bytes: int
) -> Literal["basic", "multipart", "xet"]:
    """Return how all of ``wanted`` are to come: as chunks where the client can, else in parts where one is large.

    In parts too where the client names that way and not the plain one.
    """
    # Nothing has no chunks, so it cannot come as such.
    if "xet" in offered and wanted and all(wish.size_bytes for wish in wanted):
        return "xet"
    is_large = any(wish.size_bytes and wish.size_bytes >= multipart_from_bytes for wish in wanted)
    return "multipart" if "multipart" in offered and (is_large or "basic" not in offered) else "basic"


def part_size(size_bytes: int, least_bytes: int) -> int:
    """Return the size of parts for an object, in whole MiB where it must exceed ``least_bytes``."""
    needed = -(-size_bytes // MAX_PARTS)
    return least_bytes if needed <= least_bytes else -(-needed // _MIB) * _MIB


def room_left(tx: Tx, *, owner: int, limit_bytes: int) -> int | None:
    """Return how many more bytes an account may store, None without a limit; negative when over it."""
    return limit_bytes - rows.namespace_bytes(tx, owner) if limit_bytes else None


def ticket_token(sv: Services, upload: Upload) -> str:
    """Return the signed permission that goes into an upload's URLs."""
    purpose = PARTS if upload.part_bytes else UPLOAD
    facts: links.Facts = {"upload": upload.id, "repo": upload.repo, "sha256": upload.sha256}
    return links.make_token(sv, purpose=purpose, facts=facts, lifetime_s=LIFETIME_S)


def read_ticket(sv: Services, token: str, *, purpose: str, sha256: str) -> UploadTicket:
    """Return what an upload's token permits. Raises BadLink, ExpiredLink."""
    facts = links.check_token(sv, token, purpose=purpose)
    if facts["sha256"] != sha256:
        raise links.BadLink("The link was made for another object.")
    return UploadTicket(str(facts["upload"]), int(facts["repo"]), Sha256(str(facts["sha256"])))


def _refuse(wish: BatchObject, known_bytes: int | None, room: int | None, limit_bytes: int) -> Refusal | None:
    """Say why an object may not come; ``known_bytes`` is its size if it is here or came earlier in the batch."""
    if known_bytes is not None:
        if known_bytes == wish.size_bytes:
            return None
        return Refusal(
            422, f"Object {wish.oid} has {known_bytes} bytes, not the announced {wish.size_bytes}."
        )
    if wish.size_bytes > limit_bytes:
        return Refusal(
            413, f"Object {wish.oid} has {wish.size_bytes} bytes; this hub takes files up to {limit_bytes}."
        )
    if room is not None and wish.size_bytes > room:
        return Refusal(403, _over_quota(wish.size_bytes))
    return None


def _over_quota(size_bytes: int) -> str:
    return (
        f"These {size_bytes} bytes would exceed the storage quota of the namespace. Delete files that are no "
        "longer needed, or ask the administrator for more."
    )


def _new_upload(repo: int, user: int, wish: BatchObject, part_bytes: int, *, now: datetime) -> Upload:
    number = secrets.token_hex(12)
    return Upload(
        id=number,
        repo=repo,
        user=user,
        sha256=wish.oid,
        size_bytes=wish.size_bytes,
        part_bytes=part_bytes,
        key=keys.lfs_object(wish.oid, number),
        store_state=None,
        # A little longer than the link, so that one used at its last moment still finds it.
        expires_at=now + timedelta(seconds=LIFETIME_S + 3600),
    )


# --- one stream -----------------------------------------------------------------------------


class Incoming:
    """An object on its way in: feed it all bytes, then `finish` or `abort` it. For worker threads.

    One thread at a time; no database connection is held.
    """

    def __init__(self, sv: Services, upload: Upload) -> None:
        self._sv = sv
        self._upload = upload
        self._hash = hashlib.sha256()
        self._received = 0
        self._writer: ObjectWriter = sv.objects.open_writer(upload.key)

    @property
    def size_bytes(self) -> int:
        """The size that was announced when the upload was planned."""
        return self._upload.size_bytes

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Hash and write the next bytes."""
        self._hash.update(data)
        self._writer.write(memoryview(data))
        self._received += len(data)

    def finish(self) -> None:
        """Check hash and size, make the bytes durable, and let the repository have the object.

        Raises: HashMismatch (nothing is kept), UploadGone, QuotaExceeded.
        """
        upload = self._upload
        try:
            _check(upload, received=self._received, digest=self._hash.hexdigest())
            self._writer.commit()
        finally:
            self._writer.abort()
        _settle(self._sv, upload)

    def abort(self) -> None:
        """Drop what came so far."""
        self._writer.abort()


def begin(sv: Services, ticket: UploadTicket) -> Incoming | None:
    """Start taking the bytes of an upload; None where the repository has the object already.

    Raises: UploadGone.
    """
    upload = _find(sv, ticket)
    return None if upload is None else Incoming(sv, upload)


def _find(sv: Services, ticket: UploadTicket) -> Upload | None:
    """Return the upload; None when it is over because its repository has the object. Raises UploadGone."""
    with sv.db.read() as tx:
        upload = rows.get_upload(tx, ticket.upload)
        if upload is None and not rows.find_linked(tx, ticket.repo, [ticket.sha256]):
            raise UploadGone
    return upload


def _check(upload: Upload, *, received: int, digest: str) -> None:
    if received != upload.size_bytes:
        raise HashMismatch(
            f"The object was announced with {upload.size_bytes} bytes, but {received} arrived. "
            "Nothing was stored. Upload it again."
        )
    if digest != upload.sha256:
        raise HashMismatch(
            f"The uploaded bytes have the SHA-256 {digest}, not {upload.sha256} as announced. "
            "Nothing was stored. Upload the file again."
        )


# --- parts ----------------------------------------------------------------------------------


def expect_part(sv: Services, ticket: UploadTicket, number: int) -> tuple[Upload, int]:
    """Return the upload and the size in bytes that its part ``number`` must have; the part counts no more.

    Raises: UploadGone, also when the object was completed; BadRequest for a part that there is not.
    """
    with sv.db.read() as tx:
        upload = rows.get_upload(tx, ticket.upload)
        known = rows.has_part(tx, ticket.upload, number)
    if upload is None:
        raise UploadGone
    if not 1 <= number <= upload.part_count:
        raise BadRequest(f"There is no part {number}: this upload has the parts 1 to {upload.part_count}.")
    if known:
        # Sent again: should that break off, what is stored is neither the old part nor the new.
        with sv.db.write() as tx:
            rows.drop_part(tx, upload.id, number)
    return upload, upload.part_span(number)[1]


def receive_part(sv: Services, upload: Upload, number: int, data: Iterator[bytes]) -> str:
    """Store one part durably and return its tag for the ``ETag`` header. Blocks while ``data`` does.

    Raises: HashMismatch for a part of the wrong size; UploadGone; what ``data`` raises.
    """
    offset, size_bytes = upload.part_span(number)
    tag, received = _parts(sv, upload).put_part(number, offset, data)
    if received != size_bytes:
        raise HashMismatch(
            f"Part {number} must have {size_bytes} bytes, but {received} arrived. Send the part again."
        )
    with sv.db.write() as tx:
        kept = rows.put_part(tx, upload.id, number=number, tag=tag, size_bytes=received)
    if not kept:
        raise UploadGone
    return tag


def complete(sv: Services, ticket: UploadTicket, parts: Sequence[tuple[int, str]]) -> None:
    """Join the parts, read the whole object back to check it, and let the repository have it.

    May be called again after any crash, and by several at once. *Args*: ``parts`` are the numbers and
    tags the client has. *Raises* BadRequest for parts missing or other than stored, HashMismatch (the
    upload is over then), UploadGone, QuotaExceeded.
    """
    upload = _find(sv, ticket)
    if upload is None:
        return
    with sv.db.read() as tx:
        stored = rows.list_part_tags(tx, upload.id)
    tags = _agreed(upload, parts, stored)
    if upload.part_count:
        _parts(sv, upload).complete(tags)
    else:
        sv.objects.put(upload.key, b"")
    digest, size_bytes = hash_stored(sv, upload.key)
    try:
        _check(upload, received=size_bytes, digest=digest)
    except HashMismatch:
        _give_up(sv, upload)
        raise
    _settle(sv, upload)


def hash_stored(sv: Services, key: str) -> tuple[str, int]:
    """Return SHA-256 and size of a stored object, read in a stream."""
    digest, size_bytes = hashlib.sha256(), 0
    for chunk in sv.objects.stream(key, chunk_bytes=READ_BYTES):
        digest.update(chunk)
        size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes


def _agreed(upload: Upload, parts: Sequence[tuple[int, str]], stored: dict[int, str]) -> list[str]:
    """Return the tags in order of number, provided that client and hub mean the same parts."""
    given: dict[int, str] = {}
    for number, tag in parts:
        if number in given or not 1 <= number <= upload.part_count:
            raise BadRequest(f"Part {number} is named twice or is not one of 1 to {upload.part_count}.")
        given[number] = tag
    for number in range(1, upload.part_count + 1):
        if number not in stored:
            raise BadRequest(
                f"Part {number} of {upload.part_count} was not uploaded. Send it, then complete."
            )
        if number not in given:
            raise BadRequest(f"Part {number} of {upload.part_count} is not named in the request.")
        # Some clients and proxies drop the quotes that belong to an ETag.
        if given[number].strip('"') != stored[number].strip('"'):
            raise BadRequest(f"The ETag of part {number} is not the one that was answered. Send it again.")
    return [stored[number] for number in range(1, upload.part_count + 1)]


def _parts(sv: Services, upload: Upload) -> PartWriter:
    """Open the store's multipart write, beginning it with the first part that arrives."""
    if upload.store_state is not None:
        return sv.objects.resume_parts(upload.key, upload.store_state)
    begun = sv.objects.create_parts(upload.key)
    with sv.db.write() as tx:
        is_ours = rows.set_store_state(tx, upload.id, begun.state)
        now_known = rows.get_upload(tx, upload.id)
    if is_ours:
        return begun
    begun.abort()
    if now_known is None or now_known.store_state is None:
        raise UploadGone
    return sv.objects.resume_parts(upload.key, now_known.store_state)


# --- publishing -----------------------------------------------------------------------------


class _Outcome(Enum):
    DONE = auto()
    GONE = auto()
    OVER_QUOTA = auto()


def _settle(sv: Services, upload: Upload) -> None:
    """Let the repository have the durable, verified bytes under the upload's key. Opens a write unit."""
    now = sv.clock.now()
    with sv.db.write() as tx:
        outcome = _settle_in(tx, sv, upload, now=now)
    # Raised only now: what the unit did must stay done.
    if outcome is _Outcome.GONE:
        raise UploadGone
    if outcome is _Outcome.OVER_QUOTA:
        raise QuotaExceeded(_over_quota(upload.size_bytes))


def _settle_in(tx: Tx, sv: Services, upload: Upload, *, now: datetime) -> _Outcome:
    made = LfsObject(upload.sha256, upload.size_bytes, upload.key)
    if not rows.take_upload(tx, upload.id):
        # Finished by another request, swept away, or the repository is gone.
        linked = rows.find_linked(tx, upload.repo, [made.sha256]).get(made.sha256)
        if linked is None or linked.key != made.key:
            keeping.doom_now(tx, upload.key, now=now)
        return _Outcome.GONE if linked is None else _Outcome.DONE
    owner = rows.get_owner(tx, upload.repo)
    limit_bytes = sv.settings.limits.namespace_storage_bytes
    room = None if owner is None else room_left(tx, owner=owner, limit_bytes=limit_bytes)
    if owner is None or (room is not None and made.size_bytes > room):
        keeping.doom_now(tx, upload.key, now=now)
        return _Outcome.GONE if owner is None else _Outcome.OVER_QUOTA
    keeping.keep(tx, upload.repo, made, now=now)
    return _Outcome.DONE


def _give_up(sv: Services, upload: Upload) -> None:
    """End an upload whose bytes are wrong: its row goes, and its bytes after it."""
    now = sv.clock.now()
    with sv.db.write() as tx:
        if rows.take_upload(tx, upload.id):
            keeping.doom_now(tx, upload.key, now=now)


# --- without a client -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Imported:
    """A local file that became an LFS object; ``is_new`` tells whether the repository lacked it."""

    sha256: Sha256
    size_bytes: int
    is_new: bool


def import_file(sv: Services, *, repo_number: int, path: Path) -> Imported:
    """Store a local file as an LFS object of a repository. The file itself is copied, never linked.

    For administrators: no quota or size limit applies. Opens its own units. *Raises* HashMismatch if the
    file changes meanwhile, NotFound where the repository is gone, OSError for an unreadable file.
    """
    digest, size_bytes = _hash_file(path)
    sha256 = Sha256(digest)
    key = keys.lfs_object(sha256, secrets.token_hex(12))
    now = sv.clock.now()
    with sv.db.write() as tx:
        if rows.find_linked(tx, repo_number, [sha256]):
            return Imported(sha256, size_bytes, is_new=False)
        # Doomed before they exist, so that a crash leaves no bytes that nobody knows.
        rows.doom(tx, [key], delete_after=now + timedelta(seconds=_IMPORT_S))
    writer = sv.objects.open_writer(key)
    try:
        copied = hashlib.sha256()
        with path.open("rb", buffering=0) as source:
            while chunk := source.read(READ_BYTES):
                copied.update(chunk)
                writer.write(chunk)
        if copied.hexdigest() != digest:
            raise HashMismatch(f"The file {path} changed while it was read. Import it again.")
        writer.commit()
    finally:
        writer.abort()
    _publish_imported(sv, repo_number, LfsObject(sha256, size_bytes, key), key=key)
    return Imported(sha256, size_bytes, is_new=True)


def _publish_imported(sv: Services, repo: int, made: LfsObject, *, key: str) -> None:
    now = sv.clock.now()
    with sv.db.write() as tx:
        if rows.get_owner(tx, repo) is None:
            raise NotFound(f"There is no repository number {repo}.")
        if not rows.reprieve(tx, key, now=now):
            raise Unavailable("The import took too long. Try again.")
        keeping.keep(tx, repo, made, now=now)


def _hash_file(path: Path) -> tuple[str, int]:
    digest, size_bytes = hashlib.sha256(), 0
    with path.open("rb", buffering=0) as source:
        while chunk := source.read(READ_BYTES):
            digest.update(chunk)
            size_bytes += len(chunk)
    return digest.hexdigest(), size_bytes

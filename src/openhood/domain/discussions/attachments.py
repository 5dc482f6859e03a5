"""Pictures, sounds and films that people put into comments: taken, checked, kept, and found again.

Whoever knows the address of one may see it, as on the Hub: it is a name of 128 random bits, and the comment that
shows it is what others may or may not read.
"""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

from sqlalchemy import func, insert, select

from openhood.base.errors import (
    BadRequest,
    Forbidden,
    HubError,
    NotFound,
    PayloadTooLarge,
    QuotaExceeded,
    Unauthorized,
)
from openhood.domain.access import Viewer
from openhood.domain.services import Services
from openhood.infra import keys
from openhood.infra.db.community_tables import attachments
from openhood.infra.db.engine import Tx

_NAME = re.compile(r"([0-9a-f]{32})\.([a-z0-9]{3,4})")
_NEEDED = frozenset({"discussion.write", "repo.write"})

TYPES = {
    "image/png": "png",
    "image/jpeg": "jpg",
    "image/gif": "gif",
    "image/webp": "webp",
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "audio/mpeg": "mp3",
    "audio/wav": "wav",
}
"""What may be attached, and how its name ends. **Source**: huggingface_hub ``_ATTACHMENT_CONTENT_TYPES``."""


class UnsupportedMedia(HubError):
    """What was sent is of no kind that may be attached, or not what it says it is."""

    status = 415


@dataclass(frozen=True, slots=True)
class Attachment:
    """Something attached. ``name`` is the last part of its address, ``key`` where its bytes are."""

    name: str
    media_type: str
    size_bytes: int
    key: str


def attach(sv: Services, viewer: Viewer, *, media_type: str, content: bytes) -> Attachment:
    """Keep what was sent, first its bytes, then its row. Opens units of its own.

    Args: ``media_type`` is what the client says it is, which its first bytes must bear out.
    Raises: Unauthorized, Forbidden, UnsupportedMedia, PayloadTooLarge, BadRequest for nothing, QuotaExceeded.
    **Source**: huggingface_hub ``hf_api.py::upload_attachment``.
    """
    check_may_attach(sv, viewer, media_type=media_type, size_bytes=len(content))
    if not content:
        raise BadRequest("The file is empty.")
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in kinds_of(content):
        raise UnsupportedMedia(f"The file does not begin as one of type {kind} does.")
    hex_id = secrets.token_hex(16)
    key = keys.attachment(hex_id)
    sv.objects.put(key, content)
    with sv.db.write() as tx:
        _check_room(tx, sv, viewer, len(content))
        tx.execute(
            insert(attachments).values(
                hex_id=hex_id,
                owner_id=viewer.user_id,
                media_type=kind,
                size_bytes=len(content),
                key=key,
                created_at=sv.clock.now(),
            )
        )
    return Attachment(f"{hex_id}.{TYPES[kind]}", kind, len(content), key)


def check_may_attach(sv: Services, viewer: Viewer, *, media_type: str, size_bytes: int) -> None:
    """Refuse what could not be attached before it is received. Opens a read unit. Raises: what `attach` raises."""
    if viewer.is_anonymous:
        raise Unauthorized("You must be logged in to attach files. Run 'hf auth login' or pass a token.")
    if not viewer.may_write_anything:
        raise Forbidden("Your token has the role 'read'. Use a token with the role 'write' to attach files.")
    token = viewer.token
    if token is not None and token.role == "fineGrained":
        granted = token.global_permissions.union(*(grant.permissions for grant in token.scoped))
        if not granted & _NEEDED:
            raise Forbidden("Your fine-grained token does not allow to take part in discussions anywhere.")
    kind = media_type.partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise UnsupportedMedia(
            f"Files of type {kind[:60] or 'unknown'!r} cannot be attached: use one of {', '.join(TYPES)} as Content-Type."
        )
    most = sv.settings.limits.attachment_bytes
    if size_bytes > most:
        raise PayloadTooLarge(f"An attachment may have {most} bytes, this one has {size_bytes}.")
    with sv.db.read() as tx:
        _check_room(tx, sv, viewer, size_bytes)


def _check_room(tx: Tx, sv: Services, viewer: Viewer, size_bytes: int) -> None:
    most = sv.settings.limits.attachments_per_user_bytes
    if not most or viewer.user_id is None:
        return
    chosen = select(func.coalesce(func.sum(attachments.c.size_bytes), 0)).where(
        attachments.c.owner_id == viewer.user_id
    )
    if int(tx.execute(chosen).scalar_one()) + size_bytes > most:
        raise QuotaExceeded(f"All you attached may have {most} bytes together, and this would be more.")


def find(sv: Services, name: str) -> Attachment:
    """Return what has this name. Opens a read unit. Raises NotFound."""
    match = _NAME.fullmatch(name)
    row = None
    if match is not None:
        with sv.db.read() as tx:
            row = tx.execute(select(attachments).where(attachments.c.hex_id == match[1])).first()
    if match is None or row is None or TYPES.get(row.media_type) != match[2]:
        raise NotFound("There is no such attachment.")
    return Attachment(name, row.media_type, row.size_bytes, row.key)


def kinds_of(content: bytes) -> frozenset[str]:
    """Return the types of `TYPES` that bytes beginning like ``content`` can be. Pure.

    =======================  =================================================
    ``image/png``            ``89 50 4E 47 0D 0A 1A 0A``
    ``image/jpeg``           ``FF D8 FF``
    ``image/gif``            ``GIF87a`` or ``GIF89a``
    ``image/webp``           ``RIFF``, 4 bytes of length, ``WEBP``
    ``audio/wav``            ``RIFF``, 4 bytes of length, ``WAVE``
    ``video/webm``           ``1A 45 DF A3``
    ``audio/mpeg``           ``ID3``, or 11 bits set, a known version and layer III
    ``video/mp4``            4 bytes of length, ``ftyp``
    ``video/quicktime``      the same, or a box ``moov``, ``mdat``, ``wide``, ``free``, ``skip`` or ``pnot``
    =======================  =================================================
    """
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return frozenset({"image/png"})
    if content.startswith(b"\xff\xd8\xff"):
        return frozenset({"image/jpeg"})
    if content.startswith((b"GIF87a", b"GIF89a")):
        return frozenset({"image/gif"})
    if content.startswith(b"RIFF"):
        found = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}.get(content[8:12])
        return frozenset({found} if found else ())
    if content.startswith(b"\x1aE\xdf\xa3"):
        return frozenset({"video/webm"})
    if content.startswith(b"ID3") or (
        len(content) > 1 and content[0] == 0xFF and content[1] & 0xE6 == 0xE2 and content[1] & 0x18 != 0x08
    ):
        return frozenset({"audio/mpeg"})
    if content[4:8] == b"ftyp":
        return frozenset({"video/mp4", "video/quicktime"})
    if content[4:8] in (b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"):
        return frozenset({"video/quicktime"})
    return frozenset()

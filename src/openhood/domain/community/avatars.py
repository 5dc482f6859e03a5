"""Pictures that people bring for themselves and their organizations: checked by their bytes, kept in the object store.

Only kinds of pictures that no browser takes for a document are let in.
"""

from __future__ import annotations

import hashlib
import re
import struct
from typing import Literal

from openhood.base.errors import BadRequest, NotFound, ObjectMissing, PayloadTooLarge
from openhood.domain import audit
from openhood.domain.access import Viewer
from openhood.domain.accounts import rows as account_rows
from openhood.domain.accounts import rules
from openhood.domain.accounts.types import Account
from openhood.domain.services import Services
from openhood.infra import keys

MAX_BYTES = 1_000_000
MAX_SIDE = 4096
MEDIA_TYPES = {"png": "image/png", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp"}

_FILE = re.compile(r"([0-9a-f]{24})/([0-9a-f]{32})\.(png|jpeg|gif|webp)")
_ADDRESS = re.compile(r"/avatars/" + _FILE.pattern)
# Markers of JPEG that are followed by height and width.
_JPEG_FRAMES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF})


def set_avatar(
    sv: Services, viewer: Viewer, *, name: str, kind: Literal["user", "org"], data: bytes
) -> Account:
    """Keep a picture as an account's own. Opens a read unit, writes the store, opens a write unit.

    Raises: NotFound, Unauthorized, Forbidden, PayloadTooLarge; BadRequest where it is no picture we show.
    """
    rules.require_writer(viewer)
    if len(data) > MAX_BYTES:
        raise PayloadTooLarge(f"A picture must have at most {MAX_BYTES} bytes.")
    ending = _check_picture(data)
    with sv.db.read() as tx:
        account = rules.get_org(tx, name) if kind == "org" else rules.get_user(tx, name)
        rules.require_self(viewer, account)
    file = f"{account.hex_id}/{hashlib.sha256(data).hexdigest()[:32]}.{ending}"
    sv.objects.put(keys.avatar(file), data)
    address = f"/avatars/{file}"
    with sv.db.write() as tx:
        before = account_rows.get_account_by_id(tx, account.id)
        account_rows.update_account(tx, account.id, avatar_url=address)
        audit.record(
            tx,
            at=sv.clock.now(),
            actor=viewer.name,
            action=f"{account.kind}.avatar",
            subject=account.name,
            owner_id=account.id,
        )
        changed = account_rows.get_account_by_id(tx, account.id)
    assert changed is not None
    if before is not None:
        _forget(sv, before.avatar_url, but=address)
    return changed


def read_avatar(sv: Services, viewer: Viewer, *, file: str) -> tuple[bytes, str]:
    """Return a picture that was brought and its media type. Raises NotFound."""
    found = _FILE.fullmatch(file)
    if found is None:
        raise NotFound("There is no such picture.")
    try:
        return sv.objects.get(keys.avatar(file)), MEDIA_TYPES[found[3]]
    except ObjectMissing as error:
        raise NotFound("There is no such picture.") from error


def _forget(sv: Services, address: str | None, *, but: str) -> None:
    found = None if address is None or address == but else _ADDRESS.fullmatch(address)
    if found is not None:
        sv.objects.delete(keys.avatar(f"{found[1]}/{found[2]}.{found[3]}"))


def _check_picture(data: bytes) -> str:
    """Return the ending of a picture's kind. Raises BadRequest."""
    kind, size = _look_at(data)
    if kind is None:
        raise BadRequest("The picture must be a PNG, JPEG, GIF or WebP file.")
    if size is None or not (1 <= size[0] <= MAX_SIDE and 1 <= size[1] <= MAX_SIDE):
        raise BadRequest(f"The picture is damaged, or wider or higher than {MAX_SIDE} pixels.")
    return kind


def _look_at(data: bytes) -> tuple[str | None, tuple[int, int] | None]:
    """Return the kind of a picture, and its width and height where its header has them."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        is_whole = len(data) >= 33 and data[12:16] == b"IHDR"
        return "png", struct.unpack(">II", data[16:24]) if is_whole else None
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "gif", struct.unpack("<HH", data[6:10]) if len(data) >= 13 else None
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg", _size_of_jpeg(data)
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "webp", _size_of_webp(data)
    return None, None


def _size_of_jpeg(data: bytes) -> tuple[int, int] | None:
    place = 2
    while place + 9 <= len(data) and data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:
            place += 1
            continue
        if marker in _JPEG_FRAMES:
            height, width = struct.unpack(">HH", data[place + 5 : place + 9])
            return width, height
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None


def _size_of_webp(data: bytes) -> tuple[int, int] | None:
    if len(data) < 30:
        return None
    kind = data[12:16]
    if kind == b"VP8X":
        return 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    if kind == b"VP8L":
        bits = int.from_bytes(data[21:25], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if kind == b"VP8 ":
        width, height = struct.unpack("<HH", data[26:30])
        return width & 0x3FFF, height & 0x3FFF
    return None

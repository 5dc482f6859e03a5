"""git-lfs formats: pointer files, and the request of the batch API.

Which objects exist and where they are is the domain's; the answers' URLs are the doors'.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from openhood.base.errors import BadRequest, InvalidName, PayloadTooLarge, Unprocessable
from openhood.base.names import Sha256, parse_sha256

MAX_POINTER_BYTES = 1024
MAX_BATCH_OBJECTS = 1000
MAX_SIZE_BYTES = 1 << 53
CONTENT_TYPE = "application/vnd.git-lfs+json"

_VERSION = "https://git-lfs.github.com/spec/v1"
# git-lfs still reads the pre-release name (`lfs/pointer.go`).
_VERSIONS = (_VERSION, "https://hawser.github.com/spec/v1")
_LINE = re.compile(r"([a-z0-9.-]+) ([^\r\n]+)")


@dataclass(frozen=True, slots=True)
class Pointer:
    """What stands in git for an LFS object."""

    oid: Sha256
    size_bytes: int


def parse_pointer(data: bytes) -> Pointer | None:
    """Return the pointer a blob holds, or None when it is an ordinary file.

    The version comes first and the other keys are sorted; extension lines (``ext-0-name ...``) may
    stand anywhere after it. **Source**: git-lfs ``docs/spec.md``.
    """
    if len(data) >= MAX_POINTER_BYTES or not data.startswith(b"version https://") or data[-1:] != b"\n":
        return None
    try:
        lines = data.decode("utf-8").removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        return None
    if lines[0].removeprefix("version ") not in _VERSIONS:
        return None
    values: dict[str, str] = {}
    last = ""
    for line in lines[1:]:
        found = _LINE.fullmatch(line)
        if found is None or found[1] in values or found[1] == "version":
            return None
        values[found[1]] = found[2]
        if not found[1].startswith("ext-"):
            if found[1] < last:
                return None
            last = found[1]
    method, _, digest = values.get("oid", "").partition(":")
    size = values.get("size", "")
    if method != "sha256" or not re.fullmatch(r"[0-9]{1,16}", size) or int(size) > MAX_SIZE_BYTES:
        return None
    try:
        return Pointer(parse_sha256(digest), int(size))
    except InvalidName:
        return None


def format_pointer(pointer: Pointer) -> bytes:
    """Return the pointer file git-lfs itself would write, byte for byte."""
    return f"version {_VERSION}\noid sha256:{pointer.oid}\nsize {pointer.size_bytes}\n".encode("ascii")


@dataclass(frozen=True, slots=True)
class BatchObject:
    """An object a client wants to move."""

    oid: Sha256
    size_bytes: int


@dataclass(frozen=True, slots=True)
class BatchRequest:
    """A batch request; ``operation`` is upload or download, ``ref_name`` None when not told."""

    operation: str
    transfers: tuple[str, ...]
    objects: tuple[BatchObject, ...]
    ref_name: str | None


def parse_batch(body: object) -> BatchRequest:
    """Parse the JSON of a batch request.

    *Raises* BadRequest when it is no such thing, Unprocessable for values that cannot be,
    PayloadTooLarge over 1000 objects. **Source**: git-lfs ``docs/api/batch.md``; huggingface.js sends
    ``"hash_algo": "sha_256"``.
    """
    if not isinstance(body, dict):
        raise BadRequest("The batch request must be a JSON object.")
    operation = body.get("operation")
    if operation not in ("upload", "download"):
        raise Unprocessable("The operation must be 'upload' or 'download'.")
    if body.get("hash_algo") not in (None, "sha256", "sha_256"):
        raise Unprocessable("The only hash algorithm supported is sha256.")
    transfers = body.get("transfers")
    if transfers is None or transfers == []:
        transfers = ["basic"]
    if not isinstance(transfers, list) or not all(isinstance(name, str) for name in transfers):
        raise BadRequest("'transfers' must be a list of names.")
    objects = body.get("objects")
    if not isinstance(objects, list):
        raise BadRequest("'objects' must be a list.")
    if len(objects) > MAX_BATCH_OBJECTS:
        raise PayloadTooLarge(f"A batch may name at most {MAX_BATCH_OBJECTS} objects.")
    ref = body.get("ref")
    name = ref.get("name") if isinstance(ref, dict) else None
    return BatchRequest(
        operation=operation,
        transfers=tuple(transfers),
        objects=tuple(_parse_object(item) for item in objects),
        ref_name=name if isinstance(name, str) and name else None,
    )


def _parse_object(item: object) -> BatchObject:
    if not isinstance(item, dict):
        raise BadRequest("Each object must be a JSON object with 'oid' and 'size'.")
    oid, size = item.get("oid"), item.get("size")
    if not isinstance(oid, str):
        raise BadRequest("Each object needs an 'oid'.")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_SIZE_BYTES:
        raise Unprocessable(f"The size of object {oid[:80]!r} must be a number of bytes from 0 on.")
    try:
        return BatchObject(parse_sha256(oid), size)
    except InvalidName as error:
        raise Unprocessable(error.message) from error

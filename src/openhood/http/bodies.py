"""Reading request bodies with bounds: JSON, forms, NDJSON lines, and raw chunks for worker threads.

Compressed bodies are inflated under the same bounds as plain ones, so a small bomb stays small.
"""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from typing import TypeVar
from urllib.parse import parse_qsl

import orjson
from pydantic import BaseModel, ValidationError

from openhood.base.errors import BadRequest, HubError, PayloadTooLarge
from openhood.http import longbody
from openhood.http.context import Call

M = TypeVar("M", bound=BaseModel)


class UnsupportedEncoding(HubError):
    """The body has a Content-Encoding other than identity, gzip or deflate."""

    status = 415


async def chunks(call: Call, *, limit_bytes: int) -> AsyncIterator[bytes]:
    """Yield the inflated body. Raises PayloadTooLarge once it exceeds ``limit_bytes``."""
    _check_announced(call, limit_bytes)
    total = 0
    async for chunk in _inflated(call.request.stream(), _encoding(call)):
        total += len(chunk)
        if total > limit_bytes:
            raise PayloadTooLarge(_too_large(limit_bytes))
        yield chunk


async def batches(
    call: Call, *, limit_bytes: int, batch_bytes: Callable[[], int]
) -> AsyncIterator[memoryview]:
    """Yield the inflated body in batches of ``batch_bytes()``, each good until the next but one is asked for.

    So a thread may work on one while the next arrives. Nothing is received while none is asked for. *Raises*
    PayloadTooLarge once the body exceeds ``limit_bytes``.
    """
    body = longbody.find(call.request.scope)
    if body is None or _encoding(call) not in ("", "identity"):
        async for batch in _joined(chunks(call, limit_bytes=limit_bytes), batch_bytes):
            yield batch
        return
    _check_announced(call, limit_bytes)
    memory: deque[memoryview] = deque()
    while True:
        size_bytes = batch_bytes()
        oldest = memory.popleft() if len(memory) == 2 else None
        here = (
            oldest if oldest is not None and len(oldest) >= size_bytes else memoryview(bytearray(size_bytes))
        )
        memory.append(here)
        count = await body.read_into(here[:size_bytes])
        if count:
            yield here[:count]
        if count < size_bytes:
            return


async def _joined(pieces: AsyncIterator[bytes], batch_bytes: Callable[[], int]) -> AsyncIterator[memoryview]:
    joined: list[bytes] = []
    size_bytes = 0
    async for piece in pieces:
        joined.append(piece)
        size_bytes += len(piece)
        if size_bytes >= batch_bytes():
            yield memoryview(b"".join(joined))
            joined, size_bytes = [], 0
    if joined:
        yield memoryview(b"".join(joined))


async def read_all(call: Call, *, limit_bytes: int) -> bytes:
    """Return the whole inflated body. Raises PayloadTooLarge."""
    return b"".join([chunk async for chunk in chunks(call, limit_bytes=limit_bytes)])


async def read_json(call: Call, *, limit_bytes: int | None = None) -> object:
    """Return the body parsed as JSON; an empty body is an empty object. Raises BadRequest, PayloadTooLarge."""
    body = await read_all(call, limit_bytes=limit_bytes or call.sv.settings.limits.json_body_bytes)
    if not body.strip():
        return {}
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise BadRequest(f"The body is not valid JSON: {error}.") from error


async def read_object(call: Call) -> Mapping[str, object]:
    """Return the body as a JSON object. Raises BadRequest."""
    body = await read_json(call)
    if not isinstance(body, dict):
        raise BadRequest("The body must be a JSON object.")
    return body


async def read_model(call: Call, model: type[M]) -> M:
    """Return the body validated as ``model``. Raises BadRequest naming the keys at fault."""
    return check_model(await read_object(call), model)


def check_model(body: object, model: type[M]) -> M:
    """Return a parsed body validated as ``model``. Raises BadRequest naming the keys at fault."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise BadRequest(explain(error)) from None


async def read_form(call: Call) -> list[tuple[str, str]]:
    """Return the pairs of a urlencoded form. Raises BadRequest, PayloadTooLarge."""
    body = await read_all(call, limit_bytes=call.sv.settings.limits.json_body_bytes)
    try:
        return parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=10_000)
    except (UnicodeDecodeError, ValueError) as error:
        raise BadRequest("The body is not a valid form: too many fields, or not UTF-8.") from error


def is_form(call: Call) -> bool:
    """Tell whether the body is a urlencoded form rather than JSON."""
    return call.request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded")


async def read_lines(
    call: Call, *, limit_bytes: int, line_bytes: int, too_long: str | None = None
) -> AsyncIterator[bytes]:
    """Yield the non-empty lines of the body. Raises PayloadTooLarge for a body or line over its limit.

    Args: ``too_long`` is the message for a line over its limit, where the general one explains too little.
    """
    refusal = too_long or f"A line of the body is longer than {line_bytes} bytes."
    pending: list[bytes] = []
    pending_bytes = 0
    async for chunk in chunks(call, limit_bytes=limit_bytes):
        *complete, rest = chunk.split(b"\n")
        for line in complete:
            whole = b"".join([*pending, line])
            pending, pending_bytes = [], 0
            if len(whole) > line_bytes:
                raise PayloadTooLarge(refusal)
            if whole.strip():
                yield whole
        pending.append(rest)
        pending_bytes += len(rest)
        if pending_bytes > line_bytes:
            raise PayloadTooLarge(refusal)
    last = b"".join(pending)
    if last.strip():
        yield last


def explain(error: ValidationError) -> str:
    """Say in one sentence what is wrong with a body."""
    problems = [
        f"'{'.'.join(str(part) for part in problem['loc']) or 'body'}': {problem['msg']}"
        for problem in error.errors()
    ]
    return "Invalid request body: " + "; ".join(problems[:5]) + "."


def _encoding(call: Call) -> str:
    return call.request.headers.get("content-encoding", "identity").lower()


def _check_announced(call: Call, limit_bytes: int) -> None:
    announced = call.request.headers.get("content-length")
    if announced and announced.isdigit() and int(announced) > limit_bytes:
        raise PayloadTooLarge(_too_large(limit_bytes))


def _too_large(limit_bytes: int) -> str:
    return f"The body is larger than the limit of {limit_bytes} bytes for this request."


async def _inflated(stream: AsyncIterator[bytes], encoding: str) -> AsyncIterator[bytes]:
    if encoding in ("", "identity"):
        async for chunk in stream:
            if chunk:
                yield chunk
        return
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnsupportedEncoding(
            f"Content-Encoding {encoding[:40]!r} is not supported: use gzip or identity."
        )
    inflater = zlib.decompressobj(wbits=47)
    step = 1024 * 1024
    try:
        async for chunk in stream:
            data = inflater.decompress(chunk, step)
            while data:
                yield data
                data = inflater.decompress(inflater.unconsumed_tail, step)
        rest = inflater.flush()
    except zlib.error as error:
        raise BadRequest(f"The body is not valid {encoding}: {error}.") from error
    if not inflater.eof:
        raise BadRequest("The compressed body ends too early.")
    if rest:
        yield rest

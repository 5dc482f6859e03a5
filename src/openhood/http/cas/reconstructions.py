"""How files are put together, as Xet clients ask for it: both versions of the answer, batches, sizes.

What a repository's pass may read is decided in `domain.xet.reconstruction`; the bytes are served by `fetch`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from starlette.responses import Response

from openhood.base.errors import BadRequest, NotFound
from openhood.base.names import parse_xet_hash
from openhood.domain.xet import fetching, reconstruction
from openhood.domain.xet.reconstruction import NeededRun, NeededTerm, NeededXorb, Reconstruction
from openhood.domain.xet.types import Pass
from openhood.http import bodies
from openhood.http.bytes import Span, parse_ranges
from openhood.http.cas.bearer import cas_url, read_pass
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

MAX_BATCH = 500
"""Files in one batch."""
MAX_PRESIGNED = 400
"""Runs whose addresses the object store's key signs; signing more would take longer than serving them here."""

Json = dict[str, Any]  # Any: a document


async def get_v1(call: Call) -> Response:
    """``GET /v1/reconstructions/{hash}``: each run of chunks with a URL of its own."""
    given = read_pass(call, write=False)
    return await call.run(_answer, call, given, _v1)


async def get_v2(call: Call) -> Response:
    """``GET /v2/reconstructions/{hash}``: the runs of a xorb share URLs that serve any number of them at once."""
    given = read_pass(call, write=False)
    return await call.run(_answer, call, given, _v2)


async def get_batch(call: Call) -> Response:
    """``GET /v1/reconstructions?file_id=…&file_id=…``: several whole files; unknown ones are left out."""
    given = read_pass(call, write=False)
    return await call.run(_answer_batch, call, given, call.query_list("file_id"))


async def post_batch(call: Call) -> Response:
    """``POST /v1/reconstructions`` with a list of ``{"prefix": …, "hash": …}``: the same."""
    given = read_pass(call, write=False)
    keys = await bodies.read_json(call)
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        raise BadRequest('The body must be a list of {"prefix": …, "hash": …}.')
    return await call.run(_answer_batch, call, given, [str(key.get("hash")) for key in keys])


async def head_file(call: Call) -> Response:
    """``HEAD /v1/files/{hash}``: the length of a file."""
    given = read_pass(call, write=False)
    name = parse_xet_hash(call.params["hash"])
    size = await call.run(reconstruction.find_size, call.sv, given, name)
    return Response(None, 200, {"Content-Length": str(size), "Cache-Control": "no-store"})


async def get_chunk_hashes(call: Call) -> Response:
    """``GET /v2/file-chunk-hashes/{hash}``, for changing files in place: not offered, and 404 says so."""
    read_pass(call, write=False)
    raise NotFound("This hub does not list the chunk hashes of files.")


def _answer(call: Call, given: Pass, shape: Callable[[Call, Reconstruction], Json]) -> Response:
    name = parse_xet_hash(call.params["hash"])
    reader = reconstruction.open_file(call.sv, given, name)
    span = _wanted(call, reader.size_bytes)
    found = reconstruction.reconstruct(reader, start=span.start, length=span.length)
    return json_reply(shape(call, found), headers={"Cache-Control": "no-store"})


def _wanted(call: Call, size: int) -> Span:
    """Return the part of the file that is asked for. Raises RangeNotSatisfiable: so clients find the end."""
    spans = parse_ranges(call.request.headers.get("range"), size)
    if len(spans) > 1:
        raise BadRequest("Ask for one range of a file at a time.")
    return spans[0] if spans else Span(0, size)


def _answer_batch(call: Call, given: Pass, asked: Sequence[str]) -> Response:
    if len(asked) > MAX_BATCH:
        raise BadRequest(f"Ask for at most {MAX_BATCH} files at once.")
    files: Json = {}
    runs: dict[str, list[Json]] = {}
    for name in dict.fromkeys(parse_xet_hash(each) for each in asked):
        try:
            reader = reconstruction.open_file(call.sv, given, name)
        except NotFound:
            continue
        found = reconstruction.reconstruct(reader, start=0, length=reader.size_bytes)
        files[name] = [_term(term) for term in found.terms]
        for xorb in found.xorbs:
            runs.setdefault(xorb.name, []).extend(_v1_runs(call, xorb, may_presign=_may_presign(found)))
    return json_reply({"files": files, "fetch_info": runs}, headers={"Cache-Control": "no-store"})


# --- the two shapes -------------------------------------------------------------------------


def _v1(call: Call, found: Reconstruction) -> Json:
    may_presign = _may_presign(found)
    return {
        "offset_into_first_range": found.skip_bytes,
        "terms": [_term(term) for term in found.terms],
        "fetch_info": {xorb.name: _v1_runs(call, xorb, may_presign=may_presign) for xorb in found.xorbs},
    }


def _v1_runs(call: Call, xorb: NeededXorb, *, may_presign: bool) -> list[Json]:
    return [
        {"range": _chunks(run), "url": url, "url_range": _bytes(run)}
        for url, (run,) in _addresses(call, xorb, at_once=1, may_presign=may_presign)
    ]


def _v2(call: Call, found: Reconstruction) -> Json:
    may_presign = _may_presign(found)
    return {
        "offset_into_first_range": found.skip_bytes,
        "terms": [_term(term) for term in found.terms],
        "xorbs": {xorb.name: _v2_entries(call, xorb, may_presign=may_presign) for xorb in found.xorbs},
    }


def _v2_entries(call: Call, xorb: NeededXorb, *, may_presign: bool) -> list[Json]:
    return [
        {"url": url, "ranges": [{"chunks": _chunks(run), "bytes": _bytes(run)} for run in runs]}
        for url, runs in _addresses(call, xorb, at_once=fetching.MAX_RANGES, may_presign=may_presign)
    ]


def _term(term: NeededTerm) -> Json:
    return {
        "hash": term.xorb,
        "unpacked_length": term.raw_bytes,
        "range": {"start": term.first, "end": term.end},
    }


def _chunks(run: NeededRun) -> Json:
    return {"start": run.first, "end": run.end}


def _bytes(run: NeededRun) -> Json:
    return {"start": run.start, "end": run.start + run.length - 1}


def _may_presign(found: Reconstruction) -> bool:
    return sum(len(xorb.runs) for xorb in found.xorbs) <= MAX_PRESIGNED


def _addresses(
    call: Call, xorb: NeededXorb, *, at_once: int, may_presign: bool
) -> Iterator[tuple[str, Sequence[NeededRun]]]:
    """Yield where the runs of a xorb can be fetched: of the store one at a time, of the hub up to ``at_once``."""
    left = xorb.runs
    while left:
        url = _presigned(call, xorb, left[0]) if may_presign else None
        taken = left[:1] if url else left[:at_once]
        if url is None:
            # Either all runs or none: a store that cannot sign one can sign no other.
            may_presign = False
            ranges = [(run.start, run.length) for run in taken]
            token = fetching.make_token(call.sv, key=xorb.key, ranges=ranges)
            url = f"{cas_url(call, call.params['epoch'])}/fetch/{xorb.name}?token={token}"
        yield url, taken
        left = left[len(taken) :]


def _presigned(call: Call, xorb: NeededXorb, run: NeededRun) -> str | None:
    url = fetching.presign(call.sv, key=xorb.key, start=run.start, length=run.length)
    if url is None or urlsplit(url)[:2] == urlsplit(call.base_url)[:2]:
        return None
    return url


_CAS = "/cas/{epoch}"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), f"{_CAS}/v2/reconstructions/{{hash}}", get_v2, bucket=""),
    Route(("GET",), f"{_CAS}/v1/reconstructions/{{hash}}", get_v1, bucket=""),
    Route(("GET",), f"{_CAS}/v1/reconstructions", get_batch, bucket=""),
    Route(("POST",), f"{_CAS}/v1/reconstructions", post_batch, bucket=""),
    Route(("HEAD",), f"{_CAS}/v1/files/{{hash}}", head_file, bucket=""),
    Route(("GET",), f"{_CAS}/v2/file-chunk-hashes/{{hash}}", get_chunk_hashes, bucket=""),
    # hf_xet 1.1 knows no versions.
    Route(("GET",), f"{_CAS}/reconstruction/{{hash}}", get_v1, bucket=""),
)

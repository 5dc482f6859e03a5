"""Reading files over HTTP: ``resolve`` (the content) and ``raw`` (what git holds, pointers included).

HEAD is answered with 200 and every header, never with a redirect: huggingface_hub 2.x follows redirects of
the same origin and then misses ``X-Repo-Commit``, older versions follow relative ones only.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from urllib.parse import quote, urlsplit

from starlette.responses import Response

from openhood.base.names import XetHash
from openhood.domain.access import Viewer
from openhood.domain.repos import downloads, resolve
from openhood.domain.repos.downloads import Client
from openhood.domain.repos.resolve import ResolvedFile
from openhood.domain.services import Services
from openhood.domain.storage.types import LfsObject
from openhood.domain.xet import passes
from openhood.http import bytes as body
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

REDIRECT_EXPIRES_S = 3600
_XET_INFO = "application/vnd.xet-fileinfo+json"
_TEXT = "text/plain; charset=utf-8"
# What a browser may show as it is: nothing here can run a script in the hub's origin.
_SHOWN_TYPES: Mapping[str, str] = {
    **{
        ending: f"image/{kind}"
        for ending, kind in (
            ("png", "png"), ("jpg", "jpeg"), ("jpeg", "jpeg"), ("gif", "gif"), ("webp", "webp"),
            ("avif", "avif"), ("bmp", "bmp"), ("ico", "x-icon"), ("tif", "tiff"), ("tiff", "tiff"),
        )
    },
    **{
        ending: f"audio/{kind}"
        for ending, kind in (
            ("mp3", "mpeg"), ("wav", "wav"), ("flac", "flac"), ("ogg", "ogg"), ("opus", "ogg"),
            ("m4a", "mp4"), ("aac", "aac"),
        )
    },
    **{
        ending: f"video/{kind}"
        for ending, kind in (
            ("mp4", "mp4"), ("webm", "webm"), ("mov", "quicktime"), ("mkv", "x-matroska"), ("ogv", "ogg"),
        )
    },
    "pdf": "application/pdf",
}  # fmt: skip
_TEXT_ENDINGS = frozenset(
    "txt|md|markdown|rst|json|jsonl|ndjson|yaml|yml|toml|ini|cfg|conf|csv|tsv|html|htm|xhtml|svg|xml|xsl|js|mjs|"  # noqa: SIM905  # eighty quoted words would fill a page
    "cjs|ts|tsx|jsx|css|scss|less|py|pyi|ipynb|sh|bash|zsh|fish|bat|ps1|c|cc|cpp|cxx|h|hh|hpp|cu|cuh|rs|go|java|"
    "kt|scala|rb|pl|php|lua|r|jl|swift|m|mm|sql|proto|tex|bib|vtt|srt|log|diff|patch|lock|jinja|jinja2|j2|"
    "gitattributes|gitignore|gitmodules|dockerignore|editorconfig|env|template|model_card|merges".split("|")
)
_TEXT_NAMES = frozenset(
    {"license", "licence", "notice", "readme", "dockerfile", "makefile", "authors", "copying"}
)


def media_type(path: str) -> str:
    """Return the type a file is served with: by its name, and never one that a browser would execute."""
    name = path.rpartition("/")[2].lower()
    ending = name.rpartition(".")[2] if "." in name else ""
    shown = _SHOWN_TYPES.get(ending)
    if shown is not None:
        return shown
    return _TEXT if ending in _TEXT_ENDINGS or name in _TEXT_NAMES else "application/octet-stream"


def disposition(path: str, *, kind: str) -> str:
    """Return a ``Content-Disposition`` with the file's name in both forms, as RFC 6266 asks."""
    name = path.rpartition("/")[2]
    plain = "".join(letter if " " <= letter <= "~" and letter not in '"\\%' else "_" for letter in name)
    return f"{kind}; filename*=UTF-8''{quote(name, safe='')}; filename=\"{plain}\";"


async def get_content(call: Call) -> Response:
    """``resolve``: the content of a file at a revision."""
    return await call.act(partial(_answer, call=call, pointer=False))


async def get_raw(call: Call) -> Response:
    """``raw``: the file as git holds it; for an LFS object that is the pointer's text."""
    return await call.act(partial(_answer, call=call, pointer=True))


def _answer(sv: Services, viewer: Viewer, *, call: Call, pointer: bool) -> Response:
    """Do all that blocks in one visit to a worker thread: a second one would cost as much as the queries."""
    file = resolve.file(
        sv,
        viewer,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        path=call.params["path"],
        pointer=pointer,
    )
    request = call.request.headers
    if not pointer:
        downloads.note(sv, viewer, file.repo, file.path, client=client_of(call))
    headers = _headers(call, file)
    if (
        file.stored is not None
        and file.stored.xet_hash is not None
        and file.path not in resolve.UNGATED_PATHS
    ):
        headers |= _xet_headers(call, file, file.stored.xet_hash)
        if call.method == "GET" and _XET_INFO in request.get("accept", ""):
            return _xet_info(file, headers)
    kind = media_type(file.path)
    if file.stored is not None and call.method == "GET" and file.size_bytes and _may_redirect(call, file):
        target = _presigned(sv, call, file.stored, kind=kind, headers=headers)
        if target is not None:
            return Response(
                f"Found. Redirecting to {target}",
                302,
                {**headers, "ETag": f'"{file.etag}"', "Accept-Ranges": "bytes", "Location": target},
                _TEXT,
            )
    return body.answer(
        call,
        size=file.size_bytes,
        etag=file.etag,
        media_type=kind,
        headers=headers,
        open_body=lambda first: _open(sv, file, first),
    )


def _open(sv: Services, file: ResolvedFile, first: body.Span) -> body.Body:
    if file.stored is not None:
        return body.content(sv, file.stored, first)
    if file.size_bytes <= resolve.MAX_BLOB_IN_MEMORY_BYTES:
        return body.InMemory(resolve.blob(sv, file))
    return body.LocalFile.spooled(resolve.spool_blob(sv, file))


def _headers(call: Call, file: ResolvedFile) -> dict[str, str]:
    headers = {
        "X-Repo-Commit": file.commit,
        "X-Linked-Size": str(file.size_bytes),
        "X-Linked-Etag": f'"{file.etag}"',
        "Cache-Control": "private, no-cache",
        "Vary": "Authorization, Cookie",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "sandbox; default-src 'none'",
    }
    if not call.request.scope["query_string"] or not call.query_flag("noContentDisposition", default=False):
        wanted = call.request.scope["query_string"] and call.query_flag("download", default=False)
        headers["Content-Disposition"] = disposition(file.path, kind="attachment" if wanted else "inline")
    return headers


def _xet_headers(call: Call, file: ResolvedFile, xet_hash: XetHash) -> dict[str, str]:
    """Return what a client needs to fetch the file as chunks instead.

    A file that is readable without access to a gated repository never gets here: its chunks are not, and a client
    that is shown the way to them tries no other.

    **Source**: huggingface_hub ``utils/_xet.py::parse_xet_file_data_from_response``, which also reads
    ``X-Xet-Refresh-Route``; huggingface.js ``file-download-info.ts`` reads ``Link`` only.
    """
    base = call.base_url
    token = f"{base}/api/{file.repo.type.plural}/{file.repo.repo_id}/xet-read-token/{file.commit}"
    terms = f"{base}/cas/{passes.epoch(call.sv)}/v1/reconstructions/{xet_hash}"
    return {
        "X-Xet-Hash": xet_hash,
        "X-Xet-Refresh-Route": token,
        "Link": f'<{token}>; rel="xet-auth", <{terms}>; rel="xet-reconstruction-info"',
    }


def _xet_info(file: ResolvedFile, headers: Mapping[str, str]) -> Response:
    """Answer a client that only wants to know how to fetch the file as chunks."""
    stored = file.stored
    assert stored is not None
    facts = {"hash": stored.xet_hash, "size": stored.size_bytes, "sha256": stored.sha256}
    # No ETag, and kept by nobody: a cache would take it for the file.
    return json_reply(facts, headers={**headers, "Cache-Control": "no-store", "Content-Type": _XET_INFO})


def _may_redirect(call: Call, file: ResolvedFile) -> bool:
    """Tell whether the object store may answer instead of the hub.

    huggingface.js reads size and etag from the answer to its probe, where the store's etag would be another;
    a client that has the file already is told so by the hub.
    """
    if not call.sv.settings.redirect_downloads or _XET_INFO in call.request.headers.get("accept", ""):
        return False
    known = call.request.headers.get("if-none-match")
    return known is None or not body.matches(known, f'"{file.etag}"', weak=True)


def _presigned(
    sv: Services, call: Call, stored: LfsObject, *, kind: str, headers: Mapping[str, str]
) -> str | None:
    """Return a URL of the object store for the file, or None if the hub must serve it: nobody else joins chunks.

    A redirect to the hub's own origin would be followed with the hub's credentials and headers.
    """
    if stored.key is None:
        return None
    bound = {"content-type": kind}
    if "Content-Disposition" in headers:
        bound["content-disposition"] = headers["Content-Disposition"]
    url = sv.objects.presign_get(stored.key, expires_s=REDIRECT_EXPIRES_S, headers=bound)
    if url is None or urlsplit(url)[:2] == urlsplit(call.base_url)[:2]:
        return None
    return url


def client_of(call: Call) -> Client:
    """Return what a request says of the program that sent it."""
    peer = call.request.scope.get("client")
    headers = call.request.headers
    return Client(
        address=peer[0] if peer else "",
        agent=headers.get("user-agent", ""),
        is_marked=headers.get("x-hf-download-counter") == "1",
    )


def _routes() -> tuple[Route, ...]:
    """Hot routes first; the same two for each kind of repository, whose prefix differs."""
    made = []
    for prefix, kind in (
        ("", "models"),
        ("/datasets", "datasets"),
        ("/spaces", "spaces"),
        ("/kernels", "kernels"),
    ):
        for word, handler in (("resolve", get_content), ("raw", get_raw)):
            template = f"{prefix}/{{ns}}/{{name}}/{word}/{{rev}}/{{path:path}}"
            made.append(Route(("GET", "HEAD"), template, handler, fixed={"type": kind}, bucket="resolvers"))
    made.append(
        Route(
            ("GET", "HEAD"),
            "/api/resolve-cache/{type:models|datasets|spaces|kernels}/{ns}/{name}/{rev}/{path:path}",
            get_content,
            bucket="resolvers",
        )
    )
    return tuple(made)


ROUTES: tuple[Route, ...] = _routes()

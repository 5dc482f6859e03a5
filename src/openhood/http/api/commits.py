"""Committing through the API, and the question before it: which file goes how."""

from __future__ import annotations

import base64
import binascii
from collections.abc import AsyncIterator, Iterator, Mapping

import orjson
from anyio import CancelScope
from pydantic import BaseModel, Field
from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.base.names import PathInRepo, parse_path, parse_sha256
from openhood.base.settings import Limits
from openhood.domain.repos import commits, preupload
from openhood.domain.repos.commits import CommitDraft
from openhood.domain.repos.operations import (
    AddFile,
    AddLfsFile,
    CommitHeader,
    CommitResult,
    DeleteEntry,
    DeleteFile,
    DeleteFolder,
    Operation,
)
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply
from openhood.http.router import Route

_BATCH_BYTES = 1024 * 1024
_BATCH_LINES = 500
# Room in a line for the path and the keys around a file's content.
_LINE_MARGIN_BYTES = 64 * 1024


class _File(BaseModel):
    path: str
    size: int = Field(ge=0)
    sample: str = ""


class _PreuploadBody(BaseModel):
    files: list[_File]
    gitAttributes: str | None = None
    gitIgnore: str | None = None


async def preupload_files(call: Call) -> Response:
    """``POST /api/{type}/{ns}/{name}/preupload/{rev}``.

    **Source**: huggingface_hub ``_commit_api.py::_fetch_upload_modes``.
    """
    body = await bodies.read_model(call, _PreuploadBody)
    found = await call.act(
        preupload.advise,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        create_pr=call.query_flag("create_pr", default=False),
        files=[_candidate(file) for file in body.files],
        attributes=body.gitAttributes,
        ignore=body.gitIgnore,
    )
    files = []
    for advice in found.files:
        item: dict[str, object] = {
            "path": advice.path,
            "uploadMode": "lfs" if advice.by_lfs else "regular",
            "shouldIgnore": advice.ignored,
        }
        if advice.oid is not None:
            item["oid"] = advice.oid
        files.append(item)
    return json_reply({"files": files, "commitOid": found.commit})


def _candidate(file: _File) -> preupload.Candidate:
    try:
        # Some clients cut the encoded text, so that its padding may be missing.
        sample = base64.b64decode(file.sample + "=" * (-len(file.sample) % 4))
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"The sample of '{file.path[:200]}' is not valid base64.") from error
    return preupload.Candidate(parse_path(file.path), file.size, sample[:512])


async def commit(call: Call) -> Response:
    """``POST /api/{type}/{ns}/{name}/commit/{rev}``: NDJSON, or one JSON document as old clients send it.

    ``hot_reload`` in the query asks for nothing that a commit does not do here already.
    **Source**: huggingface_hub ``_commit_api.py::_prepare_commit_payload``, ``HfApi.create_commit``.
    """
    draft = await call.act(
        commits.open_draft,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        create_pr=call.query_flag("create_pr", default=False),
    )
    try:
        if call.request.headers.get("content-type", "").startswith("application/json"):
            await call.run(_fill_from_document, draft, await bodies.read_object(call))
        else:
            lines = _Lines(draft)
            async for batch in _batches(call):
                await call.run(lines.feed, batch)
        result = await call.run(draft.finish)
    finally:
        with CancelScope(shield=True):
            await call.run(draft.close)
    return json_reply(_answer(call, result))


def _answer(call: Call, result: CommitResult) -> dict[str, object]:
    page = f"{call.base_url}{result.repo.web_path}"
    answer: dict[str, object] = {
        "success": True,
        "commitOid": result.commit_oid,
        "commitUrl": f"{page}/commit/{result.commit_oid}",
        "hookOutput": "",
    }
    if result.pull_request is not None:
        # Clients take the number from the end of this address.
        answer["pullRequestUrl"] = f"{page}/discussions/{result.pull_request}"
    return answer


async def _batches(call: Call) -> AsyncIterator[list[bytes]]:
    """Yield the body's lines in portions worth a worker thread's while; one portion is held at a time."""
    limits = call.sv.settings.limits
    portion: list[bytes] = []
    held_bytes = 0
    lines = bodies.read_lines(
        call,
        limit_bytes=limits.commit_body_bytes,
        line_bytes=limits.regular_file_bytes * 3 // 2 + _LINE_MARGIN_BYTES,
        too_long=_too_long(limits),
    )
    async for line in lines:
        portion.append(line)
        held_bytes += len(line)
        if held_bytes >= _BATCH_BYTES or len(portion) >= _BATCH_LINES:
            yield portion
            portion, held_bytes = [], 0
    if portion:
        yield portion


def _too_long(limits: Limits) -> str:
    return (
        f"A line of the commit is too long: files over {limits.regular_file_bytes} bytes must be stored with git "
        "LFS. Upload them through LFS (huggingface_hub and git-lfs do so by themselves)."
    )


class _Lines:
    """Feeds NDJSON lines to a draft, remembering their number for refusals. Runs in worker threads."""

    def __init__(self, draft: CommitDraft) -> None:
        self._draft = draft
        self._number = 0

    def feed(self, lines: list[bytes]) -> None:
        for line in lines:
            self._number += 1
            try:
                item = orjson.loads(line)
            except orjson.JSONDecodeError as error:
                raise BadRequest(f"Line {self._number} of the commit is not valid JSON: {error}.") from error
            if not isinstance(item, dict) or not isinstance(item.get("value"), dict):
                raise BadRequest(
                    f'Line {self._number} of the commit must be an object {{"key": ..., "value": {{...}}}}.'
                )
            _take(self._draft, item.get("key"), item["value"])


def _fill_from_document(draft: CommitDraft, document: Mapping[str, object]) -> None:
    """Take a whole commit from one JSON document."""
    draft.set_header(_header(document))
    for plural, key in _DOCUMENT_KEYS:
        for value in _items(document, plural):
            _take(draft, key, value)


_DOCUMENT_KEYS = (
    ("deletedFiles", "deletedFile"),
    ("deletedFolders", "deletedFolder"),
    ("deletedEntries", "deletedEntry"),
    ("files", "file"),
    ("lfsFiles", "lfsFile"),
)


def _items(document: Mapping[str, object], key: str) -> Iterator[Mapping[str, object]]:
    values = document.get(key) or []
    if not isinstance(values, list):
        raise BadRequest(f"'{key}' must be a list.")
    for value in values:
        if isinstance(value, str) and key.startswith("deleted"):
            yield {"path": value}
        elif isinstance(value, dict):
            yield value
        else:
            raise BadRequest(f"Each item of '{key}' must be an object.")


def _take(draft: CommitDraft, key: object, value: Mapping[str, object]) -> None:
    if key == "header":
        draft.set_header(_header(value))
    else:
        draft.add(_operation(key, value))


def _operation(key: object, value: Mapping[str, object]) -> Operation:
    match key:
        case "file":
            return AddFile(_path(value), _content(value), _old_path(value))
        case "lfsFile":
            if value.get("algo") not in (None, "sha256"):
                raise BadRequest("The 'algo' of an lfsFile must be sha256.")
            return AddLfsFile(_path(value), parse_sha256(_text(value, "oid")), _size(value), _old_path(value))
        case "deletedFile":
            return DeleteFile(_path(value))
        case "deletedFolder":
            return DeleteFolder(parse_path(_text(value, "path").removesuffix("/")))
        case "deletedEntry":
            return DeleteEntry(parse_path(_text(value, "path").removesuffix("/")))
    raise BadRequest(f"Unknown key {str(key)[:60]!r} in the commit.")


def _header(value: Mapping[str, object]) -> CommitHeader:
    description = value.get("description")
    parent = value.get("parentCommit")
    if not isinstance(description, str | None) or not isinstance(parent, str | None):
        raise BadRequest("The commit's 'description' and 'parentCommit' must be strings.")
    return CommitHeader(_text(value, "summary"), description or "", parent or None)


def _text(value: Mapping[str, object], key: str) -> str:
    found = value.get(key)
    if not isinstance(found, str):
        raise BadRequest(f"The commit needs a string '{key}' here.")
    return found


def _path(value: Mapping[str, object]) -> PathInRepo:
    return parse_path(_text(value, "path"))


def _old_path(value: Mapping[str, object]) -> PathInRepo | None:
    return None if value.get("oldPath") is None else parse_path(_text(value, "oldPath"))


def _size(value: Mapping[str, object]) -> int | None:
    size = value.get("size")
    if size is None:
        return None
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise BadRequest("The 'size' of an lfsFile must be a number of bytes.")
    return size


def _content(value: Mapping[str, object]) -> bytes:
    content = _text(value, "content")
    encoding = value.get("encoding", "utf-8")
    if encoding == "utf-8":
        return content.encode("utf-8")
    if encoding != "base64":
        raise BadRequest("The 'encoding' of a file must be 'base64' or 'utf-8'.")
    try:
        return base64.b64decode(content, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadRequest(f"The content of '{_text(value, 'path')[:200]}' is not valid base64.") from error


_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}"

ROUTES: tuple[Route, ...] = (
    Route(("POST",), f"{_REPO}/commit/{{rev:path}}", commit),
    Route(("POST",), f"{_REPO}/preupload/{{rev:path}}", preupload_files),
)

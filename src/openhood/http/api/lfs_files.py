"""The list of a repository's large files, their permanent deletion, and lending them to another repository."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from openhood.base.errors import BadRequest, InvalidName, NotFound, PayloadTooLarge
from openhood.base.names import RepoId, RepoType, Sha256, is_oid, parse_sha256
from openhood.domain.repos import lfs_files
from openhood.domain.repos.lfs_files import MAX_DUPLICATED, Failed
from openhood.domain.storage.types import LfsFile
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

MAX_PAGE = 1000
MAX_DELETED = 1000


async def list_lfs_files(call: Call) -> Response:
    """List large files, the latest pushed first. **Source**: huggingface_hub ``HfApi.list_lfs_files``."""
    files, cursor = await call.act(
        lfs_files.list_files,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=MAX_PAGE, low=1, high=MAX_PAGE),
    )
    return json_reply([_file(file) for file in files], headers=next_link(call, cursor))


def _file(file: LfsFile) -> dict[str, object]:
    shown: dict[str, object] = {
        "fileOid": file.file_oid,
        "filename": file.path,
        "oid": file.sha256,
        "pushedAt": moment(file.pushed_at),
        "size": file.size_bytes,
    }
    if file.ref is not None:
        shown["ref"] = file.ref
    if file.xet_hash is not None:
        shown["xetHash"] = file.xet_hash
    return shown


class _Deletions(BaseModel):
    sha: list[str]
    rewrite_history: bool = Field(False, alias="rewriteHistory")


class _DeletionBatch(BaseModel):
    deletions: _Deletions


async def delete_lfs_files(call: Call) -> Response:
    """Delete files for good, each named by its ``fileOid`` or by a SHA-256.

    **Source**: huggingface_hub ``HfApi.permanently_delete_lfs_files``, which sends ``fileOid``s as ``sha``.
    """
    wanted = (await bodies.read_model(call, _DeletionBatch)).deletions
    if len(wanted.sha) > MAX_DELETED:
        raise PayloadTooLarge(f"At most {MAX_DELETED} files can be deleted at once.")
    await _delete(call, wanted.sha, rewrite_history=wanted.rewrite_history)
    return json_reply({"success": True})


class _Deletion(BaseModel):
    rewrite_history: bool = Field(False, alias="rewriteHistory")


async def delete_lfs_file(call: Call) -> Response:
    """Delete one file for good. ``rewriteHistory`` may stand in the query or in the body."""
    wanted = await bodies.read_model(call, _Deletion)
    rewrite_history = call.query_flag("rewriteHistory", default=wanted.rewrite_history)
    if not await _delete(call, [call.params["sha"]], rewrite_history=rewrite_history):
        raise NotFound(f"This repository has no large file {call.params['sha'][:80]!r}.")
    return json_reply({"success": True})


async def _delete(call: Call, names: list[str], *, rewrite_history: bool) -> bool:
    return await call.act(
        lfs_files.delete_files,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        file_oids={name for name in names if is_oid(name)},
        sha256s={_sha256(name) for name in names if not is_oid(name)},
        rewrite_history=rewrite_history,
    )


def _sha256(text: str) -> Sha256:
    try:
        return parse_sha256(text)
    except InvalidName as error:
        raise BadRequest(f"Neither a fileOid nor a SHA-256 in lower-case hex: {text[:80]!r}.") from error


class _Target(BaseModel):
    type: str
    name: str


class _Duplication(BaseModel):
    model_config = ConfigDict(extra="ignore")

    target: _Target
    # Any: `xetHash` and `filename` come along, but the SHA-256 says it all.
    files: list[dict[str, Any]]


async def duplicate_lfs_files(call: Call) -> Response:
    """Let another repository name files of this one. **Source**: huggingface_hub ``HfApi._duplicate_lfs_files``."""
    wanted = await bodies.read_model(call, _Duplication)
    if len(wanted.files) > MAX_DUPLICATED:
        raise PayloadTooLarge(f"At most {MAX_DUPLICATED} files can be duplicated at once.")
    if wanted.target.type not in tuple(RepoType):
        raise BadRequest("The target's type must be one of model, dataset and space.")
    hashes: list[Sha256] = []
    failed: list[Failed] = []
    for file in wanted.files:
        text = str(file.get("sha256"))
        try:
            hashes.append(parse_sha256(text))
        except InvalidName as error:
            failed.append(Failed(text[:80], error.message))
    failed += await call.act(
        lfs_files.duplicate_files,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        target_type=RepoType(wanted.target.type),
        target_id=RepoId.parse(wanted.target.name),
        wanted=hashes,
    )
    return json_reply({"failed": [{"sha256": each.sha256, "error": each.message} for each in failed]})


_BASE = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}/lfs-files"

ROUTES = (
    Route(("GET",), _BASE, list_lfs_files),
    Route(("POST",), f"{_BASE}/batch", delete_lfs_files),
    Route(("POST",), f"{_BASE}/duplicate", duplicate_lfs_files),
    Route(("DELETE",), f"{_BASE}/{{sha}}", delete_lfs_file),
)

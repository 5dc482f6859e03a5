"""The git-lfs server API: batches, verification and locks, at every URL shape of a repository.

The bytes themselves go over `objects`, to which the batch answers point.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from urllib.parse import quote

import orjson
from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError, Unprocessable
from openhood.base.names import Sha256, parse_sha256
from openhood.domain.access import Need
from openhood.domain.repos import lfs
from openhood.domain.repos.lfs import XetUpload
from openhood.domain.repos.types import Repo
from openhood.domain.repos.xet import NO_REVISION
from openhood.domain.storage import uploads
from openhood.domain.storage.locks import AlreadyLocked
from openhood.domain.storage.types import Lock, PlannedDownload, PlannedUpload, Refusal, UploadPlan
from openhood.engines.lfs import CONTENT_TYPE, MAX_SIZE_BYTES, parse_batch
from openhood.http import bodies
from openhood.http.api.xet_tokens import token_headers
from openhood.http.context import Call
from openhood.http.errors import header_text
from openhood.http.replies import moment
from openhood.http.router import Handler, Route

MAX_LOCKS = 1000
DEFAULT_LOCKS = 100


async def batch(call: Call) -> Response:
    """Answer where to bring or get each object; one that cannot be moved has its own error.

    **Source**: git-lfs ``docs/api/batch.md``; huggingface_hub ``lfs.py::post_lfs_batch_info``.
    """
    body, malformed = _sift(await bodies.read_json(call))
    request = parse_batch(body)
    items: list[dict[str, object]]
    transfer = "basic"
    if request.operation == "upload":
        repo, plan, chunks = await call.act(
            lfs.plan_upload, repo_type=call.repo_type, repo_id=call.repo_id, request=request
        )
        transfer = plan.transfer
        by_xet = {} if chunks is None else _xet_action(call, repo, chunks, request.ref_name)
        items = await call.run(
            lambda: [_upload_item(call, repo, plan, each, by_xet) for each in plan.objects]
        )
    else:
        # Never by Xet, whatever is offered: git-xet cannot download.
        downloads = await call.act(
            lfs.plan_download, repo_type=call.repo_type, repo_id=call.repo_id, request=request
        )
        items = [_download_item(call, each) for each in downloads]
    return _reply({"transfer": transfer, "objects": [*items, *malformed], "hash_algo": "sha256"})


def _sift(body: object) -> tuple[object, list[dict[str, object]]]:
    """Take objects with an impossible oid or size out of a batch, and answer for each of them."""
    if not isinstance(body, dict) or not isinstance(body.get("objects"), list):
        return body, []
    good: list[object] = []
    bad: list[dict[str, object]] = []
    for item in body["objects"]:
        refusal = _malformed(item)
        if refusal is None:
            good.append(item)
        else:
            bad.append(_refused(item["oid"][:200], item["size"], refusal))
    return {**body, "objects": good}, bad


def _malformed(item: object) -> Refusal | None:
    """Return what is wrong with an object of which at least the types are right, None for all others."""
    if not isinstance(item, dict) or not isinstance(item.get("oid"), str):
        return None
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool):
        return None
    if not 0 <= size <= MAX_SIZE_BYTES:
        return Refusal(422, "The size of an object must be a number of bytes from 0 on.")
    try:
        parse_sha256(item["oid"])
    except HubError as error:
        return Refusal(422, error.message)
    return None


def _xet_action(call: Call, repo: Repo, chunks: XetUpload, ref_name: str | None) -> dict[str, object]:
    """Return what a client does to upload by Xet: for all objects of a batch the same.

    **Source**: ``git_xet/src/app/xet_agent.rs`` of xet-core and huggingface.js ``commit.ts``, which read the headers
    and come to ``href`` for another token.
    """
    revision = (ref_name or NO_REVISION).removeprefix("refs/heads/")
    href = f"{call.base_url}{repo.api_path}/xet-write-token/{quote(revision, safe='')}"
    return {
        "href": href if chunks.may_write else f"{href}?create_pr=1",
        "header": {**token_headers(call, chunks.access), "X-Xet-Session-Id": secrets.token_hex(16)},
    }


def _upload_item(
    call: Call, repo: Repo, plan: UploadPlan, planned: PlannedUpload, by_xet: Mapping[str, object]
) -> dict[str, object]:
    if planned.refusal is not None:
        return _refused(planned.sha256, planned.size_bytes, planned.refusal)
    item: dict[str, object] = {"oid": planned.sha256, "size": planned.size_bytes}
    if planned.by_xet:
        return {**item, "actions": {"upload": by_xet}}
    upload = planned.upload
    if upload is None:
        return item  # no actions: the repository has it already
    token = uploads.ticket_token(call.sv, upload)
    href = f"{call.base_url}/objects/lfs/{upload.sha256}"
    action: dict[str, object] = {
        "href": f"{href}?token={token}",
        "expires_in": int(uploads.LIFETIME_S),
    }
    if plan.transfer == "multipart":
        # huggingface_hub sends no header of this action: it reads the size of parts and their URLs from it.
        parts = {
            f"{number:05d}": f"{href}/parts/{number}?token={token}"
            for number in range(1, upload.part_count + 1)
        }
        action["header"] = {"chunk_size": str(upload.part_bytes), **parts}
    verify = f"{call.base_url}{repo.web_path}.git/info/lfs/verify"
    item["actions"] = {"upload": action, "verify": {"href": verify}}
    return item


def _download_item(call: Call, planned: PlannedDownload) -> dict[str, object]:
    if planned.refusal is not None:
        return _refused(planned.sha256, planned.size_bytes, planned.refusal)
    href = planned.url or f"{call.base_url}/objects/lfs/{planned.sha256}?token={planned.token}"
    # "authenticated" keeps git-lfs from sending the password of the repository along.
    return {
        "oid": planned.sha256,
        "size": planned.size_bytes,
        "authenticated": True,
        "actions": {"download": {"href": href, "expires_in": 3600}},
    }


def _refused(oid: str, size_bytes: int, refusal: Refusal) -> dict[str, object]:
    return {"oid": oid, "size": size_bytes, "error": {"code": refusal.status, "message": refusal.message}}


async def verify(call: Call) -> Response:
    """Confirm that an object arrived. **Source**: git-lfs ``docs/api/basic-transfers.md``."""
    body = await bodies.read_object(call)
    oid, size = body.get("oid"), body.get("size")
    if not isinstance(oid, str) or not isinstance(size, int) or isinstance(size, bool):
        raise BadRequest("The request needs 'oid' and 'size'.")
    await call.act(
        lfs.verify,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        sha256=Sha256(parse_sha256(oid)),
        size_bytes=size,
    )
    return _reply({})


# --- locks ----------------------------------------------------------------------------------


async def list_locks(call: Call) -> Response:
    """List locks, of one path or id when asked. **Source**: git-lfs ``docs/api/locking.md``."""
    page = await call.act(
        lfs.list_locks,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        path=call.query("path") or None,
        lock_id=call.query("id") or None,
        cursor=call.query("cursor"),
        limit=call.query_int("limit", default=DEFAULT_LOCKS, low=1, high=MAX_LOCKS),
        need=Need.READ,
    )
    return _lock_page({"locks": [_lock(each) for each in page.locks]}, page.next_cursor)


async def create_lock(call: Call) -> Response:
    """Lock a path: 201, or 409 with the lock that is in the way."""
    body = await bodies.read_object(call)
    path = body.get("path")
    if not isinstance(path, str):
        raise Unprocessable("The request needs the 'path' to lock.")
    try:
        made = await call.act(
            lfs.create_lock,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            path=path,
            ref=_ref_name(body),
        )
    except AlreadyLocked as error:
        reply = _reply({"lock": _lock(error.lock), "message": error.message}, status=error.status)
        reply.headers["X-Error-Message"] = header_text(error.message)
        return reply
    return _reply({"lock": _lock(made)}, status=201)


async def verify_locks(call: Call) -> Response:
    """List locks before a push, the pusher's own apart from other people's."""
    body = await bodies.read_object(call)
    cursor, limit = body.get("cursor"), body.get("limit")
    if cursor is not None and not isinstance(cursor, str):
        raise Unprocessable("The cursor is not one that this hub gave out.")
    wanted = limit if isinstance(limit, int) and limit > 0 else DEFAULT_LOCKS
    page = await call.act(
        lfs.list_locks,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        path=None,
        lock_id=None,
        cursor=cursor,
        limit=min(wanted, MAX_LOCKS),
        need=Need.PROPOSE,
    )
    viewer = await call.viewer()
    ours = [_lock(each) for each in page.locks if each.owner == viewer.user_id]
    theirs = [_lock(each) for each in page.locks if each.owner != viewer.user_id]
    return _lock_page({"ours": ours, "theirs": theirs}, page.next_cursor)


async def unlock(call: Call) -> Response:
    """Remove a lock: one's own, or with ``force`` anybody's."""
    body = await bodies.read_object(call)
    gone = await call.act(
        lfs.delete_lock,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        lock_id=call.params["lock"],
        force=body.get("force") is True,
    )
    return _reply({"lock": _lock(gone)})


def _lock(lock: Lock) -> dict[str, object]:
    return {
        "id": lock.id,
        "path": lock.path,
        "locked_at": moment(lock.locked_at),
        "owner": {"name": lock.owner_name},
    }


def _lock_page(body: dict[str, object], cursor: str | None) -> Response:
    # git-lfs takes an empty cursor for a next page, so the key is there only if there is one.
    return _reply(body if cursor is None else {**body, "next_cursor": cursor})


def _ref_name(body: Mapping[str, object]) -> str | None:
    ref = body.get("ref")
    name = ref.get("name") if isinstance(ref, dict) else None
    return name if isinstance(name, str) and name else None


def _reply(body: Mapping[str, object], *, status: int = 200) -> Response:
    return Response(orjson.dumps(body), status, {"Cache-Control": "no-store"}, CONTENT_TYPE)


_HANDLERS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "objects/batch", batch),
    ("POST", "verify", verify),
    ("GET", "locks", list_locks),
    ("POST", "locks", create_lock),
    ("POST", "locks/verify", verify_locks),
    ("POST", "locks/{lock}/unlock", unlock),
)


def _routes() -> Iterator[Route]:
    for plural, prefix in (("models", ""), ("datasets", "/datasets"), ("spaces", "/spaces")):
        for name in ("{name}.git", "{name}"):
            for method, tail, handler in _HANDLERS:
                template = f"{prefix}/{{ns}}/{name}/info/lfs/{tail}"
                yield Route((method,), template, handler, fixed={"type": plural}, dialect="lfs")


ROUTES = tuple(_routes())

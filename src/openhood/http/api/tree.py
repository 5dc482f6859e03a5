"""The Hub's routes for looking into a repository: tree, paths-info, commits, compare, sizes."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from html import escape
from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest
from openhood.domain.repos import browse, history
from openhood.domain.repos.browse import TreeItem
from openhood.domain.repos.history import CommitItem
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

DEFAULT_COMMITS = 50
_TRUE = ("true", "True", "1", "on", "yes")


async def list_tree(call: Call) -> Response:
    """``GET tree/{rev}[/{path}]``: one page of a directory.

    **Source**: huggingface_hub ``hf_api.py::list_repo_tree``, huggingface.js ``list-files.ts``.
    """
    expand = call.query_flag("expand", default=False)
    page = await call.act(
        browse.list_tree,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        segments=_segments(call),
        recursive=call.query_flag("recursive", default=False),
        expand=expand,
        limit=call.query_int("limit", default=browse.MAX_PAGE, low=1, high=browse.MAX_PAGE),
        cursor=call.query("cursor"),
    )
    items = [_tree_item(item, expand=expand) for item in page.items]
    return json_reply(items, headers={**next_link(call, page.cursor), "X-Repo-Commit": page.at.commit})


async def find_paths(call: Call) -> Response:
    """``POST paths-info/{rev}``: a form from huggingface_hub, JSON from huggingface.js."""
    if bodies.is_form(call):
        pairs = await bodies.read_form(call)
        paths = [value for key, value in pairs if key in ("paths", "paths[]")]
        expand = any(key == "expand" and value in _TRUE for key, value in pairs)
    else:
        body = await bodies.read_object(call)
        listed = body.get("paths", [])
        listed = [listed] if isinstance(listed, str) else listed
        if not isinstance(listed, list) or not all(isinstance(path, str) for path in listed):
            raise BadRequest("'paths' must be a list of strings.")
        paths = listed
        expand = body.get("expand") is True or body.get("expand") in _TRUE
    items = await call.act(
        browse.find_paths,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        paths=paths,
        expand=expand,
    )
    return json_reply([_tree_item(item, expand=expand) for item in items])


async def list_commits(call: Call) -> Response:
    """``GET commits/{rev}``: one page of history, newest first.

    **Source**: huggingface_hub ``hf_api.py::list_repo_commits``, huggingface.js ``count-commits.ts``.
    """
    number = call.query_int("p", default=0, low=0, high=10_000_000)
    limit = call.query_int("limit", default=DEFAULT_COMMITS, low=1, high=history.MAX_PAGE)
    page = await call.act(
        history.list_commits,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=call.params["rev"],
        page=number,
        limit=limit,
    )
    formatted = "formatted" in call.query_list("expand", split_commas=True)
    headers = {"X-Total-Count": str(page.total)}
    if (number + 1) * limit < page.total:
        pairs = [(key, value) for key, value in call.query_pairs() if key != "p"]
        path = call.request.scope["raw_path"].decode("latin-1").split("?")[0]
        query = urlencode([*pairs, ("p", str(number + 1))])
        headers["Link"] = f'<{call.base_url}{path}?{query}>; rel="next"'
    return json_reply([_commit(call, item, formatted=formatted) for item in page.items], headers=headers)


async def compare(call: Call) -> Response:
    """``GET compare/{a}..{b}``: a unified diff, or ``git diff --raw`` with ``raw``."""
    text = await call.act(
        history.compare,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        spec=call.params["spec"],
        raw=call.query_flag("raw", default=False),
    )
    return Response(text, 200, {"X-Content-Type-Options": "nosniff"}, "text/plain; charset=utf-8")


async def measure_tree(call: Call) -> Response:
    """``GET treesize/{rev}[/{path}]``: the bytes of all content below a path."""
    path, size = await call.act(
        browse.measure_tree, repo_type=call.repo_type, repo_id=call.repo_id, segments=_segments(call)
    )
    return json_reply({"path": path, "size": size})


async def get_storage(call: Call) -> Response:
    """``GET storage``: what the repository takes in the object store."""
    found = await call.act(browse.get_storage, repo_type=call.repo_type, repo_id=call.repo_id)
    return json_reply(
        {
            "usedStorage": found.git_bytes + found.lfs_bytes,
            "git": {"size": found.git_bytes},
            "lfs": {"size": found.lfs_bytes, "count": found.lfs_objects},
        }
    )


def _segments(call: Call) -> list[str]:
    path = call.params.get("path", "")
    return [call.params["rev"], *[part for part in path.split("/") if part]]


def _tree_item(item: TreeItem, *, expand: bool) -> dict[str, object]:
    made: dict[str, object] = {"type": item.kind, "oid": item.oid, "size": 0, "path": item.path}
    if item.blob is not None:
        made["size"] = item.blob.size_bytes
        pointer = item.blob.pointer
        if pointer is not None:
            made["lfs"] = {
                "oid": pointer.oid,
                "size": pointer.size_bytes,
                "pointerSize": item.blob.blob_bytes,
            }
    if item.xet_hash is not None:
        made["xetHash"] = item.xet_hash
    if expand:
        last = item.last_commit
        if last is not None:
            made["lastCommit"] = {"id": last.oid, "title": last.title, "date": _date(last.date)}
        if item.blob is not None:
            made["securityFileStatus"] = {"status": "unscanned", "avScan": None, "pickleImportScan": None}
    return made


def _commit(call: Call, item: CommitItem, *, formatted: bool) -> dict[str, object]:
    commit = item.commit
    made: dict[str, object] = {
        "id": commit.oid,
        "title": commit.title,
        "message": commit.body,
        "authors": [
            {"user": author.name, "avatar": _avatar(call, author.name, author.avatar_url)}
            for author in item.authors
        ],
        "date": _date(commit.committer.when),
        "parents": list(commit.parents),
    }
    if formatted:
        made["formatted"] = {"title": escape(commit.title), "message": _paragraphs(commit.body)}
    return made


def _avatar(call: Call, name: str, address: str | None) -> str:
    if address is None:
        return f"{call.base_url}/avatars/{name}.svg"
    return f"{call.base_url}{address}" if address.startswith("/") else address


def _paragraphs(text: str) -> str:
    """Turn a commit's message into harmless HTML: paragraphs and line breaks, everything else escaped."""
    blocks = [block.strip() for block in re.split(r"\n\s*\n", text)]
    return "".join(f"<p>{escape(block).replace(chr(10), '<br>')}</p>" for block in blocks if block)


def _date(value: datetime) -> str:
    return moment(value.astimezone(UTC))


_REPO = "/api/{type:models|datasets|spaces|kernels}/{ns}/{name}"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), f"{_REPO}/tree/{{rev}}", list_tree),
    Route(("GET",), f"{_REPO}/tree/{{rev}}/{{path:path}}", list_tree),
    Route(("POST",), f"{_REPO}/paths-info/{{rev:path}}", find_paths),
    Route(("GET",), f"{_REPO}/commits/{{rev:path}}", list_commits),
    Route(("GET",), f"{_REPO}/compare/{{spec:path}}", compare),
    Route(("GET",), f"{_REPO}/treesize/{{rev}}", measure_tree),
    Route(("GET",), f"{_REPO}/treesize/{{rev}}/{{path:path}}", measure_tree),
    Route(("GET",), f"{_REPO}/storage", get_storage),
)

"""A plain page for a repository at a revision, behind every address of one that clients print.

Nothing of the files' content is shown here, only their names and where to get them.
"""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from openhood.base.errors import EntryNotFound
from openhood.domain.repos import listing
from openhood.http.context import Call
from openhood.http.pages.render import page
from openhood.http.router import Handler, Route

_FILES_SHOWN = 200
_PREFIXES = {"models": "", "datasets": "/datasets", "spaces": "/spaces"}


async def get_repo(call: Call) -> Response:
    """The repository at main."""
    return await _show(call, None, "")


async def get_tree(call: Call) -> Response:
    """The repository at a revision, with the files below a directory."""
    return await _show(call, call.params["rev"], call.params.get("path", ""))


async def get_blob(call: Call) -> Response:
    """The repository at a revision, with one file among its neighbours."""
    path = call.params["path"]
    return await _show(call, call.params["rev"], path.rpartition("/")[0], chosen=path)


async def get_commit(call: Call) -> Response:
    """The repository at a commit: where ``commitUrl`` leads."""
    return await _show(call, call.params["rev"], "")


async def get_discussion(call: Call) -> Response:
    """The repository at the head of a pull request: where ``pullRequestUrl`` leads."""
    return await _show(call, f"refs/pr/{call.params['number']}", "")


async def _show(call: Call, revision: str | None, folder: str, *, chosen: str = "") -> Response:
    info = await call.act(
        listing.get_info,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        revision=revision,
        siblings=True,
        blobs=False,
    )
    start = folder.strip("/") + "/" if folder.strip("/") else ""
    paths = [sibling.path for sibling in info.siblings or () if sibling.path.startswith(start)]
    if (chosen and chosen not in paths) or (start and not paths):
        raise EntryNotFound(f"There is no '{chosen or folder}' at this revision.")
    shown = paths[:_FILES_SHOWN]
    if chosen and chosen not in shown:
        shown[-1] = chosen
    at = quote(revision or "main", safe="")
    repo = info.repo
    return await page(
        call,
        "repo.html",
        repo=repo,
        commit=info.commit,
        tags=info.listed.tip.tags,
        files=[
            {"path": path, "href": f"{quote(repo.web_path)}/resolve/{at}/{quote(path)}"} for path in shown
        ],
        left_out=len(paths) - len(shown),
        chosen=chosen,
    )


_PAGES: tuple[tuple[str, Handler], ...] = (
    ("", get_repo),
    ("/tree/{rev}", get_tree),
    ("/tree/{rev}/{path:path}", get_tree),
    ("/blob/{rev}/{path:path}", get_blob),
    ("/commit/{rev}", get_commit),
    ("/discussions/{number}", get_discussion),
)

ROUTES: tuple[Route, ...] = tuple(
    Route(
        ("GET",),
        f"{prefix}/{{ns}}/{{name}}{tail}",
        handler,
        fixed={"type": kind},
        dialect="page",
        bucket="pages",
    )
    for kind, prefix in _PREFIXES.items()
    for tail, handler in _PAGES
)

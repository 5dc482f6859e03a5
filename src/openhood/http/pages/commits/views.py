"""The page of a commit, and the page that compares two revisions."""

from __future__ import annotations

from urllib.parse import quote

from starlette.responses import Response

from openhood.base.errors import HubError, InvalidName, RevisionNotFound
from openhood.base.names import MAIN
from openhood.domain.access import Viewer
from openhood.domain.repos import branches
from openhood.domain.reviews import seeing
from openhood.domain.services import Services
from openhood.http.context import Call
from openhood.http.pages import repo_shown
from openhood.http.pages.commits.changes import show_change, show_review
from openhood.http.pages.commits.graph import show_ref
from openhood.http.pages.files.places import routes, short
from openhood.http.pages.going import go
from openhood.http.pages.render import page

_MOST_REFS = 300


async def get_commit(call: Call) -> Response:
    """A commit: its message, who made it, and what it changed against its first parent."""
    found = await call.act(
        seeing.see_commit, repo_type=call.repo_type, repo_id=call.repo_id, revision=call.params["rev"]
    )
    repo, commit = found.at.repo, found.item.commit
    if call.query("part") == "review":
        review = await show_review(call, repo=repo, base=found.first_parent, head=commit.oid)
        return await page(call, "commits/review.html", review=review)
    return await page(
        call,
        "commits/commit.html",
        shown=await repo_shown.load(call, "files"),
        seen=found,
        commit=commit,
        refs=[show_ref(repo, name) for name in found.refs],
        change=await show_change(call, repo=repo, base=found.first_parent, head=commit.oid),
    )


async def get_compare_form(call: Call) -> Response:
    """Choose two revisions; with both in the query, on to their comparison."""
    base, head = (call.query("base") or "").strip(), (call.query("head") or "").strip()
    web = quote((await repo_shown.load(call, "files")).repo.web_path)
    if base and head:
        dots = ".." if call.query("direct") else "..."
        return go(f"{web}/compare/{quote(base, safe='')}{dots}{quote(head, safe='')}")
    return await _compare_page(call, base or short(MAIN), head)


async def get_compare(call: Call) -> Response:
    """Two revisions side by side: the commits between them and what they change."""
    spec = call.params["spec"]
    try:
        found = await call.act(seeing.compare, repo_type=call.repo_type, repo_id=call.repo_id, spec=spec)
    except (RevisionNotFound, InvalidName) as error:
        first, _dots, second = spec.partition("..." if "..." in spec else "..")
        return await _compare_page(call, first, second, error=error)
    repo = found.head.repo
    if call.query("part") == "review":
        review = await show_review(call, repo=repo, base=found.start, head=found.head.commit)
        return await page(call, "commits/review.html", review=review)
    first, _dots, second = spec.partition("..." if found.is_since_fork else "..")
    change = await show_change(call, repo=repo, base=found.start, head=found.head.commit)
    return await _compare_page(call, first, second, found=found, change=change)


async def _compare_page(
    call: Call,
    base: str,
    head: str,
    *,
    found: seeing.Compared | None = None,
    change: object = None,
    error: HubError | None = None,
) -> Response:
    web = quote((shown := await repo_shown.load(call, "files")).repo.web_path)
    both = f"{quote(base, safe='')}{{}}{quote(head, safe='')}"
    return await page(
        call,
        "commits/compare.html",
        status=200 if error is None else error.status,
        shown=shown,
        base=base,
        head=head,
        found=found,
        change=change,
        error=None if error is None else error.message,
        names=await call.act(_ref_names, call=call),
        swapped=f"{web}/compare/{quote(head, safe='')}...{quote(base, safe='')}" if head else None,
        since_fork_href=f"{web}/compare/{both.format('...')}",
        direct_href=f"{web}/compare/{both.format('..')}",
    )


def _ref_names(sv: Services, viewer: Viewer, *, call: Call) -> list[str]:
    found = branches.list_refs(sv, viewer, repo_type=call.repo_type, repo_id=call.repo_id, include_prs=True)
    refs = [*found.branches, *found.tags, *reversed(found.pull_requests or ())]
    return [short(ref.name) for ref in refs[:_MOST_REFS]]


ROUTES = routes(
    (
        ("GET", "/commit/{rev}", get_commit),
        ("GET", "/compare", get_compare_form),
        ("GET", "/compare/{spec:path}", get_compare),
    )
)

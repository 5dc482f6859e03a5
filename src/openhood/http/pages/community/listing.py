"""The discussions of a repository: the list with its filters, beginning one, and the preview of what is written."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from openhood.base.errors import BadRequest, Forbidden, HubError, Unauthorized
from openhood.domain.access import Need
from openhood.domain.discussions import actions, pulls
from openhood.domain.discussions.finding import check_title
from openhood.domain.discussions.rows import Wanted
from openhood.domain.repos.pulls import MAX_BODY_CHARS
from openhood.engines import markup
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages import repo_shown
from openhood.http.pages.files.places import routes
from openhood.http.pages.going import go, to_login
from openhood.http.pages.prose import pictured
from openhood.http.pages.render import HEADERS, page
from openhood.http.pages.repo_shown import Shown
from openhood.http.router import Route

_PAGE = 30
_MOST_PAGES = 30_000
_KINDS = {"all": None, "discussion": False, "pull_request": True}
_STATES = ("open", "closed", "all", "draft", "merged")
_ORDERS = ("recently-created", "recently-updated", "most-comments")
_REFUSALS = (400, 403, 409, 413, 422)


def is_refusal(error: HubError) -> bool:
    """Tell whether a form can show why it was not carried out, for its writer to put right."""
    return error.status in _REFUSALS


def here(call: Call) -> str:
    """Return the path of this request as the client wrote it."""
    return str(call.request.scope["raw_path"].decode("latin-1").split("?")[0])


async def disabled_page(call: Call, shown: Shown, error: HubError) -> Response:
    """Say that there are no discussions here, and who can change that."""
    return await page(call, "community/disabled.html", status=error.status, shown=shown, error=error.message)


async def get_list(call: Call) -> Response:
    """One page of the discussions, pinned ones first."""
    shown = await repo_shown.load(call, "community")
    kind, status, order = (
        call.query("type") or "all",
        call.query("status") or "open",
        call.query("sort") or "",
    )
    if kind not in _KINDS or status not in _STATES:
        raise BadRequest("There is no such filter of discussions.")
    author, search = (call.query("author") or "").strip(), (call.query("search") or "").strip()
    number = call.query_int("p", default=0, low=0, high=_MOST_PAGES)
    try:
        found = await call.act(
            actions.list_discussions,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            wanted=Wanted(is_pull=_KINDS[kind], status=None if status == "all" else status, search=search),
            author=author or None,
            order=order or None,
            page=number,
            limit=_PAGE,
        )
    except Forbidden as error:
        return await disabled_page(call, shown, error)
    asked = {"type": kind, "status": status, "author": author, "search": search, "sort": order}
    return await page(
        call,
        "community/list.html",
        shown=shown,
        found=found,
        asked=asked,
        orders=_ORDERS,
        is_filtered=bool(author or search or kind != "all"),
        to=lambda **more: _address(shown, {**asked, **more}),
        before=_address(shown, asked, p=number - 1) if number else None,
        after=_address(shown, asked, p=number + 1) if found.start + len(found.items) < found.count else None,
    )


def _address(shown: Shown, asked: Mapping[str, str], *, p: int = 0) -> str:
    usual = {"type": "all", "status": "open"}
    query: dict[str, object] = {
        name: value for name, value in asked.items() if value and value != usual.get(name)
    }
    if p:
        query["p"] = p
    return f"{shown.web}/discussions" + (f"?{urlencode(query)}" if query else "")


# --- beginning one -----------------------------------------------------------------------------


async def get_new(call: Call) -> Response:
    """The form for a discussion, or for a draft pull request with ``?type=pull_request``."""
    if (await call.viewer()).is_anonymous:
        await repo_shown.load(call, "community")
        return to_login(here(call))
    return await _new_page(call, {"type": call.query("type") or "discussion"}, error=None)


async def post_new(call: Call) -> Response:
    """Begin a discussion, or open a draft pull request; then on to it."""
    call.check_origin()
    form = dict(await bodies.read_form(call))
    if (await call.viewer()).is_anonymous:
        await repo_shown.load(call, "community")
        return to_login(here(call))
    if form.get("do") == "preview":
        return await _new_page(call, form, error=None)
    try:
        number = await _begin(call, form)
    except Unauthorized:
        raise
    except HubError as error:
        if not is_refusal(error):
            raise
        return await _new_page(call, form, error=error)
    return go(here(call).removesuffix("/new") + f"/{number}")


async def _begin(call: Call, form: Mapping[str, str]) -> int:
    title, text = form.get("title", ""), form.get("text", "")
    if form.get("type") == "pull_request":
        if len(text) > MAX_BODY_CHARS:
            raise BadRequest(f"A description may have {MAX_BODY_CHARS} characters.")
        _repo, number = await call.act(
            pulls.open_draft,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            title=check_title(title),
            description=text,
        )
        return number
    _repo, made = await call.act(
        actions.create_discussion,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        title=title,
        description=text,
        hub_url=call.base_url,
    )
    return made.number


async def _new_page(call: Call, form: Mapping[str, str], *, error: HubError | None) -> Response:
    shown = await repo_shown.load(call, "community")
    return await page(
        call,
        "community/new.html",
        status=200 if error is None else error.status,
        shown=shown,
        may=shown.standing.may(Need.DISCUSS),
        form={"title": "", "text": "", "type": "discussion", **form},
        preview=await preview_of(call, form.get("text", ""), shown) if form.get("do") == "preview" else None,
        error=None if error is None else error.message,
    )


async def preview_of(call: Call, text: str, shown: Shown) -> Markup:
    """Return what a text will look like when it is sent."""
    html = await call.run(
        markup.render, text[:MAX_BODY_CHARS], repo=quote(shown.repo.web_path), prefix="preview-"
    )
    return Markup(html)  # noqa: S704


async def post_preview(call: Call) -> Response:
    """``POST …/discussions/preview``: a text as HTML that is safe in a page, for scripts of pages."""
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        raise Unauthorized("Sign in to see what your text will look like.")
    form = dict(await bodies.read_form(call))
    shown = await repo_shown.load(call, "community")
    preview = await preview_of(call, form.get("text", ""), shown)
    return HTMLResponse(str(pictured(call, preview)), 200, HEADERS)


async def post_markdown(call: Call) -> Response:
    """``POST /-/preview``: the same for texts that belong to no repository, or that are its card."""
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        raise Unauthorized("Sign in to see what your text will look like.")
    form = dict(await bodies.read_form(call))
    html = await call.run(markup.render, form.get("text", "")[:MAX_BODY_CHARS], prefix="preview-")
    return HTMLResponse(str(pictured(call, html)), 200, HEADERS)


ROUTES: tuple[Route, ...] = (
    Route(("POST",), "/-/preview", post_markdown, dialect="page", bucket="pages"),
    *routes(
        (
            ("GET", "/discussions", get_list),
            ("GET", "/discussions/new", get_new),
            ("POST", "/discussions/new", post_new),
            ("POST", "/discussions/preview", post_preview),
        )
    ),
)

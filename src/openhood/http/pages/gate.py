"""The gate of a repository for people: its form, and the report of who passed it for its authors."""

from __future__ import annotations

import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import Response, StreamingResponse

from openhood.base.errors import BadRequest, HubError
from openhood.domain.gating import actions, forms, report
from openhood.domain.gating.countries import COUNTRIES, find_country
from openhood.domain.gating.types import GateView
from openhood.engines import markup
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages.going import go, to_login
from openhood.http.pages.language import words_of
from openhood.http.pages.render import page
from openhood.http.router import Handler, Route

_PREFIXES = {"models": "", "datasets": "/datasets", "spaces": "/spaces"}
_PIECE_BYTES = 64 * 1024


async def get_ask(call: Call) -> Response:
    """The form, or what became of the request; whoever is not signed in does that first."""
    view = await call.act(actions.see_gate, repo_type=call.repo_type, repo_id=call.repo_id)
    if (await call.viewer()).is_anonymous:
        path = call.request.scope["raw_path"].decode("latin-1").split("?")[0]
        return to_login(path)
    return await _show(call, view, {}, error=None)


async def post_ask(call: Call) -> Response:
    """Ask for access, by the form or with JSON; then on to the repository. **Source**: the Hub's own form."""
    is_json = call.request.headers.get("content-type", "").startswith("application/json")
    if is_json:
        call.dialect = "api"
        answers = await bodies.read_object(call)
    else:
        answers = dict(await bodies.read_form(call))
    try:
        await call.act(
            actions.ask,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            answers=answers,
            country=_country(call),
        )
    except BadRequest as error:
        if is_json or "authorization" in call.request.headers:
            raise
        view = await call.act(actions.see_gate, repo_type=call.repo_type, repo_id=call.repo_id)
        return await _show(call, view, answers, error=error)
    view = await call.act(actions.see_gate, repo_type=call.repo_type, repo_id=call.repo_id)
    target = quote(view.repo.web_path) if view.may_read else f"{quote(view.repo.web_path)}/ask-access"
    if is_json or "authorization" in call.request.headers:
        target = quote(view.repo.web_path)
    return go(target)


async def post_cancel(call: Call) -> Response:
    """Withdraw the request that waits, from the page."""
    form = dict(await bodies.read_form(call))
    await call.act(
        actions.cancel,
        repo_type=call.repo_type,
        repo_id=call.repo_id,
        org=form.get(forms.ORG_FIELD) or None,
    )
    path = call.request.scope["raw_path"].decode("latin-1").removesuffix("/cancel")
    return go(path)


async def get_report(call: Call) -> Response:
    """``GET …/user-access-report``: everybody who asked, as a file; ``?format=csv`` for spreadsheets."""
    wants_csv = call.query("format") == "csv"
    if call.query("format") not in (None, "", "json", "csv"):
        raise BadRequest("'format' must be 'json' or 'csv'.")
    repo = await call.act(report.open_report, repo_type=call.repo_type, repo_id=call.repo_id)
    pieces = (report.write_csv if wants_csv else report.write_json)(call.sv, repo)
    ending = "csv" if wants_csv else "json"
    name = f"{repo.repo_id.namespace}_{repo.repo_id.name}_user_access_report.{ending}"
    return StreamingResponse(
        _in_threads(call, pieces),
        200,
        {"Content-Disposition": f'attachment; filename="{name}"', "Cache-Control": "no-store"},
        "text/csv; charset=utf-8" if wants_csv else "application/json; charset=utf-8",
    )


async def _show(
    call: Call, view: GateView, answers: Mapping[str, object], *, error: HubError | None
) -> Response:
    return await page(
        call,
        "gate.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        repo=view.repo,
        form=view.form,
        # Cleaned by the renderer: no script, no style, nothing that fetches from elsewhere unasked.
        prompt=Markup(markup.render(view.form.prompt)),  # noqa: S704
        view=view,
        answers=answers,
        countries=_countries(call),
        asks_where=view.form.is_eu_disallowed and _country(call) is None,
        org_field=forms.ORG_FIELD,
        eu_field=forms.OUTSIDE_EU_FIELD,
    )


def _countries(call: Call) -> dict[str, str]:
    """Return the names of countries by code, in the order in which a reader looks for them."""
    words = words_of(call)
    named = {code: words.country(code, name) for code, name in COUNTRIES.items()}
    return dict(sorted(named.items(), key=lambda each: _plain(each[1])))


def _plain(name: str) -> str:
    """Return a name without the marks on its letters, by which it is sorted."""
    return "".join(
        each for each in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(each)
    )


def _country(call: Call) -> str | None:
    """Return where the proxy in front of this hub says that the caller is."""
    header = call.sv.settings.gates.country_header
    return find_country(call.request.headers.get(header, "")) if header else None


async def _in_threads(call: Call, pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        joined = await call.run(_join, pieces)
        if not joined:
            return
        yield joined


def _join(pieces: Iterator[bytes]) -> bytes:
    joined = bytearray()
    for piece in pieces:
        joined += piece
        if len(joined) >= _PIECE_BYTES:
            break
    return bytes(joined)


_PAGES: tuple[tuple[str, str, Handler], ...] = (
    ("GET", "/ask-access", get_ask),
    ("POST", "/ask-access", post_ask),
    ("POST", "/ask-access/cancel", post_cancel),
    ("GET", "/user-access-report", get_report),
)

ROUTES: tuple[Route, ...] = tuple(
    Route(
        (method,),
        f"{prefix}/{{ns}}/{{name}}{tail}",
        handler,
        fixed={"type": kind},
        dialect="page",
        bucket="pages",
    )
    for kind, prefix in _PREFIXES.items()
    for method, tail, handler in _PAGES
)

"""The audit log of an organization: page by page, narrowed, and to take away."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain import auditing
from openhood.domain.auditing import Wanted
from openhood.http.api.audit import wanted_of
from openhood.http.context import Call
from openhood.http.pages.org_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY

_PER_PAGE = 50
_FIELDS = ("actor", "action", "startDate", "endDate")


async def get_audit(call: Call) -> Response:
    """The log, the newest first."""
    if to_login := await desk.sit_down(call):
        return to_login
    given = {name: text for name in _FIELDS if (text := (call.query(name) or "").strip())}
    wanted, error = Wanted(), None
    try:
        wanted = wanted_of(given)
    except BadRequest as refused:
        error = refused
    return await _show(call, given, wanted, error)


async def _show(call: Call, given: dict[str, str], wanted: Wanted, error: HubError | None) -> Response:
    before = call.query("before") or ""
    if not (before.isascii() and before.isdigit() and len(before) < 19):
        before = ""
    found = await call.act(
        auditing.list_events,
        org=call.params["o"],
        wanted=wanted,
        before=int(before) if before else None,
        limit=_PER_PAGE + 1,
    )
    page = found[:_PER_PAGE]
    path, query = forms.here(call), urlencode(given)
    more = urlencode({**given, "before": page[-1].id}) if len(found) > _PER_PAGE else None
    return await desk.show_page(
        call,
        "settings/org_audit.html",
        active="audit",
        form=EMPTY,
        error=error,
        events=page,
        given=given,
        path=path,
        export=f"/api/organizations/{call.params['o']}/audit-log/export" + (f"?{query}" if query else ""),
        after=None if more is None else f"{path}?{more}",
        first=(f"{path}?{query}" if query else path) if before else None,
    )


ROUTES = (forms.route("GET", desk.BASE + "/audit-log", get_audit),)

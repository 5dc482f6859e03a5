"""What administrators keep an eye on: repositories, reports of what is wrong, and the trail of who did what."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoId, RepoType
from openhood.domain import auditing
from openhood.domain.auditing import Wanted as WantedRows
from openhood.domain.discovery import lists
from openhood.domain.discovery.wanted import Order, Wanted
from openhood.domain.moderation import actions as moderation
from openhood.domain.moderation.types import Report
from openhood.domain.repos import lifecycle
from openhood.domain.repos.lifecycle import SettingsChange
from openhood.http.context import Call
from openhood.http.pages.admin import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import Act, Form

_REPOS, _REPORTS, _AUDIT = "/admin/repositories", "/admin/reports", "/admin/audit"
_PAGE = 50
_FITTING = {
    "repo": ("hide_repo", "disable_repo", "show_repo", "enable_repo"),
    "comment": ("hide_comment", "lock_discussion"),
    "account": ("lock_account",),
}


# --- repositories ----------------------------------------------------------------------------------


async def _show_repos(call: Call, form: Form, error: HubError | None) -> Response:
    search, cursor = call.query("q") or "", call.query("cursor") or None
    chosen = RepoType.from_plural(call.query("type") or "")
    found = await call.act(
        lists.list_repos,
        wanted=Wanted((chosen,) if chosen else tuple(RepoType), searches=(search,) if search else ()),
        order=Order("lastModified", True),
        cursor=cursor,
        limit=_PAGE,
        with_card=False,
        siblings=False,
    )
    kept = {"q": search, "type": chosen.plural if chosen else ""}
    return await desk.show_page(
        call,
        "admin/repos.html",
        active="repos",
        form=form,
        error=error,
        repos=[each.listed for each in found.items],
        search=search,
        chosen=chosen.plural if chosen else "",
        types=[each.plural for each in RepoType],
        before=f"{_REPOS}?{urlencode(kept)}" if cursor else None,
        after=f"{_REPOS}?{urlencode(kept | {'cursor': found.cursor})}" if found.cursor else None,
    )


async def _disable(call: Call, form: Form) -> str:
    return await _set_disabled(call, form, is_disabled=True)


async def _enable(call: Call, form: Form) -> str:
    return await _set_disabled(call, form, is_disabled=False)


async def _set_disabled(call: Call, form: Form, *, is_disabled: bool) -> str:
    kind, _, name = form.one("repo").partition(":")
    repo_type = RepoType.from_plural(kind)
    if repo_type is None:
        raise BadRequest("The form names no repository. Load the page again.")
    await call.act(
        lifecycle.update_settings,
        repo_type=repo_type,
        repo_id=RepoId.parse(name),
        change=SettingsChange(is_disabled=is_disabled),
    )
    return forms.said(_REPOS, "disabled" if is_disabled else "enabled") + f"&q={name}"


# --- reports ---------------------------------------------------------------------------------------


async def _show_reports(call: Call, form: Form, error: HubError | None) -> Response:
    state = call.query("state") or "open"
    state = state if state in moderation.STATES else "open"
    cursor = call.query("cursor") or None
    found = await call.act(moderation.list_reports, state=state, cursor=cursor, limit=_PAGE)
    return await desk.show_page(
        call,
        "admin/reports.html",
        active="reports",
        form=form,
        error=error,
        state=state,
        states=moderation.STATES,
        reports=[(each, _measures(each)) for each in found.items],
        before=f"{_REPORTS}?state={state}" if cursor else None,
        after=f"{_REPORTS}?{urlencode({'state': state, 'cursor': found.cursor})}" if found.cursor else None,
    )


def _measures(report: Report) -> tuple[str, ...]:
    about = "repo" if report.subject.repo else "comment" if report.subject.comment else "account"
    return _FITTING[about]


async def _act(call: Call, form: Form) -> str:
    measure = form.one("measure")
    await call.act(
        moderation.act,
        report_id=form.one("report"),
        measure=None if measure in ("", "dismiss") else measure,
        answer=form.one("answer") or None,
    )
    return forms.said(_REPORTS, "handled")


# --- the trail -------------------------------------------------------------------------------------


async def _show_audit(call: Call, form: Form, error: HubError | None) -> Response:
    action, actor, before = call.query("action") or "", call.query("actor") or "", call.query("before") or ""
    start, end = _day(call.query("start")), _day(call.query("end"))
    found = await call.act(
        auditing.list_events,
        org=None,
        wanted=WantedRows(
            start=start,
            end=None if end is None else end + timedelta(days=1),
            action=action or None,
            actor=actor or None,
        ),
        before=int(before) if before.isascii() and before.isdigit() and len(before) < 19 else None,
        limit=_PAGE + 1,
    )
    days = {"start": call.query("start") or "", "end": call.query("end") or ""}
    kept = {"action": action, "actor": actor, **days}
    exported = {"action": action, "actor": actor, "startDate": days["start"], "endDate": days["end"]}
    return await desk.show_page(
        call,
        "admin/audit.html",
        active="audit",
        form=form,
        error=error,
        rows=found[:_PAGE],
        asked=kept,
        report=await call.act(auditing.verify) if call.query_flag("verify", default=False) else None,
        export="/api/audit-log/export?" + urlencode({key: value for key, value in exported.items() if value}),
        before=f"{_AUDIT}?{urlencode(kept)}" if before else None,
        after=f"{_AUDIT}?{urlencode(kept | {'before': found[_PAGE - 1].id})}" if len(found) > _PAGE else None,
    )


def _day(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadRequest("Days must be written YYYY-MM-DD.") from error


async def get_repos(call: Call) -> Response:
    """All repositories, disabled and private ones too."""
    return await desk.get(call, _show_repos)


async def post_repos(call: Call) -> Response:
    """Disable a repository, or enable it again."""
    acts: Mapping[str, Act] = {"disable": _disable, "enable": _enable}
    return await desk.post(call, acts, _show_repos)


async def get_reports(call: Call) -> Response:
    """What people report, by state."""
    return await desk.get(call, _show_reports)


async def post_reports(call: Call) -> Response:
    """Act on a report, or dismiss it."""
    acts: Mapping[str, Act] = {"act": _act}
    return await desk.post(call, acts, _show_reports)


async def get_audit(call: Call) -> Response:
    """The trail of who did what, narrowed and verified on request."""
    return await desk.get(call, _show_audit)


ROUTES = (
    forms.route("GET", _REPOS, get_repos),
    forms.route("POST", _REPOS, post_repos),
    forms.route("GET", _REPORTS, get_reports),
    forms.route("POST", _REPORTS, post_reports),
    forms.route("GET", _AUDIT, get_audit),
)

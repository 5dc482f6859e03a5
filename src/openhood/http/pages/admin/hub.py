"""The hub as a whole: numbers and health, storage, settings, jobs."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.administration import actions
from openhood.domain.moderation import actions as moderation
from openhood.http.context import Call
from openhood.http.pages.admin import desk
from openhood.http.pages.language import words_of
from openhood.http.pages.setting_words import origin_told
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import Act, Form

_JOBS = "/admin/jobs"
_PAGE = 50
_LARGEST = 50


async def _show_overview(call: Call, form: Form, error: HubError | None) -> Response:
    overview = await call.act(actions.see_overview)
    reports = await call.act(moderation.list_reports, state="open", cursor=None, limit=20)
    return await desk.show_page(
        call,
        "admin/overview.html",
        active="overview",
        form=form,
        error=error,
        overview=overview,
        storage=await call.act(actions.measure_storage, is_forced=False),
        open_reports=len(reports.items),
        more_reports=reports.cursor is not None,
    )


async def _show_storage(call: Call, form: Form, error: HubError | None) -> Response:
    is_forced = call.query_flag("measure", default=False)
    report = await call.act(actions.measure_storage, is_forced=is_forced)
    largest = sorted(report.repositories, key=lambda each: -each.use.freed_bytes) if report else []
    return await desk.show_page(
        call,
        "admin/storage.html",
        active="storage",
        form=form,
        error=error,
        report=report,
        largest=largest[:_LARGEST],
    )


async def _show_settings(call: Call, form: Form, error: HubError | None) -> Response:
    found = await call.act(actions.list_settings)
    groups: dict[str, list[object]] = {}
    for each in found:
        groups.setdefault(each.name.partition(".")[0] if "." in each.name else "", []).append(each)
    return await desk.show_page(
        call,
        "admin/settings.html",
        active="settings",
        form=form,
        error=error,
        groups=groups,
        origin_told=partial(origin_told, words_of(call)),
    )


# --- jobs ------------------------------------------------------------------------------------------


async def _show_jobs(call: Call, form: Form, error: HubError | None) -> Response:
    asked = form.one("state") or call.query("state")
    state = next((each for each in actions.STATES if each == asked), actions.STATES[0])
    after = call.query_int("after", default=0, low=0, high=2**62)
    found = await call.act(actions.list_jobs, state=state, after=after, limit=_PAGE)
    return await desk.show_page(
        call,
        "admin/jobs.html",
        active="jobs",
        form=form,
        error=error,
        state=state,
        found=found,
        before=f"{_JOBS}?state={state}" if after else None,
        after=f"{_JOBS}?state={state}&after={found.after}" if found.after else None,
    )


async def _run(call: Call, form: Form) -> str:
    await call.act(actions.run_job_again, job=_number(form))
    return forms.said(_JOBS, "again")


async def _drop(call: Call, form: Form) -> str:
    await call.act(actions.delete_job, job=_number(form))
    return forms.said(_JOBS, "dropped")


def _number(form: Form) -> int:
    text = form.one("job")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise BadRequest("The form names no job. Load the page again.")
    return int(text)


async def get_overview(call: Call) -> Response:
    """The hub in numbers: accounts, repositories, jobs, health, storage."""
    return await desk.get(call, _show_overview)


async def get_storage(call: Call) -> Response:
    """What storage is used for, and what would come back."""
    return await desk.get(call, _show_storage)


async def get_settings(call: Call) -> Response:
    """What this process runs with, and where each value came from."""
    return await desk.get(call, _show_settings)


async def get_jobs(call: Call) -> Response:
    """Jobs that fail, wait or run."""
    return await desk.get(call, _show_jobs)


async def post_jobs(call: Call) -> Response:
    """Run a job again, or give it up."""
    acts: Mapping[str, Act] = {"again": _run, "drop": _drop}
    return await desk.post(call, acts, _show_jobs)


ROUTES = (
    forms.route("GET", "/admin", get_overview),
    forms.route("GET", "/admin/storage", get_storage),
    forms.route("GET", "/admin/settings", get_settings),
    forms.route("GET", _JOBS, get_jobs),
    forms.route("POST", _JOBS, post_jobs),
)

"""Who asked to read a gated repository, and what is said to them."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.gating import actions
from openhood.domain.gating.actions import Decision, Whose
from openhood.domain.gating.rows import Chosen
from openhood.domain.gating.types import AccessRequest
from openhood.http.context import Call
from openhood.http.pages.files.places import routes
from openhood.http.pages.repo_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PER_PAGE = 50
_DECISIONS = {"accept": "accepted", "reject": "rejected", "reset": "reset", "reopen": "pending"}


async def get_access(call: Call) -> Response:
    """The requests of one state, the newest first, page by page."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_access(call: Call) -> Response:
    """Decide on a request, on several, or let somebody in who did not ask."""
    acts = {**dict.fromkeys(_DECISIONS, _decide), "grant": _grant}
    return await desk.answer(call, acts, _show)


async def _decide(call: Call, form: Form) -> str:
    decision = Decision(_DECISIONS[form.do], form.one("reason").strip() or None)
    users = form.all("user")
    if not users:
        raise BadRequest("Choose at least one request.")
    if len(users) == 1:
        await call.act(
            actions.handle,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            whose=Whose(user=users[0]),
            decision=decision,
        )
    else:
        outcomes = await call.act(
            actions.handle_batch,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            users=users,
            decision=decision,
        )
        wrong = [f"{each.user}: {each.error}" for each in outcomes if each.error]
        if wrong:
            raise BadRequest("Not all of it was done. " + " ".join(wrong[:5]))
    return _back(call, form, "decided")


async def _grant(call: Call, form: Form) -> str:
    await call.act(
        actions.grant, repo_type=call.repo_type, repo_id=call.repo_id, user=form.one("user").strip()
    )
    return _back(call, form, "granted")


def _back(call: Call, form: Form, word: str) -> str:
    status = form.one("status")
    return f"{forms.here(call)}?{urlencode({'status': status or 'pending', 'done': word})}"


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    status = call.query("status") or form.one("status") or "pending"
    if status not in actions.STATUSES:
        status = "pending"
    view = await call.act(actions.see_gate, repo_type=call.repo_type, repo_id=call.repo_id)
    search = (call.query("q") or "").strip()
    items: tuple[AccessRequest, ...] = ()
    cursor: str | None = None
    if view.repo.gated:
        found = await call.act(
            actions.list_requests,
            repo_type=call.repo_type,
            repo_id=call.repo_id,
            chosen=Chosen(status=status, search=search or None),
            cursor=call.query("cursor") or None,
            limit=_PER_PAGE,
        )
        items, cursor = found.items, found.cursor
    here = {"status": status, **({"q": search} if search else {})}
    path = forms.here(call)
    return await desk.show_page(
        call,
        "settings/repo_access.html",
        active="access",
        form=form,
        error=error,
        state=status,
        statuses=actions.STATUSES,
        search=search,
        requests=items,
        path=path,
        after=None if cursor is None else f"{path}?{urlencode({**here, 'cursor': cursor})}",
        first=f"{path}?{urlencode(here)}" if call.query("cursor") else None,
    )


ROUTES = routes((("GET", "/settings/access", get_access), ("POST", "/settings/access", post_access)))

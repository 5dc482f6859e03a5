"""Which tokens an organization lets in, and its decisions about single ones."""

from __future__ import annotations

from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.accounts import policies
from openhood.domain.accounts.types import TokenPolicy
from openhood.http.context import Call
from openhood.http.pages.org_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form
from openhood.http.pages.settings.tokens import summary_of

_PER_PAGE = 50
_STATUSES = ("", "pending", "approved", "denied", "revoked")


async def get_tokens(call: Call) -> Response:
    """The policy, and members' fine-grained tokens that reach the organization."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_tokens(call: Call) -> Response:
    """Write the policy, decide about a token, or shut out one that was found in the open."""
    acts = {
        "policy": _set_policy,
        "approve": _decide,
        "deny": _decide,
        "revoke": _decide,
        "found": _revoke_found,
    }
    return await desk.answer(call, acts, _show)


async def _set_policy(call: Call, form: Form) -> str:
    days = form.one("days").strip()
    if days and not (days.isascii() and days.isdigit() and len(days) < 6):
        raise BadRequest("The greatest age must be a number of days, or empty for no limit.")
    fine_grained = form.one("fine_grained")
    if fine_grained not in ("allow", "approval", "deny"):
        raise BadRequest("Choose which fine-grained tokens are let in.")
    policy = TokenPolicy(
        classic=form.one("classic") != "deny",
        fine_grained="allow"
        if fine_grained == "allow"
        else "approval"
        if fine_grained == "approval"
        else "deny",
        create_role=form.role("create_role"),
        max_age_days=int(days) if days else None,
    )
    await call.act(policies.set_policy, org=call.params["o"], policy=policy)
    return forms.said(forms.here(call), "saved")


async def _decide(call: Call, form: Form) -> str:
    decisions: dict[str, policies.Decision] = {"approve": "approve", "deny": "deny", "revoke": "revoke"}
    await call.act(
        policies.decide, org=call.params["o"], token=form.one("token"), decision=decisions[form.do]
    )
    return forms.said(forms.here(call), "decided")


async def _revoke_found(call: Call, form: Form) -> str:
    await call.act(policies.revoke_by_secret, org=call.params["o"], secret=form.one("secret").strip())
    return forms.said(forms.here(call), "decided")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    status = call.query("status") or ""
    if status not in _STATUSES:
        status = ""
    before = call.query("before") or ""
    if not (before.isascii() and before.isdigit() and len(before) < 19):
        before = ""
    found, more = await call.act(
        policies.list_requests,
        org=call.params["o"],
        status=status or None,
        before=int(before) if before else None,
        limit=_PER_PAGE,
    )
    path = forms.here(call)
    kept = {"status": status} if status else {}
    return await desk.show_page(
        call,
        "settings/org_tokens.html",
        active="tokens",
        form=form,
        error=error,
        policy=await call.act(policies.get_policy, org=call.params["o"]),
        requests=found,
        state=status,
        statuses=_STATUSES,
        summary_of=summary_of,
        path=path,
        after=None if more is None else f"{path}?{urlencode({**kept, 'before': more})}",
        first=f"{path}?{urlencode(kept)}" if before else None,
        roles=desk.ROLES,
    )


ROUTES = desk.routes("/tokens", get_tokens, post_tokens)

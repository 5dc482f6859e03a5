"""The service accounts of an organization, which act for it and are nobody, and their tokens."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import HubError, NotFound
from openhood.domain.access import OrgRole
from openhood.domain.accounts import service_accounts, tokens
from openhood.domain.accounts.types import Member, TokenInfo
from openhood.http.context import Call
from openhood.http.pages.org_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Act, Form

_ROLES = tuple(role for role in OrgRole if role is not OrgRole.NO_ACCESS)


async def get_accounts(call: Call) -> Response:
    """The service accounts, and the form for another."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_accounts(call: Call) -> Response:
    """Make a service account."""
    return await desk.answer(call, {"create": _create}, _show)


async def get_account(call: Call) -> Response:
    """One service account: its role and its tokens."""
    return await desk.sit_down(call) or await _show_one(call, EMPTY, None)


async def post_account(call: Call) -> Response:
    """Change a service account's role, make or revoke a token, or delete it."""
    acts: Mapping[str, Act] = {"role": _set_role, "token": _make_token, "revoke": _revoke, "delete": _delete}
    return await desk.answer(call, acts, _show_one)


async def _create(call: Call, form: Form) -> str:
    made = await call.act(
        service_accounts.create,
        org=call.params["o"],
        name=form.one("name").strip(),
        fullname=form.one("fullname").strip(),
        role=form.role(),
    )
    return forms.said(f"{forms.here(call)}/{made.account.name}", "service")


async def _set_role(call: Call, form: Form) -> str:
    await call.act(service_accounts.set_role, org=call.params["o"], name=call.params["u"], role=form.role())
    return forms.said(forms.here(call), "saved")


async def _make_token(call: Call, form: Form) -> Response:
    # That it is one of this organization; who may make tokens for it is asked again with the token.
    await _tokens_of(call)
    info, secret = await call.act(
        tokens.create_token,
        user=call.params["u"],
        display_name=form.one("display_name"),
        role=form.one("role"),
        expires_at=form.day_end("expires_on", "the token expires"),
    )
    return await _show_one(call, EMPTY, None, created=info, secret=secret)


async def _revoke(call: Call, form: Form) -> str:
    if form.one("token") not in {each.hex_id for each in await _tokens_of(call)}:
        raise NotFound("This service account has no such token.")
    await call.act(tokens.revoke_token, token=form.one("token"))
    return forms.said(forms.here(call), "revoked")


async def _delete(call: Call, form: Form) -> str:
    form.check_confirmed(call.params["u"])
    await call.act(service_accounts.delete, org=call.params["o"], name=call.params["u"])
    return forms.said(f"/organizations/{call.params['o']}/settings/service-accounts", "deleted")


async def _tokens_of(call: Call) -> list[TokenInfo]:
    return await call.act(service_accounts.list_tokens, org=call.params["o"], name=call.params["u"])


async def _accounts_of(call: Call) -> list[Member]:
    return await call.act(service_accounts.list_all, org=call.params["o"])


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    return await desk.show_page(
        call,
        "settings/org_services.html",
        active="services",
        form=form,
        error=error,
        accounts=await _accounts_of(call),
        path=forms.here(call),
        roles=_ROLES,
    )


async def _show_one(
    call: Call,
    form: Form,
    error: HubError | None,
    *,
    created: TokenInfo | None = None,
    secret: str | None = None,
) -> Response:
    name = call.params["u"].lower()
    member = next((each for each in await _accounts_of(call) if each.account.key == name), None)
    if member is None:
        raise NotFound("This organization has no such service account.")
    return await desk.show_page(
        call,
        "settings/org_service.html",
        active="services",
        form=form,
        error=error,
        member=member,
        tokens=await _tokens_of(call),
        created=created,
        secret=secret,
        roles=_ROLES,
    )


ROUTES = (
    *desk.routes("/service-accounts", get_accounts, post_accounts),
    *desk.routes("/service-accounts/{u}", get_account, post_account),
)

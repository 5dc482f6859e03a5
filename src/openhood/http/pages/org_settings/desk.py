"""What every settings page of an organization begins with: who may be here, and the side navigation."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.access import OrgRole
from openhood.domain.accounts import administrating
from openhood.domain.accounts.types import Account
from openhood.http.context import Call
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import Act, Form, Show
from openhood.http.router import Handler, Route

BASE = "/organizations/{o}/settings"
ROLES = tuple(OrgRole)


async def sit_down(call: Call) -> Response | None:
    """Return the way to the sign-in page for those who are not signed in.

    Raises for everybody else who does not administrate the organization: NotFound, Forbidden.
    """
    if to_login := await forms.sign_in_first(call):
        return to_login
    await org_of(call)
    return None


async def org_of(call: Call) -> Account:
    """Return the organization of this route, for its administrators. Raises NotFound, Unauthorized, Forbidden."""
    return await call.act(administrating.open_org, org=call.params["o"])


async def answer(call: Call, acts: Mapping[str, Act], show: Show) -> Response:
    """Do what a form asks of an organization that whoever asks administrates."""
    return await sit_down(call) or await forms.answer(call, acts, show)


async def show_page(
    call: Call, template: str, *, active: str, form: Form, error: HubError | None, **values: object
) -> Response:
    """Answer with a settings page of the organization."""
    org = await org_of(call)
    return await forms.show_page(
        call,
        template,
        active=active,
        form=form,
        error=error,
        done=None,
        org=org,
        base=f"/organizations/{org.name}/settings",
        **values,
    )


def routes(tail: str, get: Handler, post: Handler) -> tuple[Route, ...]:
    """Return the routes of a page with forms."""
    return forms.route("GET", BASE + tail, get), forms.route("POST", BASE + tail, post)

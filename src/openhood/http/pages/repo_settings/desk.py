"""What every settings page of a repository begins with: who may be here, the head, and the side navigation."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.access import Need
from openhood.domain.repos import lifecycle
from openhood.http.context import Call
from openhood.http.pages import repo_shown
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import Act, Form, Show


async def sit_down(call: Call) -> Response | None:
    """Return the way to the sign-in page for those who are not signed in.

    Raises for everybody else who may not change the repository: what `lookup.find` raises.
    """
    if to_login := await forms.sign_in_first(call):
        return to_login
    await call.act(lifecycle.auth_check, repo_type=call.repo_type, repo_id=call.repo_id, need=Need.ADMIN)
    return None


async def answer(call: Call, acts: Mapping[str, Act], show: Show) -> Response:
    """Do what a form asks of a repository that whoever asks may change."""
    return await sit_down(call) or await forms.answer(call, acts, show)


async def show_page(
    call: Call, template: str, *, active: str, form: Form, error: HubError | None, **values: object
) -> Response:
    """Answer with a settings page of the repository."""
    shown = await repo_shown.load(call, "settings")
    return await forms.show_page(
        call,
        template,
        active=active,
        form=form,
        error=error,
        done=None,
        shown=shown,
        base=f"{shown.web}/settings",
        **values,
    )

"""What the pages of administration share: who may open them, and how they are shown."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import Forbidden, HubError
from openhood.http.context import Call
from openhood.http.pages.render import page
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Act, Form, Show


async def refuse_others(call: Call) -> Response | None:
    """Send who is not signed in to do so first. Raises Forbidden for whoever is, and is no administrator."""
    answer = await forms.sign_in_first(call)
    if answer is None and not (await call.viewer()).is_admin:
        raise Forbidden("This is for the administrators of this hub only.")
    return answer


async def get(call: Call, show: Show) -> Response:
    """Show a page of administration, to administrators."""
    return await refuse_others(call) or await show(call, EMPTY, None)


async def post(call: Call, acts: Mapping[str, Act], show: Show) -> Response:
    """Do what a form of such a page asks, for administrators."""
    return await refuse_others(call) or await forms.answer(call, acts, show)


async def show_page(
    call: Call, template: str, *, active: str, form: Form, error: HubError | None, **values: object
) -> Response:
    """Answer with a page of administration: with what was done, or what was wrong."""
    return await page(
        call,
        template,
        status=200 if error is None else error.status,
        active=active,
        form=form,
        error=None if error is None else error.message,
        done=call.query("done") if error is None and not form.values else None,
        **values,
    )

"""The announcement at the top of every page: writing it, for administrators, and putting it aside, for everybody."""

from __future__ import annotations

import re
from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.administration import announcing
from openhood.http.context import Call
from openhood.http.pages.admin import desk
from openhood.http.pages.going import go, safe_path, set_cookie
from openhood.http.pages.render import DISMISSED_COOKIE
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import Act, Form

_PATH = "/admin/announcement"
_A_YEAR_S = 31_536_000
_KEY = re.compile(r"[0-9a-f]{16}")


async def get_announcement(call: Call) -> Response:
    """What is announced, and the form to announce something else."""
    return await desk.get(call, _show)


async def post_announcement(call: Call) -> Response:
    """Announce something, or nothing any more."""
    acts: Mapping[str, Act] = {"announce": _announce, "withdraw": _withdraw}
    return await desk.post(call, acts, _show)


async def post_dismiss(call: Call) -> Response:
    """``/-/announcement/dismiss``: show one announcement no more in this browser, and lead back."""
    form = await forms.read(call)
    key = form.one("key")
    if not _KEY.fullmatch(key):
        raise BadRequest("The form names no announcement. Load the page again.")
    answer = go(safe_path(form.one("next")))
    set_cookie(call, answer, DISMISSED_COOKIE, key, life_s=_A_YEAR_S)
    return answer


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    return await desk.show_page(
        call,
        "admin/announcement.html",
        active="announcement",
        form=form,
        error=error,
        said=await call.act(announcing.get_announcement),
        kinds=announcing.KINDS,
        most=announcing.MAX_CHARS,
    )


async def _announce(call: Call, form: Form) -> str:
    await call.act(
        announcing.announce, text=form.one("text"), kind=form.one("kind"), link=form.one("link") or None
    )
    return forms.said(_PATH, "announced")


async def _withdraw(call: Call, form: Form) -> str:
    await call.act(announcing.withdraw)
    return forms.said(_PATH, "withdrawn")


ROUTES = (
    forms.route("GET", _PATH, get_announcement),
    forms.route("POST", _PATH, post_announcement),
    forms.route("POST", "/-/announcement/dismiss", post_dismiss),
)

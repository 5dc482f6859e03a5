"""How pages look to one: colours and language, kept in cookies of this browser."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.http.context import Call
from openhood.http.pages.going import go
from openhood.http.pages.language import LANGUAGES
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PATH = "/settings/appearance"
_THEMES = ("system", "light", "dark")
_A_YEAR_S = 31_536_000


async def get_appearance(call: Call) -> Response:
    """What is chosen now."""
    return await forms.sign_in_first(call) or await _show(call, EMPTY, None)


async def post_appearance(call: Call) -> Response:
    """Choose."""
    return await forms.sign_in_first(call) or await forms.answer(call, {"save": _save}, _show)


async def _save(call: Call, form: Form) -> Response:
    theme, language = form.one("theme"), form.one("language")
    if theme not in _THEMES or language not in (*LANGUAGES, ""):
        raise BadRequest("Choose one of the colours and one of the languages.")
    done = go(forms.said(_PATH, "saved"))
    # Readable by scripts: the switch at the foot of every page writes the same cookie.
    for name, value in (("theme", "" if theme == "system" else theme), ("language", language)):
        if value:
            secure = call.base_url.startswith("https://")
            done.set_cookie(name, value, max_age=_A_YEAR_S, samesite="lax", secure=secure)
        else:
            done.delete_cookie(name, samesite="lax")
    return done


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    theme = call.request.cookies.get("theme", "")
    return await forms.show_page(
        call,
        "settings/appearance.html",
        active="appearance",
        form=form,
        error=error,
        chosen_theme=theme if theme in _THEMES else "system",
        chosen_language=call.request.cookies.get("language", ""),
        themes=_THEMES,
    )


ROUTES = (
    forms.route("GET", _PATH, get_appearance),
    forms.route("POST", _PATH, post_appearance),
)

"""The style guide, where every component of the pages stands once, and the choice of the language."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from starlette.responses import RedirectResponse, Response

from openhood.base.errors import BadRequest
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages.going import safe_path, set_cookie
from openhood.http.pages.language import LANGUAGES
from openhood.http.pages.render import page
from openhood.http.router import Route

_A_YEAR_S = 31_536_000


async def get_style(call: Call) -> Response:
    """``/-/style``: the style guide."""
    return await page(call, "style.html", some_time=datetime.now(UTC) - timedelta(hours=5))


async def post_language(call: Call) -> Response:
    """``/-/language``: keep the language a person chose in a cookie, and lead back."""
    call.check_origin()
    form = dict(await bodies.read_form(call))
    language = form.get("language", "")
    if language not in LANGUAGES:
        raise BadRequest(f"Pages are written in {', '.join(LANGUAGES)}.")
    answer = RedirectResponse(safe_path(form.get("next")), 303)
    set_cookie(call, answer, "language", language, life_s=_A_YEAR_S)
    return answer


ROUTES = (
    Route(("GET",), "/-/style", get_style, dialect="page", bucket="pages"),
    Route(("POST",), "/-/language", post_language, dialect="page", bucket="pages"),
)

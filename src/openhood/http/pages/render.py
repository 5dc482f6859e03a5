"""Turning templates into answers, with the headers every page of the hub carries."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.responses import Response

from openhood.domain.access import Viewer
from openhood.domain.notifications import actions as notifications
from openhood.http.api.accounts import avatar_of
from openhood.http.context import Call
from openhood.http.pages import shown
from openhood.http.pages.language import LANGUAGES, Words, words_of
from openhood.http.pages.static import address_of
from openhood.http.replies import moment

# Nothing from elsewhere, no script in the page itself, no frame around it, forms to this hub only.
POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Frame-Options": "DENY",
    # Some addresses are secrets (invitations), so they must not leave with a click on a link.
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent.parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
_TEMPLATES.globals |= {"static": address_of, "moment": moment, "avatar_of": avatar_of}
_TEMPLATES.filters |= {"size": shown.size, "count": shown.count, "grouped": shown.grouped}
_TEMPLATES.filters |= {"task": shown.task, "license": shown.license_in}
_THEMES = ("light", "dark")
_NAMES = {"en": "English", "fr": "Français"}


async def page(call: Call, template: str, *, status: int = 200, **values: object) -> Response:
    """Answer with a page in the language and the theme of whoever asks.

    Every template also knows ``viewer``, ``hub_url``, ``hub_host``, ``sign_up``, ``sso``, ``unread`` (lines of the
    inbox), ``now`` and ``here`` (its own address), the functions ``_``, ``ngettext``, ``ago``, ``static`` and ``avatar_of``, and the filters ``size``,
    ``count`` and ``grouped``.
    """
    viewer = await call.viewer()
    if viewer.user_id is not None and "unread" not in values:
        values["unread"] = await call.act(notifications.count_unread)
    text = render(call, viewer, template, **values)
    return Response(text, status, HEADERS, "text/html; charset=utf-8")


def render(call: Call, viewer: Viewer, template: str, **values: object) -> str:
    """Return a page's text, for `page` and for those who add headers of their own."""
    words = words_of(call)
    now = datetime.now(UTC)
    theme = call.request.cookies.get("theme")
    address = call.request.url
    known: dict[str, object] = {
        "viewer": viewer,
        "viewer_avatar": f"/avatars/{viewer.hex_id}.svg",
        "hub_url": call.base_url,
        "hub_host": urlsplit(call.base_url).netloc,
        "sign_up": call.sv.settings.sign_up,
        "sso": call.sv.settings.sso,
        "now": now,
        "here": address.path + (f"?{address.query}" if address.query else ""),
        "language": words.language,
        "languages": [(name, _NAMES.get(name, name)) for name in LANGUAGES],
        "theme": theme if theme in _THEMES else None,
        "_": partial(_say, words),
        "ngettext": partial(_say_many, words),
        "ago": partial(words.ago, now=now),
    }
    return _TEMPLATES.get_template(template).render(known | values)


def say(call: Call, message: str) -> str:
    """Return a sentence in the language of a request."""
    return words_of(call).gettext(message)


def _say(words: Words, message: str, /, **values: object) -> str:
    said = words.gettext(message)
    return said % values if values else said


def _say_many(words: Words, one: str, many: str, number: int, /, **values: object) -> str:
    return words.ngettext(one, many, number) % {"num": number, **values}

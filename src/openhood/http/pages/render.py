"""Turning templates into answers, with the headers every page of the hub carries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from urllib.parse import quote, urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from starlette.responses import Response

from openhood.domain.access import Viewer
from openhood.domain.administration import announcing
from openhood.domain.administration.announcing import Announcement
from openhood.domain.notifications import actions as notifications
from openhood.domain.services import Services
from openhood.http.api.accounts import avatar_of
from openhood.http.compression import shrink
from openhood.http.context import Call
from openhood.http.pages import refusals, shown
from openhood.http.pages.language import ENGLISH, LANGUAGES, Words, words_of
from openhood.http.pages.policy import POLICY, learn_store, policy_of
from openhood.http.pages.posters import HUB, poster_of
from openhood.http.pages.prose import pictured
from openhood.http.pages.static import address_of
from openhood.http.replies import moment

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
_TEMPLATES.globals |= {"static": address_of, "moment": moment, "avatar_of": avatar_of, "poster_of": poster_of}
_THEMES = ("light", "dark")
_NAMES = {"en": "English", "fr": "Français"}
_SHOWN_ONCE = ("secret", "made", "codes", "enrolment", "link")
"""What pages call the secrets that they show once. Such a page is never compressed: its length would tell of them
beside what somebody else may have made the person send (**Source**: the BREACH attack, CVE-2013-3587)."""
DISMISSED_COOKIE = "announcement"
"""Which announcement a browser shows no more."""


@dataclass(frozen=True, slots=True)
class _Around:
    """What stands around every page: how many lines of the inbox are new, and what is announced."""

    unread: int
    announcement: Announcement | None


async def page(call: Call, template: str, *, status: int = 200, **values: object) -> Response:
    """Answer with a page in the language and the theme of whoever asks.

    Every template also knows ``viewer``, ``hub_url``, ``hub_host``, ``sign_up``, ``sso``, ``unread`` (lines of the
    inbox), ``announcement``, ``now``, ``here`` (its own address) and ``canonical``, the functions ``_``, ``ngettext``,
    ``ago``, ``static``, ``avatar_of``, ``poster_of`` and ``pictured``, and the filters ``size``, ``count``, ``grouped``,
    ``task``, ``license`` and ``label``, which speak the language of the page.
    """
    around = await call.act(_look_around, counts="unread" not in values)
    known: dict[str, object] = {"unread": around.unread, "announcement": around.announcement}
    text = render(call, await call.viewer(), template, **known | values)
    headers = {**HEADERS, "Content-Security-Policy": policy_of(call.sv)}
    response = Response(text, status, headers, "text/html; charset=utf-8")
    if any(values.get(name) for name in _SHOWN_ONCE):
        response.headers.add_vary_header("Accept-Encoding")
        return response
    return shrink(call.request.headers, response)


def _look_around(sv: Services, viewer: Viewer, *, counts: bool) -> _Around:
    learn_store(sv)
    unread = notifications.count_unread(sv, viewer) if counts and viewer.user_id is not None else 0
    return _Around(unread, announcing.get_announcement(sv, viewer))


def render(call: Call, viewer: Viewer, template: str, **values: object) -> str:
    """Return a page's text, for `page` and for those who add headers of their own."""
    words = words_of(call)
    now = datetime.now(UTC)
    theme = call.request.cookies.get("theme")
    address = call.request.url
    said = values.get("announcement")
    if isinstance(said, Announcement) and call.request.cookies.get(DISMISSED_COOKIE) == said.key:
        values["announcement"] = None
    error = values.get("error")
    if isinstance(error, str):
        values["error"] = refusals.told(words, error)
    known: dict[str, object] = {
        "viewer": viewer,
        "viewer_avatar": viewer.avatar_url or f"/avatars/{viewer.hex_id}.svg",
        "hub_url": call.base_url,
        "hub_host": urlsplit(call.base_url).netloc,
        "sign_up": call.sv.settings.sign_up,
        "sso": call.sv.settings.sso,
        "now": now,
        "here": address.path + (f"?{address.query}" if address.query else ""),
        "canonical": _canonical(call),
        "announcement": None,
        "hub_poster": HUB,
        "pictured": partial(pictured, call),
        "language": words.language,
        "spoken": words,
        "languages": [(name, _NAMES.get(name, name)) for name in LANGUAGES],
        "theme": theme if theme in _THEMES else None,
        "_": partial(_say, words),
        "ngettext": partial(_say_many, words),
        "ago": partial(words.ago, now=now),
    }
    return _TEMPLATES.get_template(template).render(known | values)


def _canonical(call: Call) -> str | None:
    """Return the one address of a page: without its query, and none where the path is a secret."""
    if "{secret}" in call.request.scope.get("openhood.route", ""):
        return None
    return call.base_url + quote(call.request.url.path)


def say(call: Call, message: str) -> str:
    """Return a sentence in the language of a request."""
    return words_of(call).gettext(message)


def _spoken(context: Context) -> Words:
    words = context.get("spoken")
    return words if isinstance(words, Words) else LANGUAGES[ENGLISH]


@pass_context
def _size(context: Context, number: int | None) -> str:
    return shown.size(number, _spoken(context).figures)


@pass_context
def _count(context: Context, number: int | None) -> str:
    return shown.count(number, _spoken(context).figures)


@pass_context
def _grouped(context: Context, number: int | None) -> str:
    return shown.grouped(number, _spoken(context).figures)


@pass_context
def _label(context: Context, name: str, category: str) -> str:
    return _spoken(context).label(name, category)


@pass_context
def _task(context: Context, tag: str) -> str:
    return _spoken(context).label(shown.task(tag), "pipeline_tag")


@pass_context
def _license(context: Context, tags: Iterable[str]) -> str:
    return _spoken(context).label(shown.license_in(tags), "license")


_TEMPLATES.filters |= {"size": _size, "count": _count, "grouped": _grouped}
_TEMPLATES.filters |= {"label": _label, "task": _task, "license": _license}


def _say(words: Words, message: str, /, **values: object) -> str:
    said = words.gettext(message)
    return said % values if values else said


def _say_many(words: Words, one: str, many: str, number: int, /, **values: object) -> str:
    return words.ngettext(one, many, number) % {"num": number, **values}

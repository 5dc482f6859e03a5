"""The inbox, and what one watches: reading, marking, removing, and watching no more."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoType
from openhood.domain.notifications import actions, letters
from openhood.domain.notifications.actions import Chosen, Subject
from openhood.domain.notifications.types import Asked, Notice, Watch
from openhood.http.context import Call
from openhood.http.pages.going import safe_path
from openhood.http.pages.render import page
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form
from openhood.http.router import Route

_PAGE = 25
_WATCHING = "/inbox/watching"
_ASKED: Mapping[str, Asked] = {
    "all": Asked(),
    "unread": Asked(read=False),
    "participating": Asked(mention="participating"),
    "mentions": Asked(mention="mentions"),
}
_PREFIXES = {kind.value: kind.web_prefix for kind in RepoType}


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the inbox and the page it leads to."""

    notice: Notice
    href: str


@dataclass(frozen=True, slots=True)
class Watched:
    """Something that is watched or muted, and where it is; a discussion has no address of its own here."""

    watch: Watch
    href: str | None


# --- the inbox -------------------------------------------------------------------------------------


async def get_inbox(call: Call) -> Response:
    """``/inbox``: all of it, or ``?show=`` unread, participating or mentions."""
    return await forms.sign_in_first(call) or await _show(call, EMPTY, None)


async def post_inbox(call: Call) -> Response:
    """Mark lines as read or unread, or remove them: those ticked, or all that are shown."""
    acts = {
        "read": _read,
        "unread": _unread,
        "remove": _remove,
        "read-all": _read_all,
        "remove-all": _remove_all,
    }
    return await forms.sign_in_first(call) or await forms.answer(call, acts, _show)


async def _read(call: Call, form: Form) -> str:
    await call.act(actions.mark_read, chosen=_ticked(form), is_read=True)
    return _back(form)


async def _unread(call: Call, form: Form) -> str:
    await call.act(actions.mark_read, chosen=_ticked(form), is_read=False)
    return _back(form)


async def _remove(call: Call, form: Form) -> str:
    await call.act(actions.delete, chosen=_ticked(form))
    return _back(form)


async def _read_all(call: Call, form: Form) -> str:
    await call.act(actions.mark_read, chosen=Chosen(every=_ASKED[_shown_of(form.one("show"))]), is_read=True)
    return _back(form)


async def _remove_all(call: Call, form: Form) -> str:
    await call.act(actions.delete, chosen=Chosen(every=Asked(read=True)))
    return _back(form)


def _ticked(form: Form) -> Chosen:
    numbers = [int(each) for each in form.all("id") if each.isascii() and each.isdigit() and len(each) < 19]
    if not numbers:
        raise BadRequest("Nothing was ticked. Tick the lines you mean first.")
    return Chosen(numbers=numbers)


def _back(form: Form) -> str:
    show = _shown_of(form.one("show"))
    return "/inbox" if show == "all" else f"/inbox?show={show}"


def _shown_of(text: str | None) -> str:
    return text if text is not None and text in _ASKED else "all"


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    show = _shown_of(form.one("show") or call.query("show"))
    cursor = call.query("cursor") or None
    inbox = await call.act(actions.list_inbox, asked=_ASKED[show], page=0, cursor=cursor, limit=_PAGE)
    return await page(
        call,
        "inbox/inbox.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        show=show,
        inbox=inbox,
        lines=[Line(each, letters.path_of(each)) for each in inbox.items],
        before=None if cursor is None else f"/inbox?show={show}",
        after=f"/inbox?{urlencode({'show': show, 'cursor': inbox.cursor})}" if inbox.cursor else None,
    )


# --- what one watches ------------------------------------------------------------------------------


async def get_watching(call: Call) -> Response:
    """What one watches, and what one does not want to hear of."""
    return await forms.sign_in_first(call) or await _show_watching(call, EMPTY, None)


async def post_watching(call: Call) -> Response:
    """Watch something, mute it, or do neither any more."""
    acts = {"watch": _watch, "mute": _watch, "stop": _watch}
    return await forms.sign_in_first(call) or await forms.answer(call, acts, _show_watching)


async def _watch(call: Call, form: Form) -> str:
    kind, _, hex_id = form.one("what").partition(":")
    subject = Subject(hex_id, kind, is_muted=form.do == "mute")
    add, gone = ([], [subject]) if form.do == "stop" else ([subject], [])
    await call.act(actions.watch, add=add, delete=gone)
    return safe_path(form.one("next") or _WATCHING)


async def _show_watching(call: Call, form: Form, error: HubError | None) -> Response:
    found = await call.act(actions.list_watched)
    return await page(
        call,
        "inbox/watching.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        watched=[Watched(each, _place_of(each)) for each in found],
    )


def _place_of(watch: Watch) -> str | None:
    if watch.kind in ("user", "org"):
        return f"/{watch.name}"
    return f"/{_PREFIXES[watch.kind]}{watch.name}" if watch.kind in _PREFIXES else None


ROUTES: tuple[Route, ...] = (
    forms.route("GET", "/inbox", get_inbox),
    forms.route("POST", "/inbox", post_inbox),
    forms.route("GET", _WATCHING, get_watching),
    forms.route("POST", _WATCHING, post_watching),
)

"""What one wants to hear of, by mail and in the inbox, and the things one watches."""

from __future__ import annotations

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.domain.notifications import actions, mailing
from openhood.domain.notifications.actions import Subject
from openhood.domain.notifications.types import MAIL_MODES, SWITCHES
from openhood.http.context import Call
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PATH = "/settings/notifications"
_SHOWN = 200
# What can be heard of, in the order of the page; each may come into the inbox (``web_``) and by mail.
_KINDS = (
    "discussions_participating",
    "discussions_watched",
    "gated_user_access_request",
    "access_decisions",
    "org_request",
    "user_follows",
    "followed_repos",
)


async def get_notices(call: Call) -> Response:
    """One's preferences and the watch list."""
    return await forms.sign_in_first(call) or await _show(call, EMPTY, None)


async def post_notices(call: Call) -> Response:
    """Keep preferences, or stop watching, mute and unmute something."""
    acts = {"save": _save, "unwatch": _unwatch, "mute": _mute, "unmute": _mute}
    return await forms.sign_in_first(call) or await forms.answer(call, acts, _show)


async def _save(call: Call, form: Form) -> str:
    ticked = set(form.all("on"))
    changes: dict[str, object] = {name: name in ticked for name in SWITCHES}
    await call.act(actions.set_preferences, changes={**changes, "mail": form.one("mail")})
    return forms.said(_PATH, "saved")


async def _unwatch(call: Call, form: Form) -> str:
    await call.act(actions.watch, add=[], delete=[_subject(form)])
    return forms.said(_PATH, "unwatched")


async def _mute(call: Call, form: Form) -> str:
    await call.act(actions.watch, add=[_subject(form, is_muted=form.do == "mute")], delete=[])
    return forms.said(_PATH, "saved")


def _subject(form: Form, *, is_muted: bool = False) -> Subject:
    return Subject(form.one("id"), form.one("kind"), is_muted)


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    watched = await call.act(actions.list_watched)
    return await forms.show_page(
        call,
        "settings/notifications.html",
        active="notifications",
        form=form,
        error=error,
        preferences=await call.act(actions.get_preferences),
        kinds=_KINDS,
        modes=MAIL_MODES,
        has_mail=mailing.is_on(call.sv),
        watched=watched[:_SHOWN],
        more=max(0, len(watched) - _SHOWN),
    )


ROUTES = (
    forms.route("GET", _PATH, get_notices),
    forms.route("POST", _PATH, post_notices),
)

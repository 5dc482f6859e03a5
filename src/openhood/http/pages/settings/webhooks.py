"""One's webhooks: the list, making and changing one, and the log of what was delivered, with replay."""

from __future__ import annotations

import orjson
from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoType
from openhood.domain.webhooks import actions
from openhood.domain.webhooks.types import DOMAINS, ShownWebhook, Wishes
from openhood.http.context import Call
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PATH = "/settings/webhooks"
_PER_PAGE = 25


async def get_webhooks(call: Call) -> Response:
    """List one's webhooks and offer to make one."""
    return await forms.sign_in_first(call) or await _show(call, EMPTY, None)


async def post_webhooks(call: Call) -> Response:
    """Make a webhook."""
    return await forms.sign_in_first(call) or await forms.answer(call, {"create": _create}, _show)


async def get_webhook(call: Call) -> Response:
    """One webhook: its settings, and its log page by page."""
    return await forms.sign_in_first(call) or await _show_one(call, EMPTY, None)


async def post_webhook(call: Call) -> Response:
    """Change a webhook, switch it on or off, send something again, or delete it."""
    return await forms.sign_in_first(call) or await forms.answer(
        call, {"save": _save, "enable": _switch, "disable": _switch, "delete": _delete}, _show_one
    )


async def get_delivery(call: Call) -> Response:
    """One delivery: what was sent, and what was answered."""
    return await forms.sign_in_first(call) or await _show_delivery(call, EMPTY, None)


async def post_delivery(call: Call) -> Response:
    """Send something again."""
    return await forms.sign_in_first(call) or await forms.answer(call, {"replay": _replay}, _show_delivery)


async def _create(call: Call, form: Form) -> str:
    made = await call.act(actions.create_webhook, wishes=_wishes(form, is_new=True), base_url=call.base_url)
    return forms.said(f"{_PATH}/{made.webhook.hex_id}", "webhook")


async def _save(call: Call, form: Form) -> str:
    await call.act(
        actions.update_webhook,
        webhook=call.params["w"],
        wishes=_wishes(form, is_new=False),
        base_url=call.base_url,
    )
    return forms.said(forms.here(call), "saved")


async def _switch(call: Call, form: Form) -> str:
    await call.act(actions.set_enabled, webhook=call.params["w"], is_enabled=form.do == "enable")
    return forms.said(forms.here(call), "on" if form.do == "enable" else "off")


async def _delete(call: Call, form: Form) -> str:
    await call.act(actions.delete_webhook, webhook=call.params["w"])
    return forms.said(_PATH, "deleted")


async def _replay(call: Call, form: Form) -> str:
    added = await call.act(actions.replay_delivery, webhook=call.params["w"], delivery=call.params["log"])
    return forms.said(f"{_PATH}/{call.params['w']}/deliveries/{added.hex_id}", "replayed")


def _wishes(form: Form, *, is_new: bool) -> Wishes:
    """Read a webhook's form. An empty secret leaves it as it is, unless the box to take it away is ticked."""
    secret: str | None = form.one("secret") or None
    if not is_new and form.flag("no_secret"):
        secret = ""
    return Wishes(
        url=form.one("url").strip(),
        watched=tuple(_watched(line) for line in form.one("watched").splitlines() if line.strip()),
        domains=tuple(form.all("domain")),
        secret=secret,
    )


def _watched(line: str) -> tuple[str, str]:
    """Read a line: ``user alice``, ``org acme``, ``acme/m``, ``datasets/acme/d``."""
    text = line.strip().strip("/")
    head, _, rest = text.partition("/")
    kind = RepoType.from_plural(head)
    if kind is not None and "/" in rest:
        return kind.value, rest
    if rest:
        return "model", text
    word, _, name = text.partition(" ")
    if word in ("user", "org") and name.strip():
        return word, name.strip()
    raise BadRequest(
        f"{text[:60]!r} is nothing to watch. Write acme/model, datasets/acme/data, spaces/acme/app, user alice or "
        "org acme."
    )


def lines_of(shown: ShownWebhook) -> str:
    """Return what a webhook watches as its form takes it."""
    lines = []
    for each in shown.watched:
        is_repo = each.type in tuple(RepoType)
        lines.append(
            f"{RepoType(each.type).web_prefix}{each.name}" if is_repo else f"{each.type} {each.name}"
        )
    return "\n".join(lines)


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    return await forms.show_page(
        call,
        "settings/webhooks.html",
        active="webhooks",
        form=form,
        error=error,
        hooks=await call.act(actions.list_webhooks),
        lines_of=lines_of,
        domains=DOMAINS,
    )


async def _show_one(call: Call, form: Form, error: HubError | None) -> Response:
    webhook = call.params["w"]
    log = await call.act(
        actions.list_deliveries, webhook=webhook, cursor=call.query("cursor") or None, limit=_PER_PAGE
    )
    shown = await call.act(actions.get_webhook, webhook=webhook)
    return await forms.show_page(
        call,
        "settings/webhook.html",
        active="webhooks",
        form=form,
        error=error,
        hook=shown,
        lines=lines_of(shown),
        domains=DOMAINS,
        log=log.items,
        after=None if log.cursor is None else f"{forms.here(call)}?cursor={log.cursor}",
        first=forms.here(call) if call.query("cursor") else None,
    )


async def _show_delivery(call: Call, form: Form, error: HubError | None) -> Response:
    found = await call.act(actions.get_delivery, webhook=call.params["w"], delivery=call.params["log"])
    return await forms.show_page(
        call,
        "settings/delivery.html",
        active="webhooks",
        form=form,
        error=error,
        hook=await call.act(actions.get_webhook, webhook=call.params["w"]),
        delivery=found,
        payload=orjson.dumps(found.payload, option=orjson.OPT_INDENT_2, default=str).decode(),
    )


_ONE = _PATH + "/{w}"

ROUTES = (
    forms.route("GET", _PATH, get_webhooks),
    forms.route("POST", _PATH, post_webhooks),
    forms.route("GET", _ONE, get_webhook),
    forms.route("POST", _ONE, post_webhook),
    forms.route("GET", _ONE + "/deliveries/{log}", get_delivery),
    forms.route("POST", _ONE + "/deliveries/{log}", post_delivery),
)

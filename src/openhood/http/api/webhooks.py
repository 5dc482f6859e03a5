"""``/api/settings/webhooks``: a user's webhooks and the log of their deliveries.

**Source**: huggingface_hub ``HfApi.create_webhook`` and its sisters; the log's routes are this hub's own.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest, NotSupported
from openhood.domain.webhooks import actions
from openhood.domain.webhooks.types import Delivery, ShownWebhook, Wishes
from openhood.http.bodies import read_object
from openhood.http.context import Call
from openhood.http.replies import json_reply, moment, next_link
from openhood.http.router import Route

_DEFAULT_LIMIT = 50


async def list_webhooks(call: Call) -> Response:
    """``GET``: a bare array. **Source**: ``HfApi.list_webhooks``."""
    return json_reply([_shape(each) for each in await call.act(actions.list_webhooks)])


async def create_webhook(call: Call) -> Response:
    """``POST``: make a webhook. **Source**: ``HfApi.create_webhook``."""
    wishes = _read(await read_object(call))
    return _answer(await call.act(actions.create_webhook, wishes=wishes, base_url=call.base_url))


async def get_webhook(call: Call) -> Response:
    """``GET …/{id}``. **Source**: ``HfApi.get_webhook``."""
    return _answer(await call.act(actions.get_webhook, webhook=call.params["w"]))


async def update_webhook(call: Call) -> Response:
    """``POST …/{id}``: change what is named. **Source**: ``HfApi.update_webhook``."""
    wishes = _read(await read_object(call))
    return _answer(
        await call.act(
            actions.update_webhook, webhook=call.params["w"], wishes=wishes, base_url=call.base_url
        )
    )


async def enable_webhook(call: Call) -> Response:
    """``POST …/{id}/enable``. **Source**: ``HfApi.enable_webhook``."""
    return _answer(await call.act(actions.set_enabled, webhook=call.params["w"], is_enabled=True))


async def disable_webhook(call: Call) -> Response:
    """``POST …/{id}/disable``. **Source**: ``HfApi.disable_webhook``."""
    return _answer(await call.act(actions.set_enabled, webhook=call.params["w"], is_enabled=False))


async def delete_webhook(call: Call) -> Response:
    """``DELETE …/{id}``. **Source**: ``HfApi.delete_webhook``."""
    await call.act(actions.delete_webhook, webhook=call.params["w"])
    return json_reply({"success": True})


async def list_deliveries(call: Call) -> Response:
    """``GET …/{id}/logs``: what was delivered, the newest first, page by page."""
    page = await call.act(
        actions.list_deliveries,
        webhook=call.params["w"],
        cursor=call.query("cursor") or None,
        limit=call.query_int("limit", default=_DEFAULT_LIMIT, low=1, high=actions.MAX_PAGE),
    )
    return json_reply([_line(each) for each in page.items], headers=next_link(call, page.cursor))


async def get_delivery(call: Call) -> Response:
    """``GET …/{id}/logs/{log}``: one delivery with its payload."""
    found = await call.act(actions.get_delivery, webhook=call.params["w"], delivery=call.params["log"])
    return json_reply({"log": {**_line(found), "payload": found.payload}})


async def replay(call: Call) -> Response:
    """``POST …/{id}/replay/{log}``: send something again. **Source**: the Hub's pages."""
    added = await call.act(actions.replay_delivery, webhook=call.params["w"], delivery=call.params["log"])
    return json_reply({"log": _line(added)})


def _answer(shown: ShownWebhook) -> Response:
    return json_reply({"webhook": _shape(shown)})


def _shape(shown: ShownWebhook) -> dict[str, object]:
    webhook = shown.webhook
    shape: dict[str, object] = {
        "id": webhook.hex_id,
        "url": webhook.url,
        "watched": [{"type": each.type, "name": each.name} for each in shown.watched],
        "domains": list(webhook.domains),
        "disabled": not webhook.is_enabled,
        "createdAt": moment(webhook.created_at),
        "updatedAt": moment(webhook.updated_at),
    }
    if shown.secret is not None:
        shape["secret"] = shown.secret
    if webhook.disabled_reason is not None:
        shape["disabledReason"] = webhook.disabled_reason
    if webhook.failures:
        shape["failures"] = webhook.failures
    if webhook.limited_at is not None:
        shape["limitedAt"] = moment(webhook.limited_at)
    return shape


def _line(delivery: Delivery) -> dict[str, object]:
    payload: Mapping[str, object] = delivery.payload
    repo = payload.get("repo")
    line: dict[str, object] = {
        "id": delivery.hex_id,
        "event": payload.get("event"),
        "repo": {key: repo[key] for key in ("type", "name")} if isinstance(repo, dict) else None,
        "state": delivery.state,
        "attempts": delivery.attempts,
        "statusCode": delivery.status_code,
        "durationMs": delivery.duration_ms,
        "answer": delivery.answer,
        "createdAt": moment(delivery.created_at),
        "updatedAt": moment(delivery.updated_at),
    }
    if delivery.state == "waiting":
        line["nextAttemptAt"] = moment(delivery.due_at)
    if delivery.replay_of:
        line["replayOf"] = delivery.replay_of
    return line


def _read(body: Mapping[str, object]) -> Wishes:
    """Read a webhook's definition. Nulls are as good as missing: old clients send them."""
    for key in ("jobSourceId", "job", "secrets"):
        if body.get(key) is not None:
            raise NotSupported("Jobs: not supported by this hub yet. Give the webhook a 'url' instead.")
    return Wishes(
        url=_text(body, "url"),
        watched=_watched(body.get("watched")),
        domains=_domains(body.get("domains")),
        secret=_text(body, "secret"),
    )


def _text(body: Mapping[str, object], key: str) -> str | None:
    value = body.get(key)
    if value is not None and not isinstance(value, str):
        raise BadRequest(f"'{key}' must be a text.")
    return value


def _watched(given: object) -> tuple[tuple[str, str], ...] | None:
    if given is None:
        return None
    if not isinstance(given, list):
        raise BadRequest("'watched' must be a list of objects with 'type' and 'name'.")
    found: list[tuple[str, str]] = []
    for each in given:
        kind, name = (each.get("type"), each.get("name")) if isinstance(each, dict) else (None, None)
        if not isinstance(kind, str) or not isinstance(name, str):
            raise BadRequest("Each entry of 'watched' must have a 'type' and a 'name'.")
        found.append((kind, name))
    return tuple(found)


def _domains(given: object) -> tuple[str, ...] | None:
    if given is None:
        return None
    if not isinstance(given, list) or not all(isinstance(each, str) for each in given):
        raise BadRequest("'domains' must be a list that may hold 'repo' and 'discussion'.")
    return tuple(given)


_ONE = "/api/settings/webhooks/{w}"

ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/api/settings/webhooks", list_webhooks),
    Route(("POST",), "/api/settings/webhooks", create_webhook),
    Route(("GET",), _ONE, get_webhook),
    Route(("POST",), _ONE, update_webhook),
    Route(("DELETE",), _ONE, delete_webhook),
    Route(("POST",), f"{_ONE}/enable", enable_webhook),
    Route(("POST",), f"{_ONE}/disable", disable_webhook),
    Route(("GET",), f"{_ONE}/logs", list_deliveries),
    Route(("GET",), f"{_ONE}/logs/{{log}}", get_delivery),
    Route(("POST",), f"{_ONE}/replay/{{log}}", replay),
)

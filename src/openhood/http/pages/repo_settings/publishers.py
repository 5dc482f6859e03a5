"""Which workloads of other systems may write to a repository without a token kept anywhere."""

from __future__ import annotations

from typing import Literal

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.domain.publishers import actions
from openhood.http.context import Call
from openhood.http.pages.files.places import routes
from openhood.http.pages.repo_settings import desk
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form


async def get_publishers(call: Call) -> Response:
    """The trusted publishers."""
    return await desk.sit_down(call) or await _show(call, EMPTY, None)


async def post_publishers(call: Call) -> Response:
    """Trust a workload, or trust one no more."""
    return await desk.answer(call, {"add": _add, "remove": _remove}, _show)


async def _add(call: Call, form: Form) -> str:
    role: Literal["read", "write"] = "read" if form.one("role") == "read" else "write"
    await call.act(
        actions.add_publisher,
        resource=(call.repo_type, call.repo_id),
        issuer=form.one("issuer").strip(),
        subject=form.one("subject").strip(),
        audience=form.one("audience").strip() or call.base_url,
        claims=_claims(form.one("claims")),
        role=role,
    )
    return forms.said(forms.here(call), "publisher")


def _claims(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            found[name.strip()] = value.strip()
        elif line.strip():
            raise BadRequest(f"Write each claim as name=value; {line.strip()[:60]!r} is none.")
    return found


async def _remove(call: Call, form: Form) -> str:
    await call.act(
        actions.remove_publisher,
        resource=(call.repo_type, call.repo_id),
        publisher=form.one("publisher"),
    )
    return forms.said(forms.here(call), "deleted")


async def _show(call: Call, form: Form, error: HubError | None) -> Response:
    return await desk.show_page(
        call,
        "settings/repo_publishers.html",
        active="publishers",
        form=form,
        error=error,
        publishers=await call.act(actions.list_publishers, resource=(call.repo_type, call.repo_id)),
        issuers=actions.trusted_issuers(call.sv),
    )


ROUTES = routes(
    (("GET", "/settings/publishers", get_publishers), ("POST", "/settings/publishers", post_publishers))
)

"""``/new``: the form that creates a repository and leads to it."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.responses import Response

from openhood.base.errors import BadRequest, HubError
from openhood.base.names import RepoType
from openhood.domain.access import OrgRole
from openhood.domain.accounts import actions as accounts
from openhood.domain.repos import lifecycle
from openhood.domain.repos.lifecycle import NewRepo
from openhood.engines.formats import vocabulary
from openhood.http import bodies
from openhood.http.context import Call
from openhood.http.pages.going import go, to_login
from openhood.http.pages.render import page
from openhood.http.router import Route

_KINDS = {kind.value: kind for kind in RepoType}
_SDKS = ("gradio", "docker", "static")
# Those most are under come first; all others follow by name.
_COMMON_LICENSES = (
    "apache-2.0",
    "mit",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "openrail",
    "llama3.1",
    "gemma",
)


async def get_new(call: Call) -> Response:
    """The form, with what the address says already chosen."""
    if (await call.viewer()).is_anonymous:
        return to_login("/new")
    kind = call.query("type") or "model"
    form = {
        "type": kind if kind in _KINDS else "model",
        "owner": call.query("owner") or "",
        "name": call.query("name") or "",
    }
    return await _show(call, form, error=None)


async def post_new(call: Call) -> Response:
    """Create it and lead there."""
    call.check_origin()
    if (await call.viewer()).is_anonymous:
        return to_login("/new")
    form = {key: value.strip() for key, value in await bodies.read_form(call)}
    try:
        repo = await call.act(lifecycle.create_repo, new=_new_repo(form))
    except HubError as error:
        if error.status >= 500:
            raise
        return await _show(call, form, error=error)
    return go(repo.web_path)


def _new_repo(form: Mapping[str, str]) -> NewRepo:
    kind = _KINDS.get(form.get("type", ""))
    if kind is None:
        raise BadRequest(f"'type' must be one of {', '.join(_KINDS)}.")
    card = {}
    if form.get("license"):
        card["license"] = form["license"]
    if kind is RepoType.SPACE:
        card["sdk"] = form.get("sdk", "")
    return NewRepo(
        type=kind,
        namespace=form.get("owner") or None,
        name=form.get("name", ""),
        visibility=form.get("visibility") or None,
        card=card,
    )


async def _show(call: Call, form: Mapping[str, str], *, error: HubError | None) -> Response:
    identity = await call.act(accounts.who_am_i)
    orgs = [each.org.name for each in identity.memberships if each.role >= OrgRole.CONTRIBUTOR]
    licenses = vocabulary.licenses()
    common = [each for each in _COMMON_LICENSES if each in licenses]
    return await page(
        call,
        "browse/new.html",
        status=200 if error is None else error.status,
        error=None if error is None else error.message,
        form=form,
        owners=[identity.account.name, *sorted(orgs, key=str.lower)],
        common=[(each, licenses[each].label) for each in common],
        others=sorted(
            ((each.id, each.label) for each in licenses.values() if each.id not in common),
            key=lambda pair: pair[1].lower(),
        ),
        sdks=_SDKS,
    )


ROUTES: tuple[Route, ...] = (
    Route(("GET",), "/new", get_new, dialect="page", bucket="pages"),
    Route(("POST",), "/new", post_new, dialect="page", bucket="pages"),
)

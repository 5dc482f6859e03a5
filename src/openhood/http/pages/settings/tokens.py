"""One's access tokens: the list, revoking, and making one with exactly the permissions it needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from starlette.responses import Response

from openhood.base.errors import HubError
from openhood.base.names import RepoType
from openhood.domain.accounts import actions, tokens
from openhood.domain.accounts.types import TokenInfo
from openhood.http.context import Call
from openhood.http.pages.going import go
from openhood.http.pages.settings import forms
from openhood.http.pages.settings.forms import EMPTY, Form

_PATH = "/settings/tokens"
_FIELD = "in:"
Permissions = tuple[str, ...]

ON_REPOS: Permissions = ("repo.content.read", "repo.write", "discussion.write")
_ON_COLLECTIONS: Permissions = ("collection.read", "collection.write")
_ON_WEBHOOKS: Permissions = ("user.webhooks.read", "user.webhooks.write")
_ON_ORG: Permissions = ("org.read", "org.write", "resourceGroup.write", "org.auditLog.read")
# Groups of permissions by a word that the template says in the reader's language, as it does theirs.
OF_USER: tuple[tuple[str, Permissions], ...] = (
    ("repositories", ON_REPOS),
    ("collections", _ON_COLLECTIONS),
    ("webhooks", _ON_WEBHOOKS),
)
OF_ORG: tuple[tuple[str, Permissions], ...] = (
    ("repositories", ON_REPOS),
    ("collections", _ON_COLLECTIONS),
    ("organization", _ON_ORG),
)


@dataclass(frozen=True, slots=True)
class Space:
    """A namespace that a token may be given permissions in. ``field`` is the name of its boxes in the form."""

    kind: str
    name: str
    groups: tuple[tuple[str, Permissions], ...]

    @property
    def field(self) -> str:
        """The name of its boxes in the form."""
        return f"{_FIELD}{self.kind}:{self.name}"


async def get_tokens(call: Call) -> Response:
    """List one's tokens and offer to make one."""
    return await forms.sign_in_first(call) or await _show(call, EMPTY, None)


async def post_tokens(call: Call) -> Response:
    """Create a token and show its secret, this once."""
    form = await forms.read(call)
    if to_login := await forms.sign_in_first(call):
        return to_login
    viewer = await call.viewer()
    try:
        role = form.one("role")
        info, secret = await call.act(
            tokens.create_token,
            user=viewer.name,
            display_name=form.one("display_name"),
            role=role,
            scopes=scopes_of(form, viewer.name) if role == "fineGrained" else None,
            expires_at=form.day_end("expires_on", "the token expires"),
        )
    except HubError as error:
        forms.expect(error)
        return await _show(call, form, error)
    return await _show(call, EMPTY, None, created=info, secret=secret)


async def post_revoke(call: Call) -> Response:
    """Revoke a token and return to the list."""
    call.check_origin()
    if to_login := await forms.sign_in_first(call):
        return to_login
    await call.act(tokens.revoke_token, token=call.params["token"])
    return go(_PATH)


def scopes_of(form: Form, own_name: str) -> dict[str, object]:
    """Return the scopes a form describes, as `tokens.check_scopes` takes them.

    Boxes of namespaces count there; ``permission`` counts for what ``entities`` names, line by line, and where it
    names nothing, everywhere.
    """
    permissions = form.all("permission")
    lines = [line.strip().strip("/") for line in form.one("entities").splitlines() if line.strip()]
    scoped: list[dict[str, object]] = [
        {"entity": _entity(line, own_name), "permissions": permissions} for line in lines
    ]
    for name, values in form.values.items():
        if name.startswith(_FIELD):
            kind, _, namespace = name.removeprefix(_FIELD).partition(":")
            scoped.append({"entity": {"type": kind, "name": namespace}, "permissions": values})
    return {
        "global": [] if lines else permissions,
        "scoped": scoped,
        "canReadGatedRepos": form.flag("gated"),
    }


def _entity(line: str, own_name: str) -> dict[str, str]:
    head, slash, rest = line.partition("/")
    kind = RepoType.from_plural(head)
    if kind is not None and "/" in rest:
        return {"type": kind.value, "name": rest}
    if slash:
        return {"type": "model", "name": line}
    return {"type": "user" if line.lower() == own_name.lower() else "org", "name": line}


def summary_of(token: TokenInfo) -> list[tuple[str, list[str]]]:
    """Return what a fine-grained token may, place by place; a place without a name is everywhere."""
    scopes: Mapping[str, object] = token.fine_grained or {}
    found: list[tuple[str, list[str]]] = []
    everywhere = scopes.get("global")
    if isinstance(everywhere, list) and everywhere:
        found.append(("", everywhere))
    scoped = scopes.get("scoped")
    for each in scoped if isinstance(scoped, list) else []:
        if each["permissions"]:
            found.append((str(each["entity"]["name"]), list(each["permissions"])))
    return found


async def _show(
    call: Call,
    form: Form,
    error: HubError | None,
    *,
    created: TokenInfo | None = None,
    secret: str | None = None,
) -> Response:
    viewer = await call.viewer()
    profile = await call.act(actions.see_profile, name=viewer.name, kind="user")
    own = Space("user", profile.account.name, OF_USER)
    orgs = [Space("org", each.org.name, OF_ORG) for each in profile.memberships]
    return await forms.show_page(
        call,
        "settings/tokens.html",
        active="tokens",
        form=form,
        error=error,
        tokens=await call.act(tokens.list_tokens, user=viewer.name),
        summary_of=summary_of,
        spaces=[own, *orgs],
        created=created,
        secret=secret,
        permissions=ON_REPOS,
    )


ROUTES = (
    forms.route("GET", _PATH, get_tokens),
    forms.route("POST", _PATH, post_tokens),
    forms.route("POST", _PATH + "/{token}/revoke", post_revoke),
)
